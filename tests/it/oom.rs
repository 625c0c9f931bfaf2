//! `nsinit oom`: the kernel's word that it killed for lack of memory.

use crate::world::{Place, spawn, until};

fn place() -> Place {
    let mut place = Place::new();
    place.config.set("cgroups.memory", "16777216").set("cgroups.memory_swap", "16777216");
    place
}

#[test]
fn a_line_each_time_until_the_container_ends() {
    let place = place();
    let running = place.start("echo ready; sleep 300");
    let mut plain = spawn(&mut place.command(&["oom"]));
    let json = spawn(&mut place.command(&["oom", "--json"]));
    // Both must watch before the first.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(plain.out(), "");
    for n in 1..3 {
        place.join("tail /dev/zero").ends(128 + 9);
        until("it is told", || plain.out().lines().count() == n);
    }
    running.signal(libc::SIGTERM);
    running.end();
    assert_eq!(plain.end().ok(), "out of memory (1)\nout of memory (2)\n");
    assert_eq!(json.end().ok(), "{\"oom\": 1}\n{\"oom\": 2}\n");
}

#[test]
fn the_end_itself_is_no_event() {
    let place = place();
    for _ in 0..5 {
        let running = place.start("echo ready; sleep 300");
        let oom = spawn(&mut place.command(&["oom"]));
        std::thread::sleep(std::time::Duration::from_millis(50));
        place.run(&["kill", "KILL"]).ok();
        running.end();
        assert_eq!(oom.end().ok(), "");
    }
}

#[test]
fn the_one_that_ends_the_container_is_told() {
    let place = place();
    let running = place.start("echo ready; read x < /dev/null; usleep 400000; exec tail /dev/zero");
    let oom = spawn(&mut place.command(&["oom"]));
    running.end().ends(128 + 9);
    assert_eq!(oom.end().ok(), "out of memory (1)\n");
}

#[test]
fn without_a_memory_group_there_is_nothing_to_watch() {
    let mut place = Place::new();
    place.config.unset("cgroups");
    let running = place.start("echo ready; sleep 300");
    place.run(&["oom"]).fails(&["no control group with the memory controller"]);
    running.signal(libc::SIGTERM);
    running.end();
}
