//! Namespaces of the calling process: unshare(2), setns(2).

use linux_raw_sys::general::{__NR_setns, __NR_unshare};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use super::arch::syscall;
use super::process::NewNamespaces;
use super::ret;

/// unshare(2): new namespaces for the caller; NEWPID and NEWTIME for its next children only.
pub fn unshare(new: NewNamespaces) -> Result<(), Errno> {
    // SAFETY: the flags can't name memory, descriptors or anything else that Rust reasons about.
    ret(unsafe { syscall(__NR_unshare, [new.bits() as usize, 0, 0, 0, 0, 0]) }).map(drop)
}

/// setns(2): enters the namespace that `fd` names; or, with a pidfd (Linux 5.8), all those of
/// `kinds` that its process is in, at once. EINVAL if `fd` is of another kind.
pub fn setns(fd: BorrowedFd<'_>, kinds: NewNamespaces) -> Result<(), Errno> {
    // SAFETY: it takes integers, and moves only the calling process.
    ret(unsafe {
        syscall(__NR_setns, [fd.as_raw_fd() as usize, kinds.bits() as usize, 0, 0, 0, 0])
    })
    .map(drop)
}
