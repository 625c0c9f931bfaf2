//! What the consoles have still to print. A serial line is slower than what is said on it, and a
//! stalled one takes nothing: each console has its own place in a ring, and whichever is too far
//! behind loses the oldest.

use core::fmt::{self, Write};

use rustix::event::{PollFd, Timespec, poll};
use rustix::fd::OwnedFd;

use crate::boot::console::{CONSOLES, Consoles};
use crate::boot::watchdog;
use crate::syscall::fd::AsFd;
use crate::syscall::time::monotonic;

/// Bytes that are kept for a console that is behind.
pub const RING: usize = 16 << 10;
/// Most bytes of one write: a pipe or terminal that polls writable takes them without blocking.
const CHUNK: usize = 256;
/// Milliseconds for which the end of the machine waits for slow consoles.
const LAST: u64 = 3000;

/// The ring. All zero when it is empty: it lies in static memory.
#[repr(C)]
pub struct Backlog {
    /// Bytes that were ever said.
    said: usize,
    /// How far each console has come.
    printed: [usize; CONSOLES],
    /// It has lost something, and was not told yet.
    lost: [bool; CONSOLES],
    ring: [u8; RING],
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
            if rustix::io::write(console.as_fd(), text).is_err() {
                return false;
            }
            *lost = false;
        }
        let at = *printed % RING;
        let len = self.said.wrapping_sub(*printed).min(RING - at).min(CHUNK);
        let text = self.ring.get(at..at + len).unwrap_or(&[]);
        // Whole lines: each piece is a record of the kernel's log, where that is the console.
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(len, |last| last + 1);
        match rustix::io::write(console.as_fd(), text.get(..end).unwrap_or(&[])) {
            Ok(n) => *printed = printed.wrapping_add(n),
            // It hangs up, or was never one: nothing will come of it.
            Err(errno) if errno != rustix::io::Errno::AGAIN => *printed = self.said,
            Err(_) => return false,
        }
        true
    }

    /// Prints what is left before the machine ends, as long as a console takes some of it every
    /// quarter of a second, and not for long.
    pub fn flush(&mut self, consoles: &Consoles) {
        let end = monotonic() + LAST;
        for (n, console) in consoles.fds().iter().enumerate() {
            while self.is_behind(n) && monotonic() < end {
                watchdog::kick();
                let mut fds = [PollFd::from_borrowed_fd(console.as_fd(), consoles.ready())];
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    /// What a console prints when it takes everything.
    fn printed(backlog: &mut Backlog, n: usize) -> String {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let mut text = Vec::new();
        let mut buf = [0; 4096];
        while backlog.is_behind(n) {
            assert!(backlog.print(n, &write));
            let len = rustix::io::read(&read, &mut buf).unwrap();
            text.extend_from_slice(&buf[..len]);
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn each_console_has_its_own_place() {
        let mut backlog = Backlog::new();
        backlog.push(b"one\n");
        assert_eq!(printed(&mut backlog, 0), "one\n");
        backlog.push(b"two\n");
        assert_eq!(printed(&mut backlog, 0), "two\n");
        assert_eq!(printed(&mut backlog, 1), "one\ntwo\n");
        assert!(!backlog.is_behind(0) && backlog.is_behind(2));
    }

    #[test]
    fn exactly_the_ring_is_kept_and_one_more_costs_the_oldest() {
        let mut backlog = Backlog::new();
        let text = "0123456789abcde\n".repeat(RING / 16);
        backlog.push(text.as_bytes());
        assert_eq!(printed(&mut backlog, 0), text);
        backlog.push(b"x");
        assert!(printed(&mut backlog, 1).ends_with(&format!("{}x", &text[RING / 2 + 1..])));
        assert_eq!(printed(&mut backlog, 0), "x");
        backlog.push(text.as_bytes());
        backlog.push(text.as_bytes());
        assert!(printed(&mut backlog, 0).starts_with("\r\nnsinit: this console is slow"));
    }

    #[test]
    fn a_stalled_console_takes_nothing_and_keeps_nobody_waiting() {
        let (_read, stalled) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        while rustix::io::write(&stalled, &[0; 4096]).is_ok() {}
        let mut backlog = Backlog::new();
        backlog.push(b"text");
        assert!(!backlog.print(0, &stalled));
        assert!(backlog.is_behind(0));
        let (read, gone) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        drop(read);
        assert!(backlog.print(1, &gone));
        assert!(!backlog.is_behind(1), "one that is gone would be ready for ever");
    }
}
