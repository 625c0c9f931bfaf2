//! The clocks since boot. rustix asks the vDSO, whose reader is code that nsinit has no need of.

use linux_raw_sys::general::{
    __NR_clock_gettime, __kernel_old_timespec, CLOCK_BOOTTIME, CLOCK_MONOTONIC,
};

use super::arch::syscall;

/// Milliseconds of CLOCK_MONOTONIC (clock_gettime(2)), which stands while the machine is suspended.
pub fn monotonic() -> u64 {
    clock(CLOCK_MONOTONIC) / 1000
}

/// clock_gettime(CLOCK_BOOTTIME), in microseconds: the time since the kernel began, in which the
/// machine may have slept, too.
pub fn boottime() -> u64 {
    clock(CLOCK_BOOTTIME)
}

/// Microseconds.
fn clock(clock: u32) -> u64 {
    let mut now = __kernel_old_timespec { tv_sec: 0, tv_nsec: 0 };
    let at = &raw mut now as usize;
    // SAFETY: the kernel fills in the timespec of this call's words. It knows these clocks, and can't
    // fail.
    unsafe { syscall(__NR_clock_gettime, [clock as usize, at, 0, 0, 0, 0]) };
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}
