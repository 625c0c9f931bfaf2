//! What the kernel tells of a link.

use core::ffi::CStr;

use rustix::io::Errno;

use super::LOOPBACK_IFINDEX;
use super::link::GROUP;
use super::netlink::{self, LINK, Message, Socket, u32_at};
use super::uapi::*;
use crate::bytes::{Short, Show, until_nul};
use crate::error::{Context, Error, Result};
use crate::plan::{NAME_MAX, Network, NetworkKind};

/// What is known of a link.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// 0: there is none.
    pub index: u32,
    name: [u8; NAME],
    group: u32,
    /// The index of the bridge that it is a port of, or 0.
    pub master: u32,
    pub is_bridge: bool,
    pub settings: Settings,
    pub nature: Nature,
}

/// What nobody can change of a link: by it one is told from another that has its number or its name.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Nature {
    /// Such as "veth"; zeroes for a network card.
    pub kind: [u8; NAME],
    /// The address that a network card was built with, with zeroes behind it. The kernel tells it since
    /// Linux 5.6, and has none of others.
    pub address: [u8; ADDRESS],
}

/// Longest name of a link or a kind, with a NUL (include/uapi/linux/if.h, IFNAMSIZ).
pub const NAME: usize = NAME_MAX + 1;
/// Longest address (include/linux/netdevice.h, MAX_ADDR_LEN).
pub const ADDRESS: usize = 32;

/// What a link has that its user can change.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    pub mtu: u32,
    pub txqueuelen: u32,
    /// IFF_UP, or 0.
    pub up: u32,
    /// Zeroes, if it has none of six bytes.
    pub mac: [u8; 6],
}

impl Seen {
    /// Whether nsinit made it.
    pub fn is_ours(&self) -> bool {
        self.group == GROUP
    }

    /// Its name.
    pub fn name(&self) -> &CStr {
        until_nul(&self.name).unwrap_or(c"")
    }
}

/// As much of a value as there is room for, with zeroes behind it.
fn padded<const N: usize>(value: Option<&[u8]>) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(value.unwrap_or(&[])).for_each(|(to, from)| *to = *from);
    bytes
}

/// What `message` tells.
pub fn parse(message: &Message) -> Option<Seen> {
    let attributes = message.payload.get(LINK..)?;
    let field =
        |kind| netlink::find(attributes, kind).and_then(|value| u32_at(value, 0)).unwrap_or(0);
    let kind = netlink::find(attributes, IFLA_LINKINFO)
        .and_then(|nest| netlink::find(nest, IFLA_INFO_KIND));
    let mac = netlink::find(attributes, IFLA_ADDRESS).and_then(|mac| mac.try_into().ok());
    let settings = Settings {
        mtu: field(IFLA_MTU),
        txqueuelen: field(IFLA_TXQLEN),
        up: u32_at(message.payload, 8)? & IFF_UP,
        mac: mac.unwrap_or_default(),
    };
    let nature = Nature {
        kind: padded(kind),
        address: padded(netlink::find(attributes, IFLA_PERM_ADDRESS)),
    };
    Some(Seen {
        index: u32_at(message.payload, 4)?,
        name: padded(netlink::find(attributes, IFLA_IFNAME)),
        group: field(IFLA_GROUP),
        master: field(IFLA_MASTER),
        is_bridge: kind.and_then(until_nul) == Some(c"bridge"),
        settings,
        nature,
    })
}

/// Fills in what is known of the link of this index in the socket's namespace, or, if that is 0, of
/// this name.
pub fn look(socket: &mut Socket, index: u32, name: &'static CStr, seen: &mut Seen) -> Result<()> {
    let requests = &mut socket.requests;
    requests.link((RTM_GETLINK, 0), index, "look at interface", name);
    if index == 0 {
        requests.attribute(IFLA_IFNAME, name.to_bytes_with_nul());
    }
    match socket.exchange(&mut |message| *seen = parse(&message).unwrap_or(*seen)) {
        Err(error) if error.raw() == Some(Errno::NODEV) => Ok(()),
        result => result,
    }
}

/// What the link is made on or from, on the host: the key, and its value.
pub fn origin(network: &Network) -> (&'static str, Option<&'static CStr>) {
    match network.kind {
        NetworkKind::Phys => ("host_interface_name", network.host_interface_name),
        NetworkKind::Veth => ("bridge", network.bridge),
        _ => ("parent", network.parent),
    }
}

/// Looks at it; it must be there.
pub fn find(
    host: &mut Socket,
    network: &Network,
    name: Option<&'static CStr>,
    seen: &mut Seen,
) -> Result<()> {
    let missing = "make the bridge, or list it as a network of its own with \"create\": true";
    let Some(name) = name else { return Ok(()) };
    look(host, 0, name, seen)?;
    if seen.index != 0 {
        return Ok(());
    }
    let error = Error::errno("find the host's interface", name, Errno::NODEV);
    if network.kind == NetworkKind::Veth {
        return Err(error.hint(missing));
    }
    // Without the list the error says enough.
    let names = names(host).unwrap_or("");
    let there = match names {
        "" => host.arena.str(format_args!("the host has none but lo")),
        _ => host.arena.str(format_args!("the host has {names}")),
    };
    Err(there.map_or(error, |there| error.hint(there)))
}

/// The names of the interfaces in the socket's namespace but lo, as many as fit into a message.
fn names(socket: &mut Socket) -> Result<&'static str> {
    const DOING: &str = "list interfaces";
    let mut list = Short::<200>::default();
    socket.requests.link((RTM_GETLINK, DUMP), 0, DOING, ());
    socket.exchange(&mut |message| {
        let Some(seen) = parse(&message).filter(|seen| seen.index != LOOPBACK_IFINDEX) else {
            return;
        };
        let comma = if list.as_str().is_empty() { "" } else { ", " };
        // What does not fit is cut off, as a whole name is at most this long.
        if list.as_str().len() + comma.len() + NAME < 200 {
            list.push(format_args!("{comma}{}", Show(seen.name().to_bytes())));
        }
    })?;
    socket.arena.str(format_args!("{}", list.as_str())).doing(DOING, ())
}
