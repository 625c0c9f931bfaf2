//! Limits of a v2 group, from the keys of v1.

use core::ffi::CStr;

use rustix::io::Errno;

use super::super::file::Dir;
use super::super::limits::{self, Max, explain};
use super::super::refuse::left_out;
use super::super::subsystem::{Subsystem, Subsystems};
use super::super::weight;
use crate::bytes::{Arena, Short};
use crate::error::Result;
use crate::plan::{BLKIO, Cgroup, DeviceValue};

const FILES: [limits::Row; 5] = [
    (Subsystem::Memory, "memory.max", true),
    (Subsystem::Memory, "memory.swap.max", true),
    (Subsystem::Memory, "memory.low", false),
    (Subsystem::Cpu, "cpu.weight", false),
    (Subsystem::Pids, "pids.max", true),
];

/// Writes those that these controllers carry out. What v2 has nothing for has been told by then.
#[inline(never)]
pub fn limit(subsystems: Subsystems, dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    let values = [
        plan.memory,
        swap(plan),
        // No reservation is 0 here, and without bounds on v1.
        plan.memory_reservation.map(|low| low.max(0)),
        plan.cpu_shares.map(|shares| weight::of_shares(shares) as i64),
        plan.pids_limit,
    ];
    limits::write(&FILES, &values, subsystems, dir, arena)?;
    if subsystems.has(Subsystem::Cpu) {
        cpu_max(dir, plan, arena)?;
    }
    let put = |file, list: Option<&CStr>| match list {
        Some(list) if subsystems.has(Subsystem::Cpuset) => dir.put(file, list.to_bytes(), arena),
        _ => Ok(()),
    };
    put("cpuset.cpus", plan.cpuset_cpus)?;
    put("cpuset.mems", plan.cpuset_mems)?;
    if subsystems.has(Subsystem::Blkio) {
        io(dir, plan, arena)?;
    }
    if subsystems.has(Subsystem::Hugetlb) {
        limits::hugetlb(dir, plan, "max", arena)?;
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
fn cpu_max(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    let (quota, period) = (Max(plan.cpu_quota.unwrap_or(-1)), plan.cpu_period);
    if plan.cpu_quota.is_none() && period.is_none() {
        return Ok(());
    }
    let mut text = Short::<64>::new(format_args!("{quota}"));
    if let Some(period) = period {
        text.push(format_args!(" {period}"));
    }
    dir.put("cpu.max", text.as_str().as_bytes(), arena).map_err(explain)
}

#[inline(never)]
fn io(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    // BFQ's weights are those of v1.
    let bfq = dir.has("io.bfq.weight");
    let file = if bfq { "io.bfq.weight" } else { "io.weight" };
    let weight = |value| if bfq { value } else { weight::of_blkio(value) };
    let there = bfq || dir.has(file);
    match plan.blkio_weight {
        Some(value) if there => dir.put_number(file, &weight(value), arena)?,
        Some(_) => left_out("cgroups.blkio_weight"),
        None => {}
    }
    for ((name, key), line) in
        ["", "rbps=", "wbps=", "riops=", "wiops="].iter().zip(&BLKIO).zip(&plan.blkio)
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
        let text = Short::<64>::new(format_args!("{major}:{minor} {name}{}", Max(value)));
        match dir.put(file, text.as_str().as_bytes(), arena) {
            // The device has another scheduler.
            Err(error) if name.is_empty() && error.raw() == Some(Errno::OPNOTSUPP) => left_out(key),
            result => result?,
        }
    }
    Ok(())
}
