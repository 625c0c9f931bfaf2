//! What a plan can say and nsinit does not do yet. A room that learns one of these takes its line out.

use super::check::{Checked, refuse, refuse_in};
use super::{Cgroup, Kind, MountCommands, Plan, Relabel, Source};

/// What a plan says of something that this version does not do.
const LATER: &str = "this version of nsinit can't do that yet";

/// Refuses what a plan can say and nsinit does not do yet: nothing is left out in silence.
pub fn unbuilt(plan: &Plan) -> Checked {
    let process = &plan.process;
    let singles = [
        ("namespaces", plan.namespaces.get(Kind::User) != Source::Keep),
        ("uid_mappings", !plan.uid_maps.is_empty()),
        ("gid_mappings", !plan.gid_maps.is_empty()),
        ("system_properties", !plan.sysctls.is_empty()),
        ("apparmor_profile", process.apparmor_profile.is_some()),
        ("process_label", process.process_label.is_some()),
        ("mount_label", plan.rootfs.mount_label.is_some()),
        ("seccomp", process.seccomp.as_ref().is_some_and(|seccomp| !seccomp.rules.is_empty())),
    ];
    for (part, asked) in singles {
        match part {
            _ if !asked => {}
            "namespaces" => return refuse(part, "nsinit can't use user namespaces yet (NEWUSER)"),
            _ => return refuse(part, LATER),
        }
    }
    for (n, mount) in plan.rootfs.mounts.iter().enumerate() {
        if mount.relabel != Relabel::No {
            return refuse_in("mounts", n, "relabel", LATER);
        }
        if mount.commands != MountCommands::default() {
            let why = "nsinit runs no commands of a configuration around a mount";
            return refuse_in("mounts", n, "premount_cmds", why);
        }
    }
    plan.cgroup.as_ref().map_or(Ok(()), unbuilt_cgroup)
}

fn unbuilt_cgroup(cgroup: &Cgroup) -> Checked {
    let keys = [
        ("cgroups.slice", cgroup.slice.is_some()),
        ("cgroups.kernel_memory", cgroup.kernel_memory.is_some()),
        ("cgroups.memory_swappiness", cgroup.memory_swappiness.is_some()),
        ("cgroups.oom_kill_disable", cgroup.oom_kill_disable),
        ("cgroups.blkio_weight", cgroup.blkio_weight.is_some()),
        ("cgroups.blkio_weight_device", cgroup.blkio_weight_device.is_some()),
        ("cgroups.blkio_throttle_read_bps_device", cgroup.blkio_throttle_read_bps_device.is_some()),
        (
            "cgroups.blkio_throttle_write_bps_device",
            cgroup.blkio_throttle_write_bps_device.is_some(),
        ),
        (
            "cgroups.blkio_throttle_read_iops_device",
            cgroup.blkio_throttle_read_iops_device.is_some(),
        ),
        (
            "cgroups.blkio_throttle_write_iops_device",
            cgroup.blkio_throttle_write_iops_device.is_some(),
        ),
        ("cgroups.hugetlb_limit", !cgroup.hugetlb_limit.is_empty()),
        ("cgroups.net_prio_ifpriomap", !cgroup.net_prio_ifpriomap.is_empty()),
        ("cgroups.net_cls_classid", cgroup.net_cls_classid.is_some()),
        ("cgroups.pids_limit", cgroup.pids_limit.is_some()),
        ("cgroups.freezer", cgroup.frozen),
    ];
    match keys.into_iter().find(|(_, asked)| *asked) {
        Some((part, _)) => refuse(part, LATER),
        None => Ok(()),
    }
}
