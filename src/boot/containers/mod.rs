//! The containers of a machine: what PID 1 does from the moment when the machine is ready until it is
//! to end.
//!
//! `/containers/onboot/*` run one after the other, `/containers/services/*` side by side for as long
//! as the machine does, `/containers/onshutdown/*` at the end. PID 1 does none of the work itself: each
//! container has a process that reads its file, prepares its root (`child`, `image`) and becomes
//! `nsinit exec`. PID 1 waits (`wait`), decides what is next (`turn`), prints what they say
//! (`output`, `backlog`) and answers who asks (`control`). Nothing here fails: what goes wrong
//! with a container is said, and is that container's matter.

mod backlog;
pub mod check;
mod child;
mod control;
mod image;
mod inside;
mod output;
mod peer;
mod process;
mod table;
mod turn;
mod unit;
mod wait;

pub use control::{PACKET, ask};
pub use output::PATHS as LOG_PATHS;

use core::fmt;

use heapless::Vec;
use rustix::process::Pid;

use self::backlog::Backlog;
use self::control::Control;
use self::output::Sinks;
use self::unit::{Set, UNITS, Unit};
use super::{Action, Machine, rescue};
use crate::plan::service::Keep;
use crate::syscall::lock::Lock;
use crate::syscall::signal::signalfd;

/// What PID 1 keeps, in static memory: pages of which nothing is used do not exist.
struct Memory {
    units: Vec<Unit, UNITS>,
    backlog: Backlog,
}

static MEMORY: Lock<Memory> = Lock::new(Memory { units: Vec::new(), backlog: Backlog::new() });

/// How far the machine is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    /// Those of onboot run.
    Onboot,
    /// The services run.
    Services,
    /// Nothing further is started, and the machine stays up.
    Held,
    /// The services are asked to end.
    Stopping,
    /// Those of onshutdown run.
    Onshutdown,
}

/// The loop's world.
struct Room<'a, 'm> {
    machine: &'a mut Machine<'m>,
    units: &'a mut Vec<Unit, UNITS>,
    sinks: Sinks<'a>,
    control: Control,
    phase: Phase,
    /// How the machine ends, once it is to.
    action: Action,
    /// Where the output of containers goes that don't say: bits of `LOG_*`.
    log: u32,
    /// A shell on the console, and when it began.
    shell: Option<(Pid, u64)>,
}

/// Runs the containers until the machine is to end; how.
pub fn run(machine: &mut Machine) -> Action {
    MEMORY.with(|Memory { units, backlog }| {
        let mut room = Room {
            machine,
            units,
            sinks: Sinks::new(backlog),
            control: Control::default(),
            phase: Phase::Onboot,
            action: Action::PowerOff,
            log: Keep::DEFAULT.log,
            shell: None,
        };
        room.directories();
        room.find();
        room.log();
        let action = room.serve();
        let Room { sinks, machine, .. } = room;
        sinks.backlog.flush(&machine.consoles);
        match action {
            Action::Shell => rescue::shell(machine).unwrap_or(Action::Reboot),
            action => action,
        }
    })
}

impl Room<'_, '_> {
    fn serve(&mut self) -> Action {
        // Without it the loop looks around once a second.
        let signals = signalfd(crate::boot::crash::WAITED).ok();
        loop {
            self.reap();
            if let Some(action) = self.turn() {
                return action;
            }
            self.answer();
            self.wait(signals.as_ref());
        }
    }

    /// A word of PID 1 about itself, on the console.
    fn say(&mut self, text: fmt::Arguments) {
        use core::fmt::Write;
        // A backlog takes everything.
        let _ = writeln!(self.sinks.backlog, "nsinit: {text}");
    }

    /// A word about a container.
    fn say_of(&mut self, n: usize, text: fmt::Arguments) {
        if let Some(unit) = self.units.get(n) {
            self.sinks.say(unit, text);
        }
    }

    /// Those for which it is so.
    fn set(&self, is: fn(&Unit) -> bool) -> Set {
        let mut set = 0;
        for (n, unit) in self.units.iter().enumerate() {
            set |= u64::from(is(unit)) << n;
        }
        set
    }
}
