//! The launcher while the command runs: it passes signals on, pumps the terminal or the output, and waits.

use rustix::event::{PollFd, PollFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::Pid;

use super::relay::Relay;
use crate::error::{Context, Result};
use crate::init::exit_status;
use crate::syscall::fd::AsFd;
use crate::syscall::poll::poll_and_rest;
use crate::syscall::process::{is_stop, let_go, wait_any as wait_any_child};
use crate::syscall::signal::{CHLD, SigSet, kill, read_signalfd, signalfd};
use crate::tty::{Pty, Pump, Raw, Stdio, resize};

const WINCH: u32 = linux_raw_sys::general::SIGWINCH;
const CONT: u32 = linux_raw_sys::general::SIGCONT;
const URG: u32 = linux_raw_sys::general::SIGURG;
const WAIT: &str = "wait for signals";

/// A terminal to attend to.
pub struct Terminal<'a> {
    /// The caller's descriptors.
    pub stdio: &'a Stdio,
    /// The container's terminal.
    pub pty: Pty,
}

/// What happens while the command runs.
pub enum Event {
    /// This process has ended and was waited for: the child, others of the launcher's, and processes that
    /// the command has made its own siblings (CLONE_PARENT), of which nobody else knows.
    Reaped(Pid),
    /// The child has been sent a signal.
    Passed,
}

/// Waits for `child` to end and returns its exit status. All signals must be blocked: they arrive
/// here and go on to the child, which is PID 1 of the container or the command itself. What happens
/// meanwhile is told by `tell`.
pub fn attend(
    child: Pid,
    terminal: Option<Terminal>,
    relay: Option<Relay>,
    tell: &mut dyn FnMut(Event),
) -> Result<u8> {
    let signals = signalfd(SigSet::ALL).doing("make a signalfd", ())?;
    let mut watched = Watched { signals, child, tell };
    match (terminal, relay) {
        (Some(terminal), _) => with_terminal(&mut watched, terminal),
        (None, Some(relay)) => with_relay(&mut watched, relay),
        (None, None) => loop {
            watched.wait()?;
            if let Some(status) = watched.signalled(&mut |_| {})? {
                return Ok(status);
            }
        },
    }
}

/// What the launcher minds besides the terminal.
struct Watched<'a> {
    signals: OwnedFd,
    child: Pid,
    tell: &'a mut dyn FnMut(Event),
}

fn with_relay(watched: &mut Watched, mut relay: Relay) -> Result<u8> {
    loop {
        if relay.turn(watched.signals.as_fd()).doing(WAIT, ())?
            && let Some(status) = watched.signalled(&mut |_| {})?
        {
            while relay.finish(watched.signals.as_fd()).doing(WAIT, ())?
                && !watched.asked_to_end()?
            {}
            return Ok(status);
        }
    }
}

fn with_terminal(watched: &mut Watched, terminal: Terminal) -> Result<u8> {
    let mut raw = Raw::enter(terminal.stdio)?;
    let mut pump = Pump::new(terminal.stdio, terminal.pty)?;
    loop {
        let mut resumed = false;
        let status = if pump.turn(watched.signals.as_fd()).doing(WAIT, ())? {
            watched.signalled(&mut |n| {
                if n == WINCH {
                    // Before it is passed on: whoever looks then sees the new size.
                    resize(pump.master(), terminal.stdio);
                }
                resumed |= n == CONT;
            })?
        } else {
            None
        };
        if let Some(status) = status {
            while pump.finish(watched.signals.as_fd()).doing(WAIT, ())?
                && !watched.asked_to_end()?
            {}
            return Ok(status);
        }
        // Stopped and brought back to the foreground by the shell: the terminal is cooked again.
        if resumed && !raw.is_on() {
            raw = Raw::enter(terminal.stdio)?;
            pump.reopen_keyboard();
        }
    }
}

impl Watched<'_> {
    /// Waits for a signal.
    fn wait(&self) -> Result<()> {
        let signals = PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN);
        match poll_and_rest(&mut [signals]) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno).doing(WAIT, ()),
        }
    }

    /// Whether one of the pending signals would have ended the command, which they can't reach any more.
    fn asked_to_end(&self) -> Result<bool> {
        let mut asked = false;
        while let Some(n) = read_signalfd(&self.signals).doing("read the signalfd", ())? {
            asked |= !matches!(n, CHLD | WINCH | CONT | URG);
        }
        Ok(asked)
    }

    /// Takes every pending signal: passes it on, or, for SIGCHLD, looks who has ended.
    fn signalled(&mut self, seen: &mut dyn FnMut(u32)) -> Result<Option<u8>> {
        while let Some(n) = read_signalfd(&self.signals).doing("read the signalfd", ())? {
            seen(n);
            if n != CHLD {
                // ESRCH: it has just ended, which the next SIGCHLD tells. The pid can't be another's:
                // a child keeps its pid until it is waited for.
                let _ = kill(self.child, n);
                (self.tell)(Event::Passed);
            } else if let Some(status) = self.reap()? {
                return Ok(Some(status));
            }
        }
        Ok(None)
    }

    /// Waits for all that have ended; the child's exit status, if it has.
    fn reap(&mut self) -> Result<Option<u8>> {
        loop {
            match wait_any_child(false) {
                Ok(Some((pid, word))) if is_stop(word) => {
                    // One that has asked for it (PTRACE_TRACEME) is traced by its parent, and stands
                    // still until that lets it go. A stop is no end. ESRCH: it was killed meanwhile.
                    let _ = let_go(pid, word);
                }
                Ok(Some((pid, word))) => {
                    (self.tell)(Event::Reaped(pid));
                    if pid == self.child {
                        return Ok(Some(exit_status(word)));
                    }
                }
                Ok(None) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).doing("wait for the container", ()),
            }
        }
    }
}
