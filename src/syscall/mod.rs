//! The system calls that rustix lacks, or has in a form that nsinit can't use.
//!
//! One file per subject. Each wrapper is safe by its types; the raw instruction is in `arch`.
//! This module and `src/rt` are the only places with `unsafe`: a raw system call is unsafe because
//! the kernel follows the pointers that it is given.
#![allow(unsafe_code, reason = "this is where it belongs: lib.rs denies it everywhere else")]

mod arch;
pub mod bpf;
pub mod cred;
pub mod cstr;
pub mod fd;
pub mod key;
pub mod lock;
pub mod loopdev;
pub mod memfd;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod netdevice;
pub mod poll;
pub mod process;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod terminal;
pub mod time;
pub mod watchdog;

use rustix::io::Errno;

/// A system call's result word: a value, or an errno in the last page of the address space.
#[inline(always)]
fn ret(word: usize) -> Result<usize, Errno> {
    if word > usize::MAX - 4095 { Err(errno(word)) } else { Ok(word) }
}

#[cold]
#[inline(never)]
fn errno(word: usize) -> Errno {
    Errno::from_raw_os_error((word as i32).wrapping_neg())
}

/// The kernel does not have this call, or an outer seccomp filter refuses it as docker's old
/// profiles did, with EPERM: use the older way.
pub fn is_absent(errno: Errno) -> bool {
    errno == Errno::NOSYS || errno == Errno::PERM
}
