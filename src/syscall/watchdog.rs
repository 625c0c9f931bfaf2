//! The one ioctl(2) of a watchdog device that nsinit needs.

use core::ffi::c_int;

use linux_raw_sys::general::__NR_ioctl;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

/// WDIOC_SETTIMEOUT: the timeout in seconds; what the device made of it.
pub fn set_timeout(device: BorrowedFd, seconds: u32) -> Result<u32, Errno> {
    /// _IOWR('W', 6, int) (include/uapi/linux/watchdog.h); all architectures of nsinit agree on it.
    const WDIOC_SETTIMEOUT: usize = 0xc004_5706;
    let mut timeout = seconds.min(c_int::MAX as u32) as c_int;
    let at = &raw mut timeout as usize;
    let fd = device.as_raw_fd() as usize;
    // SAFETY: the kernel reads and writes one int.
    ret(unsafe { syscall(__NR_ioctl, [fd, WDIOC_SETTIMEOUT, at, 0, 0, 0]) })?;
    Ok(timeout as u32)
}
