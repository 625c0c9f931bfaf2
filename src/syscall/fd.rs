//! Descriptors: close_range, and writing to one by its number.

use linux_raw_sys::general::{
    __NR_close, __NR_close_range, __NR_ppoll, __NR_pwritev2, __NR_write, POLLOUT, RWF_NOWAIT,
    pollfd,
};
use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use super::arch::syscall;
use super::ret;

/// close_range(2): closes every descriptor from `first` to `last`. ENOSYS before Linux 5.9.
///
/// Whoever owns one of them must never use or drop it afterwards: only code that has just forked,
/// and that goes on without its parent's owners, may call this.
pub fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: it takes integers; the doc states the duty of the caller.
    ret(unsafe { syscall(__NR_close_range, [first as usize, last as usize, 0, 0, 0, 0]) }).map(drop)
}

/// close_range(2) with CLOSE_RANGE_CLOEXEC: marks them to close at execve. Linux 5.11.
pub fn close_range_cloexec(first: u32) -> Result<(), Errno> {
    /// include/uapi/linux/close_range.h
    const CLOSE_RANGE_CLOEXEC: usize = 1 << 2;
    // SAFETY: it takes integers, and closes nothing now.
    ret(unsafe {
        syscall(__NR_close_range, [first as usize, u32::MAX as usize, CLOSE_RANGE_CLOEXEC, 0, 0, 0])
    })
    .map(drop)
}

/// close(2) by number: for descriptors that were inherited, so that nobody owns them.
pub fn close(fd: u32) {
    // SAFETY: as `close_range`. A close can't fail in a way that leaves the descriptor open.
    unsafe { syscall(__NR_close, [fd as usize, 0, 0, 0, 0, 0]) };
}

/// Takes a descriptor that was inherited, and marks it to close at execve; `None` where there is none of
/// this number. Only once for each: nobody owns it before.
pub fn inherited(number: u32) -> Option<OwnedFd> {
    let number = i32::try_from(number).ok()?;
    // SAFETY: not -1; if it is open at all it stays so for the call.
    fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC).ok()?;
    // SAFETY: it is open, and the doc states the duty of the caller.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// write(2) to a descriptor by number: standard error, or the log file, which the process keeps for
/// good without an owner.
pub fn write(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel reads bytes.len() bytes of a valid slice.
    ret(unsafe {
        syscall(__NR_write, [fd as usize, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0])
    })
}

/// The same if that need not wait; EAGAIN if it would. A pipe that others fill between the look and the
/// write is told by RWF_NOWAIT (Linux 6.5), which files without a cached page refuse too.
pub fn write_now(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    if !wait_writable(fd, 0) {
        return Err(Errno::AGAIN);
    }
    let vector = [bytes.as_ptr() as usize, bytes.len()];
    // The position: the file's own.
    let args =
        [fd as usize, vector.as_ptr() as usize, 1, usize::MAX, usize::MAX, RWF_NOWAIT as usize];
    // SAFETY: one struct iovec, of a valid slice that the kernel reads.
    match ret(unsafe { syscall(__NR_pwritev2, args) }) {
        Err(Errno::AGAIN) if !wait_writable(fd, 0) => Err(Errno::AGAIN),
        Err(_) => write(fd, bytes),
        done => done,
    }
}

/// ppoll(2): waits until `fd` can be written to, at most for so many milliseconds; whether it can.
pub fn wait_writable(fd: i32, milliseconds: i32) -> bool {
    let mut poll = pollfd { fd, events: POLLOUT as i16, revents: 0 };
    // struct timespec of the call with this number: two longs, on every architecture.
    let time = [0, milliseconds as isize * 1_000_000];
    let (poll, time) = (&raw mut poll as usize, time.as_ptr() as usize);
    // SAFETY: one pollfd, a timespec, and no signal mask.
    ret(unsafe { syscall(__NR_ppoll, [poll, 1, time, 0, 0, 0]) }).is_ok_and(|ready| ready == 1)
}

/// A descriptor that is lent. rustix's own trait of that name asks each time whether it is -1, and panics:
/// none of nsinit's is, and there are hundreds of places.
pub trait AsFd {
    /// For a call.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

impl AsFd for OwnedFd {
    #[inline(always)]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: both have the representation of the descriptor's number, as their documentation says,
        // and what is lent lives no longer than its owner.
        unsafe { *(&raw const *self).cast() }
    }
}

impl AsFd for BorrowedFd<'_> {
    #[inline(always)]
    fn as_fd(&self) -> BorrowedFd<'_> {
        *self
    }
}

/// Standard input, output and error.
pub fn stdio() -> [BorrowedFd<'static>; 3] {
    // SAFETY: nsinit starts by making sure that all three are open (`front::ready`), owns none of
    // them, and closes them only in PID 1, which then uses none.
    [0, 1, 2].map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
}
