//! The control groups of a container that runs, and what a paused one means for who joins it: its
//! command would enter the frozen group and stand still.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Launch, Running};
use crate::cgroup::{Freezer, Groups};
use crate::error::{Context, Error, Result, STATUS_SIGNAL};
use crate::syscall::fd::AsFd;
use crate::syscall::signal::{SigSet, read_signalfd, signalfd};

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
    // Every signal is blocked, and would be lost on who waits.
    let ends = [1, 2, 3, 15];
    let set = ends.into_iter().fold(SigSet::EMPTY, SigSet::with);
    let signals = signalfd(set).doing("make a signalfd", ())?;
    while freezer.is_on()? && running.init.is_alive()? {
        match poll(&mut [PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)], Some(&EVERY)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).doing("wait for signals", ()),
        }
        if let Some(n) = read_signalfd(&signals).doing("read the signalfd", ())? {
            let error = Error::refused(DOING, (), "a signal ended the wait for a paused container");
            return Err(error.with_status(STATUS_SIGNAL + n as u8));
        }
    }
    Ok(())
}
