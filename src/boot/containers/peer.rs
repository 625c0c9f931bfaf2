//! Who may ask PID 1 for something.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::process::{Pid, getpid};

use crate::proc::process::namespace;
use crate::syscall::fd::AsFd;
use crate::syscall::socket::{peer, peer_pidfd};

/// Whether the process at the other end is root of the machine itself, and not of a container that can
/// reach the socket: that has another PID or user namespace.
pub fn is_ours(socket: BorrowedFd) -> bool {
    // Before its number is used: while this is open and it lives, that is no other's (Linux 6.5). On older
    // kernels a process that connects and ends at once, and whose number another has got since, is taken
    // for that one.
    let held = peer_pidfd(socket).ok();
    let Ok((pid, 0)) = peer(socket) else { return false };
    let Some(pid) = Pid::from_raw(pid) else { return false };
    // A kernel without such namespaces has no files for them.
    let same = |kind| namespace("/proc", pid, kind) == namespace("/proc", getpid(), kind);
    same(c"pid") && same(c"user") && held.is_none_or(|pidfd| lives(&pidfd))
}

/// A pidfd can be read when its process has ended.
fn lives(pidfd: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(&now)) == Ok(0)
}
