//! What a container has on the host's network goes with it, however it ends.

use crate::hostnet::HostNet;
use crate::net_veth::on_bridge;
use crate::trace::have_strace;
use crate::world::{FAILED, Place, Run, skip, spawn, until};

#[test]
fn two_hundred_starts_in_a_row_leave_the_links_as_they_were() {
    let net = HostNet::with_bridge();
    let before = net.state();
    let place = on_bridge(2);
    place.write_config();
    for i in 0..200 {
        let run = spawn(&mut net.command(&place, &["exec", "/bin/probe", "exit", "7"])).end();
        assert_eq!((run.status, run.err.as_str()), (7, ""), "round {i}");
        assert_eq!(net.links(), ["lo", "br0", "p1", "p0"], "round {i}");
    }
    net.is_still(&before);
}

#[test]
fn twenty_at_once_leave_the_links_as_they_were() {
    let net = HostNet::with_bridge();
    let before = net.state();
    let places: Vec<Place> = (2..22).map(on_bridge).collect();
    let running: Vec<_> = places
        .iter()
        .map(|place| {
            place.write_config();
            let script = "busybox ping -c 1 -W 5 10.7.0.1 > /dev/null && echo answer; sleep 0.2";
            spawn(&mut net.command(place, &["exec", "/bin/sh", "-c", script]))
        })
        .collect();
    for running in running {
        assert_eq!(running.end().ok(), "answer\n");
    }
    net.is_still(&before);
}

#[test]
fn a_killed_launcher_leaves_nothing() {
    let net = HostNet::with_bridge();
    let before = net.state();
    let place = on_bridge(2);
    for _ in 0..10 {
        let running = net.start(&place, "echo ready; sleep 300");
        assert_eq!(net.links().len(), 5);
        place.kill_launcher(running);
        until("the veth is gone", || net.links().len() == 4);
    }
    net.is_still(&before);
    // The next start finds the state.json of the last, and says so.
    let run = net.sh(&place, "busybox ping -c 1 -W 5 10.7.0.1 > /dev/null && echo answer");
    assert_eq!(run.ends(0), "answer\n");
    run.says(&["which is gone: cleaning up"]);
    net.is_still(&before);
}

#[test]
fn a_command_that_is_not_there_leaves_nothing() {
    let net = HostNet::with_bridge();
    let before = net.state();
    let place = on_bridge(2);
    place.write_config();
    for _ in 0..5 {
        let run = spawn(&mut net.command(&place, &["exec", "/bin/none"])).end();
        run.ends(127);
        net.is_still(&before);
    }
}

/// Runs a start with a network under strace, in which `fault` is injected: into all its processes, or
/// into the launcher alone.
fn injected(net: &HostNet, place: &Place, all: bool, fault: &str) -> (Run, bool) {
    let trace = place.dir.join("trace");
    let call = fault.split(':').next().unwrap();
    let run = spawn(&mut place.wrapped(
        &[
            "nsenter",
            &format!("--net={}", net.path()),
            "strace",
            if all { "-f" } else { "-q" },
            "-qq",
            "--signal=none",
            "-o",
            trace.to_str().unwrap(),
            "-e",
            &format!("trace={call}"),
            "-e",
            &format!("inject={fault}"),
        ],
        &["exec", "/bin/nothing"],
    ))
    .end();
    let text = std::fs::read_to_string(&trace).unwrap_or_default();
    // strace marks what it lets fail; of what it kills only the end tells.
    let done = text.contains("(INJECTED)") || fault.contains("KILL") && run.status != 42;
    (run, done)
}

/// A place with a bridge of its own and links on two kinds of interfaces of the host.
fn with_everything() -> Place {
    let mut place = Place::new();
    place.config.set(
        "networks",
        r#"[{"type": "bridge", "name": "nbr", "create": true, "address": "10.9.0.1/24"},
        {"type": "veth", "bridge": "nbr", "veth_prefix": "v", "address": "10.9.0.2/24",
            "gateway": "10.9.0.1", "hairpin_mode": true},
        {"type": "macvlan", "parent": "m0"}]"#,
    );
    place.write_config();
    place
}

/// Injects `what` into each of the calls that make a network and take it back, one by one; after
/// `judge` has had its say, and its next start, the host must be as before.
fn each_call(what: &str, all: bool, judge: impl Fn(&str, &Run, &dyn Fn())) {
    let net = HostNet::new();
    net.ip("link add m0 type veth peer name m1");
    let place = with_everything();
    let next = || {
        spawn(&mut net.command(&place, &["exec", "/bin/nothing"])).end().ends(42);
    };
    // What a first run does to a fresh namespace is none of ours.
    next();
    let before = net.state();
    let mut count = 0;
    let calls = ["socket", "connect", "setns", "ioctl", "sendto", "recvfrom", "getrandom", "write"];
    // A message that can't be written is not seen.
    let but = if all { "write" } else { "" };
    for call in calls.into_iter().filter(|call| *call != but) {
        for n in 1.. {
            let (run, done) = injected(&net, &place, all, &format!("{call}:{what}:when={n}"));
            if !done {
                break;
            }
            let step = format!("{call} {n}");
            println!("{step}: {} {}", run.status, run.err);
            judge(&step, &run, &next);
            until("the container is gone", || place.processes().is_empty());
            net.is_still(&before);
            if !all {
                // The state.json that is left.
                next();
            }
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn whatever_call_fails_it_is_told_and_nothing_is_left() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    each_call("error=EIO", true, |step, run, next| {
        let told = run.err.contains("nsinit: ");
        // A name can be made up without randomness; what is asked before and after (is the name free
        // inside? is the veth gone?) only makes the words or the end better.
        let asks = step.starts_with("getrandom") || step.starts_with("ioctl");
        let passed = run.status == 42 && asks;
        assert!(told && run.status == FAILED || passed, "{step}: {} {}", run.status, run.err);
        // What can't be taken away is left to the next.
        if run.err.contains("remove")
            || run.err.contains("list the ports")
            || run.err.contains("look at")
        {
            next();
        }
    });
}

#[test]
fn at_whatever_call_it_is_killed_nothing_is_left() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    each_call("signal=KILL", false, |_, _, _| ());
}
