//! The proc of a PID namespace that this process is not in. The kernel mounts that of its caller's own
//! namespace, and whoever enters another's with the right to mount is there for all to see: so it is
//! asked to take another's (Linux 6.17), or what one of the processes in there has on its /proc is
//! cloned (Linux 5.12).

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use rustix::io::{self, Errno};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{Pid, chroot, fchdir};

use super::attach::{self, NewMount};
use super::change::Change;
use super::mounts::DATA_MAX;
use super::{PROC_SUPER_MAGIC, Root, magic};
use crate::beneath;
use crate::error::{Context, Error, Result};
use crate::plan::Mount;
use crate::proc::process::{Identity, all, namespace, namespace_file};
use crate::syscall::fd::AsFd;
use crate::syscall::mount::mount_setattr;
use crate::syscall::namespace::setns;
use crate::syscall::process::NewNamespaces;

const DOING: &str = "mount the proc of another PID namespace on";

impl Root<'_> {
    /// Mounts on `target` the proc of the namespace whose file is at `path` on the host.
    pub(super) fn proc_of(&self, path: &CStr, target: BorrowedFd, mount: &Mount) -> Result<()> {
        let of = Identity::of(path).doing(DOING, mount.target)?;
        let mut buf = [0; DATA_MAX];
        let asked = with_option(mount.data, path, &mut buf)
            .map(|data| attach::new(target, &NewMount { data, ..new(mount) }));
        match asked {
            // It has no such option, or there is no room for it.
            Some(Err(Errno::INVAL)) | None => self.clone_proc(of, target, mount)?,
            Some(result) => result.doing(DOING, mount.target)?,
        }
        // An old kernel takes any option where it has such a file system already.
        let mounted = beneath::open(self.fd(), mount.target, OFlags::PATH | OFlags::DIRECTORY);
        match mounted.and_then(|proc| is_proc_of(proc.as_fd(), of)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::refused(DOING, mount.target, "this takes Linux 5.12")),
            Err(errno) => Err(errno).doing(DOING, mount.target),
        }
    }

    fn clone_proc(&self, of: Identity, target: BorrowedFd, mount: &Mount) -> Result<()> {
        let mut found = Err(Errno::NOENT);
        all("/proc", &mut |pid, _| {
            if found.is_err() && namespace("/proc", pid, c"pid") == Ok(of) {
                found = self.proc_seen_by(pid, of);
            }
        })
        .doing(DOING, mount.target)?;
        let tree = found.doing(DOING, mount.target).map_err(|error| {
            error.hint("no process in that namespace has its proc on /proc, to be cloned")
        })?;
        let change = Change { flags: mount.flags, propagation: mount.propagation };
        mount_setattr(tree.as_fd(), false, change.attr())
            .and_then(|()| attach::move_to(tree.as_fd(), target))
            .doing(DOING, mount.target)
    }

    /// A detached clone of what `pid` has on /proc. This process is in that one's mount namespace for a
    /// moment, whose paths are hostile: what was found there counts only if it is the right proc.
    fn proc_seen_by(&self, pid: Pid, of: Identity) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let open = |path: &CStr| openat(CWD, path, flags, Mode::empty());
        let theirs = open(namespace_file("/proc", pid, c"mnt").as_cstr())?;
        let (ours, root) = (open(c"/proc/thread-self/ns/mnt")?, open(c"/")?);
        setns(theirs.as_fd(), NewNamespaces::NEWNS)?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
        let tree = open_tree(CWD, c"/proc", flags);
        setns(ours.as_fd(), NewNamespaces::NEWNS)?;
        fchdir(root.as_fd())?;
        chroot(c".")?;
        fchdir(self.cwd.as_fd())?;
        let tree = tree?;
        if is_proc_of(tree.as_fd(), of)? { Ok(tree) } else { Err(Errno::NOENT) }
    }
}

fn new<'a>(mount: &'a Mount) -> NewMount<'a> {
    NewMount {
        source: mount.source,
        fstype: mount.fstype,
        flags: mount.flags,
        data: mount.data,
        propagation: mount.propagation,
    }
}

/// The options with `pidns=PATH` behind them.
fn with_option<'a>(data: &CStr, path: &CStr, buf: &'a mut [u8; DATA_MAX]) -> Option<&'a CStr> {
    let comma: &[u8] = if data.is_empty() { b"" } else { b"," };
    let mut len = 0;
    for part in [data.to_bytes(), comma, b"pidns=", path.to_bytes_with_nul()] {
        buf.get_mut(len..len + part.len())?.copy_from_slice(part);
        len += part.len();
    }
    CStr::from_bytes_with_nul(buf.get(..len)?).ok()
}

/// Whether `dir` is the root of that namespace's proc. Its process 1 tells.
fn is_proc_of(dir: BorrowedFd, of: Identity) -> io::Result<bool> {
    if magic(dir)? != PROC_SUPER_MAGIC {
        return Ok(false);
    }
    match statat(dir, c"1/ns/pid", AtFlags::empty()) {
        Ok(stat) => Ok(Identity::from(stat) == of),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}
