//! Limits of memory and cpu in a v1 group
//! (Documentation/admin-guide/cgroup-v1/memory.rst, Documentation/scheduler/sched-bwc.rst).

use rustix::io::Errno;

use super::super::file::Dir;
use crate::bytes::Arena;
use crate::error::{Error, Result};
use crate::plan::Cgroup;

const LIMIT: &str = "memory.limit_in_bytes";
const SWAP: &str = "memory.memsw.limit_in_bytes";
const PERIOD: &str = "cpu.cfs_period_us";
const QUOTA: &str = "cpu.cfs_quota_us";

/// memory, memory_reservation, memory_swap.
pub fn memory(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    let limit = || plan.memory.map_or(Ok(()), |limit| dir.put_number(LIMIT, &limit, arena));
    let swap = || plan.memory_swap.map_or(Ok(()), |swap| dir.put_number(SWAP, &swap, arena));
    in_either_order(limit, swap).map_err(explain)?;
    let Some(reservation) = plan.memory_reservation else { return Ok(()) };
    dir.put_number("memory.soft_limit_in_bytes", &reservation, arena)
}

/// cpu_shares, cpu_period, cpu_quota.
pub fn cpu(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    if let Some(shares) = plan.cpu_shares {
        dir.put_number("cpu.shares", &shares, arena)?;
    }
    let period = || plan.cpu_period.map_or(Ok(()), |period| dir.put_number(PERIOD, &period, arena));
    let quota = || plan.cpu_quota.map_or(Ok(()), |quota| dir.put_number(QUOTA, &quota, arena));
    in_either_order(period, quota).map_err(explain)
}

/// Two values that the kernel checks against each other: the limit is never above that with swap,
/// and the share of the period never above the parent's. In a group that was there already the old
/// second value may refuse the new first one; then the second comes before it.
fn in_either_order(first: impl Fn() -> Result<()>, second: impl Fn() -> Result<()>) -> Result<()> {
    match first() {
        Err(error) if error.raw() == Some(Errno::INVAL) => {
            second().map_err(|_| error)?;
            first()
        }
        result => result.and_then(|()| second()),
    }
}

fn explain(error: Error) -> Error {
    let crate::error::Object::Beneath(_, file) = error.on() else { return error };
    match (file, error.raw()) {
        (SWAP, Some(Errno::NOENT | Errno::ACCESS)) => {
            error.hint("the kernel does not count swap (swapaccount=1 on its command line)")
        }
        (PERIOD | QUOTA, Some(Errno::NOENT)) => {
            error.hint("the kernel has no CONFIG_CFS_BANDWIDTH")
        }
        (PERIOD | QUOTA, Some(Errno::INVAL)) => {
            error.hint("1000 to 1000000 us, and no greater part of the period than the parent's")
        }
        (LIMIT, Some(Errno::BUSY)) => error.hint("what runs in the group uses more"),
        _ => error,
    }
}
