//! Readers of /proc.

pub mod fds;
pub mod lines;
pub mod mountinfo;
pub mod process;

use rustix::fd::{AsRawFd, BorrowedFd};

use crate::bytes::Short;

/// A descriptor as a path, for calls that take no descriptor: in the /proc of this process.
pub fn fd_path(fd: BorrowedFd<'_>) -> Short<32> {
    Short::new(format_args!("/proc/self/fd/{}", i64::from(fd.as_raw_fd())))
}
