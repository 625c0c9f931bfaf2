//! The mount of type "cgroup": the container's own control groups, read-only. It comes after the
//! other mounts because the process may be put into its groups while it makes them.

use core::ffi::CStr;

use linux_raw_sys::general::{MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{self, Errno};

use super::attach::{self, NewMount};
use super::change::Change;
use super::{Root, open_dir};
use crate::bytes::{split_by, until_nul};
use crate::error::{Context, Error, Result};
use crate::plan::Mount;
use crate::syscall::fd::AsFd;

/// The directory of the container in one hierarchy.
#[derive(Clone, Copy, Debug)]
pub struct CgroupDir {
    /// The hierarchy's name under /sys/fs/cgroup: "cpu,cpuacct", "systemd", "unified".
    pub hierarchy: &'static CStr,
    /// The container's own directory, a path of the host.
    pub path: &'static CStr,
}

/// Where the container's control groups are.
#[derive(Clone, Copy, Debug)]
pub enum Cgroups<'a> {
    /// One hierarchy for all: the container's own directory, a path of the host.
    V2(&'static CStr),
    /// One for each: a tmpfs holds a mount for each of them, the hybrid's "unified" too.
    V1(&'a [CgroupDir]),
}

/// A mount of control groups can't be writable: it would let the container lift its own limits, and
/// on version 1 run a release_agent on the host (CVE-2022-0492).
const FLAGS: u32 = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

impl Root<'_> {
    /// Carries out the mounts of type "cgroup".
    pub fn mount_cgroups(&self, cgroups: Cgroups) -> Result<()> {
        for mount in self.plan.mounts.iter().filter(|mount| mount.fstype == c"cgroup") {
            let target = self.dir(mount)?;
            self.guard(target.as_fd(), mount, None)?;
            match cgroups {
                Cgroups::V2(path) => self.one_hierarchy(target.as_fd(), mount, path)?,
                Cgroups::V1(dirs) => self.hierarchies(target.as_fd(), mount, dirs)?,
            }
        }
        Ok(())
    }

    fn one_hierarchy(&self, target: BorrowedFd, mount: &Mount, path: &'static CStr) -> Result<()> {
        let source = open_dir(self.cwd.as_fd(), path).doing("open the cgroup", path)?;
        let change = Change { flags: mount.flags | FLAGS, propagation: mount.propagation };
        attach::bind(source.as_fd(), target, true, change)
            .map(drop)
            .doing("mount the cgroup on", mount.target)
    }

    fn hierarchies(&self, target: BorrowedFd, mount: &Mount, dirs: &[CgroupDir]) -> Result<()> {
        let mut failed = None;
        let tmpfs = NewMount {
            source: c"cgroup",
            fstype: c"tmpfs",
            flags: FLAGS & !MS_RDONLY,
            data: c"mode=755",
            propagation: 0,
        };
        let change = Change { flags: mount.flags | FLAGS, propagation: mount.propagation };
        attach::staged(target, &tmpfs, change, |top| {
            dirs.iter().try_for_each(|dir| {
                self.hierarchy(top, dir).inspect_err(|_| failed = Some(dir.path))
            })
        })
        .map_err(|errno| match failed {
            Some(path) => Error::errno("mount the cgroup", path, errno),
            None => Error::errno("mount the cgroups on", mount.target, errno),
        })
    }

    /// One directory of the tmpfs, and a link for each controller of "cpu,cpuacct".
    fn hierarchy(&self, top: BorrowedFd, dir: &CgroupDir) -> io::Result<()> {
        let source = open_dir(self.cwd.as_fd(), dir.path)?;
        rustix::fs::mkdirat(top, dir.hierarchy, Mode::from_raw_mode(0o755))?;
        let target = at(top, dir.hierarchy)?;
        let change = Change { flags: FLAGS, propagation: 0 };
        attach::bind(source.as_fd(), target.as_fd(), false, change)?;
        let controllers = dir.hierarchy.to_bytes();
        if controllers.contains(&b',') {
            for name in split_by(controllers, b',') {
                let mut link = [0; 64];
                // One byte stays 0.
                let room = link.get_mut(..name.len()).filter(|room| room.len() < 64);
                room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
                let link = until_nul(&link).ok_or(Errno::NAMETOOLONG)?;
                rustix::fs::symlinkat(dir.hierarchy, top, link)?;
            }
        }
        Ok(())
    }
}

fn at(top: BorrowedFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(top, name, flags, Mode::empty())
}
