//! Version 1: every controller in a hierarchy of its own (libcontainer cgroups/fs).

mod cpuset;
mod devices;
mod limits;

use core::ffi::CStr;

use super::file::Dir;
use super::subsystem::{Subsystem, Subsystems};
use crate::bytes::Arena;
use crate::error::Result;
use crate::plan::Cgroup;

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
    if subsystems.has(Subsystem::Memory) {
        limits::memory(dir, plan, arena)?;
        limits::memory_ways(dir, plan, arena)?;
    }
    if subsystems.has(Subsystem::Cpu) {
        limits::cpu(dir, plan, arena)?;
    }
    if subsystems.has(Subsystem::Cpuset) {
        cpuset::set(base, dir, plan, fresh, arena)?;
    }
    if subsystems.has(Subsystem::Pids) {
        limits::pids(dir, plan, arena)?;
    }
    if subsystems.has(Subsystem::Blkio) {
        limits::blkio(dir, plan, arena)?;
    }
    if subsystems.has(Subsystem::Hugetlb) {
        super::hugetlb(dir, plan, "limit_in_bytes", arena)?;
    }
    limits::net(subsystems, dir, plan, arena)
}
