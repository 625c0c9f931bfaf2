//! What can be refused of networks and routes before anything is made.

use core::ffi::CStr;

use super::check::{Checked, Finding, refuse_in};
use super::{Kind, Network, NetworkKind as Is, Plan, Route, VETH_PREFIX_MAX};
use crate::inet::Ip;

/// A key of a network or route that can't be, its text, and why.
struct Wrong(&'static str, &'static CStr, &'static str);

type Judged = Result<(), Wrong>;

#[cold]
#[inline(never)]
fn wrong(key: &'static str, text: &'static CStr, why: &'static str) -> Judged {
    Err(Wrong(key, text, why))
}

/// Refuses what would change the host's network, what the kernel is known to refuse, and what it
/// would take in silence and do nothing with.
pub(super) fn net(plan: &Plan) -> Checked {
    if !plan.namespaces.is_apart(Kind::Net) {
        let why = "without a network namespace it would change the host's network (add NEWNET)";
        for (part, empty) in
            [("networks", plan.networks.is_empty()), ("routes", plan.routes.is_empty())]
        {
            if !empty {
                return refuse_in(part, 0, "", why);
            }
        }
    }
    for (n, net) in plan.networks.iter().enumerate() {
        network(plan, n, net).map_err(|wrong| finding("networks", n, wrong))?;
    }
    for (n, entry) in plan.routes.iter().enumerate() {
        route(plan, n, entry).map_err(|wrong| finding("routes", n, wrong))?;
    }
    Ok(())
}

fn finding(part: &'static str, index: usize, Wrong(key, text, why): Wrong) -> Finding {
    Finding { part, index: Some(index), key, text, why }
}

/// Kinds as bits.
const fn bits(kinds: &[Is]) -> u16 {
    match kinds {
        [] => 0,
        [kind, rest @ ..] => 1 << *kind as u16 | bits(rest),
    }
}

const CHILD: u16 = bits(&[Is::Macvlan, Is::Macvtap, Is::Vlan, Is::Ipvlan]);
const INSIDE: u16 = CHILD | bits(&[Is::Veth, Is::Dummy, Is::Phys]);
const BRIDGE: u16 = bits(&[Is::Bridge]);
const VETH: u16 = bits(&[Is::Veth]);
const PHYS: u16 = bits(&[Is::Phys]);
const VLAN: u16 = bits(&[Is::Vlan]);

/// Each key, the kinds that need it, and the kinds that can have it.
const KEYS: [(&str, u16, u16); 16] = [
    ("name", INSIDE | BRIDGE, INSIDE | BRIDGE),
    ("bridge", VETH, VETH),
    ("veth_prefix", 0, VETH),
    ("host_interface_name", PHYS, VETH | PHYS),
    ("parent", CHILD, CHILD),
    ("id", VLAN, VLAN),
    ("hairpin_mode", 0, VETH),
    ("create", 0, BRIDGE),
    ("on_link", 0, INSIDE),
    ("gateway", 0, INSIDE),
    ("ipv6_gateway", 0, INSIDE),
    // The rest can't be said of a bridge that is not made. An ipvlan has its parent's MAC address.
    ("mac_address", 0, (INSIDE | BRIDGE) & !bits(&[Is::Ipvlan])),
    ("address", 0, INSIDE | BRIDGE),
    ("ipv6_address", 0, INSIDE | BRIDGE),
    ("mtu", 0, INSIDE | BRIDGE),
    ("txqueuelen", 0, INSIDE | BRIDGE),
];
/// Those in `KEYS` that tell how an interface is to be.
const SETTINGS: usize = 11;

/// Which of `KEYS` a network has.
fn given(net: &Network) -> [bool; KEYS.len()] {
    [
        !net.name.is_empty(),
        net.bridge.is_some(),
        net.veth_prefix.is_some(),
        net.host_interface_name.is_some(),
        net.parent.is_some(),
        net.id != 0,
        net.hairpin_mode,
        net.create,
        net.on_link,
        net.gateway.is_some(),
        net.ipv6_gateway.is_some(),
        net.mac_address.is_some(),
        net.address.is_some(),
        net.ipv6_address.is_some(),
        net.mtu != 0,
        net.txqueuelen != 0,
    ]
}

fn network(plan: &Plan, n: usize, net: &Network) -> Judged {
    if net.kind == Is::Loopback {
        return Ok(());
    }
    keys(net)?;
    names(plan, n, net)?;
    if net.mac_address.is_some_and(|mac| mac[0] & 1 == 1 || mac == [0; 6]) {
        return wrong("mac_address", c"", "not the address of one interface");
    }
    // include/net/ip.h, IPV4_MIN_MTU; include/linux/ipv6.h, IPV6_MIN_MTU
    let least = if net.ipv6_address.is_some() { 1280 } else { 68 };
    if net.mtu != 0 && !(least..=0xffff).contains(&net.mtu) {
        return wrong("mtu", c"", "it can be 68 to 65535, with IPv6 from 1280");
    }
    if net.on_link && net.gateway.or(net.ipv6_gateway).is_none() {
        return wrong("on_link", c"", "there is no gateway");
    }
    family(plan, n, net, true)?;
    family(plan, n, net, false)
}

fn keys(net: &Network) -> Judged {
    let kind = 1 << net.kind as u16;
    let given = given(net);
    for ((key, need, can), given) in KEYS.into_iter().zip(given) {
        if given && can & kind == 0 {
            return wrong(key, net.kind.name(), "is a type that has none");
        }
        if !given && need & kind != 0 {
            return wrong(key, net.kind.name(), "is a type that needs one");
        }
    }
    if net.kind == Is::Veth && net.veth_prefix.or(net.host_interface_name).is_none() {
        return wrong("veth_prefix", c"veth", "needs one, or a host_interface_name");
    }
    let settings = KEYS.into_iter().zip(given).skip(SETTINGS);
    match settings.into_iter().find(|(_, given)| *given) {
        Some(((key, ..), _)) if net.kind == Is::Bridge && !net.create => {
            wrong(key, net.name, "is left as it is without \"create\": true")
        }
        _ => Ok(()),
    }
}

fn names(plan: &Plan, n: usize, net: &Network) -> Judged {
    if net.name == c"lo" {
        return wrong("name", net.name, "is the loopback's name");
    }
    if net.veth_prefix.is_some_and(|prefix| prefix.count_bytes() > VETH_PREFIX_MAX) {
        return wrong("veth_prefix", c"", "11 bytes at most: nsinit completes it");
    }
    for other in plan.networks.iter().take(n) {
        // A bridge's name is one of the host.
        if other.name == net.name && (other.kind == Is::Bridge) == (net.kind == Is::Bridge) {
            return wrong("name", net.name, "is the name of another network");
        }
        let host = net.host_interface_name;
        if host.is_some() && host == other.host_interface_name {
            return wrong("host_interface_name", host.unwrap_or(c""), "is that of another network");
        }
    }
    Ok(())
}

fn family(plan: &Plan, n: usize, net: &Network, v4: bool) -> Judged {
    let (address, gateway) = net.ends(v4);
    let keys = if v4 { ["address", "gateway"] } else { ["ipv6_address", "ipv6_gateway"] };
    if let Some(address) = address.filter(|address| !is_unicast(address.ip)) {
        return wrong(keys[0], address.text, "is not the address of one interface");
    }
    let Some(gateway) = gateway else { return Ok(()) };
    if !is_unicast(gateway.ip) || address.is_some_and(|address| address.ip == gateway.ip) {
        return wrong(keys[1], gateway.text, "can't be a gateway");
    }
    if !net.on_link && !is_neighbour(plan, gateway.ip, Some(net.name)) {
        return wrong(keys[1], gateway.text, UNREACHABLE);
    }
    match plan.networks.iter().take(n).any(|other| other.ends(v4).1.is_some()) {
        true => {
            wrong(keys[1], gateway.text, "is one too many: another network has the default route")
        }
        false => Ok(()),
    }
}

const UNREACHABLE: &str =
    "is in no network of its interface (with \"on_link\": true, it is a neighbour nevertheless)";

/// One that a single interface can have.
fn is_unicast(ip: Ip) -> bool {
    match ip {
        Ip::V4([first, ..]) => (1..224).contains(&first),
        Ip::V6(bytes) => bytes[0] != 0xff && bytes != [0; 16],
    }
}

/// fe80::/10, which every interface has.
fn is_link_local(ip: Ip) -> bool {
    matches!(ip, Ip::V6([0xfe, second, ..]) if second & 0xc0 == 0x80)
}

/// Whether the kernel can reach `ip` without a gateway: by an address, or by a route without one.
fn is_neighbour(plan: &Plan, ip: Ip, interface: Option<&CStr>) -> bool {
    let on = |name: Option<&CStr>| interface.is_none() || name.is_none() || interface == name;
    let by_address = plan.networks.iter().any(|net| {
        let (address, _) = net.ends(ip.is_v4());
        net.kind != Is::Bridge && on(Some(net.name)) && address.is_some_and(|own| own.has(ip))
    });
    let by_route = plan.routes.iter().any(|route| {
        route.gateway.is_none()
            && on(route.interface_name)
            && route.destination.is_some_and(|network| network.has(ip))
    });
    is_link_local(ip) || by_address || by_route
}

fn route(plan: &Plan, n: usize, route: &Route) -> Judged {
    let Route { destination, source, gateway, interface_name, on_link } = *route;
    let mut ends = [destination, source, gateway].into_iter().flatten();
    match ends.next() {
        None => return wrong("", c"", "a route needs a destination, a source or a gateway"),
        Some(first) if ends.any(|end| end.ip.is_v4() != first.ip.is_v4()) => {
            return wrong("", c"", "a route can't mix IPv4 and IPv6");
        }
        Some(_) => {}
    }
    let local = gateway.is_some_and(|gateway| is_link_local(gateway.ip));
    if interface_name.is_none() && (gateway.is_none() || on_link || local) {
        return wrong(
            "interface_name",
            c"",
            "this route needs one: nothing else tells where it goes",
        );
    }
    if on_link && gateway.is_none() {
        return wrong("on_link", c"", "there is no gateway");
    }
    if plan.routes.iter().take(n).any(|other| same_destination(other, route)) {
        return wrong("destination", c"", "another route has the same");
    }
    let other = |net: &Network| net.ends(route.is_v4()).1.is_some() && !net.makes(route);
    if route.is_default() && plan.networks.iter().any(other) {
        return wrong("", c"", "a second default route: a network has a gateway");
    }
    if !plan.namespaces.is_new(Kind::Net) {
        return Ok(());
    }
    // In a namespace of its own nothing is but what the plan has.
    known(plan, route)
}

fn same_destination(a: &Route, b: &Route) -> bool {
    let network = |route: &Route| route.destination.map(|network| (network.ip, network.prefix));
    a.is_v4() == b.is_v4() && (network(a) == network(b) || a.is_default() && b.is_default())
}

fn known(plan: &Plan, route: &Route) -> Judged {
    let inside = || plan.networks.iter().filter(|net| net.kind != Is::Bridge);
    let there = |name: &CStr| name == c"lo" || inside().any(|net| net.name == name);
    if let Some(name) = route.interface_name.filter(|name| !there(name)) {
        return wrong("interface_name", name, "is no network of this container");
    }
    if let Some(source) = route.source {
        let own =
            |net: &Network| net.ends(source.ip.is_v4()).0.is_some_and(|own| own.ip == source.ip);
        let loopback = matches!(source.ip, Ip::V4([127, ..])) || is_link_local(source.ip);
        if !loopback && !inside().any(own) {
            return wrong("source", source.text, "is no address of this container");
        }
    }
    match route.gateway {
        Some(gateway)
            if !route.on_link && !is_neighbour(plan, gateway.ip, route.interface_name) =>
        {
            wrong("gateway", gateway.text, UNREACHABLE)
        }
        _ => Ok(()),
    }
}
