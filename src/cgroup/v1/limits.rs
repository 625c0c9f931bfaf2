//! Limits of a v1 group (Documentation/admin-guide/cgroup-v1, Documentation/scheduler/sched-bwc.rst).

use core::fmt::Display;

use rustix::io::Errno;

use super::super::file::Dir;
use super::super::left_out;
use super::super::subsystem::{Subsystem, Subsystems};
use crate::bytes::{Arena, Show, number};
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

/// kernel_memory, memory_swappiness, oom_kill_disable.
pub fn memory_ways(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    if let Some(limit) = plan.kernel_memory {
        kernel_memory(dir, limit, arena)?;
    }
    if let Some(swappiness) = plan.memory_swappiness {
        dir.put_number("memory.swappiness", &swappiness, arena)?;
    }
    if plan.oom_kill_disable {
        dir.put("memory.oom_control", b"1", arena)?;
    }
    Ok(())
}

/// The kernel has no such limit of its own since Linux 5.16: it refuses, or takes it and does nothing.
fn kernel_memory(dir: &Dir, limit: i64, arena: &Arena) -> Result<()> {
    const FILE: &str = "memory.kmem.limit_in_bytes";
    let taken = match dir.put_number(FILE, &limit, arena) {
        Err(error) if matches!(error.raw(), Some(Errno::OPNOTSUPP | Errno::NOENT)) => false,
        Err(error) => return Err(error),
        Ok(()) => {
            let mut buf = [0; 32];
            let now = dir.read(FILE, &mut buf).ok().and_then(|text| number(text, 10));
            // The kernel rounds to pages.
            limit < 0 || now.is_some_and(|now| now <= limit as u64)
        }
    };
    if !taken {
        left_out("cgroups.kernel_memory");
    }
    Ok(())
}

/// pids_limit.
pub fn pids(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    match plan.pids_limit {
        Some(..0) => dir.put("pids.max", b"max", arena),
        Some(limit) => dir.put_number("pids.max", &limit, arena),
        None => Ok(()),
    }
}

/// blkio_weight and its like, and the throttles. Only the scheduler BFQ knows weights today.
pub fn blkio(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    let weights = [
        ["blkio.bfq.weight", "blkio.weight"].into_iter().find(|file| dir.has(file)),
        ["blkio.bfq.weight_device", "blkio.weight_device"].into_iter().find(|file| dir.has(file)),
    ];
    let lines: [(&str, Option<&'static str>, Option<&dyn Display>); 6] = [
        ("cgroups.blkio_weight", weights[0], shown(&plan.blkio_weight)),
        ("cgroups.blkio_weight_device", weights[1], shown(&plan.blkio_weight_device)),
        ("", Some("blkio.throttle.read_bps_device"), shown(&plan.blkio_throttle_read_bps_device)),
        ("", Some("blkio.throttle.write_bps_device"), shown(&plan.blkio_throttle_write_bps_device)),
        ("", Some("blkio.throttle.read_iops_device"), shown(&plan.blkio_throttle_read_iops_device)),
        (
            "",
            Some("blkio.throttle.write_iops_device"),
            shown(&plan.blkio_throttle_write_iops_device),
        ),
    ];
    for (key, file, value) in lines {
        match (file, value) {
            (Some(file), Some(value)) => dir.put_number(file, value, arena)?,
            (None, Some(_)) => left_out(key),
            (_, None) => {}
        }
    }
    Ok(())
}

fn shown<T: Display>(value: &Option<T>) -> Option<&dyn Display> {
    value.as_ref().map(|value| value as &dyn Display)
}

/// net_cls_classid and net_prio_ifpriomap.
pub fn net(subsystems: Subsystems, dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    if let Some(class) = plan.net_cls_classid.filter(|_| subsystems.has(Subsystem::NetCls)) {
        dir.put_number("net_cls.classid", &i64::from(class), arena)?;
    }
    if subsystems.has(Subsystem::NetPrio) {
        for (interface, priority) in &plan.net_prio_ifpriomap {
            // An interface name has at most 15 bytes.
            let name = Show(interface.to_bytes());
            dir.put_number("net_prio.ifpriomap", &format_args!("{name} {priority}"), arena)?;
        }
    }
    Ok(())
}
