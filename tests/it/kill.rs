//! `nsinit kill`: signals by name and number, to PID 1 or to all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::world::{Place, child_of_ours, until};

#[test]
fn a_signal_goes_to_pid_1_which_passes_it_on() {
    for (words, name) in [
        (&[][..], "TERM"),
        (&["TERM"], "TERM"),
        (&["-15"], "TERM"),
        (&["SIGUSR1"], "USR1"),
        (&["usr2"], "USR2"),
        (&["1"], "HUP"),
        (&["-INT"], "INT"),
    ] {
        let place = Place::new();
        let running = place
            .start(&format!("trap 'exit 7' {name}; echo ready; while :; do usleep 10000; done"));
        place.run(&[&["kill"], words].concat()).ok();
        running.end().ends(7);
    }
}

#[test]
fn a_realtime_signal_and_none_at_all() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    place.run(&["kill", "0"]).ok();
    assert!(place.state().is_some());
    place.run(&["kill", "RTMIN+2"]).ok();
    running.end().ends(128 + 36);
}

#[test]
fn kill_ends_everything() {
    let place = Place::new();
    let running = place.start("trap '' TERM; sleep 300 & echo ready; sleep 300; sleep 300");
    place.run(&["kill", "KILL"]).ok();
    running.end().ends(128 + 9);
    assert_eq!(place.remains(), Vec::<String>::new());
}

#[test]
fn all_is_every_process_itself() {
    let place = Place::new();
    let script = "t() { trap \"echo x >> /tmp/got\" USR1; echo up; while :; do usleep 10000; done; }; \
        (t) & (t) & (t) & trap 'echo x >> /tmp/got' USR1; until [ $n ]; do usleep 10000; \
        echo ready; while :; do usleep 10000; done; done";
    let mut running = place.start(script);
    until("all have their trap", || running.out().matches("up").count() == 3);
    // PID 1 passes its own on to the command, which may see one of two.
    place.run(&["kill", "--all", "USR1"]).ok();
    let got = || fs::read_to_string(place.path("/tmp/got")).unwrap_or_default().lines().count();
    until("each has got it", || got() >= 4);
    place.run(&["kill", "USR1"]).ok();
    until("the command alone has got it", || got() >= 5);
    place.run(&["kill", "KILL", "--all"]).ok();
    running.end().ends(128 + 9);
}

#[test]
fn all_of_a_container_without_a_pid_namespace() {
    let mut place = Place::new();
    place.config.unset("namespaces.NEWPID");
    let running = place.start("(trap '' HUP; sleep 300 &); echo ready; sleep 300");
    place.run(&["kill", "--all"]).ok();
    running.end().ends(128 + 15);
    assert_eq!(place.remains(), Vec::<String>::new());
}

#[test]
fn what_is_no_signal_is_refused() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    for word in ["TERMS", "65", "-65", "SIG", "", "RTMIN+31"] {
        place.run(&["kill", word]).fails(&["no such signal"]);
    }
    place.run(&["kill", "TERM", "HUP"]).fails(&["HUP", "takes options only"]);
    place.run(&["kill", "--some"]).fails(&["unknown option"]);
    place.run(&["kill"]).ok();
    running.end().ends(128 + 15);
}

#[test]
fn nobody_but_the_container_gets_the_signal() {
    let place = Place::new();
    place.write_config();
    let mut other = child_of_ours(Command::new("sleep").arg("300"));
    let stat = fs::read_to_string(format!("/proc/{}/stat", other.id())).unwrap();
    let time: u64 =
        stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    let file = place.root.join("state.json");
    for (time, words) in [
        // The pid is another's by now.
        (time + 1, "no container is running here"),
        // A forged state: it is a process of the host.
        (time, "in no namespace and no control group of its own"),
    ] {
        let text = format!(
            r#"{{"init_pid":{},"init_start_time":"{time}","network_state":{{}},"cgroup_paths":{{}}}}"#,
            other.id()
        );
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        for words_of in [&["kill", "KILL"][..], &["kill", "--all", "KILL"]] {
            place.run(words_of).fails(&[words]);
        }
        assert_eq!(other.try_wait().unwrap(), None);
    }
    fs::remove_file(&file).unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
}
