//! The mounts of the plan, in its order.

use core::ffi::CStr;

use linux_raw_sys::general::MS_REC;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::attach::{self, NewMount};
use super::change::Change;
use super::{PROC_SUPER_MAGIC, Root, SYSFS_MAGIC, magic};
use crate::beneath;
use crate::bytes::Names;
use crate::error::{Context, Error, Result};
use crate::plan::Mount;
use crate::plan::check::PROC_FILES;
use crate::syscall::fd::AsFd;

/// mount(2) copies at most a page of options, with their NUL, and cuts the rest without a word.
pub(super) const DATA_MAX: usize = 4096;

/// A file of proc that may be covered besides those that replace statistics (`PROC_FILES`), as the OCI
/// runtimes have it.
const COVERABLE: &[u8] = b"/proc/sys/kernel/ns_last_pid";

impl Root<'_> {
    /// Carries out the mounts of the plan but for those of type "cgroup".
    pub fn mounts(&self) -> Result<()> {
        for mount in &self.plan.mounts {
            if mount.fstype == c"bind" {
                self.bind(mount)?;
            } else if mount.fstype != c"cgroup" {
                self.file_system(mount)?;
            }
        }
        Ok(())
    }

    /// A bind, with all that it has below: read-only is read-only on every submount.
    fn bind(&self, mount: &Mount) -> Result<()> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let source = rustix::fs::openat(self.cwd.as_fd(), mount.source, flags, Mode::empty())
            .doing("open the source of a bind,", mount.source)?;
        let is_dir = beneath::is_dir(source.as_fd()).doing("look at", mount.source)?;
        let target = if is_dir { self.dir(mount)? } else { self.file(mount)? };
        self.guard(target.as_fd(), mount, Some(source.as_fd()))?;
        let propagation = if mount.propagation == 0 { self.plain } else { mount.propagation };
        let change = Change { flags: mount.flags, propagation };
        attach::bind(source.as_fd(), target.as_fd(), mount.flags & MS_REC != 0, change)
            .map(drop)
            .map_err(|errno| explain("bind to", mount, errno))
    }

    /// A new file system.
    fn file_system(&self, mount: &Mount) -> Result<()> {
        let doing = doing(mount.fstype);
        if mount.data.count_bytes() >= DATA_MAX {
            return Err(Error::refused(doing, mount.target, "its options exceed 4095 bytes"));
        }
        // CVE-2019-19921, CVE-2023-27561, CVE-2025-54867: what is mounted through a link is not
        // where labels and masks look for it.
        let here = [c"proc", c"sysfs"].contains(&mount.fstype);
        let target = if here { self.dir_here(mount)? } else { self.dir(mount)? };
        self.guard(target.as_fd(), mount, None)?;
        if let Some(pids) = self.pids.filter(|_| mount.fstype == c"proc") {
            return self.proc_of(pids, target.as_fd(), mount);
        }
        let new = NewMount {
            source: mount.source,
            fstype: mount.fstype,
            flags: mount.flags,
            data: mount.data,
            propagation: mount.propagation,
        };
        if new.has_paths() {
            rustix::process::fchdir(self.cwd.as_fd()).doing(doing, mount.target)?;
        }
        attach::new(target.as_fd(), &new).map_err(|errno| explain(doing, mount, errno))
    }

    /// The directory to mount on, made where it is missing.
    pub(super) fn dir(&self, mount: &Mount) -> Result<OwnedFd> {
        beneath::create_dir_all(self.fd(), mount.target, Mode::from_raw_mode(0o755))
            .map_err(|errno| no_mount_point(mount, errno))
    }

    fn dir_here(&self, mount: &Mount) -> Result<OwnedFd> {
        match beneath::create_dir_here(self.fd(), mount.target, Mode::from_raw_mode(0o755)) {
            Err(Errno::NOTDIR) => Err(Error::refused(
                doing(mount.fstype),
                mount.target,
                "it is a symbolic link or no directory",
            )),
            result => result.map_err(|errno| no_mount_point(mount, errno)),
        }
    }

    fn file(&self, mount: &Mount) -> Result<OwnedFd> {
        beneath::create_file(self.fd(), mount.target, Mode::from_raw_mode(0o644))
            .map_err(|errno| no_mount_point(mount, errno))
    }

    /// Refuses what would undo the container from inside: a mount over its root, which pivot_root
    /// would leave behind, and volumes over proc and sysfs, where labels are written and masks are
    /// put (CVE-2015-3631, CVE-2019-16884). It looks at what was opened, wherever links led.
    pub(super) fn guard(
        &self,
        target: BorrowedFd,
        mount: &Mount,
        source: Option<BorrowedFd>,
    ) -> Result<()> {
        let refuse = |why| Err(Error::refused("mount on", mount.target, why));
        let stat = rustix::fs::fstat(target).doing("look at", mount.target)?;
        if (stat.st_dev, stat.st_ino) == (self.stat.st_dev, self.stat.st_ino) {
            return refuse("it is the container's root");
        }
        let proc = beneath::is_exactly(mount.target, b"proc");
        let on_proc = magic(target).doing("look at", mount.target)? == PROC_SUPER_MAGIC;
        if proc && !is_of(mount, source, b"proc", PROC_SUPER_MAGIC) {
            return refuse("only proc may be mounted there");
        }
        let target = mount.target.to_bytes();
        let coverable = target == COVERABLE || PROC_FILES.place(target).is_some();
        if on_proc && !proc && !coverable {
            return refuse("it lies in proc, and is none of the files that may be covered");
        }
        let sys = beneath::is_exactly(mount.target, b"sys");
        if sys && !is_of(mount, source, b"sysfs", SYSFS_MAGIC) {
            return refuse("only sysfs may be mounted there");
        }
        Ok(())
    }
}

/// Whether the mount is a file system of this type, or a bind of one.
fn is_of(mount: &Mount, source: Option<BorrowedFd>, fstype: &[u8], number: u32) -> bool {
    match source {
        Some(source) => magic(source) == Ok(number),
        None => mount.fstype.to_bytes() == fstype,
    }
}

/// The step's words for a file system type.
pub fn doing(fstype: &CStr) -> &'static str {
    const TYPES: Names = Names("proc sysfs tmpfs devtmpfs devpts mqueue overlay");
    const DOING: [&str; 7] = [
        "mount proc on",
        "mount sysfs on",
        "mount tmpfs on",
        "mount devtmpfs on",
        "mount devpts on",
        "mount mqueue on",
        "mount overlay on",
    ];
    let known = TYPES.place(fstype.to_bytes()).and_then(|place| DOING.get(place));
    known.copied().unwrap_or("mount a file system on")
}

fn no_mount_point(mount: &Mount, errno: Errno) -> Error {
    let error = Error::errno("make the mount point", mount.target, errno);
    match errno {
        Errno::NOTDIR => error.hint("something on this path is no directory, but has to be"),
        Errno::ISDIR => error.hint("the source is a file, and this is a directory"),
        Errno::ROFS => error.hint("it is missing, and lies in a read-only mount"),
        Errno::AGAIN => error.hint("its directories are being renamed"),
        _ => error,
    }
}

/// What an errno of mount(2) means.
fn explain(doing: &'static str, mount: &Mount, errno: Errno) -> Error {
    let error = Error::errno(doing, mount.target, errno);
    match errno {
        Errno::NOSPC => error.hint("the namespace has as many mounts as fs.mount-max allows"),
        Errno::NODEV => error.hint("the kernel does not have this file system type"),
        Errno::NOTBLK => error.hint("the source is no block device"),
        Errno::INVAL => error.hint("an option that the kernel does not take, or a bad source"),
        Errno::PERM => error.hint("CAP_SYS_ADMIN is missing, or a mount's flags are locked"),
        _ => error,
    }
}
