//! What has gone through the interfaces of a container.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd};

use super::link::info;
use super::made::Host;
use super::netlink::{Requests, find};
use super::open_in;
use super::uapi::*;
use crate::bytes::{Arena, until_nul};
use crate::error::Result;

/// The counters, by their names of 2014 (libcontainer network/stats.go), and the place of each in
/// struct rtnl_link_stats64 (include/uapi/linux/if_link.h).
pub const COUNTERS: [(&str, usize); 8] = [
    ("rx_bytes", 2),
    ("rx_packets", 0),
    ("rx_errors", 4),
    ("rx_dropped", 6),
    ("tx_bytes", 3),
    ("tx_packets", 1),
    ("tx_errors", 5),
    ("tx_dropped", 7),
];

/// An interface's counters, in the order of `COUNTERS`, as the container sees them: what it receives
/// is rx.
pub type Counts = [u64; COUNTERS.len()];

/// Gives `seen` each interface of the network namespace `namespace`, lo included.
pub fn read(
    namespace: BorrowedFd,
    arena: &Arena,
    seen: &mut dyn FnMut(&CStr, Counts),
) -> Result<()> {
    let host = Host::open()?;
    let mut inside = open_in(namespace, host.namespace.as_fd())?;
    let mut requests = Requests::new();
    requests.add((RTM_GETLINK, DUMP), &info(0, 0, 0), "list the interfaces", ());
    inside.exchange(&mut requests, arena, &mut |message| {
        let attributes = message.payload.get(info(0, 0, 0).len()..).unwrap_or(&[]);
        let name = find(attributes, IFLA_IFNAME).and_then(until_nul);
        if let (Some(name), Some(stats)) = (name, find(attributes, IFLA_STATS64)) {
            seen(name, COUNTERS.map(|(_, place)| counter(stats, place).unwrap_or(0)));
        }
    })
}

fn counter(stats: &[u8], place: usize) -> Option<u64> {
    stats.get(place * 8..place * 8 + 8)?.try_into().ok().map(u64::from_ne_bytes)
}
