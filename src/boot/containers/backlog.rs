//! What the consoles have still to print. A serial line is slower than what is said on it, and a
//! stalled one takes nothing: each console has its own place in a ring, and whichever is too far
//! behind loses the oldest.

use core::fmt::{self, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;

use crate::boot::console::CONSOLES;

/// Bytes that are kept for a console that is behind.
pub const RING: usize = 16 << 10;
/// Most bytes of one write: a pipe or terminal that polls writable takes them without blocking.
const CHUNK: usize = 256;

/// The ring. All zero when it is empty: it lies in static memory.
pub struct Backlog {
    ring: [u8; RING],
    /// Bytes that were ever said.
    said: usize,
    /// How far each console has come.
    printed: [usize; CONSOLES],
    /// It has lost something, and was not told yet.
    lost: [bool; CONSOLES],
}

impl Backlog {
    /// An empty one.
    pub const fn new() -> Backlog {
        Backlog { ring: [0; RING], said: 0, printed: [0; CONSOLES], lost: [false; CONSOLES] }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let at = self.said % RING;
            self.ring[at] = *byte;
            self.said = self.said.wrapping_add(1);
        }
        for (printed, lost) in self.printed.iter_mut().zip(&mut self.lost) {
            if self.said.wrapping_sub(*printed) > RING {
                // Half of it goes at once, or every line would be cut.
                *printed = self.said.wrapping_sub(RING / 2);
                *lost = true;
            }
        }
    }

    /// Whether console `n` has something to print.
    pub fn is_behind(&self, n: usize) -> bool {
        self.printed.get(n).is_some_and(|printed| *printed != self.said)
    }

    /// Prints to console `n`, which can take something; false where it does not.
    pub fn print(&mut self, n: usize, console: &OwnedFd) -> bool {
        let (Some(printed), Some(lost)) = (self.printed.get_mut(n), self.lost.get_mut(n)) else {
            return false;
        };
        if *lost {
            let text = b"\r\nnsinit: this console is slow: lines are lost\r\n";
            if rustix::io::write(console, text).is_err() {
                return false;
            }
            *lost = false;
        }
        let at = *printed % RING;
        let len = self.said.wrapping_sub(*printed).min(RING - at).min(CHUNK);
        match rustix::io::write(console, self.ring.get(at..at + len).unwrap_or(&[])) {
            Ok(n) => *printed = printed.wrapping_add(n),
            // It hangs up, or was never one: nothing will come of it.
            Err(errno) if errno != rustix::io::Errno::AGAIN => *printed = self.said,
            Err(_) => return false,
        }
        true
    }

    /// Prints what is left before the machine ends, as long as a console takes some of it every
    /// quarter of a second.
    pub fn flush(&mut self, consoles: &[OwnedFd]) {
        for (n, console) in consoles.iter().enumerate() {
            while self.is_behind(n) {
                let mut fds = [PollFd::new(console, PollFlags::OUT)];
                let wait = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
                match poll(&mut fds, Some(&wait)) {
                    Ok(1..) if self.print(n, console) => {}
                    _ => break,
                }
            }
        }
    }
}

impl Write for Backlog {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push(s.as_bytes());
        Ok(())
    }
}
