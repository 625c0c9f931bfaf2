//! clock_gettime(2), without the vdso: nsinit looks at a clock a few times a second at most.

use linux_raw_sys::general::CLOCK_BOOTTIME;
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

/// Microseconds since the kernel began to run, suspended time included (CLOCK_BOOTTIME); 0 where
/// the clock can't be read, which no kernel does.
pub fn boottime() -> u64 {
    #[cfg(target_arch = "arm")]
    const NR: u32 = linux_raw_sys::general::__NR_clock_gettime64;
    #[cfg(not(target_arch = "arm"))]
    const NR: u32 = linux_raw_sys::general::__NR_clock_gettime;
    // struct __kernel_timespec: two words of 64 bits everywhere.
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes one struct __kernel_timespec to `time`.
    let word = unsafe { syscall(NR, [CLOCK_BOOTTIME as usize, &raw mut time as usize, 0, 0, 0, 0]) };
    let read: Result<usize, Errno> = ret(word);
    read.map_or(0, |_| time[0] * 1_000_000 + time[1] / 1000)
}
