//! Networks and routes: what they mean, and what is refused with its place.

use super::values::with;
use super::*;
use crate::inet::Ip;
use crate::plan::{NetworkKind, Source};

/// The fault of a second network, without the file's name and the place.
fn network(members: &str) -> String {
    let text = with("networks", &format!("[{{\"type\": \"loopback\"}}, {{{members}}}]"));
    without_place(&bad(&text))
}

/// The fault of a route beside a veth that has 10.0.0.2/8 and fd00::2/64.
fn route(members: &str) -> String {
    let text = routed(&format!("[{{{members}}}]"));
    without_place(&bad(&text))
}

fn routed(routes: &str) -> String {
    let net = r#"{"type": "loopback"},
        {"type": "dummy", "address": "10.0.0.2/8", "ipv6_address": "fd00::2/64"}"#;
    with("routes", &format!("{routes}, \"networks\": [{net}]"))
}

fn without_place(error: &str) -> String {
    error.splitn(4, ':').nth(3).unwrap().trim_start().into()
}

const VETH: &str = r#""type": "veth", "bridge": "b", "veth_prefix": "v""#;
const DUMMY: &str = r#""type": "dummy""#;

#[test]
fn texts_are_judged_when_their_type_is_known() {
    for (value, error) in [
        (
            r#""address": "172.17.0.300/16""#,
            r#"address: "172.17.0.300/16" is not an IPv4 address with a prefix"#,
        ),
        (r#""address": "10.0.0.2""#, r#"address: "10.0.0.2" is not an IPv4 address with a prefix"#),
        (
            r#""address": "fd00::2/64""#,
            r#"address: "fd00::2/64" is not an IPv4 address with a prefix"#,
        ),
        (r#""gateway": "localhost""#, r#"gateway: "localhost" is not an IPv4 address"#),
        (r#""gateway": "fd00::1""#, r#"gateway: "fd00::1" is not an IPv4 address"#),
        (
            r#""ipv6_address": "1.2.3.4/5""#,
            r#"ipv6_address: "1.2.3.4/5" is not an IPv6 address with a prefix"#,
        ),
        (r#""ipv6_gateway": "fe80::1/64""#, r#"ipv6_gateway: "fe80::1/64" is not an IPv6 address"#),
        (r#""mtu": 67"#, "mtu: it can be 68 to 65535, with IPv6 from 1280"),
        (r#""mtu": 65536"#, "mtu: it can be 68 to 65535, with IPv6 from 1280"),
        (
            r#""mtu": 1279, "ipv6_address": "fd00::2/64""#,
            "mtu: it can be 68 to 65535, with IPv6 from 1280",
        ),
        (r#""mtu": -1"#, "mtu: expected an integer from 0 to 4294967295"),
        (
            r#""mac_address": "02:42:ac:11:00""#,
            "mac_address: \"02:42:ac:11:00\" is not a MAC address: six bytes in hexadecimal, as 02:42:ac:11:00:02",
        ),
        (
            r#""mac_address": "02:42:ac:11:00:0g""#,
            "mac_address: \"02:42:ac:11:00:0g\" is not a MAC address: six bytes in hexadecimal, as 02:42:ac:11:00:02",
        ),
        (
            r#""mac_address": "03:42:ac:11:00:02""#,
            "mac_address: a multicast address, as the first byte is odd: no interface can have it",
        ),
        (r#""mac_address": "00:00:00:00:00:00""#, "mac_address: no interface can have it"),
        (r#""id": 4095"#, "id: expected an integer from 0 to 4094"),
        (r#""mode": "l2""#, "mode: \"l2\" is no mode of type \"veth\""),
    ] {
        // The type comes last, as in the files that libcontainer wrote.
        let text = format!(r#"{value}, "bridge": "b", "veth_prefix": "v", "type": "veth""#);
        assert_eq!(network(&text), format!("networks[1].{error}"));
    }
    for name in ["with blank", "a/b", "a:b", "eth%d", "sixteen-bytes-16", ".", ".."] {
        let error = network(&format!(r#"{VETH}, "name": "{name}""#));
        let why = "is no name for an interface: 15 bytes at most, no blank, no / : %";
        assert_eq!(error, format!("networks[1].name: \"{name}\" {why}"));
    }
    good(&with("networks", &format!(r#"[{{{VETH}, "name": "fifteen-bytes-1"}}]"#)));
    // Nothing of these was ever applied.
    good(&with(
        "networks",
        r#"[{"type": "loopback", "address": "127.0.0.1/0", "gateway": "localhost", "mtu": 5}]"#,
    ));
}

#[test]
fn the_place_is_the_value_s() {
    let text = with("networks", &format!("[{{{VETH},\n \"gateway\": \"x\"}}]"));
    assert!(bad(&text).starts_with("c.json:2:13: networks[0].gateway: \"x\" is not"));
    let text = with("networks", &format!("[{{{VETH},\n \"gateway\": \"10.9.0.1\"}}]"));
    assert!(bad(&text).starts_with("c.json:2:13: networks[0].gateway: \"10.9.0.1\" is in no"));
    let text = with("networks", "[{\"bridge\": \"b\",\n \"type\": \"dummy\"}]");
    assert!(bad(&text).starts_with("c.json:1:"), "{}", bad(&text));
    let text = with("routes", "[{\n\"gateway\": \"10.9.0.1\"}]");
    assert!(bad(&text).starts_with("c.json:2:12: routes[0].gateway: \"10.9.0.1\" is in no"));
    // A key that is missing has the place of its object.
    let text = with("networks", "[\n {\"type\": \"vlan\", \"id\": 7}]");
    assert!(bad(&text).starts_with("c.json:2:2: networks[0].parent: "));
}

#[test]
fn types_have_their_keys() {
    let kinds = "loopback, veth, bridge, macvlan, macvtap, vlan, ipvlan, dummy, phys or netns";
    assert_eq!(network(r#""type": "tap""#), format!("networks[1].type: \"tap\" is not {kinds}"));
    assert_eq!(network(r#""mtu": 68"#), format!("networks[1].type: \"\" is not {kinds}"));
    assert_eq!(network(r#""type": "netns""#), "networks[1].ns_path: type netns needs one");
    for (members, error) in [
        (r#""type": "veth", "veth_prefix": "v""#, r#"bridge: "veth" is a type that needs one"#),
        (
            r#""type": "veth", "bridge": "b""#,
            r#"veth_prefix: "veth" needs one, or a host_interface_name"#,
        ),
        (r#""type": "macvlan""#, r#"parent: "macvlan" is a type that needs one"#),
        (r#""type": "macvtap""#, r#"parent: "macvtap" is a type that needs one"#),
        (r#""type": "ipvlan""#, r#"parent: "ipvlan" is a type that needs one"#),
        (r#""type": "vlan", "id": 1"#, r#"parent: "vlan" is a type that needs one"#),
        (r#""type": "vlan", "parent": "p""#, r#"id: "vlan" is a type that needs one"#),
        (r#""type": "phys""#, r#"host_interface_name: "phys" is a type that needs one"#),
        (r#""type": "bridge""#, r#"name: "bridge" is a type that needs one"#),
        (r#""type": "dummy", "bridge": "b""#, r#"bridge: "dummy" is a type that has none"#),
        (r#""type": "dummy", "parent": "b""#, r#"parent: "dummy" is a type that has none"#),
        (r#""type": "dummy", "id": 7"#, r#"id: "dummy" is a type that has none"#),
        (r#""type": "dummy", "create": true"#, r#"create: "dummy" is a type that has none"#),
        (
            r#""type": "dummy", "hairpin_mode": true"#,
            r#"hairpin_mode: "dummy" is a type that has none"#,
        ),
        (
            r#""type": "bridge", "name": "b", "create": true, "gateway": "1.2.3.4""#,
            r#"gateway: "bridge" is a type that has none"#,
        ),
        (
            r#""type": "ipvlan", "parent": "p", "mac_address": "02:42:ac:11:00:02""#,
            r#"mac_address: "ipvlan" is a type that has none"#,
        ),
        (
            r#""type": "bridge", "name": "b", "mtu": 1400"#,
            r#"mtu: "b" is left as it is without "create": true"#,
        ),
        (r#""type": "dummy", "ns_path": "/n""#, r#"ns_path: "/n" is for type netns alone"#),
        (
            r#""type": "macvlan", "parent": "p", "mode": "passthru", "mac_address": "02:42:ac:11:00:02""#,
            r#"mac_address: "passthru" is a mode in which it has its parent's"#,
        ),
        (
            r#""type": "dummy", "name": "all""#,
            r#"name: "all" is a name that stands for all interfaces"#,
        ),
        (r#""type": "netns", "ns_path": "/n", "mtu": 7"#, "type: netns has no key but ns_path"),
        (
            r#""type": "netns", "ns_path": "/n", "address": "10.0.0.2/8""#,
            "type: netns has no key but ns_path",
        ),
        (
            r#""type": "dummy", "mtu": 1279, "ipv6_gateway": "fe80::1""#,
            "mtu: it can be 68 to 65535, with IPv6 from 1280",
        ),
        (
            r#""type": "macvlan", "parent": "p", "mode": "l2""#,
            r#"mode: "l2" is no mode of type "macvlan""#,
        ),
        (
            r#""type": "ipvlan", "parent": "p", "mode": "bridge""#,
            r#"mode: "bridge" is no mode of type "ipvlan""#,
        ),
        (
            r#""type": "veth", "bridge": "b", "veth_prefix": "twelve-bytes""#,
            "veth_prefix: 11 bytes at most: nsinit completes it",
        ),
        (r#""type": "dummy", "name": "lo""#, r#"name: "lo" is the loopback's name"#),
    ] {
        assert_eq!(network(members), format!("networks[1].{error}"));
    }
}

#[test]
fn addresses_and_gateways_fit_together() {
    for (members, error) in [
        (
            r#""address": "0.0.0.0/8""#,
            r#"address: "0.0.0.0/8" is not the address of one interface"#,
        ),
        (
            r#""address": "224.0.0.1/8""#,
            r#"address: "224.0.0.1/8" is not the address of one interface"#,
        ),
        (
            r#""ipv6_address": "::/64""#,
            r#"ipv6_address: "::/64" is not the address of one interface"#,
        ),
        (
            r#""ipv6_address": "ff02::1/64""#,
            r#"ipv6_address: "ff02::1/64" is not the address of one interface"#,
        ),
        (
            r#""address": "10.0.0.2/24", "gateway": "10.0.0.2""#,
            r#"gateway: "10.0.0.2" can't be a gateway"#,
        ),
        (
            r#""address": "10.0.0.2/24", "gateway": "10.0.1.1""#,
            r#"gateway: "10.0.1.1" is in no network of its interface (with "on_link": true, it is a neighbour nevertheless)"#,
        ),
        (
            r#""gateway": "10.0.1.1""#,
            r#"gateway: "10.0.1.1" is in no network of its interface (with "on_link": true, it is a neighbour nevertheless)"#,
        ),
        (
            r#""ipv6_address": "fd00::2/64", "ipv6_gateway": "fd00:1::1""#,
            r#"ipv6_gateway: "fd00:1::1" is in no network of its interface (with "on_link": true, it is a neighbour nevertheless)"#,
        ),
        (r#""on_link": true"#, "on_link: there is no gateway"),
    ] {
        assert_eq!(network(&format!("{DUMMY}, {members}")), format!("networks[1].{error}"));
    }
    for fine in [
        r#""address": "10.0.0.2/24", "gateway": "10.0.0.1""#,
        r#""address": "10.0.0.2/31", "gateway": "10.0.0.3""#,
        r#""address": "10.0.0.2/32", "gateway": "10.9.9.9", "on_link": true"#,
        r#""ipv6_address": "fd00::2/64", "ipv6_gateway": "fe80::1""#,
        r#""ipv6_address": "fd00::2/64", "ipv6_gateway": "fd00::ffff""#,
    ] {
        good(&with("networks", &format!("[{{{DUMMY}, {fine}}}]")));
    }
}

#[test]
fn networks_do_not_collide() {
    let two = |one: &str, other: &str| {
        without_place(&bad(&with("networks", &format!("[{{{one}}}, {{{other}}}]"))))
    };
    let named = format!(r#"{DUMMY}, "name": "a""#);
    assert_eq!(two(&named, &named), r#"networks[1].name: "a" is the name of another network"#);
    let veth = r#""type": "veth", "bridge": "b", "host_interface_name": "h""#;
    let taken = r#"networks[1].host_interface_name: "h" is that of another network"#;
    assert_eq!(two(veth, veth), taken);
    assert_eq!(two(r#""type": "phys", "host_interface_name": "h""#, veth), taken);
    let bridge = r#""type": "bridge", "name": "a""#;
    assert_eq!(two(bridge, bridge), r#"networks[1].name: "a" is the name of another network"#);
    let one = format!(r#"{DUMMY}, "address": "10.0.0.2/8", "gateway": "10.0.0.1""#);
    let other = format!(r#"{DUMMY}, "address": "11.0.0.2/8", "gateway": "11.0.0.1""#);
    assert_eq!(
        two(&one, &other),
        r#"networks[1].gateway: "11.0.0.1" is one too many: another network has the default route"#
    );
    // A bridge's name is the host's.
    good(&with("networks", &format!("[{{{bridge}}}, {{{named}}}]")));
}

#[test]
fn what_has_no_name_gets_one() {
    let plan = good(&with(
        "networks",
        &format!(
            r#"[{{{VETH}}}, {{"type": "loopback"}}, {{{DUMMY}, "name": "eth1"}}, {{{VETH}}},
                {{"type": "phys", "host_interface_name": "ens3"}}, {{"type": "bridge", "bridge": "b"}},
                {{{DUMMY}, "name": "ethernet"}}, {{{DUMMY}}}]"#
        ),
    ));
    let names: Vec<_> = plan.networks.iter().map(|net| net.name).collect();
    assert_eq!(names, [c"eth0", c"lo", c"eth1", c"eth2", c"ens3", c"b", c"ethernet", c"eth3"]);
}

#[test]
fn defaults_and_numbers_are_the_kernel_s() {
    let plan = good(&with(
        "networks",
        r#"[{"type": "macvlan", "parent": "p"}, {"type": "macvtap", "parent": "p", "mode": "passthru"},
            {"type": "ipvlan", "parent": "p"}, {"type": "ipvlan", "parent": "p", "mode": "l3s"},
            {"type": "vlan", "parent": "p", "id": 4094, "mac_address": "02:42:AC:11:00:ff",
                "ipv6_address": "fd00::2/64"}]"#,
    ));
    let modes: Vec<_> = plan.networks.iter().map(|net| net.mode).collect();
    assert_eq!(modes, [4, 8, 0, 2, 0]);
    let vlan = plan.networks[4];
    assert_eq!((vlan.kind, vlan.id), (NetworkKind::Vlan, 4094));
    assert_eq!(vlan.mac_address, Some([2, 0x42, 0xac, 0x11, 0, 255]));
    let address = vlan.ipv6_address.unwrap();
    assert_eq!((address.ip.bytes()[..2].to_vec(), address.prefix), (vec![0xfd, 0], 64));
}

#[test]
fn routes_name_what_is_wrong() {
    let reach = "is in no network of its interface (with \"on_link\": true, it is a neighbour nevertheless)";
    let needs = "this route needs one: nothing else tells where it goes";
    for (members, error) in [
        (
            r#""destination": "10.0.0.0""#,
            ".destination: \"10.0.0.0\" is not a network with a prefix".into(),
        ),
        (r#""source": "x""#, ".source: \"x\" is not an address".into()),
        (r#""gateway": "1.2.3.4/5""#, ".gateway: \"1.2.3.4/5\" is not an address".into()),
        (
            r#""interface_name": "eth0""#,
            ": a route needs a destination, a source or a gateway".into(),
        ),
        (
            r#""destination": "::/0", "gateway": "1.2.3.4""#,
            ": a route can't mix IPv4 and IPv6".into(),
        ),
        (r#""destination": "11.0.0.0/8""#, format!(".interface_name: {needs}")),
        (r#""gateway": "fe80::1""#, format!(".interface_name: {needs}")),
        (r#""gateway": "11.0.0.1", "on_link": true"#, format!(".interface_name: {needs}")),
        (
            r#""destination": "11.0.0.0/8", "interface_name": "eth0", "on_link": true"#,
            ".on_link: there is no gateway".into(),
        ),
        (
            r#""destination": "11.0.0.0/8", "interface_name": "eth1""#,
            ".interface_name: \"eth1\" is no network of this container".into(),
        ),
        (
            r#""gateway": "10.0.0.1", "source": "10.0.0.3""#,
            ".source: \"10.0.0.3\" is no address of this container".into(),
        ),
        (
            r#""destination": "11.0.0.0/8", "gateway": "10.0.0.2""#,
            ".gateway: \"10.0.0.2\" can't be a gateway".into(),
        ),
        (r#""gateway": "11.0.0.1""#, format!(".gateway: \"11.0.0.1\" {reach}")),
        (r#""gateway": "fd00:1::1""#, format!(".gateway: \"fd00:1::1\" {reach}")),
        (
            r#""gateway": "10.0.0.1", "interface_name": "lo""#,
            format!(".gateway: \"10.0.0.1\" {reach}"),
        ),
    ] {
        assert_eq!(route(members), format!("routes[0]{error}"));
    }
    // Routes are made in their order.
    let late = routed(
        r#"[{"destination": "12.0.0.0/8", "gateway": "11.0.0.1"},
            {"destination": "11.0.0.0/8", "interface_name": "eth0"}]"#,
    );
    assert_eq!(without_place(&bad(&late)), format!("routes[0].gateway: \"11.0.0.1\" {reach}"));
    let twice =
        routed(r#"[{"gateway": "10.0.0.1"}, {"destination": "0.0.0.0/0", "gateway": "10.0.0.9"}]"#);
    let error = "routes[1].destination: another route has the same";
    assert_eq!(without_place(&bad(&twice)), error);
    for fine in [
        r#"{"gateway": "10.0.0.1"}, {"gateway": "fd00::1"}"#,
        r#"{"gateway": "11.0.0.1", "on_link": true, "interface_name": "eth0"}"#,
        r#"{"destination": "127.1.0.0/16", "interface_name": "lo", "source": "127.0.0.1"}"#,
        r#"{"destination": "11.0.0.0/8", "interface_name": "eth0"},
            {"destination": "12.0.0.0/8", "gateway": "11.0.0.1"}"#,
    ] {
        good(&routed(&format!("[{fine}]")));
    }
}

#[test]
fn a_route_that_a_gateway_makes_is_no_second_one() {
    let net = format!(r#"[{{{DUMMY}, "address": "10.0.0.2/8", "gateway": "10.0.0.1"}}]"#);
    let with_route = |route: &str| with("networks", &format!("{net}, \"routes\": [{{{route}}}]"));
    let plan = good(&with_route(r#""gateway": "10.0.0.1", "interface_name": "eth0""#));
    assert!(plan.networks[0].makes(&plan.routes[0]));
    for other in [r#""gateway": "10.0.0.9""#, r#""gateway": "10.0.0.1", "source": "10.0.0.2""#] {
        let error = bad(&with_route(other));
        assert!(error.ends_with("routes[0]: a second default route: a network has a gateway"));
    }
}

#[test]
fn the_route_of_the_seed() {
    let (plan, warnings) = warned(&routed(
        r#"[{"destination": "0.0.0.0/0", "source": "10.0.0.2/8", "gateway": "10.0.0.1",
            "interface_name": "eth0"}, {"destination": "192.168.7.9/24", "gateway": "10.0.0.1"}]"#,
    ));
    let route = plan.routes[0];
    assert_eq!(route.source.unwrap().ip, Ip::V4([10, 0, 0, 2]));
    assert!(route.network().is_none() && route.is_v4());
    // Of a network only its own bits count, as in Go's ParseCIDR; but not in silence.
    let warning = "routes[1].destination: \"192.168.7.9/24\" has bits beyond its prefix";
    assert!(matches!(&warnings[..], [it] if it.contains(warning)), "{warnings:?}");
    assert_eq!(plan.routes[1].destination.unwrap().ip, Ip::V4([192, 168, 7, 0]));
}

#[test]
fn only_one_namespace_is_joined() {
    let netns = r#"{"type": "netns", "ns_path": "/n"}"#;
    let empty = r#"{"type": "netns", "ns_path": "/n", "mtu": 0, "address": "", "create": false}"#;
    good(&with("networks", &format!("[{empty}]")));
    let error = bad(&with("networks", &format!("[{netns}, {netns}]")));
    assert!(error.ends_with("networks[1].type: there is a netns already"), "{error}");
    let both = |path: &str| {
        format!(
            "{{\"networks\": [{netns}],\n \"namespaces\": [{{\"type\": \"NEWNET\", \"path\": \"{path}\"}}]}}"
        )
    };
    assert_eq!(warned(&both("/n")).0.namespaces.get(Kind::Net), Source::Join(c"/n"));
    let error = bad(&both("/m"));
    let want = "c.json:2:16: namespaces: NEWNET has another path than the network of type netns";
    assert_eq!(error, want);
}

#[test]
fn in_a_joined_namespace_may_be_more() {
    let text = r#"{"namespaces": [{"type": "NEWNET", "path": "/n"}],
        "routes": [{"gateway": "10.0.0.1", "interface_name": "other", "source": "10.0.0.9"}]}"#;
    good(text);
}
