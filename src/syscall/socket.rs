//! setsockopt(2) for the options that rustix does not know.

use linux_raw_sys::general::__NR_setsockopt;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

/// setsockopt(2) of an option whose value is an int.
pub fn setsockopt(fd: BorrowedFd<'_>, level: u32, option: u32, value: u32) -> Result<(), Errno> {
    let (fd, at, len) = (fd.as_raw_fd() as usize, &raw const value as usize, size_of::<u32>());
    // SAFETY: the kernel reads `len` bytes of `value`; options with a longer value refuse it.
    ret(unsafe { syscall(__NR_setsockopt, [fd, level as usize, option as usize, at, len, 0]) })
        .map(drop)
}
