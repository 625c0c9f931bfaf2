//! Bridges of the host that nsinit makes, and takes away when nobody uses them.

use core::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use super::inside::{addresses, explain_ipv6};
use super::link::{self, number};
use super::lock::Lock;
use super::look::{Seen, look, parse};
use super::made::delete;
use super::netlink::Socket;
use super::random_mac;
use super::uapi::*;
use crate::error::{Error, Result};
use crate::plan::Network;

/// Sees to it that the bridge is there; one that nsinit made has the addresses of the plan. Call it
/// with the lock.
#[inline(never)]
pub fn ensure(host: &mut Socket, network: &Network) -> Result<()> {
    let name = network.name;
    let missing = "make it, or add \"create\": true to its entry";
    if network.create {
        link::bridge(&mut host.requests, network, random_mac());
        match host.send() {
            Err(error) if error.raw() == Some(Errno::EXIST) => {}
            result => result.map_err(|error| super::explain(error, network, host))?,
        }
    }
    let mut link = Seen::default();
    look(host, 0, name, &mut link)?;
    if link.index == 0 {
        return Err(Error::errno("use bridge", name, Errno::NODEV).hint(missing));
    }
    if !link.is_bridge {
        return Err(Error::refused("use bridge", name, "it is not a bridge"));
    }
    if network.create && link.is_ours() {
        let requests = &mut host.requests;
        // Those that are there already stay: a launcher that was killed may have added none.
        addresses(requests, network, link.index, CREATE | REPLACE);
        if network.mtu != 0 {
            // Not while it is made: that one would follow its ports (br_mtu_auto_adjust).
            requests.link((RTM_NEWLINK, 0), link.index, "set the mtu of", name);
            number(requests, IFLA_MTU, network.mtu);
        }
        host.send().map_err(explain_ipv6)?;
    }
    Ok(())
}

/// Removes the bridge, if nsinit made it and nothing is a port of it.
pub fn remove_unused(host: &mut Socket, namespace: BorrowedFd, name: &'static CStr) -> Result<()> {
    let mut lock = None;
    // Again, once it is nobody else's.
    let bridge = loop {
        let mut bridge = Seen::default();
        look(host, 0, name, &mut bridge)?;
        if !(bridge.is_bridge && bridge.is_ours()) {
            return Ok(());
        }
        if lock.is_some() {
            break bridge.index;
        }
        lock = Some(Lock::take(namespace)?);
    };
    host.requests.link((RTM_GETLINK, DUMP), 0, "list the ports of", name);
    // The kernel leaves out all others; one that can't (before Linux 3.14?) does not.
    number(&mut host.requests, IFLA_MASTER, bridge);
    let mut used = false;
    host.exchange(&mut |message| {
        used |= parse(&message).is_some_and(|link| link.master == bridge);
    })?;
    if used { Ok(()) } else { delete(host, bridge, "remove bridge", name) }
}
