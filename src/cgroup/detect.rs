//! Which hierarchies are mounted, of either version, and where in them the caller is:
//! /proc/self/cgroup (cgroups(7)) and /proc/self/mountinfo (proc_pid_mountinfo(5)).

use core::ffi::CStr;

use heapless::Vec;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::file::{Version, ends};
use super::subsystem::{Subsystem, Subsystems};
use crate::bytes::{Arena, split_by};
use crate::error::{Context, Error, Result};
use crate::proc::lines::Pieces;
use crate::proc::mountinfo::{self, Lines, Mount};
use crate::syscall::fd::AsFd;

/// Most hierarchies: there are no more controllers.
pub const HIERARCHIES: usize = 16;

/// Longest line of /proc/PID/cgroup: a path and a few words.
const LINE: usize = 8192;

/// A mounted hierarchy.
#[derive(Clone, Copy, Debug)]
pub struct Hierarchy {
    /// Of which cgroup.
    pub version: Version,
    /// Its controllers; those of v2 are in a file of every group.
    pub subsystems: Subsystems,
    /// Where it is mounted: its root, or as much of it as the mount shows.
    pub top: &'static CStr,
    /// The directory of the caller's own group; `None` where no mount shows it.
    pub own: Option<&'static CStr>,
}

/// The hierarchies, memory's last.
pub type Hierarchies = Vec<Hierarchy, HIERARCHIES>;

/// Which hierarchies are looked for: by their controllers, and the group of the process there.
pub type Wanted = fn(Subsystems, &[u8]) -> bool;

/// Those in which a container has groups.
pub const LIMITING: Wanted = |subsystems, _| !subsystems.has(Subsystem::Systemd);

/// Finds the `wanted` hierarchies that /proc/self/mountinfo, and `cgroup`, of the process whose own
/// groups are meant, tell of.
pub fn hierarchies(
    found: &mut Hierarchies,
    cgroup: &'static CStr,
    wanted: Wanted,
    arena: &Arena,
) -> Result<()> {
    find(found, (c"/proc/self/mountinfo", cgroup), wanted, arena)
}

/// The hierarchies in which a process is.
pub fn hierarchies_of(
    found: &mut Hierarchies,
    pid: Pid,
    wanted: Wanted,
    arena: &Arena,
) -> Result<()> {
    hierarchies(found, cgroup_file(pid, arena)?, wanted, arena)
}

/// The groups in which a process is. One that is gone, or of a kernel without groups, is in none.
pub fn groups_of(pid: Pid, arena: &Arena) -> Result<GroupsOf> {
    let mut groups = Groups::new();
    match own_groups(&mut groups, cgroup_file(pid, arena)?, LIMITING, arena) {
        Err(error) if !matches!(error.raw(), Some(Errno::NOENT | Errno::SRCH)) => Err(error),
        _ => Ok(GroupsOf(groups)),
    }
}

fn cgroup_file(pid: Pid, arena: &Arena) -> Result<&'static CStr> {
    let number = i64::from(pid.as_raw_pid());
    arena.cstr(format_args!("/proc/{number}/cgroup")).doing("look at process", pid)
}

/// What /proc/PID/cgroup says.
pub struct GroupsOf(Groups);

impl GroupsOf {
    /// Whether the process is in the group whose directory is `dir`, or in one inside it, in the hierarchy
    /// of these controllers; without any in that of v2. Unless it can be told that it is not.
    pub fn is_within(&self, subsystems: Subsystems, dir: &[u8]) -> bool {
        let Some(path) = self.path(subsystems) else { return true };
        // `dir` is the hierarchy's mount point and the group's path in it.
        let mut ends = ends(path, 0).filter(|end| *end > 1);
        ends.any(|end| path.get(..end).is_some_and(|start| dir.ends_with(start)))
    }

    /// The process's group in the hierarchy of these controllers.
    pub fn path(&self, subsystems: Subsystems) -> Option<&'static [u8]> {
        let same = |group: &&(Subsystems, &CStr)| match subsystems.is_empty() {
            true => group.0.is_empty(),
            false => !group.0.both(subsystems).is_empty(),
        };
        self.0.iter().find(same).map(|(_, path)| path.to_bytes())
    }
}

#[inline(never)]
fn find(
    found: &mut Hierarchies,
    (mounts, cgroup): (&'static CStr, &'static CStr),
    wanted: Wanted,
    arena: &Arena,
) -> Result<()> {
    let mut groups = Groups::new();
    match own_groups(&mut groups, cgroup, wanted, arena) {
        // A kernel without control groups.
        Err(error) if error.raw() == Some(Errno::NOENT) => return Ok(()),
        result => result?,
    }
    // Without a hierarchy there is no mount to look for.
    if groups.is_empty() {
        return Ok(());
    }
    let file = mountinfo::open(mounts).doing("open", mounts)?;
    let mut lines = Lines::rest(file.as_fd());
    loop {
        match lines.next_mount() {
            Ok(Some(mount)) => add(found, &mount, &groups, arena)?,
            Ok(None) => return Ok(()),
            // Of a path too long for a hierarchy's.
            Err(Errno::NAMETOOLONG) => {}
            Err(errno) => return Err(Error::errno("read", mounts, errno)),
        }
    }
}

/// Takes note of a mount, unless a better one of the same hierarchy is known.
#[inline(never)]
fn add(found: &mut Hierarchies, mount: &Mount, groups: &Groups, arena: &Arena) -> Result<()> {
    let subsystems = match mount.fstype {
        fstype if fstype == c"cgroup2" => Subsystems::NONE,
        fstype if fstype == c"cgroup" => Subsystems::parse(mount.super_options.to_bytes()),
        _ => return Ok(()),
    };
    // That of v2 is the only one without controllers.
    let same = |other: Subsystems| other == subsystems;
    let known = found.iter().position(|hierarchy| same(hierarchy.subsystems));
    if known.and_then(|n| found.get(n)).is_some_and(|hierarchy| hierarchy.own.is_some()) {
        return Ok(());
    }
    let Some((subsystems, path)) = groups.iter().find(|group| same(group.0)) else { return Ok(()) };
    let doing = "keep the path of a control group";
    let top = arena.concat(&[mount.point.to_bytes()]).doing(doing, ())?;
    let below = below(path.to_bytes(), mount.root.to_bytes());
    let own = below.map(|below| arena.concat(&[top.to_bytes(), below])).transpose();
    let version = if subsystems.is_empty() { Version::V2 } else { Version::V1 };
    let new = Hierarchy { version, subsystems: *subsystems, top, own: own.doing(doing, ())? };
    match known.and_then(|n| found.get_mut(n)) {
        Some(known) if new.own.is_some() => *known = new,
        Some(_) => {}
        None => found.push(new).map_err(|_| too_many())?,
    }
    if let [.., before, last] = found.as_mut_slice()
        && before.subsystems.has(Subsystem::Memory)
    {
        core::mem::swap(before, last);
    }
    Ok(())
}

/// `path` seen from `root`: "" or "/…". `None` where it lies outside: a mount of another part of the
/// hierarchy, or a group above the caller's cgroup namespace ("/..").
fn below<'a>(path: &'a [u8], root: &[u8]) -> Option<&'a [u8]> {
    let path = if path == b"/" { b"" } else { path };
    let root = if root == b"/" { b"" } else { root };
    let below = path.strip_prefix(root)?;
    let outside = path.starts_with(b"/..") || !(below.is_empty() || below.starts_with(b"/"));
    (!outside).then_some(below)
}

type Groups = Vec<(Subsystems, &'static CStr), HIERARCHIES>;

/// The group in every hierarchy: lines like "4:cpu,cpuacct:/user.slice", and "0::/…" for v2. A v1
/// hierarchy without controllers has "name=" instead, and is left out, but for systemd's.
#[inline(never)]
fn own_groups(
    groups: &mut Groups,
    path: &'static CStr,
    wanted: Wanted,
    arena: &Arena,
) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty()).doing("open", path)?;
    let mut buf = [0; LINE];
    let mut pieces = Pieces::new(file.as_fd(), &mut buf);
    while let Some(line) = pieces.line().doing("read", path)? {
        let mut fields = split_by(line, b':');
        let (Some(_), Some(list)) = (fields.next(), fields.next()) else { continue };
        let Some(group) = fields.rest() else { continue };
        let subsystems = Subsystems::parse(list);
        if (!subsystems.is_empty() || list.is_empty()) && wanted(subsystems, group) {
            let group = arena.concat(&[group]).doing("keep a line of", path)?;
            groups.push((subsystems, group)).map_err(|_| too_many())?;
        }
    }
    Ok(())
}

fn too_many() -> Error {
    Error::refused("find the control groups", (), "there are more than 16")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(mountinfo: &str, cgroup: &str) -> Vec<String, HIERARCHIES> {
        show_those(mountinfo, cgroup, LIMITING)
    }

    fn show_those(mountinfo: &str, cgroup: &str, wanted: Wanted) -> Vec<String, HIERARCHIES> {
        let dir = std::env::temp_dir().join(format!("nsinit-detect-{}", std::process::id()));
        let dir = dir.with_extension(format!("{:?}", std::thread::current().id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.join(name), text).unwrap();
            let path = std::ffi::CString::new(dir.join(name).to_str().unwrap()).unwrap();
            &*Box::leak(path.into_boxed_c_str())
        };
        let arena = Arena::new(vec![0; 1 << 16].leak());
        let files = (file("mountinfo", mountinfo), file("cgroup", cgroup));
        let mut found = Hierarchies::new();
        let result = find(&mut found, files, wanted, &arena);
        std::fs::remove_dir_all(&dir).unwrap();
        result.unwrap();
        let show = |h: &Hierarchy| {
            let names: std::vec::Vec<_> = h.subsystems.iter().map(Subsystem::name).collect();
            let own = h.own.map_or("-", |own| own.to_str().unwrap());
            format!("{} {} {own}", names.join(","), h.top.to_str().unwrap())
        };
        found.iter().map(show).collect()
    }

    #[test]
    fn a_hybrid_host_has_its_controllers_and_memory_comes_last() {
        let overlay = "x".repeat(3 * mountinfo::LINE);
        let mountinfo = format!(
            "22 27 0:21 / /proc rw - proc proc rw\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
            99 31 0:99 / /overlay rw - overlay overlay rw,lowerdir={overlay}\n\
            32 31 0:29 / /sys/fs/cg\\040roup/cpu rw master:1 shared:2 - cgroup cgroup rw,cpu,cpuacct\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            36 31 0:33 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n"
        );
        let cgroup = "5:devices:/\n4:memory:/a/b\n3:cpu,cpuacct:/with:colon\n2:pids:/\n\
            1:name=systemd:/\n0::/\n";
        let got = show(&mountinfo, cgroup);
        let want = [
            "cpu,cpuacct /sys/fs/cg roup/cpu /sys/fs/cg roup/cpu/with:colon",
            " /sys/fs/cgroup/unified /sys/fs/cgroup/unified",
            "devices /sys/fs/cgroup/devices /sys/fs/cgroup/devices",
            "memory /sys/fs/cgroup/memory /sys/fs/cgroup/memory/a/b",
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn a_scope_is_found_where_there_are_no_limits_too() {
        let mountinfo = "40 31 0:37 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n\
            36 31 0:33 / /cg/devices rw - cgroup cgroup rw,devices\n";
        let cgroup = "5:devices:/nsinit-test\n1:name=systemd:/a.slice/nsinit-b-1.scope\n\
            0::/a.slice/nsinit-b-1.scope/c\n";
        let want = [
            "name=systemd /cg/systemd /cg/systemd/a.slice/nsinit-b-1.scope",
            " /cg/unified /cg/unified/a.slice/nsinit-b-1.scope/c",
        ];
        assert_eq!(show_those(mountinfo, cgroup, super::super::systemd::IN_SCOPE), want);
    }

    #[test]
    fn a_mount_that_shows_the_own_group_is_preferred() {
        let mountinfo = "1 2 0:1 /other /mnt/other rw - cgroup cgroup rw,cpu\n\
            1 2 0:1 /docker/a /cg/cpu ro - cgroup cgroup rw,cpu\n\
            1 2 0:1 / /cg/all ro - cgroup cgroup rw,cpu\n\
            1 2 0:1 /docker/a /cg/pids ro - cgroup cgroup rw,pids\n\
            1 2 0:1 / /cg/blkio ro - cgroup cgroup rw,blkio\n";
        let cgroup = "1:cpu:/docker/a/b\n2:pids:/docker/ab\n3:blkio:/../x\n";
        let want = ["cpu /cg/cpu /cg/cpu/b", "pids /cg/pids -", "blkio /cg/blkio -"];
        assert_eq!(show(mountinfo, cgroup), want);
    }

    #[test]
    fn a_pure_v2_host_has_one_and_others_none() {
        let mountinfo = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n\
            42 31 0:38 / /mnt rw - cgroup2 cgroup2 rw\n";
        assert_eq!(show(mountinfo, "0::/a.slice\n"), [" /sys/fs/cgroup /sys/fs/cgroup/a.slice"]);
        // The caller is in a group above what is mounted.
        assert_eq!(show(mountinfo, "0::/../b\n"), [" /sys/fs/cgroup -"]);
        assert!(show("", "3:cpu:/\n0::/\n").is_empty());
        assert!(show(mountinfo, "").is_empty());
        let long =
            format!("42 31 0:38 / /{} rw - cgroup cgroup rw,cpu\n", "y".repeat(mountinfo::LINE));
        assert!(show(&long, "3:cpu:/\nbad\n").is_empty());
    }
}
