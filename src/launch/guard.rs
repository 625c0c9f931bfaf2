//! What a start leaves on the host while it works, each with a guard: whatever goes wrong, it goes
//! again, in reverse order.

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use super::Launch;
use super::claim::{Claim, HELD, LOCKED};
use crate::bytes::Arena;
use crate::cgroup::{self, Created};
use crate::error::{Error, Result};
use crate::net::Made;
use crate::plan::Kind;
use crate::say;
use crate::state::FILE;
use crate::syscall::process::Sibling;
use crate::syscall::signal::{CHLD, KILL, SigSet, kill, sigtimedwait};
use crate::syscall::time::monotonic;

/// All of it. The fields are dropped in this order: a group can't be removed while the child is in
/// it, and nobody may start anew in the place before the rest is gone.
pub struct Traces<'a> {
    /// The container's first process, or what builds around it.
    pub children: Children<'a>,
    /// The network.
    pub made: Made<'a>,
    /// The process that would take the network back if this one were killed.
    pub survivor: Children<'a>,
    /// The control groups.
    pub groups: Created<'a>,
    /// state.json.
    pub claim: Claim<'a>,
}

impl<'a> Traces<'a> {
    /// Nothing yet.
    pub fn none(claim: Claim<'a>, arena: &'a Arena) -> Traces<'a> {
        Traces {
            children: Children::none(arena),
            made: Made::new(arena),
            survivor: Children::none(arena),
            groups: Created::none(arena),
            claim,
        }
    }

    /// Takes them away when the container has ended. If another launcher was here since PID 1 died,
    /// it has cleaned up and may have started anew in the same groups: they are left to it.
    pub fn take_back(&mut self, launch: &Launch) -> Result<()> {
        let Traces { claim, groups, made, .. } = self;
        let alone = claim.alone(1000)?;
        // Without a PID namespace of its own, nothing but this ends what the command left running.
        // That may be what holds the lock, to live on: it is on their root.
        if !launch.plan.namespaces.is_new(Kind::Pid) && claim.is_ours()? {
            groups.kill_all()?;
        }
        if !alone && !claim.alone(LOCKED)? {
            return Err(Error::refused("remove", FILE, HELD));
        }
        if claim.is_ours()? {
            groups.remove()?;
        } else {
            groups.abandon();
        }
        // The kernel takes a veth away meanwhile. With the lock: whoever comes next may want its
        // name.
        made.take_back()?;
        claim.remove()
    }
}

/// A child that the launcher has forked, and the one that this has forked as its sibling. Neither is
/// left when this is dropped.
pub struct Children<'a> {
    arena: &'a Arena,
    forked: Option<Pid>,
    sibling: Option<Sibling>,
}

impl<'a> Children<'a> {
    /// None yet.
    pub fn none(arena: &'a Arena) -> Children<'a> {
        Children { arena, forked: None, sibling: None }
    }

    /// These, from now on. With a sibling, `forked` only makes way for it.
    pub fn guard(&mut self, forked: Pid, sibling: Option<Sibling>) {
        (self.forked, self.sibling) = (Some(forked), sibling);
    }

    /// The one that stays: the sibling where there is to be one.
    pub fn main(&self) -> Option<Pid> {
        self.sibling.as_ref().map_or(self.forked, Sibling::pid)
    }

    /// `pid` has been waited for: its number may be another's from now on.
    pub fn reaped(&mut self, pid: Pid) {
        self.forked = self.forked.filter(|forked| *forked != pid);
        if self.sibling.as_ref().is_some_and(|sibling| sibling.pid() == Some(pid)) {
            self.sibling = None;
        }
    }
}

impl Drop for Children<'_> {
    fn drop(&mut self) {
        if let Some(pid) = self.forked.take() {
            end(pid, self.arena);
        }
        // Only now it is sure whether there is one.
        if let Some(pid) = self.sibling.take().and_then(|sibling| sibling.pid()) {
            end(pid, self.arena);
        }
    }
}

/// Kills a child and waits for its end, but not for ever: the kernel may hold it up.
fn end(pid: Pid, arena: &Arena) {
    /// Milliseconds: far longer than a process takes that nothing holds up.
    const SOON: u64 = 200;
    const AT_LAST: u64 = 5000;
    // Our own child, and not yet waited for: the pid is its, and the call can't fail.
    let _ = kill(pid, KILL);
    if has_ended(pid, SOON) {
        return;
    }
    // A group above the container's may be frozen, where on v1 not even KILL has an effect.
    if let Err(error) = cgroup::take_out_of_freezer(pid, arena) {
        say::warning(format_args!("{error}"));
    }
    if !has_ended(pid, AT_LAST) {
        let pid = i64::from(pid.as_raw_pid());
        say::warning(format_args!(
            "process {pid} was killed, but does not end: it waits for the kernel, as for a file \
             system that does not answer"
        ));
    }
}

/// Whether the child ends within so many milliseconds; then it has been waited for.
fn has_ended(pid: Pid, milliseconds: u64) -> bool {
    let until = monotonic() + milliseconds;
    loop {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(None) | Err(Errno::INTR) => {}
            // ECHILD: there is none.
            Ok(Some(_)) | Err(_) => return true,
        }
        let Some(left) = until.checked_sub(monotonic()).filter(|left| *left > 0) else {
            return false;
        };
        // It is blocked, so that one that came since the last look ends this wait at once.
        let _ = sigtimedwait(SigSet::EMPTY.with(CHLD), Some(left as u32));
    }
}
