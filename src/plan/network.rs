//! Interfaces and routes of a plan.

use core::ffi::CStr;

use crate::bytes::CNames;
use crate::inet::{Address, Ip};

/// Longest name of an interface: IFNAMSIZ (include/uapi/linux/if.h) without the NUL.
pub const NAME_MAX: usize = 15;
/// With less than that an interface has no IPv6 (include/linux/ipv6.h).
pub const IPV6_MIN_MTU: u32 = 1280;
/// Longest `veth_prefix`: four characters at least make the name one of its own.
pub const VETH_PREFIX_MAX: usize = NAME_MAX - 4;

/// An interface of the container; with kind `Bridge`, one of the host. What a kind has no use for
/// is `None`, 0 or false; `check` sees to it, and to what a kind can't do without.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// What kind.
    pub kind: NetworkKind,
    /// Name inside; that of a bridge is on the host.
    pub name: &'static CStr,
    /// `Veth`, never `None`: the bridge on the host that it is a port of.
    pub bridge: Option<&'static CStr>,
    /// `Veth`: what the name of the end on the host begins with, where it has no name of its own.
    pub veth_prefix: Option<&'static CStr>,
    /// `Veth`: the name of the end on the host. `Phys`, never `None`: the interface that is moved in.
    pub host_interface_name: Option<&'static CStr>,
    /// `Macvlan`, `Macvtap`, `Vlan`, `Ipvlan`, never `None`: the interface of the host that it is
    /// made on.
    pub parent: Option<&'static CStr>,
    /// MAC address: of the end inside, of a bridge.
    pub mac_address: Option<[u8; 6]>,
    /// IPv4 address and prefix.
    pub address: Option<Address>,
    /// Gateway of the default route.
    pub gateway: Option<Address>,
    /// IPv6 address and prefix.
    pub ipv6_address: Option<Address>,
    /// Gateway of the default route of IPv6.
    pub ipv6_gateway: Option<Address>,
    /// The gateways are neighbours, whatever the addresses say (RTNH_F_ONLINK).
    pub on_link: bool,
    /// Bytes; 0 leaves it.
    pub mtu: u32,
    /// Packets; 0 leaves it.
    pub txqueuelen: u32,
    /// `Veth`: hairpin mode of the bridge port.
    pub hairpin_mode: bool,
    /// `Bridge`: is made if there is none of this name, and goes with its last user.
    pub create: bool,
    /// `Vlan`: 1 to 4094.
    pub id: u16,
    /// `Macvlan`, `Macvtap`: MACVLAN_MODE_*; `Ipvlan`: IPVLAN_MODE_*.
    pub mode: u32,
}

impl Network {
    /// One of this kind with this name, and nothing else said.
    pub const fn new(kind: NetworkKind, name: &'static CStr) -> Network {
        Network {
            kind,
            name,
            bridge: None,
            veth_prefix: None,
            host_interface_name: None,
            parent: None,
            mac_address: None,
            address: None,
            gateway: None,
            ipv6_address: None,
            ipv6_gateway: None,
            on_link: false,
            mtu: 0,
            txqueuelen: 0,
            hairpin_mode: false,
            create: false,
            id: 0,
            mode: 0,
        }
    }
}

impl Network {
    /// Address and gateway in one of the families.
    pub fn ends(&self, v4: bool) -> (Option<&Address>, Option<&Address>) {
        let (address, gateway) = match v4 {
            true => (&self.address, &self.gateway),
            false => (&self.ipv6_address, &self.ipv6_gateway),
        };
        (address.as_ref(), gateway.as_ref())
    }

    /// Whether it has its parent's MAC address (MACVLAN_MODE_PASSTHRU).
    pub fn is_passthru(&self) -> bool {
        self.kind != NetworkKind::Ipvlan && self.mode == 8
    }

    /// Whether its gateway makes this default route already: files of 2014 have it twice. Where it
    /// does, the kernel refuses a second one.
    pub fn makes(&self, route: &Route) -> bool {
        let (_, gateway) = self.ends(route.is_v4());
        route.network().is_none()
            && gateway.map(|gateway| gateway.ip) == route.gateway.map(|gateway| gateway.ip)
            && gateway.is_some()
            && route.source.is_none()
            && route.interface_name.is_none_or(|name| name == self.name)
    }
}

/// Kinds of interfaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetworkKind {
    /// lo is brought up, nothing else.
    Loopback,
    /// A pair, one end inside, the other a port of a bridge.
    Veth,
    /// A bridge of the host. Only one that the plan creates has an address and the like.
    Bridge,
    /// A MAC address of its own on an interface of the host.
    Macvlan,
    /// The same with a character device, for virtual machines.
    Macvtap,
    /// An IEEE 802.1Q network on an interface of the host.
    Vlan,
    /// An address of its own behind the MAC address of an interface of the host.
    Ipvlan,
    /// One that drops all that it is given.
    Dummy,
    /// An interface of the host that is moved in, and given back.
    Phys,
}

impl NetworkKind {
    /// All of them.
    pub const ALL: [NetworkKind; 9] = [
        NetworkKind::Loopback,
        NetworkKind::Veth,
        NetworkKind::Bridge,
        NetworkKind::Macvlan,
        NetworkKind::Macvtap,
        NetworkKind::Vlan,
        NetworkKind::Ipvlan,
        NetworkKind::Dummy,
        NetworkKind::Phys,
    ];

    /// The names of its modes and the kernel's numbers for them, the default first
    /// (include/uapi/linux/if_link.h; the names are those of ip-link(8)).
    pub const fn modes(self) -> &'static [(&'static CStr, u32)] {
        match self {
            NetworkKind::Macvlan | NetworkKind::Macvtap => {
                &[(c"bridge", 4), (c"private", 1), (c"vepa", 2), (c"passthru", 8)]
            }
            NetworkKind::Ipvlan => &[(c"l2", 0), (c"l3", 1), (c"l3s", 2)],
            _ => &[],
        }
    }

    /// Its name in container.json; but for `Loopback` and `Phys`, the kernel's too (IFLA_INFO_KIND).
    pub fn name(self) -> &'static CStr {
        let names = CNames("loopback\0veth\0bridge\0macvlan\0macvtap\0vlan\0ipvlan\0dummy\0phys\0");
        names.at(self as usize).unwrap_or(c"")
    }
}

/// A route inside the container. All its addresses are of one family, and there is at least one.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Network and prefix; `None` is the default route.
    pub destination: Option<Address>,
    /// Preferred source address; its prefix says nothing.
    pub source: Option<Address>,
    /// Gateway.
    pub gateway: Option<Address>,
    /// Interface; where there is none, the gateway tells.
    pub interface_name: Option<&'static CStr>,
    /// The gateway is a neighbour, whatever the addresses say (RTNH_F_ONLINK). Has an interface.
    pub on_link: bool,
}

impl Route {
    /// None yet.
    pub const NOTHING: Route = Route {
        destination: None,
        source: None,
        gateway: None,
        interface_name: None,
        on_link: false,
    };

    /// The network that it leads to; `None`: it is the default route.
    pub fn network(&self) -> Option<(Ip, u8)> {
        let network = self.destination.as_ref().filter(|network| network.prefix != 0)?;
        Some((network.ip, network.prefix))
    }

    /// Its addresses.
    pub fn ends(&self) -> impl Iterator<Item = &Address> {
        [&self.destination, &self.source, &self.gateway].into_iter().flatten()
    }

    /// Whether it is one of IPv4.
    #[inline(never)]
    pub fn is_v4(&self) -> bool {
        self.ends().all(|end| end.ip.is_v4())
    }
}
