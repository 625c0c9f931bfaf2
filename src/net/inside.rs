//! The container's side: addresses and routes.

use heapless::Vec;
use rustix::io::Errno;

use super::link::number;
use super::netlink::{Requests, Socket};
use super::uapi::*;
use crate::error::{Context, Error, Object, Result};
use crate::inet::Address;
use crate::plan::{Network, Plan, Route};
use crate::syscall::netdevice::index;

/// Routes that go in one send.
const ROUTES: usize = 8;
/// As the plan's marks call the list.
const LIST: &str = "routes";

/// Brings the interface up and gives it its addresses and gateways, in one send; its index.
#[inline(never)]
pub fn configure(socket: &mut Socket, network: &Network) -> Result<u32> {
    let name = network.name;
    let index = index(socket.fd(), name).doing("find interface", name)?;
    let requests = &mut socket.requests;
    requests.link((RTM_NEWLINK, 0), index, "bring up", name);
    requests.flags(IFF_UP);
    addresses(requests, network, index, NEW);
    let mut route = Route { on_link: network.on_link, ..Route::NOTHING };
    for gateway in [&network.gateway, &network.ipv6_gateway] {
        if gateway.is_some() {
            route.gateway = *gateway;
            self::route(requests, &route, index);
        }
    }
    let sent = socket.send().map_err(|error| match error.raw() {
        Some(Errno::NETDOWN) => error.hint("what it is made on is down"),
        _ => explain_ipv6(error),
    });
    sent.map(|()| index)
}

/// Adds the plan's routes; which one is refused, `at` tells.
#[inline(never)]
pub fn routes(
    socket: &mut Socket,
    plan: &Plan,
    at: &mut Option<(&'static str, usize, &'static str)>,
) -> Result<()> {
    let made = |route: &Route| plan.networks.iter().any(|network| network.makes(route));
    let mut batch = Vec::new();
    for (n, route) in plan.routes.iter().enumerate() {
        if made(route) {
            continue;
        }
        if batch.is_full() {
            send_routes(socket, &mut batch, at)?;
        }
        *at = Some((LIST, n, ""));
        let index = match route.interface_name {
            Some(name) => index(socket.fd(), name)
                .doing("add a route by interface", name)
                // Those before it must not go with what is sent next.
                .inspect_err(|_| socket.requests.clear())?,
            None => 0,
        };
        self::route(&mut socket.requests, route, index);
        // There is room, or it was made.
        let _ = batch.push(n);
    }
    send_routes(socket, &mut batch, at)
}

#[inline(never)]
fn send_routes(
    socket: &mut Socket,
    batch: &mut Vec<usize, ROUTES>,
    at: &mut Option<(&'static str, usize, &'static str)>,
) -> Result<()> {
    let sent = socket.send().inspect_err(|_| {
        *at = batch.get(socket.refused()).map(|n| (LIST, *n, ""));
    });
    sent.map_err(explain_ipv6)?;
    batch.clear();
    Ok(())
}

/// An address or a route that the kernel knows no protocol for. IPv4 it always has, as nsinit's networks
/// need it themselves.
pub fn explain_ipv6(error: Error) -> Error {
    match error.raw() {
        Some(Errno::OPNOTSUPP | Errno::AFNOSUPPORT) if error.words().is_empty() => {
            error.hint("this kernel has no IPv6, or it is off (ipv6.disable=1 on its command line)")
        }
        _ => error,
    }
}

/// Adds the addresses of `network` to interface `index`. An IPv6 address is used at once, without a
/// search for a duplicate that would take a second (IFA_F_NODAD): nobody but the configuration gives
/// addresses in a container's network, and the command that needs its address could not wait.
pub fn addresses(requests: &mut Requests, network: &Network, index: u32, flags: u16) {
    for address in [&network.address, &network.ipv6_address] {
        let Some(Address { ip, prefix, text }) = address else { continue };
        // struct ifaddrmsg: family, prefix, flags, scope, index.
        let [a, b, c, d] = index.to_ne_bytes();
        let nodad = if ip.is_v4() { 0 } else { IFA_F_NODAD };
        let fixed = [ip.family(), *prefix, nodad, RT_SCOPE_UNIVERSE, a, b, c, d];
        requests.add((RTM_NEWADDR, flags), &fixed, "add address", *text);
        requests.attribute(IFA_LOCAL, ip.bytes());
        requests.attribute(IFA_ADDRESS, ip.bytes());
    }
}

/// Adds a route by interface `index`, which may be 0.
fn route(requests: &mut Requests, route: &Route, index: u32) {
    let Route { destination, source, gateway, .. } = route;
    let family = if route.is_v4() { 2 } else { 10 };
    let prefix = destination.map_or(0, |destination| destination.prefix);
    // Without a gateway its far end is a neighbour (ip-route(8), "scope").
    let scope = if gateway.is_none() { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE };
    let [a, b, c, d] = if route.on_link { RTNH_F_ONLINK } else { 0 }.to_ne_bytes();
    // struct rtmsg: family, prefixes, type of service, table, protocol, scope, type, flags.
    let (table, protocol, kind) = (RT_TABLE_MAIN, RTPROT_BOOT, RTN_UNICAST);
    let fixed = [family, prefix, 0, 0, table, protocol, scope, kind, a, b, c, d];
    let on = destination.map_or(Object::Str("default"), |destination| destination.text.into());
    requests.add((RTM_NEWROUTE, NEW), &fixed, "add route", on);
    for (attribute, address) in
        [(RTA_DST, destination), (RTA_GATEWAY, gateway), (RTA_PREFSRC, source)]
    {
        if let Some(address) = address {
            requests.attribute(attribute, address.ip.bytes());
        }
    }
    number(requests, RTA_OIF, index);
}
