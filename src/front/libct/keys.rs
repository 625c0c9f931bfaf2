//! The keys of the file itself, and of the objects that hold nothing but more of them.

use linux_raw_sys::general::SIGKILL;

use super::read::{File, Read};
use super::service::SERVICE;
use super::settle::List;
use super::table::{Keys, Slot, keys};
use crate::plan::{FEW, PATHS};

pub(super) const TOP: &Keys = &keys!(
    [
        all("rootfs", root),
        v1("root_fs", root),
        v1("readonly_fs", read_only),
        v2("readonlyfs", read_only),
        all("no_pivot_root", no_pivot_root),
        v2("mount_label", mount_label),
        all("hostname", |f| Slot::Text(&mut f.plan.hostname)),
        all("working_dir", |f| Slot::Text(&mut f.plan.process.cwd)),
        all("tty", |f| Slot::Flag(&mut f.plan.process.tty)),
        all("no_new_privs", |f| Slot::Flag(&mut f.plan.process.no_new_privs)),
        all("apparmor_profile", apparmor_profile),
        all("process_label", process_label),
        v1("restrict_sys", |f| Slot::Flag(&mut f.kept.restrict_sys)),
        v1("ipc", |f| Slot::Text(&mut f.kept.ipc)),
    ],
    [
        all("namespaces", |f| f.namespaces()),
        // What runs. In libcontainer 2 these were options of `nsinit exec`.
        all("command", |f| f.object(COMMAND)),
        all("user", |f| f.text().map(|user| f.plan.process.user = user)),
        all("environment", |f| f.environment()),
        all("init", |f| f.init()),
        all("capabilities", |f| f.capabilities()),
        // runc's name for it.
        all("no_new_privileges", |f| f.flag().map(|on| f.plan.process.no_new_privs |= on)),
        v1("capabilities_mask", |f| f.capabilities_mask()),
        v2("additional_groups", |f| f.groups()),
        all("rlimits", |f| f.rlimits()),
        v2("parent_death_signal", |f| {
            // libcontainer 1 always had SIGKILL; 0 is what 2 wrote when nobody asked for anything.
            let signal = f.int(0, 64)? as u32;
            f.plan.process.parent_death_signal = if signal == 0 { SIGKILL } else { signal };
            Ok(())
        }),
        all("seccomp", |f| f.seccomp()),
        // The root.
        v1("mount_config", |f| f.object(MOUNT_CONFIG)),
        all("mounts", |f| f.mounts()),
        v1("device_nodes", nodes),
        v2("devices", nodes),
        v2("privatefs", |f| f.flag().map(|on| f.kept.private = Some(on))),
        v2("mask_paths", |f| {
            f.plan.rootfs.masked.clear();
            f.list(|f| {
                f.mark("mask_paths", f.plan.rootfs.masked.len(), f.json.pos());
                let path = f.absolute_path()?;
                f.plan.rootfs.masked.push(path).map_err(|_| f.full(PATHS, "paths"))
            })
        }),
        v2("readonly_paths", |f| {
            f.plan.rootfs.readonly_paths.clear();
            f.list(|f| {
                f.mark("readonly_paths", f.plan.rootfs.readonly_paths.len(), f.json.pos());
                let path = f.absolute_path()?;
                f.plan.rootfs.readonly_paths.push(path).map_err(|_| f.full(PATHS, "paths"))
            })
        }),
        v2("system_properties", |f| f.map(sysctl)),
        // Around it.
        all("networks", |f| f.networks()),
        v1("network", |f| f.first_network()),
        all("routes", |f| f.routes()),
        all("cgroups", |f| f.cgroups()),
        v2("uid_mappings", |f| {
            f.plan.uid_maps.clear();
            f.list(|f| f.uid_map())
        }),
        v2("gid_mappings", |f| {
            f.plan.gid_maps.clear();
            f.list(|f| f.gid_map())
        }),
        v1("context", |f| f.object(CONTEXT)),
        // How a booted machine keeps it.
        all("service", |f| f.object(SERVICE)),
        // Notes that the nsinit of early 2014 kept here about a container that ran, and a directory
        // that pivot_root(".", ".") does not need: nothing to build.
        v1("id", |f| f.json.skip()),
        v1("namespace_pid", |f| f.json.skip()),
        v1("network_namespace_fd", |f| f.json.skip()),
        v1("master", |f| f.json.skip()),
        v1("console", |f| f.json.skip()),
        v1("log_file", |f| f.json.skip()),
        v2("pivot_dir", |f| f.json.skip()),
    ]
);

pub(super) const COMMAND: &Keys =
    &keys!([], [all("args", |f| f.arguments()), all("environment", |f| f.environment())]);

pub(super) const MOUNT_CONFIG: &Keys = &keys!(
    [
        all("no_pivot_root", no_pivot_root),
        all("readonly_fs", read_only),
        all("mount_label", mount_label),
    ],
    [all("mounts", |f| f.mounts()), all("device_nodes", nodes)]
);

/// The keys of 1.1 and later, in their first home.
pub(super) const CONTEXT: &Keys = &keys!(
    [
        all("apparmor_profile", apparmor_profile),
        all("process_label", process_label),
        all("mount_label", mount_label),
    ],
    [all("restrictions", |f| f.text().map(|value| f.kept.restrict_sys = !value.is_empty()))]
);

fn root<'f>(f: &'f mut File<'_>) -> Slot<'f> {
    Slot::Text(&mut f.plan.rootfs.path)
}

fn read_only<'f>(f: &'f mut File<'_>) -> Slot<'f> {
    Slot::Flag(&mut f.plan.rootfs.readonly)
}

fn no_pivot_root<'f>(f: &'f mut File<'_>) -> Slot<'f> {
    Slot::Flag(&mut f.plan.rootfs.no_pivot_root)
}

fn mount_label<'f>(f: &'f mut File<'_>) -> Slot<'f> {
    Slot::Text(&mut f.plan.rootfs.mount_label)
}

fn apparmor_profile<'f>(f: &'f mut File<'_>) -> Slot<'f> {
    Slot::Text(&mut f.plan.process.apparmor_profile)
}

fn process_label<'f>(f: &'f mut File<'_>) -> Slot<'f> {
    Slot::Text(&mut f.plan.process.process_label)
}

fn nodes(f: &mut File) -> Read {
    if f.claim(List::Devices)? {
        f.plan.rootfs.devices.clear();
    }
    f.kept.has_devices = true;
    f.device_nodes()
}

/// A value of /proc/sys; a later one of the same name replaces it.
fn sysctl(f: &mut File, name: &'static core::ffi::CStr) -> Read {
    if f.json.null()? {
        return Ok(());
    }
    let value = f.text()?;
    if let Some(row) = f.plan.sysctls.iter_mut().find(|row| row.0 == name) {
        row.1 = value;
        return Ok(());
    }
    f.mark("system_properties", f.plan.sysctls.len(), f.json.pos());
    f.plan.sysctls.push((name, value)).map_err(|_| f.full(FEW, "sysctls"))
}

impl File<'_> {
    /// A path inside the container.
    fn absolute_path(&mut self) -> Read<&'static core::ffi::CStr> {
        let path = self.text()?;
        if !path.to_bytes().starts_with(b"/") {
            return Err(self.fault("expected an absolute path"));
        }
        Ok(path)
    }
}
