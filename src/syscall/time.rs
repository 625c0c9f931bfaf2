//! The clocks since boot. rustix asks the vDSO, whose reader is code that nsinit has no need of.

use core::time::Duration;

use linux_raw_sys::general::{__NR_clock_gettime, CLOCK_BOOTTIME, CLOCK_MONOTONIC};

use super::arch::syscall;

/// clock_gettime(CLOCK_MONOTONIC): the time since some point at boot.
pub fn monotonic() -> Duration {
    clock(CLOCK_MONOTONIC)
}

/// clock_gettime(CLOCK_BOOTTIME), in microseconds: the time since the kernel began, in which the
/// machine may have slept, too.
pub fn boottime() -> u64 {
    clock(CLOCK_BOOTTIME).as_micros() as u64
}

fn clock(clock: u32) -> Duration {
    // struct timespec of the call with this number: two longs, on every architecture.
    let mut time = [0usize; 2];
    let at = time.as_mut_ptr() as usize;
    // SAFETY: the kernel writes one timespec. It knows these clocks, and can't fail.
    unsafe { syscall(__NR_clock_gettime, [clock as usize, at, 0, 0, 0, 0]) };
    Duration::new(time[0] as u64, time[1] as u32)
}
