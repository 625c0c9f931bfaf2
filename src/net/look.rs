//! What the kernel tells of a link.

use core::ffi::CStr;

use rustix::io::Errno;

use super::link::GROUP;
use super::netlink::{LINK, Message, Socket, find, u32_at};
use super::uapi::*;
use crate::bytes::until_nul;
use crate::error::Result;

/// What is known of a link.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// 0: there is none.
    pub index: u32,
    group: u32,
    /// The index of the bridge that it is a port of, or 0.
    pub master: u32,
    pub is_bridge: bool,
    pub settings: Settings,
}

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
}

/// What `message` tells.
pub fn parse(message: &Message) -> Option<Seen> {
    let attributes = message.payload.get(LINK..)?;
    let field = |kind| find(attributes, kind).and_then(|value| u32_at(value, 0)).unwrap_or(0);
    let kind = find(attributes, IFLA_LINKINFO).and_then(|nest| find(nest, IFLA_INFO_KIND));
    let mac = find(attributes, IFLA_ADDRESS).and_then(|mac| mac.try_into().ok());
    let settings = Settings {
        mtu: field(IFLA_MTU),
        txqueuelen: field(IFLA_TXQLEN),
        up: u32_at(message.payload, 8)? & IFF_UP,
        mac: mac.unwrap_or_default(),
    };
    Some(Seen {
        index: u32_at(message.payload, 4)?,
        group: field(IFLA_GROUP),
        master: field(IFLA_MASTER),
        is_bridge: kind.and_then(until_nul) == Some(c"bridge"),
        settings,
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
