//! A container that attacks what enters it, and the program that made it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::config::strings;
use crate::world::{Place, nsinit, read, spawn, value};

/// Every capability that the caller has.
fn every_capability(place: &mut Place) {
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = u64::from_str_radix(value(&own, "CapBnd"), 16).unwrap();
    let names = [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ];
    let held: Vec<&str> =
        (0..).zip(names).filter(|(bit, _)| own & 1 << bit != 0).map(|(_, n)| n).collect();
    place.config.set("capabilities", strings(&held));
}

/// A copy of the program to attack, and its place on the path: the real one is other tests' too.
fn copy_of_nsinit(place: &Place) -> PathBuf {
    let copy = place.dir.join("nsinit");
    fs::copy(nsinit(), &copy).unwrap();
    copy
}

fn with(program: &Path, place: &Place, args: &[&str]) -> std::process::Command {
    let pattern = place.command(args);
    let mut command = std::process::Command::new(program);
    command.args(args).current_dir(&place.root).stdin(std::process::Stdio::null()).env_clear();
    command.envs(pattern.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command
}

#[test]
fn the_program_cannot_be_written_from_inside_though_root_has_every_capability() {
    let mut place = Place::new();
    every_capability(&mut place);
    place.write_config();
    let program = copy_of_nsinit(&place);
    let before = read(&program);
    let mut first = spawn(&mut with(
        &program,
        &place,
        &["exec", "/bin/sh", "-c", "echo ready; /bin/probe overwrite 4; echo over; sleep 300"],
    ));
    first.wait_for("ready");
    let mut joins = 0;
    while !first.out().contains("over\n") {
        let run = spawn(&mut with(&program, &place, &["exec", "/bin/true"])).end();
        assert!(run.status == 0, "{} {}", run.status, run.err);
        joins += 1;
    }
    let out = first.out();
    first.signal(libc::SIGTERM);
    first.end();
    assert_eq!(value(&out, "wrote"), "0", "{joins} joins\n{out}");
    assert_eq!(value(&out, "seen"), "1", "the probe saw no program to write to");
    assert!(read(&program) == before, "the program was changed");
}

#[test]
fn the_program_cannot_be_written_when_nobody_runs_it_any_more() {
    // A program that runs can't be written (ETXTBSY): a container keeps it open until its end, and
    // somebody else who got the descriptor opens it anew.
    use std::os::fd::AsRawFd;
    let place = Place::new();
    let program = copy_of_nsinit(&place);
    let before = read(&program);
    place.write_config();
    let script = "echo ready; sleep 300";
    let mut first = spawn(&mut with(&program, &place, &["exec", "/bin/sh", "-c", script]));
    first.wait_for("ready");
    let kept = fs::File::open(format!("/proc/{}/exe", place.init_pid())).unwrap();
    first.signal(libc::SIGTERM);
    first.end();
    let path = format!("/proc/self/fd/{}", kept.as_raw_fd());
    let again = fs::OpenOptions::new().write(true).open(path);
    // Sealed in memory it could be opened, and not be written.
    let written = again.and_then(|mut file| std::io::Write::write(&mut file, b"X"));
    assert!(written.is_err(), "{written:?}");
    assert!(read(&program) == before, "the program was changed");
}

#[test]
fn a_command_that_is_the_program_itself_is_refused() {
    // #!/proc/self/exe and /bin/sh -> /proc/self/exe make nsinit run itself inside.
    let place = Place::new();
    let program = copy_of_nsinit(&place);
    let before = read(&program);
    place.write_config();
    for name in ["/bin/itself", "/bin/by-line"] {
        if name == "/bin/itself" {
            symlink("/proc/self/exe", place.path(name)).unwrap();
        } else {
            use std::os::unix::fs::PermissionsExt;
            fs::write(place.path(name), "#!/proc/self/exe\n").unwrap();
            fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let itself = || {
            let run = spawn(&mut with(&program, &place, &["exec", name, "--version"])).end();
            if name == "/bin/itself" {
                run.ends(126);
                run.says(&["it is nsinit's own program file"]);
            } else {
                // The kernel opens what a #! line names. It is run there as anything else would be, from a
                // file that can't be written.
                assert_ne!(run.status, 0, "{}", run.out);
            }
        };
        itself();
        let mut first =
            spawn(&mut with(&program, &place, &["exec", "/bin/sh", "-c", "echo up; sleep 300"]));
        first.wait_for("up");
        itself();
        first.signal(libc::SIGTERM);
        first.end();
    }
    assert!(read(&program) == before);
}

#[test]
fn process_1s_program_cannot_be_opened_for_writing() {
    let mut place = Place::new();
    every_capability(&mut place);
    place.write_config();
    let program = copy_of_nsinit(&place);
    let before = read(&program);
    let script = "probe open /proc/1/exe w; probe open /proc/1/exe wt; \
        exec 5< /proc/1/exe && probe open /proc/self/fd/5 wt; \
        mount -o remount,bind,rw /proc/1/exe 2>/dev/null; probe open /proc/1/exe wt; \
        cat /proc/1/exe | wc -c";
    let run = spawn(&mut with(&program, &place, &["exec", "/bin/sh", "-c", script])).end();
    assert!(!run.out.contains("w: ok") && !run.out.contains("wt: ok"), "{}", run.out);
    assert!(read(&program) == before);
}

/// What a container with these capabilities saw of the joins of some seconds, by `probe spy`.
fn spied(capabilities: &[&str]) -> String {
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;
    let mut place = Place::new();
    place.config.set("capabilities", strings(capabilities));
    let mut first = place.start("echo ready; /bin/probe spy 5; echo over; sleep 300");
    let mut joins = 0;
    while !first.out().contains("over\n") {
        let mut command = place.command(&["exec", "/bin/nothing"]);
        command.env("log", place.dir.join("log"));
        let dir = fs::File::open("/").unwrap();
        // SAFETY: dup2 is async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                libc::dup2(dir.as_raw_fd(), 9);
                Ok(())
            });
        }
        let run = spawn(&mut command).end();
        assert!(run.status == 42, "{} {}", run.status, run.err);
        joins += 1;
    }
    let out = first.out();
    first.signal(libc::SIGTERM);
    first.end();
    assert!(joins > 5, "{joins}");
    out
}

#[test]
fn what_enters_has_no_descriptors_to_see_and_cannot_be_traced() {
    let out = spied(&["KILL", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "SYS_CHROOT", "MKNOD"]);
    assert_eq!(value(&out, "traced"), "0", "{out}");
    assert_eq!(value(&out, "leaks"), "0", "{out}");
}

#[test]
fn what_enters_has_nothing_of_the_hosts_even_for_who_may_trace() {
    let out = spied(&["SYS_PTRACE", "KILL", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH"]);
    for line in out.lines().filter(|l| l.starts_with("leak ")) {
        let what = line.splitn(3, ' ').nth(2).unwrap();
        // The channel to the launcher; the way into the memory cgroup, which is taken last; files
        // of the container's own.
        let harmless = what.starts_with("socket:")
            || what.starts_with("/sys/fs/cgroup/memory/") && what.ends_with("/tasks")
            || ["/", "/etc/passwd", "/etc/group"].contains(&what);
        assert!(harmless, "{line}");
    }
}

/// Bits of KILL, CHOWN and SYS_PTRACE: what the spying containers have.
const TRACER: u64 = 1 << 5 | 1 | 1 << 19;

/// A container that looks at everything that enters it, traces it, and says what rights it had.
fn tracing(place: &mut Place, seconds: u32) -> crate::world::Running {
    place.config.set("capabilities", strings(&["KILL", "CHOWN", "SYS_PTRACE"]));
    place.config.set("no_new_privs", "true");
    let host = place.dir.to_str().unwrap();
    let script = format!("echo ready; /bin/probe rights {seconds} {host}; echo over; sleep 300");
    place.start(&script)
}

/// Nothing that it saw had more than `allowed`, nor the host's root.
#[track_caller]
fn saw_no_more_than(out: &str, allowed: u64) {
    for set in ["permitted", "bounding"] {
        let had = u64::from_str_radix(value(out, set), 16).unwrap();
        assert_eq!(had & !allowed, 0, "{set}: {out}");
    }
    assert_eq!((value(out, "no_new_privs"), value(out, "roots")), ("1", "0"), "{out}");
    let many = |key| value(out, key).parse::<u32>().unwrap() > 2;
    assert!(many("processes") && many("traced"), "{out}");
}

#[test]
fn nothing_that_enters_has_more_rights_than_the_container() {
    use std::io::{Seek, Write};
    for user in ["root", "alice"] {
        let mut place = Place::new();
        // Its root can have the joiners look for as long as it likes: 60 MB without an entry first.
        let mut passwd = fs::File::create(place.path("/etc/passwd")).unwrap();
        passwd.seek(std::io::SeekFrom::Start(60 << 20)).unwrap();
        let text = "\nroot:x:0:0::/:/bin/sh\nalice:x:1000:1001::/:/bin/sh\n";
        passwd.write_all(text.as_bytes()).unwrap();
        let mut first = tracing(&mut place, 5);
        place.config.set("user", crate::config::quote(user));
        place.write_config();
        while !first.out().contains("over\n") {
            place.run(&["exec", "/bin/usleep", "20000"]).ends(0);
        }
        saw_no_more_than(&first.out(), TRACER);
        first.signal(libc::SIGTERM);
        first.end();
    }
}

/// The configuration of a container that is put into the PID namespace of another's.
fn beside(place: &Place, init: u32) -> crate::config::Config {
    let mut config = place.config.clone();
    config.unset("namespaces").unset("mount_config").unset("restrict_sys").unset("networks");
    config.set(
        "namespaces",
        format!(
            r#"[{{"type": "NEWNS"}}, {{"type": "NEWUTS"}}, {{"type": "NEWPID", "path": "/proc/{init}/ns/pid"}}]"#
        ),
    );
    config.set("mounts", r#"[{"source": "proc", "destination": "/proc", "device": "proc"}]"#);
    config.set("capabilities", strings(&["KILL"])).set("no_new_privs", "true");
    config
}

#[test]
fn who_is_put_into_a_pid_namespace_shows_it_nothing_of_the_host() {
    let (mut place, second) = (Place::new(), Place::new());
    let mut first = tracing(&mut place, 5);
    second.write_text(&beside(&second, place.init_pid()).text());
    while !first.out().contains("over\n") {
        second.run(&["exec", "/bin/usleep", "20000"]).ends(0);
    }
    saw_no_more_than(&first.out(), TRACER);
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn who_is_put_into_a_pid_namespace_has_its_proc_and_is_joined_there() {
    let (place, second) = (Place::new(), Place::new());
    let first = place.start("echo ready; sleep 300");
    // To read what PID 1 is in.
    let mut config = beside(&second, place.init_pid());
    second.write_text(&config.set("capabilities", strings(&["SYS_PTRACE"])).text());
    let script = "readlink /proc/self/ns/pid; readlink /proc/1/ns/pid; echo ready; sleep 300";
    let mut running = spawn(&mut second.command(&["exec", "/bin/sh", "-c", script]));
    let namespace = fs::read_link(format!("/proc/{}/ns/pid", place.init_pid())).unwrap();
    let namespace = namespace.to_str().unwrap();
    assert_eq!(running.wait_for("ready"), format!("{namespace}\n{namespace}\nready\n"));
    // state.json names the command, not what has built around it.
    let command = fs::read(format!("/proc/{}/cmdline", second.init_pid())).unwrap();
    let command = String::from_utf8(command).unwrap();
    assert!(command.contains("sleep") && !command.contains("nsinit"), "{command:?}");
    assert!(!second.join("cat /state.json").out.contains("init_pid"));
    assert_eq!(
        second.join("hostname; readlink /proc/self/ns/pid").ends(0).lines().nth(1),
        Some(namespace)
    );
    second.run(&["kill"]).ok();
    running.end().ends(143);
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn a_joiner_that_is_stopped_or_killed_from_inside_does_no_harm() {
    let place = Place::new();
    let first = place.start(
        "echo ready; while :; do for p in /proc/[0-9]*; do p=${p#/proc/}; \
         [ $p -gt 2 ] && [ $p != $$ ] && kill -KILL $p 2>/dev/null; done; done",
    );
    for _ in 0..50 {
        let run = place.run(&["exec", "/bin/sleep", "0.01"]);
        assert!([0, 125, 137].contains(&run.status), "{} {}", run.status, run.err);
    }
    place.kill_launcher(first);
    place.sh("exit 0").ends(0);
}

#[test]
fn the_containers_libraries_are_not_loaded() {
    // Nothing of the root is opened for execution but the command: nsinit has no interpreter, reads
    // no nsswitch, no locale, no ld.so.cache.
    let place = Place::new();
    place.write_config();
    let calls = crate::trace::trace(&place, &["exec", "/bin/nothing"], 42);
    for call in &calls {
        for word in ["nsswitch", "ld.so", "locale", "/lib"] {
            assert!(!(call.name.starts_with("open") && call.text.contains(word)), "{}", call.text);
        }
        assert!(!call.text.contains("PROT_EXEC") || call.name != "mmap", "{}", call.text);
    }
}

#[test]
fn process_1_cannot_be_traced_from_inside() {
    let mut place = Place::new();
    every_capability(&mut place);
    let run = place.sh("cat /proc/1/environ | tr '\\0' '\\n'; cat /proc/1/cmdline | tr '\\0' ' '");
    // The launcher's environment is the host's: it may not be there to read.
    assert!(!run.out.contains("NSINIT_PLACE"), "{}", run.out);
}

#[test]
fn control_sockets_are_not_reachable_by_name() {
    let mut place = Place::new();
    place.config.set("namespaces.NEWNET", "false").unset("networks");
    let before = fs::read_to_string("/proc/net/unix").unwrap();
    let running = place.start("echo ready; sleep 300");
    let during = fs::read_to_string("/proc/net/unix").unwrap();
    for line in during.lines().filter(|l| l.contains("nsinit")) {
        assert!(before.contains(line), "{line}");
    }
    running.signal(libc::SIGTERM);
    running.end();
}
