//! `nsinit pause` and `unpause`, and what a paused container means to the other verbs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::quote;
use crate::world::{Place, Running, spawn, until};

/// A container whose command counts in a file.
fn counting() -> (Place, Running) {
    let place = Place::new();
    let running = counting_in(&place);
    (place, running)
}

fn counting_in(place: &Place) -> Running {
    place.start(
        "trap 'exit 7' TERM; echo ready; n=0; while :; do n=$((n+1)); echo $n > /tmp/n; usleep 1000; done",
    )
}

fn count(place: &Place) -> String {
    fs::read_to_string(place.path("/tmp/n")).unwrap_or_default()
}

/// Looks for a tenth of a second.
fn counts(place: &Place) -> bool {
    let before = count(place);
    std::thread::sleep(Duration::from_millis(100));
    count(place) != before
}

#[test]
fn it_stands_still_when_pause_returns_and_goes_on_with_unpause() {
    let (place, running) = counting();
    until("it counts", || counts(&place));
    for _ in 0..3 {
        place.run(&["pause"]).ok();
        assert!(!counts(&place));
        // Once more changes nothing.
        place.run(&["pause"]).ok();
        assert!(!counts(&place));
        place.run(&["unpause"]).ok();
        until("it goes on", || counts(&place));
    }
    place.run(&["unpause"]).ok();
    place.run(&["kill"]).ok();
    running.end().ends(7);
}

#[test]
fn who_joins_a_paused_container_is_told_or_waits() {
    let (place, running) = counting();
    place.run(&["pause"]).ok();
    place.run(&["exec", "/bin/true"]).fails(&["join the container: it is paused", "unpause"]);
    let mut waiting = spawn(&mut place.command(&["exec", "--wait", "/bin/echo", "joined"]));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!((waiting.out().as_str(), waiting.child.try_wait().unwrap()), ("", None));
    // A signal ends the wait, though every one is blocked.
    let other = spawn(&mut place.command(&["exec", "--wait", "/bin/true"]));
    std::thread::sleep(Duration::from_millis(100));
    other.signal(libc::SIGINT);
    other.end().ends(128 + libc::SIGINT);
    place.run(&["unpause"]).ok();
    assert_eq!(waiting.end().ok(), "joined\n");
    place.run(&["kill"]).ok();
    running.end().ends(7);
}

#[test]
fn who_waits_for_a_container_that_ends_starts_it_anew() {
    let (place, running) = counting();
    place.run(&["pause"]).ok();
    let waiting = spawn(&mut place.command(&["exec", "--wait", "/bin/sh", "-c", "echo $PPID"]));
    std::thread::sleep(Duration::from_millis(100));
    place.run(&["kill", "KILL"]).ok();
    running.end().ends(128 + 9);
    assert_eq!(waiting.end().ends(0), "1\n");
}

#[test]
fn kill_ends_a_paused_container_and_other_signals_wait() {
    let (place, running) = counting();
    place.run(&["pause"]).ok();
    let run = place.run(&["kill"]);
    run.ends(0);
    run.says(&["it is paused: the signal waits"]);
    assert!(place.state().is_some());
    place.run(&["unpause"]).ok();
    running.end().ends(7);
    for words in [&["kill", "KILL"][..], &["kill", "--all", "KILL"]] {
        let (place, running) = counting();
        place.run(&["pause"]).ok();
        place.run(words).ok();
        running.end().ends(128 + 9);
        assert_eq!(place.remains(), Vec::<String>::new());
    }
}

#[test]
fn a_launcher_killed_over_a_paused_container_leaves_nothing_that_the_next_exec_does_not_clean() {
    let (place, running) = counting();
    place.run(&["pause"]).ok();
    running.signal(libc::SIGKILL);
    running.end();
    let run = place.run(&["exec", "/bin/echo", "anew"]);
    assert_eq!(run.ends(0), "anew\n");
    assert_eq!(place.remains(), Vec::<String>::new());
}

/// The file that freezes the group of this name at the top, with what stops and lets go.
fn freezer_of(name: &str) -> (PathBuf, [&'static str; 2]) {
    let v1 = Path::new("/sys/fs/cgroup/freezer").join(name);
    match v1.exists() {
        true => (v1.join("freezer.state"), ["FROZEN", "THAWED"]),
        false => (Path::new("/sys/fs/cgroup").join(name).join("cgroup.freeze"), ["1", "0"]),
    }
}

#[test]
fn a_frozen_group_above_is_named_and_unpause_does_not_say_that_they_go_on() {
    let mut place = Place::new();
    let parent = format!("{}-parent", place.name);
    place.config.set("cgroups.parent", quote(&format!("/{parent}")));
    let running = counting_in(&place);
    let (file, [stop, go]) = freezer_of(&parent);
    fs::write(&file, stop).unwrap();
    until("it stands still", || !counts(&place));
    place.run(&["unpause"]).fails(&["thaw ", "a group above it is frozen: ", &parent]);
    let run = place.run(&["exec", "/bin/true"]);
    run.fails(&["join the container: it stands still, as the control group ", &parent]);
    // Of itself too.
    place.run(&["pause"]).ok();
    place.run(&["exec", "/bin/true"]).fails(&["it is paused: nsinit unpause"]);
    place.run(&["unpause"]).fails(&["a group above it is frozen: "]);
    fs::write(&file, go).unwrap();
    until("it goes on", || counts(&place));
    place.run(&["kill"]).ok();
    running.end().ends(7);
}

#[test]
fn a_start_below_a_frozen_group_says_so_and_ends_on_a_signal() {
    let mut place = Place::new();
    let parent = format!("{}-parent", place.name);
    place.config.set("cgroups.parent", quote(&format!("/{parent}")));
    place.write_config();
    let v1 = Path::new("/sys/fs/cgroup/freezer");
    let top = if v1.exists() { v1 } else { Path::new("/sys/fs/cgroup") }.join(&parent);
    fs::create_dir(&top).unwrap();
    let (file, [stop, go]) = freezer_of(&parent);
    for signal in [Some(libc::SIGTERM), None] {
        fs::write(&file, stop).unwrap();
        let mut running = spawn(&mut place.command(&["exec", "/bin/sh", "-c", "exit 6"]));
        let words = format!("{parent} is frozen, which its own is in: waiting until that goes on");
        until("it is said", || running.err().contains(&words));
        match signal {
            Some(signal) => running.signal(signal),
            None => fs::write(&file, go).unwrap(),
        }
        running.end().ends(signal.map_or(6, |signal| 128 + signal));
        assert_eq!(place.remains(), Vec::<String>::new());
    }
    fs::remove_dir(&top).unwrap();
}

#[test]
fn a_container_without_a_group_can_not_be_paused() {
    let mut place = Place::new();
    place.config.unset("cgroups");
    let running = place.start("echo ready; sleep 300");
    for verb in ["pause", "unpause"] {
        place.run(&[verb]).fails(&["no control group with a freezer", "cgroups.name"]);
    }
    place.run(&["exec", "/bin/true"]).ok();
    running.signal(libc::SIGTERM);
    running.end();
}
