//! Paths that read as empty, and paths that can't be written.

use core::ffi::CStr;

use linux_raw_sys::general::{MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{self, Errno};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::Root;
use super::attach::{self, NewMount};
use super::change::Change;
use super::dev::is_null;
use crate::beneath;
use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;
use crate::syscall::is_absent;

/// The first mask of either kind, to be bound again for the next.
#[derive(Default)]
pub struct Masks {
    null: Option<OwnedFd>,
    empty: Option<OwnedFd>,
}

impl Root<'_> {
    /// Makes the plan's read-only paths read-only, with all below them, and masks its masked paths.
    /// Those that the container does not have are passed over, as in every libcontainer.
    pub fn masks(&mut self) -> Result<()> {
        for path in &self.plan.readonly_paths {
            self.readonly_path(path)?;
        }
        for path in &self.plan.masked {
            match self.masks.mask(self.fd.as_fd(), path, OFlags::empty()) {
                Err(error) if matches!(error.raw(), Some(Errno::NOENT | Errno::NOTDIR)) => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn readonly_path(&self, path: &'static CStr) -> Result<()> {
        let target = match beneath::open(self.fd(), path, OFlags::PATH) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            result => result.doing("open the read-only path", path)?,
        };
        let change = Change { flags: MS_RDONLY, propagation: 0 };
        attach::bind(target.as_fd(), target.as_fd(), true, change)
            .map(drop)
            .doing("make read-only", path)
    }
}

impl Masks {
    /// Covers a file beneath `root` by the null device, a directory by an empty one; with O_NOFOLLOW in
    /// `flags` not what a link leads to. ENOENT or ENOTDIR only where `path` is not there.
    pub fn mask(&mut self, root: BorrowedFd, path: &'static CStr, flags: OFlags) -> Result<()> {
        let target = beneath::open(root, path, OFlags::PATH | flags);
        let target = target.doing("open the path to mask,", path)?;
        if beneath::is_dir(target.as_fd()).doing("look at", path)? {
            self.mask_dir(target.as_fd()).map_err(|errno| not_missing(path, errno))
        } else {
            self.mask_file(target.as_fd(), path)
        }
    }

    fn mask_file(&mut self, target: BorrowedFd, path: &'static CStr) -> Result<()> {
        if let Some(null) = &self.null {
            return again(null.as_fd(), target).map_err(|errno| not_missing(path, errno));
        }
        // The host's, never one from the container (CVE-2025-31133).
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let null = rustix::fs::open(c"/dev/null", flags, Mode::empty());
        let is_right =
            null.as_ref().is_ok_and(|fd| rustix::fs::fstat(fd).is_ok_and(|s| is_null(&s)));
        let (Ok(null), true) = (null, is_right) else {
            return Err(Error::refused(
                "mask",
                path,
                "the host's /dev/null is not the null device",
            ));
        };
        // Read-only, or a chmod inside the container would reach the host's node.
        let change = Change { flags: MS_RDONLY | MS_NOSUID | MS_NOEXEC, propagation: 0 };
        let mask = attach::bind(null.as_fd(), target, false, change)
            .map_err(|errno| not_missing(path, errno))?;
        self.null = Some(mask);
        Ok(())
    }

    fn mask_dir(&mut self, target: BorrowedFd) -> io::Result<()> {
        if let Some(empty) = &self.empty {
            return again(empty.as_fd(), target);
        }
        match empty_dir() {
            Ok(empty) => {
                attach::move_to(empty.as_fd(), target)?;
                self.empty = Some(empty);
                Ok(())
            }
            // Without the new calls there is no descriptor to bind again: one tmpfs for each.
            Err(errno) if is_absent(errno) => attach::new(
                target,
                &NewMount {
                    source: c"tmpfs",
                    fstype: c"tmpfs",
                    flags: MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                    data: c"mode=755",
                    propagation: 0,
                },
            ),
            Err(errno) => Err(errno),
        }
    }
}

/// A detached read-only tmpfs (fsopen, Linux 5.2).
fn empty_dir() -> io::Result<OwnedFd> {
    if attach::is_old() {
        return Err(Errno::NOSYS);
    }
    let fs = rustix::mount::fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(fs.as_fd(), c"mode", c"755")?;
    rustix::mount::fsconfig_create(fs.as_fd())?;
    let attr = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attr)
}

/// Binds a mask that is mounted already; the copy has its flags.
fn again(mask: BorrowedFd, target: BorrowedFd) -> io::Result<()> {
    attach::bind(mask, target, false, Change::NONE).map(drop)
}

/// An ENOENT or ENOTDIR of the mount itself must not pass for "there is nothing to mask".
fn not_missing(path: &'static CStr, errno: Errno) -> Error {
    match errno {
        Errno::NOENT | Errno::NOTDIR => {
            Error::refused("mask", path, "it was removed while it was being masked")
        }
        errno => Error::errno("mask", path, errno),
    }
}
