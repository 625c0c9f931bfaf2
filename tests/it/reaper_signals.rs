//! `nsinit init`: signals on their way to the command.

use std::path::Path;

use crate::named::Named;
use crate::reaper::{As, BOTH, children, init, only_child, ready, send, state};
use crate::world::{Place, spawn, until};

/// The C library keeps 32 and 33 to itself: a program that it is in can't wait for them.
const WAITABLE: [i32; 58] = {
    let mut all = [0; 58];
    let (mut n, mut at) = (1, 0);
    while n <= 64 {
        // KILL and STOP can't be caught, CHLD is never passed on; 12 ends the probe.
        if n != 9 && n != 12 && n != 17 && n != 19 && n != 32 && n != 33 {
            all[at] = n;
            at += 1;
        }
        n += 1;
    }
    all
};

fn count(out: &str, line: &str) -> usize {
    out.lines().filter(|l| l.starts_with(line)).count()
}

#[test]
fn every_signal_arrives_once() {
    let place = Place::new();
    for what in BOTH {
        let (mut running, pid) = ready(&mut init(&place, what, &["probe", "signals", "12"]), what);
        for signal in WAITABLE {
            send(pid, signal);
            running.wait_for(&format!("signal {signal} "));
        }
        send(pid, libc::SIGCHLD);
        send(pid, 12);
        let run = running.end();
        run.ends(0);
        for signal in WAITABLE {
            assert_eq!(count(&run.out, &format!("signal {signal} ")), 1, "{signal}\n{}", run.out);
        }
        assert_eq!(count(&run.out, "signal 17 "), 0, "{}", run.out);
    }
}

#[test]
fn the_two_signals_that_libc_hides_arrive_and_kill() {
    let place = Place::new();
    for signal in [32, 33] {
        let args = ["sh", "-c", "echo ready; exec sleep 300"];
        let (running, pid) = ready(&mut init(&place, As::Pid1, &args), As::Pid1);
        send(pid, signal);
        running.end().ends(128 + signal);
    }
}

#[test]
fn the_payload_stays_with_and_without_a_group_and_when_rewritten() {
    let place = Place::new();
    for args in [&["-r", "40:41"][..], &["-g", "-r", "40:41"]] {
        let args = [args, &["probe", "signals", "12"]].concat();
        let (mut running, pid) = ready(&mut init(&place, As::Pid1, &args), As::Pid1);
        for (sent, arrives, number) in [(10, 10, 4711), (64, 64, -1), (40, 41, 42), (34, 34, 0)] {
            let value = libc::sigval { sival_ptr: number as isize as *mut _ };
            // SAFETY: plain system call to a process that the test has started.
            assert_eq!(unsafe { libc::sigqueue(pid as i32, sent, value) }, 0);
            running.wait_for(&format!("signal {arrives} code -1 value {number}\n"));
        }
        send(pid, 12);
        running.end().ends(0);
    }
}

#[test]
fn names_and_numbers_are_rewritten_and_zero_drops() {
    let place = Place::new();
    let args = "-r TERM:USR1 --rewrite=SIGHUP:RTMIN+3 -r2:64 -r rtmax-1:0 -r 3:KILL";
    let args: Vec<&str> = args.split(' ').chain(["--", "probe", "signals", "12"]).collect();
    let (mut running, pid) = ready(&mut init(&place, As::Subreaper, &args), As::Subreaper);
    send(pid, 63);
    for (sent, arrives) in [(15, 10), (1, 37), (2, 64)] {
        send(pid, sent);
        running.wait_for(&format!("signal {arrives} "));
    }
    assert_eq!(count(&running.out(), "signal "), 3);
    send(pid, 3);
    running.end().ends(137);
}

#[test]
fn with_a_group_everyone_in_it_gets_the_signal() {
    let place = Place::new();
    let script = "probe signals 15 & exec probe signals 15";
    for (group, want) in [(&["-g"][..], 2), (&[], 1)] {
        let args = [group, &["sh", "-c", script]].concat();
        let mut running = spawn(&mut init(&place, As::Subreaper, &args));
        until("both are ready", || count(&running.out(), "ready") == 2);
        let pid = running.child.id();
        let others: Vec<u32> = crate::reaper::children(only_child(pid));
        send(pid, 15);
        let run = running.end();
        run.ends(0);
        assert_eq!(count(&run.out, "signal 15 "), want, "{}", run.out);
        if want == 1 {
            send(others[0], libc::SIGKILL);
        }
    }
}

/// The signals come before the command can be there, while it is made, and after.
#[test]
fn a_signal_at_any_time_after_the_start_ends_it() {
    let place = Place::new();
    for what in BOTH {
        for n in 0..150 {
            let running = spawn(&mut init(&place, what, &["sleep", "300"]));
            let mut pid = running.child.id();
            if what == As::Pid1 {
                until("process 1 is there", || !crate::reaper::children(pid).is_empty());
                pid = only_child(pid);
                // Before its own program runs it has no mask of its own.
                // Once it waits, the kernel shows what it waits for as not blocked.
                until("it is nsinit", || {
                    let blocked = crate::reaper::status(pid);
                    crate::world::value(&blocked, "SigBlk") == "fffffffffffbfeff"
                        || crate::reaper::waits(pid)
                });
            }
            std::thread::sleep(std::time::Duration::from_micros(n * 10));
            send(pid, libc::SIGTERM);
            assert_eq!(running.end().status, 143, "{what:?} {n}");
        }
    }
}

/// Before the options are read: what is sent while a wrong one is told is blocked already.
#[test]
fn signals_are_blocked_before_anything_else() {
    let named = Named::new();
    let trace = named.place.dir.join("trace");
    for (name, args, status) in [
        ("nsinit", &["init", "--nonsense"][..], 125),
        ("tini", &["--nonsense"], 1),
        ("dumb-init", &["--nonsense"], 1),
        ("catatonit", &["--nonsense"], 1),
    ] {
        let program = named.link(name).program;
        let options = ["-qq", "-o", trace.to_str().unwrap(), program.to_str().unwrap()];
        let args = [&options, args].concat();
        spawn(&mut named.command(Path::new("/usr/bin/strace"), &args)).end().ends(status);
        let text = std::fs::read_to_string(&trace).unwrap();
        let blocked = text.find("rt_sigprocmask(SIG_SETMASK, ~[]");
        let told = text.find("write(2").unwrap();
        assert!(blocked.is_some_and(|at| at < told), "{name}: {text}");
    }
}

#[test]
fn a_stopped_command_without_a_terminal_stops_nobody() {
    let place = Place::new();
    let args = ["sh", "-c", "echo ready; exec sleep 300"];
    let (running, pid) =
        ready(&mut without_terminal(init(&place, As::Subreaper, &args)), As::Subreaper);
    let command = only_child(pid);
    send(pid, libc::SIGTSTP);
    until("the command is stopped", || state(command) == 'T');
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(state(pid), 'S');
    send(pid, libc::SIGCONT);
    until("it goes on", || state(command) == 'S');
    send(pid, libc::SIGTERM);
    running.end().ends(143);
}

/// In a session of its own: the test may have a terminal.
fn without_terminal(mut command: std::process::Command) -> std::process::Command {
    use std::os::unix::process::CommandExt;
    // SAFETY: setsid is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        });
    }
    command
}

/// Without a terminal nsinit waits until the command is executed, and could not pass on what continues it before.
#[test]
fn a_stop_before_the_command_is_executed_stops_the_command_alone() {
    let place = Place::new();
    let by = "/usr/bin/strace -D -f -qq -o /dev/null -e trace=setpgid --seccomp-bpf \
              -e inject=setpgid:delay_exit=1000000";
    let by: Vec<&str> = by.split_whitespace().collect();
    let mut command = without_terminal(place.wrapped(&by, &["init", "sleep", "300"]));
    let running = spawn(command.env("PATH", "/usr/bin:/bin"));
    let pid = running.child.id();
    until("the command is on its way", || children(pid).iter().any(|c| comm(*c) == "nsinit\n"));
    let command = children(pid).into_iter().find(|c| comm(*c) == "nsinit\n").unwrap();
    send(command, libc::SIGTSTP);
    until("it is executed", || comm(command) == "sleep\n");
    until("it is stopped", || "tT".contains(state(command)));
    send(pid, libc::SIGCONT);
    until("it goes on", || state(command) == 'S');
    send(pid, libc::SIGTERM);
    running.end().ends(143);
}

fn comm(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}
