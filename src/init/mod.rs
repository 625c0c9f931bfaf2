//! The reaper: what PID 1 does once the workload runs. It waits for signals, passes them on, reaps
//! every child, and ends with the workload's status; the kernel then kills whatever is left.
//!
//! Nothing here fails: from its first instruction the loop only goes on (design, principle 7).

use rustix::process::Pid;

use crate::error::{STATUS_NSINIT, STATUS_SIGNAL};
use crate::syscall::memory::give_back_callers;
use crate::syscall::process::{exit_group, wait_any};
use crate::syscall::signal::{CHLD, SigSet, forward, sigwaitinfo};

/// Reaps and forwards until `workload` ends, then exits with its status. Every signal must be
/// blocked. It wakes only when a signal comes.
pub fn serve(workload: Pid) -> ! {
    give_back_callers();
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
        match wait_any() {
            Ok(Some((pid, status))) if pid == workload => return Some(exit_status(status)),
            Ok(Some(_)) => {}
            Ok(None) => return None,
            // ECHILD with the workload unreaped can't be; to wait on would be to wait for ever.
            Err(_) => return Some(STATUS_NSINIT),
        }
    }
}

/// The exit status by the convention of shells: the process's own, or 128 + signal; from the word
/// that wait4(2) gives.
pub fn exit_status(word: u32) -> u8 {
    match word as u8 & 0x7f {
        0 => (word >> 8) as u8,
        signal => STATUS_SIGNAL + signal,
    }
}
