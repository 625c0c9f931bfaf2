//! The end: the rootfs becomes "/", and the old root goes.

use core::ffi::CStr;

use linux_raw_sys::general::{MOUNT_ATTR_RDONLY, MS_RDONLY};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::{self, Errno};
use rustix::mount::{MountFlags, UnmountFlags};

use super::attach;
use super::change::mount_flags;
use super::{RAMFS_MAGIC, Root, TMPFS_MAGIC, magic_of_path};
use crate::beneath::PATH_MAX;
use crate::error::{Context, Error, Result};
use crate::proc::mountinfo::{self, Lines};
use crate::syscall::fd::AsFd;
use crate::syscall::is_absent;
use crate::syscall::mount::{MountAttr, mount_setattr};

/// How often the mounts are gone through while some can still be taken away.
const PASSES: u32 = 32;

/// The old root, stacked on the new one where that was pivoted to: who enters the mount namespace would
/// begin in it.
#[must_use]
pub struct OldRoot {
    stacked: bool,
}

impl OldRoot {
    /// None is there.
    pub const NONE: OldRoot = OldRoot { stacked: false };

    /// Takes it out of the mount namespace. The kernel takes its time for that (an RCU grace period,
    /// namespace_unlock() in fs/namespace.c), in which another process can get on.
    ///
    /// The working directory is still the one that `finish` left, and is "/" afterwards.
    pub fn detach(self) -> Result<()> {
        if !self.stacked {
            return Ok(());
        }
        rustix::mount::unmount(c".", UnmountFlags::DETACH).doing("unmount", "the old root")?;
        rustix::process::chdir(c"/").doing("change directory to", "/")
    }
}

impl Root<'_> {
    /// Masks nsinit's own files, which must be there, and makes the rootfs the root of this process
    /// and, once the old one is detached, the only one in its mount namespace. Read-only at last, if the
    /// plan wants it: not the mounts in it. The working directory is the new root.
    ///
    /// A mask is gone when its file is replaced on the host (rename(2) over a mount point of another
    /// namespace): nobody may write state.json anew after this.
    pub fn finish(mut self) -> Result<OldRoot> {
        self.hide()?;
        let old = if self.plan.no_pivot_root { self.move_root()? } else { self.pivot()? };
        if self.plan.readonly {
            self.make_readonly().doing("make read-only", "/")?;
        }
        rustix::process::umask(self.umask);
        Ok(old)
    }

    /// Masks nsinit's own files wherever they show.
    fn hide(&mut self) -> Result<()> {
        for hidden in &self.plan.hidden {
            let shown = self.shown.iter().find(|(n, _)| Some(*n) == hidden.mount);
            let root = shown.map_or(self.fd.as_fd(), |(_, mount)| mount.as_fd());
            match self.masks.mask(root, hidden.path, OFlags::NOFOLLOW) {
                // An overlay can have a file of this name taken away.
                Err(error) if shown.is_some() && error.raw() == Some(Errno::NOENT) => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn pivot(&self) -> Result<OldRoot> {
        rustix::process::fchdir(self.fd.as_fd())
            .doing("change directory to the root file system", ())?;
        // The old root is stacked on the new one, so that no directory has to be made for it
        // (pivot_root(2), NOTES).
        match rustix::process::pivot_root(c".", c".") {
            Ok(()) => Ok(OldRoot { stacked: true }),
            Err(Errno::INVAL) if is_initramfs() => self.move_root(),
            Err(errno) => {
                let error = Error::errno("pivot_root to", "the root file system", errno);
                Err(error.hint("is nsinit itself in a chroot?"))
            }
        }
    }

    /// MS_MOVE onto "/" and chroot: where the plan says so, and on an initramfs, whose root can't be
    /// exchanged before Linux 7.0 as it has no parent. ".." of a mount on a root directory leads
    /// nowhere (choose_mountpoint() in fs/namei.c), and the topmost mount there is what the kernel
    /// takes for the root (current_chrooted(), mntns_install() in fs/namespace.c): for the container
    /// it is as good as a pivot, and its own pivot_root calls work. That needs "/" to be the root of
    /// a mount: in a chroot it is refused.
    fn move_root(&self) -> Result<OldRoot> {
        self.leave_no_proc().doing("take away the old root's proc and sysfs mounts", ())?;
        rustix::process::fchdir(self.fd.as_fd())
            .doing("change directory to the root file system", ())?;
        rustix::mount::mount_move(c".", c"/").doing("move the root file system to", "/")?;
        rustix::process::chroot(c".").doing("chroot to", "the root file system")?;
        rustix::process::chdir(c"/").doing("change directory to", "/")?;
        Ok(OldRoot::NONE)
    }

    /// The old root's mounts stay in the namespace after a move. One of proc or sysfs, out of reach
    /// as it is, lets the container's user namespaces mount another that shows everything
    /// (mount_too_revealing() in fs/namespace.c): each is unmounted, or covered.
    fn leave_no_proc(&self) -> io::Result<()> {
        let file = mountinfo::open(c"/proc/self/mountinfo")?;
        let mut prefix = [0; PATH_MAX];
        let len = self.find(&file, &mut prefix)?;
        let root = prefix.get(..len).ok_or(Errno::NAMETOOLONG)?;
        for _ in 0..PASSES {
            let taken = each_outside(&file, root, |point| {
                rustix::mount::unmount(point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
            })?;
            if taken == 0 {
                break;
            }
        }
        // What is left is locked: it came with the user namespace.
        let mut failed = None;
        each_outside(&file, root, |point| {
            let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
            rustix::mount::mount(c"tmpfs", point, c"tmpfs", flags, None)
                .inspect_err(|errno| failed = Some(*errno))
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// Writes the path where the rootfs is mounted; its length. EINVAL where "/" is no mount point.
    fn find(&self, file: &OwnedFd, prefix: &mut [u8; PATH_MAX]) -> io::Result<usize> {
        let id = mountinfo::id_of(self.fd.as_fd())?;
        let mut lines = Lines::new(file.as_fd())?;
        let (mut found, mut has_root) = (None, false);
        while let Some(mount) = lines.next_mount()? {
            let point = mount.point.to_bytes();
            has_root |= point == b"/" && mount.id != id;
            if mount.id == id {
                prefix.get_mut(..point.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(point);
                found = Some(point.len());
            }
        }
        found.filter(|_| has_root).ok_or(Errno::INVAL)
    }

    fn make_readonly(&self) -> io::Result<()> {
        let attr = MountAttr { set: u64::from(MOUNT_ATTR_RDONLY), ..MountAttr::default() };
        if !attach::is_old() {
            match mount_setattr(self.fd.as_fd(), false, attr) {
                Err(errno) if is_absent(errno) => {}
                result => return result,
            }
        }
        let has = rustix::fs::fstatvfs(self.fd.as_fd())?.f_flag;
        let flags = mount_flags(has) | MS_RDONLY;
        let flags = MountFlags::BIND | MountFlags::from_bits_retain(flags);
        rustix::mount::mount_remount(c"/", flags, c"")
    }
}

/// Does `take` to the mount point of each whole proc or sysfs that does not lie in `root`; how many
/// it worked for.
fn each_outside(
    file: &OwnedFd,
    root: &[u8],
    mut take: impl FnMut(&CStr) -> io::Result<()>,
) -> io::Result<u32> {
    let mut taken = 0;
    let mut lines = Lines::new(file.as_fd())?;
    while let Some(mount) = lines.next_mount()? {
        let is_whole = [c"proc", c"sysfs"].contains(&mount.fstype) && mount.root == c"/";
        let inside = mount.point.to_bytes().strip_prefix(root);
        let inside = inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
        if is_whole && !inside && take(mount.point).is_ok() {
            taken += 1;
        }
    }
    Ok(taken)
}

fn is_initramfs() -> bool {
    matches!(magic_of_path(c"/"), Ok(RAMFS_MAGIC | TMPFS_MAGIC))
}
