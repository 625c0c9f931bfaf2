//! The program file, out of the container's reach.
//!
//! nsinit stays as PID 1 inside, and a joiner is inside before it executes the command: through
//! their /proc/PID/exe the container's root could open nsinit's file on the host and overwrite it
//! (CVE-2019-5736). So nsinit runs from a read-only, detached clone of its file's mount, which no
//! mount namespace holds and nobody can make writable again; where the kernel can't make one
//! (before Linux 5.12), from a sealed copy in memory.
//!
//! Who closes the last descriptor of a detached mount waits until the kernel has dissolved it, a third of a
//! millisecond and more (an RCU grace period, namespace_unlock() in fs/namespace.c). So it stays open over
//! the execve, and the launcher closes it where it waits for the container anyway.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, StatVfsMountFlags, fstat, open, statvfs};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::error::{Context, Error, Result};
use crate::proc::lines::decimal;
use crate::syscall::cstr::{Env, List, ThinCStr};
use crate::syscall::fd::{AsFd, inherited};
use crate::syscall::memfd;
use crate::syscall::mount::{MountAttr, mount_setattr};
use crate::syscall::process::execveat;

const SELF: &core::ffi::CStr = c"/proc/self/exe";

/// Goes on if the running file can't be written to through /proc; otherwise executes nsinit anew,
/// with the same arguments, from where it can't. Nothing may have been done yet that an execve
/// would lose. What it returns is to be closed later: see above. `executed`: the path that was
/// executed.
pub fn seal(args: List, env: &Env, executed: Option<ThinCStr>) -> Result<Option<OwnedFd>> {
    let read_only = statvfs(SELF)
        .map_err(|errno| Error::errno("look at", SELF, errno).hint("is /proc mounted?"))?
        .f_flag
        .contains(StatVfsMountFlags::RDONLY);
    if read_only || is_sealed() {
        return Ok(executed.and_then(descriptor));
    }
    let file =
        read_only_mount().or_else(|_| sealed_copy()).doing("copy nsinit's file into memory", ())?;
    Err(Error::errno("execute nsinit from", SELF, execveat(file.as_fd(), args, env.list())))
}

/// The descriptor that nsinit was executed from, if it was: the kernel makes a path of its number
/// (alloc_bprm() in fs/exec.c).
fn descriptor(executed: ThinCStr) -> Option<OwnedFd> {
    let number = executed.bytes().strip_prefix(b"/dev/fd/")?;
    let number = u32::try_from(decimal(number)?).ok()?;
    // The standard ones are the command's, whatever they are.
    if number > 2 { inherited(number) } else { None }
}

/// A clone of the mount of the running file alone, read-only. It stays open over the execve.
fn read_only_mount() -> rustix::io::Result<OwnedFd> {
    let file = open_tree(rustix::fs::CWD, SELF, OpenTreeFlags::OPEN_TREE_CLONE)?;
    let read_only = u64::from(linux_raw_sys::general::MOUNT_ATTR_RDONLY);
    mount_setattr(file.as_fd(), false, MountAttr { set: read_only, ..MountAttr::default() })?;
    Ok(file)
}

/// Whether this is the sealed copy.
fn is_sealed() -> bool {
    let file = open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    file.is_ok_and(|file| memfd::is_sealed(file.as_fd()))
}

/// A copy of the running file in memory that can't change any more.
fn sealed_copy() -> rustix::io::Result<OwnedFd> {
    let file = open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let len = usize::try_from(fstat(file.as_fd())?.st_size).unwrap_or(0);
    memfd::program(len, |mut rest| {
        while !rest.is_empty() {
            match rustix::io::read(file.as_fd(), &mut *rest) {
                Ok(0) => return Err(Errno::IO),
                Ok(n) => _ = rest.split_off_mut(..n),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    })
}
