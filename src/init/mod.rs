//! The reaper: what PID 1 does once the workload runs. It waits for signals, passes them on, reaps
//! every child, and ends with the workload's status; the kernel then kills whatever is left.
//!
//! Nothing here fails: from its first instruction the loop only goes on (design, principle 7).

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use crate::error::{STATUS_NSINIT, STATUS_SIGNAL};
use crate::syscall::process::exit_group;
use crate::syscall::signal::{CHLD, SigSet, forward, sigwaitinfo};

/// Reaps and forwards until `workload` ends, then exits with its status. Every signal must be
/// blocked. It wakes only when a signal comes.
pub fn serve(workload: Pid) -> ! {
    loop {
        if let Some(status) = reap(workload) {
            exit_group(status);
        }
        match sigwaitinfo(SigSet::ALL) {
            // One SIGCHLD may stand for many children, and some may have ended before the wait:
            // `reap` asks the kernel, not the signal.
            Ok(info) if info.signo() == CHLD => {}
            // It fails where the workload has just died, which the next `reap` finds.
            Ok(info) => drop(forward(workload, &info)),
            // EINTR: stopped and continued, or traced.
            Err(_) => {}
        }
    }
}

/// Waits for every child that has ended; the workload's exit status if it was among them.
fn reap(workload: Pid) -> Option<u8> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == workload => return Some(exit_status(status)),
            Ok(Some(_)) => {}
            Ok(None) => return None,
            // ECHILD with the workload unreaped can't be; to wait on would be to wait for ever.
            Err(_) => return Some(STATUS_NSINIT),
        }
    }
}

/// The exit status by the convention of shells: the process's own, or 128 + signal.
pub fn exit_status(status: WaitStatus) -> u8 {
    let signal = status.terminating_signal().unwrap_or(0) as u8;
    match status.exit_status() {
        Some(code) => code as u8,
        None => STATUS_SIGNAL.wrapping_add(signal),
    }
}
