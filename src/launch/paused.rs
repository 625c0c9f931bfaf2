//! The control groups of a container that runs, and what a paused one means for who joins it: its
//! command would enter the frozen group and stand still.

use rustix::event::Timespec;

use super::termination::Termination;
use super::{Launch, Running};
use crate::cgroup::{Freezer, Groups};
use crate::error::{Error, Result};

impl Running {
    /// Opens the groups that state.json names.
    pub fn groups(&self) -> Result<Groups> {
        Groups::open(&mut self.cgroup_paths.iter())
    }
}

/// Refuses to join a container that is paused, or waits until it goes on.
pub fn await_thaw(launch: &Launch, running: &Running, groups: &Groups) -> Result<()> {
    const DOING: &str = "join the container";
    /// How often it is looked at: no event tells of a thaw on v1.
    const EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    let Some(freezer) = Freezer::of(groups) else { return Ok(()) };
    if !freezer.is_on()? {
        return Ok(());
    }
    if !launch.wait {
        let why = "it is paused: nsinit unpause lets it go on, exec --wait waits for that";
        return Err(Error::refused(DOING, (), why));
    }
    let termination = Termination::watch()?;
    while freezer.is_on()? && running.init.is_alive()? {
        termination.pause(&EVERY)?;
    }
    Ok(())
}
