//! A service that dies at once, for ever: the machine stays up, and what it costs is next to nothing.

use std::fs;
use std::time::Instant;

use crate::booted::{System, service};
use crate::config::quote;

/// Nanoseconds for which a process ran (the kernel's Documentation/scheduler/sched-stats.rst).
fn ran(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// Hundredths of a second for which all ran that a process has waited for: cutime and cstime of
/// /proc/PID/stat, numbers 16 and 17.
fn waited_for(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, words) = text.rsplit_once(')').unwrap();
    let mut words = words.split_whitespace().skip(13).map(|word| word.parse::<u64>().unwrap());
    words.next().unwrap() + words.next().unwrap()
}

#[test]
fn it_costs_pid_1_less_than_a_hundredth_of_a_processor() {
    let system = System::new();
    let mut config = service("exit 1");
    config.set("service.restart", quote("always"));
    system.add("services", "crash", &config);
    system.script("services", "web", "sleep 1000");
    let mut booted = system.boot();
    booted.says("restarting in 100 ms");
    let (since, own, others) = (Instant::now(), ran(booted.pid), waited_for(booted.pid));
    let said = booted.says("restarting in 6400 ms");
    let took = since.elapsed();
    let own = ran(booted.pid) - own;
    let others = waited_for(booted.pid) - others;
    println!("in {took:?}: PID 1 ran {own} ns, its children {others}0 ms");
    assert!(u128::from(own) * 100 < took.as_nanos(), "{own} ns in {took:?}");
    // Six starts, and six pauses: 6.3 s of them.
    assert_eq!(
        said.matches("crash: nsinit: exited with status 1; restarting in").count(),
        7,
        "{said}"
    );
    assert!(took.as_millis() >= 6300, "{took:?}");
    // A start takes some milliseconds, whatever it is that starts.
    assert!(others < 6 * 10, "{others}0 ms of six starts");
    let line = booted.list("crash");
    assert_eq!((line[2].as_str(), line[5].as_str()), ("back-off", "6"), "{line:?}");
    booted.is("web", "running");
}

#[test]
fn who_has_run_for_ten_seconds_has_not_failed_in_a_row() {
    let system = System::new();
    // The third time it runs longer than that.
    let script = "n=$(cat /tmp/n 2>/dev/null || echo 0); echo $((n+1)) > /tmp/n; [ $n != 2 ] || sleep 10.1; exit 1";
    let mut config = service(script);
    // It may fail three times in a row, which it does not.
    config.set("service.restart_max", "3");
    system.add("services", "web", &config);
    let mut booted = system.boot();
    let said = booted.says("giving up after 3 restarts in a row");
    let pauses: Vec<&str> =
        said.lines().filter_map(|line| line.split("restarting in ").nth(1)).collect();
    assert_eq!(pauses, ["100 ms", "200 ms", "100 ms", "200 ms", "400 ms"], "{said}");
}
