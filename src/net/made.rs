//! What a container has on the host, and how it goes.

use core::ffi::CStr;

use heapless::Vec;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::net::netdevice::index_to_name_inlined;

use super::link::{info, number};
use super::netlink::{Requests, Socket};
use super::uapi::*;
use super::{bridge, inside, pause};
use crate::bytes::{Arena, split_by};
use crate::error::{Context, Result};
use crate::plan::FEW;
use crate::say;

/// What was made for a container. It is taken back when this is dropped, which has to be after the end
/// of the container's processes.
pub struct Made<'a> {
    pub(super) arena: &'a Arena,
    pub(super) host: Option<Host>,
    /// A socket in the container's namespace, where one is needed at the end.
    pub(super) inside: Option<Socket>,
    pub(super) links: Links,
    /// Bridges that were used.
    pub(super) bridges: Vec<&'static CStr, FEW>,
}

/// The network namespace of the launcher.
pub struct Host {
    pub namespace: OwnedFd,
    pub socket: Socket,
}

/// The links of a container.
pub type Links = Vec<Link, FEW>;

/// A link, and how it goes.
#[derive(Clone, Copy)]
pub enum Link {
    /// A veth goes with the namespace, or is deleted on the host: the index (0 until it is known) and
    /// the name there, the name inside.
    Veth { index: u32, host: &'static CStr, child: &'static CStr },
    /// Deleted inside: its index (0 until it is known: the container can change the name), and the name
    /// that it had at first.
    Inside { index: u32, name: &'static CStr },
    /// Moved back: its index inside (0 until it is known: the container can change the name), its
    /// name on the host, and inside.
    Moved { index: u32, host: &'static CStr, child: &'static CStr },
}

impl Link {
    /// Whether a socket inside takes it back.
    pub fn needs_inside(&self) -> bool {
        !matches!(self, Link::Veth { .. })
    }
}

impl Host {
    /// The caller's.
    pub fn open() -> Result<Host> {
        const PATH: &CStr = c"/proc/thread-self/ns/net";
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let namespace = openat(CWD, PATH, flags, Mode::empty()).doing("open", PATH)?;
        Ok(Host { namespace, socket: Socket::open()? })
    }
}

impl<'a> Made<'a> {
    /// Nothing yet.
    pub const fn new(arena: &'a Arena) -> Made<'a> {
        Made { arena, host: None, inside: None, links: Vec::new(), bridges: Vec::new() }
    }

    /// The names of the veths' ends on the host, and of those inside.
    pub fn veths(&self) -> impl Iterator<Item = (&'static CStr, &'static CStr)> {
        self.links.iter().filter_map(|link| match link {
            Link::Veth { host, child, .. } => Some((*host, *child)),
            _ => None,
        })
    }

    /// Takes it all back; the first error, after everything was tried.
    pub fn take_back(&mut self) -> Result<()> {
        let Some(Host { namespace, socket }) = &mut self.host else { return Ok(()) };
        let mut result = Ok(());
        let (links, arena) = (core::mem::take(&mut self.links), self.arena);
        let mut kept = self.inside.take();
        for link in links.iter().rev() {
            let Some(inside) = &mut kept else { break };
            let done = match *link {
                Link::Veth { .. } => Ok(()),
                Link::Inside { index, name } => remove_inside(inside, index, name, arena),
                Link::Moved { index, host, child } => {
                    let namespace = namespace.as_raw_fd() as u32;
                    let index = if index == 0 { inside::index(inside, child) } else { Ok(index) };
                    move_back(inside, index, host, namespace, arena)
                }
            };
            result = result.and(done);
        }
        drop(kept);
        for link in links.iter().rev() {
            let done = match *link {
                Link::Veth { index: 0, host, .. } => remove_ours(socket, host, arena),
                Link::Veth { index, host, .. } => await_end(socket, index, host, arena),
                _ => Ok(()),
            };
            result = result.and(done);
        }
        for bridge in core::mem::take(&mut self.bridges) {
            let done = bridge::remove_unused(socket, namespace.as_fd(), bridge, arena);
            result = result.and(done);
        }
        self.host = None;
        result
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.take_back() {
            say::warning(format_args!("{error}"));
        }
    }
}

fn remove_inside(
    inside: &mut Socket,
    index: u32,
    name: &'static CStr,
    arena: &Arena,
) -> Result<()> {
    let index = if index == 0 { inside::index(inside, name) } else { Ok(index) };
    match index {
        // It was never made.
        Err(Errno::NODEV) => Ok(()),
        index => delete(inside, index.doing("remove", name)?, "remove", name, arena),
    }
}

/// Moves an interface back to the host, down, under the name that it had there.
fn move_back(
    inside: &mut Socket,
    index: rustix::io::Result<u32>,
    to: &'static CStr,
    namespace: u32,
    arena: &Arena,
) -> Result<()> {
    const DOING: &str = "give back to the host";
    let index = match index {
        // It was never moved.
        Err(Errno::NODEV) => return Ok(()),
        index => index.doing(DOING, to)?,
    };
    let mut requests = Requests::new();
    requests.add((RTM_NEWLINK, 0), &info(index, 0, IFF_UP), DOING, to);
    requests.attribute(IFLA_IFNAME, to.to_bytes_with_nul());
    number(&mut requests, IFLA_NET_NS_FD, namespace);
    inside.send(&mut requests, arena)
}

/// Sees to it that the veths are gone whose ends on the host have these names, with commas in between:
/// a launcher that was killed made them, in a namespace that may live on. None but those in nsinit's
/// group.
pub fn remove_stale(names: &str, arena: &Arena) -> Result<()> {
    let mut host = Socket::open()?;
    for name in split_by(names.as_bytes(), b',') {
        let name = arena.concat(&[name]).doing("look at an interface", ())?;
        remove_ours(&mut host, name, arena)?;
    }
    Ok(())
}

fn remove_ours(host: &mut Socket, name: &'static CStr, arena: &Arena) -> Result<()> {
    match bridge::look(host, name, arena)? {
        Some(link) if link.is_ours() => await_end(host, link.index, name, arena),
        _ => Ok(()),
    }
}

/// Waits for the kernel to take a veth away with the namespace of its other end, which it does within
/// milliseconds of the last process's end, and at no cost for the launcher; deletes it where somebody
/// keeps that namespace. By its index, which the kernel does not give to another as it might its name.
fn await_end(host: &mut Socket, index: u32, name: &'static CStr, arena: &Arena) -> Result<()> {
    const ROUNDS: u32 = 100;
    for _ in 0..ROUNDS {
        if index_to_name_inlined(host.fd(), index).is_err_and(|errno| errno == Errno::NODEV) {
            return Ok(());
        }
        pause(400_000);
    }
    delete(host, index, "remove", name, arena)
}

/// Deletes a link; one that is gone is no error.
pub fn delete(
    socket: &mut Socket,
    index: u32,
    doing: &'static str,
    name: &'static CStr,
    arena: &Arena,
) -> Result<()> {
    let mut requests = Requests::new();
    requests.add((RTM_DELLINK, 0), &info(index, 0, 0), doing, name);
    match socket.send(&mut requests, arena) {
        Err(error) if error.raw() == Some(Errno::NODEV) => Ok(()),
        result => result,
    }
}
