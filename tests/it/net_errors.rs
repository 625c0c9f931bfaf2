//! Networks that can't be: each is refused in words that name it, and the host is as it was.

use std::fs;
use std::process::Command;

use crate::config::quote;
use crate::hostnet::HostNet;
use crate::trace::have_strace;
use crate::world::{FAILED, Place, skip, spawn};

/// A place with these networks, in text of JSON.
fn place_with(networks: &str) -> Place {
    let mut place = Place::new();
    place.config.set("networks", format!("[{networks}]"));
    place
}

/// `nsinit exec` fails with all these words, and nothing of the host's network has changed.
#[track_caller]
fn refused(net: &HostNet, place: &Place, words: &[&str]) {
    let before = net.state();
    let run = net.sh(place, "echo ran");
    run.fails(words);
    assert_eq!(run.out, "", "the command ran");
    net.is_still(&before);
    assert_eq!(place.remains(), [] as [&str; 0]);
}

const VETH: &str = r#""type": "veth", "bridge": "br0", "veth_prefix": "v""#;

#[test]
fn texts_are_refused_at_their_place_in_the_file() {
    let net = HostNet::with_bridge();
    let place = Place::new();
    let before = net.state();
    for (network, error) in [
        (
            r#""address": "172.17.0.300/16""#,
            r#"address: "172.17.0.300/16" is not an IPv4 address with a prefix"#,
        ),
        (
            r#""address": "172.17.0.3""#,
            r#"address: "172.17.0.3" is not an IPv4 address with a prefix"#,
        ),
        (
            r#""address": "fd00::2/64""#,
            r#"address: "fd00::2/64" is not an IPv4 address with a prefix"#,
        ),
        (
            r#""ipv6_address": "10.0.0.2/8""#,
            r#"ipv6_address: "10.0.0.2/8" is not an IPv6 address with a prefix"#,
        ),
        (r#""gateway": "fd00::1""#, r#"gateway: "fd00::1" is not an IPv4 address"#),
        (r#""ipv6_gateway": "10.0.0.1""#, r#"ipv6_gateway: "10.0.0.1" is not an IPv6 address"#),
        (r#""gateway": "10.9.0.1""#, r#"gateway: "10.9.0.1" is in no network of its interface"#),
        (
            r#""name": "sixteen-bytes-16""#,
            r#"name: "sixteen-bytes-16" is no name for an interface: 15 bytes"#,
        ),
        (r#""name": "a/b""#, r#"name: "a/b" is no name for an interface"#),
        (r#""name": "lo""#, r#"name: "lo" is the loopback's name"#),
        (
            r#""host_interface_name": "with blank""#,
            r#"host_interface_name: "with blank" is no name"#,
        ),
        (r#""mtu": 67"#, "mtu: it can be 68 to 65535"),
        (r#""mtu": 65536"#, "mtu: it can be 68 to 65535"),
        (r#""mac_address": "01:00:5e:00:00:01""#, "mac_address: a multicast address"),
        (r#""mac_address": "nonsense""#, r#"mac_address: "nonsense" is not a MAC address"#),
        (r#""id": 7"#, r#"id: "veth" is a type that has none"#),
    ] {
        let text = format!(
            "{{\"namespaces\": {{\"NEWNET\": true}},\n \"networks\": [{{\"type\": \"loopback\"}},\n  \
             {{{VETH},\n   {network}}}]}}\n"
        );
        place.write_text(&text);
        let column = 4 + network.find(": ").unwrap() + 2;
        let run = spawn(&mut net.command(&place, &["exec", "/bin/true"])).end();
        run.fails(&[&format!("nsinit: container.json:4:{column}: networks[1].{error}")]);
    }
    net.is_still(&before);
}

#[test]
fn a_bridge_that_does_not_exist() {
    let net = HostNet::with_bridge();
    let veth = r#"{"type": "veth", "bridge": "br9", "veth_prefix": "v"}"#;
    let words = ["networks[0].bridge: find the", "br9: No such device", "\"create\": true"];
    refused(&net, &place_with(veth), &words);
    let bridge = r#"{"type": "bridge", "name": "br9"}"#;
    refused(&net, &place_with(bridge), &["br9", "No such device", "\"create\": true"]);
}

#[test]
fn a_bridge_that_is_none() {
    let net = HostNet::with_cable();
    let veth = r#"{"type": "veth", "bridge": "m0", "veth_prefix": "v"}"#;
    refused(&net, &place_with(veth), &["networks[0].bridge: ", "\"m0\" is not a bridge"]);
    let bridge = r#"{"type": "bridge", "name": "m0", "create": true}"#;
    refused(&net, &place_with(bridge), &["use bridge m0: it is not a bridge"]);
}

#[test]
fn names_that_are_taken() {
    let net = HostNet::with_bridge();
    let place = place_with(r#"{"type": "veth", "bridge": "br0", "host_interface_name": "p1"}"#);
    refused(
        &net,
        &place,
        &["make interface p1", "EEXIST", "the host has one of this name already"],
    );
    let two = format!("{{{VETH}, \"name\": \"a\"}}, {{{VETH}, \"name\": \"a\"}}");
    refused(&net, &place_with(&two), &["networks[1].name: \"a\" is the name of another network"]);
    // In a namespace that others use, a name can be taken too.
    let other = HostNet::with_cable();
    let before = other.state();
    let netns = format!(r#"{{"type": "netns", "ns_path": {}}}"#, quote(other.path()));
    let veth = format!("{netns}, {{{VETH}, \"name\": \"m0\"}}");
    refused(&net, &place_with(&veth), &["m0", "EEXIST"]);
    other.is_still(&before);
}

#[test]
fn what_the_driver_refuses() {
    let net = HostNet::with_cable();
    let macvlan = r#"{"type": "macvlan", "parent": "m0", "mtu": 9000}"#;
    refused(&net, &place_with(macvlan), &["networks[0]: make interface eth0", "mtu"]);
}

#[test]
fn what_is_made_on_something_that_is_not_there() {
    let net = HostNet::with_bridge();
    for kind in ["macvlan", "macvtap", "ipvlan"] {
        let network = format!(r#"{{"type": "{kind}", "parent": "absent0"}}"#);
        refused(
            &net,
            &place_with(&network),
            &[
                "networks[0].parent: find the host's interface absent0: No such device",
                "the host has br0, p1, p0",
            ],
        );
    }
    let vlan = r#"{"type": "vlan", "parent": "absent0", "id": 7}"#;
    refused(&net, &place_with(vlan), &["networks[0].parent: ", "absent0", "No such device"]);
    let phys = r#"{"type": "phys", "host_interface_name": "absent0"}"#;
    let words =
        ["container.json:", "networks[0].host_interface_name: find the host's interface absent0"];
    refused(&net, &place_with(phys), &words);
}

#[test]
fn a_type_whose_module_is_missing() {
    let net = HostNet::with_cable();
    // This machine's kernel has none of these; one that has them is not the place for this test.
    for (kind, rest, module) in [
        ("dummy", "", "dummy"),
        ("vlan", r#", "parent": "m0", "id": 7"#, "8021q"),
        ("ipvlan", r#", "parent": "m0""#, "ipvlan"),
    ] {
        let words = match kind {
            "dummy" => "link add t0 type dummy",
            "vlan" => "link add t0 link m0 type vlan id 7",
            _ => "link add t0 link m0 type ipvlan",
        };
        let there = format!("--net={}", net.path());
        let mut ip = Command::new("nsenter");
        ip.args([&there, "ip"]).args(words.split(' '));
        if ip.output().unwrap().status.success() {
            net.ip("link del t0");
            crate::world::skip(&format!("the kernel has {module}"));
            continue;
        }
        let network = format!(r#"{{"type": "{kind}"{rest}}}"#);
        let words = format!("the kernel has no {module} module");
        refused(&net, &place_with(&network), &["make interface eth0", &words, "modprobe"]);
    }
}

#[test]
fn gateways_and_routes_that_lead_nowhere() {
    let net = HostNet::with_bridge();
    let mut place = place_with(&format!("{{{VETH}, \"address\": \"10.7.0.2/24\"}}"));
    for (route, words) in [
        (r#"{"gateway": "10.8.0.1"}"#, "routes[0].gateway: \"10.8.0.1\" is in no network"),
        (r#"{"gateway": "fd09::1"}"#, "routes[0].gateway: \"fd09::1\" is in no network"),
        (
            r#"{"destination": "10.0.0.0/8", "interface_name": "eth7"}"#,
            "routes[0].interface_name: \"eth7\" is no network of this container",
        ),
        (
            r#"{"destination": "10.0.0.0/8", "gateway": "fd07::1"}"#,
            "routes[0]: a route can't mix IPv4 and IPv6",
        ),
        (
            r#"{"gateway": "10.7.0.1", "source": "10.7.0.9"}"#,
            "routes[0].source: \"10.7.0.9\" is no address of this container",
        ),
        (r#"{"destination": "10.0.0.0/33"}"#, "\"10.0.0.0/33\" is not a network with a prefix"),
    ] {
        place.config.set("routes", format!("[{route}]"));
        refused(&net, &place, &["container.json:", words]);
    }
}

#[test]
fn a_failure_half_way_takes_back_what_was_made() {
    let net = HostNet::with_bridge();
    let place = place_with(&format!(
        r#"{{"type": "bridge", "name": "nbr0", "create": true, "address": "10.8.0.1/24"}},
        {{"type": "veth", "bridge": "nbr0", "veth_prefix": "w"}}, {{{VETH}}},
        {{"type": "phys", "host_interface_name": "p1"}},
        {{"type": "macvlan", "parent": "absent0"}}"#
    ));
    let before = net.links();
    net.sh(&place, "echo ran").fails(&["absent0", "No such device"]);
    let mut now = net.links();
    now.sort();
    let mut before = before;
    before.sort();
    assert_eq!(now, before);
}

#[test]
fn a_root_that_fails_takes_the_network_with_it() {
    let net = HostNet::with_bridge();
    let mut place = place_with(&format!("{{{VETH}, \"address\": \"10.7.0.2/24\"}}"));
    place.config.bind("/absent", "/mnt", "");
    refused(&net, &place, &["/absent"]);
}

/// The launcher comes to the network when the process that it is for has failed and is gone.
#[test]
fn a_root_that_fails_before_the_network_is_begun_tells_why() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let net = HostNet::with_bridge();
    let before = net.state();
    let mut place = place_with(&format!("{{{VETH}, \"address\": \"10.7.0.2/24\"}}"));
    place.config.bind("/absent", "/mnt", "");
    place.write_config();
    let inside = format!("--net={}", net.path());
    let late = "inject=clone,clone3:delay_exit=300000";
    let trace = "--output=/dev/null";
    let by =
        ["nsenter", &inside, "strace", "-f", "-qq", trace, "-e", "trace=clone,clone3", "-e", late];
    let run = spawn(&mut place.wrapped(&by, &["exec", "/bin/nothing"])).end();
    run.fails(&["/absent"]);
    net.is_still(&before);
}

#[test]
fn a_command_that_is_not_there_takes_the_network_with_it() {
    let net = HostNet::with_bridge();
    let before = net.state();
    let place = place_with(&format!("{{{VETH}, \"address\": \"10.7.0.2/24\"}}"));
    place.write_config();
    let run = spawn(&mut net.command(&place, &["exec", "/bin/absent"])).end();
    run.ends(127);
    net.is_still(&before);
}

#[test]
fn a_path_that_is_no_network_namespace() {
    let net = HostNet::with_bridge();
    let place = Place::new();
    let uts = format!("/proc/{}/ns/uts", std::process::id());
    let file = place.dir.join("file");
    fs::write(&file, "").unwrap();
    for (path, words) in [
        ("/absent/net", "No such file"),
        (uts.as_str(), "EINVAL"),
        (file.to_str().unwrap(), "EINVAL"),
        ("/dev/null", "EINVAL"),
        (place.dir.to_str().unwrap(), "EINVAL"),
    ] {
        let netns = format!(r#"{{"type": "netns", "ns_path": {}}}"#, quote(path));
        for (networks, at) in [
            (netns.clone(), "networks[0]: "),
            (format!("{netns}, {{{VETH}}}"), "networks[0]: "),
            (format!("{{{VETH}}}, {netns}"), "networks[1]: "),
        ] {
            refused(&net, &place_with(&networks), &["container.json:", at, path, words]);
        }
        let mut place = place_with("");
        let newnet = format!(r#"{{"type": "NEWNET", "path": {}}}"#, quote(path));
        place.config.unset("namespaces").unset("mount_config").unset("hostname");
        place.config.set("namespaces", format!(r#"["NEWPID", {newnet}, "NEWNS"]"#));
        refused(&net, &place, &["container.json:", "namespaces[1]: ", path, words]);
    }
}

#[test]
fn without_a_network_namespace_nothing_is_touched() {
    let net = HostNet::with_bridge();
    let mut place = place_with(&format!("{{{VETH}}}"));
    place.config.set("namespaces.NEWNET", "false");
    refused(&net, &place, &["networks[0]", "add NEWNET"]);
    place.config.unset("networks").set("routes", r#"[{"gateway": "10.7.0.1"}]"#);
    refused(&net, &place, &["routes[0]", "add NEWNET"]);
}

#[test]
fn config_refuses_what_exec_refuses() {
    let place = place_with(r#"{"type": "vlan", "parent": "m0", "id": 4095}"#);
    place.write_config();
    let run = place.run(&["config"]);
    run.ends(FAILED);
    run.says(&["networks[0].id: expected an integer from 0 to 4094"]);
}
