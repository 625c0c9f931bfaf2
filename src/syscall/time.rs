//! The clocks since boot. rustix asks the vDSO, whose reader is code that nsinit has no need of.

#[cfg(target_pointer_width = "64")]
use linux_raw_sys::general::__NR_clock_gettime;
#[cfg(target_pointer_width = "32")]
use linux_raw_sys::general::__NR_clock_gettime64 as __NR_clock_gettime;
use linux_raw_sys::general::{CLOCK_BOOTTIME, CLOCK_MONOTONIC};

use rustix::thread::{NanosleepRelativeResult, Timespec, nanosleep};

use super::arch::syscall;

/// Milliseconds of CLOCK_MONOTONIC (clock_gettime(2)), which stands while the machine is suspended.
pub fn monotonic() -> u64 {
    monotonic_nanoseconds() / 1_000_000
}

/// The same in nanoseconds.
pub fn monotonic_nanoseconds() -> u64 {
    clock(CLOCK_MONOTONIC)
}

/// clock_gettime(CLOCK_BOOTTIME), in microseconds: the time since the kernel began, in which the
/// machine may have slept, too.
pub fn boottime() -> u64 {
    clock(CLOCK_BOOTTIME) / 1000
}

/// nanosleep(2), for less than a second; a signal does not cut it short.
pub fn sleep(nanoseconds: u32) {
    let mut time = Timespec { tv_sec: 0, tv_nsec: nanoseconds as _ };
    while let NanosleepRelativeResult::Interrupted(rest) = nanosleep(&time) {
        time = rest;
    }
}

/// Nanoseconds.
fn clock(clock: u32) -> u64 {
    let mut time = [0i64; 2];
    let at = &raw mut time as usize;
    // SAFETY: the kernel writes a struct __kernel_timespec: two numbers of 64 bits. It knows these
    // clocks, and can't fail.
    unsafe { syscall(__NR_clock_gettime, [clock as usize, at, 0, 0, 0, 0]) };
    let [seconds, nanoseconds] = time.map(i64::cast_unsigned);
    seconds * 1_000_000_000 + nanoseconds
}
