//! `networks`, `routes`, and the single `network` of February 2014.

use core::ffi::CStr;

use super::path::Quoted;
use super::read::{File, Key, Place, Read, all, v1, v2};
use super::settle::List;
use crate::bytes::split_by;
use crate::inet::Ip;
use crate::jsonmin::Pos;
use crate::plan::{FEW, Network, NetworkKind, Route};

/// A network as the file has it.
#[derive(Clone, Copy)]
pub(super) struct NetworkEntry {
    kind: &'static CStr,
    net: Network,
    ns_path: Option<&'static CStr>,
    /// Where `address`, `gateway`, `ipv6_address` and `ipv6_gateway` are: what they must be is
    /// known only with `type`, which mostly comes last.
    at: [Pos; 4],
}

impl NetworkEntry {
    pub const EMPTY: NetworkEntry = NetworkEntry {
        kind: c"",
        net: Network {
            kind: NetworkKind::Loopback,
            name: None,
            bridge: None,
            veth_prefix: None,
            host_interface_name: None,
            mac_address: None,
            address: None,
            gateway: None,
            ipv6_address: None,
            ipv6_gateway: None,
            mtu: 0,
            txqueuelen: 0,
            hairpin_mode: false,
        },
        ns_path: None,
        at: [Pos { line: 0, col: 0 }; 4],
    };
}

pub(super) const NETWORK: &[Key] = &[
    all("type", |f| f.text().map(|s| f.network.kind = s)),
    v2("name", |f| f.interface(|f| &mut f.network.net.name)),
    all("bridge", |f| f.interface(|f| &mut f.network.net.bridge)),
    all("veth_prefix", |f| f.interface(|f| &mut f.network.net.veth_prefix)),
    v2("host_interface_name", |f| f.interface(|f| &mut f.network.net.host_interface_name)),
    all("mac_address", |f| f.mac_address()),
    all("address", |f| f.placed(0, |f| &mut f.network.net.address)),
    all("gateway", |f| f.placed(1, |f| &mut f.network.net.gateway)),
    all("ipv6_address", |f| f.placed(2, |f| &mut f.network.net.ipv6_address)),
    all("ipv6_gateway", |f| f.placed(3, |f| &mut f.network.net.ipv6_gateway)),
    // The key of the first week, and a runtime name that nobody reads.
    v1("ip", |f| f.placed(0, |f| &mut f.network.net.address)),
    v1("temp_veth", |f| f.text().map(drop)),
    all("mtu", |f| f.u32().map(|n| f.network.net.mtu = n)),
    all("txqueuelen", |f| f.u32().map(|n| f.network.net.txqueuelen = n)),
    v2("hairpin_mode", |f| f.flag().map(|on| f.network.net.hairpin_mode = on)),
    v1("ns_path", |f| f.text_to(|f| &mut f.network.ns_path)),
    v1("context", |f| f.object(CONTEXT)),
];

pub(super) const CONTEXT: &[Key] = &[
    all("bridge", |f| f.interface(|f| &mut f.network.net.bridge)),
    all("prefix", |f| f.interface(|f| &mut f.network.net.veth_prefix)),
    all("nspath", |f| f.text_to(|f| &mut f.network.ns_path)),
];

pub(super) const ROUTE: &[Key] = &[
    all("destination", |f| {
        f.address("a network with a prefix", is_cidr).map(|s| f.route.destination = s)
    }),
    all("source", |f| {
        f.address("an address", |s| is_ip(s) || is_cidr(s)).map(|s| f.route.source = s)
    }),
    all("gateway", |f| f.address("an address", is_ip).map(|s| f.route.gateway = s)),
    all("interface_name", |f| f.interface(|f| &mut f.route.interface_name)),
];

impl File<'_> {
    pub fn networks(&mut self) -> Read {
        if self.claim(List::Networks)? {
            self.plan.networks.clear();
        }
        self.kept.netns = None;
        self.list(|f| f.network())
    }

    fn network(&mut self) -> Read {
        self.network = NetworkEntry::EMPTY;
        let pos = self.json.next_pos();
        self.object(NETWORK)?;
        match self.network.kind.to_bytes() {
            // libcontainer brings lo up and looks at nothing else: "127.0.0.1/0" and the gateway
            // "localhost" of its samples were never applied.
            b"loopback" => self.push_network(NetworkEntry::EMPTY.net, pos),
            b"veth" => self.veth(pos),
            // Not an interface at all, but a network namespace to join.
            b"netns" => match self.network.ns_path {
                Some(path) => {
                    self.kept.netns = Some(path);
                    Ok(())
                }
                None => Err(self.fault_of("ns_path", pos, format_args!("type netns needs one"))),
            },
            _ => {
                let kind = Quoted(self.network.kind);
                let why = format_args!("{kind} is not loopback, veth or netns");
                Err(self.fault_of("type", pos, why))
            }
        }
    }

    /// The `network` object of February 2014: always a veth.
    pub fn first_network(&mut self) -> Read {
        if self.claim(List::Networks)? {
            self.plan.networks.clear();
        }
        self.network = NetworkEntry::EMPTY;
        let pos = self.json.next_pos();
        self.object(NETWORK)?;
        self.network.net.veth_prefix.get_or_insert(c"veth");
        self.veth(pos)
    }

    fn veth(&mut self, pos: Pos) -> Read {
        let NetworkEntry { mut net, at, .. } = self.network;
        net.kind = NetworkKind::Veth;
        if net.bridge.is_none() {
            return Err(self.fault_of("bridge", pos, format_args!("type veth needs one")));
        }
        if net.veth_prefix.is_none() && net.host_interface_name.is_none() {
            let why = format_args!("type veth needs one, or a host_interface_name");
            return Err(self.fault_of("veth_prefix", pos, why));
        }
        self.check_placed(
            "address",
            net.address,
            at[0],
            "an IPv4 address with a prefix",
            is_cidr4,
        )?;
        self.check_placed("gateway", net.gateway, at[1], "an IPv4 address", is_ip4)?;
        self.check_placed(
            "ipv6_address",
            net.ipv6_address,
            at[2],
            "an IPv6 address with a prefix",
            is_cidr6,
        )?;
        self.check_placed("ipv6_gateway", net.ipv6_gateway, at[3], "an IPv6 address", is_ip6)?;
        if (1..68).contains(&net.mtu) {
            return Err(self.fault_of("mtu", pos, format_args!("the smallest is 68")));
        }
        // libcontainer 1 had one name for the end inside (network/veth.go).
        net.name.get_or_insert(c"eth0");
        self.push_network(net, pos)
    }

    fn push_network(&mut self, net: Network, pos: Pos) -> Read {
        self.mark("networks", self.plan.networks.len(), pos);
        self.plan.networks.push(net).map_err(|_| self.full(FEW, "networks"))
    }

    pub fn route(&mut self) -> Read {
        self.route = Route { destination: None, source: None, gateway: None, interface_name: None };
        let pos = self.json.next_pos();
        self.object(ROUTE)?;
        let ends = [self.route.destination, self.route.source, self.route.gateway];
        let mut families = ends.iter().flatten().map(|end| end.to_bytes().contains(&b':'));
        match families.next() {
            None => {
                let why = "a route needs a destination, a source or a gateway";
                return Err(self.json.stop(pos, why));
            }
            Some(first) if families.any(|next| next != first) => {
                let why = "a route can't mix IPv4 and IPv6";
                return Err(self.json.stop(pos, why));
            }
            Some(_) => {}
        }
        self.mark("routes", self.plan.routes.len(), pos);
        self.plan.routes.push(self.route).map_err(|_| self.full(FEW, "routes"))
    }

    /// A text whose place in the file is remembered.
    fn placed(&mut self, n: usize, place: Place) -> Read {
        self.text_to(place)?;
        if let Some(at) = self.network.at.get_mut(n) {
            *at = self.json.pos();
        }
        Ok(())
    }

    fn check_placed(
        &mut self,
        key: &'static str,
        text: Option<&'static CStr>,
        pos: Pos,
        what: &str,
        is: fn(&[u8]) -> bool,
    ) -> Read {
        match text {
            Some(text) if !is(text.to_bytes()) => {
                Err(self.fault_of(key, pos, format_args!("{} is not {what}", Quoted(text))))
            }
            _ => Ok(()),
        }
    }

    /// An address of a route; an empty one is none.
    fn address(&mut self, what: &str, is: fn(&[u8]) -> bool) -> Read<Option<&'static CStr>> {
        match self.text_or_none()? {
            Some(text) if !is(text.to_bytes()) => {
                Err(self.composed(format_args!("{} is not {what}", Quoted(text))))
            }
            text => Ok(text),
        }
    }

    /// The name of an interface, as the kernel takes it (net/core/dev.c, dev_valid_name).
    fn interface(&mut self, place: Place) -> Read {
        let name = self.text_or_none()?;
        let bytes = name.unwrap_or(c"eth0").to_bytes();
        let bad = |byte: &u8| matches!(byte, b'/' | b':') || byte.is_ascii_whitespace();
        if bytes.len() > 15 || bytes.iter().any(bad) || bytes == b"." || bytes == b".." {
            return Err(self.fault("no name for an interface: 15 bytes at most, no blank, / or :"));
        }
        *place(self) = name;
        Ok(())
    }

    fn mac_address(&mut self) -> Read {
        let text = self.text_or_none()?;
        let hex = |part: &[u8]| part.len() == 2 && part.iter().all(u8::is_ascii_hexdigit);
        let is = |text: &CStr| {
            let mut parts = split_by(text.to_bytes(), b':');
            parts.by_ref().take(6).filter(|part| hex(part)).count() == 6 && parts.next().is_none()
        };
        if text.is_some_and(|text| !is(text)) {
            return Err(self
                .fault("expected a MAC address: six bytes in hexadecimal, as 02:42:ac:11:00:02"));
        }
        self.network.net.mac_address = text;
        Ok(())
    }
}

fn is_ip4(text: &[u8]) -> bool {
    Ip::parse(text).is_some_and(Ip::is_v4)
}

fn is_ip6(text: &[u8]) -> bool {
    Ip::parse(text).is_some_and(|ip| !ip.is_v4())
}

fn is_ip(text: &[u8]) -> bool {
    Ip::parse(text).is_some()
}

fn is_cidr4(text: &[u8]) -> bool {
    Ip::parse_with_prefix(text).is_some_and(|(ip, _)| ip.is_v4())
}

fn is_cidr6(text: &[u8]) -> bool {
    Ip::parse_with_prefix(text).is_some_and(|(ip, _)| !ip.is_v4())
}

fn is_cidr(text: &[u8]) -> bool {
    Ip::parse_with_prefix(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        assert!(is_ip4(b"1.2.3.4") && is_ip(b"1.2.3.4") && !is_ip6(b"1.2.3.4"));
        assert!(is_ip6(b"::1") && is_ip(b"::1") && !is_ip4(b"::1"));
        assert!(is_cidr4(b"1.2.3.4/8") && is_cidr(b"1.2.3.4/8") && !is_cidr6(b"1.2.3.4/8"));
        assert!(is_cidr6(b"::1/64") && is_cidr(b"::1/64") && !is_cidr4(b"::1/64"));
    }
}
