//! What a start leaves on the host while it works, each with a guard: whatever goes wrong, it goes
//! again, in reverse order.

use rustix::fd::AsFd;
use rustix::process::{Pid, WaitOptions, waitpid};

use super::place::Place;
use crate::error::Result;
use crate::say;
use crate::state;
use crate::syscall::signal::kill;

const KILL: u32 = linux_raw_sys::general::SIGKILL;

/// A child that is killed and waited for, unless it has been waited for already.
pub struct ChildGuard(Option<Pid>);

impl ChildGuard {
    /// Guards this child.
    pub fn new(pid: Pid) -> ChildGuard {
        ChildGuard(Some(pid))
    }

    /// It has been waited for: nothing is left to guard.
    pub fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Our own unreaped child: the pid is its, and neither call can fail but by EINTR, which
            // is no news with every signal blocked.
            let _ = kill(pid, KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

/// The state.json that this launcher wrote.
pub struct StateGuard<'a> {
    place: &'a Place,
    init_pid: i32,
    armed: bool,
}

impl<'a> StateGuard<'a> {
    /// Guards the file in `place`.
    pub fn new(place: &'a Place, init_pid: i32) -> StateGuard<'a> {
        StateGuard { place, init_pid, armed: true }
    }

    /// Removes the file, unless it is another's by now: a launcher that came when PID 1 was dead
    /// already has cleaned up and started anew. False if so: then the cgroups are its, too.
    pub fn remove(mut self, launch: &super::Launch) -> Result<bool> {
        // If it can't be read it is taken for ours, and drop removes it: the caller holds the lock.
        let state = state::read(self.place.dir(), launch.arena)?;
        self.armed = false;
        let ours = state.is_none_or(|state| state.init_pid == self.init_pid);
        if ours {
            state::remove(self.place.dir())?;
        }
        Ok(ours)
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        if self.armed
            && let Err(error) = state::remove(self.place.dir().as_fd())
        {
            say::warning(format_args!("{error}"));
        }
    }
}
