//! Waiting for what sends no event: looks, with pauses in between that grow.

use rustix::event::Timespec;

use super::termination::Termination;
use crate::error::Result;
use crate::syscall::time::{monotonic, sleep};

/// Longest pause, in milliseconds.
const LONGEST: u32 = 10;

/// The pauses of one wait.
pub struct Pauses {
    begun: Option<u64>,
    milliseconds: u32,
}

impl Pauses {
    /// None yet.
    pub fn new() -> Pauses {
        Pauses { begun: None, milliseconds: 1 }
    }

    /// Milliseconds since the first began.
    pub fn waited(&self) -> u64 {
        self.begun.map_or(0, |begun| monotonic() - begun)
    }

    /// The next pause.
    pub fn pause(&mut self) {
        sleep(self.next() * 1_000_000);
    }

    /// The next pause, in which a signal ends the wait.
    pub fn pause_unless(&mut self, termination: &Termination) -> Result<()> {
        let time = Timespec { tv_sec: 0, tv_nsec: (self.next() * 1_000_000) as _ };
        termination.pause(&time)
    }

    fn next(&mut self) -> u32 {
        self.begun.get_or_insert_with(monotonic);
        let pause = self.milliseconds;
        self.milliseconds = (pause * 2).min(LONGEST);
        pause
    }
}
