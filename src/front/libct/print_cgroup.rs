//! `cgroups` of the printed configuration.

use core::ffi::CStr;
use core::fmt;

use super::json::Json;
use super::print::kind_number;
use crate::plan::{Cgroup, DeviceAccess, DeviceRule};

/// The cgroup with all its limits.
pub(super) fn cgroup(j: &mut Json, cgroup: &Cgroup) -> fmt::Result {
    j.key("cgroups")?;
    j.open('{', true)?;
    j.opt("name", cgroup.name)?;
    j.opt("parent", cgroup.parent)?;
    j.opt("slice", cgroup.slice)?;
    cgroup.devices.as_ref().map_or(Ok(()), |access| devices(j, access))?;
    let unsigned = |n: Option<u64>| n.and_then(|n| i64::try_from(n).ok());
    for (name, value) in [
        ("memory", cgroup.memory),
        ("memory_reservation", cgroup.memory_reservation),
        ("memory_swap", cgroup.memory_swap),
        ("kernel_memory", cgroup.kernel_memory),
        ("memory_swappiness", unsigned(cgroup.memory_swappiness)),
        ("cpu_shares", unsigned(cgroup.cpu_shares)),
        ("cpu_quota", cgroup.cpu_quota),
        ("cpu_period", unsigned(cgroup.cpu_period)),
        ("blkio_weight", unsigned(cgroup.blkio_weight)),
        ("pids_limit", cgroup.pids_limit),
    ] {
        value.map_or(Ok(()), |n| j.number(name, n))?;
    }
    for (name, value) in [
        ("cpuset_cpus", cgroup.cpuset_cpus),
        ("cpuset_mems", cgroup.cpuset_mems),
        ("blkio_weight_device", cgroup.blkio_weight_device),
        ("blkio_throttle_read_bps_device", cgroup.blkio_throttle_read_bps_device),
        ("blkio_throttle_write_bps_device", cgroup.blkio_throttle_write_bps_device),
        ("blkio_throttle_read_iops_device", cgroup.blkio_throttle_read_iops_device),
        ("blkio_throttle_write_iops_device", cgroup.blkio_throttle_write_iops_device),
        ("freezer", cgroup.frozen.then_some(c"FROZEN")),
    ] {
        j.opt(name, value)?;
    }
    if cgroup.oom_kill_disable {
        j.bool("oom_kill_disable", true)?;
    }
    pairs(j, "hugetlb_limit", ["page_size", "limit"], &cgroup.hugetlb_limit)?;
    pairs(j, "net_prio_ifpriomap", ["interface", "priority"], &cgroup.net_prio_ifpriomap)?;
    if let Some(id) = cgroup.net_cls_classid {
        j.key("net_cls_classid")?;
        j.raw(format_args!("\"{id}\""))?;
    }
    j.close()
}

fn devices(j: &mut Json, access: &DeviceAccess) -> fmt::Result {
    j.bool("allow_all_devices", access.allow_all)?;
    for (name, rules) in [("allowed_devices", &access.allowed), ("denied_devices", &access.denied)]
    {
        j.key(name)?;
        j.open('[', true)?;
        rules.iter().try_for_each(|entry| rule(j, entry))?;
        j.close()?;
    }
    Ok(())
}

fn pairs(j: &mut Json, name: &str, keys: [&str; 2], rows: &[(&CStr, u64)]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let [first, second] = keys;
    j.key(name)?;
    j.open('[', true)?;
    for (text, number) in rows {
        j.open('{', false)?;
        j.key(first)?;
        j.cstr(text)?;
        j.unsigned(second, *number)?;
        j.close()?;
    }
    j.close()
}

fn rule(j: &mut Json, rule: &DeviceRule) -> fmt::Result {
    j.open('{', false)?;
    j.number("type", kind_number(rule.kind))?;
    j.number("major", rule.major.map_or(-1, i64::from))?;
    j.number("minor", rule.minor.map_or(-1, i64::from))?;
    j.key("permissions")?;
    let letters = [(rule.read, "r"), (rule.write, "w"), (rule.mknod, "m")];
    let letter = |n: usize| letters.get(n).map_or("", |(on, letter)| if *on { letter } else { "" });
    j.raw(format_args!("\"{}{}{}\"", letter(0), letter(1), letter(2)))?;
    j.close()
}
