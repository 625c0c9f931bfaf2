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
fn a_veth_in_a_namespace_that_lives_on_is_removed_after_a_kill() {
    let net = HostNet::with_bridge();
    let other = HostNet::new();
    let before = (net.state(), other.state());
    let mut place = Place::new();
    let path = other.path();
    place.config.set(
        "networks",
        format!(
            r#"[{{"type": "netns", "ns_path": "{path}"}},
            {{"type": "veth", "bridge": "br0", "veth_prefix": "v", "name": "inner"}}]"#
        ),
    );
    let running = net.start(&place, "echo ready; sleep 300");
    place.kill_launcher(running);
    assert_eq!(net.links().len(), 5, "the namespace is kept: {:?}", net.links());
    // Nobody but nsinit can take it away: the next start does, and makes its own.
    let run = net.sh(&place, "ip -o link | grep -c inner");
    assert_eq!(run.ends(0), "1\n");
    net.is_still(&before.0);
    other.is_still(&before.1);
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

/// Runs a start with a network under strace, in which `fault` is injected.
fn injected(net: &HostNet, place: &Place, fault: &str) -> (Run, bool) {
    let trace = place.dir.join("trace");
    let call = fault.split(':').next().unwrap();
    let run = spawn(&mut place.wrapped(
        &[
            "nsenter",
            &format!("--net={}", net.path()),
            "strace",
            "-f",
            "-qq",
            "--seccomp-bpf",
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
    (run, text.contains("(INJECTED)") || text.contains("killed by SIGKILL"))
}

/// A place with a bridge of its own and a link of every kind that there is to take back; without
/// `moved`, those that a killed launcher leaves nothing of either.
fn with_everything(moved: bool) -> Place {
    let mut place = Place::new();
    let phys = r#",{"type": "phys", "host_interface_name": "m1", "name": "wan"}"#;
    place.config.set(
        "networks",
        format!(
            r#"[{{"type": "bridge", "name": "nbr", "create": true, "address": "10.9.0.1/24"}},
            {{"type": "veth", "bridge": "nbr", "veth_prefix": "v", "address": "10.9.0.2/24",
                "gateway": "10.9.0.1", "hairpin_mode": true}},
            {{"type": "macvlan", "parent": "m0"}}{}]"#,
            if moved { phys } else { "" }
        ),
    );
    place.write_config();
    place
}

/// All lines: an interface that was away comes back at the end of the list, and down.
fn sorted(net: &HostNet) -> Vec<String> {
    net.ip("link set m0 down");
    net.ip("link set m1 down");
    let mut lines = net.state();
    lines.sort();
    lines
}

/// Injects `what` into each of the calls that make a network, one by one, in a place of its own;
/// afterwards the host must be as before.
fn each_call(
    place: &Place,
    what: &str,
    judge: impl Fn(&str, &Run) + Copy,
    then: impl Fn(&HostNet),
) {
    let net = HostNet::new();
    net.ip("link add m0 type veth peer name m1");
    let good = || spawn(&mut net.command(place, &["exec", "/bin/nothing"])).end().ends(42).len();
    // What a first run does to a fresh namespace is none of ours.
    good();
    let before = sorted(&net);
    let mut count = 0;
    for call in ["socket", "connect", "setns", "ioctl", "sendto", "recvfrom", "getrandom"] {
        for n in 1.. {
            let (run, done) = injected(&net, place, &format!("{call}:{what}:when={n}"));
            if !done {
                break;
            }
            judge(&format!("{call} {n}"), &run);
            until("the container is gone", || place.processes().is_empty());
            then(&net);
            assert_eq!(sorted(&net), before, "{call} {n}\n{}", run.err);
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
    let judge = |step: &str, run: &Run| {
        // Made-up names need no randomness; some calls ask what may be unknown.
        let told = run.err.lines().any(|line| line.starts_with("nsinit: "));
        assert!(
            run.status == 42 || told && run.status == FAILED,
            "{step}: {} {}",
            run.status,
            run.err
        );
    };
    each_call(&with_everything(true), "error=EIO", judge, |_| {});
}

#[test]
fn at_whatever_call_it_is_killed_nothing_is_left_after_the_next_start() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let place = with_everything(false);
    each_call(
        &place,
        "signal=KILL",
        |_, _| {},
        |net| {
            // The bridge, and a state.json that tells of it.
            spawn(&mut net.command(&place, &["exec", "/bin/nothing"])).end().ends(42);
        },
    );
}
