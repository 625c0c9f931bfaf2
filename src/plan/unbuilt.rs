//! What a plan can say and nsinit does not do yet. A room that learns one of these takes its line out.

use super::check::{Finding, Findings};
use super::{Kind, MountCommands, Plan, Relabel, Source};

/// What a plan says of something that this version does not do.
const LATER: &str = "not supported yet";

/// Refuses what a plan can say and nsinit does not do yet: nothing is left out in silence.
pub fn unbuilt(plan: &Plan, tell: &mut dyn FnMut(Finding)) {
    let found = &mut Findings(tell);
    let process = &plan.process;
    if plan.namespaces.get(Kind::User) != Source::Keep {
        found.refuse("namespaces", "user namespaces are not supported yet (NEWUSER)");
    }
    found.refuse_if(!plan.uid_maps.is_empty(), "uid_mappings", LATER);
    found.refuse_if(!plan.gid_maps.is_empty(), "gid_mappings", LATER);
    found.refuse_if(!plan.sysctls.is_empty(), "system_properties", LATER);
    found.refuse_if(process.apparmor_profile.is_some(), "apparmor_profile", LATER);
    found.refuse_if(process.process_label.is_some(), "process_label", LATER);
    found.refuse_if(plan.rootfs.mount_label.is_some(), "mount_label", LATER);
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
