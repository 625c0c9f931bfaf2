//! Version 1: every controller in a hierarchy of its own (libcontainer cgroups/fs).

mod cpuset;
mod devices;

use core::ffi::CStr;
use core::fmt::Display;

use rustix::io::Errno;

use super::file::Dir;
use super::limits::Value::{Max, Number, Text};
use super::subsystem::{Subsystem, Subsystems};
use super::{left_out, limits};
use crate::bytes::{Arena, Short, Show, number};
use crate::error::Result;
use crate::plan::{BLKIO, Cgroup};

/// Limits the group at `dir`, in the hierarchy of these subsystems, below `base`. `fresh`: it was
/// made just now, with its parent's settings.
pub fn limit(
    subsystems: Subsystems,
    base: &'static CStr,
    dir: &Dir,
    plan: &Cgroup,
    fresh: bool,
    arena: &Arena,
) -> Result<()> {
    if let Some(devices) = plan.devices.as_ref().filter(|_| subsystems.has(Subsystem::Devices)) {
        devices::set(dir, devices, fresh, arena)?;
    }
    if subsystems.has(Subsystem::Cpuset) {
        cpuset::set(base, dir, plan, fresh, arena)?;
    }
    numbers(subsystems, dir, plan, arena)?;
    if let Some(limit) = plan.kernel_memory.filter(|_| subsystems.has(Subsystem::Memory)) {
        kernel_memory(dir, limit, arena)?;
    }
    if subsystems.has(Subsystem::Blkio) {
        blkio(dir, plan, arena)?;
    }
    if subsystems.has(Subsystem::Hugetlb) {
        limits::hugetlb(dir, plan, "limit_in_bytes", arena)?;
    }
    for (interface, priority) in &plan.net_prio_ifpriomap {
        // An interface's name has at most 15 bytes.
        let name = Show(interface.to_bytes());
        let line = Short::<64>::new(format_args!("{name} {priority}"));
        let line = Some(Text(line.as_str().as_bytes()));
        limits::write(&[(Subsystem::NetPrio, "net_prio.ifpriomap", line)], subsystems, dir, arena)?;
    }
    Ok(())
}

/// Documentation/admin-guide/cgroup-v1, Documentation/scheduler/sched-bwc.rst.
fn numbers(subsystems: Subsystems, dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    use Subsystem::*;
    let unsigned = |n: Option<u64>| n.map(|n| Number(n as i64));
    let rows = [
        (Memory, "memory.limit_in_bytes", plan.memory.map(Number)),
        (Memory, "memory.memsw.limit_in_bytes", plan.memory_swap.map(Number)),
        (Memory, "memory.soft_limit_in_bytes", plan.memory_reservation.map(Number)),
        (Memory, "memory.swappiness", unsigned(plan.memory_swappiness)),
        (Memory, "memory.oom_control", plan.oom_kill_disable.then_some(Number(1))),
        (Cpu, "cpu.shares", unsigned(plan.cpu_shares)),
        (Cpu, "cpu.cfs_period_us", unsigned(plan.cpu_period)),
        (Cpu, "cpu.cfs_quota_us", plan.cpu_quota.map(Number)),
        (Pids, "pids.max", plan.pids_limit.map(Max)),
        (NetCls, "net_cls.classid", plan.net_cls_classid.map(|id| Number(id.into()))),
    ];
    limits::write(&rows, subsystems, dir, arena)
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

/// The weights, which only the scheduler BFQ knows today, and the throttles.
fn blkio(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    let bfq = dir.has("blkio.bfq.weight");
    let files = [
        if bfq { "blkio.bfq.weight_device" } else { "blkio.weight_device" },
        "blkio.throttle.read_bps_device",
        "blkio.throttle.write_bps_device",
        "blkio.throttle.read_iops_device",
        "blkio.throttle.write_iops_device",
    ];
    let weight = if bfq { "blkio.bfq.weight" } else { "blkio.weight" };
    if let Some(value) = &plan.blkio_weight {
        put_if_there(dir, weight, "cgroups.blkio_weight", value, arena)?;
    }
    for ((key, file), line) in BLKIO.into_iter().zip(files).zip(&plan.blkio) {
        if let Some(line) = line {
            put_if_there(dir, file, key, line, arena)?;
        }
    }
    Ok(())
}

fn put_if_there(
    dir: &Dir,
    file: &'static str,
    key: &str,
    value: &dyn Display,
    arena: &Arena,
) -> Result<()> {
    match dir.put_number(file, value, arena) {
        Err(error) if error.raw() == Some(Errno::NOENT) && file.contains("weight") => {
            left_out(key);
            Ok(())
        }
        result => result,
    }
}
