//! rtnetlink(7): requests put together in a fixed buffer, and the kernel's answers to them.

mod answer;
mod request;

use core::mem::MaybeUninit;

use linux_raw_sys::net::SOL_NETLINK;
use linux_raw_sys::netlink::{NETLINK_CAP_ACK, NETLINK_EXT_ACK, NLMSG_DONE, NLMSG_ERROR};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};

pub use self::answer::{Message, find};
pub use self::request::{LINK, Nest, Requests};
use crate::bytes::{Arena, Show};
use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;
use crate::syscall::socket::setsockopt;

/// Longest datagram that is received. The kernel fits the parts of a list to it; one link, its longest
/// message, has about 2 kB, and more for a card with virtual functions, which are not asked for.
const ANSWER: usize = 16 << 10;
/// sizeof(struct nlmsghdr): length, type, flags, sequence number, port.
const HEADER: usize = 16;
/// sizeof(struct nlattr): length, type.
const ATTRIBUTE: usize = 4;

/// A connection to the kernel's network configuration, in the network namespace in which it was
/// opened.
#[repr(C)] // what is small first: it is reached by shorter instructions
pub struct Socket<'a> {
    fd: OwnedFd,
    sequence: u32,
    refused: usize,
    /// For the kernel's words, and names.
    pub arena: &'a Arena,
    /// What is sent next.
    pub requests: Requests,
}

/// What the kernel had against a request.
struct Refusal {
    errno: Errno,
    words: Option<&'static str>,
    number: usize,
}

impl<'a> Socket<'a> {
    /// Opens one in the caller's network namespace.
    #[inline(always)] // and put together where it will be: it is large
    pub fn open(arena: &'a Arena) -> Result<Socket<'a>> {
        let fd = connect_to_kernel()?;
        Ok(Socket { fd, sequence: 0, refused: 0, arena, requests: Requests::default() })
    }

    /// Its descriptor, by which interfaces can be looked up in its namespace (netdevice(7)).
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Which of the requests sent last was refused first.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Sends the requests and waits for the kernel to have done them all; the error is that of the
    /// first one refused. The kernel goes on after a refusal: what came of the others is the caller's
    /// to undo.
    pub fn send(&mut self) -> Result<()> {
        self.exchange(&mut |_| {})
    }

    /// The same; `seen` gets what was asked for, message by message.
    pub fn exchange(&mut self, seen: &mut dyn FnMut(Message)) -> Result<()> {
        let Some(last) = self.requests.tasks.len().checked_sub(1) else { return Ok(()) };
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(last as u32 + 1);
        let outcome = match self.requests.finish(first) {
            Ok(bytes) => retry_on_intr(|| send(self.fd.as_fd(), bytes, SendFlags::empty()))
                .and_then(|_| self.receive(first, last, seen)),
            Err(errno) => Err(errno),
        };
        let refusal = match outcome {
            Ok(None) => None,
            Ok(refusal) => refusal,
            Err(errno) => Some(Refusal { errno, words: None, number: 0 }),
        };
        let told = refusal.and_then(|Refusal { errno, words, number }| {
            self.refused = number;
            let request::Task { doing, on } = *self.requests.tasks.get(number)?;
            let error = Error::errno(doing, on, errno);
            Some(words.map_or(error, |words| error.hint(words)))
        });
        self.requests.clear();
        told.map_or(Ok(()), Err)
    }

    /// Reads answers until that to the last request.
    fn receive(
        &self,
        first: u32,
        last: usize,
        seen: &mut dyn FnMut(Message),
    ) -> rustix::io::Result<Option<Refusal>> {
        let mut refusal = None;
        let mut buf = [const { MaybeUninit::<u8>::uninit() }; ANSWER];
        loop {
            let received = recv(self.fd.as_fd(), &mut buf[..], RecvFlags::TRUNC);
            let ((datagram, _), len) = match received {
                Err(Errno::INTR) => continue,
                received => received?,
            };
            let mut datagram = &*datagram;
            if len > ANSWER {
                return Err(Errno::MSGSIZE);
            }
            while let Some((message, rest)) = answer::split(datagram) {
                datagram = rest;
                let number = message.sequence.wrapping_sub(first) as usize;
                // Of a request before, which failed and was not read to its end.
                if number > last {
                    continue;
                }
                let kind = u32::from(message.kind);
                if kind != NLMSG_ERROR && kind != NLMSG_DONE {
                    seen(message);
                    continue;
                }
                let errno = message.errno();
                if errno != 0 && refusal.is_none() {
                    let words = message.words().filter(|words| !words.is_empty());
                    let words =
                        words.and_then(|w| self.arena.str(format_args!("{}", Show(w))).ok());
                    let errno = Errno::from_raw_os_error(errno);
                    refusal = Some(Refusal { errno, words, number });
                }
                if number == last {
                    return Ok(refusal);
                }
            }
        }
    }
}

#[inline(never)]
fn connect_to_kernel() -> Result<OwnedFd> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    // Protocol 0 is NETLINK_ROUTE.
    let fd = socket_with(family, kind, SocketFlags::CLOEXEC, None);
    let fd = fd.doing("open a netlink socket", ())?;
    // Connected to the kernel, which has port 0: nobody else can answer (netlink(7); the check is
    // netlink_getsockbyportid in net/netlink/af_netlink.c).
    connect(fd.as_fd(), &SocketAddrNetlink::new(0, 0)).doing("connect a netlink socket", ())?;
    // The kernel's words are a courtesy of Linux 4.12, an answer without the whole request one of
    // 4.3: errors come without them before.
    let _ = setsockopt(fd.as_fd(), SOL_NETLINK, NETLINK_EXT_ACK, 1);
    let _ = setsockopt(fd.as_fd(), SOL_NETLINK, NETLINK_CAP_ACK, 1);
    Ok(fd)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

/// The number at `at`, if that much is there.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

/// Sets it.
fn set_u32(bytes: &mut [u8], at: usize, value: u32) -> Option<()> {
    bytes.get_mut(at..at + 4)?.copy_from_slice(&value.to_ne_bytes());
    Some(())
}

#[cfg(test)]
mod tests;
