//! Which devices a container may use: the rules of either version.

use linux_raw_sys::general::CAP_MKNOD;

use crate::plan::{DEFAULT_DEVICES, DeviceAccess, DeviceRule, Kind, Plan};
use crate::say;

/// The rules that allow, where not all is allowed. An empty list means the default one: a list of
/// what is allowed must never act as a list on top of "all" (GHSA-g54h-m393-cpwq).
pub fn allowed(access: &DeviceAccess) -> &[DeviceRule] {
    if access.allowed.is_empty() { &DEFAULT_DEVICES } else { &access.allowed }
}

/// Says so where nothing keeps the command from the host's devices: it has a root of its own, but
/// without a group it may open every node that it makes there.
pub fn warn_unlimited(plan: &Plan) {
    let makes_nodes = plan.process.capabilities & 1 << CAP_MKNOD != 0;
    if makes_nodes && plan.cgroup.is_none() && plan.namespaces.is_new(Kind::Mount) {
        say::warning(format_args!(
            "without \"cgroups\" in its configuration, and with CAP_MKNOD, the container can open \
             every device of the host, disks too"
        ));
    }
}
