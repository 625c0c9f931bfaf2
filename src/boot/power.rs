//! Who may ask for the machine's end: signals, and the power button.

use heapless::Vec;
use linux_raw_sys::general::{SIGINT, SIGPWR, SIGTERM, SIGUSR1, SIGUSR2};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;

use super::crash::WAITED;
use super::mounts::{open, read_at};
use super::names::path;
use super::{Action, names, shutdown};
use crate::bytes::number;
use crate::syscall::fd::AsFd;
use crate::syscall::lock::Lock;
use crate::syscall::signal::sigtimedwait;
use crate::syscall::time::monotonic;

/// glibc's SIGRTMIN, by which systemd counts its signals.
const RTMIN: u32 = 34;

/// What a signal to the first process asks for. BusyBox has USR1, USR2 and TERM; systemd has the
/// realtime ones (systemd(1)); INT is the kernel's at Ctrl-Alt-Del; PWR is lxc's and apcupsd's.
const SIGNALS: [(u32, Action); 9] = [
    (SIGTERM, Action::Reboot),
    (SIGINT, Action::Reboot),
    (SIGUSR1, Action::Halt),
    (SIGUSR2, Action::PowerOff),
    (SIGPWR, Action::PowerOff),
    (RTMIN + 3, Action::Halt),
    (RTMIN + 4, Action::PowerOff),
    (RTMIN + 5, Action::Reboot),
    (RTMIN + 6, Action::Kexec),
];

/// Ctrl-Alt-Del so often within so many milliseconds: nothing is waited for any longer (systemd's
/// CtrlAltDelBurstAction=).
const BURST: (u32, u64) = (7, 2000);
/// How often it was pressed, and when first.
static PRESSED: Lock<(u32, u64)> = Lock::new((0, 0));

/// Signal `n` has come: what it asks of the machine; `None`: nothing.
pub fn heard(n: u32) -> Option<Action> {
    if n == SIGINT {
        let now = monotonic();
        let times = PRESSED.with(|(times, first)| {
            if now.saturating_sub(*first) > BURST.1 {
                (*times, *first) = (0, now);
            }
            *times += 1;
            *times
        });
        if times == BURST.0 {
            shutdown::at_once();
        }
    }
    asked(n)
}

fn asked(n: u32) -> Option<Action> {
    SIGNALS.iter().find(|(signal, _)| *signal == n).map(|(_, action)| *action)
}

/// Waits for any signal, at most for so many milliseconds; what it asks of the machine. SIGCHLD ends
/// the wait, and asks for nothing.
#[inline(never)]
pub fn wait(limit: Option<u32>) -> Option<Action> {
    sigtimedwait(WAITED, limit).ok().and_then(|info| heard(info.signo()))
}

/// The signal by which `action` is asked for.
pub fn signal_for(action: Action) -> Option<u32> {
    SIGNALS.iter().rev().find(|(_, of)| *of == action).map(|(signal, _)| *signal)
}

/// Most power buttons.
pub const BUTTONS: usize = 4;
/// include/uapi/linux/input-event-codes.h
const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;

/// The input devices with a power key: descriptors to poll, non-blocking.
#[derive(Default)]
pub struct Buttons(Vec<OwnedFd, BUTTONS>);

impl Buttons {
    /// Opens those that there are now.
    pub fn open() -> Buttons {
        let mut buttons = Buttons::default();
        // Without the directory there are no input devices.
        let _ = names::each(c"/sys/class/input", &mut |_, name| {
            let name = name.to_bytes();
            if name.starts_with(b"event")
                && has_power_key(name)
                && let Ok(file) = open(path("/dev/input/*", name).as_cstr(), OFlags::NONBLOCK)
            {
                // More than four power buttons are the same as four.
                let _ = buttons.0.push(file);
            }
        });
        buttons
    }

    /// What to poll for reading.
    pub fn fds(&self) -> &[OwnedFd] {
        &self.0
    }

    /// Reads what the buttons tell; whether one was pressed.
    pub fn pressed(&self) -> bool {
        self.0.iter().any(pressed)
    }
}

/// The bits of its keys, as words of the machine's size in hexadecimal, the highest first.
fn has_power_key(name: &[u8]) -> bool {
    let mut buf = [0; 512];
    let Ok(text) = read_at("/sys/class/input/*/device/capabilities/key", name, &mut buf) else {
        return false;
    };
    let (word, bit) =
        (usize::from(KEY_POWER) / usize::BITS as usize, KEY_POWER as u32 % usize::BITS);
    let mut words = text.trim_ascii().rsplit(|byte| *byte == b' ');
    let word = words.nth(word).and_then(|word| number(word, 16));
    word.is_some_and(|word| word & 1 << bit != 0)
}

/// struct input_event: a time of two words, type, code, value.
fn pressed(file: &OwnedFd) -> bool {
    const TIME: usize = 2 * size_of::<usize>();
    const EVENT: usize = TIME + 8;
    let mut buf = [0; EVENT * 16];
    let mut pressed = false;
    while let Ok(n @ 1..) = rustix::io::read(file.as_fd(), &mut buf[..]) {
        for event in buf.get(..n).unwrap_or(&[]).chunks_exact(EVENT) {
            let kind = u16::from_ne_bytes([event[TIME], event[TIME + 1]]);
            let code = u16::from_ne_bytes([event[TIME + 2], event[TIME + 3]]);
            pressed |= kind == EV_KEY && code == KEY_POWER && event[TIME + 4..] != [0; 4];
        }
    }
    pressed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_ask_is_understood_and_ours_is_systemds() {
        assert_eq!(asked(SIGTERM), Some(Action::Reboot));
        assert_eq!(asked(linux_raw_sys::general::SIGHUP), None);
        for action in [Action::PowerOff, Action::Reboot, Action::Halt, Action::Kexec] {
            let signal = signal_for(action).unwrap();
            assert_eq!(asked(signal), Some(action));
            assert!((37..=40).contains(&signal), "{signal}");
        }
        assert_eq!(signal_for(Action::Stay), None);
    }
}
