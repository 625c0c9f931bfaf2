//! `nsinit poweroff`, `reboot` and `halt`, and the programs of these names: they ask PID 1.

use rustix::process::Pid;

use super::{Action, power, shutdown};
use crate::error::{Context as _, Object, Result};
use crate::front::{Context, Options, Verb};
use crate::syscall::signal::kill;

const fn verb(name: &'static str, summary: &'static str, run: Run) -> Verb {
    Verb { name, usage: "[--force]", summary, help: HELP, options: &["force"], run }
}

type Run = fn(Context, &Options) -> Result<u8>;

const HELP: &str = "Asks PID 1, by a signal that nsinit and systemd understand. Services are stopped and file\n\
                    systems unmounted first. A link of this name to nsinit does the same.";

/// Off, from the start, and stopped.
pub const VERBS: [Verb; 3] = [
    verb("poweroff", "power the machine off", |_, options| ask(options, Action::PowerOff)),
    verb("reboot", "start the machine anew", |_, options| ask(options, Action::Reboot)),
    verb("halt", "stop the machine, with the power on", |_, options| ask(options, Action::Halt)),
];

fn ask(options: &Options, action: Action) -> Result<u8> {
    if options.force {
        shutdown::now(action).map_or(Ok(()), Err).doing("reboot", ())?;
    }
    if let (Some(pid), Some(signal)) = (Pid::from_raw(1), power::signal_for(action)) {
        kill(pid, signal).doing("signal PID", Object::Number(1))?;
    }
    Ok(0)
}
