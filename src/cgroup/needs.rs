//! Which controller each key needs, and what a host without it means.

use super::subsystem::Subsystem;
use crate::plan::Cgroup;

/// What v2 has for a key of a v1 controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum V2 {
    /// The same: in a controller of its own, or without one (devices, freezer).
    Has,
    /// Nothing. Without it the container is less well off, or less well known, but not less limited.
    Lacks,
}

/// A key, the controller that carries it out, and whether the plan has it.
pub type Need = (&'static str, Subsystem, V2, bool);

/// All of them.
pub fn needs(plan: &Cgroup) -> [Need; 23] {
    use Subsystem::*;
    use V2::*;
    let throttle = [
        plan.blkio_throttle_read_bps_device,
        plan.blkio_throttle_write_bps_device,
        plan.blkio_throttle_read_iops_device,
        plan.blkio_throttle_write_iops_device,
    ];
    let [read_bps, write_bps, read_iops, write_iops] = throttle.map(|value| value.is_some());
    [
        ("cgroups.allowed_devices", Devices, Has, plan.devices.is_some()),
        ("cgroups.memory", Memory, Has, plan.memory.is_some()),
        ("cgroups.memory_reservation", Memory, Has, plan.memory_reservation.is_some()),
        ("cgroups.memory_swap", Memory, Has, plan.memory_swap.is_some()),
        ("cgroups.kernel_memory", Memory, Lacks, plan.kernel_memory.is_some()),
        ("cgroups.memory_swappiness", Memory, Lacks, plan.memory_swappiness.is_some()),
        ("cgroups.oom_kill_disable", Memory, Lacks, plan.oom_kill_disable),
        ("cgroups.cpu_shares", Cpu, Has, plan.cpu_shares.is_some()),
        ("cgroups.cpu_quota", Cpu, Has, plan.cpu_quota.is_some()),
        ("cgroups.cpu_period", Cpu, Has, plan.cpu_period.is_some()),
        ("cgroups.cpuset_cpus", Cpuset, Has, plan.cpuset_cpus.is_some()),
        ("cgroups.cpuset_mems", Cpuset, Has, plan.cpuset_mems.is_some()),
        ("cgroups.blkio_weight", Blkio, Has, plan.blkio_weight.is_some()),
        ("cgroups.blkio_weight_device", Blkio, Has, plan.blkio_weight_device.is_some()),
        ("cgroups.blkio_throttle_read_bps_device", Blkio, Has, read_bps),
        ("cgroups.blkio_throttle_write_bps_device", Blkio, Has, write_bps),
        ("cgroups.blkio_throttle_read_iops_device", Blkio, Has, read_iops),
        ("cgroups.blkio_throttle_write_iops_device", Blkio, Has, write_iops),
        ("cgroups.hugetlb_limit", Hugetlb, Has, !plan.hugetlb_limit.is_empty()),
        ("cgroups.net_cls_classid", NetCls, Lacks, plan.net_cls_classid.is_some()),
        ("cgroups.net_prio_ifpriomap", NetPrio, Lacks, !plan.net_prio_ifpriomap.is_empty()),
        ("cgroups.pids_limit", Pids, Has, plan.pids_limit.is_some()),
        ("cgroups.freezer", Freezer, Has, plan.frozen),
    ]
}
