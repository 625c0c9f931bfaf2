//! The containers of a booted machine: order, restarts, stops, what they say, who may ask for what.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::booted::{System, service};
use crate::config::quote;
use crate::world::{spawn, until};

/// A service that ends well when it is asked to.
const POLITE: &str = "echo up; trap 'echo bye; exit 0' TERM; while :; do sleep 0.1; done";

#[track_caller]
fn in_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let at = rest.find(word).unwrap_or_else(|| panic!("no {word:?} in its place in:\n{text}"));
        rest = &rest[at + word.len()..];
    }
}

#[test]
fn onboot_then_services_then_onshutdown_and_the_system_ends() {
    let system = System::new();
    system.script("onboot", "010-one", "sleep 0.2; echo ONE; hostname");
    system.script("onboot", "020-two", "echo TWO");
    system.script("services", "web", POLITE);
    system.script("onshutdown", "last", "echo LAST");
    let mut booted = system.boot();
    booted.says("web: up\n");
    assert!(!booted.running.err().contains("LAST"));
    let said = booted.power_off();
    in_order(
        &said,
        &[
            "010-one: ONE\n010-one: koye\n",
            "020-two: TWO\n",
            "web: up\n",
            "web: bye\n",
            "last: LAST\n",
        ],
    );
}

#[test]
fn an_onboot_that_fails_holds_up_the_rest_and_the_system_stays() {
    let system = System::new();
    system.script("onboot", "1", "exit 3");
    system.script("onboot", "2", "echo TWO");
    system.script("services", "web", POLITE);
    system.script("services", "other", POLITE);
    let mut booted = system.boot();
    booted.says("1: nsinit: exited with status 3; not restarting\n");
    booted.says("the machine stays up\n");
    assert_eq!(booted.list("2")[2], "idle");
    // Somebody who looks at it starts what is wanted, and nothing else is.
    booted.verb(&["start", "web"]).ok();
    assert_eq!(booted.list("other")[2], "idle");
    let said = booted.power_off();
    assert!(!said.contains("TWO"), "{said}");
}

#[test]
fn an_onboot_that_may_fail_does_not() {
    let system = System::new();
    let mut config = service("kill -9 $$");
    config.set("service.on_failure", quote("continue"));
    system.add("onboot", "1", &config);
    system.script("services", "web", POLITE);
    let mut booted = system.boot();
    booted.says("web: up\n");
    booted.says("1: nsinit: was killed by signal 9");
}

#[test]
fn a_fault_in_one_file_is_told_with_its_place_and_the_others_start() {
    let system = System::new();
    fs::write(system.dir("onboot", "0").join("container.json"), "{\n  \"tty\": 1\n}").unwrap();
    fs::write(system.dir("services", "bad").join("container.json"), "{ nonsense").unwrap();
    system.dir("services", "none");
    system.script("services", "web", POLITE);
    let mut booted = system.boot();
    booted.says("web: up\n");
    booted.says("0: nsinit: container.json:2:10: tty: expected a boolean, found a number\n");
    booted.says("bad: nsinit: container.json:1:3: ");
    booted.says("none: nsinit: open container.json: there is no such file");
    for name in ["0", "bad", "none"] {
        booted.is(name, "failed");
    }
}

#[test]
fn a_service_that_fails_at_once_is_started_again_with_growing_pauses() {
    let system = System::new();
    system.script("services", "crash", "exit 7");
    let mut booted = system.boot();
    for pause in [100, 200, 400, 800] {
        booted.says(&format!("crash: nsinit: exited with status 7; restarting in {pause} ms\n"));
    }
    let line = booted.list("crash");
    assert_eq!((line[2].as_str(), line[4].as_str()), ("back-off", "7"), "{line:?}");
    assert!(line[5].parse::<u32>().unwrap() >= 3, "{line:?}");
}

#[test]
fn a_policy_says_which_end_is_followed_by_a_start() {
    let system = System::new();
    for (name, policy, status) in
        [("a", "no", 1), ("b", "on-failure", 0), ("c", "always", 0), ("d", "on-failure", 1)]
    {
        let mut config = service(&format!("exit {status}"));
        config.set("service.restart", quote(policy));
        system.add("services", name, &config);
    }
    let mut booted = system.boot();
    booted.says("c: nsinit: exited with status 0; restarting in 200 ms\n");
    booted.says("d: nsinit: exited with status 1; restarting in 200 ms\n");
    assert_eq!(booted.list("a")[2..6], ["failed", "-", "1", "0"]);
    assert_eq!(booted.list("b")[2..6], ["ended", "-", "0", "0"]);
}

#[test]
fn a_crash_loop_ends_and_does_what_its_file_says() {
    let system = System::new();
    let mut config = service("exit 1");
    config.set("service.restart_max", "2").set("service.on_failure", quote("reboot"));
    system.add("services", "crash", &config);
    system.script("services", "web", POLITE);
    let said = system.boot().ends();
    in_order(
        &said,
        &[
            "restarting in 100 ms",
            "restarting in 200 ms",
            "giving up after 2 restarts in a row",
            "web: bye",
            "rebooting",
        ],
    );
}

#[test]
fn after_orders_starts_and_stops() {
    let system = System::new();
    // The names are in the other order.
    for (name, after) in [("a", r#"["b"]"#), ("b", r#"["c", "nobody"]"#), ("c", "[]")] {
        let mut config = service(&format!("sleep 0.1; {POLITE}"));
        config.set("service.after", after);
        system.add("services", name, &config);
    }
    let mut booted = system.boot();
    booted.says("b: nsinit: container.json:");
    booted.says("service.after[1]: no such container\n");
    for name in ["a", "b", "c"] {
        booted.says(&format!("{name}: up\n"));
    }
    let blame = booted.verb(&["blame", "--json"]);
    let begun = |name: &str| {
        let named = format!("\"name\":\"{name}\"");
        let at = blame.out.split('{').find(|object| object.contains(&named)).unwrap();
        let number = |key: &str| {
            let text = at.split(&format!("\"{key}\":")).nth(1).unwrap();
            text.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u64>().unwrap()
        };
        number("begun_ms") + number("start_ms")
    };
    assert!(begun("c") <= begun("b") && begun("b") <= begun("a"), "{}", blame.out);
    let said = booted.power_off();
    in_order(&said, &["a: bye", "b: bye", "c: bye"]);
}

#[test]
fn a_service_may_name_what_was_before_it_anyway() {
    let system = System::new();
    system.script("onboot", "10-net", "echo NET");
    let mut config = service(POLITE);
    config.set("service.after", r#"["10-net"]"#);
    system.add("services", "web", &config);
    let mut config = service("echo LAST");
    config.set("service.after", r#"["web", "10-net"]"#);
    system.add("onshutdown", "last", &config);
    let mut config = service("true");
    config.set("service.after", r#"["web"]"#);
    system.add("onboot", "20-early", &config);
    let mut booted = system.boot();
    booted.says("web: up\n");
    let said = booted.power_off();
    in_order(&said, &["20-early: nsinit: container.json:", "its turn comes later\n", "last: LAST"]);
    assert_eq!(said.matches("service.after").count(), 1, "{said}");
}

#[test]
fn what_runs_once_is_done_when_it_has_ended_and_its_failure_by_hand_stops_nothing() {
    let system = System::new();
    let script = "n=$(cat /n 2>/dev/null || echo 0); echo $((n+1)) > /n; sleep 0.3; exit $n";
    let mut config = service(script);
    config.set("service.on_failure", quote("reboot"));
    system.add("onboot", "10-net", &config);
    system.script("services", "web", POLITE);
    let mut booted = system.boot();
    booted.says("web: up\n");
    let run = booted.verb(&["start", "10-net"]);
    run.ends(1);
    run.says(&["10-net: failed"]);
    assert_eq!(booted.list("10-net")[4], "1");
    assert_eq!(booted.list("web")[2], "running");
    let said = booted.power_off();
    assert!(said.contains("10-net: nsinit: exited with status 1; not restarting\n"), "{said}");
    assert!(!said.contains("stays up") && said.contains("powering off"), "{said}");
}

#[test]
fn those_that_wait_for_nobody_are_asked_to_end_in_the_reverse_of_their_start() {
    let system = System::new();
    for name in ["a", "b", "c", "d"] {
        system.script("services", name, POLITE);
    }
    let mut booted = system.boot();
    for name in ["a", "b", "c", "d"] {
        booted.says(&format!("{name}: up\n"));
    }
    // Neither the order of their names nor its reverse.
    let mut launchers = ["d", "b", "a", "c"].map(|name| {
        booted.verb(&["restart", name]).ok();
        format!("kill({}, SIGTERM)", booted.list(name)[3])
    });
    launchers.reverse();
    let pid = booted.pid.to_string();
    let mut strace = Command::new("strace");
    let mut strace = spawn(strace.args(["-e", "trace=kill", "-e", "signal=none", "-p", &pid]));
    until("strace is attached", || strace.err().contains("attached"));
    booted.power_off();
    let traced = strace.end().err;
    let asked: Vec<&str> = traced.lines().filter_map(|line| line.split(" = ").next()).collect();
    let first = asked.iter().position(|call| call.starts_with("kill(")).unwrap();
    assert_eq!(
        asked[first..first + 4].iter().map(|call| call.trim()).collect::<Vec<_>>(),
        launchers,
        "{traced}"
    );
}

#[test]
fn of_two_cycles_that_is_broken_which_waits_for_no_other() {
    let system = System::new();
    for (name, after) in
        [("a", r#"["b"]"#), ("b", r#"["a", "d"]"#), ("c", r#"["d"]"#), ("d", r#"["c"]"#)]
    {
        let mut config = service(POLITE);
        config.set("service.after", after);
        system.add("services", name, &config);
    }
    let mut booted = system.boot();
    booted.says("a: up\n");
    booted.says("b: up\n");
    let said = booted.running.err();
    let cycle =
        |names| format!("nsinit: dependency cycle in \"after\": {names}; starting it anyway\n");
    in_order(&said, &[&format!("c: {}", cycle("c, d")), &format!("a: {}", cycle("a, b"))]);
}

#[test]
fn a_cycle_of_after_is_broken_loudly() {
    let system = System::new();
    // The first waits for those of the cycle and is not in it.
    for (name, after) in [("1", r#"["b"]"#), ("a", r#"["b"]"#), ("b", r#"["a"]"#)] {
        let mut config = service(POLITE);
        config.set("service.after", after);
        system.add("services", name, &config);
    }
    let mut booted = system.boot();
    booted.says("a: nsinit: dependency cycle in \"after\": a, b; starting it anyway\n");
    booted.says("b: up\n");
    booted.says("1: up\n");
    let said = booted.power_off();
    assert!(!said.contains("1: nsinit:"), "{said}");
    in_order(&said, &["1: bye", "b: bye"]);
    assert!(said.contains("a: bye"), "{said}");
}

#[test]
fn each_is_stopped_by_its_own_signal_and_killed_after_its_own_grace() {
    let system = System::new();
    let mut config =
        service("trap 'echo INTERRUPTED; exit 0' INT; echo up; while :; do sleep 0.1; done");
    config.set("service.stop_signal", quote("SIGINT"));
    system.add("services", "int", &config);
    let mut config = service("trap '' TERM; echo up; while :; do sleep 0.1; done");
    config.set("service.grace", quote("300ms"));
    system.add("services", "deaf", &config);
    let mut booted = system.boot();
    booted.says("int: up\n");
    booted.says("deaf: up\n");
    let start = Instant::now();
    let said = booted.power_off();
    assert!(said.contains("int: INTERRUPTED"), "{said}");
    assert!(said.contains("deaf: nsinit: did not stop in time; killing it"), "{said}");
    // The grace of neither is the default, nor is there a pause for all.
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
}

#[test]
fn one_can_be_stopped_started_and_started_again_by_hand() {
    let system = System::new();
    system.script(
        "services",
        "web",
        &format!("echo run-$(cat /tmp/note); echo x >> /tmp/note; {POLITE}"),
    );
    let mut booted = system.boot();
    booted.is("web", "running");
    let first = booted.list("web")[3].clone();
    booted.verb(&["stop", "web"]).ok();
    assert_eq!(booted.list("web")[2], "stopped");
    let run = booted.verb(&["stop", "web"]);
    run.ends(1);
    run.says(&["web: not running"]);
    booted.verb(&["start", "web"]).ok();
    assert_eq!(booted.list("web")[2], "running");
    booted.verb(&["start", "web"]).ends(1);
    booted.verb(&["restart", "web"]).ok();
    let line = booted.list("web");
    assert_eq!(line[2], "running");
    assert_ne!(line[3], first);
    let run = booted.verb(&["restart", "nobody"]);
    run.ends(1);
    run.says(&["nobody: no container has this name (nsinit list)"]);
    booted.verb(&["stop"]).fails(&["missing container name"]);
    booted.says("web: run-x\n");
}

#[test]
fn more_than_can_be_heard_at_once_are_heard_one_after_the_other() {
    let system = System::new();
    system.script("services", "web", POLITE);
    let booted = system.boot();
    booted.is("web", "running");
    let all = "for n in $(seq 30); do /mnt/init restart web || echo FAILED & done; wait";
    let run = booted.inside(&["sh", "-c", all]);
    assert_eq!(run.ok(), "", "{}", run.err);
}

#[test]
fn a_stopped_service_does_not_end_the_system_though_it_was_the_last() {
    let system = System::new();
    system.script("services", "web", POLITE);
    let booted = system.boot();
    booted.is("web", "running");
    booted.verb(&["stop", "web"]).ok();
    std::thread::sleep(Duration::from_millis(100));
    booted.verb(&["start", "web"]).ok();
}

#[test]
fn when_nothing_is_left_to_run_the_system_does_what_idle_says() {
    let system = System::new();
    system.script("services", "job", "echo done");
    let said = system.boot().ends();
    in_order(&said, &["job: done", "powering off"]);

    let mut system = System::new();
    system.script("services", "job", "echo done");
    system.words += "nsinit.idle=stay";
    let mut booted = system.boot();
    booted.says("nothing left to run; staying up");
    assert_eq!(booted.list("job")[2], "ended");
}

#[test]
fn a_system_without_containers_stays_up_and_says_so() {
    let system = System::new();
    fs::create_dir_all(system.place.dir.join("containers/onboot")).unwrap();
    let mut booted = system.boot();
    booted
        .says("no containers: nothing is in onboot, services and onshutdown of /mnt/containers\n");
    booted.says("no container could be started");
    booted.verb(&["list"]).ok();
}

#[test]
fn names_that_can_not_be_are_left_out_and_so_is_who_is_not_wanted() {
    let mut system = System::new();
    for name in ["web", "not wanted", "pid1", "extra"] {
        system.script("services", name, POLITE);
    }
    system.script("onshutdown", "web", "true");
    system.words += "nsinit.skip=extra,nobody";
    let mut booted = system.boot();
    booted.says("services/not wanted: the name has other characters than letters");
    booted.says("services/pid1: nsinit uses this name itself");
    booted.says("onshutdown/web: another container has this name");
    booted.says("nsinit.only, nsinit.skip: there is no container nobody\n");
    assert!(!booted.running.err().contains("no container extra"), "{}", booted.running.err());
    booted.is("web", "running");
    assert_eq!(booted.verb(&["list"]).ok().lines().count(), 2);
}

#[test]
fn a_console_shell_joins_a_container_by_its_name() {
    let system = System::new();
    system.script("services", "web", &format!("echo secret > /tmp/note; {POLITE}"));
    let mut booted = system.boot();
    booted.says("web: up\n");
    let run =
        booted.verb(&["exec", "--id", "web", "/bin/sh", "-c", "cat /tmp/note; hostname; exit 4"]);
    assert_eq!(run.ends(4), "secret\nkoye\n");
    assert!(booted.verb(&["state", "--id", "web"]).ok().contains("\"running\":true"));
    booted
        .verb(&["exec", "--id", "nobody", "true"])
        .fails(&["no container of this name was booted"]);
}

#[test]
fn nobody_but_pid_1_starts_a_container_of_the_machine() {
    let system = System::new();
    system.script("services", "web", POLITE);
    let mut booted = system.boot();
    booted.says("web: up\n");
    booted.verb(&["stop", "web"]).ok();
    let run = booted.verb(&["exec", "--id", "web", "/bin/true"]);
    run.fails(&["join web: it does not run, and is PID 1's to start (nsinit start NAME)"]);
    assert_eq!(booted.list("web")[2], "stopped");
    booted.verb(&["start", "web"]).ok();
    booted.verb(&["exec", "--id", "web", "/bin/true"]).ok();
}

#[test]
fn lines_carry_their_name_whatever_they_are_made_of() {
    let system = System::new();
    system.script(
        "services",
        "talk",
        r#"printf 'half '; sleep 0.1; printf 'line\n\033[31mred\tx\r\n'; echo to-err >&2
           head -c 2000 /dev/zero | tr '\0' y; echo
           head -c 800 /dev/zero | tr '\0' '\1'; printf '\nno end'"#,
    );
    let said = system.boot().ends();
    assert!(said.contains("talk: half line\ntalk: ^[[31mred\tx\ntalk: to-err\n"), "{said:?}");
    let pieces: Vec<usize> =
        said.lines().filter(|l| l.starts_with("talk: yy")).map(|l| l.len() - 6).collect();
    assert_eq!(pieces, [800, 800, 400]);
    // As they are shown they are twice as long, and a record of the kernel's log takes 1024 bytes.
    assert!(said.contains(&format!("talk: {0}\ntalk: {0}\n", "^A".repeat(400))), "{said:?}");
    assert!(said.contains("talk: no end\n"), "{said}");
}

#[test]
fn what_a_terminal_would_obey_is_shown_on_the_console_and_in_the_log() {
    let system = System::new();
    // CSI as one byte, as a character of its own, and inside of an ordinary one.
    let script = r"printf 'a\2332J\302\2332Jb\303\233\033[m\r\nend'; sleep 1000";
    system.script("services", "talk", script);
    let mut booted = system.boot();
    let shown = "a\\x9b2J\\u{9b}2Jb\u{db}^[[m\n";
    booted.says(&format!("talk: {shown}"));
    until("the line is in the log", || booted.verb(&["logs", "talk"]).out.contains("end"));
    assert_eq!(booted.verb(&["logs", "talk"]).ok(), format!("{shown}end"));
}

#[test]
fn a_line_is_cut_between_characters() {
    let system = System::new();
    // Two bytes each, the first of which is at an odd place.
    system.script("services", "talk", r#"printf x; yes é | head -n 600 | tr -d '\n'; echo"#);
    let said = system.boot().ends();
    let lines: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("talk: ")).collect();
    assert_eq!(lines, [&*format!("x{}", "é".repeat(399)), &*"é".repeat(201)], "{said}");
}

#[test]
fn why_there_is_no_log_is_said() {
    let system = System::new();
    system.script("services", "quiet", "sleep 1000");
    let booted = system.boot();
    booted.is("quiet", "running");
    let run = booted.verb(&["logs", "quiet"]);
    run.ends(1);
    run.says(&[
        "print the log of quiet: it has written nothing yet, or its \"log\" has no \"file\"",
    ]);
    let run = booted.verb(&["logs", "nobody"]);
    run.ends(1);
    run.says(&["print the log of nobody: no container has this name"]);
}

#[test]
fn a_log_file_keeps_the_youngest_and_no_more_than_it_may() {
    let system = System::new();
    let mut config =
        service("i=0; while [ $i -lt 400 ]; do echo line-$i; i=$((i+1)); done; sleep 1000");
    config.set("service.log", r#"["file"]"#).set("service.log_size", quote("1k"));
    system.add("services", "talk", &config);
    let mut quiet = service("echo nothing; sleep 1000");
    quiet.set("service.log", r#"["none"]"#);
    system.add("services", "quiet", &quiet);
    let mut booted = system.boot();
    until("the last line is in the log", || {
        booted.verb(&["logs", "talk"]).out.contains("line-399\n")
    });
    let log = booted.verb(&["logs", "talk"]).out;
    let numbers: Vec<u32> =
        log.lines().filter_map(|l| l.strip_prefix("line-")?.parse().ok()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{log}");
    let sizes = booted.inside(&[
        "stat",
        "-c",
        "%s %a",
        "/run/nsinit/pid1/log/talk",
        "/run/nsinit/pid1/log/talk~",
    ]);
    for line in sizes.ok().lines() {
        let (size, mode) = line.split_once(' ').unwrap();
        assert!(size.parse::<u32>().unwrap() <= 5 * 1024 && mode == "600", "{line}");
    }
    let said = booted.running.err();
    assert!(!said.contains("line-") && !said.contains("nothing"), "{said}");
    booted.verb(&["logs", "quiet"]).ends(1);
}

#[test]
fn the_command_line_says_where_those_go_that_do_not_say() {
    let mut system = System::new();
    system.script("services", "plain", "echo PLAIN; sleep 1000");
    let mut config = service("echo LOUD; sleep 1000");
    config.set("service.log", r#"["console"]"#);
    system.add("services", "loud", &config);
    system.words += "nsinit.log=file";
    let mut booted = system.boot();
    booted.says("loud: LOUD\n");
    until("the line is in the log", || booted.verb(&["logs", "plain"]).out == "PLAIN\n");
    assert!(!booted.running.err().contains("PLAIN"));
    booted.verb(&["logs", "loud"]).ends(1);
}

#[test]
fn a_size_that_is_none_is_named() {
    let system = System::new();
    let mut config = service("true");
    config.set("service.overlay", quote("tmpfs")).set("service.overlay_size", quote("16 MB"));
    system.add("services", "web", &config);
    let mut booted = system.boot();
    booted.says("service.overlay_size: expected a size such as \"16m\", \"1g\" or \"10%\"\n");
}

#[test]
fn a_full_run_directory_costs_lines_and_nothing_else() {
    let mut system = System::new();
    // What is mounted there already stays.
    system.before =
        "mkdir -p /run/nsinit/pid1 && mount -t tmpfs -o size=32k own /run/nsinit/pid1;".to_owned();
    let script = format!("head -c 100000 /dev/zero | tr '\\0' 'x'; {POLITE}");
    let mut config = service(&script);
    config.set("service.log", r#"["file"]"#);
    system.add("services", "talk", &config);
    let mut booted = system.boot();
    let said = "write the log of talk: No space left on device (ENOSPC): lines are lost\n";
    booted.says(&format!("nsinit: warning: {said}"));
    booted.is("talk", "running");
    // It is said once, and the machine ends as ever.
    let said = booted.power_off();
    assert_eq!(said.matches("lines are lost").count(), 1);
    let asked = said.find("nsinit: shutdown requested: stopping containers\n");
    assert!(asked.is_some_and(|asked| asked < said.find("powering off").unwrap()), "{said}");
}

#[test]
fn pid_1_sleeps_is_small_and_reaps_what_is_given_to_it() {
    let system = System::new();
    system.script("services", "web", POLITE);
    let mut config = service("exit 1");
    config.set("service.restart", quote("always"));
    system.add("services", "crash", &config);
    let mut booted = system.boot();
    booted.says("restarting in 1600 ms");
    booted.inside(&["sh", "-c", "(sleep 0.05 &) ; true"]).ok();
    let pid = booted.pid;
    let field = |file: &str, key: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    until("the orphan is reaped", || {
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap().split(' ').count()
            <= 2
    });
    // How much of the program file a kernel maps around one page is its own choice: in the virtual
    // machine all that is resident counts.
    assert!(field("status", "RssAnon:") <= 60, "{} kB", field("status", "RssAnon:"));
    // It wakes for what happens, and not to look whether something has.
    let before = field("status", "voluntary_ctxt_switches:");
    std::thread::sleep(Duration::from_millis(500));
    assert!(field("status", "voluntary_ctxt_switches:") - before <= 1);
}

#[test]
fn whatever_takes_too_long_is_stopped() {
    let system = System::new();
    let mut config = service("sleep 1000");
    config.set("service.timeout", quote("200ms")).set("service.on_failure", quote("continue"));
    system.add("onboot", "slow", &config);
    system.script("services", "web", POLITE);
    let mut booted = system.boot();
    booted.says("slow: nsinit: exceeded its timeout; stopping it\n");
    booted.says("web: up\n");
    assert_eq!(booted.list("slow")[2], "failed");
}

#[test]
fn nobody_but_root_is_heard() {
    let system = System::new();
    system.script("services", "web", POLITE);
    let booted = system.boot();
    booted.is("web", "running");
    // Even where the socket can be reached.
    booted.inside(&["chmod", "-R", "777", "/run/nsinit"]).ok();
    let run = booted.inside(&[
        "setpriv",
        "--reuid",
        "1000",
        "--clear-groups",
        "/mnt/init",
        "stop",
        "web",
    ]);
    run.fails(&["/run/nsinit/pid1/control"]);
    assert_eq!(booted.list("web")[2], "running");
}
