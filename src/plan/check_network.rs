//! What can be refused of networks and routes before anything is made.

use core::ffi::CStr;

use super::check::{Finding, Findings};
use super::{IPV6_MIN_MTU, Kind, Network, NetworkKind as Is, Plan, Route, VETH_PREFIX_MAX};
use crate::bytes::Names;
use crate::inet::Ip;

/// The network or route that is looked at, and where it is told what can't be about it.
struct Member<'a, 'b> {
    plan: &'a Plan,
    part: &'static str,
    index: usize,
    found: &'a mut Findings<'b>,
}

impl Member<'_, '_> {
    /// Refuses a key, with its text.
    #[cold]
    #[inline(never)]
    fn wrong(&mut self, key: &'static str, text: &'static CStr, why: &'static str) {
        let (part, index) = (self.part, Some(self.index));
        (self.found.0)(Finding { part, index, key, text, why });
    }
}

/// Refuses what would change the host's network, what the kernel is known to refuse, and what it
/// would take in silence and do nothing with.
pub(super) fn net(plan: &Plan, found: &mut Findings) {
    if !plan.namespaces.is_apart(Kind::Net) {
        let why = "without a network namespace it would change the host's network (add NEWNET)";
        found.refuse_if(!plan.networks.is_empty(), "networks", why);
        found.refuse_if(!plan.routes.is_empty(), "routes", why);
    }
    for (index, net) in plan.networks.iter().enumerate() {
        network(&mut Member { plan, part: "networks", index, found }, net);
    }
    // Where a network could not be read, nobody knows what they lead to.
    if plan.is_faulty("networks") {
        return;
    }
    for (index, entry) in plan.routes.iter().enumerate() {
        route(&mut Member { plan, part: "routes", index, found }, entry);
    }
}

/// The keys of a network, as the bits below number them.
const KEYS: Names = Names(
    "name bridge veth_prefix host_interface_name parent id hairpin_mode create on_link gateway \
     ipv6_gateway mac_address address ipv6_address mtu txqueuelen",
);
const NAME: u16 = 1;
const BRIDGE: u16 = 1 << 1;
const PREFIX: u16 = 1 << 2;
const HOST: u16 = 1 << 3;
const PARENT: u16 = 1 << 4;
const ID: u16 = 1 << 5;
const HAIRPIN: u16 = 1 << 6;
const CREATE: u16 = 1 << 7;
const GATEWAYS: u16 = 0b111 << 8;
const MAC: u16 = 1 << 11;
const SETTINGS: u16 = 0b1_1111 << 11;

/// The keys that a kind needs, and those that it can have besides.
const fn keys_of(kind: Is) -> (u16, u16) {
    const INSIDE: u16 = GATEWAYS | SETTINGS;
    match kind {
        Is::Loopback => (0, !0),
        Is::Veth => (NAME | BRIDGE, PREFIX | HOST | HAIRPIN | INSIDE),
        Is::Bridge => (NAME, CREATE | SETTINGS),
        Is::Macvlan | Is::Macvtap => (NAME | PARENT, INSIDE),
        Is::Vlan => (NAME | PARENT | ID, INSIDE),
        // It has the MAC address of its parent.
        Is::Ipvlan => (NAME | PARENT, INSIDE & !MAC),
        Is::Dummy => (NAME, INSIDE),
        Is::Phys => (NAME | HOST, INSIDE),
    }
}

impl Network {
    /// The keys that it has, a bit for each.
    pub fn given(&self) -> u16 {
        let net = self;
        let given = [
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
        ];
        given.iter().rev().fold(0, |bits, given| bits << 1 | u16::from(*given))
    }
}

fn network(member: &mut Member, net: &Network) {
    if !keys(member, net) || net.kind == Is::Loopback {
        return;
    }
    names(member, net);
    if net.mac_address.is_some() && net.is_passthru() {
        member.wrong("mac_address", c"passthru", "is a mode in which it has its parent's");
    }
    match net.mac_address {
        Some([first, ..]) if first & 1 == 1 => {
            let why = "a multicast address, as the first byte is odd: no interface can have it";
            member.wrong("mac_address", c"", why);
        }
        Some([0, 0, 0, 0, 0, 0]) => member.wrong("mac_address", c"", "no interface can have it"),
        _ => {}
    }
    // include/net/ip.h, IPV4_MIN_MTU
    let least = if net.ipv6_address.or(net.ipv6_gateway).is_some() { IPV6_MIN_MTU } else { 68 };
    if net.mtu != 0 && !(least..=0xffff).contains(&net.mtu) {
        member.wrong("mtu", c"", "it can be 68 to 65535, with IPv6 from 1280");
    }
    if net.on_link && net.gateway.is_none() && net.ipv6_gateway.is_none() {
        member.wrong("on_link", c"", "there is no gateway");
    }
    family(member, net, true);
    family(member, net, false);
}

/// Whether it has the keys that its kind needs, and no others.
fn keys(member: &mut Member, net: &Network) -> bool {
    let given = net.given();
    let (needs, can) = keys_of(net.kind);
    let first = |keys: u16| KEYS.at(keys.trailing_zeros() as usize);
    if let Some(key) = first(given & !(needs | can)) {
        member.wrong(key, net.kind.name(), "is a type that has none");
    } else if let Some(key) = first(needs & !given) {
        member.wrong(key, net.kind.name(), "is a type that needs one");
    } else if net.kind == Is::Veth && given & (PREFIX | HOST) == 0 {
        member.wrong("veth_prefix", c"veth", "needs one, or a host_interface_name");
    } else if let Some(key) =
        first(given & SETTINGS).filter(|_| net.kind == Is::Bridge && !net.create)
    {
        member.wrong(key, net.name, "is left as it is without \"create\": true");
    } else {
        return true;
    }
    false
}

fn names(member: &mut Member, net: &Network) {
    if net.name == c"lo" {
        member.wrong("name", net.name, "is the loopback's name");
    }
    // In /proc/sys/net/ipv4/conf (net/ipv4/devinet.c, sysctl_dev_name_is_allowed).
    if net.name == c"all" || net.name == c"default" {
        member.wrong("name", net.name, "is a name that stands for all interfaces");
    }
    if net.veth_prefix.is_some_and(|prefix| prefix.count_bytes() > VETH_PREFIX_MAX) {
        member.wrong("veth_prefix", c"", "11 bytes at most: nsinit completes it");
    }
    for other in member.plan.networks.iter().take(member.index) {
        // A bridge's name is one of the host.
        if other.name == net.name && (other.kind == Is::Bridge) == (net.kind == Is::Bridge) {
            member.wrong("name", net.name, "is the name of another network");
        }
        match net.host_interface_name {
            Some(host) if other.host_interface_name == Some(host) => {
                member.wrong("host_interface_name", host, "is that of another network");
            }
            _ => {}
        }
    }
}

fn family(member: &mut Member, net: &Network, v4: bool) {
    let (address, gateway) = net.ends(v4);
    let keys = if v4 { ["address", "gateway"] } else { ["ipv6_address", "ipv6_gateway"] };
    if let Some(address) = address.filter(|address| !is_unicast(&address.ip)) {
        return member.wrong(keys[0], address.text, "is not the address of one interface");
    }
    let Some(gateway) = gateway else { return };
    let mut before = member.plan.networks.iter().take(member.index);
    let why = if !is_unicast(&gateway.ip) || address.is_some_and(|own| own.ip == gateway.ip) {
        "can't be a gateway"
    } else if !net.on_link && !is_neighbour(member.plan, &gateway.ip, Some(net.name), 0) {
        UNREACHABLE
    } else if before.any(|other| other.ends(v4).1.is_some()) {
        "is one too many: another network has the default route"
    } else {
        return;
    };
    member.wrong(keys[1], gateway.text, why);
}

const UNREACHABLE: &str =
    "is in no network of its interface (with \"on_link\": true, it is a neighbour nevertheless)";

/// One that a single interface can have.
fn is_unicast(ip: &Ip) -> bool {
    match ip {
        Ip::V4([first, ..]) => (1..224).contains(first),
        Ip::V6(bytes) => bytes[0] != 0xff && *bytes != [0; 16],
    }
}

/// fe80::/10, which every interface has.
fn is_link_local(ip: &Ip) -> bool {
    matches!(ip, Ip::V6([0xfe, second, ..]) if second & 0xc0 == 0x80)
}

/// The interfaces that are inside.
fn inside(plan: &Plan) -> impl Iterator<Item = &Network> {
    plan.networks.iter().filter(|net| net.kind != Is::Bridge)
}

/// Whether the kernel can reach `ip` without a gateway: by an address, or by one of the first `routes`
/// routes if that has none. (The gateways of networks come before all routes.)
fn is_neighbour(plan: &Plan, ip: &Ip, interface: Option<&CStr>, routes: usize) -> bool {
    let on = |name: Option<&CStr>| interface.is_none() || name.is_none() || interface == name;
    let by_address =
        |net: &Network| on(Some(net.name)) && net.ends(ip.is_v4()).0.is_some_and(|own| own.has(ip));
    let by_route = |route: &Route| {
        let network = route.destination.as_ref().filter(|_| route.gateway.is_none());
        on(route.interface_name) && network.is_some_and(|network| network.has(ip))
    };
    is_link_local(ip)
        || inside(plan).any(by_address)
        || plan.routes.iter().take(routes).any(by_route)
}

fn route(member: &mut Member, route: &Route) {
    let (plan, v4) = (member.plan, route.is_v4());
    let mut ends = route.ends();
    let Some(first) = ends.next() else {
        return member.wrong("", c"", "a route needs a destination, a source or a gateway");
    };
    if ends.any(|end| end.ip.is_v4() != first.ip.is_v4()) {
        return member.wrong("", c"", "a route can't mix IPv4 and IPv6");
    }
    let unclear = match &route.gateway {
        Some(gateway) => route.on_link || is_link_local(&gateway.ip),
        None if route.on_link => return member.wrong("on_link", c"", "there is no gateway"),
        None => true,
    };
    if route.interface_name.is_none() && unclear {
        let why = "this route needs one: nothing else tells where it goes";
        return member.wrong("interface_name", c"", why);
    }
    let network = route.network();
    let same = |other: &Route| other.is_v4() == v4 && other.network() == network;
    if plan.routes.iter().take(member.index).any(same) {
        member.wrong("destination", c"", "another route has the same");
    }
    let other = |net: &Network| net.ends(v4).1.is_some() && !net.makes(route);
    if network.is_none() && plan.networks.iter().any(other) {
        member.wrong("", c"", "a second default route: a network has a gateway");
    }
    // In a namespace of its own nothing is but what the plan has.
    if plan.namespaces.is_new(Kind::Net) {
        known(member, route);
    }
}

fn known(member: &mut Member, route: &Route) {
    let (plan, interface) = (member.plan, route.interface_name);
    let there = |name: &CStr| inside(plan).any(|net| net.name == name);
    if let Some(name) = interface.filter(|name| !there(name)) {
        return member.wrong("interface_name", name, "is no network of this container");
    }
    let is_own = |ip: &Ip| {
        let own = |net: &Network| net.ends(ip.is_v4()).0.is_some_and(|own| own.ip == *ip);
        inside(plan).any(own)
    };
    if let Some(source) = &route.source {
        let loopback = matches!(source.ip, Ip::V4([127, ..])) || is_link_local(&source.ip);
        if !loopback && !is_own(&source.ip) {
            member.wrong("source", source.text, "is no address of this container");
        }
    }
    let Some(gateway) = &route.gateway else { return };
    if is_own(&gateway.ip) {
        member.wrong("gateway", gateway.text, "can't be a gateway");
    } else if !route.on_link && !is_neighbour(plan, &gateway.ip, interface, member.index) {
        member.wrong("gateway", gateway.text, UNREACHABLE);
    }
}
