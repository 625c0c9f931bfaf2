//! The program file, out of the container's reach.
//!
//! nsinit stays as PID 1 inside, and a joiner is inside before it executes the command: through
//! their /proc/PID/exe the container's root could open nsinit's file on the host and overwrite it
//! (CVE-2019-5736). So nsinit runs from a read-only, detached clone of its file's mount, which no
//! mount namespace holds and nobody can make writable again; where the kernel can't make one
//! (before Linux 5.12), from a sealed copy in memory.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags, fcntl_add_seals, fcntl_get_seals,
    memfd_create, open, statvfs,
};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::error::{Context, Error, Result};
use crate::syscall::cstr::{Env, List};
use crate::syscall::mount::{MountAttr, mount_setattr};
use crate::syscall::process::execveat;

const SELF: &core::ffi::CStr = c"/proc/self/exe";

/// Goes on if the running file can't be written to through /proc; otherwise executes nsinit anew,
/// with the same arguments, from where it can't. Nothing may have been done yet that an execve
/// would lose.
pub fn seal(args: List, env: &Env) -> Result<()> {
    let read_only = statvfs(SELF)
        .map_err(|errno| Error::errno("look at", SELF, errno).hint("is /proc mounted?"))?
        .f_flag
        .contains(StatVfsMountFlags::RDONLY);
    if read_only || is_sealed() {
        return Ok(());
    }
    let file = read_only_mount().or_else(|_| sealed_copy())?;
    Err(Error::errno("execute nsinit from", SELF, execveat(file.as_fd(), args, env.list())))
}

/// A clone of the mount of the running file alone, read-only.
fn read_only_mount() -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let file = open_tree(rustix::fs::CWD, SELF, flags)?;
    let read_only = u64::from(linux_raw_sys::general::MOUNT_ATTR_RDONLY);
    mount_setattr(file.as_fd(), false, MountAttr { set: read_only, ..MountAttr::default() })?;
    Ok(file)
}

fn seals() -> SealFlags {
    SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL
}

/// Whether this is the sealed copy.
fn is_sealed() -> bool {
    let Ok(file) = open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
        return false;
    };
    // EINVAL: not a memfd.
    fcntl_get_seals(&file).is_ok_and(|have| have.contains(seals()))
}

/// A copy of the running file in memory that can't change any more.
fn sealed_copy() -> Result<OwnedFd> {
    const COPY: &str = "copy nsinit's file into memory";
    /// include/uapi/linux/memfd.h; EINVAL before Linux 6.3.
    const MFD_EXEC: MemfdFlags = MemfdFlags::from_bits_retain(0x10);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let copy = memfd_create(c"nsinit", flags | MFD_EXEC)
        .or_else(|_| memfd_create(c"nsinit", flags))
        .doing(COPY, ())?;
    let file = open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).doing(COPY, ())?;
    let mut buf = [0; 4096];
    loop {
        let n = match rustix::io::read(&file, &mut buf) {
            Ok(0) => break,
            Err(Errno::INTR) => continue,
            n => n.doing(COPY, ())?,
        };
        let mut rest = &buf[..n];
        while !rest.is_empty() {
            let n = rustix::io::write(&copy, rest).doing(COPY, ())?;
            rest = rest.get(n..).unwrap_or(&[]);
        }
    }
    fcntl_add_seals(&copy, seals()).doing("seal the copy of nsinit's file", ())?;
    Ok(copy)
}
