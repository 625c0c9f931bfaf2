//! `networks`, and the single `network` of February 2014.

use core::ffi::CStr;
use core::fmt;

use super::path::Quoted;
use super::read::{File, Read};
use super::settle::List;
use super::table::{Keys, Slot, keys};
use crate::bytes::{number, split_by};
use crate::inet::{Address, Ip};
use crate::jsonmin::{Pos, Stop};
use crate::plan::{FEW, NAME_MAX, Network, NetworkKind};

/// A network as the file has it: what a text must be is known only with `type`, which mostly comes
/// last.
#[derive(Clone, Copy)]
pub(super) struct NetworkEntry {
    kind: Option<&'static CStr>,
    name: Option<&'static CStr>,
    mode: Option<&'static CStr>,
    /// `address`, `gateway`, `ipv6_address`, `ipv6_gateway`.
    addresses: [Option<&'static CStr>; 4],
    ns_path: Option<&'static CStr>,
    pub net: Network,
}

impl NetworkEntry {
    pub const EMPTY: NetworkEntry = NetworkEntry {
        kind: None,
        name: None,
        mode: None,
        addresses: [None; 4],
        ns_path: None,
        net: Network::new(NetworkKind::Loopback, c""),
    };

    /// Becomes what a file would have of this network.
    pub fn load(&mut self, net: &Network) {
        let mode = net.kind.modes().iter().find(|(_, mode)| *mode == net.mode);
        *self = NetworkEntry {
            kind: Some(net.kind.name()),
            name: Some(net.name).filter(|_| net.kind != NetworkKind::Loopback),
            mode: mode.map(|(name, _)| *name),
            addresses: [&net.address, &net.gateway, &net.ipv6_address, &net.ipv6_gateway].map(text),
            ns_path: None,
            net: *net,
        };
    }
}

/// An address as the file has it.
pub(super) fn text(address: &Option<Address>) -> Option<&'static CStr> {
    address.as_ref().map(|address| address.text)
}

pub(super) const NETWORK: &Keys = &keys!(
    [
        all("type", |f| Slot::Text(&mut f.network.kind)),
        all("name", |f| Slot::Interface(&mut f.network.name)),
        all("bridge", |f| Slot::Interface(&mut f.network.net.bridge)),
        all("veth_prefix", |f| Slot::Interface(&mut f.network.net.veth_prefix)),
        all("host_interface_name", |f| Slot::Interface(&mut f.network.net.host_interface_name)),
        // nsinit's own, these two.
        all("parent", |f| Slot::Interface(&mut f.network.net.parent)),
        all("mode", |f| Slot::Text(&mut f.network.mode)),
        all("address", |f| Slot::Text(&mut f.network.addresses[0])),
        all("gateway", |f| Slot::Text(&mut f.network.addresses[1])),
        all("ipv6_address", |f| Slot::Text(&mut f.network.addresses[2])),
        all("ipv6_gateway", |f| Slot::Text(&mut f.network.addresses[3])),
        // The key of the first week.
        v1("ip", |f| Slot::Text(&mut f.network.addresses[0])),
        all("mtu", |f| Slot::U32(&mut f.network.net.mtu)),
        all("txqueuelen", |f| Slot::U32(&mut f.network.net.txqueuelen)),
        all("hairpin_mode", |f| Slot::Flag(&mut f.network.net.hairpin_mode)),
        v1("ns_path", |f| Slot::Text(&mut f.network.ns_path)),
        // nsinit's own.
        all("create", |f| Slot::Flag(&mut f.network.net.create)),
        all("on_link", |f| Slot::Flag(&mut f.network.net.on_link)),
    ],
    [
        all("mac_address", |f| f.mac_address()),
        // A runtime name that nobody reads.
        v1("temp_veth", |f| f.text().map(drop)),
        v1("context", |f| f.object(CONTEXT)),
        all("id", |f| f.int(0, 4094).map(|n| f.network.net.id = n as u16)),
    ]
);

pub(super) const CONTEXT: &Keys = &keys!(
    [
        all("bridge", |f| Slot::Interface(&mut f.network.net.bridge)),
        all("prefix", |f| Slot::Interface(&mut f.network.net.veth_prefix)),
        all("nspath", |f| Slot::Text(&mut f.network.ns_path)),
    ],
    []
);

impl File<'_> {
    pub fn networks(&mut self) -> Read {
        if self.claim(List::Networks)? {
            self.plan.networks.clear();
        }
        self.kept.netns = None;
        self.list(|f| f.network(|f| f.network.kind.unwrap_or(c"")))
    }

    /// The `network` object of February 2014: always a veth.
    pub fn first_network(&mut self) -> Read {
        if self.claim(List::Networks)? {
            self.plan.networks.clear();
        }
        self.network(|f| {
            f.network.net.veth_prefix.get_or_insert(c"veth");
            c"veth"
        })
    }

    fn network(&mut self, kind: fn(&mut File) -> &'static CStr) -> Read {
        self.network_reset();
        self.member("networks", self.plan.networks.len(), NETWORK)?;
        self.network.net.name = self.network.name.unwrap_or(c"");
        let name = kind(self);
        match NetworkKind::ALL.into_iter().find(|kind| kind.name() == name) {
            // libcontainer brings lo up and looks at nothing else: "127.0.0.1/0" and the gateway
            // "localhost" of its samples were never applied.
            Some(NetworkKind::Loopback) => {
                self.network_reset();
                self.network.net.name = c"lo";
            }
            Some(kind) => self.interface_of(kind)?,
            None if name == c"netns" => return self.netns(),
            None => {
                let why =
                    "loopback, veth, bridge, macvlan, macvtap, vlan, ipvlan, dummy, phys or netns";
                return Err(self.at("type", format_args!("{} is not {why}", Quoted(name))));
            }
        }
        self.plan.networks.push(self.network.net).map_err(|_| self.full(FEW, "networks"))
    }

    #[inline(never)]
    fn network_reset(&mut self) {
        self.network = NetworkEntry::EMPTY;
    }

    /// Not an interface at all, but a network namespace to join.
    fn netns(&mut self) -> Read {
        let NetworkEntry { mode, addresses, net, .. } = &self.network;
        let more = mode.is_some() || *addresses != [None; 4] || net.given() != 0;
        match (self.network.ns_path, self.kept.netns) {
            (Some(_), _) if more => {
                Err(self.at("type", format_args!("netns has no key but ns_path")))
            }
            (Some(_), Some(_)) => Err(self.at("type", format_args!("there is a netns already"))),
            (None, _) => Err(self.at("ns_path", format_args!("type netns needs one"))),
            (path, None) => {
                self.kept.netns = path;
                let pos = self.place_of("ns_path");
                self.mark("netns", 0, pos);
                Ok(())
            }
        }
    }

    /// Reads what depends on the type. What a type needs or can't use is for `plan::check`.
    fn interface_of(&mut self, kind: NetworkKind) -> Read {
        let entry = &mut self.network;
        entry.net.kind = kind;
        if kind == NetworkKind::Bridge && entry.net.name.is_empty() {
            entry.net.name = entry.net.bridge.take().unwrap_or(c"");
        }
        if let Some(path) = entry.ns_path {
            let why = format_args!("{} is for type netns alone", Quoted(path));
            return Err(self.at("ns_path", why));
        }
        let wanted = entry.mode;
        let mut modes = kind.modes().iter();
        match modes.find(|(name, _)| wanted.is_none_or(|mode| mode == *name)) {
            Some((_, mode)) => entry.net.mode = *mode,
            None => {
                if let Some(mode) = wanted {
                    let kind = Quoted(kind.name());
                    let why = format_args!("{} is no mode of type {kind}", Quoted(mode));
                    return Err(self.at("mode", why));
                }
            }
        }
        self.late(0, |net| &mut net.address)?;
        self.late(1, |net| &mut net.gateway)?;
        self.late(2, |net| &mut net.ipv6_address)?;
        self.late(3, |net| &mut net.ipv6_gateway)
    }

    /// An address that was read before its type was.
    #[inline(never)]
    fn late(&mut self, n: usize, place: fn(&mut Network) -> &mut Option<Address>) -> Read {
        let Some(text) = self.network.addresses.get(n).copied().flatten() else { return Ok(()) };
        let (v4, prefix) = (n < 2, n.is_multiple_of(2));
        let found = address(text, prefix, !prefix).filter(|address| address.ip.is_v4() == v4);
        if found.is_some() {
            *place(&mut self.network.net) = found;
            return Ok(());
        }
        let key = ["address", "gateway", "ipv6_address", "ipv6_gateway"][n % 4];
        let (version, with) =
            (if v4 { "4" } else { "6" }, if prefix { " with a prefix" } else { "" });
        Err(self.at(key, format_args!("{} is not an IPv{version} address{with}", Quoted(text))))
    }

    /// Interfaces without a name are called eth0, eth1, …, which in libcontainer 1 was the one name
    /// there was (network/veth.go); one that is moved in keeps its own.
    pub fn name_networks(&mut self) -> Read {
        for n in 0..self.plan.networks.len() {
            let Some(net) = self.plan.networks.get(n).filter(|net| net.name.is_empty()) else {
                continue;
            };
            let name = match net.host_interface_name {
                Some(name) if net.kind == NetworkKind::Phys => name,
                _ if net.kind == NetworkKind::Bridge => continue,
                _ => self.free_name()?,
            };
            if let Some(net) = self.plan.networks.get_mut(n) {
                net.name = name;
            }
        }
        Ok(())
    }

    fn free_name(&mut self) -> Read<&'static CStr> {
        let taken = |n: &u64| {
            let is = |net: &Network| {
                net.name.to_bytes().strip_prefix(b"eth").and_then(|rest| number(rest, 10))
                    == Some(*n)
            };
            self.plan.networks.iter().any(is)
        };
        let n = (0..).find(|n| !taken(n)).unwrap_or(0);
        self.arena
            .cstr(format_args!("eth{n}"))
            .map_err(|_| self.fault("no memory for texts is left"))
    }

    /// A fault of the value of `key` of the member at hand, which lies behind.
    pub fn at(&mut self, key: &'static str, why: fmt::Arguments) -> Stop {
        let pos = self.place_of(key);
        self.fault_of(key, pos, why)
    }

    fn place_of(&self, key: &'static str) -> Pos {
        let n = self.plan.networks.len();
        let whole = self.plan.mark("networks", n).map_or(Pos::default(), |mark| mark.pos);
        self.plan.place_of_key("networks", n, key).unwrap_or(whole)
    }

    /// Whether it is the name of an interface, as the kernel takes it, or none (net/core/dev.c, dev_valid_name; "%" would
    /// make it a pattern).
    pub fn check_interface(&mut self, name: &'static CStr) -> Read {
        let bytes = name.to_bytes();
        let bad = |byte: &u8| matches!(byte, b'/' | b':' | b'%') || *byte <= b' ' || *byte >= 0x7f;
        if bytes.len() > NAME_MAX || bytes.iter().any(bad) || bytes == b"." || bytes == b".." {
            return Err(self.composed(format_args!(
                "{} is no name for an interface: 15 bytes at most, no blank, no / : %",
                Quoted(name)
            )));
        }
        Ok(())
    }

    fn mac_address(&mut self) -> Read {
        let Some(text) = self.text_or_none()? else { return Ok(()) };
        let mac = mac(text.to_bytes()).ok_or_else(|| {
            self.composed(format_args!(
                "{} is not a MAC address: six bytes in hexadecimal, as 02:42:ac:11:00:02",
                Quoted(text)
            ))
        })?;
        self.network.net.mac_address = Some(mac);
        Ok(())
    }
}

/// Six bytes in hexadecimal.
fn mac(text: &[u8]) -> Option<[u8; 6]> {
    let mut out = [0; 6];
    let mut parts = split_by(text, b':');
    for byte in &mut out {
        *byte = number(parts.next().filter(|part| part.len() == 2)?, 16)? as u8;
    }
    parts.next().is_none().then_some(out)
}

/// The address that `text` is: with a prefix, without, or as may be. Of a network only its own bits
/// are kept by the caller.
pub(super) fn address(text: &'static CStr, with: bool, without: bool) -> Option<Address> {
    let bytes = text.to_bytes();
    let plain = || {
        let ip = Ip::parse(bytes).filter(|_| without)?;
        Some((ip, ip.bytes().len() as u8 * 8))
    };
    let (ip, prefix) = Ip::parse_with_prefix(bytes).filter(|_| with).or_else(plain)?;
    Some(Address { ip, prefix, text })
}
