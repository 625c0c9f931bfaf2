//! The table of `nsinit stats --watch`: what is used of what there is, with bars.

use core::fmt::{self, Write};

use rustix::thread::sched_getaffinity;

use super::{Failure, answer};
use crate::bytes::Arena;
use crate::cgroup::{Groups, stats};
use crate::launch::Running;
use crate::net::stats::{Statistics, statistics};
use crate::say::{self, Output};
use crate::syscall::time::monotonic_nanoseconds;

/// Cells of a bar.
const BAR: u64 = 30;

/// What the last drawing saw.
#[derive(Default)]
pub struct Watch {
    at: u64,
    cpu: u64,
    network: Statistics,
}

impl Watch {
    /// Draws the table over the one before.
    pub fn draw(
        &mut self,
        container: &Running,
        groups: &Groups,
        arena: &Arena,
    ) -> Result<(), Failure> {
        let sample = stats::sample(groups)?;
        let at = monotonic_nanoseconds();
        // The first time there is nothing to compare with.
        let time = if self.at == 0 { u64::MAX } else { (at - self.at).max(1) };
        let get = |n: usize| sample.get(n).copied().flatten();
        let cpu = get(stats::TOTAL_USAGE).unwrap_or(0);
        let network = statistics(container.init.pid, arena, &mut |_, _| {})?;
        let mut out = say::answer();
        let o = &mut out;
        // Home, then each line to its end, then the rest of the screen. The first error of `out` is
        // told by `answer`.
        let _ = write!(o, "\x1b[H");
        let permille = u128::from(cpu.saturating_sub(self.cpu)) * 1000 / u128::from(time);
        let (permille, cpus) = (permille as u64, cpus());
        bar(o, "cpu", permille, Some(cpus * 1000));
        let _ = write!(o, "{}.{} % of {cpus} CPUs", permille / 10, permille % 10);
        let (used, limit) = (get(stats::MEMORY).unwrap_or(0), get(stats::MEMORY_LIMIT));
        bar(o, "memory", used, limit);
        let _ = write!(o, "{}B{}", Size(used), Of(limit, "B"));
        if let Some(max) = get(stats::MEMORY_MAX) {
            let _ = write!(o, ", at most {}B", Size(max));
        }
        let (used, limit) = (get(stats::PIDS).unwrap_or(0), get(stats::PIDS_LIMIT));
        bar(o, "pids", used, limit);
        let _ = write!(o, "{used}{}", Of(limit, ""));
        let [rx, tx] = [0, 4].map(|n| {
            let (Some(now), Some(before)) = (network.get(n), self.network.get(n)) else { return 0 };
            let bytes = u128::from(now.saturating_sub(*before));
            (bytes * 1_000_000_000 / u128::from(time)) as u64
        });
        let _ = write!(o, "\x1b[K\r\nnetwork  in {}B/s, out {}B/s", Size(rx), Size(tx));
        for (n, file) in ["cpu.pressure", "memory.pressure", "io.pressure"].iter().enumerate() {
            let mut text = heapless::String::<16>::new();
            stats::some_pressure(groups, file, &mut text)?;
            if !text.is_empty() {
                let head = if n == 0 { "\x1b[K\r\nwaiting  " } else { ", " };
                let _ =
                    write!(o, "{head}{} {text} %", file.strip_suffix(".pressure").unwrap_or(""));
            }
        }
        let _ = write!(o, "\x1b[K\r\n\x1b[J");
        *self = Watch { at, cpu, network };
        answer(out).map(drop)
    }
}

/// Begins a line: a name, and a bar where there is an end to it.
fn bar(out: &mut Output, name: &str, used: u64, limit: Option<u64>) {
    // As above.
    let _ = write!(out, "\x1b[K\r\n{name:8} ");
    if let Some(limit) = limit.filter(|limit| *limit > 0) {
        let full = (u128::from(used) * u128::from(BAR) / u128::from(limit)).min(BAR.into()) as u64;
        let _ = out.write_str("[");
        for cell in 0..BAR {
            let _ = out.write_str(if cell < full { "#" } else { "." });
        }
        let _ = out.write_str("] ");
    }
}

/// The CPUs that this process may run on.
fn cpus() -> u64 {
    sched_getaffinity(None).map_or(1, |set| u64::from(set.count().max(1)))
}

/// A number with at most four digits and a binary prefix.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (mut n, mut prefix) = (self.0, 0);
        while n >= 10_000 {
            (n, prefix) = (n / 1024, prefix + 1);
        }
        write!(f, "{n} {}", ["", "Ki", "Mi", "Gi", "Ti", "Pi"].get(prefix).unwrap_or(&"?"))
    }
}

/// " of 7 MiB", or nothing.
struct Of(Option<u64>, &'static str);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            Some(limit) => write!(f, " of {}{}", Size(limit), self.1),
            None => Ok(()),
        }
    }
}
