//! `nsinit init`: what it does with itself and what it leaves the command: descriptors, directory,
//! signals, memory, orphans, environment.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use crate::reaper::{As, BOTH, children, init, only_child, ready, send, settled, status, waits};
use crate::world::{Place, nsinit, spawn, until, value};

#[test]
fn it_keeps_standard_error_alone_and_no_directory() {
    let place = Place::new();
    for what in BOTH {
        let args = ["sh", "-c", "echo ready; exec probe fds-and-wait"];
        let mut command = init(&place, what, &args);
        // SAFETY: dup2 is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::dup2(2, 7);
                Ok(())
            });
        }
        let (mut running, pid) = ready(&mut command, what);
        let out = running.wait_for("end of list");
        until("it waits", || waits(pid));
        let held: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(held, ["2"], "{what:?}");
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap().to_str(), Some("/"));
        for fd in ["0 ", "1 ", "2 ", "7 "] {
            assert!(out.lines().any(|l| l.starts_with(fd)), "the command has no {fd}:\n{out}");
        }
        let cwd = fs::read_link(format!("/proc/{}/cwd", only_child(pid))).unwrap();
        assert_eq!(cwd, place.root.canonicalize().unwrap());
        send(pid, libc::SIGTERM);
        running.end().ends(143);
    }
}

#[test]
fn mask_and_dispositions_are_the_callers() {
    let place = Place::new();
    for what in BOTH {
        let mut command = init(&place, what, &["probe", "attributes"]);
        // SAFETY: all are async-signal-safe, and the set is initialised by sigemptyset.
        unsafe {
            command.pre_exec(|| {
                let mut set = std::mem::zeroed();
                libc::sigemptyset(&mut set);
                for n in [libc::SIGUSR1, libc::SIGTSTP, 40] {
                    libc::sigaddset(&mut set, n);
                }
                libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
                for n in [libc::SIGHUP, libc::SIGCHLD, libc::SIGTTOU, 50] {
                    libc::signal(n, libc::SIG_IGN);
                }
                Ok(())
            });
        }
        let run = spawn(&mut command).end();
        let lines = |key: &str| -> Vec<i32> {
            let lines = run.ends(0).lines();
            lines.filter_map(|l| l.strip_prefix(key)?.trim().parse().ok()).collect()
        };
        assert_eq!(lines("blocked"), [libc::SIGUSR1, libc::SIGTSTP, 40], "{what:?}");
        let mut ignored = vec![libc::SIGHUP, libc::SIGCHLD, libc::SIGTTOU, 50];
        // unshare has reset it.
        ignored.retain(|n| what == As::Subreaper || *n != libc::SIGCHLD);
        assert_eq!(lines("ignored"), ignored, "{what:?}");
    }
    // Nor does an ignored SIGCHLD cost the status.
    let mut command = init(&place, As::Subreaper, &["probe", "exit", "41"]);
    // SAFETY: async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        });
    }
    spawn(&mut command).end().ends(41);
}

#[test]
fn ten_thousand_orphans_leave_no_zombie() {
    let place = Place::new();
    for what in BOTH {
        let args = ["sh", "-c", "probe orphans 10000; echo ready; exec sleep 300"];
        let (running, pid) = ready(&mut init(&place, what, &args), what);
        settled(pid);
        send(pid, libc::SIGTERM);
        running.end().ends(143);
    }
}

/// While init is stopped they all end, and one signal stands for them.
#[test]
fn many_children_behind_one_signal_are_reaped() {
    let place = Place::new();
    let args = ["sh", "-c", "probe signals 10; probe orphans 500; echo done; exec sleep 300"];
    let (mut running, pid) = ready(&mut init(&place, As::Subreaper, &args), As::Subreaper);
    let command = only_child(pid);
    send(pid, libc::SIGSTOP);
    send(only_child(command), 10);
    running.wait_for("done");
    assert!(children(pid).len() > 400);
    send(pid, libc::SIGCONT);
    settled(pid);
    send(pid, libc::SIGTERM);
    running.end().ends(143);
}

/// What it warns into a pipe that nobody reads makes a SIGPIPE, which is its own and not the command's.
#[test]
fn standard_error_that_nobody_reads_does_not_hurt_the_command() {
    let place = Place::new();
    for what in BOTH {
        let script = "trap 'echo term; exit 3' TERM; (sh -c : &); sleep 0.3; echo ready; \
                      while :; do sleep 0.02; done";
        let mut command = init(&place, what, &["-v", "-w", "sh", "-c", script]);
        // SAFETY: all are async-signal-safe, and `pipe` has room for two descriptors.
        unsafe {
            command.pre_exec(|| {
                let mut pipe = [0; 2];
                libc::pipe(pipe.as_mut_ptr());
                libc::close(pipe[0]);
                libc::dup2(pipe[1], 2);
                libc::close(pipe[1]);
                Ok(())
            });
        }
        let (running, pid) = ready(&mut command, what);
        send(pid, libc::SIGTERM);
        assert_eq!(running.end().ends(3).matches("term").count(), 1, "{what:?}");
    }
}

/// A pipe that is full and that nobody reads: the command gets its signals, and the messages come once it is
/// read, as many as there is room for.
#[test]
fn standard_error_that_is_full_holds_nobody_up() {
    let place = Place::new();
    let mut pipe = [0; 2];
    // SAFETY: room for two descriptors; both are this test's own, and the writes are of valid slices.
    unsafe {
        assert_eq!(libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK), 0);
        while libc::write(pipe[1], [b'x'; 4096].as_ptr().cast(), 4096) > 0 {}
        assert_eq!(libc::fcntl(pipe[1], libc::F_SETFL, 0), 0);
    }
    let [reader, writer] = pipe;
    let mut command = init(&place, As::Subreaper, &["-v", "probe", "signals", "12"]);
    // SAFETY: dup2 is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            libc::dup2(writer, 2);
            Ok(())
        });
    }
    let (mut running, pid) = ready(&mut command, As::Subreaper);
    // More than fits into what is kept.
    let mut arrived = "ready\n".to_owned();
    for _ in 0..200 {
        send(pid, libc::SIGUSR1);
        running.wait_for(&format!("{arrived}signal 10 "));
        arrived = running.out();
    }
    let read = || {
        let mut text = vec![0; 1 << 20];
        // SAFETY: room for as much as is asked for.
        let len = unsafe { libc::read(reader, text.as_mut_ptr().cast(), text.len()) };
        String::from_utf8_lossy(&text[..usize::try_from(len).unwrap_or(0)]).into_owned()
    };
    let mut text = read();
    until("what was kept is written", || {
        text += &read();
        text.contains("goes on as")
    });
    send(pid, 12);
    running.end().ends(0);
    text += &read();
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("no {words:?} in {text}"));
    assert!(at("messages were lost before") < at("SIGUSR2 goes on as SIGUSR2"));
    assert_eq!(text.matches("lost").count(), 1, "{text}");
    // SAFETY: the test's own descriptors.
    unsafe { (libc::close(reader), libc::close(writer)) };
}

/// A pipe whose lock the command holds: whoever writes to it waits beyond SIGKILL.
#[test]
fn standard_error_that_the_command_has_locked_holds_nobody_up() {
    let place = Place::new();
    for what in BOTH {
        let mut command = init(&place, what, &["-v", "probe", "lock-stderr", "12"]);
        // SAFETY: all are async-signal-safe, and `pipe` has room for two descriptors. The command has the
        // other end.
        unsafe {
            command.pre_exec(|| {
                let mut pipe = [0; 2];
                libc::pipe(pipe.as_mut_ptr());
                libc::dup2(pipe[1], 2);
                libc::close(pipe[1]);
                Ok(())
            });
        }
        let (mut running, pid) = ready(&mut command, what);
        for signal in [10, 1, 34] {
            send(pid, signal);
            running.wait_for(&format!("signal {signal} "));
        }
        send(pid, 12);
        running.end().ends(0);
    }
}

/// Its end is not missed where wait4 fails for good, and it does not turn round and round.
#[test]
fn a_wait_that_fails_for_good_ends_with_the_command() {
    let place = Place::new();
    let by = "/usr/bin/strace -D -qq -o TRACE -e trace=wait4 -e inject=wait4:error=EPERM:when=3+";
    let trace = place.dir.join("trace");
    let by = by.replace("TRACE", trace.to_str().unwrap());
    let by: Vec<&str> = by.split(' ').collect();
    let mut command = place.wrapped(&by, &["init", "sh", "-c", "sleep 0.5; exit 3"]);
    let run = spawn(command.env("PATH", "/usr/bin:/bin")).end();
    run.ends(3);
    run.says(&["wait for children", "EPERM"]);
    let calls = fs::read_to_string(&trace).unwrap().lines().count();
    assert!(calls < 10, "{calls}");
}

#[test]
fn a_subreaper_unless_it_is_process_1_or_must_not() {
    let place = Place::new();
    let script = "sh -c 'sleep 300 & echo ready'; exec sleep 300";
    for (args, adopts) in [(&[][..], true), (&["-s"], true), (&["--no-subreaper"], false)] {
        let args = [args, &["sh", "-c", script]].concat();
        let (running, pid) = ready(&mut init(&place, As::Subreaper, &args), As::Subreaper);
        // The orphan's own parent may still be on its way out.
        until("who has the orphan is clear", || {
            let below = children(pid).iter().map(|child| children(*child).len()).sum::<usize>();
            below == 0
        });
        let all = children(pid);
        assert_eq!(all.len(), if adopts { 2 } else { 1 }, "{args:?}");
        send(pid, libc::SIGTERM);
        running.end().ends(143);
        place.clean();
    }
}

#[test]
fn a_child_from_before_does_not_end_it_and_is_reaped() {
    let place = Place::new();
    let script = format!("sleep 0.05 & exec {} init sh -c 'sleep 0.3; exit 6'", nsinit().display());
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script]).env_clear().env("PATH", "/usr/bin:/bin");
    command.env("NSINIT_PLACE", &place.name);
    spawn(&mut command).end().ends(6);
}

#[test]
fn it_sleeps_until_something_happens_and_is_small() {
    let place = Place::new();
    for args in [&["-g"][..], &["--grace", "5s"], &["--pause"]] {
        for what in BOTH {
            let pause = args[0] == "--pause";
            let command = ["sh", "-c", "echo ready; exec sleep 300"];
            let args = if pause { args.to_vec() } else { [args, &command].concat() };
            let mut command = init(&place, what, &args);
            let running = spawn(&mut command);
            let mut pid = running.child.id();
            if what == As::Pid1 {
                until("process 1 is there", || !children(pid).is_empty());
                pid = only_child(pid);
            }
            until("it waits", || waits(pid));
            std::thread::sleep(Duration::from_millis(300));
            let switches = || {
                let text = status(pid);
                value(&text, "voluntary_ctxt_switches").to_owned()
                    + value(&text, "nonvoluntary_ctxt_switches")
            };
            let before = switches();
            std::thread::sleep(Duration::from_secs(1));
            assert_eq!(switches(), before, "{args:?} {what:?}");
            let kb = |key| value(&status(pid), key).trim_end_matches(" kB").parse::<u32>().unwrap();
            if std::env::var_os("NSINIT").is_some() {
                assert!(kb("VmRSS") <= 150 && kb("RssAnon") <= 24, "{}", status(pid));
            }
            send(pid, libc::SIGTERM);
            running.end().ends(if pause { 0 } else { 143 });
        }
    }
}

#[test]
fn pause_ends_on_term_and_int_alone_and_reaps() {
    let place = Place::new();
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let script = format!(
            "sleep 0.05 & sleep 0.05 & probe orphans 3; exec {} init -P",
            nsinit().display()
        );
        let mut command = Command::new("/bin/sh");
        let path = format!("{}:/usr/bin:/bin", place.path("/bin").display());
        command.args(["-c", &script]).env("PATH", path).env("NSINIT_PLACE", &place.name);
        let running = spawn(&mut command);
        let pid = running.child.id();
        until("it is nsinit", || is_nsinit(pid));
        until("it waits", || waits(pid));
        until("all are reaped", || children(pid).is_empty());
        for harmless in [libc::SIGHUP, libc::SIGUSR1, libc::SIGQUIT, 64] {
            send(pid, harmless);
        }
        std::thread::sleep(Duration::from_millis(50));
        send(pid, signal);
        running.end().ends(0);
    }
}

#[test]
fn the_parents_death_is_told() {
    let place = Place::new();
    let script = format!("{} init -p USR2 probe signals 12 & wait", nsinit().display());
    let mut command = Command::new("/bin/sh");
    let path = format!("{}:/usr/bin:/bin", place.path("/bin").display());
    command.args(["-c", &script]).env("PATH", path).env("NSINIT_PLACE", &place.name);
    let mut running = spawn(&mut command);
    running.wait_for("ready");
    let pid = only_child(running.child.id());
    send(running.child.id(), libc::SIGKILL);
    until("it has ended", || {
        !fs::exists(format!("/proc/{pid}/exe")).unwrap() || crate::reaper::state(pid) == 'Z'
    });
    assert!(running.out().contains("signal 12 "), "{}", running.out());
    running.end();
}

/// The parent ends between the first look at who it is and the request for the signal.
#[test]
fn a_parent_that_is_dead_already_is_told_too() {
    let place = Place::new();
    let script = format!(
        "strace -D -o /dev/null -e trace=prctl -e inject=prctl:delay_enter=1500000 {} init \
         --no-subreaper -p TERM sleep 300 & wait",
        nsinit().display()
    );
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script]).env("NSINIT_PLACE", &place.name);
    let running = spawn(&mut command);
    let parent = running.child.id();
    let mut pid = 0;
    until("it is about to ask for the signal", || {
        let call = |pid| fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        // The first names the process.
        let prctl = format!("{} {:#x} ", libc::SYS_prctl, libc::PR_SET_PDEATHSIG);
        let found = children(parent).into_iter().find(|pid| call(*pid).starts_with(&prctl));
        pid = found.filter(|pid| is_nsinit(*pid)).unwrap_or(0);
        pid != 0
    });
    send(parent, libc::SIGKILL);
    running.end().ends(137);
    until("it has ended", || !is_nsinit(pid));
}

fn is_nsinit(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "nsinit\n")
}

#[test]
fn sockets_that_were_passed_are_the_commands() {
    let place = Place::new();
    let shell = |assign: &str| {
        let script = format!(
            "{assign} LISTEN_FDS=1 LISTEN_PIDFDID=77 NOTIFY_SOCKET=@s A=1 exec {} init sh -c \
             'echo $$ $LISTEN_PID $LISTEN_FDS ${{LISTEN_PIDFDID-none}} $NOTIFY_SOCKET $A'",
            nsinit().display()
        );
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]).env_clear().env("PATH", "/usr/bin:/bin");
        let out = spawn(&mut command).end().ends(0).to_owned();
        out.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let words = shell("LISTEN_PID=$$");
    assert_eq!(
        words[1..],
        [&words[0], "1", "none", "@s", "1"],
        "the command is told that they are its"
    );
    // Somebody else's stay theirs.
    let words = shell("LISTEN_PID=1234567");
    assert_eq!(words[1..], ["1234567", "1", "77", "@s", "1"]);
    drop(place);
}

#[test]
fn readiness_reaches_the_manager() {
    let place = Place::new();
    let path = place.path("/tmp/notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::world::LIMIT)).unwrap();
    for what in BOTH {
        let mut command = init(&place, what, &["probe", "notify", "READY=1"]);
        spawn(command.env("NOTIFY_SOCKET", &path)).end().ends(0);
        let mut buf = [0; 64];
        let len = socket.recv(&mut buf).unwrap();
        assert_eq!(&buf[..len], b"READY=1");
    }
}

#[test]
fn what_goes_wrong_while_the_command_runs_is_warned_of_and_survived() {
    let place = Place::new();
    for (inject, words) in [
        ("close_range:error=EPERM", &[][..]),
        ("close_range:error=EMFILE", &["close descriptors", "EMFILE"]),
        ("chdir:error=EACCES", &["change directory to /", "EACCES"]),
        ("madvise:error=ENOMEM", &[]),
        ("kill:error=EPERM:when=1", &["SIGTERM", "EPERM"]),
        ("rt_sigtimedwait:error=EINTR:when=1..3", &[]),
        ("wait4:error=EINTR:when=1", &[]),
        ("wait4:error=EPERM:when=2", &["wait for children", "EPERM"]),
    ] {
        let trace = format!("trace={}", inject.split(':').next().unwrap());
        let inject = format!("inject={inject}");
        let args = ["-o", "/dev/null", "-e", &trace, "-e", &inject];
        let by = [&["/usr/bin/strace"], &args[..]].concat();
        let mut command = place.wrapped(&by, &["init", "sh", "-c", "echo ready; exec sleep 300"]);
        let mut running = spawn(command.env("PATH", "/usr/bin:/bin"));
        running.wait_for("ready");
        let pid = only_child(running.child.id());
        let mut tries = 0;
        while fs::exists(format!("/proc/{pid}/exe")).unwrap() && tries < 20 && state_of(pid) != 'Z'
        {
            send(pid, libc::SIGTERM);
            std::thread::sleep(Duration::from_millis(100));
            tries += 1;
        }
        let run = running.end();
        run.ends(143);
        run.says(words);
        if words.is_empty() {
            assert_eq!(run.err, "", "{inject}");
        }
    }
}

fn state_of(pid: u32) -> char {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('Z')
}

#[test]
fn verbose_tells_and_silence_is_the_default() {
    let place = Place::new();
    let script = "probe orphans 2; sleep 0.1; exec probe signals 12";
    for (args, words, silent) in [
        (&["-v"][..], &["the command is process", "SIGUSR2", "ends with 0"][..], "reaped"),
        (&["-vv", "-r", "1:0"], &["reaped process", "SIGHUP is dropped"], "warning"),
        (&["-w"], &["reaped process"], "SIGUSR2"),
        (&[], &[], "nsinit"),
    ] {
        let args = [args, &["sh", "-c", script]].concat();
        let (running, pid) = ready(&mut init(&place, As::Subreaper, &args), As::Subreaper);
        send(pid, libc::SIGHUP);
        send(pid, 12);
        let run = running.end();
        run.ends(0);
        run.says(words);
        assert!(!run.err.contains(silent), "{args:?}\n{}", run.err);
    }
}
