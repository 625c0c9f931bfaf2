//! Mounting by descriptor: no name in the container's tree is ever looked up a second time.
//!
//! A bind is a detached copy of the source (open_tree, Linux 5.2) that gets its attributes
//! (mount_setattr, 5.12) before it is moved to its place: nobody ever sees it writable. On older
//! kernels it is put together on a stage: a directory or file of the host's /proc, which no
//! container can rename, and moved from there.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_raw_sys::general::MS_REC;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{self, Errno};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

use super::change::Change;
use crate::beneath;
use crate::proc::{fd_path, mountinfo};
use crate::syscall::fd::AsFd;
use crate::syscall::is_absent;
use crate::syscall::mount::{MountAttr, mount_setattr};

/// Where a mount is put together. Neither is ever a mount point or has one beneath it.
const STAGE_DIR: &CStr = c"/proc/driver";
const STAGE_FILE: &CStr = c"/proc/version";

/// How often the submounts of a staged tree are gone through again when others rename its
/// directories meanwhile.
const TRIES: u32 = 16;

/// One of the new calls was not there: the stage is used from then on.
static OLD: AtomicBool = AtomicBool::new(false);

/// Whether a new call is known to be absent.
pub fn is_old() -> bool {
    OLD.load(Ordering::Relaxed)
}

/// Mounts what `source` refers to, with its submounts if `recursive`, on `target`. The descriptor
/// (O_PATH) is on the new mount. Both must be in this mount namespace: EINVAL.
pub fn bind(
    source: BorrowedFd,
    target: BorrowedFd,
    recursive: bool,
    change: Change,
) -> io::Result<OwnedFd> {
    if !is_old() {
        match bind_tree(source, target, recursive, change) {
            Err(errno) if is_absent(errno) => OLD.store(true, Ordering::Relaxed),
            result => return result,
        }
    }
    let source_path = fd_path(source);
    let stage = if beneath::is_dir(source)? { STAGE_DIR } else { STAGE_FILE };
    if recursive {
        rustix::mount::mount_bind_recursive(source_path.as_cstr(), stage)?;
    } else {
        rustix::mount::mount_bind(source_path.as_cstr(), stage)?;
    }
    from_stage(stage, target, recursive, change)
}

/// `bind` with the calls of Linux 5.12.
fn bind_tree(
    source: BorrowedFd,
    target: BorrowedFd,
    recursive: bool,
    change: Change,
) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    let tree = rustix::mount::open_tree(source, c"", flags)?;
    if change.wanted() != 0 {
        mount_setattr(tree.as_fd(), recursive, change.attr())?;
    }
    if change.propagation != 0 {
        let propagation = u64::from(change.propagation & !MS_REC);
        let attr = MountAttr { propagation, ..MountAttr::default() };
        mount_setattr(tree.as_fd(), change.propagation & MS_REC != 0, attr)?;
    }
    move_to(tree.as_fd(), target)?;
    Ok(tree)
}

/// Moves the mount that `tree` is the root of, attached or not, to `target` (Linux 5.2).
pub fn move_to(tree: BorrowedFd, target: BorrowedFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(tree, c"", target, c"", flags)
}

/// Mounts a new file system on `target`. The working directory may be `target` afterwards.
pub fn new(target: BorrowedFd, mount: &NewMount) -> io::Result<()> {
    if mount.propagation == 0 {
        if mount.has_paths() {
            return mount.mount_on(fd_path(target).as_cstr());
        }
        // A quarter less time than by way of /proc.
        rustix::process::fchdir(target)?;
        return mount.mount_on(c".");
    }
    // A propagation type can only be given to a mount that can be named: on the stage it can.
    new_shown(target, mount).map(drop)
}

/// The same, with a descriptor (O_PATH) of the new mount.
pub fn new_shown(target: BorrowedFd, mount: &NewMount) -> io::Result<OwnedFd> {
    mount.mount_on(STAGE_DIR)?;
    let change = Change { flags: 0, propagation: mount.propagation };
    from_stage(STAGE_DIR, target, false, change)
}

/// What mount(2) takes.
pub struct NewMount<'a> {
    /// Device, or any word; empty stands for the type's name.
    pub source: &'a CStr,
    /// File system type.
    pub fstype: &'a CStr,
    /// MS_*.
    pub flags: u32,
    /// Options of the file system.
    pub data: &'a CStr,
    /// As in `Change`.
    pub propagation: u32,
}

impl NewMount<'_> {
    /// Whether the source or the options can be relative paths: overlay, disks, whatever is not
    /// known to have none.
    pub fn has_paths(&self) -> bool {
        let without = [c"proc", c"sysfs", c"tmpfs", c"devpts", c"mqueue", c"cgroup2"];
        !without.contains(&self.fstype)
    }

    fn mount_on(&self, target: &CStr) -> io::Result<()> {
        let source = if self.source.is_empty() { self.fstype } else { self.source };
        let data = Some(self.data).filter(|data| !data.is_empty());
        let flags = MountFlags::from_bits_retain(self.flags);
        rustix::mount::mount(source, target, self.fstype, flags, data)
    }
}

/// Mounts a new file system on the stage, lets `furnish` work in it, and moves it to `target`.
pub fn staged(
    target: BorrowedFd,
    mount: &NewMount,
    change: Change,
    furnish: impl FnOnce(BorrowedFd) -> io::Result<()>,
) -> io::Result<()> {
    mount.mount_on(STAGE_DIR)?;
    let furnished = open_nofollow(STAGE_DIR).and_then(|top| furnish(top.as_fd()));
    match furnished {
        Ok(()) => from_stage(STAGE_DIR, target, false, change).map(drop),
        Err(errno) => Err(clear(STAGE_DIR, errno)),
    }
}

/// Changes what is mounted on the stage, and moves it to `target`.
fn from_stage(
    stage: &CStr,
    target: BorrowedFd,
    recursive: bool,
    change: Change,
) -> io::Result<OwnedFd> {
    let moved = || {
        if change.wanted() != 0 {
            let mut tries = 0..TRIES;
            while let Err(errno) = remount_all(stage, recursive, change) {
                if errno != Errno::AGAIN || tries.next().is_none() {
                    return Err(errno);
                }
            }
        }
        let top = open_nofollow(stage)?;
        let path = fd_path(top.as_fd());
        if change.propagation != 0 {
            let flags = MountPropagationFlags::from_bits_retain(change.propagation);
            rustix::mount::mount_change(path.as_cstr(), flags)?;
        }
        rustix::mount::mount_move(path.as_cstr(), fd_path(target).as_cstr())?;
        Ok(top)
    };
    moved().map_err(|errno| clear(stage, errno))
}

/// Takes the failed mount off the stage.
fn clear(stage: &CStr, errno: Errno) -> Errno {
    // The process ends with `errno`, and its mounts with it.
    let _ = rustix::mount::unmount(stage, UnmountFlags::DETACH);
    errno
}

/// Remounts what is on the stage, and all below it if `recursive`. EAGAIN where a directory was
/// renamed meanwhile: a path of mountinfo then leads elsewhere, or nowhere.
fn remount_all(stage: &CStr, recursive: bool, change: Change) -> io::Result<()> {
    let file = mountinfo::open(c"/proc/self/mountinfo")?;
    let mut lines = mountinfo::Lines::new(file.as_fd())?;
    while let Some(mount) = lines.next_mount()? {
        let Some(below) = mount.point.to_bytes().strip_prefix(stage.to_bytes()) else { continue };
        if !(below.is_empty() || recursive && below.starts_with(b"/")) {
            continue;
        }
        let fd = open_nofollow(mount.point).map_err(|_| Errno::AGAIN)?;
        if mountinfo::id_of(fd.as_fd())? != mount.id {
            // Covered by another mount, it can't be reached, nor uncovered without CAP_SYS_ADMIN.
            if is_covered(mount.id, mount.point)? {
                continue;
            }
            return Err(Errno::AGAIN);
        }
        let flags = change.remount(rustix::fs::fstatvfs(fd.as_fd())?.f_flag);
        let flags = MountFlags::BIND | MountFlags::from_bits_retain(flags);
        rustix::mount::mount_remount(fd_path(fd.as_fd()).as_cstr(), flags, c"")?;
    }
    Ok(())
}

/// Whether a mount lies on top of the root of mount `id`, which is mounted at `point`.
fn is_covered(id: u32, point: &CStr) -> io::Result<bool> {
    let file = mountinfo::open(c"/proc/self/mountinfo")?;
    let mut lines = mountinfo::Lines::new(file.as_fd())?;
    while let Some(mount) = lines.next_mount()? {
        if mount.parent == id && mount.point == point {
            return Ok(true);
        }
    }
    Ok(false)
}

fn open_nofollow(path: &CStr) -> io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Takes the old way from now on.
#[cfg(test)]
pub fn be_old() {
    OLD.store(true, Ordering::Relaxed);
}
