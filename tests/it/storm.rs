//! Many, and at bad moments.

use std::time::Duration;

use crate::world::{Place, spawn};

#[test]
fn a_thousand_starts() {
    let place = Place::new();
    place.write_config();
    for i in 0..1000 {
        let status = i % 256;
        let run = place.run(&["exec", "/bin/probe", "exit", &status.to_string()]);
        assert_eq!((run.status, run.err.as_str()), (status, ""), "round {i}");
    }
}

#[test]
fn a_thousand_joins() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 3000");
    for i in 0..1000 {
        let status = i % 256;
        let run = place.run(&["exec", "/bin/probe", "exit", &status.to_string()]);
        assert_eq!((run.status, run.err.as_str()), (status, ""), "round {i}");
    }
    assert!(place.processes().len() <= 4, "more than launcher, process 1, shell, sleep");
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().status, 143);
}

#[test]
fn a_hundred_containers_at_once() {
    let places: Vec<Place> = (0..100).map(|_| Place::new()).collect();
    let running: Vec<_> = places
        .iter()
        .enumerate()
        .map(|(i, place)| {
            place.write_config();
            let script = format!("hostname; sleep 0.2; exit {i}");
            spawn(&mut place.command(&["exec", "/bin/sh", "-c", &script]))
        })
        .collect();
    for (i, running) in running.into_iter().enumerate() {
        assert_eq!(running.end().ends(i as i32), "koye\n");
    }
}

#[test]
fn a_hundred_joins_at_once() {
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    let running: Vec<_> = (0..100)
        .map(|i| {
            let script = format!("hostname; sleep 0.1; exit {i}");
            spawn(&mut place.command(&["exec", "/bin/sh", "-c", &script]))
        })
        .collect();
    for (i, running) in running.into_iter().enumerate() {
        assert_eq!(running.end().ends(i as i32), "koye\n");
    }
    first.signal(libc::SIGTERM);
    assert_eq!(first.end().status, 143);
}

#[test]
fn term_right_after_the_start_is_never_lost() {
    let place = Place::new();
    place.write_config();
    for i in 0..300u64 {
        let running = spawn(&mut place.command(&["exec", "/bin/sleep", "20"]));
        // 0 to 3 ms, in steps of 10 µs; a sleep is not that exact, which makes it denser.
        std::thread::sleep(Duration::from_micros(i * 10));
        running.signal(libc::SIGTERM);
        let run = running.end();
        assert_eq!(run.status, 143, "after {} µs: {}", i * 10, run.err);
    }
}

#[test]
fn term_right_after_the_start_of_a_join_is_never_lost() {
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    for i in 0..200u64 {
        let running = spawn(&mut place.command(&["exec", "/bin/sleep", "20"]));
        std::thread::sleep(Duration::from_micros(i * 15));
        running.signal(libc::SIGTERM);
        let run = running.end();
        assert_eq!(run.status, 143, "after {} µs: {}", i * 15, run.err);
    }
    assert_eq!(place.join("echo alive").ok(), "alive\n");
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn starts_and_ends_of_one_place_at_once_never_hang() {
    let place = Place::new();
    place.write_config();
    for _ in 0..15 {
        let running: Vec<_> =
            (0..8).map(|_| spawn(&mut place.command(&["exec", "/bin/usleep", "3000"]))).collect();
        for running in running {
            let run = running.end();
            // Each starts, joins, or is killed with the container that it joined, or was about to.
            assert!([0, 137, 125].contains(&run.status), "{} {}", run.status, run.err);
        }
    }
    place.sh("exit 0").ends(0);
}
