//! The mounts of the plan, in its order.

use core::ffi::CStr;

use linux_raw_sys::general::MS_REC;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;

use super::attach::{self, NewMount};
use super::change::Change;
use super::source::no_source;
use super::{PROC_SUPER_MAGIC, Root, SYSFS_MAGIC, magic};
use crate::beneath::{self, PATH_MAX};
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
    /// Carries out the mounts of the plan but for those of type "cgroup". An error comes with the place
    /// of its mount in the plan.
    pub fn mounts(&mut self) -> core::result::Result<(), (usize, Error)> {
        for (n, mount) in self.plan.mounts.iter().enumerate() {
            if mount.fstype != c"cgroup" {
                self.mount(n, mount).map_err(|error| (n, error))?;
            }
        }
        Ok(())
    }

    fn mount(&mut self, n: usize, mount: &Mount) -> Result<()> {
        // What is hidden in a mount is hidden by its descriptor: its name can lead elsewhere by then.
        let shows = self.plan.hidden.iter().any(|hidden| hidden.mount == Some(n));
        let new = match mount.fstype == c"bind" {
            true => Some(self.bind(mount)?),
            false => self.file_system(mount, shows)?,
        };
        if let Some(new) = new.filter(|_| shows) {
            // There are no more of them than of what is hidden.
            let _ = self.shown.push((n, new));
        }
        Ok(())
    }

    /// A bind, with all that it has below: read-only is read-only on every submount.
    fn bind(&self, mount: &Mount) -> Result<OwnedFd> {
        let no_source = |errno| no_source("open the source of a bind,", mount.source, errno);
        let opened = self.source(mount.source).map_err(no_source)?;
        let stat = rustix::fs::fstat(&opened).doing("look at", mount.source)?;
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        // "." may be the directory that the root's own mount lies on: what is seen there is the mount.
        let source = if self.is_root(&stat) { self.fd() } else { opened.as_fd() };
        let target = if is_dir { self.dir(mount)? } else { self.file(mount)? };
        self.guard(target.as_fd(), mount, Some(source))?;
        let propagation = if mount.propagation == 0 { self.plain } else { mount.propagation };
        let change = Change { flags: mount.flags, propagation };
        attach::bind(source, target.as_fd(), mount.flags & MS_REC != 0, change)
            .map_err(|errno| explain("bind to", mount, errno))
    }

    /// A new file system; with a descriptor of it where something of it `shows` that is to be hidden.
    fn file_system(&self, mount: &Mount, shows: bool) -> Result<Option<OwnedFd>> {
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
            return self.proc_of(pids, target.as_fd(), mount).map(|()| None);
        }
        let (source, fstype, propagation) = (mount.source, mount.fstype, mount.propagation);
        let new = NewMount { source, fstype, flags: mount.flags, data: mount.data, propagation };
        if mount.fstype == c"overlay" {
            return self.overlay(target.as_fd(), mount, new, shows);
        }
        if new.has_paths() {
            self.check_device(mount, &[Errno::LOOP, Errno::XDEV])?;
            rustix::process::fchdir(self.cwd.as_fd()).doing(doing, mount.target)?;
        }
        let mounted = attach::new(target.as_fd(), &new);
        if mounted == Err(Errno::NOENT) {
            self.check_device(mount, &[Errno::NOENT, Errno::NOTDIR])?;
        }
        mounted.map(|()| None).map_err(|errno| explain(doing, mount, errno))
    }

    /// An overlay of the directories that its options name.
    fn overlay(
        &self,
        target: BorrowedFd,
        mount: &Mount,
        new: NewMount,
        shows: bool,
    ) -> Result<Option<OwnedFd>> {
        let doing = doing(mount.fstype);
        let (mut options, mut fds) = ([0; PATH_MAX], heapless::Vec::new());
        let data = self.open_layers(mount, &mut options, &mut fds).map_err(|errno| {
            no_source("open a directory of the overlay on", mount.target, errno)
        })?;
        let new = NewMount { data, ..new };
        let mounted = match shows {
            true => attach::new_shown(target, &new).map(Some),
            false => attach::new(target, &new).map(|()| None),
        };
        mounted.map_err(|errno| explain(doing, mount, errno))
    }

    /// Refuses a device that the file names by its path, where it can't be opened for one of these reasons.
    /// What looks like a path can be something else to its file system: any other is left to that.
    fn check_device(&self, mount: &Mount, reasons: &[Errno]) -> Result<()> {
        if !mount.source.to_bytes().starts_with(b"/") {
            return Ok(());
        }
        match self.source(mount.source) {
            Err(errno) if reasons.contains(&errno) => {
                Err(no_source("open the device of a mount,", mount.source, errno))
            }
            _ => Ok(()),
        }
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
        if self.is_root(&stat) {
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
        Errno::NAMETOOLONG => {
            error.hint("longer than the 4,095 bytes, or 255 of a name, that the kernel takes")
        }
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
