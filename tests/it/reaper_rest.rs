//! `nsinit init`: what the command leaves behind, and zombies that nobody can reap.

use std::fs;
use std::time::{Duration, Instant};

use crate::reaper::{As, BOTH, children, init, only_child, ready, send, settled, state, waits};
use crate::world::{Place, nsinit, spawn, until};

/// Ends on TERM and says so; as a script, so that it can be told by its words.
const GENTLE: &str = "(trap 'echo gentle; exit' TERM; echo up; while :; do sleep 0.02; done) & ";
/// Does not.
const STUBBORN: &str = "(trap '' TERM; echo up; while :; do sleep 0.02; done) & ";

#[test]
fn without_grace_it_ends_at_once() {
    let place = Place::new();
    let script = format!("{STUBBORN} sleep 0.2; exit 4");
    spawn(&mut init(&place, As::Pid1, &["sh", "-c", &script])).end().ends(4);
    assert!(place.processes().is_empty(), "process 1 takes all with it");
    spawn(&mut init(&place, As::Subreaper, &["sh", "-c", &script])).end().ends(4);
    assert!(!place.processes().is_empty());
    place.clean();
}

#[test]
fn with_grace_what_remains_may_end_first() {
    let place = Place::new();
    for what in BOTH {
        let script = format!("{GENTLE} setsid sh -c \"{GENTLE} wait\" & sleep 0.3; exit 4");
        // The harness waits for half a minute at most.
        let run = spawn(&mut init(&place, what, &["--grace", "1h", "sh", "-c", &script])).end();
        let out = run.ends(4);
        assert_eq!(out.matches("gentle").count(), 2, "{what:?}\n{out}");
        assert!(place.remains().is_empty());
    }
}

#[test]
fn with_grace_and_nobody_left_it_ends() {
    let place = Place::new();
    for what in BOTH {
        // The harness waits for half a minute at most.
        spawn(&mut init(&place, what, &["--grace", "1h", "sh", "-c", "exit 4"])).end().ends(4);
        assert!(place.remains().is_empty());
    }
}

/// Without a command it is TERM that ends it, and the rest has its time as well.
#[test]
fn with_grace_what_a_pause_has_adopted_may_end_first() {
    let place = Place::new();
    let script = format!("{GENTLE} sleep 0.3; echo ready; exec \"$0\" init --pause --grace 20s");
    let nsinit = nsinit();
    let args = ["sh", "-c", &script, nsinit.to_str().unwrap()];
    let (running, outer) = ready(&mut init(&place, As::Subreaper, &args), As::Subreaper);
    let pause = only_child(outer);
    until("it waits", || waits(pause));
    send(pause, libc::SIGTERM);
    assert_eq!(running.end().ends(0).matches("gentle").count(), 1);
    assert!(place.remains().is_empty());
}

#[test]
fn after_the_grace_period_what_remains_is_killed() {
    let place = Place::new();
    for what in BOTH {
        let script = format!("{STUBBORN} setsid sh -c \"{STUBBORN} wait\" & sleep 0.3; exit 4");
        let since = Instant::now();
        spawn(&mut init(&place, what, &["--grace=700ms", "sh", "-c", &script])).end().ends(4);
        assert!(since.elapsed() >= Duration::from_millis(1000), "{what:?} {:?}", since.elapsed());
        assert!(place.processes().is_empty(), "{what:?}");
    }
}

#[test]
fn a_second_term_or_int_kills_at_once() {
    let place = Place::new();
    let seconds = [libc::SIGTERM, libc::SIGINT];
    for (what, second) in BOTH.into_iter().flat_map(|what| seconds.map(|second| (what, second))) {
        let script = format!("{STUBBORN} sleep 0.2; echo ready; exec sleep 300");
        let args = ["--grace", "1h", "sh", "-c", &script];
        let (running, pid) = ready(&mut init(&place, what, &args), what);
        let command = children(pid)[0];
        send(pid, libc::SIGTERM);
        until("the command has ended", || !fs::exists(format!("/proc/{command}")).unwrap());
        std::thread::sleep(Duration::from_millis(100));
        assert_ne!(state(pid), 'Z');
        send(pid, second);
        running.end().ends(143);
        assert!(place.remains().is_empty());
    }
}

/// In the grace period, by whoever may name the next process, or by so many that all numbers were had.
#[test]
fn a_process_with_the_number_of_the_ended_command_is_not_the_command() {
    let place = Place::new();
    // In another group: that of the command would keep its number.
    let again = "trap \"\" TERM; sleep 0.6; echo $((first - 1)) >/proc/sys/kernel/ns_last_pid; \
                 (sleep 0.2; exit 9) & echo again $!";
    let script =
        format!("export first=$$; echo first $$; setsid sh -c '{again}' & sleep 0.3; exit 3");
    let args = ["--grace", "20s", "sh", "-c", &script];
    let run = spawn(&mut init(&place, As::Pid1, &args)).end();
    let pid =
        |word: &str| run.out.lines().find_map(|line| line.strip_prefix(word)).map(str::to_owned);
    assert!(pid("first ").is_some());
    assert_eq!(pid("first "), pid("again "));
    run.ends(3);
}

/// What `nsenter` or `docker exec` put into the PID namespace is nobody's child in it.
#[test]
fn a_process_from_outside_has_the_grace_period_too() {
    let place = Place::new();
    let script = "sleep 0.2; echo ready; sleep 1; exit 3";
    let args = ["--grace", "20s", "sh", "-c", script];
    let (running, pid) = ready(&mut init(&place, As::Pid1, &args), As::Pid1);
    let mut enter = std::process::Command::new("/usr/bin/nsenter");
    let gentle = format!("{} wait", GENTLE.replace("exit'", "sleep 0.3; echo last; exit'"));
    enter.args(["-t", &pid.to_string(), "-p", "/bin/sh", "-c", &gentle]);
    let mut other = spawn(enter.env("NSINIT_PLACE", &place.name));
    other.wait_for("up");
    running.end().ends(3);
    assert!(other.end().out.contains("last"), "it was killed before its time");
}

#[test]
fn unwanted_orphans_end_and_the_command_does_not() {
    let place = Place::new();
    for what in BOTH {
        let script = format!(
            "sh -c \"{GENTLE} {STUBBORN} true\"; sleep 0.3; echo ready; sleep 300 & wait $!; exit 5"
        );
        let args = ["--kill-orphans", "--grace", "500ms", "sh", "-c", &script];
        let (mut running, pid) = ready(&mut init(&place, what, &args), what);
        running.wait_for("gentle");
        until("the stubborn one is killed", || children(pid).len() == 1);
        let command = only_child(pid);
        assert_eq!(children(command).len(), 1, "the command's own child lives");
        send(only_child(command), libc::SIGTERM);
        running.end().ends(5);
    }
}

/// A /proc whose numbers mean other processes is told once, and nobody is killed by it.
#[test]
fn a_proc_of_another_namespace_is_told_once() {
    let place = Place::new();
    let script = "sh -c 'sleep 300 &'; sleep 2.4; exit 5";
    let by = ["/usr/bin/unshare", "--fork", "--pid", "--kill-child"];
    let args = ["init", "--kill-orphans", "sh", "-c", script];
    let mut command = place.wrapped(&by, &args);
    let run = spawn(command.env("PATH", "/usr/bin:/bin")).end();
    run.ends(5);
    assert_eq!(run.err.matches("another PID namespace").count(), 1, "{}", run.err);
}

/// Who is cloned with CLONE_PARENT is init's child from the first: it is reaped, and is not the command.
#[test]
fn siblings_of_the_command_are_reaped_and_not_taken_for_it() {
    let place = Place::new();
    for what in BOTH {
        let script = "probe siblings 1; exec probe siblings 20";
        spawn(&mut init(&place, what, &["sh", "-c", script])).end().ends(0);
        let script = "probe siblings 5; echo ready; exec sleep 300";
        let args = ["sh", "-c", script];
        let (running, pid) = ready(&mut init(&place, what, &args), what);
        settled(pid);
        send(pid, libc::SIGTERM);
        running.end().ends(143);
    }
}

/// A command that asks its parent to trace it stands still at each signal until that lets it go. That is no
/// end, and its parent wants to trace nobody.
#[test]
fn a_command_that_asks_to_be_traced_is_let_go() {
    let place = Place::new();
    let (running, pid) = ready(&mut init(&place, As::Pid1, &["probe", "traceme"]), As::Pid1);
    let command = only_child(pid);
    until("it is stopped, and not traced", || state(command) == 'T');
    send(pid, libc::SIGCONT);
    running.end().ends(0);
}

fn explained(place: &Place, pid: u32) -> String {
    place.run(&["init", "--explain-zombies", &pid.to_string()]).ok().to_owned()
}

#[test]
fn a_zombie_is_explained_by_its_parent() {
    let place = Place::new();
    let args = ["sh", "-c", "sleep 0 & echo ready; exec sleep 300"];
    let (running, pid) = ready(&mut init(&place, As::Subreaper, &args), As::Subreaper);
    let command = only_child(pid);
    until("there is a zombie", || {
        children(command).first().is_some_and(|zombie| state(*zombie) == 'Z')
    });
    let zombie = only_child(command);
    let want = |rest: &str| format!("{zombie} (sleep): its parent {command} (sleep) {rest}\n");
    let lives = "lives and has not waited for it; init gets it when that parent ends";
    assert_eq!(explained(&place, pid), want(lives));
    send(command, libc::SIGSTOP);
    until("the parent is stopped", || state(command) == 'T');
    assert_eq!(explained(&place, pid), want("is stopped: SIGCONT continues it"));
    // Not below it.
    assert_eq!(explained(&place, zombie), "no zombies\n");
    send(command, libc::SIGKILL);
    running.end().ends(137);
}

#[test]
fn a_zombie_is_explained_from_inside() {
    let place = Place::new();
    let program = nsinit();
    let program = program.display();
    let script = format!(
        "(sleep 0.02 & exec sleep 300) & sleep 0.5; exec {program} init --explain-zombies 1"
    );
    let run = spawn(&mut init(&place, As::Pid1, &["sh", "-c", &script])).end();
    let out = run.ends(0);
    assert!(out.contains(" (sleep): its parent 3 (sleep) lives and has not"), "{out}");
}

#[test]
fn threads_and_tracers_are_reasons_too() {
    let place = Place::new();
    for (mode, words) in [
        (
            "leaderless",
            &["its main thread has ended, others (1) have not: thread ", "in state S"][..],
        ),
        ("traced", &["it is traced by ", "(probe), which has not waited for it"]),
    ] {
        let (running, pid) =
            ready(&mut init(&place, As::Subreaper, &["probe", mode]), As::Subreaper);
        let mut text = String::new();
        until("there is a zombie", || {
            text = explained(&place, pid);
            text != "no zombies\n"
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        for word in words {
            assert!(text.contains(word), "no {word:?} in {text}");
        }
        for child in children(pid) {
            send(child, libc::SIGKILL);
        }
        running.end();
        place.clean();
    }
}
