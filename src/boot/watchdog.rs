//! The hardware watchdog (the kernel's Documentation/watchdog/watchdog-api.rst): it resets the
//! machine unless it is kicked in time, and only PID 1 does: in the loop that runs the containers, while it
//! waits for a shell, and while it ends the machine.

use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use rustix::fd::IntoRawFd;
use rustix::fs::OFlags;

use super::mounts::open;
use crate::error::{Context, Result};
use crate::syscall::fd::{self, AsFd};
use crate::syscall::watchdog::set_timeout;

const DEVICE: &core::ffi::CStr = c"/dev/watchdog";
/// Seconds that a device is taken to wait whose timeout can't be set: fewer than any has by itself.
const OWN: u32 = 3;

/// The armed device; 0, which it never is, for none. A static, as a PID 1 that has crashed has nothing else.
static FD: AtomicI32 = AtomicI32::new(0);
static SECONDS: AtomicU32 = AtomicU32::new(0);

/// Arms it, to wait `seconds`, or as near as the device can. 0: it stays as it is.
pub fn arm(seconds: u32) -> Result<()> {
    if seconds == 0 {
        return Ok(());
    }
    let device = open(DEVICE, OFlags::WRONLY).doing("open", DEVICE)?;
    let timeout = set_timeout(device.as_fd(), seconds).doing("set the timeout of", DEVICE);
    // It runs since it is open, whether its timeout is this or its own.
    SECONDS.store(*timeout.as_ref().unwrap_or(&OWN), Ordering::Relaxed);
    FD.store(device.into_raw_fd(), Ordering::Relaxed);
    timeout.map(drop)
}

/// At most so many milliseconds may pass before it is kicked again: a third of the timeout, so
/// that one late kick is no reset. `None`: for ever.
pub fn interval() -> Option<u32> {
    let seconds = SECONDS.load(Ordering::Relaxed);
    (seconds != 0).then(|| seconds.saturating_mul(1000) / 3)
}

/// PID 1 is healthy.
pub fn kick() {
    tell(b"\0");
}

/// Lets go of it: a machine that is halted on purpose stays so. "V" is the magic character.
pub fn disarm() {
    // Without the magic close it goes on, and resets the machine: as below.
    tell(b"V");
    let device = FD.swap(0, Ordering::Relaxed);
    if device != 0 {
        fd::close(device as u32);
    }
}

fn tell(word: &[u8]) {
    let device = FD.load(Ordering::Relaxed);
    if device != 0 {
        // A device that refuses resets the machine: there is nobody to tell it better.
        let _ = fd::write(device, word);
    }
}
