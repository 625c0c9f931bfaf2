//! What a container has on the host, and how it goes.

use core::ffi::CStr;

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::bridge;
use super::look::{Seen, look};
use super::netlink::Socket;
use super::notes::{How, Links};
use super::phys::move_back;
use super::uapi::*;
use crate::bytes::{Arena, split_by};
use crate::error::{Context, Result};
use crate::say;
use crate::syscall::fd::AsFd;
use crate::syscall::namespace::setns;
use crate::syscall::netdevice;
use crate::syscall::process::NewNamespaces;
use crate::syscall::time::sleep;

/// What was made for a container. It is taken back when this is dropped, which has to be after the end
/// of the container's processes.
pub struct Made<'a> {
    pub(super) arena: &'a Arena,
    pub(super) host: Option<Host<'a>>,
    /// A socket in the container's namespace, where one is needed at the end.
    pub(super) inside: Option<Socket<'a>>,
    /// The links that are taken back, and the bridges that were used.
    pub(super) links: Links,
    /// Whether somebody keeps the namespace, so that a veth in it does not go by itself.
    pub(super) kept: bool,
    /// The part of the plan that is being made: its list, which one, and the key or "".
    pub at: Option<(&'static str, usize, &'static str)>,
}

/// The network namespace of the launcher.
pub struct Host<'a> {
    pub namespace: OwnedFd,
    pub socket: Socket<'a>,
}

impl<'a> Made<'a> {
    /// Nothing yet.
    #[inline(never)]
    pub fn new(arena: &'a Arena) -> Made<'a> {
        Made { arena, host: None, inside: None, links: Links::default(), kept: false, at: None }
    }

    /// Opens the sockets: one on the host, and one in a namespace.
    pub(super) fn open(&mut self, namespace: Option<BorrowedFd>) -> Result<()> {
        const PATH: &CStr = c"/proc/thread-self/ns/net";
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let here = openat(CWD, PATH, flags, Mode::empty()).doing("open", PATH)?;
        let host = self.host.insert(Host { namespace: here, socket: Socket::open(self.arena)? });
        if let Some(namespace) = namespace {
            let enter = |namespace| setns(namespace, NewNamespaces::NEWNET);
            enter(namespace).doing("enter the container's network namespace", ())?;
            let socket = Socket::open(self.arena);
            enter(host.namespace.as_fd()).doing("return to the host's network namespace", ())?;
            self.inside = Some(socket?);
        }
        Ok(())
    }

    /// The names of the veths' ends on the host, and of those inside.
    pub fn veths(&self) -> impl Iterator<Item = (&'static CStr, &'static CStr)> {
        let veths = self.links.list.iter().filter(|link| link.how == How::Veth);
        veths.map(|link| (link.host, link.child))
    }

    /// Takes it all back; the first error, after everything was tried.
    pub fn take_back(&mut self) -> Result<()> {
        let Some(Host { namespace, socket }) = &mut self.host else { return Ok(()) };
        let mut result = Ok(());
        let links = &mut self.links;
        let file = namespace.as_raw_fd() as u32;
        for link in links.list.iter().rev() {
            let Some(inside) = &mut self.inside else { break };
            let done = match link.how {
                How::Inside => remove_inside(inside, link.index, link.host, link.child),
                How::Moved => move_back(inside, socket, link, file),
                // The answer got lost. Whatever has its name was made here.
                How::Veth if link.index == 0 => remove_inside(inside, 0, link.child, link.child),
                How::Veth | How::Bridge => Ok(()),
            };
            result = result.and(done);
        }
        // It keeps the namespace, and so the veths.
        let looked_inside = self.inside.take().is_some();
        for link in links.list.iter().rev().filter(|link| link.how == How::Veth) {
            let done = match link.index {
                0 => wait_for_ours(socket, link.host, looked_inside),
                index if self.kept => delete(socket, index, "remove", link.host),
                index => await_end(socket, index, link.host),
            };
            result = result.and(done);
        }
        // Whoever looks after its own ports are gone can't miss that it is the last.
        for link in links.list.iter().filter(|link| link.how == How::Bridge) {
            let done = bridge::remove_unused(socket, namespace.as_fd(), link.host);
            result = result.and(done);
        }
        self.host = None;
        links.list.clear();
        // Who reads it goes to work now.
        links.pipe = None;
        result
    }
}

/// Takes back what a launcher has noted that was killed: `notes` end with it. Call it when the
/// container is gone; `namespace` is its network namespace, if it has what is taken back inside.
pub fn take_over(notes: BorrowedFd, namespace: Option<OwnedFd>, arena: &Arena) -> Result<()> {
    let mut made = Made::new(arena);
    made.links = Links::read(notes, arena)?;
    made.kept = namespace.is_some();
    made.open(namespace.as_ref().map(AsFd::as_fd))?;
    made.take_back()
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
    child: &'static CStr,
) -> Result<()> {
    let mut seen = Seen::default();
    look(inside, index, name, &mut seen)?;
    // 0: it was never made.
    if seen.index == 0 { Ok(()) } else { delete(inside, seen.index, "remove", child) }
}

/// Sees to it that the veths are gone whose ends on the host have these names, with commas in between:
/// a launcher that was killed made them, in a namespace that may live on. None but those in nsinit's
/// group.
pub fn remove_stale(names: &CStr, arena: &Arena) -> Result<()> {
    let mut host = Socket::open(arena)?;
    for name in split_by(names.to_bytes(), b',') {
        let name = arena.concat(&[name]).doing("look at an interface", ())?;
        if let Some(index) = ours(&mut host, name)? {
            await_end(&mut host, index, name)?;
        }
    }
    Ok(())
}

/// The index of the link of this name, if nsinit made it.
fn ours(host: &mut Socket, name: &'static CStr) -> Result<Option<u32>> {
    let mut seen = Seen::default();
    look(host, 0, name, &mut seen)?;
    Ok(seen.is_ours().then_some(seen.index))
}

/// A veth that may have been made. Its name may be another container's, so that it can only be waited for:
/// not long if there was none `inside`, but as long as the kernel may take where nobody could look.
fn wait_for_ours(host: &mut Socket, name: &'static CStr, inside: bool) -> Result<()> {
    if let Some(index) = ours(host, name)? {
        is_gone(host, index, if inside { SOON_MS } else { 10_000 });
    }
    Ok(())
}

/// Milliseconds within which the kernel takes a veth away with the namespace of its other end, unless the
/// machine is very busy.
const SOON_MS: u32 = 40;

/// Waits for the kernel to take a veth away with the namespace of its other end, which it does within
/// milliseconds of the last process's end, and at no cost for the launcher; deletes it where somebody
/// keeps that namespace. By its index, which the kernel does not give to another as it might its name.
fn await_end(host: &mut Socket, index: u32, name: &'static CStr) -> Result<()> {
    if is_gone(host, index, SOON_MS) { Ok(()) } else { delete(host, index, "remove", name) }
}

/// Whether it goes within so many milliseconds.
fn is_gone(host: &Socket, index: u32, milliseconds: u32) -> bool {
    const PAUSE_NS: u32 = 400_000;
    for _ in 0..milliseconds * (1_000_000 / PAUSE_NS) {
        if netdevice::look(host.fd(), index) == Err(Errno::NODEV) {
            return true;
        }
        sleep(PAUSE_NS);
    }
    false
}

/// Deletes a link; one that is gone is no error.
pub fn delete(
    socket: &mut Socket,
    index: u32,
    doing: &'static str,
    name: &'static CStr,
) -> Result<()> {
    socket.requests.link((RTM_DELLINK, 0), index, doing, name);
    match socket.send() {
        Err(error) if error.raw() == Some(Errno::NODEV) => Ok(()),
        result => result,
    }
}
