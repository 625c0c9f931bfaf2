//! Every system call of a good run fails once, and every process dies at every step: nsinit says
//! what it was doing, ends with a failure, and leaves nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::trace::{Call, have_strace, inject, injected, most_per_process, trace};
use crate::world::{FAILED, Place, Run, skip};

/// Calls whose failure may be passed over, each for its reason.
const PASSED_OVER: [(&str, &str); 17] = [
    ("munmap", "memory stays mapped"),
    ("madvise", "memory stays resident"),
    ("execve", "the first one is strace's"),
    ("keyctl", "kernels without keyrings"),
    ("ioctl", "asking whether it is a terminal"),
    ("fcntl", "asking whether a descriptor is open, or sealed"),
    ("flock", "unlocking; the end of the process does so too"),
    ("access", "asking whether /dev/core leads anywhere"),
    ("setsockopt", "the kernel's words for a failure"),
    ("rt_sigtimedwait", "PID 1 waits again"),
    ("close_range", "descriptors are closed one by one"),
    ("open_tree", "the program is sealed as a copy"),
    ("mount_setattr", "mounts are changed one by one; the program is sealed as a copy"),
    ("open", "asking whether the program is sealed"),
    ("wait4", "PID 1 has nobody to tell, and ends"),
    ("kill", "the target may be gone"),
    ("write", "the caller's terminal is gone"),
];

/// Calls that can't fail. close(2) closes whatever it returns, and strace does not carry out what it
/// lets fail.
const CANNOT_FAIL: [&str; 13] = [
    "clock_gettime",
    "close",
    "exit",
    "exit_group",
    "umask",
    "getpid",
    "gettid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getpgrp",
    "set_tid_address",
];

/// One step of the plan: this call, the n-th time.
type Step = (String, u32);

fn steps(calls: &[Call]) -> Vec<Step> {
    most_per_process(calls)
        .into_iter()
        .filter(|(name, _)| !CANNOT_FAIL.contains(&name.as_str()))
        .flat_map(|(name, most)| (1..=most).map(move |n| (name.clone(), n)))
        .collect()
}

/// Runs `judge` for each step, two at a time, each worker in a place of its own; all complaints.
fn for_each_step(
    steps: &[Step],
    place: impl Fn() -> Place + Sync,
    judge: impl Fn(&Place, &Step) -> Result<(), String> + Sync,
) {
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let place = place();
                while let Some(step) = steps.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = judge(&place, step);
                    let remains = place.remains();
                    let mut all = complaints.lock().unwrap();
                    if let Err(why) = verdict {
                        all.push(format!("{} {}: {why}", step.0, step.1));
                    }
                    // What could not be removed, or looked at before, is still there; that was told.
                    if !remains.is_empty() && !["unlinkat", "fstat"].contains(&step.0.as_str()) {
                        all.push(format!("{} {}: left {}", step.0, step.1, remains.join("; ")));
                    }
                    if !remains.is_empty() {
                        place.clean();
                    }
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    println!("{} steps", steps.len());
    assert!(
        complaints.is_empty(),
        "{} of {}:\n{}",
        complaints.len(),
        steps.len(),
        complaints.join("\n")
    );
}

fn passed_over(name: &str) -> bool {
    PASSED_OVER.iter().any(|(n, _)| *n == name)
}

/// A failed call: a failure that is told, or one that does not matter, and then all is well.
fn told(place: &Place, run: &Run, step: &Step, good: i32) -> Result<(), String> {
    let (name, _) = step;
    if run.status == good {
        // How often it waits depends on the moment.
        return if !injected(place) || passed_over(name) || run.err.contains("nsinit: warning: ") {
            Ok(())
        } else {
            Err("failed, and nobody noticed".into())
        };
    }
    let brief = || format!("status {}, {:?}", run.status, run.err.trim_end());
    if run.err.contains("panic") {
        return Err(brief());
    }
    // The kernel's answer was EIO: the message names it, or says what it means.
    let names =
        run.err.lines().any(|l| l.starts_with("nsinit: ") && l.len() > "nsinit: : (EIO)".len());
    if !names && !passed_over(name) {
        return Err(brief());
    }
    if run.status == 0 {
        return Err(format!("ended with 0: {}", brief()));
    }
    Ok(())
}

fn plain() -> Place {
    let mut place = Place::new();
    let shared = place.host_dir("shared");
    place.config.bind(shared.to_str().unwrap(), "/mnt", "");
    place.config.set("user", "\"alice\"");
    place.config.set("rlimits", r#"[{"type": 7, "hard": 512, "soft": 256}]"#);
    place.write_config();
    place
}

#[test]
fn every_call_of_a_start_fails_once() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let calls = trace(&plain(), &["exec", "/bin/nothing"], 42);
    for_each_step(&steps(&calls), plain, |place, step| {
        let fault = format!("{}:error=EIO:when={}", step.0, step.1);
        let run = inject(place, &[&fault], &["exec", "/bin/nothing"]);
        told(place, &run, step, 42)
    });
}

#[test]
fn every_call_of_a_start_with_a_terminal_fails_once() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    const WITH_TTY: [&str; 3] = ["exec", "--tty", "/bin/nothing"];
    let calls = trace(&plain(), &WITH_TTY, 42);
    let before = most_per_process(&trace(&plain(), &["exec", "/bin/nothing"], 42));
    // Only what the terminal adds: the rest is the other test's.
    let added: Vec<Step> = steps(&calls)
        .into_iter()
        .filter(|(name, n)| before.get(name).is_none_or(|m| n > m))
        .collect();
    for_each_step(&added, plain, |place, step| {
        let fault = format!("{}:error=EIO:when={}", step.0, step.1);
        let run = inject(place, &[&fault], &WITH_TTY);
        // EIO is how the end of a terminal's other side is read.
        if step.0 == "read" && run.status == 42 {
            return Ok(());
        }
        told(place, &run, step, 42)
    });
}

#[test]
fn every_call_of_a_join_fails_once_and_the_container_lives_on() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let place = plain();
    let running = place.start("echo ready; while :; do sleep 1; done");
    let calls = trace(&place, &["exec", "/bin/nothing"], 42);
    let mut complaints = Vec::new();
    for step in steps(&calls) {
        let fault = format!("{}:error=EIO:when={}", step.0, step.1);
        let run = inject(&place, &[&fault], &["exec", "/bin/nothing"]);
        if let Err(why) = told(&place, &run, &step, 42) {
            complaints.push(format!("{} {}: {why}", step.0, step.1));
        }
        // One that dies may take a moment; one that stays is a fault.
        let mut inside = place.processes().len();
        for _ in 0..100 {
            if inside <= 4 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
            inside = place.processes().len();
        }
        if inside > 4 || place.state().is_none() {
            complaints.push(format!(
                "{} {}: {inside} processes, state {:?}",
                step.0,
                step.1,
                place.state().is_some()
            ));
        }
    }
    assert_eq!(place.join("echo alive").ok(), "alive\n");
    place.kill_launcher(running);
    place.run(&["exec", "/bin/nothing"]).ends(42);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_process_dies_at_every_step_of_a_start() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let calls = trace(&plain(), &["exec", "/bin/nothing"], 42);
    for_each_step(&steps(&calls), plain, |place, step| {
        let fault = format!("{}:signal=SIGKILL:when={}", step.0, step.1);
        let run = inject(place, &[&fault], &["exec", "/bin/nothing"]);
        // A launcher that died can't clean up: the next start does.
        let next = place.run(&["exec", "/bin/nothing"]);
        if next.status != 42 {
            return Err(format!("the next start: {} {:?}", next.status, next.err.trim_end()));
        }
        match run.status {
            // Its call came after all that matters, or its process was one of the others.
            42 => Ok(()),
            // The launcher lived, and says that and where the container's process died.
            FAILED if run.err.contains("nsinit: ") => Ok(()),
            // The launcher, or the command in its last step.
            137 => Ok(()),
            other => Err(format!("status {other}, {:?}", run.err.trim_end())),
        }
    });
}

#[test]
fn every_process_dies_at_every_step_of_a_join() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let place = plain();
    let running = place.start("echo ready; while :; do sleep 1; done");
    let calls = trace(&place, &["exec", "/bin/nothing"], 42);
    let mut complaints = Vec::new();
    for step in steps(&calls) {
        let fault = format!("{}:signal=SIGKILL:when={}", step.0, step.1);
        let run = inject(&place, &[&fault], &["exec", "/bin/nothing"]);
        if ![42, FAILED, 137].contains(&run.status) {
            complaints.push(format!("{} {}: {} {}", step.0, step.1, run.status, run.err));
        }
    }
    assert_eq!(place.join("echo alive").ok(), "alive\n");
    crate::world::until("only the container's own processes are left", || {
        place.processes().len() <= 4
    });
    place.kill_launcher(running);
    place.run(&["exec", "/bin/nothing"]).ends(42);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_call_interrupted_by_a_signal_goes_on() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let calls = trace(&plain(), &["exec", "/bin/nothing"], 42);
    // Those that sleep. All signals are blocked, so that only a stop and a continue get there.
    let sleepy = ["recvfrom", "recvmsg", "rt_sigtimedwait", "waitid"];
    let steps: Vec<Step> =
        steps(&calls).into_iter().filter(|(n, _)| sleepy.contains(&n.as_str())).collect();
    for_each_step(&steps, plain, |place, step| {
        let fault = format!("{}:error=EINTR:when={}", step.0, step.1);
        let run = inject(place, &[&fault], &["exec", "/bin/nothing"]);
        if run.status == 42 {
            Ok(())
        } else {
            Err(format!("{} {:?}", run.status, run.err.trim_end()))
        }
    });
}

/// The processes that this run of strace has seen stop.
fn stopped(place: &Place) -> Vec<u32> {
    let text = std::fs::read_to_string(place.dir.join("trace")).unwrap_or_default();
    let lines = text.lines().filter(|line| line.contains("--- stopped by SIGSTOP"));
    lines.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// Runs nsinit with each process stopped at this step, and sends TERM to the launcher.
fn stand_still(place: &Place, step: &Step, args: &[&str]) -> Result<(), String> {
    /// Those that PID 1 makes, or the command's own process, once the command runs: signals are its own then.
    const LATER: [&str; 5] = ["rt_sigtimedwait", "wait4", "exit", "exit_group", "execve"];
    let (name, n) = step;
    let file = place.dir.join("trace");
    let _ = std::fs::remove_file(&file);
    let (file, only) = (file.to_str().unwrap(), format!("trace={name}"));
    let fault = format!("inject={name}:signal=SIGSTOP:when={n}");
    let by = ["strace", "-f", "-qq", "-o", file, "-e", &only, "-e", "signal=SIGSTOP", "-e", &fault];
    let mut running = crate::world::spawn(&mut place.wrapped(&by, args));
    let strace = running.child.id();
    let children = format!("/proc/{strace}/task/{strace}/children");
    let launcher =
        || std::fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok();
    let signal = |pid: u32, signal| {
        // SAFETY: plain system call; the pid is that of a process of this run, or of none.
        unsafe { libc::kill(pid as i32, signal) };
    };
    for round in 0.. {
        if running.child.try_wait().unwrap().is_some() {
            break;
        }
        // Not at each look: strace has its trouble with signals that come too fast.
        if round % 40 == 20 {
            let (stopped, launcher) = (stopped(place), launcher());
            // A launcher that is stopped itself acts when it is continued.
            launcher.into_iter().for_each(|pid| signal(pid, libc::SIGCONT));
            if stopped.iter().any(|pid| Some(*pid) != launcher) {
                launcher.into_iter().for_each(|pid| signal(pid, libc::SIGTERM));
            }
            if round > 80 && LATER.contains(&name.as_str()) {
                stopped.iter().for_each(|pid| signal(*pid, libc::SIGCONT));
            }
            if round > 4000 {
                running.signal(libc::SIGKILL);
                return Err(format!("it does not end; stopped: {stopped:?} of {launcher:?}"));
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let run = running.end();
    // strace 6.1 may lose its way when a launcher ends at the moment at which it is continued: it says then with
    // what status that has ended.
    let lost = ["0x2a00", "0x8f00"].map(|word| format!("strace: Unexpected wait status {word}"));
    match run.status {
        42 | 143 => Ok(()),
        1 if lost.iter().any(|lost| run.err.contains(lost)) => Ok(()),
        other => Err(format!("status {other}, {:?}", run.err.trim_end())),
    }
}

#[test]
fn a_start_that_stands_still_anywhere_ends_on_a_signal() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let calls = trace(&plain(), &["exec", "/bin/nothing"], 42);
    for_each_step(&steps(&calls), plain, |place, step| {
        stand_still(place, step, &["exec", "/bin/nothing"])
    });
}

#[test]
fn a_join_that_stands_still_anywhere_ends_on_a_signal() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let place = plain();
    let running = place.start("echo ready; while :; do sleep 1; done");
    let calls = trace(&place, &["exec", "/bin/nothing"], 42);
    let mut complaints = Vec::new();
    for step in steps(&calls) {
        if let Err(why) = stand_still(&place, &step, &["exec", "/bin/nothing"]) {
            complaints.push(format!("{} {}: {why}", step.0, step.1));
        }
    }
    assert_eq!(place.join("echo alive").ok(), "alive\n");
    crate::world::until("only the container's own processes are left", || {
        place.processes().len() <= 4
    });
    place.kill_launcher(running);
    place.run(&["exec", "/bin/nothing"]).ends(42);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
