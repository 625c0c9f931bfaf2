//! Who runs: names and numbers, looked up in the container's own files, which nobody trusts.

use std::fs;
use std::io::Write;

use crate::config::{quote, strings};
use crate::world::{Place, value};

const IDS: &str = "id -u; id -g; sed -n 's/^Groups:\t//p' /proc/self/status";

#[track_caller]
fn ids(place: &mut Place, user: &str) -> String {
    place.config.set("user", quote(user));
    let run = place.sh(IDS);
    run.ends(0).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_form_of_user() {
    let mut place = Place::new();
    let cases = [
        ("", "0 0"),
        ("root", "0 0"),
        ("alice", "1000 1001 29 44"),
        ("1000", "1000 1001 29 44"),
        ("alice:staff", "1000 50"),
        ("alice:50", "1000 50"),
        ("1000:staff", "1000 50"),
        ("1:1", "1 1"),
        ("1", "1 1"),
        ("4242", "4242 0"),
        ("4242:4343", "4242 4343"),
        ("1000:", "1000 1001 29 44"),
    ];
    for (user, expected) in cases {
        assert_eq!(ids(&mut place, user), expected, "user {user:?}");
    }
}

#[test]
fn users_that_cannot_be_are_refused() {
    let mut place = Place::new();
    for user in [
        "nobody-here",
        "alice:no-such-group",
        "4294967296",
        "2147483648",
        "-1",
        "0x10",
        "1000:-1",
        "1000:4294967296",
        "99999999999999999999",
        "alice:staff:more",
    ] {
        place.config.set("user", quote(user));
        let run = place.exec(&["/bin/true"]);
        assert_eq!(run.status, 125, "user {user:?}: {}", run.err);
        assert!(
            run.err.contains(user.split(':').next().unwrap()) || run.err.contains("user"),
            "{}",
            run.err
        );
    }
}

#[test]
fn forged_names_do_not_hide_numbers() {
    let mut place = Place::new();
    let forged = "1000:x:0:0:forged:/:/bin/sh\n4294967296:x:0:0::/:/bin/sh\n-1:x:0:0::/:/bin/sh\n\
        0x10:x:0:0::/:/bin/sh\n2147483648:x:0:0::/:/bin/sh\n:x:0:0::/:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\n";
    fs::write(place.path("/etc/passwd"), forged).unwrap();
    fs::write(place.path("/etc/group"), "50:x:0:\nalice:x:1001:\n").unwrap();
    assert_eq!(ids(&mut place, "1000"), "1000 1001");
    assert_eq!(ids(&mut place, "1000:50"), "1000 50");
    for user in ["4294967296", "-1", "2147483648"] {
        place.config.set("user", quote(user));
        assert_eq!(place.exec(&["/bin/true"]).status, 125, "user {user:?}");
    }
    // A name that is a name may look odd: then it is the file's word that counts. Root it is not.
    place.config.set("user", quote("0x10"));
    let run = place.sh(IDS);
    assert!(run.status == 125 || run.out.starts_with("0\n"), "{} {}", run.out, run.err);
}

#[test]
fn bad_lines_are_passed_over() {
    let mut place = Place::new();
    let text = "\n\n#comment\nbob\nbob:x\nbob:x:abc:1\nbob:x:1000:\n:::::::\n\
        carol:x:4294967296:0::/:/bin/sh\nalice:x:1000:1001:A:/home/alice:/bin/sh";
    fs::write(place.path("/etc/passwd"), text).unwrap();
    assert_eq!(ids(&mut place, "alice"), "1000 1001 29 44");
    // But not guessed at where they are what was asked for.
    for user in ["bob", "carol"] {
        place.config.set("user", quote(user));
        place.exec(&["/bin/true"]).fails(&[user, "/etc/passwd"]);
    }
}

#[test]
fn files_that_are_missing_or_odd_are_no_danger() {
    let mut place = Place::new();
    fs::remove_file(place.path("/etc/passwd")).unwrap();
    fs::remove_file(place.path("/etc/group")).unwrap();
    assert_eq!(ids(&mut place, "1000"), "1000 0");
    assert_eq!(ids(&mut place, "1000:5"), "1000 5");
    assert_eq!(ids(&mut place, ""), "0 0");
    place.config.set("user", quote("alice"));
    place.exec(&["/bin/true"]).fails(&["alice"]);
    // A fifo, a device, a directory: none may make it wait or read without end.
    let passwd = place.path("/etc/passwd");
    let path = std::ffi::CString::new(passwd.to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    assert_ne!(place.exec(&["/bin/true"]).status, 0);
    fs::remove_file(&passwd).unwrap();
    // SAFETY: the path is a C string that outlives the call.
    let made = unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(1, 5)) };
    assert_eq!(made, 0);
    assert_ne!(place.exec(&["/bin/true"]).status, 0);
    fs::remove_file(&passwd).unwrap();
    fs::create_dir(&passwd).unwrap();
    assert_ne!(place.exec(&["/bin/true"]).status, 0);
}

#[test]
fn a_file_without_an_end_or_of_the_kernels_is_refused() {
    let mut place = Place::new();
    let passwd = place.path("/etc/passwd");
    // A hole of eight terabytes: reading it would take days.
    fs::File::create(&passwd).unwrap().set_len(1 << 43).unwrap();
    place.config.set("user", quote("alice"));
    place.exec(&["/bin/true"]).fails(&["/etc/passwd", "larger than 128 MiB"]);
    let first = {
        place
            .config
            .set("user", quote("1000:1000"))
            .set("environment", r#"["HOME=/", "PATH=/bin"]"#);
        place.start("echo ready; sleep 300")
    };
    // Nor does it hold up who only wants to show a name.
    let shown = place.run(&["ps"]);
    assert!(shown.ok().contains(" 1000 "), "{}", shown.out);
    first.signal(libc::SIGTERM);
    first.end();
    // A read of /proc/kmsg takes the kernel's messages away from whoever waits for them.
    place.config.set("user", quote("alice"));
    for file in ["/proc/uptime", "/sys/kernel/uevent_seqnum"] {
        fs::remove_file(&passwd).unwrap();
        std::os::unix::fs::symlink(file, &passwd).unwrap();
        place.exec(&["/bin/true"]).fails(&["/etc/passwd", "a file of the kernel's own"]);
    }
}

#[test]
fn the_files_are_read_with_the_containers_rights() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let mut place = Place::new();
    let passwd = place.path("/etc/passwd");
    chown(&passwd, Some(5), Some(5)).unwrap();
    fs::set_permissions(&passwd, fs::Permissions::from_mode(0o600)).unwrap();
    place.config.set("user", quote("alice")).set("capabilities", strings(&["CHOWN"]));
    place.exec(&["/bin/true"]).fails(&["/etc/passwd", "EACCES"]);
    place.config.set("capabilities", strings(&["CHOWN", "DAC_OVERRIDE"]));
    place.exec(&["/bin/true"]).ok();
}

#[test]
fn as_many_groups_as_the_kernel_takes_can_be_asked_for() {
    let mut place = Place::new();
    let mut text = String::new();
    for n in 0..3000 {
        text += &format!("named{n}:x:{}:\n", 100_000 + n);
    }
    fs::write(place.path("/etc/group"), text).unwrap();
    // Some by name, in another order than the file's, and one of them twice.
    let names = (0..3000).rev().map(|n| format!("\"named{n}\"")).chain([r#""named7""#.to_owned()]);
    let numbers = (0..60_000).map(|n| (200_000 + n).to_string());
    let all: Vec<String> = names.chain(numbers).collect();
    place.config.set("user", quote("1:1")).set("additional_groups", format!("[{}]", all.join(",")));
    let run = place.sh("sed -n 's/^Groups:\t//p' /proc/self/status | wc -w");
    assert_eq!(run.ends(0), "63000\n", "{}", run.err);
}

#[test]
fn who_has_no_right_to_the_way_is_told_where() {
    use std::os::unix::fs::PermissionsExt;
    let mut place = Place::new();
    place.config.set("user", quote("alice"));
    let mode = |path: &str, mode| {
        fs::set_permissions(place.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::copy(place.path("/bin/busybox"), place.path("/tmp/private")).unwrap();
    mode("/tmp/private", 0o700);
    place.write_config();
    mode("/", 0o700);
    place.run(&["exec", "/bin/true"]).fails(&["EACCES", "user 1000 may not search /"]);
    mode("/", 0o755);
    mode("/bin", 0o700);
    for command in ["true", "/bin/true"] {
        let run = place.run(&["exec", command]);
        run.ends(126);
        run.says(&["/bin/true", "user 1000 may not search /bin"]);
    }
    mode("/bin", 0o755);
    let run = place.run(&["exec", "/tmp/private", "true"]);
    run.ends(126);
    run.says(&["/tmp/private", "it may not be executed by this user"]);
}

#[test]
fn a_passwd_link_leads_into_the_container() {
    let mut place = Place::new();
    let outside = place.dir.join("passwd");
    fs::write(&outside, "alice:x:777:777::/:/bin/sh\n").unwrap();
    fs::remove_file(place.path("/etc/passwd")).unwrap();
    std::os::unix::fs::symlink(&outside, place.path("/etc/passwd")).unwrap();
    place.config.set("user", quote("alice"));
    place.exec(&["/bin/true"]).fails(&["alice"]);
    fs::remove_file(place.path("/etc/passwd")).unwrap();
    fs::write(place.path("/tmp/passwd"), "alice:x:888:889::/:/bin/sh\n").unwrap();
    std::os::unix::fs::symlink("/../../tmp/passwd", place.path("/etc/passwd")).unwrap();
    assert_eq!(ids(&mut place, "alice"), "888 889 29 44");
}

#[test]
fn files_of_any_size_are_streamed() {
    let mut place = Place::new();
    let mut f = std::io::BufWriter::new(fs::File::create(place.path("/etc/group")).unwrap());
    // One line of 20 MB, and many lines; the member is at the far end of each.
    f.write_all(b"big:x:600:").unwrap();
    for i in 0..1_500_000 {
        write!(f, "u{i},").unwrap();
    }
    f.write_all(b"alice\n").unwrap();
    for i in 0..500_000 {
        writeln!(f, "g{i}:x:{}:nobody", 1_000_000 + i).unwrap();
    }
    f.write_all(b"last:x:601:bob,alice\n").unwrap();
    f.into_inner().unwrap();
    assert_eq!(ids(&mut place, "alice"), "1000 1001 600 601");
}

#[test]
fn more_groups_than_the_kernel_takes_is_an_error_that_says_so() {
    let mut place = Place::new();
    let mut text = String::new();
    for i in 0..70_000 {
        text += &format!("g{i}:x:{}:alice\n", 10_000 + i);
    }
    fs::write(place.path("/etc/group"), text).unwrap();
    place.config.set("user", quote("alice"));
    place.exec(&["/bin/true"]).fails(&["group"]);
}

#[test]
fn additional_groups_by_name_and_number() {
    let mut place = Place::new();
    place.config.set("user", quote("1:1")).set("additional_groups", r#"[29, "video", "777"]"#);
    let run = place.sh("sed -n 's/^Groups:\t//p' /proc/self/status");
    let mut groups: Vec<&str> = run.ends(0).split_whitespace().collect();
    groups.sort();
    assert_eq!(groups, ["29", "44", "777"]);
    place.config.set("additional_groups", r#"["no-such-group"]"#);
    place.exec(&["/bin/true"]).fails(&["no-such-group"]);
}

#[test]
fn the_callers_groups_are_not_kept() {
    use std::os::unix::process::CommandExt;
    let place = Place::new();
    place.write_config();
    let mut command = place.command(&["exec", "/bin/cat", "/proc/self/status"]);
    // SAFETY: setgroups is a plain system call here: there is one thread.
    unsafe {
        command.pre_exec(|| {
            let groups = [4321, 4322];
            libc::setgroups(2, groups.as_ptr());
            Ok(())
        });
    }
    let run = crate::world::spawn(&mut command).end();
    assert_eq!(value(run.ok(), "Groups"), "");
}

#[test]
fn the_user_owns_the_terminal() {
    let mut place = Place::new();
    place.config.set("user", quote("alice")).set("tty", "true");
    place.write_config();
    let mut terminal = crate::pty::Terminal::new(24, 80);
    let script = "stat -c %u /dev/console; echo y > /dev/console; stat -L -c %u /proc/self/fd/0; echo x > /dev/tty && echo fine";
    assert_eq!(terminal.run(&mut place.command(&["exec", "/bin/sh", "-c", script])), 0);
    let shown = terminal.output();
    assert!(shown.starts_with("1000\r\ny\r\n1000\r\n") && shown.contains("fine"), "{shown}");
}

#[test]
fn a_user_without_rights_cannot_enter_a_private_working_directory() {
    let mut place = Place::new();
    place.config.set("user", quote("alice")).set("working_dir", quote("/root"));
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(place.path("/root"), fs::Permissions::from_mode(0o700)).unwrap();
    place.exec(&["/bin/true"]).fails(&["/root", "EACCES", "user 1000 may not search /root"]);
}

#[test]
fn ambient_and_file_capabilities_do_not_come_back() {
    let mut place = Place::new();
    place.config.set("capabilities", strings(&["NET_RAW", "SETPCAP"])).set("user", quote("alice"));
    let run = place.sh("grep ^Cap /proc/self/status");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(run.value(set), "0000000000000000");
    }
    let first = place.start("echo ready; while :; do sleep 1; done");
    let run = place.join("grep ^Cap /proc/self/status");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(run.value(set), "0000000000000000");
    }
    place.kill_launcher(first);
    place.sh("exit 0").ends(0);
}
