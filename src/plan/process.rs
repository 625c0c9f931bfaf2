//! What runs: as whom, with what, under which limits.

use core::ffi::CStr;

use heapless::Vec;

use super::{ARGUMENTS, ENVIRONMENT, FEW, GROUPS, SECCOMP_RULES};
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

/// A system call filter, as libcontainer 2.2 has it: everything is allowed but what a rule names.
#[derive(Debug)]
pub struct Seccomp {
    /// One rule per system call.
    pub rules: Vec<SeccompRule, SECCOMP_RULES>,
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct SeccompRule {
    /// System call number of the machine that wrote the file.
    pub number: u32,
    /// -3 kill, -2 trap, -1 allow, above 0 an errno.
    pub action: i32,
    /// Number of argument conditions.
    pub conditions: u8,
    /// The conditions: the first `conditions` of these.
    pub args: [SeccompArg; 6],
}

/// A condition on an argument of a system call.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeccompArg {
    /// Which argument, from 0.
    pub index: u8,
    /// 0 equal, 1 not equal, 2 greater, 3 less, 4 equal under the mask `value`.
    pub op: u8,
    /// What it is compared with.
    pub value: u32,
}
