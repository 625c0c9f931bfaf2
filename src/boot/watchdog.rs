//! The hardware watchdog (the kernel's Documentation/watchdog/watchdog-api.rst): it resets the
//! machine unless it is kicked in time, and only the loop that runs the containers kicks it.

use rustix::fd::OwnedFd;
use rustix::fs::OFlags;

use super::mounts::open;
use crate::error::{Context, Result};
use crate::syscall::watchdog::set_timeout;

const DEVICE: &core::ffi::CStr = c"/dev/watchdog";

/// An armed watchdog, or none.
#[derive(Default)]
pub struct Watchdog {
    device: Option<OwnedFd>,
    seconds: u32,
}

impl Watchdog {
    /// Arms it, to wait `seconds`, or as near as the device can. 0: it stays as it is.
    pub fn arm(seconds: u32) -> Result<Watchdog> {
        if seconds == 0 {
            return Ok(Watchdog::default());
        }
        let device = open(DEVICE, OFlags::WRONLY).doing("open", DEVICE)?;
        let seconds = set_timeout(&device, seconds).doing("set the timeout of", DEVICE)?;
        Ok(Watchdog { device: Some(device), seconds })
    }

    /// At most so many milliseconds may the loop wait before it kicks again: a third of the timeout, so
    /// that one late kick is no reset. `None`: for ever.
    pub fn interval(&self) -> Option<u32> {
        self.device.as_ref().map(|_| self.seconds.saturating_mul(1000) / 3)
    }

    /// The loop is healthy.
    pub fn kick(&self) {
        if let Some(device) = &self.device {
            // A device that refuses resets the machine: there is nobody to tell it better.
            let _ = rustix::io::write(device, b"\0");
        }
    }

    /// Lets go of it: a machine that is halted on purpose stays so. "V" is the magic character.
    pub fn disarm(&mut self) {
        if let Some(device) = self.device.take() {
            // Without the magic close it goes on, and resets the machine: as above.
            let _ = rustix::io::write(&device, b"V");
        }
    }
}
