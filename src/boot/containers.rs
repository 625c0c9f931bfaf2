//! The containers of a machine.

use core::ffi::CStr;
use core::time::Duration;

use rustix::process::{Pid, chdir};

use super::{Action, Machine, names, power};
use crate::bytes::Show;
use crate::error::{Context, Result, STATUS_NOT_FOUND};
use crate::init::exit_status;
use crate::say;
use crate::syscall::cstr::{List, ThinCStr};
use crate::syscall::process::{Fork, NewNamespaces, execve, exit_group, fork, wait_any};
use crate::syscall::signal::{SigSet, sigprocmask, sigtimedwait};

const CONTAINERS: &CStr = c"/containers";

/// Runs them until the machine is to end; how.
pub fn run(machine: &mut Machine) -> Action {
    match onboot(machine) {
        Ok(Some(action)) => action,
        Ok(None) => machine.cmdline.idle,
        Err(error) => {
            say::error(format_args!("{error}"));
            machine.cmdline.idle
        }
    }
}

/// One after the other.
fn onboot(machine: &Machine) -> Result<Option<Action>> {
    let top = machine.cmdline.containers.unwrap_or(CONTAINERS);
    let dir = machine.arena.concat(&[top.to_bytes(), b"/onboot"]).doing("name", top)?;
    for name in names::sorted(dir, machine.arena)? {
        let parts = [dir.to_bytes(), b"/", name.to_bytes()];
        let place = machine.arena.concat(&parts).doing("name", name)?;
        let pid = start(place, machine)?;
        loop {
            machine.watchdog.kick();
            match wait_any() {
                Ok(Some((ended, word))) if ended == pid => {
                    let status = exit_status(word);
                    if status != 0 {
                        let name = Show(name.to_bytes());
                        say::error(format_args!("{name}: it ended with {status}"));
                    }
                    break;
                }
                Ok(Some(_)) => continue,
                _ => {}
            }
            let wait = machine.watchdog.interval().unwrap_or(Duration::from_secs(3600));
            if let Ok(info) = sigtimedwait(SigSet::ALL, wait)
                && let Some(action) = power::asked(info.signo())
            {
                return Ok(Some(action));
            }
        }
    }
    Ok(None)
}

fn start(place: &'static CStr, machine: &Machine) -> Result<Pid> {
    match fork(NewNamespaces::empty()).doing("fork", place)? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            let argv: List =
                &[Some(ThinCStr::from(c"nsinit")), Some(ThinCStr::from(c"exec")), None];
            let result = sigprocmask(SigSet::EMPTY).and_then(|_| chdir(place));
            let errno = match result {
                Ok(()) => execve(c"/proc/self/exe", argv, machine.env.list()),
                Err(errno) => errno,
            };
            say::error(format_args!("{}: {}", Show(place.to_bytes()), crate::errno::Text(errno)));
            exit_group(STATUS_NOT_FOUND)
        }
    }
}
