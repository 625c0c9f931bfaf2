//! Limits of a v2 group, from the keys of v1.

use rustix::io::Errno;

use super::super::file::Dir;
use super::super::subsystem::{Subsystem, Subsystems};
use super::super::{left_out, weight};
use crate::bytes::{Arena, Short};
use crate::error::{Error, Result};
use crate::plan::{Cgroup, DeviceValue};

/// Writes those that these controllers carry out. What v2 has nothing for has been told by then.
pub fn limit(subsystems: Subsystems, dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    if subsystems.has(Subsystem::Memory) {
        memory(dir, plan, arena)?;
    }
    if subsystems.has(Subsystem::Cpu) {
        cpu(dir, plan, arena)?;
    }
    if subsystems.has(Subsystem::Cpuset) {
        for (file, list) in [("cpuset.cpus", plan.cpuset_cpus), ("cpuset.mems", plan.cpuset_mems)] {
            if let Some(list) = list {
                dir.put(file, list.to_bytes(), arena)?;
            }
        }
    }
    if subsystems.has(Subsystem::Blkio) {
        io(dir, plan, arena)?;
    }
    if let Some(limit) = plan.pids_limit.filter(|_| subsystems.has(Subsystem::Pids)) {
        put_or_max(dir, "pids.max", limit, arena)?;
    }
    if subsystems.has(Subsystem::Hugetlb) {
        super::super::hugetlb(dir, plan, "max", arena)?;
    }
    Ok(())
}

/// A number; -1 is "max".
fn put_or_max(dir: &Dir, file: &'static str, value: i64, arena: &Arena) -> Result<()> {
    match value {
        ..0 => dir.put(file, b"max", arena),
        _ => dir.put_number(file, &value, arena),
    }
}

fn memory(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    if let Some(limit) = plan.memory {
        put_or_max(dir, "memory.max", limit, arena)?;
    }
    if let Some(swap) = plan.memory_swap {
        // v1 counts both together, and `check` has seen that it is not less than the limit.
        let alone = if swap == -1 { -1 } else { swap - plan.memory.unwrap_or(0) };
        put_or_max(dir, "memory.swap.max", alone, arena).map_err(|error| match error.raw() {
            Some(Errno::NOENT) => error.hint("the kernel does not count swap"),
            _ => error,
        })?;
    }
    // No reservation is 0 here, and without bounds on v1.
    let Some(low) = plan.memory_reservation else { return Ok(()) };
    dir.put_number("memory.low", &low.max(0), arena)
}

fn cpu(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    if let Some(shares) = plan.cpu_shares {
        dir.put_number("cpu.weight", &weight::of_shares(shares), arena)?;
    }
    let mut max = Short::<48>::default();
    // Two numbers fit.
    let _ = match plan.cpu_quota {
        None if plan.cpu_period.is_none() => return Ok(()),
        None | Some(..0) => max.push(format_args!("max")),
        Some(quota) => max.push(format_args!("{quota}")),
    };
    if let Some(period) = plan.cpu_period {
        let _ = max.push(format_args!(" {period}"));
    }
    dir.put("cpu.max", max.as_str().as_bytes(), arena).map_err(|error: Error| match error.raw() {
        Some(Errno::NOENT) => error.hint("the kernel has no CONFIG_CFS_BANDWIDTH"),
        _ => error,
    })
}

fn io(dir: &Dir, plan: &Cgroup, arena: &Arena) -> Result<()> {
    // BFQ's weights are those of v1.
    let bfq = dir.has("io.bfq.weight");
    let file = if bfq { "io.bfq.weight" } else { "io.weight" };
    let value = |value| if bfq { value } else { weight::of_blkio(value) };
    let there = bfq || dir.has(file);
    match plan.blkio_weight {
        Some(weight) if there => dir.put_number(file, &value(weight), arena)?,
        Some(_) => left_out("cgroups.blkio_weight"),
        None => {}
    }
    match plan.blkio_weight_device {
        Some(line) if there => {
            dir.put_number(file, &DeviceValue { value: value(line.value), ..line }, arena)?;
        }
        Some(_) => left_out("cgroups.blkio_weight_device"),
        None => {}
    }
    let lines = [
        ("rbps", plan.blkio_throttle_read_bps_device),
        ("wbps", plan.blkio_throttle_write_bps_device),
        ("riops", plan.blkio_throttle_read_iops_device),
        ("wiops", plan.blkio_throttle_write_iops_device),
    ];
    for (name, line) in lines {
        let Some(DeviceValue { major, minor, value }) = line else { continue };
        let (major, minor) = (i64::from(major), i64::from(minor));
        let text = match value {
            0 => Short::<64>::new(format_args!("{major}:{minor} {name}=max")),
            _ => Short::<64>::new(format_args!("{major}:{minor} {name}={value}")),
        };
        dir.put("io.max", text.as_str().as_bytes(), arena)?;
    }
    Ok(())
}
