//! Bridges of the host that nsinit makes, and takes away when nobody uses them.

use core::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::inside::addresses;
use super::link::{self, info, number};
use super::look::{Seen, look, parse};
use super::made::delete;
use super::netlink::{Requests, Socket};
use super::random;
use super::uapi::*;
use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::plan::Network;
use crate::syscall::time::sleep;

/// Nobody else makes, uses or removes a bridge meanwhile: between the look at its ports and its end
/// another launcher could make one. It is on the network namespace's own file, so it needs none on
/// disk, and ends with its holder.
pub struct Lock<'a>(BorrowedFd<'a>);

impl<'a> Lock<'a> {
    /// Waits for it; `namespace` is the host's. The wait has an end: whoever shares the namespace can
    /// take the lock.
    pub fn take(namespace: BorrowedFd<'a>) -> Result<Lock<'a>> {
        const ROUNDS: u32 = 4000;
        for _ in 0..ROUNDS {
            match flock(namespace, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock(namespace)),
                Err(Errno::WOULDBLOCK | Errno::INTR) => sleep(5_000_000),
                Err(errno) => return Err(errno).doing("lock the network namespace", ()),
            }
        }
        let why = "another process has held its lock for 20 seconds";
        Err(Error::refused("lock the network namespace", (), why))
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Unlocking what is locked can't fail.
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

/// Sees to it that the bridge is there; one that nsinit made has the addresses of the plan. Call it
/// with the lock.
pub fn ensure(host: &mut Socket, network: &Network, arena: &Arena) -> Result<()> {
    let name = network.name;
    let missing = "make it, or add \"create\": true to its entry";
    if network.create {
        let mut requests = Requests::new();
        let [_, _, _, mac @ ..] = random();
        link::bridge(&mut requests, network, [0xfe, mac[0], mac[1], mac[2], mac[3], mac[4]]);
        match host.send(&mut requests, arena) {
            Err(error) if error.raw() == Some(Errno::EXIST) => {}
            result => result.map_err(|error| super::explain(error, network, arena))?,
        }
    }
    let on = look(host, 0, name, arena)?;
    let link = on.ok_or_else(|| Error::errno("use bridge", name, Errno::NODEV).hint(missing))?;
    if !link.is_bridge {
        return Err(Error::refused("use bridge", name, "it is an interface of another kind"));
    }
    if network.create && link.is_ours() {
        let mut requests = Requests::new();
        // Those that are there already stay: a launcher that was killed may have added none.
        addresses(&mut requests, network, link.index, CREATE | REPLACE);
        if network.mtu != 0 {
            // Not while it is made: that one would follow its ports (br_mtu_auto_adjust).
            requests.add((RTM_NEWLINK, 0), &info(link.index, 0, 0), "set the mtu of", name);
            number(&mut requests, IFLA_MTU, network.mtu);
        }
        host.send(&mut requests, arena)?;
    }
    Ok(())
}

/// Removes the bridge, if nsinit made it and nothing is a port of it.
pub fn remove_unused(
    host: &mut Socket,
    namespace: BorrowedFd,
    name: &'static CStr,
    arena: &Arena,
) -> Result<()> {
    let ours = |link: &Seen| link.is_bridge && link.is_ours();
    if look(host, 0, name, arena)?.filter(ours).is_none() {
        return Ok(());
    }
    let _lock = Lock::take(namespace)?;
    // Again, now that it is nobody else's.
    let Some(bridge) = look(host, 0, name, arena)?.filter(ours) else { return Ok(()) };
    let mut requests = Requests::new();
    requests.add((RTM_GETLINK, DUMP), &info(0, 0, 0), "list the ports of", name);
    // The kernel leaves out all others; one that can't (before Linux 3.14?) does not.
    number(&mut requests, IFLA_MASTER, bridge.index);
    let mut used = false;
    host.exchange(&mut requests, arena, &mut |message| {
        used |= parse(&message).is_some_and(|link| link.master == bridge.index);
    })?;
    if used { Ok(()) } else { delete(host, bridge.index, "remove bridge", name, arena) }
}
