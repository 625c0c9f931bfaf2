//! `nsinit poweroff`, `reboot` and `halt`, and the programs of these names: they ask PID 1.

use rustix::process::Pid;

use super::{Action, power, shutdown};
use crate::error::{Context as _, Result};
use crate::front::options::of;
use crate::front::{Options, Verb, Words};
use crate::syscall::signal::kill;

macro_rules! verb {
    ($name:literal, $summary:literal, $action:ident) => {
        Verb {
            name: $name,
            words: Words::None,
            text: concat!(
                "[--force]\n",
                $summary,
                "\nAsks PID 1, by a signal that nsinit and systemd understand. Services are stopped and file\n\
                 systems unmounted first. A link of this name to nsinit does the same."
            ),
            options: of("force"),
            run: |_, options| ask(options, Action::$action),
        }
    };
}

/// See the help.
pub const POWEROFF: Verb = verb!("poweroff", "power the machine off", PowerOff);
/// See the help.
pub const REBOOT: Verb = verb!("reboot", "reboot the machine", Reboot);
/// See the help.
pub const HALT: Verb = verb!("halt", "stop the machine, with the power on", Halt);

fn ask(options: &Options, action: Action) -> Result<u8> {
    if options.force {
        shutdown::now(action).map_or(Ok(()), Err).doing("reboot", ())?;
    }
    if let (Some(pid), Some(signal)) = (Pid::from_raw(1), power::signal_for(action)) {
        kill(pid, signal).doing("signal PID", 1)?;
    }
    Ok(0)
}
