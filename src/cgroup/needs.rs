//! Which controller each key needs, and what a host without it means.

use super::subsystem::Subsystem::{self, *};
use crate::bytes::Names;
use crate::plan::{BLKIO, Cgroup, DeviceAccess};

/// What v2 has for a key of a v1 controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum V2 {
    /// The same: in a controller of its own, or without one (devices, freezer).
    Has,
    /// Nothing. Without it the container is less well off, or less well known, but not less limited.
    Lacks,
}

use V2::{Has, Lacks};

/// A key, the controller that carries it out, and what v2 has for it.
pub type Need = (&'static str, Subsystem, V2);

macro_rules! needs {
    ($($key:literal $subsystem:ident $v2:ident;)*) => {
        const KEYS: Names = Names(concat!($($key, " "),*));
        const CONTROLLERS: &[(Subsystem, V2)] = &[$(($subsystem, $v2)),*];
    };
}

needs! {
    "cgroups.allowed_devices" Devices Has;
    "cgroups.memory" Memory Has;
    "cgroups.memory_reservation" Memory Has;
    "cgroups.memory_swap" Memory Has;
    "cgroups.kernel_memory" Memory Lacks;
    "cgroups.memory_swappiness" Memory Lacks;
    "cgroups.oom_kill_disable" Memory Lacks;
    "cgroups.cpu_shares" Cpu Has;
    "cgroups.cpu_quota" Cpu Has;
    "cgroups.cpu_period" Cpu Has;
    "cgroups.cpuset_cpus" Cpuset Has;
    "cgroups.cpuset_mems" Cpuset Has;
    "cgroups.blkio_weight" Blkio Has;
    "cgroups.hugetlb_limit" Hugetlb Has;
    "cgroups.net_cls_classid" NetCls Lacks;
    "cgroups.net_prio_ifpriomap" NetPrio Lacks;
    "cgroups.pids_limit" Pids Has;
    "cgroups.freezer" Freezer Has;
}

/// All of them, in the order of `asked`.
pub fn needs() -> impl Iterator<Item = Need> {
    let own = KEYS.zip(CONTROLLERS).map(|(key, (subsystem, v2))| (key, *subsystem, *v2));
    own.chain(BLKIO.map(|key| (key, Blkio, Has)))
}

/// How many.
const COUNT: usize = CONTROLLERS.len() + 5;

/// Which of them limit by this plan; with `lifts` also those that only take a limit away, for which no
/// controller need be there.
#[inline(never)]
pub fn asked(plan: &Cgroup, lifts: bool) -> [bool; COUNT] {
    let number = |value: Option<i64>| value.is_some_and(|value| lifts || value >= 0);
    let devices = |access: &DeviceAccess| lifts || !access.allow_all || !access.denied.is_empty();
    let [weight, read_bps, write_bps, read_iops, write_iops] = plan.blkio;
    [
        plan.devices.as_ref().is_some_and(devices),
        number(plan.memory),
        number(plan.memory_reservation),
        number(plan.memory_swap),
        number(plan.kernel_memory),
        plan.memory_swappiness.is_some(),
        plan.oom_kill_disable,
        plan.cpu_shares.is_some(),
        number(plan.cpu_quota),
        plan.cpu_period.is_some(),
        plan.cpuset_cpus.is_some(),
        plan.cpuset_mems.is_some(),
        plan.blkio_weight.is_some(),
        !plan.hugetlb_limit.is_empty(),
        plan.net_cls_classid.is_some(),
        !plan.net_prio_ifpriomap.is_empty(),
        number(plan.pids_limit),
        plan.frozen,
        weight.is_some(),
        read_bps.is_some(),
        write_bps.is_some(),
        read_iops.is_some(),
        write_iops.is_some(),
    ]
}
