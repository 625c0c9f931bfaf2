//! The container's root file system, built by the container's first process in its own mount
//! namespace, while that still has the host's root and the host's /proc.
//!
//! The content of a rootfs is hostile, and it can change while it is worked on, as another container
//! may share a volume with it. So nothing in it is ever named by a path string: `beneath` opens it
//! inside of the root, and what is then done is done to the descriptor. The steps are in the order
//! in which the kernel and that rule want them:
//!
//! 1. `open`: no mount event leaves the namespace; the rootfs becomes a mount point.
//! 2. `mounts`, then `mount_cgroups` once the process is in its control groups.
//! 3. `devices`, `links`, `console`: what lies in /dev, after the mount of /dev.
//! 4. `masks`: after everything that could be mounted over them.
//! 5. `finish`: nsinit's own files are hidden, then the old root goes.
//!
//! From Linux 5.12 on a file in the host's /proc is only opened where the mode of a node must be
//! changed. The working directory changes on the way, and is "/" in the end.

mod attach;
mod cgroup;
mod change;
mod dev;
mod layers;
mod masks;
mod mounts;
mod pivot;
mod proc;
mod source;

use core::cell::OnceCell;
use core::ffi::CStr;

use linux_raw_sys::general::{MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, Stat};
use rustix::io::{self, Errno};
use rustix::mount::MountPropagationFlags;

use crate::error::{Context, Error, Result};
use crate::plan;
use crate::syscall::fd::AsFd;
pub use cgroup::{CgroupDir, Cgroups};
use change::Change;
pub use layers::{Escaped, Layer, layers, layers_of};
pub use mounts::doing;
pub use pivot::OldRoot;

/// The root file system under construction. Its descriptor is on the rootfs's own mount, so whatever
/// is opened beneath it is in the container.
pub struct Root<'a> {
    plan: &'a plan::Rootfs,
    /// The root directory.
    fd: OwnedFd,
    /// The root directory's identity, to refuse a mount over it.
    stat: Stat,
    /// The host's path of the PID namespace that proc is to show; `None` for that of this process.
    pub pids: Option<&'static CStr>,
    /// Where relative host paths start: the launcher's working directory.
    cwd: OwnedFd,
    /// The root directory as the host sees it, for sources that lie in it.
    host: OwnedFd,
    /// The mounts that show nsinit's own files, by their places in the plan.
    shown: heapless::Vec<(usize, OwnedFd), { plan::HIDDEN }>,
    /// The propagation of a bind that asks for none; 0 leaves what "/" has.
    plain: u32,
    /// /dev, opened and judged at its first use.
    dev: OnceCell<dev::Dev>,
    masks: masks::Masks,
    /// The file mode creation mask to restore.
    umask: Mode,
}

impl<'a> Root<'a> {
    /// Makes "/" private (or slave) in this mount namespace, and the rootfs a mount of its own:
    /// pivot_root(2) asks for both. All modes are exact from here to `finish`: the umask is 0.
    ///
    /// The process must be in a mount namespace of its own.
    pub fn open(plan: &'a plan::Rootfs) -> Result<Root<'a>> {
        if magic_of_path(c"/proc").doing("look at", "/proc")? != PROC_SUPER_MAGIC {
            return Err(Error::refused("use", "/proc", "the host's proc is not mounted there"));
        }
        let cwd = open_dir(CWD, c".").doing("open", "the working directory")?;
        // A bind that is to follow the host must still be a peer of it when it is cloned.
        let follows =
            plan.mounts.iter().any(|mount| mount.propagation & (MS_SLAVE | MS_SHARED) != 0);
        let promoted = follows && plan.propagation == MS_PRIVATE;
        let propagation = if promoted { MS_SLAVE } else { plan.propagation } | MS_REC;
        rustix::mount::mount_change(c"/", MountPropagationFlags::from_bits_retain(propagation))
            .doing("change the propagation of", "/")
            .map_err(|error| match error.raw() {
                Some(Errno::INVAL) => error.hint("it is no mount point: is nsinit in a chroot?"),
                _ => error,
            })?;
        let host = open_dir(cwd.as_fd(), plan.path.unwrap_or(c"."))
            .doing("open the root file system", plan.path.unwrap_or(c"."))?;
        let plain = if promoted { MS_PRIVATE | MS_REC } else { 0 };
        let change = Change { flags: 0, propagation: plain };
        let fd = attach::bind(host.as_fd(), host.as_fd(), true, change)
            .doing("bind onto itself the root file system", plan.path.unwrap_or(c"."))?;
        let stat = rustix::fs::fstat(fd.as_fd()).doing("look at the root file system", ())?;
        let umask = rustix::process::umask(Mode::empty());
        let masks = masks::Masks::default();
        let (dev, shown) = (OnceCell::new(), heapless::Vec::new());
        Ok(Root { plan, fd, stat, pids: None, cwd, host, shown, plain, dev, masks, umask })
    }

    /// The root directory (O_PATH): for what else must be read beneath it before `finish`.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open_dir(at: BorrowedFd, path: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

/// File system types (include/uapi/linux/magic.h), as statfs(2) tells them.
const PROC_SUPER_MAGIC: u32 = 0x9fa0;
const SYSFS_MAGIC: u32 = 0x6265_6572;
const TMPFS_MAGIC: u32 = 0x0102_1994;
const RAMFS_MAGIC: u32 = 0x8584_58f6;
const DEVPTS_SUPER_MAGIC: u32 = 0x1cd1;

fn magic(fd: BorrowedFd) -> io::Result<u32> {
    // The field's type differs between architectures; every magic number is 32 bits.
    rustix::fs::fstatfs(fd).map(|fs| fs.f_type as u32)
}

fn magic_of_path(path: &CStr) -> io::Result<u32> {
    rustix::fs::statfs(path).map(|fs| fs.f_type as u32)
}

#[cfg(test)]
mod tests;
