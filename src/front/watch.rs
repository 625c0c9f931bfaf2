//! The table of `nsinit stats --watch`: what is used of what there is, with bars.

use core::fmt::{self, Write};

use rustix::thread::sched_getaffinity;

use super::answer;
use crate::bytes::Arena;
use crate::cgroup::Groups;
use crate::cgroup::stats::{self, Sample};
use crate::error::Result;
use crate::launch::Running;
use crate::net::stats::{Statistics, statistics};
use crate::say::{self, Output};
use crate::syscall::time::monotonic;

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
    pub fn draw(&mut self, container: &Running, groups: &Groups, arena: &Arena) -> Result<u8> {
        let sample = stats::sample(groups)?;
        let at = monotonic();
        // The first time there is nothing to compare with.
        let ms = if self.at == 0 { u64::MAX } else { (at - self.at).max(1) };
        let cpu = sample[stats::TOTAL_USAGE].unwrap_or(0);
        let network = statistics(container.init.pid, arena, &mut |_, _| {})?;
        let mut out = say::answer();
        let o = &mut out;
        // Home, then each line to its end, then the rest of the screen. The first error of `out` is
        // told by `answer`.
        let _ = o.write_str("\x1b[H");
        let (permille, cpus) = (cpu.saturating_sub(self.cpu) / 1000 / ms, cpus());
        bar(o, "cpu", permille, Some(cpus * 1000));
        let _ = write!(o, "{}.{} % of {cpus} CPUs", permille / 10, permille % 10);
        used(o, "memory", &sample, (stats::MEMORY, stats::MEMORY_LIMIT), "B");
        if let Some(max) = sample[stats::MEMORY_MAX] {
            let _ = write!(o, ", at most {}", Size(max, "B"));
        }
        used(o, "pids", &sample, (stats::PIDS, stats::PIDS_LIMIT), "");
        for (head, n) in [("\x1b[K\r\nnetwork  in ", 0), (", out ", 4)] {
            let bytes = network[n].saturating_sub(self.network[n]);
            let _ = write!(o, "{head}{}/s", Size(bytes.saturating_mul(1000) / ms, "B"));
        }
        let mut head = "\x1b[K\r\nwaiting  ";
        for file in ["cpu.pressure", "memory.pressure", "io.pressure"] {
            let mut text = heapless::String::<16>::new();
            stats::some_pressure(groups, file, &mut text)?;
            if !text.is_empty() {
                let name = file.strip_suffix(".pressure").unwrap_or("");
                let _ = write!(o, "{head}{name} {text} %");
                head = ", ";
            }
        }
        let _ = o.write_str("\x1b[K\r\n\x1b[J");
        *self = Watch { at, cpu, network };
        answer(o)
    }
}

/// A line: how much of a limit is used.
fn used(out: &mut Output, name: &str, sample: &Sample, (used, limit): (usize, usize), unit: &str) {
    let (used, limit) = (sample[used].unwrap_or(0), sample[limit]);
    bar(out, name, used, limit);
    // As above.
    let _ = write!(out, "{}", Size(used, unit));
    if let Some(limit) = limit {
        let _ = write!(out, " of {}", Size(limit, unit));
    }
}

/// Begins a line: a name, and a bar where there is an end to it.
fn bar(out: &mut Output, name: &str, used: u64, limit: Option<u64>) {
    // As above.
    let _ = write!(out, "\x1b[K\r\n{name:8} ");
    if let Some(limit) = limit.filter(|limit| *limit > 0) {
        let full = used.saturating_mul(BAR) / limit;
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

/// A number, and with a unit at most four digits and a binary prefix.
struct Size<'a>(u64, &'a str);

impl fmt::Display for Size<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Size(mut n, unit) = *self;
        if unit.is_empty() {
            return n.fmt(f);
        }
        let mut prefixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi"].into_iter();
        let mut prefix = prefixes.next();
        while n >= 10_000 {
            (n, prefix) = (n / 1024, prefixes.next());
        }
        write!(f, "{n} {}{unit}", prefix.unwrap_or("?"))
    }
}
