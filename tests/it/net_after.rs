//! The next start after a launcher was killed: what that had of the network may be on its way back.

use std::fs;

use crate::config::quote;
use crate::hostnet::HostNet;
use crate::net_killed::next;
use crate::net_types::{on_bridge, place_with};
use crate::world::{Place, spawn, until};

const STAY: &str = "echo ready; sleep 300";

/// The kernel takes its time with a namespace, and nobody waits for it when the launcher is killed.
#[test]
fn the_next_start_comes_right_after_a_kill() {
    let net = HostNet::with_cable();
    let other = HostNet::new();
    let netns = format!(r#""type": "netns", "ns_path": {}"#, quote(other.path()));
    for networks in [
        &[r#""type": "macvlan", "parent": "m0", "mac_address": "02:00:00:00:00:09""#][..],
        &[r#""type": "macvlan", "parent": "m0", "mode": "passthru""#],
        &[r#""type": "phys", "host_interface_name": "m0""#],
        &[&netns, r#""type": "macvlan", "parent": "m0""#],
    ] {
        let place = place_with(networks);
        for _ in 0..8 {
            let running = net.start(&place, STAY);
            running.signal(libc::SIGKILL);
            running.end();
        }
        next(&net, &place);
    }
    // What is wrong all the same is told, if a moment later.
    let place = on_bridge(2);
    let running = net.start(&place, STAY);
    place.kill_launcher(running);
    place_text(&place, r#""bridge": "nbr0""#, r#""bridge": "none""#);
    let run = spawn(&mut net.command(&place, &["exec", "/bin/nothing"])).end();
    run.ends(crate::world::FAILED);
    assert!(run.err.contains("find the host's interface none: No such device"), "{}", run.err);
    assert!(!net.links().contains(&"nbr0".to_owned()));
}

/// Each attempt notes what it makes, and nobody reads the notes while the launcher lives.
#[test]
fn a_name_that_stays_taken_is_told_after_a_kill_too() {
    let net = HostNet::new();
    let bridge = on_bridge(2);
    let keeper = net.start(&bridge, STAY);
    let place = place_with(&[r#""type": "veth", "bridge": "nbr0", "host_interface_name": "mine""#]);
    let running = net.start(&place, STAY);
    place.kill_launcher(running);
    net.ip("link add mine type veth peer name peer");
    let before = net.links();
    let run = net.sh(&place, "echo ran");
    run.fails(&["networks[1]: make interface mine: File exists"]);
    assert_eq!(net.links(), before);
    keeper.signal(libc::SIGTERM);
    keeper.end();
}

/// Before it has written state.json, so that nobody knows that there was a container.
#[test]
fn the_next_start_in_a_joined_namespace_comes_right_after_a_kill() {
    let net = HostNet::with_bridge();
    let other = HostNet::new();
    let before = (net.state(), other.state());
    let netns = format!(r#""type": "netns", "ns_path": {}"#, quote(other.path()));
    let place =
        place_with(&[&netns, r#""type": "veth", "bridge": "br0", "host_interface_name": "mine""#]);
    place.write_config();
    for _ in 0..10 {
        let running = spawn(&mut net.command(&place, &["exec", "/bin/sh", "-c", STAY]));
        until("it has begun", || net.links().contains(&"mine".to_owned()));
        running.signal(libc::SIGKILL);
        running.end();
        let state = place.root.join("state.json");
        if state.exists() {
            fs::remove_file(state).unwrap();
        }
        next(&net, &place);
    }
    net.is_still(&before.0);
    other.is_still(&before.1);
    place.clean();
}

fn place_text(place: &Place, from: &str, to: &str) {
    let text = place.config.text();
    assert!(text.contains(from), "{text}");
    place.write_text(&text.replace(from, to));
}
