//! A system call filter (seccomp(2)), in no configuration format's words.

use heapless::Vec;
use linux_raw_sys::ptrace::sock_filter;

/// Most rules, one for each name in each entry of a file.
pub const RULES: usize = 2048;
/// Most conditions on arguments, of all rules together.
pub const CONDITIONS: usize = 512;

/// Most instructions of a program (BPF_MAXINSNS, include/uapi/linux/bpf_common.h).
pub const INSTRUCTIONS: usize = 4096;

/// A program of classic BPF (struct sock_filter, include/uapi/linux/filter.h).
pub type Program = Vec<sock_filter, INSTRUCTIONS>;

/// A system call filter.
#[derive(Debug)]
pub struct Seccomp {
    /// What is done with a call for which no rule matches.
    pub default: Action,
    /// The ABIs beside the machine's own whose calls are judged by the same rules; all others are killed,
    /// or, with x32, do not exist (ENOSYS).
    pub abis: Abis,
    /// SECCOMP_FILTER_FLAG_*; `None`: those that cost least.
    pub flags: Option<u32>,
    /// Which calls are decided otherwise. Where several rules match, the strictest action counts.
    pub rules: Vec<Rule, RULES>,
    /// The conditions that the rules name.
    pub conditions: Vec<Condition, CONDITIONS>,
}

/// ABIs that a machine has beside its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Abis {
    /// The 32-bit one: i386 on x86-64, ARM on AArch64.
    pub compat: bool,
    /// x32 on x86-64.
    pub x32: bool,
}

/// What the kernel does with a call: a value of SECCOMP_RET_* with its 16 bits of data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Action(pub u32);

impl Action {
    /// Kill the process.
    pub const KILL_PROCESS: Action = Action(linux_raw_sys::ptrace::SECCOMP_RET_KILL_PROCESS);
    /// Kill the thread.
    pub const KILL_THREAD: Action = Action(linux_raw_sys::ptrace::SECCOMP_RET_KILL_THREAD);
    /// SIGSYS.
    pub const TRAP: Action = Action(linux_raw_sys::ptrace::SECCOMP_RET_TRAP);
    /// To a tracer; ENOSYS without one.
    pub const TRACE: Action = Action(linux_raw_sys::ptrace::SECCOMP_RET_TRACE);
    /// Allow, and log.
    pub const LOG: Action = Action(linux_raw_sys::ptrace::SECCOMP_RET_LOG);
    /// Allow.
    pub const ALLOW: Action = Action(linux_raw_sys::ptrace::SECCOMP_RET_ALLOW);

    /// Fail with this errno.
    pub const fn errno(errno: u16) -> Action {
        Action(linux_raw_sys::ptrace::SECCOMP_RET_ERRNO | errno as u32)
    }

    /// Less is stricter: the order of the kernel, which compares the actions of several filters as signed
    /// numbers without their data (kernel/seccomp.c, seccomp_run_filters).
    pub const fn rank(self) -> i32 {
        (self.0 & linux_raw_sys::ptrace::SECCOMP_RET_ACTION_FULL) as i32
    }

    /// Whether the call is made in the end.
    pub const fn permits(self) -> bool {
        self.rank() >= Action::TRACE.rank()
    }
}

/// Which call a rule is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// The row of its name (`seccomp::calls`).
    Named(u16),
    /// A number of the machine's own ABI for which there is no name.
    Number(u32),
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The call.
    pub call: Call,
    /// What is done with it.
    pub action: Action,
    /// The first of its conditions in `Seccomp::conditions`, all of which must hold.
    pub first: u16,
    /// How many they are.
    pub count: u8,
    /// The line of the file, from 1; 0 where there is none.
    pub line: u32,
}

/// A condition on an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Condition {
    /// Which argument, from 0 to 5.
    pub index: u8,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub value: u64,
}

/// A comparison of an argument with a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater or equal.
    Ge,
    /// Greater.
    Gt,
    /// Equal in the bits of this mask.
    MaskedEq(u64),
}

impl Seccomp {
    /// A filter without rules.
    pub const fn new(default: Action) -> Seccomp {
        Seccomp {
            default,
            abis: Abis { compat: false, x32: false },
            flags: None,
            rules: Vec::new(),
            conditions: Vec::new(),
        }
    }

    /// The conditions of a rule.
    pub fn conditions(&self, rule: &Rule) -> &[Condition] {
        let first = usize::from(rule.first);
        self.conditions.get(first..first + usize::from(rule.count)).unwrap_or(&[])
    }
}
