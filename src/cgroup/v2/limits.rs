//! Limits of a v2 group, from the keys of v1.

use super::super::file::Dir;
use super::super::limits::{
    self,
    Value::{Max, Number, Text},
};
use super::super::subsystem::{Subsystem, Subsystems};
use super::super::{left_out, weight};
use crate::bytes::{Arena, Short};
use crate::error::Result;
use crate::plan::{BLKIO, Cgroup, DeviceValue};

/// Writes those that these controllers carry out. What v2 has nothing for has been told by then.
pub fn limit(subsystems: Subsystems, dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    use Subsystem::*;
    // v1 counts both together, and `plan::limits` has seen that it is not less than the limit.
    let swap = plan.memory_swap.map(|swap| match swap {
        ..0 => swap,
        _ => swap - plan.memory.unwrap_or(0),
    });
    let max = cpu_max(plan);
    let text = |text: &'static core::ffi::CStr| Text(text.to_bytes());
    let rows = [
        (Memory, "memory.max", plan.memory.map(Max)),
        (Memory, "memory.swap.max", swap.map(Max)),
        // No reservation is 0 here, and without bounds on v1.
        (Memory, "memory.low", plan.memory_reservation.map(|low| Number(low.max(0)))),
        (Cpu, "cpu.weight", plan.cpu_shares.map(|n| Number(weight::of_shares(n) as i64))),
        (Cpu, "cpu.max", max.as_ref().map(|max| Text(max.as_str().as_bytes()))),
        (Cpuset, "cpuset.cpus", plan.cpuset_cpus.map(text)),
        (Cpuset, "cpuset.mems", plan.cpuset_mems.map(text)),
        (Pids, "pids.max", plan.pids_limit.map(Max)),
    ];
    limits::write(&rows, subsystems, dir, arena)?;
    if subsystems.has(Blkio) {
        io(dir, plan, arena)?;
    }
    if subsystems.has(Hugetlb) {
        limits::hugetlb(dir, plan, "max", arena)?;
    }
    Ok(())
}

/// "QUOTA PERIOD", or a quota alone, which leaves the period.
fn cpu_max(plan: &Cgroup) -> Option<Short<48>> {
    let quota = Max(plan.cpu_quota.unwrap_or(-1));
    match (plan.cpu_quota, plan.cpu_period) {
        (_, Some(period)) => Some(Short::new(format_args!("{quota} {period}"))),
        (Some(_), None) => Some(Short::new(format_args!("{quota}"))),
        (None, None) => None,
    }
}

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
    let names = ["", "rbps", "wbps", "riops", "wiops"];
    for ((name, key), line) in names.into_iter().zip(BLKIO).zip(plan.blkio) {
        let Some(DeviceValue { major, minor, value }) = line else { continue };
        let device = Short::<32>::new(format_args!("{}:{}", i64::from(major), i64::from(minor)));
        let device = device.as_str();
        let text = match (name, value) {
            ("", _) => Short::<64>::new(format_args!("{device} {}", weight(value))),
            (_, 0) => Short::<64>::new(format_args!("{device} {name}=max")),
            _ => Short::<64>::new(format_args!("{device} {name}={value}")),
        };
        match name {
            "" if !there => left_out(key),
            "" => dir.put(file, text.as_str().as_bytes(), arena)?,
            _ => dir.put("io.max", text.as_str().as_bytes(), arena)?,
        }
    }
    Ok(())
}
