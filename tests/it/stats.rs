//! `nsinit stats`: the numbers agree with what the container does.

use crate::cli::valid_json;
use crate::pty::Terminal;
use crate::world::{Place, spawn, until};

/// The number of a key; the first of its name.
#[track_caller]
fn number(text: &str, key: &str) -> u64 {
    let rest =
        text.split(&format!("\"{key}\":")).nth(1).unwrap_or_else(|| panic!("no {key}: {text}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{key} is no number: {text}"))
}

#[test]
fn the_names_of_2014_with_numbers_that_are_true() {
    let mut place = Place::new();
    place.config.set("cgroups.memory", "33554432");
    place
        .config
        .mount(r#"{"type": "tmpfs", "source": "tmpfs", "destination": "/tmp", "writable": true}"#);
    let running = place.start(
        "dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null; sleep 300 & sleep 300 & \
        i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo ready; exec sleep 300",
    );
    let run = place.run(&["stats"]);
    let text = run.ok();
    valid_json(text);
    for key in [
        "network_stats",
        "cgroup_stats",
        "cpu_stats",
        "cpu_usage",
        "throttling_data",
        "throlling_data",
        "memory_stats",
        "stats",
        "blkio_stats",
        "io_service_bytes_recursive",
        "io_serviced_recursive",
        "io_serviced_recusrive",
        "pids_stats",
    ] {
        assert!(text.contains(&format!("\"{key}\":")), "no {key}: {text}");
    }
    let total = number(text, "total_usage");
    let parts = number(text, "usage_in_kernelmode") + number(text, "usage_in_usermode");
    assert!(total > 5_000_000 && total < 60_000_000_000, "{total} nanoseconds");
    // v1 counts both parts in ticks of ten milliseconds.
    assert!(parts > total / 3 && parts < total * 2, "{parts} of {total}");
    let memory = text.split("\"memory_stats\"").nth(1).unwrap();
    let usage = number(memory, "usage");
    assert!((8 << 20..32 << 20).contains(&usage), "{usage} bytes");
    assert!(number(memory, "max_usage") >= usage || !text.contains("max_usage"));
    assert_eq!(number(memory, "limit"), 32 << 20);
    assert_eq!(number(memory, "failcnt"), 0);
    // PID 1 and three that sleep.
    assert_eq!(number(text.split("\"pids_stats\"").nth(1).unwrap(), "current"), 4);
    assert_eq!(number(text, "rx_bytes"), 0);
    assert!(text.contains("\"interfaces\":[]"), "{text}");
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_limit_that_is_hit_is_counted() {
    let mut place = Place::new();
    place.config.set("cgroups.memory", "16777216").set("cgroups.cpu_quota", "10000");
    place.config.set("cgroups.cpu_period", "50000");
    let running =
        place.start("cat /bin/busybox /bin/busybox > /dev/null; echo ready; while :; do :; done");
    place.join("tail /dev/zero").ends(128 + 9);
    let text = place.run(&["stats"]).ok().to_owned();
    assert!(number(&text, "failcnt") > 0, "{text}");
    until("it was held back", || {
        let text = place.run(&["stats"]).out;
        number(&text, "throttled_periods") > 2 && number(&text, "throttled_time") > 1_000_000
    });
    let text = place.run(&["stats"]).out;
    assert!(number(&text, "periods") >= number(&text, "throttled_periods"), "{text}");
    place.run(&["kill", "KILL"]).ok();
    running.end();
}

#[test]
fn watch_prints_lines_elsewhere_until_the_container_ends() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let mut watch = spawn(&mut place.command(&["stats", "--watch", "1"]));
    until("there are two", || watch.out().lines().count() == 2);
    place.run(&["kill"]).ok();
    running.end();
    let run = watch.end();
    run.ok().lines().for_each(valid_json);
}

#[test]
fn watch_draws_a_table_on_a_terminal() {
    let mut place = Place::new();
    place.config.set("cgroups.memory", "33554432");
    let running = place.start("echo ready; while :; do :; done");
    let mut terminal = Terminal::new(24, 80);
    let mut watch = terminal.spawn(&mut place.command(&["stats", "--watch"]));
    // The first table has nothing to compare with.
    for words in
        ["cpu      [#", "memory   [", " of 32 MiB", "pids     2", "network  in 0 B/s", "\x1b[H"]
    {
        terminal.expect(words);
    }
    place.run(&["kill", "KILL"]).ok();
    assert_eq!(terminal.end(&mut watch), 0);
    running.end();
    let shown = terminal.output();
    assert!(!shown.contains('{'), "{shown:?}");
}

#[test]
fn seconds_that_are_none_are_refused() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    for words in ["--watch=0", "--watch=x", "--watch=-1", "--watch=99999999999999999999"] {
        place.run(&["stats", words]).fails(&["--watch", "1 to 86400 seconds"]);
    }
    place.run(&["stats", "1"]).fails(&["takes options only"]);
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn without_a_group_and_a_network_of_its_own_there_is_nothing_to_tell() {
    let mut place = Place::new();
    place.config.unset("cgroups").unset("namespaces.NEWNET").unset("networks");
    let running = place.start("echo ready; sleep 300");
    let run = place.run(&["stats"]);
    valid_json(run.ok());
    assert!(!run.out.contains("network_stats") && !run.out.contains("total_usage"), "{}", run.out);
    running.signal(libc::SIGTERM);
    running.end();
}
