//! What a container has on the host's network goes with it, however it ends.

use std::process::Command;

use crate::hostnet::HostNet;
use crate::net_veth::{on_bridge, unchanged};
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
    unchanged(&net, &before);
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
    unchanged(&net, &before);
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
    unchanged(&net, &before);
    // The next start finds the state.json of the last, and says so.
    let run = net.sh(&place, "busybox ping -c 1 -W 5 10.7.0.1 > /dev/null && echo answer");
    assert_eq!(run.ends(0), "answer\n");
    run.says(&["which is gone: cleaning up"]);
    unchanged(&net, &before);
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
    unchanged(&net, &before.0);
    unchanged(&other, &before.1);
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
        unchanged(&net, &before);
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

/// A place with a bridge of its own and three links, so that there is something of every kind to take
/// back.
fn with_everything() -> Place {
    let mut place = Place::new();
    place.config.set(
        "networks",
        r#"[{"type": "bridge", "name": "nbr", "create": true, "address": "10.9.0.1/24"},
        {"type": "veth", "bridge": "nbr", "veth_prefix": "v", "address": "10.9.0.2/24",
            "gateway": "10.9.0.1", "hairpin_mode": true},
        {"type": "macvlan", "parent": "m0"},
        {"type": "phys", "host_interface_name": "m1", "name": "wan"}]"#,
    );
    place.write_config();
    place
}

/// All lines but what the kernel changes in its own time: whether a cable has a carrier.
fn settled(net: &HostNet) -> Vec<String> {
    net.ip("link set m0 down");
    net.ip("link set m1 down");
    let mut lines = net.state();
    lines.sort();
    lines
}

/// Each of the calls that make a network, until the run has no such n-th call.
fn each_call(judge: impl Fn(&HostNet, &Place, &str) -> bool) {
    let net = HostNet::new();
    net.ip("link add m0 type veth peer name m1");
    let place = with_everything();
    // Twice: what a first run does to a fresh namespace is none of ours.
    for _ in 0..2 {
        spawn(&mut net.command(&place, &["exec", "/bin/nothing"])).end().ends(42);
    }
    let before = settled(&net);
    let mut count = 0;
    for call in ["socket", "connect", "setns", "ioctl", "sendto", "recvfrom", "flock", "getrandom"] {
        for n in 1.. {
            if !judge(&net, &place, &format!("{call}:FAULT:when={n}")) {
                break;
            }
            until("the container is gone", || place.processes().is_empty());
            let links = || net.links().iter().filter(|name| name.starts_with('v')).count();
            until("the veth is gone", || links() == 0);
            count += 1;
            // What a killed launcher can't give back, the next container does.
            if net.links() != ["lo", "m0", "m1"] && net.links() != ["lo", "m1", "m0"] {
                println!("{call} {n}: {:?}", net.links());
                restore(&net, &place);
            }
            assert_eq!(settled(&net), before, "{call} {n}");
        }
    }
    assert!(count > 30, "{count}");
}

/// m1 was a veth, and died with the container; the bridge goes with the next one.
fn restore(net: &HostNet, place: &Place) {
    if !net.links().contains(&"m1".to_owned()) {
        let _ = net.links().contains(&"m0".to_owned()) && !net.ip("link del m0").is_empty();
        net.ip("link add m0 type veth peer name m1");
    }
    spawn(&mut net.command(place, &["exec", "/bin/nothing"])).end().ends(42);
}
