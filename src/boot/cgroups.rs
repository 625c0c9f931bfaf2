//! The control groups of the machine: the hierarchy, PID 1 in a group of its own, and the
//! controllers switched on for the groups below the root (cgroups(7)).

use core::ffi::CStr;

use rustix::mount::{MountFlags, mount};

use super::cmdline::Hierarchy;
use super::mounts::{is_mounted, make_dir, read, write};
use super::names::path;
use crate::bytes::split_by;
use crate::error::{Context, Result};

const TOP: &CStr = c"/sys/fs/cgroup";

fn flags() -> MountFlags {
    MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC
}

/// Mounts it, unless one is there. In a container it would be the machine's: there, only what its
/// maker has mounted is used, as far as that may be written to.
pub fn make(hierarchy: Hierarchy, is_real: bool) -> Result<()> {
    match hierarchy {
        _ if !is_real && !is_mounted(TOP) => Ok(()),
        Hierarchy::None => Ok(()),
        Hierarchy::V2 if !is_real => v2().or(Ok(())),
        Hierarchy::V2 => v2(),
        Hierarchy::V1 => v1(),
    }
}

fn v2() -> Result<()> {
    if !is_mounted(TOP) {
        // The second is Linux 5.7's.
        mount(c"cgroup2", TOP, c"cgroup2", flags(), c"nsdelegate,memory_recursiveprot")
            .or_else(|_| mount(c"cgroup2", TOP, c"cgroup2", flags(), c""))
            .doing("mount cgroup2 on", TOP)?;
    }
    // A group with processes in it may have no controllers for the groups below it, but for the
    // machine's root: that of a container's hierarchy is an ordinary one.
    make_dir(c"/sys/fs/cgroup/init");
    const PROCS: &CStr = c"/sys/fs/cgroup/init/cgroup.procs";
    write(PROCS, b"0").doing("write to", PROCS)?;
    let mut buf = [0; 512];
    const CONTROLLERS: &CStr = c"/sys/fs/cgroup/cgroup.controllers";
    let controllers = read(CONTROLLERS, &mut buf).doing("read", CONTROLLERS)?;
    for name in split_by(controllers.trim_ascii(), b' ') {
        // One by one: a controller that can't be had takes no other with it. A container that asks
        // for it hears of it.
        let text = path("+*", name);
        let _ = write(c"/sys/fs/cgroup/cgroup.subtree_control", text.as_cstr().to_bytes());
    }
    Ok(())
}

/// A hierarchy for each controller of /proc/cgroups, as systemd and everybody after it had them.
fn v1() -> Result<()> {
    if is_mounted(TOP) {
        return Ok(());
    }
    mount(c"tmpfs", TOP, c"tmpfs", flags(), c"mode=0755,size=1m").doing("mount tmpfs on", TOP)?;
    let mut buf = [0; 2048];
    const LIST: &CStr = c"/proc/cgroups";
    let list = read(LIST, &mut buf).doing("read", LIST)?;
    // name, hierarchy, number of groups, enabled
    for line in
        split_by(list, b'\n').filter(|line| !line.starts_with(b"#") && line.ends_with(b"\t1"))
    {
        let name = split_by(line, b'\t').next().unwrap_or(b"");
        hierarchy(name, name);
    }
    hierarchy(b"systemd", b"none,name=systemd");
    Ok(())
}

fn hierarchy(name: &[u8], options: &[u8]) {
    let (dir, data) = (path("/sys/fs/cgroup/*", name), path("*", options));
    make_dir(dir.as_cstr());
    // A controller without version 1: as above.
    let _ = mount(c"cgroup", dir.as_cstr(), c"cgroup", flags(), data.as_cstr());
}
