//! The time: rustix's way goes through the vDSO, which is a reader of ELF files for a call a second.

#[cfg(target_pointer_width = "64")]
use linux_raw_sys::general::__NR_clock_gettime;
#[cfg(target_pointer_width = "32")]
use linux_raw_sys::general::__NR_clock_gettime64 as __NR_clock_gettime;
use linux_raw_sys::general::CLOCK_MONOTONIC;

use super::arch::syscall;

/// clock_gettime(2): nanoseconds of CLOCK_MONOTONIC, which every kernel has.
pub fn monotonic() -> u64 {
    let mut time = [0i64; 2];
    let at = &raw mut time as usize;
    // SAFETY: the kernel writes a struct __kernel_timespec: two numbers of 64 bits.
    unsafe { syscall(__NR_clock_gettime, [CLOCK_MONOTONIC as usize, at, 0, 0, 0, 0]) };
    let [seconds, nanoseconds] = time.map(i64::cast_unsigned);
    seconds * 1_000_000_000 + nanoseconds
}
