//! Limits of a v2 group, from the keys of v1.

use core::ffi::CStr;

use rustix::io::Errno;

use super::super::limits::{self, Limited, Max, explain};
use super::super::refuse::left_out;
use super::super::subsystem::Subsystem;
use super::super::weight;
use crate::bytes::Names;
use crate::error::Result;
use crate::plan::{BLKIO, Cgroup, DeviceValue};

const FILES: Names = Names("memory.max memory.swap.max memory.low cpu.weight pids.max");

/// Writes those that these controllers carry out. What v2 has nothing for has been told by then.
#[inline(never)]
pub fn limit(group: &Limited) -> Result<()> {
    let Limited { plan, subsystems, .. } = *group;
    let values = [
        plan.memory,
        swap(plan),
        // No reservation is 0 here, and without bounds on v1.
        plan.memory_reservation.map(|low| low.max(0)),
        plan.cpu_shares.map(|shares| weight::of_shares(shares) as i64),
        plan.pids_limit,
    ];
    limits::write(group, FILES, &values)?;
    if subsystems.has(Subsystem::Cpu) {
        cpu_max(group)?;
    }
    let put = |file, list: Option<&CStr>| match list {
        Some(list) if subsystems.has(Subsystem::Cpuset) => group.put(file, list.to_bytes()),
        _ => Ok(()),
    };
    put("cpuset.cpus", plan.cpuset_cpus)?;
    put("cpuset.mems", plan.cpuset_mems)?;
    if subsystems.has(Subsystem::Blkio) {
        io(group)?;
    }
    if subsystems.has(Subsystem::Hugetlb) {
        limits::hugetlb(group, "max")?;
    }
    Ok(())
}

/// Swap alone. v1 counts it with memory, and `plan::limits` has seen that it is not less than that.
pub fn swap(plan: &Cgroup) -> Option<i64> {
    plan.memory_swap.map(|swap| match swap {
        ..0 => swap,
        _ => swap - plan.memory.unwrap_or(0),
    })
}

/// "QUOTA PERIOD", or a quota alone, which leaves the period.
fn cpu_max(group: &Limited) -> Result<()> {
    let plan = group.plan;
    let (quota, period) = (Max(plan.cpu_quota.unwrap_or(-1)), plan.cpu_period);
    if plan.cpu_quota.is_none() && period.is_none() {
        return Ok(());
    }
    let written = match period {
        Some(period) => group.put_number("cpu.max", &format_args!("{quota} {period}")),
        None => group.put_number("cpu.max", &quota),
    };
    written.map_err(explain)
}

#[inline(never)]
fn io(group: &Limited) -> Result<()> {
    let Limited { dir, plan, .. } = *group;
    // BFQ's weights are those of v1.
    let bfq = dir.has("io.bfq.weight");
    let file = if bfq { "io.bfq.weight" } else { "io.weight" };
    let weight = |value| if bfq { value } else { weight::of_blkio(value) };
    let there = bfq || dir.has(file);
    match plan.blkio_weight {
        Some(value) if there => group.put_number(file, &weight(value))?,
        Some(_) => left_out("cgroups.blkio_weight"),
        None => {}
    }
    for ((name, key), line) in
        ["", "rbps=", "wbps=", "riops=", "wiops="].iter().zip(BLKIO).zip(&plan.blkio)
    {
        let Some(DeviceValue { major, minor, value }) = line else { continue };
        let (file, value) = match (name.is_empty(), *value) {
            (true, _) if !there => {
                left_out(key);
                continue;
            }
            (true, value) => (file, weight(value) as i64),
            (_, 0) => ("io.max", -1),
            (_, value) => ("io.max", i64::try_from(value).unwrap_or(-1)),
        };
        let (major, minor) = (i64::from(*major), i64::from(*minor));
        let line = format_args!("{major}:{minor} {name}{}", Max(value));
        match group.put_number(file, &line) {
            // The device has another scheduler.
            Err(error) if name.is_empty() && error.raw() == Some(Errno::OPNOTSUPP) => left_out(key),
            result => result?,
        }
    }
    Ok(())
}
