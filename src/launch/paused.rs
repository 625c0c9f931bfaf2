//! The control groups of a container that runs, and what a paused one means for who joins it: its
//! command would enter the frozen group and stand still.

use rustix::event::Timespec;
use rustix::process::Pid;

use super::termination::Termination;
use super::{Launch, Running};
use crate::bytes::{Arena, Show};
use crate::cgroup::{Created, Freezer, Groups, Still};
use crate::error::{Error, Result};
use crate::proc::process::stat;
use crate::say;

impl Running {
    /// Opens its groups.
    pub fn groups(&self, arena: &Arena) -> Result<Groups> {
        Groups::open(&mut self.cgroup_paths.iter(), self.init.pid, arena)
    }
}

/// Refuses to join a container that is paused, or waits until it goes on.
pub fn await_thaw(launch: &Launch, running: &Running, groups: &Groups) -> Result<()> {
    const DOING: &str = "join the container";
    /// How often it is looked at: no event tells of a thaw on v1.
    const EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    let Some(freezer) = Freezer::of(groups) else { return Ok(()) };
    let why = match freezer.still(launch.arena)? {
        Still::No => return Ok(()),
        Still::Itself => "it is paused: nsinit unpause lets it go on, exec --wait waits for that",
        Still::Above(path) => {
            let path = Show(path.to_bytes());
            let why = format_args!(
                "it stands still, as the control group {path} is frozen, which its own is in; exec \
                 --wait waits until that goes on"
            );
            launch.arena.str(why).unwrap_or("a control group above its own is frozen")
        }
    };
    if !launch.wait {
        return Err(Error::refused(DOING, (), why));
    }
    let termination = Termination::watch()?;
    while freezer.is_on(launch.arena)? && running.init.is_alive()? {
        termination.pause(&EVERY)?;
    }
    Ok(())
}

/// Says why a container has not come to its command yet, if that is because it stands still.
pub fn say_still(groups: &Groups, arena: &Arena) {
    let still = Freezer::of(groups).map(|freezer| freezer.still(arena));
    match still {
        Some(Ok(Still::Above(path))) => say::warning(format_args!(
            "the container stands still, as the control group {} is frozen, which its own is in: \
             waiting until that goes on",
            Show(path.to_bytes())
        )),
        Some(Ok(Still::Itself)) => say::warning(format_args!(
            "the container stands still, as its control group is frozen: waiting until it goes on"
        )),
        // What can't be read is no reason to wait for.
        Some(Ok(Still::No) | Err(_)) | None => {}
    }
}

/// PID 1 waits for all others when it ends, also for those in a group inside the container's that somebody
/// has frozen: on v1 they don't die before they are let go. Nothing tells of that, so it is looked at
/// when somebody wants it to end.
pub fn let_end(init: Pid, groups: &Created) {
    if stat("/proc", init).is_ok_and(|stat| stat.exiting)
        && let Err(error) = groups.thaw()
    {
        say::warning(format_args!("{error}"));
    }
}
