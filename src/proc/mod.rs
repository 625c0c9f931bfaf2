//! Readers of /proc.

pub mod fds;
pub mod lines;
pub mod members;
pub mod mountinfo;
pub mod process;
pub mod status;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use crate::bytes::Short;

/// Whether a process has ended, by the error of a look at one of its files: the file is gone, or was
/// opened before.
pub fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::SRCH)
}

/// A descriptor as a path, for calls that take no descriptor: in the /proc of this process.
pub fn fd_path(fd: BorrowedFd<'_>) -> Short<32> {
    Short::new(format_args!("/proc/self/fd/{}", i64::from(fd.as_raw_fd())))
}
