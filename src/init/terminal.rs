//! The controlling terminal: which it is, who is in its foreground, and handing that on.

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec, read};
use rustix::process::Pid;
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use crate::error::Context;
use crate::say;
use crate::syscall::fd::AsFd;
use crate::syscall::fd::stdio;
use crate::syscall::process::{getpgrp, leads_session};
use crate::syscall::signal::{CONT, HUP, SigSet, sigtimedwait};
use crate::syscall::terminal::ioctl_tiocnotty;

/// This process's controlling terminal, if it has one: a standard descriptor, else /dev/tty.
pub fn controlling() -> Option<OwnedFd> {
    let standard = stdio().into_iter().find(|fd| is_controlling(*fd));
    match standard {
        Some(fd) => fcntl_dupfd_cloexec(fd.as_fd(), 3).ok(),
        None => {
            let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY;
            open(c"/dev/tty", flags, Mode::empty()).ok().filter(|fd| is_controlling(fd.as_fd()))
        }
    }
}

/// Whether standard input is the controlling terminal: that is what a session of its own can be given.
pub fn is_stdin() -> bool {
    let [stdin, ..] = stdio();
    is_controlling(stdin)
}

/// ENOTTY where it is none, or another session's. EOPNOTSUPP is how rustix tells a group that is
/// outside of this PID namespace.
fn is_controlling(fd: BorrowedFd) -> bool {
    matches!(tcgetpgrp(fd), Ok(_) | Err(Errno::OPNOTSUPP))
}

/// Whether this process may read from it. Asked by reading nothing, with TTIN blocked: that works
/// where the groups are outside of this PID namespace, and have no number here
/// (drivers/tty/tty_jobctrl.c, __tty_check_change).
pub fn is_foreground(tty: &OwnedFd) -> bool {
    read(tty.as_fd(), &mut [0u8; 0][..]).is_ok()
}

/// Makes the group that `leader` leads its foreground. TTOU is blocked, so that a process in the
/// background may do it.
pub fn give(tty: &OwnedFd, leader: Pid) {
    match tcsetpgrp(tty, leader) {
        // It was hung up meanwhile, or is another session's.
        Err(Errno::NOTTY | Errno::NXIO | Errno::BADF | Errno::IO) => {}
        result => say::failure(result.doing("hand the terminal over", ())),
    }
}

/// After a stop: the shell has made this process's group the foreground, and the command needs it, if
/// it did so at all.
#[cold]
pub fn hand_back(tty: &OwnedFd, leader: Pid) {
    if is_foreground(tty) {
        give(tty, leader);
    }
}

/// After the command was stopped for its use of the terminal: whether it has it now. A shell makes its
/// job the foreground with every process of a pipeline that it starts, and so takes from the command
/// what this process has already handed on.
#[cold]
pub fn regain(tty: &OwnedFd, leader: Pid) -> bool {
    is_foreground(tty) && {
        give(tty, leader);
        !is_foreground(tty)
    }
}

/// At the end: who goes on in this process's group finds itself in the foreground, as without nsinit.
pub fn take_back(tty: &OwnedFd, leader: Pid) {
    if tcgetpgrp(tty) == Ok(leader)
        && let Some(own) = getpgrp()
    {
        give(tty, own);
    }
}

/// Gives it up, so that another session can have it, if this process leads its session. The kernel
/// then hangs the foreground up (disassociate_ctty): before the command is there, this process alone, which
/// keeps those signals and shows them to `kept`.
pub fn leave(tty: &OwnedFd, kept: &mut dyn FnMut(u32)) {
    if leads_session() && ioctl_tiocnotty(tty.as_fd()).is_ok() {
        for n in [HUP, CONT] {
            // EAGAIN: it was not in the foreground.
            if sigtimedwait(SigSet::EMPTY.with(n), Some(0)).is_ok() {
                kept(n);
            }
        }
    }
}
