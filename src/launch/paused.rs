//! The control groups of a container that runs, and what a paused one means for who joins it: its
//! command would enter the frozen group and stand still.

use rustix::event::Timespec;

use super::termination::Termination;
use super::{Launch, Running};
use crate::bytes::{Arena, Show};
use crate::cgroup::{Freezer, Groups, Still};
use crate::error::{Error, Result};

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
