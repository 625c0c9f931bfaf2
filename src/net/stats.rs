//! What went through the interfaces of a container, by the names of libcontainer 1.2.0
//! (network/stats.go), as the container sees it: received is what came in to it.

use rustix::fd::AsFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::bytes::split_by;
use crate::proc::lines::{Pieces, decimal};
use crate::proc::process::file;

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

/// Calls `each` with every interface but the loopback in the network namespace of `pid`, by /proc/PID/
/// net/dev (proc_pid_net(5)) below `proc`; the sums.
pub fn statistics(
    proc: &str,
    pid: Pid,
    each: &mut dyn FnMut(&str, &Statistics),
) -> Result<Statistics, Errno> {
    let path = file(proc, pid, "net/dev");
    let file = openat(CWD, path.as_cstr(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buf = [0; 1024];
    let mut lines = Pieces::new(file.as_fd(), &mut buf);
    let mut sums = Statistics::default();
    while let Some(line) = lines.line()? {
        if let Some((name, statistics)) = interface(line).filter(|(name, _)| *name != "lo") {
            for (sum, n) in sums.iter_mut().zip(statistics) {
                *sum = sum.wrapping_add(n);
            }
            each(name, &statistics);
        }
    }
    Ok(sums)
}

/// "  eth0: bytes packets errors dropped …" for both directions, eight numbers each. `None` for the
/// two lines of headings.
fn interface(line: &[u8]) -> Option<(&str, Statistics)> {
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    let (name, rest) = line.split_at(colon);
    let mut numbers = split_by(rest.get(1..)?, b' ').filter(|word| !word.is_empty()).map(decimal);
    let mut statistics = Statistics::default();
    for half in statistics.chunks_mut(4) {
        for to in half {
            *to = numbers.next()??;
        }
        numbers.nth(3);
    }
    Some((core::str::from_utf8(name.trim_ascii()).ok()?, statistics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_without_the_loopback() {
        let dir = std::env::temp_dir().join(format!("nsinit-netdev-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("7/net")).unwrap();
        let text = "Inter-|   Receive                |  Transmit\n \
            face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n    \
            lo:    6386      58    0    0    0     0          0         0     6386 58 0 0 0 0 0 0\n  \
            eth0: 100 2 3 4 5 6 7 8 900 10 11 12 13 14 15 16\n \
            eth0:1:18446744073709551615 1 1 1 0 0 0 0 1 1 1 1 0 0 0 0\n";
        std::fs::write(dir.join("7/net/dev"), text).unwrap();
        let mut names = Vec::new();
        let pid = Pid::from_raw(7).unwrap();
        let sums =
            statistics(dir.to_str().unwrap(), pid, &mut |name, _| names.push(name.to_owned()));
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(names, ["eth0", "eth0:1"]);
        assert_eq!(sums, Ok([99, 3, 4, 5, 901, 11, 12, 13]));
    }
}
