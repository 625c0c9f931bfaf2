//! Links: the request that makes one of each kind.

use core::ffi::CStr;

use rustix::fd::{AsRawFd, BorrowedFd};

use super::netlink::{LINK, Requests};
use super::uapi::*;
use crate::plan::{IPV6_MIN_MTU, Network, NetworkKind};

/// The interface group of all that nsinit makes on the host ("ns"): by it, and nothing else, it knows
/// what it may take away. A mark that a link has from the moment that it is made; its alias would
/// come later, when the launcher may be dead.
pub const GROUP: u32 = 0x6e73;

/// What a link of the container is made from, on the host.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// Where it goes: the container's network namespace.
    pub namespace: BorrowedFd<'a>,
    /// The index of the bridge, of the parent, or of the interface itself; 0 where there is none.
    pub index: u32,
    /// What it is called in there, at first.
    pub name: &'static CStr,
    /// The veth's end on the host: its name and its MAC address.
    pub host: Option<(&'static CStr, [u8; 6])>,
}

/// The request that makes `network`'s link, or moves it in. It is made where it will be: it has never
/// been on the host (the host's end of a veth, which is up and a port at once, is).
pub fn make(requests: &mut Requests, network: &Network, origin: &Origin) {
    match network.kind {
        NetworkKind::Veth => return veth(requests, network, origin),
        NetworkKind::Phys => {
            let doing = "move the interface in as";
            requests.link((RTM_NEWLINK, 0), origin.index, doing, network.name);
        }
        _ => requests.link((RTM_NEWLINK, NEW), 0, "make interface", network.name),
    }
    own(requests, network, origin.name);
    number(requests, IFLA_NET_NS_FD, origin.namespace.as_raw_fd() as u32);
    if network.kind == NetworkKind::Phys {
        return;
    }
    number(requests, IFLA_LINK, origin.index);
    let nest = kind(requests, network.kind);
    let data = requests.begin(IFLA_INFO_DATA);
    let mode = network.mode.to_ne_bytes();
    match network.kind {
        NetworkKind::Vlan => requests.attribute(FIRST, &network.id.to_ne_bytes()),
        NetworkKind::Macvlan | NetworkKind::Macvtap => requests.attribute(FIRST, &mode),
        NetworkKind::Ipvlan => requests.attribute(FIRST, &(network.mode as u16).to_ne_bytes()),
        _ => {}
    }
    requests.end(data);
    requests.end(nest);
}

/// The end inside can't be brought up by the same request: it has no other end yet when the kernel
/// looks at its flags (veth_newlink in drivers/net/veth.c).
fn veth(requests: &mut Requests, network: &Network, origin: &Origin) {
    let (name, mac) = origin.host.unwrap_or_default();
    requests.link((RTM_NEWLINK, NEW), 0, "make interface", network.name);
    requests.flags(IFF_UP);
    on_host(requests, network, name, mac);
    // A bridge has the least MTU of its ports (br_mtu_auto_adjust), and would lose its IPv6 addresses.
    number(requests, IFLA_MTU, if network.mtu == 0 { 0 } else { network.mtu.max(IPV6_MIN_MTU) });
    number(requests, IFLA_MASTER, origin.index);
    let nest = kind(requests, network.kind);
    let data = requests.begin(IFLA_INFO_DATA);
    let peer = requests.begin_with(VETH_INFO_PEER, &[0; LINK]);
    own(requests, network, origin.name);
    number(requests, IFLA_NET_NS_FD, origin.namespace.as_raw_fd() as u32);
    requests.end(peer);
    requests.end(data);
    requests.end(nest);
}

/// The request that makes a bridge on the host, up, with a MAC address that it keeps: one that the
/// kernel chose would change with its ports.
pub fn bridge(requests: &mut Requests, network: &Network, mac: [u8; 6]) {
    requests.link((RTM_NEWLINK, NEW), 0, "make bridge", network.name);
    requests.flags(IFF_UP);
    on_host(requests, network, network.name, network.mac_address.unwrap_or(mac));
    let nest = kind(requests, network.kind);
    requests.end(nest);
}

/// The request that sets the mode of bridge port `index`.
pub fn hairpin(requests: &mut Requests, index: u32, name: &'static CStr) {
    requests.link((RTM_NEWLINK, 0), index, "set hairpin mode of", name);
    let nest = requests.begin(IFLA_LINKINFO);
    requests.attribute(IFLA_INFO_SLAVE_KIND, b"bridge");
    let data = requests.begin(IFLA_INFO_SLAVE_DATA);
    requests.attribute(IFLA_BRPORT_MODE, &[1]);
    requests.end(data);
    requests.end(nest);
}

fn on_host(requests: &mut Requests, network: &Network, name: &CStr, mac: [u8; 6]) {
    requests.attribute(IFLA_IFNAME, name.to_bytes_with_nul());
    requests.attribute(IFLA_ADDRESS, &mac);
    number(requests, IFLA_TXQLEN, network.txqueuelen);
    number(requests, IFLA_GROUP, GROUP);
}

fn own(requests: &mut Requests, network: &Network, name: &CStr) {
    requests.attribute(IFLA_IFNAME, name.to_bytes_with_nul());
    if let Some(mac) = &network.mac_address {
        requests.attribute(IFLA_ADDRESS, mac);
    }
    number(requests, IFLA_MTU, network.mtu);
    number(requests, IFLA_TXQLEN, network.txqueuelen);
}

/// Opens the kind's nest.
fn kind(requests: &mut Requests, kind: NetworkKind) -> super::netlink::Nest {
    let nest = requests.begin(IFLA_LINKINFO);
    requests.attribute(IFLA_INFO_KIND, kind.name().to_bytes());
    nest
}

/// 0 leaves what the kernel chooses.
pub fn number(requests: &mut Requests, attribute: u16, value: u32) {
    if value != 0 {
        requests.attribute(attribute, &value.to_ne_bytes());
    }
}
