//! What the command is given: rights, limits, descriptors, session, environment, network.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;

use crate::config::{quote, strings};
use crate::world::{FAILED, Place, spawn, value};

const STATUS: &str = "cat /proc/self/status";

/// Bits of the names in CAPABILITIES of the sample.
const SAMPLE_MASK: u64 = 1 << 0
    | 1 << 1
    | 1 << 3
    | 1 << 5
    | 1 << 6
    | 1 << 7
    | 1 << 8
    | 1 << 10
    | 1 << 13
    | 1 << 18
    | 1 << 27
    | 1 << 31;

fn caps(text: &str, set: &str) -> u64 {
    u64::from_str_radix(value(text, set), 16).unwrap()
}

#[test]
fn capabilities_kept_are_those_of_the_file_and_no_others() {
    let place = Place::new();
    let run = place.sh(STATUS);
    let text = run.ok();
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(caps(text, set), SAMPLE_MASK, "{set}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(caps(text, set), 0, "{set}");
    }
}

#[test]
fn no_capabilities_means_none() {
    let mut place = Place::new();
    place.config.unset("capabilities");
    let text = place.sh(STATUS).ok().to_owned();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(caps(&text, set), 0, "{set}");
    }
}

#[test]
fn a_user_other_than_root_has_none_but_the_bounding_set() {
    let mut place = Place::new();
    place.config.set("user", quote("alice"));
    let text = place.sh(STATUS).ok().to_owned();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(caps(&text, set), 0, "{set}");
    }
    assert_eq!(caps(&text, "CapBnd"), SAMPLE_MASK);
}

#[test]
fn names_of_new_capabilities_are_known() {
    let mut place = Place::new();
    place
        .config
        .set("capabilities", strings(&["BPF", "PERFMON", "CHECKPOINT_RESTORE", "CAP_AUDIT_READ"]));
    let text = place.sh(STATUS).ok().to_owned();
    assert_eq!(caps(&text, "CapBnd"), 1 << 37 | 1 << 38 | 1 << 39 | 1 << 40);
}

#[test]
fn a_capability_that_the_caller_lacks_is_named() {
    let own = fs::read_to_string("/proc/self/status").unwrap();
    if caps(&own, "CapPrm") & 1 << 24 != 0 {
        return; // a caller with every capability can give any
    }
    let mut place = Place::new();
    place.config.set("capabilities", strings(&["SYS_RESOURCE"]));
    let run = place.exec(&["/bin/true"]);
    run.fails(&["SYS_RESOURCE"]);
}

#[test]
fn only_the_standard_descriptors_are_open() {
    let place = Place::new();
    place.write_config();
    for extra in [&[][..], &["--no-init"][..]] {
        let mut command = place.command(&[&["exec"], extra, &["/bin/probe", "fds"]].concat());
        let directory = fs::File::open("/").unwrap();
        // SAFETY: dup2 is async-signal-safe; it gives descriptors that stay open over execve.
        unsafe {
            command.pre_exec(move || {
                for fd in [3, 7, 63, 999] {
                    libc::dup2(directory.as_raw_fd(), fd);
                }
                Ok(())
            });
        }
        let run = spawn(&mut command).end();
        let numbers: Vec<&str> = run.ok().lines().map(|l| l.split(' ').next().unwrap()).collect();
        assert_eq!(numbers, ["0", "1", "2"], "{}", run.out);
    }
}

#[test]
fn the_command_leads_a_session_and_has_no_terminal() {
    let place = Place::new();
    let run = place.exec(&["/bin/probe", "attributes"]);
    let text = run.ok();
    assert_eq!(value(text, "sid"), value(text, "pid"));
    assert_eq!(value(text, "pgid"), value(text, "pid"));
    assert_eq!(value(text, "tty"), "ENXIO");
    assert_eq!(value(text, "ppid"), "1");
}

#[test]
fn signals_are_as_the_caller_had_them() {
    let place = Place::new();
    let run = place.exec(&["/bin/probe", "attributes"]);
    assert!(!run.ok().contains("blocked") && !run.out.contains("ignored"), "{}", run.out);
    // A caller that ignores SIGCHLD must not break waiting.
    let mut command = place.command(&["exec", "/bin/sh", "-c", "exit 11"]);
    // SAFETY: signal is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        });
    }
    spawn(&mut command).end().ends(11);
    // nohup: what the caller ignores stays ignored.
    let mut command = place.command(&["exec", "/bin/probe", "attributes"]);
    // SAFETY: signal is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        });
    }
    let run = spawn(&mut command).end();
    assert!(run.ok().contains("ignored 1\n"), "{}", run.out);
}

#[test]
fn a_blocked_signal_of_the_caller_does_not_block_the_launcher() {
    let place = Place::new();
    place.write_config();
    let mut command = place.command(&["exec", "/bin/sh", "-c", "echo ready; sleep 300"]);
    // SAFETY: both are async-signal-safe, and the set is a live variable.
    unsafe {
        command.pre_exec(|| {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut set);
            libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            Ok(())
        });
    }
    let mut running = spawn(&mut command);
    running.wait_for("ready");
    // TERM is forwarded, and blocked in the command as the caller wanted: KILL ends it.
    running.signal(libc::SIGKILL);
    running.end();
    crate::world::until("the container is gone", || place.processes().is_empty());
    place.sh("exit 0").ends(0);
}

#[test]
fn the_environment_is_the_files_alone() {
    let mut place = Place::new();
    place.env.push(("SECRET".into(), "of the host".into()));
    place.config.set("environment", r#"["PATH=/bin", "A=b=c", "EMPTY=", "HOME=/elsewhere"]"#);
    let run = place.exec(&["/bin/env"]);
    let mut lines: Vec<&str> = run.ok().lines().collect();
    lines.sort();
    assert_eq!(lines, ["A=b=c", "EMPTY=", "HOME=/elsewhere", "PATH=/bin"]);
}

#[test]
fn home_comes_from_the_passwd_file_if_the_environment_has_none() {
    let mut place = Place::new();
    place.config.set("environment", r#"["PATH=/bin"]"#);
    assert_eq!(place.sh("echo $HOME").ok(), "/root\n");
    place.config.set("user", quote("alice"));
    assert_eq!(place.sh("echo $HOME").ok(), "/home/alice\n");
}

#[test]
fn the_working_directory_is_the_files_or_the_root() {
    let mut place = Place::new();
    assert_eq!(place.sh("pwd; readlink /proc/self/cwd").ok(), "/\n/\n");
    place.config.set("working_dir", quote("/tmp"));
    assert_eq!(place.sh("pwd; readlink /proc/self/cwd").ok(), "/tmp\n/tmp\n");
    place.config.set("working_dir", quote("/no/such/dir"));
    place.exec(&["/bin/true"]).fails(&["/no/such/dir", "ENOENT"]);
    place.config.set("working_dir", quote("/etc/passwd"));
    place.exec(&["/bin/true"]).fails(&["/etc/passwd", "ENOTDIR"]);
}

#[test]
fn the_working_directory_is_not_reached_by_a_link_of_proc() {
    let mut place = Place::new();
    // Where it leads is the kernel's word, not the link's text; it leads to the root here, which is right
    // by all other signs.
    std::os::unix::fs::symlink("/proc/1/root", place.path("/tmp/link")).unwrap();
    place
        .config
        .set("capabilities", strings(&["SYS_PTRACE"]))
        .set("working_dir", quote("/tmp/link"));
    place.exec(&["/bin/true"]).fails(&["/tmp/link", "ELOOP", "a link of /proc"]);
    place.config.set("working_dir", quote("/"));
    let first = place.start("echo ready; sleep 300");
    place.config.set("working_dir", quote("/tmp/link"));
    place.exec(&["/bin/true"]).fails(&["/tmp/link", "ELOOP", "a link of /proc"]);
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn the_file_mode_creation_mask_is_022_whatever_the_callers_is() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let masked = |args: &[&str], mask| {
        let mut command = place.command(args);
        // SAFETY: umask is async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                libc::umask(mask);
                Ok(())
            });
        }
        spawn(&mut command)
    };
    place.write_config();
    for mask in [0o077, 0] {
        let script = "umask; echo ready; sleep 300";
        let mut first = masked(&["exec", "/bin/sh", "-c", script], mask);
        assert_eq!(first.wait_for("ready"), "0022\nready\n");
        assert_eq!(masked(&["exec", "/bin/sh", "-c", "umask"], mask).end().ok(), "0022\n");
        for group in crate::world::cgroups(&place.name) {
            let mode = fs::metadata(&group).unwrap().mode() & 0o777;
            assert_eq!(mode, 0o755, "{}", group.display());
        }
        first.signal(libc::SIGTERM);
        first.end();
    }
}

/// Runs this in the place with `file` as standard descriptor `number`.
fn with_descriptor(
    place: &Place,
    args: &[&str],
    file: &fs::File,
    number: i32,
) -> crate::world::Run {
    let mut command = place.command(args);
    let fd = file.as_raw_fd();
    // SAFETY: dup2 is async-signal-safe, and `file` outlives the start of the command.
    unsafe {
        command.pre_exec(move || {
            libc::dup2(fd, number);
            Ok(())
        });
    }
    spawn(&mut command).end()
}

#[test]
fn the_hosts_null_device_is_not_handed_in() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
    let host = null.metadata().unwrap();
    // Looked at from another process: the shell's own redirections would be seen.
    let script = "sh -c 'stat -L -c \"%d %i %t %T\" /proc/$PPID/fd/'$0' >&'$1; \
        stat -c '%d %i %t %T' /dev/null >&$1";
    let fresh = Place::new();
    fresh.write_config();
    for place in [&place, &fresh] {
        for (number, out) in [(0, "1"), (1, "2"), (2, "1")] {
            let args = ["exec", "/bin/sh", "-c", script, &number.to_string(), out];
            let run = with_descriptor(place, &args, &null, number);
            let text = if out == "1" { &run.out } else { &run.err };
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 2, "{} {} {}", run.status, run.out, run.err);
            // The same device, but not the same node.
            assert_eq!(lines[0], lines[1]);
            assert!(lines[0].ends_with(" 1 3"), "{}", lines[0]);
            assert_ne!(lines[0], format!("{} {} 1 3", host.dev(), host.ino()));
        }
    }
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn a_directory_is_not_handed_in() {
    use std::os::unix::fs::OpenOptionsExt;
    let place = Place::new();
    place.write_config();
    let path = |flags| fs::OpenOptions::new().read(true).custom_flags(flags).open("/tmp").unwrap();
    for number in 0..3 {
        for flags in [0, libc::O_PATH] {
            let run = with_descriptor(&place, &["exec", "/bin/true"], &path(flags), number);
            let why = format!("hand in descriptor {number}: it is a directory");
            assert_eq!(run.status, FAILED, "{} {}", run.out, run.err);
            assert!(number == 2 || run.err.contains(&why), "{}", run.err);
        }
    }
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open("/etc/passwd");
    let run = with_descriptor(&place, &["exec", "/bin/true"], &file.unwrap(), 0);
    run.fails(&["hand in descriptor 0", "O_PATH"]);
}

#[test]
fn rlimits_by_number_and_by_name() {
    let mut place = Place::new();
    place.config.set(
        "rlimits",
        r#"[{"type": 7, "hard": 333, "soft": 222}, {"type": "RLIMIT_CORE", "hard": 0, "soft": 0}, {"type": "nproc", "hard": 1000, "soft": 900}]"#,
    );
    let run = place.exec(&["/bin/probe", "rlimits"]);
    run.ok();
    assert_eq!(run.value("7"), "222 333");
    assert_eq!(run.value("4"), "0 0");
    assert_eq!(run.value("6"), "900 1000");
    place.config.set("rlimits", r#"[{"type": 7, "hard": 100, "soft": 200}]"#);
    place.exec(&["/bin/true"]).fails(&["rlimit"]);
}

#[test]
fn the_parent_death_signal_is_kill_or_the_files() {
    let mut place = Place::new();
    place.config.set("init", quote("exec"));
    let run = place.exec(&["/bin/probe", "attributes"]);
    assert_eq!(run.value("pdeathsig"), "9");
    place.config.set("parent_death_signal", "15");
    let run = place.exec(&["/bin/probe", "attributes"]);
    assert_eq!(run.value("pdeathsig"), "15");
}

#[test]
fn no_new_privs_where_asked() {
    let mut place = Place::new();
    assert_eq!(place.exec(&["/bin/probe", "attributes"]).value("no_new_privs"), "0");
    place.config.set("no_new_privs", "true");
    assert_eq!(place.exec(&["/bin/probe", "attributes"]).value("no_new_privs"), "1");
}

#[test]
fn the_session_keyring_is_its_own() {
    let place = Place::new();
    let a = place.exec(&["/bin/probe", "attributes"]).value("keyring").to_owned();
    let b = place.exec(&["/bin/probe", "attributes"]).value("keyring").to_owned();
    assert!(a.parse::<i64>().unwrap() > 0, "{a}");
    assert_ne!(a, b);
}

#[test]
fn loopback_is_up_and_nothing_else_is_there() {
    let place = Place::new();
    let run = place.sh("ip -o link; ip -o addr; ls /sys/class/net");
    assert!(run.ok().contains("lo: <LOOPBACK,UP,LOWER_UP>"), "{}", run.out);
    assert!(run.out.contains("127.0.0.1/8"), "{}", run.out);
    let run = place.sh("nc -l -p 7777 > /tmp/got & for i in $(seq 50); do echo hello | nc -w 1 127.0.0.1 7777 && break; usleep 20000; done; wait; cat /tmp/got");
    assert_eq!(run.out, "hello\n", "{}", run.err);
}

#[test]
fn without_a_network_namespace_the_hosts_network_is_seen_and_untouched() {
    let mut place = Place::new();
    place.config.set("namespaces.NEWNET", "false").unset("networks");
    let run = place.sh("readlink /proc/self/ns/net");
    let host = fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(run.ok().trim(), host.to_str().unwrap());
}

#[test]
fn namespaces_can_be_joined_by_path() {
    let place = Place::new();
    let mut other = spawn(std::process::Command::new("unshare").args([
        "--net",
        "--uts",
        "--ipc",
        "sh",
        "-c",
        "hostname other; echo ready; exec sleep 30",
    ]));
    other.wait_for("ready");
    let pid = other.child.id();
    let mut config = place.config.clone();
    config.unset("namespaces").unset("hostname").unset("networks");
    config.set(
        "namespaces",
        format!(
            r#"[{{"type": "NEWNS"}}, {{"type": "NEWPID"}}, {{"type": "NEWNET", "path": "/proc/{pid}/ns/net"}}, {{"type": "NEWUTS", "path": "/proc/{pid}/ns/uts"}}]"#
        ),
    );
    config.set("mounts", r#"[{"source": "proc", "destination": "/proc", "device": "proc"}]"#);
    config.unset("mount_config").unset("restrict_sys");
    place.write_text(&config.text());
    let run = place.run(&["exec", "/bin/sh", "-c", "hostname; readlink /proc/self/ns/net"]);
    run.ends(0);
    let net = fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert_eq!(run.out, format!("other\n{}\n", net.display()));
    let text = config.text().replace(&format!("/proc/{pid}/ns/net"), "/no/such/ns");
    place.write_text(&text);
    place.run(&["exec", "/bin/true"]).fails(&["/no/such/ns"]);
}

#[test]
fn cgroup_and_time_namespaces_can_be_new() {
    let mut place = Place::new();
    for kind in ["NEWCGROUP", "NEWTIME"] {
        place.config.set(&format!("namespaces.{kind}"), "true");
    }
    let run = place.sh("for n in cgroup time; do echo $n $(readlink /proc/self/ns/$n); done; cat /proc/self/cgroup");
    run.ok();
    for kind in ["cgroup", "time"] {
        let host = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_ne!(run.value(kind), host.to_str().unwrap(), "{kind}");
    }
    assert!(run.out.contains(":memory:/\n"), "{}", run.out);
}

/// A copy of nsinit that every user can reach.
fn reachable(place: &Place, what: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let copy = std::env::temp_dir().join(format!("{}-{what}", place.name));
    fs::copy(crate::world::nsinit(), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

#[test]
fn a_start_with_capabilities_of_the_file_is_refused() {
    let place = Place::new();
    let copy = reachable(&place, "capable");
    let path = std::ffi::CString::new(copy.to_str().unwrap()).unwrap();
    // struct vfs_cap_data, revision 2 and effective: CAP_KILL permitted (include/uapi/linux/capability.h).
    let mut data = [0u8; 20];
    data[..8].copy_from_slice(&[1, 0, 0, 2, 1 << 5, 0, 0, 0]);
    // SAFETY: C strings, and as many bytes as there are.
    let set = unsafe {
        let name = c"security.capability";
        libc::setxattr(path.as_ptr(), name.as_ptr(), data.as_ptr().cast(), data.len(), 0)
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    let run =
        |uid| spawn(std::process::Command::new(&copy).arg("--version").uid(uid).gid(uid)).end();
    let (user, root) = (run(1000), run(0));
    fs::remove_file(&copy).unwrap();
    assert_eq!(user.status, FAILED, "{}", user.out);
    user.says(&["capabilities of its file", "setcap -r"]);
    root.ok();
}

#[test]
fn who_is_not_root_is_told_what_it_takes() {
    let place = Place::new();
    let copy = reachable(&place, "plain");
    let dir = std::env::temp_dir().join(format!("{}-foreign", place.name));
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("container.json"), place.config.text()).unwrap();
    let exec = |command: &mut std::process::Command| {
        spawn(command.args(["exec", "/bin/true"]).current_dir(&dir)).end()
    };
    let user = exec(std::process::Command::new(&copy).uid(1000).gid(1000));
    let mut unshare = std::process::Command::new("unshare");
    let mapped = exec(unshare.arg("-Urm").arg(&copy));
    fs::remove_file(&copy).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    user.fails(&["needs root", "CAP_SYS_ADMIN"]);
    mapped.fails(&["needs the host's root", "user namespace"]);
}

#[test]
fn a_setuid_start_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write_config();
    let copy = place.dir.join("nsinit-setuid");
    fs::copy(crate::world::nsinit(), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(&place.dir, fs::Permissions::from_mode(0o755)).unwrap();
    let reachable = std::env::temp_dir().join(format!("{}-setuid", place.name));
    fs::rename(&copy, &reachable)
        .or_else(|_| {
            fs::copy(&copy, &reachable)?;
            fs::set_permissions(&reachable, fs::Permissions::from_mode(0o4755))
        })
        .unwrap();
    let mut command = std::process::Command::new(&reachable);
    command.args(["exec", "/bin/true"]).current_dir("/").uid(1000).gid(1000);
    let run = spawn(&mut command).end();
    fs::remove_file(&reachable).unwrap();
    assert_eq!(run.status, FAILED, "{}", run.err);
    run.says(&["set"]);
}
