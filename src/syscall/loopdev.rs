//! Loop devices (loop(4)): a file as a block device.

use linux_raw_sys::general::__NR_ioctl;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

// include/uapi/linux/loop.h
const LOOP_SET_FD: usize = 0x4C00;
const LOOP_SET_STATUS64: usize = 0x4C04;
const LOOP_CONFIGURE: usize = 0x4C0A;
const LOOP_CTL_GET_FREE: usize = 0x4C82;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// struct loop_info64 in words: 232 bytes, lo_flags at byte 52.
const INFO: usize = 58;
const FLAGS: usize = 13;
/// struct loop_config in words: fd, block_size, a loop_info64, eight words of 64 bits.
const CONFIG: usize = 2 + INFO + 16;

fn ioctl(fd: BorrowedFd, request: usize, argument: usize) -> Result<usize, Errno> {
    // SAFETY: private; each request below passes what loop(4) says, a number or a struct of its size.
    ret(unsafe { syscall(__NR_ioctl, [fd.as_raw_fd() as usize, request, argument, 0, 0, 0]) })
}

/// The number of a loop device that is free, made if there is none. `control` is /dev/loop-control.
pub fn free(control: BorrowedFd) -> Result<u32, Errno> {
    ioctl(control, LOOP_CTL_GET_FREE, 0).map(|n| n as u32)
}

/// Makes the device show `file`, read-only, until its last user has closed it. EBUSY: another was
/// quicker.
pub fn configure(device: BorrowedFd, file: BorrowedFd) -> Result<(), Errno> {
    let flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
    let mut config = [0u32; CONFIG];
    config[0] = file.as_raw_fd() as u32;
    config[2 + FLAGS] = flags;
    match ioctl(device, LOOP_CONFIGURE, config.as_ptr() as usize) {
        // Before Linux 5.8: two steps.
        Err(Errno::INVAL | Errno::NOTTY) => {}
        result => return result.map(drop),
    }
    ioctl(device, LOOP_SET_FD, file.as_raw_fd() as usize)?;
    ioctl(device, LOOP_SET_STATUS64, config[2..].as_ptr() as usize).map(drop)
}
