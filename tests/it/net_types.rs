//! Every type of network that this machine's kernel has, on a host's network of the test's own.

use std::process::Command;

use crate::config::quote;
use crate::hostnet::HostNet;
use crate::world::Place;

/// A place with these networks beside the loopback, in members of objects.
pub fn place_with(networks: &[&str]) -> Place {
    let mut place = Place::new();
    let list: Vec<String> = networks.iter().map(|net| format!(", {{{net}}}")).collect();
    place.config.set("networks", format!(r#"[{{"type": "loopback"}}{}]"#, list.concat()));
    place
}

/// One answer to one ping.
fn ping(to: &str) -> String {
    format!("busybox ping -c 1 -W 5 {to} > /dev/null && echo answer {to}")
}

/// Until it is ended.
const STAY: &str = "echo ready; sleep 300";

#[test]
fn macvlans_on_one_parent_reach_each_other() {
    let net = HostNet::with_cable();
    let before = net.state();
    let child = |n: u8| {
        place_with(&[&format!(
            r#""type": "macvlan", "parent": "m0", "mtu": 1400, "address": "10.1.0.{n}/24",
                "mac_address": "02:42:0a:01:00:0{n}", "ipv6_address": "fd01::{n}/64""#
        )])
    };
    let (one, two) = (child(2), child(3));
    let running = net.start(&one, STAY);
    let script = format!("ip link show eth0; {}; {}", ping("10.1.0.2"), ping("fd01::2"));
    let run = net.sh(&two, &script);
    let out = run.ok();
    assert!(out.contains("answer 10.1.0.2\nanswer fd01::2\n"), "{out}");
    assert!(out.contains("eth0@") && out.contains("mtu 1400"), "{out}");
    assert!(out.contains("link/ether 02:42:0a:01:00:03"), "{out}");
    running.signal(libc::SIGTERM);
    running.end();
    net.is_still(&before);
}

#[test]
fn a_macvlan_in_a_private_mode_reaches_nobody_on_its_parent() {
    let net = HostNet::with_cable();
    let child = |n: u8| {
        place_with(&[&format!(
            r#""type": "macvlan", "mode": "private", "parent": "m0", "address": "10.1.0.{n}/24""#
        )])
    };
    let (one, two) = (child(2), child(3));
    let running = net.start(&one, STAY);
    let run = net.sh(&two, "busybox ping -c 1 -W 1 10.1.0.2 > /dev/null || echo silence");
    assert_eq!(run.ok(), "silence\n");
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_macvtap_is_there_with_its_device() {
    let net = HostNet::with_cable();
    let before = net.state();
    let place = place_with(&[r#""type": "macvtap", "parent": "m0", "name": "tap7",
        "address": "10.1.0.2/24", "gateway": "10.1.0.1""#]);
    let run = net.sh(&place, "ip addr show tap7; ls /sys/class/net/tap7/macvtap; ip route");
    let out = run.ok();
    assert!(out.contains("tap7@") && out.contains("inet 10.1.0.2/24"), "{out}");
    assert!(out.contains("\ntap") && out.contains("default via 10.1.0.1 dev tap7"), "{out}");
    net.is_still(&before);
}

/// A bridge that nsinit makes, and a container on it.
const BRIDGE: &str = r#""type": "bridge", "name": "nbr0", "create": true, "mtu": 1450,
    "address": "10.8.0.1/24", "ipv6_address": "fd08::1/64", "mac_address": "02:00:00:00:08:01""#;

pub fn on_bridge(n: u8) -> Place {
    let veth = format!(
        r#""type": "veth", "bridge": "nbr0", "veth_prefix": "veth", "address": "10.8.0.{n}/24",
            "gateway": "10.8.0.1", "ipv6_address": "fd08::{n}/64", "ipv6_gateway": "fd08::1""#
    );
    // Its order in the file does not matter.
    if n.is_multiple_of(2) { place_with(&[BRIDGE, &veth]) } else { place_with(&[&veth, BRIDGE]) }
}

#[test]
fn a_bridge_is_made_and_kept_while_somebody_uses_it() {
    let net = HostNet::new();
    let before = net.state();
    let (one, two) = (on_bridge(2), on_bridge(3));
    let first = net.start(&one, STAY);
    let bridge = net.ip("-d addr show nbr0");
    for words in ["10.8.0.1/24", "fd08::1/64", "mtu 1450", "02:00:00:00:08:01", "bridge", ",UP"] {
        assert!(bridge.contains(words), "{words}: {bridge}");
    }
    let script = format!(
        "{}; {}; {}; {}; echo ready; read line",
        ping("10.8.0.2"),
        ping("fd08::2"),
        ping("10.8.0.1"),
        ping("fd08::1")
    );
    two.write_config();
    let mut command = net.command(&two, &["exec", "/bin/sh", "-c", &script]);
    let mut second = crate::world::spawn(command.stdin(std::process::Stdio::piped()));
    let out = second.wait_for("ready");
    let answers = "answer 10.8.0.2\nanswer fd08::2\nanswer 10.8.0.1\nanswer fd08::1\n";
    assert!(out.starts_with(answers), "{out}");
    // The one that made it ends: the other's bridge stays.
    first.signal(libc::SIGTERM);
    first.end();
    assert!(net.links().contains(&"nbr0".to_owned()));
    assert!(net.ip("addr show nbr0").contains("10.8.0.1/24"));
    drop(second.child.stdin.take());
    second.end();
    net.is_still(&before);
}

#[test]
fn a_bridge_that_was_there_is_left_as_it_is() {
    let net = HostNet::new();
    net.ip("link add nbr0 address 02:00:00:00:08:09 type bridge");
    net.ip("link set nbr0 addrgenmode none");
    net.ip("addr add 10.8.0.9/24 dev nbr0");
    net.ip("link set nbr0 up");
    let before = net.ip("addr show nbr0").split_once('\n').unwrap().1.to_owned();
    let place = on_bridge(2);
    let run = net.sh(&place, &ping("10.8.0.9"));
    assert_eq!(run.ok(), "answer 10.8.0.9\n");
    assert_eq!(net.ip("addr show nbr0").split_once('\n').unwrap().1, before);
    assert_eq!(net.links(), ["lo", "nbr0"]);
}

#[test]
fn twelve_at_once_on_one_new_bridge() {
    let net = HostNet::new();
    let before = net.state();
    let places: Vec<Place> = (2..14).map(on_bridge).collect();
    let runs: Vec<_> = places
        .iter()
        .map(|place| {
            place.write_config();
            let script = format!("echo up; {}", ping("10.8.0.1"));
            crate::world::spawn(&mut net.command(place, &["exec", "/bin/sh", "-c", &script]))
        })
        .collect();
    for run in runs {
        assert_eq!(run.end().ok(), "up\nanswer 10.8.0.1\n");
    }
    net.is_still(&before);
}

#[test]
fn a_network_namespace_is_joined_by_path() {
    let net = HostNet::new();
    let other = HostNet::with_bridge();
    let before = other.state();
    let script = "ip addr show br0; readlink /proc/self/ns/net";
    let path = quote(other.path());
    let mut first = Place::new();
    first.config.set("networks", format!(r#"[{{"type": "netns", "ns_path": {path}}}]"#));
    let mut oldest = Place::new();
    oldest
        .config
        .set("networks", format!(r#"[{{"type": "netns", "context": {{"nspath": {path}}}}}]"#));
    let mut second = Place::new();
    let mut namespaces = vec![format!(r#"{{"type": "NEWNET", "path": {path}}}"#)];
    namespaces.extend(
        ["NEWIPC", "NEWNS", "NEWPID", "NEWUTS"].map(|name| format!(r#"{{"type": "{name}"}}"#)),
    );
    second.config.unset("namespaces").unset("networks");
    second.config.set("namespaces", format!("[{}]", namespaces.join(", ")));
    second.config.unset("mount_config").set(
        "mounts",
        r#"[{"source": "proc", "destination": "/proc", "device": "proc", "flags": 14}]"#,
    );
    for place in [&first, &oldest, &second] {
        let run = net.sh(place, script);
        let out = run.ends(0);
        assert!(out.contains("inet 10.7.0.1/24"), "{out}");
        let same = std::fs::read_link(other.path()).unwrap();
        assert!(out.contains(same.to_str().unwrap()), "{out}");
    }
    other.is_still(&before);
}

#[test]
fn what_is_made_in_a_joined_namespace_goes_again() {
    let net = HostNet::with_bridge();
    let other = HostNet::new();
    let before = (net.state(), other.state());
    let mut place = Place::new();
    let veth = r#"{"type": "veth", "bridge": "br0", "veth_prefix": "v", "address": "10.7.0.2/24",
        "gateway": "10.7.0.1", "name": "inner"}"#;
    let netns = format!(r#"{{"type": "netns", "ns_path": {}}}"#, quote(other.path()));
    place.config.set("networks", format!("[{netns}, {veth}]"));
    place.config.set("routes", r#"[{"destination": "10.99.0.0/16", "gateway": "10.7.0.1"}]"#);
    let run = net.sh(&place, &format!("ip route | sort; {}", ping("10.7.0.1")));
    let out = run.ok();
    assert!(out.contains("10.99.0.0/16 via 10.7.0.1 dev inner"), "{out}");
    assert!(out.ends_with("answer 10.7.0.1\n"), "{out}");
    net.is_still(&before.0);
    other.is_still(&before.1);
}

#[test]
fn an_interface_of_the_host_is_moved_in_and_given_back() {
    let net = HostNet::with_cable();
    net.ip("addr add 10.2.0.1/24 dev m1");
    net.ip("link set m0 down");
    let index = |net: &HostNet| net.ip("-o link show m0").split(':').next().unwrap().to_owned();
    let mac = |net: &HostNet| net.ip("link show m0").split_whitespace().nth(16).map(str::to_owned);
    let before = (mac(&net), index(&net));
    let place = place_with(&[r#""type": "phys", "host_interface_name": "m0", "name": "wan",
        "address": "10.2.0.2/24", "gateway": "10.2.0.1""#]);
    let mut running = net
        .start(&place, &format!("ip addr show wan; {}; echo ready; sleep 300", ping("10.2.0.1")));
    let out = running.out();
    assert!(out.contains("inet 10.2.0.2/24") && out.contains("answer 10.2.0.1"), "{out}");
    assert!(!net.links().contains(&"m0".to_owned()), "it is in two places");
    running.signal(libc::SIGTERM);
    running.end();
    assert_eq!((mac(&net), index(&net)), before);
    let m0 = net.ip("addr show m0");
    assert!(m0.contains("mtu 1500") && m0.contains("state DOWN") && !m0.contains("inet"), "{m0}");
}

#[test]
fn what_is_moved_in_keeps_its_name() {
    let net = HostNet::with_cable();
    let place = place_with(&[r#""type": "phys", "host_interface_name": "m0""#]);
    let run = net.sh(&place, "ip link show m0 | head -n 1");
    assert!(run.ok().contains(" m0@"), "{}", run.out);
    assert!(net.links().contains(&"m0".to_owned()));
}

#[test]
fn an_interface_whose_name_is_taken_meanwhile_comes_back_under_another() {
    // Whether it keeps its name inside or not, and whether the container lets it be.
    for name in ["", r#", "name": "wan""#] {
        let net = HostNet::with_cable();
        net.ip("link set m0 mtu 1450 txqueuelen 77");
        let place = place_with(&[&format!(
            r#""type": "phys", "host_interface_name": "m0"{name}, "mtu": 1300"#
        )]);
        let running =
            net.start(&place, "trap 'exit 3' TERM; echo ready; while :; do sleep 0.02; done");
        net.ip("link add m0 type bridge");
        net.ip("link add m0_0 type bridge");
        running.signal(libc::SIGTERM);
        let run = running.end();
        run.ends(3);
        let words = "the host has another interface m0 by now: the one that the container had is given \
            back as m0_1\n";
        assert_eq!(run.err, format!("nsinit: warning: {words}"));
        let link = net.ip("link show m0_1");
        for words in ["m0_1@m1", "mtu 1450", "qlen 77", ",UP"] {
            assert!(link.contains(words), "{words}: {link}");
        }
    }
}

#[test]
fn an_interface_that_the_container_has_exchanged_is_not_given_to_the_host() {
    let net = HostNet::with_cable();
    let other = HostNet::new();
    let place = place_with(&[r#""type": "phys", "host_interface_name": "m0", "name": "wan""#]);
    let running = net.start(&place, "trap 'exit 3' TERM; echo ready; while :; do sleep 0.02; done");
    // What root inside can do with CAP_NET_ADMIN and a network namespace of its own.
    let inside = format!("--net=/proc/{}/ns/net", place.init_pid());
    let ip = |words: &str| {
        let mut ip = Command::new("nsenter");
        let out = ip.args([&inside, "ip"]).args(words.split(' ')).output().unwrap();
        assert!(out.status.success(), "{words}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let index = ip("-o link show wan").split(':').next().unwrap().to_owned();
    let holder = other.holder();
    ip(&format!("link set wan netns {holder}"));
    ip(&format!("link add name wan index {index} type bridge"));
    running.signal(libc::SIGTERM);
    let run = running.end();
    run.ends(3);
    run.says(&[
        "warning: m0 is not given back to the host: the container has put another interface",
    ]);
    assert!(other.links().contains(&"wan".to_owned()));
    assert_eq!(net.links(), ["lo", "m1"]);
}

#[test]
fn several_networks_of_several_types() {
    let net = HostNet::with_bridge();
    net.cable("m0", "m1");
    let before = net.state();
    let place = place_with(&[
        r#""type": "veth", "bridge": "br0", "veth_prefix": "a", "address": "10.7.0.2/24", "gateway": "10.7.0.1""#,
        r#""type": "veth", "bridge": "br0", "veth_prefix": "b", "address": "10.9.0.2/24""#,
        r#""type": "macvlan", "parent": "m0", "address": "10.1.0.2/24""#,
    ]);
    let run = net.sh(&place, "ip -o -4 addr | awk '{print $2, $4}'; ip -o link | wc -l");
    let want = "lo 127.0.0.1/8\neth0 10.7.0.2/24\neth1 10.9.0.2/24\neth2 10.1.0.2/24\n4\n";
    assert_eq!(run.ok(), want);
    net.is_still(&before);
}

#[test]
fn routes_lead_where_they_say() {
    let net = HostNet::with_bridge();
    let mut place = place_with(&[
        r#""type": "veth", "bridge": "br0", "veth_prefix": "v", "address": "10.7.0.2/24",
            "ipv6_address": "fd07::2/64""#,
    ]);
    place.config.set(
        "routes",
        r#"[{"destination": "0.0.0.0/0", "source": "10.7.0.2", "gateway": "10.7.0.1",
                "interface_name": "eth0"},
            {"gateway": "fe80::1", "interface_name": "eth0"},
            {"destination": "10.50.0.0/16", "interface_name": "eth0"},
            {"destination": "10.51.0.0/16", "gateway": "10.50.0.1"},
            {"destination": "10.52.0.9/16", "gateway": "192.0.2.1", "interface_name": "eth0",
                "on_link": true},
            {"destination": "fd99::/64", "gateway": "fd07::1", "source": "fd07::2/64"},
            {"destination": "10.53.0.0/16", "interface_name": "lo"}]"#,
    );
    let run = net.sh(&place, "ip route; ip -6 route");
    let out = run.ends(0);
    let words = "routes[4].destination: \"10.52.0.9/16\" has bits beyond its prefix";
    assert!(run.err.contains(words) && run.err.lines().count() == 1, "{}", run.err);
    for line in [
        "default via 10.7.0.1 dev eth0  src 10.7.0.2",
        "10.50.0.0/16 dev eth0",
        "10.51.0.0/16 via 10.50.0.1 dev eth0",
        "10.52.0.0/16 via 192.0.2.1 dev eth0 onlink",
        "default via fe80::1 dev eth0",
        "10.53.0.0/16 dev lo",
        "fd99::/64 via fd07::1 dev eth0  src fd07::2",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = out.lines().any(|has| squeezed(has).starts_with(&squeezed(line)));
        assert!(found, "{line}\n---\n{out}");
    }
}

#[test]
fn the_gateway_that_the_first_version_said_twice() {
    let net = HostNet::with_bridge();
    let mut place = place_with(&[
        r#""type": "veth", "context": {"bridge": "br0", "prefix": "veth"}, "address": "10.7.0.2/24",
            "gateway": "10.7.0.1", "mtu": 1500"#,
    ]);
    place.config.set(
        "routes",
        r#"[{"gateway": "10.7.0.1", "interface_name": "eth0"},
            {"destination": "192.168.0.0/24", "interface_name": "eth0"}]"#,
    );
    let run = net.sh(&place, "ip route | sort");
    let out = run.ok();
    assert_eq!(out.matches("default").count(), 1, "{out}");
    assert!(out.contains("192.168.0.0/24 dev eth0"), "{out}");
}

#[test]
fn config_prints_networks_and_routes_as_understood() {
    let mut place = place_with(&[
        r#""type": "veth", "bridge": "br0", "veth_prefix": "v", "address": "10.7.0.2/24""#,
        r#""type": "macvlan", "parent": "m0", "mac_address": "02:42:AC:11:00:02""#,
    ]);
    place.config.set("routes", r#"[{"gateway": "10.7.0.1"}]"#);
    place.write_config();
    let run = place.run(&["config"]);
    for line in [
        r#"{"type": "loopback"},"#,
        r#"{"type": "veth", "name": "eth0", "bridge": "br0", "veth_prefix": "v", "address": "10.7.0.2/24"},"#,
        r#"{"type": "macvlan", "name": "eth1", "parent": "m0", "mode": "bridge", "mac_address": "02:42:ac:11:00:02"}"#,
        r#"{"gateway": "10.7.0.1"}"#,
    ] {
        assert!(run.ok().contains(line), "{line}\n---\n{}", run.out);
    }
}

/// The tests see a difference when there is one.
#[test]
fn the_state_of_a_host_s_network_tells() {
    let net = HostNet::with_bridge();
    let before = net.state();
    net.ip("route add 10.99.0.0/16 dev br0");
    assert_ne!(net.state(), before);
    net.ip("route del 10.99.0.0/16 dev br0");
    net.is_still(&before);
    let inside = Command::new("nsenter")
        .args([&format!("--net={}", net.path()), "readlink", "/proc/self/ns/net"])
        .output()
        .unwrap();
    let host = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_ne!(String::from_utf8(inside.stdout).unwrap().trim(), host.to_str().unwrap());
}
