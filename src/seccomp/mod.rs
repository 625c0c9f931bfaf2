//! System call filters (seccomp(2)): a plan's rules become a program of classic BPF.
//!
//! `prepare` makes it, in the launcher, before anything is done; `load` puts it in force. `calls` has the names
//! and numbers, `abi` the ways to call, `table` what is said of each number, `compile` the program, over
//! `assemble`; `emulate` is the kernel's part, for checks and tests; `words` are those of profiles.

pub mod abi;
mod assemble;
mod calls;
mod compile;
mod disassemble;
mod emulate;
mod narrow;
mod table;
pub mod words;

use linux_raw_sys::ptrace::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
use rustix::io::Errno;

use self::abi::HERE;
use crate::error::{Error, Result};
use crate::plan::Process;
use crate::syscall::is_absent;
use crate::syscall::seccomp::{set_filter, set_only_filter};

pub use compile::compile;
pub use disassemble::review;
pub use emulate::{Data, emulate};

/// Compiles the filter of `process`. If it can't be, why.
pub fn prepare(process: &mut Process) -> core::result::Result<(), &'static str> {
    let Some(filter) = &process.seccomp else { return Ok(()) };
    if !compile(filter, HERE, &mut process.program) {
        return Err("its program is longer than the 4096 instructions that the kernel takes");
    }
    // The next call is the execve of the command.
    let may = |name| {
        let number = abi::find(name).and_then(|call| HERE.native.number(call, HERE));
        let data = Data { nr: number.unwrap_or(0), arch: HERE.native.audit, args: None };
        // What depends on arguments is seen when it is tried.
        emulate(&process.program, &data).is_none_or(|action| action.permits())
    };
    if may("execve") { Ok(()) } else { Err("it stops execve, and so the command itself") }
}

/// Loads the program that `prepare` has made, for the calling thread and whatever it executes. Without
/// no_new_privs it takes CAP_SYS_ADMIN.
pub fn load(process: &Process) -> Result<()> {
    let (Some(filter), program) = (&process.seccomp, &process.program) else { return Ok(()) };
    // Without it, kernels before 5.16 slow every command down against speculative store bypass.
    let flags = filter.flags.unwrap_or(SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    let loaded = match set_filter(program, flags) {
        // The kernel does not know the flag (before Linux 4.17), which nobody has asked for.
        Err(Errno::INVAL) if filter.flags.is_none() => set_filter(program, 0),
        loaded => loaded,
    };
    let loaded = match loaded {
        // An outer filter, or Linux before 3.17: the older way has no flags.
        Err(errno) if is_absent(errno) && filter.flags.unwrap_or(0) == 0 => {
            set_only_filter(program)
        }
        loaded => loaded,
    };
    loaded.map_err(|errno| {
        let error = Error::errno("load the system call filter", (), errno);
        match errno {
            Errno::ACCESS => error.hint("without no_new_privs it takes CAP_SYS_ADMIN"),
            Errno::NOSYS | Errno::INVAL => {
                error.hint("does the kernel have CONFIG_SECCOMP_FILTER?")
            }
            _ => error,
        }
    })
}

#[cfg(test)]
pub mod tests;
