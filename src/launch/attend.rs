//! The launcher while the command runs: it passes signals on, pumps the terminal, and waits.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::error::{Context, Result};
use crate::init::exit_status;
use crate::syscall::fd::AsFd;
use crate::syscall::signal::{CHLD, SigSet, kill, read_signalfd, signalfd};
use crate::tty::{Pump, Raw, Stdio, resize};

const WINCH: u32 = linux_raw_sys::general::SIGWINCH;
const CONT: u32 = linux_raw_sys::general::SIGCONT;

/// A terminal to attend to.
pub struct Terminal<'a> {
    /// The caller's descriptors.
    pub stdio: &'a Stdio,
    /// The master of the container's pty.
    pub master: OwnedFd,
}

/// Waits for `child` to end and returns its exit status. All signals must be blocked: they arrive
/// here and go on to the child, which is PID 1 of the container or the command itself.
pub fn attend(child: Pid, terminal: Option<Terminal>) -> Result<u8> {
    let signals = signalfd(SigSet::ALL).doing("make a signalfd", ())?;
    match terminal {
        None => loop {
            wait_readable(&signals)?;
            if let Some(status) = signalled(&signals, child, &mut |_| {})? {
                return Ok(status);
            }
        },
        Some(terminal) => with_terminal(child, &signals, terminal),
    }
}

fn with_terminal(child: Pid, signals: &OwnedFd, terminal: Terminal) -> Result<u8> {
    let mut raw = Raw::enter(terminal.stdio)?;
    let mut pump = Pump::new(terminal.stdio, terminal.master)?;
    loop {
        let [input, output, master] = pump.interest();
        let mut fds =
            [PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN), input, output, master];
        wait_any(&mut fds)?;
        let events = [fds[1].revents(), fds[2].revents(), fds[3].revents()];
        let signal = !fds[0].revents().is_empty();
        pump.step(events);
        let mut resumed = false;
        let status = if signal {
            signalled(signals, child, &mut |n| {
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
            pump.finish();
            return Ok(status);
        }
        // Stopped and brought back to the foreground by the shell: the terminal is cooked again.
        if resumed && !raw.is_on() {
            raw = Raw::enter(terminal.stdio)?;
            pump.reopen_keyboard();
        }
    }
}

/// Takes every pending signal: passes it on, or, for SIGCHLD, looks whether the child has ended.
fn signalled(signals: &OwnedFd, child: Pid, seen: &mut dyn FnMut(u32)) -> Result<Option<u8>> {
    while let Some(n) = read_signalfd(signals).doing("read the signalfd", ())? {
        seen(n);
        if n != CHLD {
            // ESRCH: it has just ended, which the next SIGCHLD tells. The pid can't be another's:
            // a child keeps its pid until it is waited for.
            let _ = kill(child, n);
        } else if let Some(status) = ended(child)? {
            return Ok(Some(status));
        }
    }
    Ok(None)
}

/// The child's exit status, if it has ended.
fn ended(child: Pid) -> Result<Option<u8>> {
    let status = waitpid(Some(child), WaitOptions::NOHANG).doing("wait for the container", ())?;
    Ok(status.map(|(_, status)| exit_status(status.as_raw() as u32)))
}

fn wait_readable(fd: &OwnedFd) -> Result<()> {
    wait_any(&mut [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)])
}

fn wait_any(fds: &mut [PollFd]) -> Result<()> {
    match poll(fds, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno).doing("wait for signals", ()),
    }
}
