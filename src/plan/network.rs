//! Interfaces and routes of a plan.

use core::ffi::CStr;

/// An interface.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// What kind.
    pub kind: NetworkKind,
    /// Name inside.
    pub name: Option<&'static CStr>,
    /// Bridge on the host.
    pub bridge: Option<&'static CStr>,
    /// Prefix of the host's end of a veth.
    pub veth_prefix: Option<&'static CStr>,
    /// Name of the host's end of a veth.
    pub host_interface_name: Option<&'static CStr>,
    /// MAC address.
    pub mac_address: Option<&'static CStr>,
    /// IPv4 address and prefix.
    pub address: Option<&'static CStr>,
    /// IPv4 gateway.
    pub gateway: Option<&'static CStr>,
    /// IPv6 address and prefix.
    pub ipv6_address: Option<&'static CStr>,
    /// IPv6 gateway.
    pub ipv6_gateway: Option<&'static CStr>,
    /// Bytes; 0 leaves it.
    pub mtu: u32,
    /// Packets; 0 leaves it.
    pub txqueuelen: u32,
    /// Hairpin mode of the bridge port.
    pub hairpin_mode: bool,
}

/// Kinds of interfaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetworkKind {
    /// lo.
    Loopback,
    /// A pair, one end inside.
    Veth,
}

/// A route inside the container.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Network and prefix; `None` is the default route.
    pub destination: Option<&'static CStr>,
    /// Preferred source address.
    pub source: Option<&'static CStr>,
    /// Gateway.
    pub gateway: Option<&'static CStr>,
    /// Interface.
    pub interface_name: Option<&'static CStr>,
}
