//! A shell on the console: on request, or where nothing else is left.

use core::ffi::CStr;

use rustix::fs::{Access, CWD, Mode, OFlags, access, openat};
use rustix::io::Errno;
use rustix::process::{Pid, ioctl_tiocsctty, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::{Action, Machine, power, watchdog};
use crate::bytes::Show;
use crate::errno::Text;
use crate::error::{Context, Result, STATUS_NOT_FOUND};
use crate::say;
use crate::syscall::cstr::{List, ThinCStr};
use crate::syscall::fd::AsFd;
use crate::syscall::process::{Fork, NewNamespaces, execve, exit_group, fork, wait_any};
use crate::syscall::signal::{SigSet, sigprocmask};

/// The shell that a machine has.
pub const SHELL: &CStr = c"/bin/sh";

/// Gives the console to a shell and waits until it ends, or until somebody asks for the end of the
/// machine. `None`: go on. The watchdog is kicked meanwhile.
pub fn shell(machine: &Machine) -> Option<Action> {
    let shell = machine.cmdline.shell.unwrap_or(SHELL);
    attend(shell, machine.consoles.terminal())
}

/// The same after a crash of PID 1, which owns nothing any more.
pub fn after_crash() -> Option<Action> {
    let consoles = super::console::Consoles::open();
    attend(SHELL, consoles.terminal())
}

#[inline(never)]
fn attend(shell: &'static CStr, terminal: &CStr) -> Option<Action> {
    let pid = match start(shell, terminal) {
        Ok(pid) => pid,
        Err(error) => {
            say::error(format_args!("{error}"));
            return None;
        }
    };
    say::error(format_args!("rescue shell on the console; type exit to leave it"));
    loop {
        watchdog::kick();
        while let Ok(Some((ended, _))) = wait_any(false) {
            if ended == pid {
                return None;
            }
        }
        let action = power::wait(watchdog::interval());
        if action.is_some() {
            return action;
        }
    }
}

/// Begins a shell on this terminal.
pub fn start(shell: &'static CStr, terminal: &CStr) -> Result<Pid> {
    access(shell, Access::EXEC_OK).doing("start the shell", shell).map_err(|error| {
        error.hint("put one into root/bin/sh before mkinitramfs, or name one by nsinit.shell=")
    })?;
    match fork(NewNamespaces::empty()).doing("fork", shell)? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            let errno = execute(shell, terminal).err();
            say::error(format_args!(
                "{}: {}",
                Show(shell.to_bytes()),
                Text(errno.unwrap_or(Errno::NOEXEC))
            ));
            exit_group(STATUS_NOT_FOUND)
        }
    }
}

/// In the child: a session of its own, with the console as its terminal, blocking again.
fn execute(shell: &'static CStr, terminal: &CStr) -> rustix::io::Result<()> {
    let list = |words: [&'static CStr; 3]| words.map(|word| Some(ThinCStr::from(word)));
    sigprocmask(SigSet::EMPTY)?;
    setsid()?;
    // One that is not there, or another's, is no reason for having no shell at all.
    if let Ok(file) = openat(CWD, terminal, OFlags::RDWR, Mode::empty()) {
        let _ = ioctl_tiocsctty(file.as_fd());
        dup2_stdin(file.as_fd()).and(dup2_stdout(file.as_fd())).and(dup2_stderr(file.as_fd()))?;
    }
    let [path, home, term] =
        list([c"PATH=/sbin:/bin:/usr/sbin:/usr/bin", c"HOME=/", c"TERM=linux"]);
    let argv: List = &[Some(ThinCStr::from(c"-sh")), None];
    Err(execve(shell, argv, &[path, home, term, None]))
}
