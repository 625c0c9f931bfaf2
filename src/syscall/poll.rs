//! ppoll(2) of a process that may wait for a very long time.

use linux_raw_sys::general::__NR_ppoll;
use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;

use super::arch::syscall;
use super::memory::rest;
use super::ret;

/// ppoll(2) without a limit of time: for a moment as any other, and then in rest. What is busy is not to
/// have its pages read anew each time.
pub fn poll_and_rest(fds: &mut [PollFd]) -> Result<usize, Errno> {
    let soon = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    match poll(fds, Some(&soon)) {
        Ok(0) => rest_in_poll(fds, None),
        ready => ready,
    }
}

/// ppoll(2), with the stack below this call and the program's pages given back before: they come
/// back as they are needed. `micros`: at most so long, in microseconds. How many descriptors have
/// something.
// One function, and all that it calls in it: what it does not touch need not be there while it waits.
#[inline(never)]
pub fn rest_in_poll(fds: &mut [PollFd], micros: Option<u64>) -> Result<usize, Errno> {
    // struct timespec of the call with this number: two longs, on every architecture.
    let time = micros.map(|n| [(n / 1_000_000) as usize, (n % 1_000_000 * 1000) as usize]);
    let at = time.as_ref().map_or(0, |time| time.as_ptr() as usize);
    rest();
    // SAFETY: PollFd is the kernel's struct pollfd (its documentation says so), there are as many as
    // the length says, and `time` is a struct timespec. NULL leaves the signal mask alone.
    ret(unsafe { syscall(__NR_ppoll, [fds.as_mut_ptr() as usize, fds.len(), at, 0, 0, 0]) })
}
