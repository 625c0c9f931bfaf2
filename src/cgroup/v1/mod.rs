//! Version 1: every controller in a hierarchy of its own (libcontainer cgroups/fs).

mod cpuset;
mod devices;

use core::ffi::CStr;
use core::fmt::Display;

use rustix::io::Errno;

use super::limits::{self, Limited};
use super::refuse::{KERNEL_MEMORY, left_out, limits_kernel_memory};
use super::subsystem::Subsystem;
use crate::bytes::{Names, Show, number};
use crate::error::Result;
use crate::plan::BLKIO;

/// Limits a group below `base`.
pub fn limit(group: &Limited, base: &'static CStr) -> Result<()> {
    let Limited { plan, subsystems, .. } = *group;
    if let Some(devices) = plan.devices.as_ref().filter(|_| subsystems.has(Subsystem::Devices)) {
        devices::set(group, devices)?;
    }
    if subsystems.has(Subsystem::Cpuset) {
        cpuset::set(group, base)?;
    }
    numbers(group)?;
    if let Some(limit) = plan.kernel_memory.filter(|_| subsystems.has(Subsystem::Memory)) {
        kernel_memory(group, limit)?;
    }
    if subsystems.has(Subsystem::Blkio) {
        blkio(group)?;
    }
    if subsystems.has(Subsystem::Hugetlb) {
        limits::hugetlb(group, "limit_in_bytes")?;
    }
    for (interface, priority) in &plan.net_prio_ifpriomap {
        if subsystems.has(Subsystem::NetPrio) {
            let line = format_args!("{} {priority}", Show(interface.to_bytes()));
            group.put_number("net_prio.ifpriomap", &line)?;
        }
    }
    Ok(())
}

/// Documentation/admin-guide/cgroup-v1, Documentation/scheduler/sched-bwc.rst.
const FILES: Names = Names(
    "memory.limit_in_bytes memory.memsw.limit_in_bytes memory.soft_limit_in_bytes \
     memory.swappiness memory.oom_control cpu.shares cpu.cfs_period_us cpu.cfs_quota_us \
     pids.max net_cls.classid",
);

#[inline(never)]
fn numbers(group: &Limited) -> Result<()> {
    let plan = group.plan;
    let values = [
        plan.memory,
        plan.memory_swap,
        plan.memory_reservation,
        plan.memory_swappiness.map(|n| n as i64),
        plan.oom_kill_disable.then_some(1),
        plan.cpu_shares.map(|n| n as i64),
        plan.cpu_period.map(|n| n as i64),
        plan.cpu_quota,
        plan.pids_limit,
        plan.net_cls_classid.map(i64::from),
    ];
    limits::write(group, FILES, &values)
}

/// The kernel has no such limit of its own since Linux 5.16: it refuses, or takes it and does nothing.
fn kernel_memory(group: &Limited, limit: i64) -> Result<()> {
    const FILE: &str = "memory.kmem.limit_in_bytes";
    let taken = match group.put_number(FILE, &limit) {
        Err(error) if matches!(error.raw(), Some(Errno::OPNOTSUPP | Errno::NOENT)) => false,
        Err(error) => return Err(error),
        Ok(()) => {
            let mut buf = [0; 32];
            let now = group.dir.read(FILE, &mut buf).ok().and_then(|text| number(text, 10));
            // The kernel rounds to pages.
            limit < 0 || now.is_some_and(|now| now <= limit as u64)
        }
    };
    if !taken {
        limits_kernel_memory(group.plan)?;
        left_out(KERNEL_MEMORY);
    }
    Ok(())
}

/// The weights, which only the scheduler BFQ knows today, and the throttles.
#[inline(never)]
fn blkio(group: &Limited) -> Result<()> {
    let Limited { dir, plan, .. } = *group;
    let weighs = plan.blkio_weight.is_some() || plan.blkio[0].is_some();
    let bfq = weighs && dir.has("blkio.bfq.weight");
    let [weight, of_device] = match bfq {
        true => ["blkio.bfq.weight", "blkio.bfq.weight_device"],
        false => ["blkio.weight", "blkio.weight_device"],
    };
    if let Some(value) = &plan.blkio_weight {
        weigh(group, weight, "cgroups.blkio_weight", value)?;
    }
    const THROTTLES: [&str; 4] = [
        "blkio.throttle.read_bps_device",
        "blkio.throttle.write_bps_device",
        "blkio.throttle.read_iops_device",
        "blkio.throttle.write_iops_device",
    ];
    let [line, throttles @ ..] = &plan.blkio;
    if let Some(line) = line {
        weigh(group, of_device, BLKIO.at(0).unwrap_or(""), line)?;
    }
    for (file, line) in THROTTLES.iter().zip(throttles) {
        line.as_ref().map_or(Ok(()), |line| group.put_number(file, line))?;
    }
    Ok(())
}

#[inline(never)]
fn weigh(group: &Limited, file: &'static str, key: &str, value: &dyn Display) -> Result<()> {
    match group.put_number(file, value) {
        // The device has another scheduler.
        Err(error) if matches!(error.raw(), Some(Errno::NOENT | Errno::OPNOTSUPP)) => {
            left_out(key);
            Ok(())
        }
        result => result,
    }
}
