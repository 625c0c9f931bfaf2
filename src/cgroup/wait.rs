//! Waiting for a group to be let go of.

use core::ffi::CStr;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::read;

use super::file::Dir;
use crate::syscall::fd::AsFd;

/// Opens and reads the file of a v2 group that tells when its last process goes: poll(2) tells what
/// changes after that.
pub fn events(dir: &'static CStr) -> Option<OwnedFd> {
    let file = Dir::open(dir).ok()?.file("cgroup.events", OFlags::RDONLY).ok()?;
    // The beginning will do.
    read(file.as_fd(), &mut [0; 8][..]).ok()?;
    Some(file)
}

/// Waits longer and longer, up to a limit in all.
pub struct Pause {
    next: u64,
    left: u64,
}

impl Pause {
    /// At most so many milliseconds in all.
    pub fn until(ms: u64) -> Pause {
        Pause { next: 1, left: ms }
    }

    /// Waits, at most until there is an event; whether there was time left for it.
    pub fn wait(&mut self, events: Option<&OwnedFd>) -> bool {
        let ms = self.next.min(self.left);
        if ms == 0 {
            return false;
        }
        (self.next, self.left) = ((self.next * 2).min(64), self.left - ms);
        let time = Timespec { tv_sec: 0, tv_nsec: ms as i64 * 1_000_000 };
        let mut fds = events.map(|events| PollFd::from_borrowed_fd(events.as_fd(), PollFlags::PRI));
        // Without an event, or with every signal blocked a real error, the next try tells.
        let _ = poll(fds.as_mut_slice(), Some(&time));
        true
    }
}
