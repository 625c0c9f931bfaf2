//! Waiting for a group to be let go of.

use core::ffi::CStr;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{self, read};

/// The file of a v2 group that tells when its last process goes.
pub struct Events(OwnedFd);

impl Events {
    /// Opens and reads it: poll(2) tells what changes after that.
    pub fn open(dir: &CStr) -> io::Result<Events> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let group = openat(CWD, dir, flags, Mode::empty())?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(group, c"cgroup.events", flags, Mode::empty())?;
        read(&file, &mut [0; 128])?;
        Ok(Events(file))
    }
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
    pub fn wait(&mut self, events: Option<&Events>) -> bool {
        let ms = self.next.min(self.left);
        if ms == 0 {
            return false;
        }
        (self.next, self.left) = ((self.next * 2).min(64), self.left - ms);
        let time = Timespec { tv_sec: 0, tv_nsec: ms as i64 * 1_000_000 };
        let mut fds = events.map(|events| PollFd::new(&events.0, PollFlags::PRI));
        // Without an event, or with every signal blocked a real error, the next try tells.
        let _ = poll(fds.as_mut_slice(), Some(&time));
        true
    }
}
