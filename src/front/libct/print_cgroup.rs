//! `cgroups` of the printed configuration.

use core::ffi::CStr;

use super::print::kind_number;
use crate::json::Json;
use crate::plan::{BLKIO, Cgroup, DeviceAccess, DeviceRule};

/// The cgroup with all its limits.
pub(super) fn cgroup(j: &mut Json, cgroup: &Cgroup) {
    j.begin("cgroups", '{');
    j.opt("name", cgroup.name);
    j.opt("parent", cgroup.parent);
    j.opt("slice", cgroup.slice);
    if let Some(access) = &cgroup.devices {
        devices(j, access);
    }
    let unsigned = |n: Option<u64>| n.and_then(|n| i64::try_from(n).ok());
    j.opt_number("memory", cgroup.memory);
    j.opt_number("memory_reservation", cgroup.memory_reservation);
    j.opt_number("memory_swap", cgroup.memory_swap);
    j.opt_number("kernel_memory", cgroup.kernel_memory);
    j.opt_number("memory_swappiness", unsigned(cgroup.memory_swappiness));
    j.opt_number("cpu_shares", unsigned(cgroup.cpu_shares));
    j.opt_number("cpu_quota", cgroup.cpu_quota);
    j.opt_number("cpu_period", unsigned(cgroup.cpu_period));
    j.opt_number("blkio_weight", unsigned(cgroup.blkio_weight));
    j.opt_number("pids_limit", cgroup.pids_limit);
    j.opt("cpuset_cpus", cgroup.cpuset_cpus);
    j.opt("cpuset_mems", cgroup.cpuset_mems);
    for (key, value) in BLKIO.zip(cgroup.blkio) {
        if let (Some(name), Some(value)) = (key.strip_prefix("cgroups."), value) {
            j.key(name);
            j.raw(format_args!("\"{value}\""));
        }
    }
    j.opt("freezer", cgroup.frozen.then_some(c"FROZEN"));
    if cgroup.oom_kill_disable {
        j.bool("oom_kill_disable", true);
    }
    pairs(j, "hugetlb_limit", ["page_size", "limit"], &cgroup.hugetlb_limit);
    pairs(j, "net_prio_ifpriomap", ["interface", "priority"], &cgroup.net_prio_ifpriomap);
    if let Some(id) = cgroup.net_cls_classid {
        j.key("net_cls_classid");
        j.raw(format_args!("\"{}\"", i64::from(id)));
    }
    j.close();
}

fn devices(j: &mut Json, access: &DeviceAccess) {
    j.bool("allow_all_devices", access.allow_all);
    for (name, rules) in [("allowed_devices", &access.allowed), ("denied_devices", &access.denied)]
    {
        j.begin(name, '[');
        rules.iter().for_each(|entry| rule(j, entry));
        j.close();
    }
}

fn pairs(j: &mut Json, name: &str, keys: [&str; 2], rows: &[(&CStr, u64)]) {
    if rows.is_empty() {
        return;
    }
    let [first, second] = keys;
    j.begin(name, '[');
    for (text, number) in rows {
        j.open('{', false);
        j.key(first);
        j.cstr(text);
        j.unsigned(second, *number);
        j.close();
    }
    j.close();
}

fn rule(j: &mut Json, rule: &DeviceRule) {
    j.open('{', false);
    j.number("type", kind_number(rule.kind));
    j.number("major", rule.major.map_or(-1, i64::from));
    j.number("minor", rule.minor.map_or(-1, i64::from));
    j.key("permissions");
    let letters = [(rule.read, "r"), (rule.write, "w"), (rule.mknod, "m")];
    let letter = |n: usize| letters.get(n).map_or("", |(on, letter)| if *on { letter } else { "" });
    j.raw(format_args!("\"{}{}{}\"", letter(0), letter(1), letter(2)));
    j.close();
}
