//! What went through the interfaces of a container, by the names of libcontainer 1.2.0
//! (network/stats.go), as the container sees it: received is what came in to it.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::Pid;

use super::made::Made;
use super::netlink::{LINK, find};
use super::uapi::*;
use crate::bytes::{Arena, until_nul};
use crate::error::{Context, Result};
use crate::proc::process::namespace_file;
use crate::syscall::fd::AsFd;

/// The counters of an interface, in the order of `Statistics`.
pub const COUNTERS: [&str; 8] = [
    "rx_bytes",
    "rx_packets",
    "rx_errors",
    "rx_dropped",
    "tx_bytes",
    "tx_packets",
    "tx_errors",
    "tx_dropped",
];

/// Those of one interface, or their sums.
pub type Statistics = [u64; COUNTERS.len()];

/// The place of each counter in struct rtnl_link_stats64 (include/uapi/linux/if_link.h).
const PLACES: [usize; COUNTERS.len()] = [2, 0, 4, 6, 3, 1, 5, 7];

/// Calls `each` with every interface but the loopback in the network namespace of `pid`; the sums.
pub fn statistics(
    pid: Pid,
    arena: &Arena,
    each: &mut dyn FnMut(&str, &Statistics),
) -> Result<Statistics> {
    let path = namespace_file("/proc", pid, c"net");
    let namespace = openat(CWD, path.as_cstr(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let namespace = namespace.doing("open the network namespace of process", pid)?;
    let mut made = Made::new(arena);
    made.open(Some(namespace.as_fd()))?;
    let Some(inside) = &mut made.inside else { return Ok(Statistics::default()) };
    inside.requests.link((RTM_GETLINK, DUMP), 0, "list the interfaces of process", pid);
    let mut sums = Statistics::default();
    inside.exchange(&mut |message| {
        let attributes = message.payload.get(LINK..).unwrap_or(&[]);
        let name = find(attributes, IFLA_IFNAME).and_then(until_nul);
        let name = name.and_then(|name| name.to_str().ok()).filter(|name| *name != "lo");
        if let (Some(name), Some(stats)) = (name, find(attributes, IFLA_STATS64)) {
            let statistics = PLACES.map(|place| u64_at(stats, place * 8).unwrap_or(0));
            for (sum, n) in sums.iter_mut().zip(statistics) {
                *sum = sum.wrapping_add(n);
            }
            each(name, &statistics);
        }
    })?;
    Ok(sums)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes)
}
