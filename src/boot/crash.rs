//! The death of PID 1 is a kernel panic. When nsinit as the first process fails by its own fault, a
//! panic or a fault signal, it says why and does what `nsinit.panic=` says.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use linux_raw_sys::general::{SIGBUS, SIGFPE, SIGILL, SIGSEGV};
use rustix::process::getpid;

use super::cmdline::Cmdline;
use super::{Action, rescue, shutdown};
use crate::error::STATUS_NSINIT;
use crate::say;
use crate::syscall::process::exit_group;
use crate::syscall::signal::{SigSet, on_fault};

/// The signals that a fault raises. They must not be blocked: the kernel kills a process that blocks
/// them, PID 1 included.
pub const FAULTS: [u32; 4] = [SIGSEGV, SIGBUS, SIGILL, SIGFPE];

/// All others: those that are waited for. Waiting for a fault signal takes it away from its handler.
pub const WAITED: SigSet = {
    let [segv, bus, ill, fpe] = FAULTS;
    SigSet::ALL.without(segv).without(bus).without(ill).without(fpe)
};

/// What to do then, as an Action's number and 1; 0: this is not the first process of a machine.
static THEN: AtomicU8 = AtomicU8::new(0);
static TWICE: AtomicBool = AtomicBool::new(false);

/// From here on a crash does what the command line says. A signal without a handler never reaches
/// PID 1 from outside, so that this is also what makes `kill -SEGV 1` work.
pub fn arm(cmdline: &Cmdline) {
    THEN.store(cmdline.panic as u8 + 1, Ordering::Relaxed);
    for n in FAULTS {
        // Four valid signals.
        let _ = on_fault(n, fault);
    }
}

fn fault(n: u32, address: Option<usize>) -> ! {
    let name = match n {
        SIGSEGV => "SIGSEGV",
        SIGBUS => "SIGBUS",
        SIGILL => "SIGILL",
        _ => "SIGFPE",
    };
    match address {
        Some(address) => ended(format_args!("{name} at address {address:#x}")),
        None => ended(format_args!("{name}, which a process has sent")),
    }
    exit_group(STATUS_NSINIT)
}

/// Told by the panic handler, and by the handler of the fault signals. It returns where this is not
/// the first process of a machine, or a copy of it that is to execute something.
pub fn ended(why: fmt::Arguments) {
    let then = THEN.load(Ordering::Relaxed);
    if then == 0 || !getpid().is_init() {
        return;
    }
    let mut action = if then == Action::Halt as u8 + 1 { Action::Halt } else { Action::Reboot };
    // A second fault on the way: no more words.
    if !TWICE.swap(true, Ordering::Relaxed) {
        say::error(format_args!("PID 1 has crashed: {why}"));
        if then == Action::Shell as u8 + 1 {
            action = rescue::after_crash().unwrap_or(action);
        }
    }
    shutdown::now(action);
}
