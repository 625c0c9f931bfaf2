//! What a start leaves on the host while it works, each with a guard: whatever goes wrong, it goes
//! again, in reverse order.

use rustix::process::{Pid, WaitOptions, waitpid};

use super::Launch;
use super::place::Place;
use crate::bytes::Arena;
use crate::cgroup::Created;
use crate::error::Result;
use crate::net::Made;
use crate::plan::Kind;
use crate::say;
use crate::state::{self, State};
use crate::syscall::signal::kill;

const KILL: u32 = linux_raw_sys::general::SIGKILL;

/// All of it. The fields are dropped in this order: a group can't be removed while the child is in
/// it.
pub struct Traces<'a> {
    /// The container's first process.
    pub first: ChildGuard,
    /// state.json.
    pub saved: StateGuard<'a>,
    /// The network.
    pub made: Made<'a>,
    /// The process that would take the network back if this one were killed.
    pub survivor: ChildGuard,
    /// The control groups.
    pub groups: Created<'a>,
}

impl<'a> Traces<'a> {
    /// Nothing yet.
    pub fn none(place: &'a Place, arena: &'a Arena) -> Traces<'a> {
        Traces {
            first: ChildGuard::default(),
            saved: StateGuard { place, init_pid: 0 },
            made: Made::new(arena),
            survivor: ChildGuard::default(),
            groups: Created::none(arena),
        }
    }

    /// Takes them away when the container has ended. If another launcher was here since PID 1 died,
    /// it has cleaned up and may have started anew in the same groups: they are left to it.
    pub fn take_back(&mut self, launch: &Launch) -> Result<()> {
        let (place, saved, groups) = (self.saved.place, &mut self.saved, &mut self.groups);
        let lock = place.lock_within(100)?;
        // Without a PID namespace of its own, nothing but this ends what the command left running.
        // That may be what holds the lock, to live on: it is on their root. A launcher that starts
        // anew has removed the old state.json by now.
        if !launch.plan.namespaces.is_new(Kind::Pid) && (lock.is_some() || saved.is_ours(launch)?) {
            groups.kill_all()?;
        }
        let _lock = match lock {
            Some(lock) => lock,
            None => place.lock()?,
        };
        if saved.remove(launch)? {
            groups.remove()?;
        } else {
            groups.abandon();
        }
        // The kernel takes a veth away meanwhile. With the lock: whoever comes next may want its
        // name.
        self.made.take_back()
    }
}

/// A child that is killed and waited for, unless it has been waited for already.
#[derive(Default)]
pub struct ChildGuard(pub Option<Pid>);

impl ChildGuard {
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
    /// PID 1's; 0 where there is none to guard.
    init_pid: i32,
}

impl StateGuard<'_> {
    /// Writes the file, and guards it.
    pub fn save(&mut self, state: &State, arena: &Arena) -> Result<()> {
        state::save(self.place.dir(), state, arena)?;
        self.init_pid = state.init_pid;
        Ok(())
    }

    /// Whether the file is still the one that this launcher wrote.
    fn is_ours(&self, launch: &Launch) -> Result<bool> {
        let state = state::read(self.place.dir(), launch.arena)?;
        Ok(state.is_some_and(|state| state.init_pid == self.init_pid))
    }

    /// Removes the file, unless it is another's by now: a launcher that came when PID 1 was dead
    /// already has cleaned up and started anew. False if so: then the cgroups are its, too.
    fn remove(&mut self, launch: &Launch) -> Result<bool> {
        // If it can't be read it is taken for ours, and drop removes it: the caller holds the lock.
        let state = state::read(self.place.dir(), launch.arena)?;
        let pid = core::mem::take(&mut self.init_pid);
        let ours = state.is_none_or(|state| state.init_pid == pid);
        if ours {
            state::remove(self.place.dir())?;
        }
        Ok(ours)
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        if self.init_pid != 0
            && let Err(error) = state::remove(self.place.dir())
        {
            say::warning(format_args!("{error}"));
        }
    }
}
