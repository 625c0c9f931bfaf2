//! The root of the machine: an initramfs made fit for containers, or left for the real root.

use core::ffi::CStr;

use rustix::fs::statfs;
use rustix::mount::{UnmountFlags, mount_bind_recursive, mount_move, unmount};
use rustix::process::{chdir, chroot};

use crate::error::{Context, Result};
use crate::proc::mountinfo::{self, Lines};

/// include/uapi/linux/magic.h
const RAMFS_MAGIC: u32 = 0x8584_58f6;
const TMPFS_MAGIC: u32 = 0x0102_1994;

/// Whether "/" is an initramfs.
pub fn is_initramfs() -> bool {
    // The field's type differs between architectures; every magic number is 32 bits.
    statfs(c"/").is_ok_and(|fs| matches!(fs.f_type as u32, RAMFS_MAGIC | TMPFS_MAGIC))
}

/// Gives an initramfs a root that pivot_root(2) can exchange, once and for all that run here.
///
/// Before Linux 7.0 the initramfs is the lowest mount of all, and has no parent on which another
/// could take its place. A bind of it on itself has. Nothing is copied: it is the same files. proc is
/// the only thing that is mounted yet; it is taken away, so that no second one stays below the new
/// root, out of reach, and lifts the kernel's rule for user namespaces (mount_too_revealing() in
/// fs/namespace.c).
pub fn make_exchangeable() -> Result<()> {
    const DOING: &str = "make the initramfs a root that can be exchanged:";
    const MOUNT: &CStr = c"/proc";
    if has_parent().unwrap_or(true) {
        return Ok(());
    }
    // What is busy stays: then there are two.
    let _ = unmount(MOUNT, UnmountFlags::DETACH);
    mount_bind_recursive(c"/", MOUNT).doing(DOING, "bind it")?;
    chdir(MOUNT).doing(DOING, "enter it")?;
    mount_move(c".", c"/").doing(DOING, "move it")?;
    chroot(c".").doing(DOING, "chroot")?;
    chdir(c"/").doing(DOING, "enter it")
}

/// Whether the mount at "/" is mounted on another.
fn has_parent() -> rustix::io::Result<bool> {
    let file = mountinfo::open(c"/proc/self/mountinfo")?;
    let mut lines = Lines::new(rustix::fd::AsFd::as_fd(&file))?;
    while let Some(mount) = lines.next_mount()? {
        if mount.point == c"/" {
            return Ok(mount.id != mount.parent);
        }
    }
    Ok(true)
}
