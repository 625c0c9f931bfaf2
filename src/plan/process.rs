//! What runs: as whom, with what, under which limits.

use core::ffi::CStr;

use heapless::Vec;

use super::seccomp::{Program, Seccomp};
use super::{ARGUMENTS, ENVIRONMENT, FEW, GROUPS};
use crate::syscall::cstr::ThinCStr;

/// What runs.
#[derive(Debug)]
#[repr(C)] // what is small first: it is reached by shorter instructions
pub struct Process {
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privs: bool,
    /// A pseudo-terminal as standard input, output, error and controlling terminal.
    pub tty: bool,
    /// PR_SET_PDEATHSIG, 1 to 64. SIGKILL unless the file says otherwise.
    pub parent_death_signal: u32,
    /// The command and its arguments, NULL-terminated. Empty: none was given.
    pub argv: &'static [Option<ThinCStr>],
    /// Working directory inside; `None` is "/".
    pub cwd: Option<&'static CStr>,
    /// `user`, `uid`, `user:group`, …; empty is uid 0 as started.
    pub user: &'static CStr,
    /// Capabilities to keep: bit n is capability n.
    pub capabilities: u64,
    /// AppArmor profile to change to at execve.
    pub apparmor_profile: Option<&'static CStr>,
    /// SELinux label to change to at execve.
    pub process_label: Option<&'static CStr>,
    /// Resource limits.
    pub rlimits: Vec<Rlimit, FEW>,
    /// Supplementary groups beyond the user's own: names or numbers.
    pub groups: Vec<&'static CStr, GROUPS>,
    /// Storage for `command` in the file; `argv` may come from the command line instead.
    pub command: Vec<Option<ThinCStr>, { ARGUMENTS + 1 }>,
    /// The environment, without the final NULL; two entries more than the limit for HOME and NULL.
    pub env: Vec<Option<ThinCStr>, { ENVIRONMENT + 2 }>,
    /// System call filter.
    pub seccomp: Option<Seccomp>,
    /// The program that was made of it.
    pub program: Program,
}

/// One resource limit.
#[derive(Clone, Copy, Debug)]
pub struct Rlimit {
    /// RLIMIT_* number of this architecture.
    pub resource: u32,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}
