//! The lock under which bridges are made, used and removed: between the look at a bridge's ports and its
//! end another launcher could make one of its own.

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;
use crate::syscall::time::sleep;

/// A file that root alone can open: what everybody can open, everybody can lock. It is empty, and stays.
const FILE: &CStr = c"/run/nsinit.lock";

/// It ends with its holder.
pub struct Lock<'a>(Held<'a>);

enum Held<'a> {
    File(OwnedFd),
    /// Where there is no /run: the file of the host's network namespace, which needs none on disk.
    Namespace(BorrowedFd<'a>),
}

impl<'a> Lock<'a> {
    /// Waits for it; `namespace` is the host's. The wait has an end.
    pub fn take(namespace: BorrowedFd<'a>) -> Result<Lock<'a>> {
        const DOING: &str = "lock the host's bridges";
        const ROUNDS: u32 = 4000;
        let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = Lock(match openat(CWD, FILE, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Held::File(file),
            Err(Errno::NOENT | Errno::ROFS) => Held::Namespace(namespace),
            Err(errno) => return Err(errno).doing("open", FILE),
        });
        for _ in 0..ROUNDS {
            match flock(lock.fd(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(Errno::WOULDBLOCK | Errno::INTR) => sleep(5_000_000),
                Err(errno) => return Err(errno).doing(DOING, ()),
            }
        }
        Err(Error::refused(DOING, (), "another process has held the lock for 20 seconds"))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Held::File(file) => file.as_fd(),
            Held::Namespace(namespace) => *namespace,
        }
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Not left to close(2): a child that was just forked may still have a copy. Unlocking what is not
        // locked can't fail either.
        let _ = flock(self.fd(), FlockOperation::Unlock);
    }
}
