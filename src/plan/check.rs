//! What can be refused before anything is done: a plan that would touch the host, that can't work,
//! or that lies about what is protected.

use core::ffi::CStr;

use super::{Init, Kind, Mount, Plan, Rootfs, check_network, limits};
use crate::bytes::{Names, split_by};

/// Longest host name (include/uapi/linux/utsname.h, __NEW_UTS_LEN).
pub const HOSTNAME_MAX: usize = 64;

/// A part of the plan that can't be, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The part, by its key in container.json of libcontainer 2; `Plan::mark` knows its place.
    pub part: &'static str,
    /// Which one, in a list.
    pub index: Option<usize>,
    /// The key within it, or "".
    pub key: &'static str,
    /// The text that is meant, or "".
    pub text: &'static CStr,
    /// Why not.
    pub why: &'static str,
}

/// Where findings go.
pub(super) struct Findings<'a>(pub &'a mut dyn FnMut(Finding));

impl Findings<'_> {
    /// Refuses a part.
    #[cold]
    #[inline(never)]
    pub fn refuse(&mut self, part: &'static str, why: &'static str) {
        (self.0)(Finding { part, index: None, key: "", text: c"", why });
    }

    /// Refuses a part, or the first one of a list, that is there and should not be.
    #[inline(never)]
    pub fn refuse_if(&mut self, there: bool, part: &'static str, why: &'static str) {
        if there {
            self.refuse(part, why);
        }
    }

    /// Refuses a key of a member of a list.
    #[cold]
    #[inline(never)]
    pub fn refuse_in(
        &mut self,
        part: &'static str,
        index: usize,
        key: &'static str,
        why: &'static str,
    ) {
        (self.0)(Finding { part, index: Some(index), key, text: c"", why });
    }
}

/// Refuses what can't be right. A plan that passes can still fail, but not on purpose.
pub fn check(plan: &Plan, tell: &mut dyn FnMut(Finding)) {
    let found = &mut Findings(tell);
    // Without them nothing can be said of what they keep apart.
    if !plan.is_faulty("namespaces") {
        uts(plan, found);
        check_network::net(plan, found);
        user(plan, found);
        match plan.namespaces.is_new(Kind::Mount) {
            true => rootfs(&plan.rootfs, found),
            false => no_rootfs(&plan.rootfs, found),
        }
        if plan.init == Init::Reap && !plan.namespaces.is_new(Kind::Pid) {
            found.refuse("init", "only PID 1 of a new PID namespace can reap");
        }
        for (n, (name, _)) in plan.sysctls.iter().enumerate() {
            if let Err(why) = sysctl(plan, name.to_bytes()) {
                found.refuse_in("system_properties", n, "", why);
            }
        }
    }
    for (n, entry) in plan.process.env.iter().flatten().enumerate() {
        if !matches!(entry.bytes().iter().position(|byte| *byte == b'='), Some(1..)) {
            found.refuse_in("environment", n, "", "expected NAME=VALUE");
        }
    }
    if let Some(why) = plan.process.cwd.and_then(working_dir) {
        found.refuse("working_dir", why);
    }
    let Some(cgroup) = &plan.cgroup else { return };
    if plan.init == Init::Reap && cgroup.pids_limit == Some(1) {
        found.refuse("cgroups.pids_limit", "must be at least 2 (init and the command)");
    }
    limits::check(cgroup, !plan.is_faulty("cgroups"), found);
}

fn uts(plan: &Plan, found: &mut Findings) {
    let Some(name) = plan.hostname else { return };
    if !plan.namespaces.is_apart(Kind::Uts) {
        found.refuse("hostname", "without a UTS namespace it would rename the host (add NEWUTS)");
    }
    if name.count_bytes() > HOSTNAME_MAX {
        found.refuse("hostname", "longer than the 64 bytes that the kernel takes");
    }
}

fn user(plan: &Plan, found: &mut Findings) {
    let new = plan.namespaces.is_new(Kind::User);
    for (part, maps) in [("uid_mappings", &plan.uid_maps), ("gid_mappings", &plan.gid_maps)] {
        found.refuse_if(!new && !maps.is_empty(), part, "without a new user namespace (NEWUSER)");
        if new && !maps.iter().any(|map| map.container_id == 0) && !plan.is_faulty(part) {
            found.refuse(part, "NEWUSER needs a mapping of id 0: nobody would be root inside");
        }
    }
}

/// Without a new mount namespace, every one of these would be done to the caller's own tree.
fn no_rootfs(rootfs: &Rootfs, found: &mut Findings) {
    let why = "needs a new mount namespace (NEWNS)";
    found.refuse_if(!rootfs.mounts.is_empty(), "mounts", why);
    found.refuse_if(!rootfs.devices.is_empty(), "devices", why);
    found.refuse_if(!rootfs.masked.is_empty(), "mask_paths", why);
    found.refuse_if(!rootfs.readonly_paths.is_empty(), "readonly_paths", why);
    found.refuse_if(rootfs.readonly, "readonlyfs", why);
    found.refuse_if(rootfs.path.is_some(), "rootfs", why);
    found.refuse_if(rootfs.mount_label.is_some(), "mount_label", why);
}

fn rootfs(rootfs: &Rootfs, found: &mut Findings) {
    let long = rootfs.path.is_some_and(|path| path.count_bytes() > PATH_LENGTH);
    found.refuse_if(long, "rootfs", LONG);
    for (n, mount) in rootfs.mounts.iter().enumerate() {
        if mount.source.count_bytes() > PATH_LENGTH {
            found.refuse_in("mounts", n, "source", LONG);
        }
        if let Err(why) = mount_target(mount) {
            found.refuse_in("mounts", n, "destination", why);
        }
    }
    for (n, device) in rootfs.devices.iter().enumerate() {
        if let Err(why) = inside(device.path) {
            found.refuse_in("devices", n, "path", why);
        }
    }
    for (part, paths) in
        [("mask_paths", &rootfs.masked), ("readonly_paths", &rootfs.readonly_paths)]
    {
        for (n, path) in paths.iter().enumerate() {
            let kept = if is_of_a_process(path) { Err(OWN_TO_EACH) } else { inside(path) };
            if let Err(why) = kept {
                found.refuse_in(part, n, "", why);
            }
        }
    }
}

/// The parts of a path that mean something.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_by(path, b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// A path below the root that does not climb. (That no link leads it away is seen to when it is
/// opened.)
fn inside(path: &CStr) -> Result<(), &'static str> {
    let path = path.to_bytes();
    if !path.starts_with(b"/") {
        return Err("expected an absolute path");
    }
    if path.len() > PATH_LENGTH {
        return Err(LONG);
    }
    if parts(path).any(|part| part == b"..") {
        return Err("\"..\" in a path of the container");
    }
    match parts(path).next() {
        Some(_) => Ok(()),
        None => Err("it is the root itself"),
    }
}

/// Files of /proc that may be bound over, as lxcfs does: they are read for numbers, never trusted.
pub const PROC_FILES: Names = Names(
    "/proc/cpuinfo /proc/diskstats /proc/loadavg /proc/meminfo /proc/slabinfo /proc/stat \
     /proc/swaps /proc/uptime",
);

/// What each process has of its own in /proc: a mount there shows for PID 1 alone, and a mask hides
/// nothing from the others.
const OWN_TO_EACH: &str = "each process has its own of it: nothing mounted there would hold";

/// Whether a path leads into the directory of a process: "net" and "mounts" are links to "self".
fn is_of_a_process(path: &CStr) -> bool {
    let mut parts = parts(path.to_bytes());
    parts.next() == Some(b"proc")
        && parts.next().is_some_and(|name| {
            let links = Names("self thread-self net mounts");
            links.place(name).is_some() || name.iter().all(u8::is_ascii_digit)
        })
}

/// Longest path (PATH_MAX in include/uapi/linux/limits.h, less its NUL).
const PATH_LENGTH: usize = 4095;
const LONG: &str = "longer than the 4095 bytes that the kernel takes for a path";

/// Where a mount may be: nothing may stand in for /proc and /sys, or what is written there by
/// those who trust them goes nowhere (CVE-2015-3631, CVE-2019-16884).
fn mount_target(mount: &Mount) -> Result<(), &'static str> {
    inside(mount.target)?;
    let target = || parts(mount.target.to_bytes());
    let is = |path: &[u8]| target().eq(parts(path));
    let bind = mount.fstype == c"bind";
    let itself = |path: &CStr| bind && parts(mount.source.to_bytes()).eq(parts(path.to_bytes()));
    if is(b"/proc") {
        return match mount.fstype == c"proc" || itself(c"/proc") {
            true => Ok(()),
            false => Err("only a mount of type proc can be on /proc"),
        };
    }
    if is(b"/sys") {
        return match mount.fstype == c"sysfs" || itself(c"/sys") {
            true => Ok(()),
            false => Err("only a mount of type sysfs can be on /sys"),
        };
    }
    if is_of_a_process(mount.target) {
        return Err(OWN_TO_EACH);
    }
    let in_proc = target().next() == Some(b"proc");
    if in_proc && !(bind && PROC_FILES.into_iter().any(|file| is(file.as_bytes()))) {
        return Err("a mount inside /proc");
    }
    Ok(())
}

/// A working directory that is a directory of the container, not one that a descriptor or process
/// leads to (CVE-2024-21626). If not, why.
fn working_dir(path: &CStr) -> Option<&'static str> {
    let path = path.to_bytes();
    if !path.starts_with(b"/") {
        return Some("expected an absolute path");
    }
    if path.len() > PATH_LENGTH {
        return Some(LONG);
    }
    if parts(path).any(|part| part == b"..") {
        return Some("\"..\" in a path of the container");
    }
    let mut parts = parts(path);
    let process = |part: &[u8]| {
        part == b"self" || part == b"thread-self" || part.iter().all(u8::is_ascii_digit)
    };
    if parts.next() == Some(b"proc") && parts.next().is_some_and(process) {
        return Some("a directory of a process leads out of the container");
    }
    None
}

/// The values of /proc/sys that are a namespace's own; "*" stands for any end.
const SYSCTLS: [(Kind, Names); 3] = [
    (
        Kind::Ipc,
        Names(
            "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall \
                        kernel.shmmax kernel.shmmni kernel.shm_rmid_forced fs.mqueue.*",
        ),
    ),
    (Kind::Uts, Names("kernel.domainname kernel.hostname")),
    (Kind::Net, Names("net.*")),
];

/// Refuses a value that would be the host's (CVE-2022-0811).
fn sysctl(plan: &Plan, name: &[u8]) -> Result<(), &'static str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    if !name.iter().all(plain) || split_by(name, b'.').any(<[u8]>::is_empty) {
        return Err("no name of a value in /proc/sys, with dots");
    }
    let own = |known: &str| match known.as_bytes() {
        [prefix @ .., b'*'] => name.starts_with(prefix),
        whole => name == whole,
    };
    let Some((kind, _)) = SYSCTLS.into_iter().find(|(_, names)| names.into_iter().any(own)) else {
        return Err("it belongs to the whole machine, not to a namespace");
    };
    match plan.namespaces.is_apart(kind) {
        true => Ok(()),
        false => Err("without its namespace it would change the host"),
    }
}
