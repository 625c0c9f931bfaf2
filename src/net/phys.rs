//! An interface of the host that was moved into a container: how it comes back.

use core::ffi::CStr;

use rustix::io::Errno;

use super::link::number;
use super::look::{Seen, look};
use super::netlink::Socket;
use super::notes::Link;
use super::uapi::*;
use crate::bytes::{Arena, Show};
use crate::error::{Context, Error, Result};
use crate::plan::NAME_MAX;
use crate::say;
use crate::syscall::netdevice;

/// How many names are tried in the place of one that is taken.
const TRIES: u32 = 100;

/// Moves an interface back to the host, under the name that it had there, and as it was; under another
/// one if that is taken by now. Root in the container can have put another one in its place.
pub fn move_back(
    inside: &mut Socket,
    host: &mut Socket,
    link: &Link,
    namespace: u32,
) -> Result<()> {
    let mut seen = Seen::default();
    look(inside, link.index, link.child, &mut seen)?;
    // It was never moved, or is back.
    if seen.index == 0 {
        return Ok(());
    }
    let lent = Show(link.host.to_bytes());
    if seen.nature != link.nature {
        say::warning(format_args!(
            "{lent} is not given back to the host: the container has put another interface in its \
             place; a network card comes back when the namespace that it is in ends"
        ));
        return Ok(());
    }
    let mut name = link.host;
    for n in 0..TRIES {
        let sent = send_back(inside, &seen, link, name, Some(namespace));
        if !is_taken(sent) {
            if n > 0 && sent.is_ok() {
                say_renamed(link, name);
            }
            return sent;
        }
        // The kernel may have moved it under the name that it has inside, before it looked at this one.
        if netdevice::look(inside.fd(), seen.index) == Err(Errno::NODEV) {
            return rename_moved(host, &seen, link);
        }
        name = another(link.host, n, host.arena)?;
    }
    Err(Error::errno("give back to the host", link.host, Errno::EXIST))
}

/// Has the kernel make it what it was, under this name, and move it to a namespace first. It moves it
/// before it does the rest, and what is there does not need an address of its own to be set.
fn send_back(
    socket: &mut Socket,
    seen: &Seen,
    link: &Link,
    name: &'static CStr,
    namespace: Option<u32>,
) -> Result<()> {
    let (requests, was) = (&mut socket.requests, &link.was);
    requests.link((RTM_NEWLINK, 0), seen.index, "give back to the host", link.host);
    requests.flags(was.up);
    requests.attribute(IFLA_IFNAME, name.to_bytes_with_nul());
    number(requests, IFLA_NET_NS_FD, namespace.unwrap_or(0));
    number(requests, IFLA_MTU, was.mtu);
    // A driver that can't set it refuses the one that it has, too.
    if seen.settings.mac != was.mac {
        requests.attribute(IFLA_ADDRESS, &was.mac);
    }
    // It can have been 0.
    requests.attribute(IFLA_TXQLEN, &was.txqueuelen.to_ne_bytes());
    socket.send()
}

/// Gives an interface that is on the host already, under its name of inside, a name that is free there.
fn rename_moved(host: &mut Socket, seen: &Seen, link: &Link) -> Result<()> {
    let inside = host.arena.concat(&[seen.name().to_bytes()]).doing("look at", link.host)?;
    let mut here = Seen::default();
    look(host, 0, inside, &mut here)?;
    for n in 0..TRIES {
        let name = another(link.host, n, host.arena)?;
        let sent = send_back(host, &here, link, name, None);
        if !is_taken(sent) {
            return sent.inspect(|()| say_renamed(link, name));
        }
    }
    Err(Error::errno("give back to the host", link.host, Errno::EXIST))
}

fn is_taken(sent: Result<()>) -> bool {
    sent.is_err_and(|error| error.raw() == Some(Errno::EXIST))
}

/// The `n`-th name to take instead of `name`.
fn another(name: &'static CStr, n: u32, arena: &Arena) -> Result<&'static CStr> {
    // With an underscore and two digits it is as long as a name can be.
    let start = name.to_bytes();
    let start = Show(start.get(..start.len().min(NAME_MAX - 3)).unwrap_or(start));
    arena.cstr(format_args!("{start}_{n}")).doing("find another name for", name)
}

fn say_renamed(link: &Link, name: &CStr) {
    let (lent, name) = (Show(link.host.to_bytes()), Show(name.to_bytes()));
    say::warning(format_args!(
        "the host has another interface {lent} by now: the one that the container had is given back \
         as {name}"
    ));
}
