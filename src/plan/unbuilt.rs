//! What a plan can say and nsinit does not do yet. A room that learns one of these takes its line out.

use super::check::{Finding, Findings};
use super::{Kind, MountCommands, Plan, Relabel, Source};

/// What a plan says of something that this version does not do.
const LATER: &str = "this version of nsinit can't do that yet";

/// Refuses what a plan can say and nsinit does not do yet: nothing is left out in silence.
pub fn unbuilt(plan: &Plan, tell: &mut dyn FnMut(Finding)) {
    let found = &mut Findings(tell);
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
            "namespaces" => found.refuse(part, "nsinit can't use user namespaces yet (NEWUSER)"),
            _ => found.refuse(part, LATER),
        }
    }
    for (n, mount) in plan.rootfs.mounts.iter().enumerate() {
        if mount.relabel != Relabel::No {
            found.refuse_in("mounts", n, "relabel", LATER);
        }
        if mount.commands != MountCommands::default() {
            let why = "nsinit runs no commands of a configuration around a mount";
            found.refuse_in("mounts", n, "premount_cmds", why);
        }
    }
}
