//! The words of profiles, as libseccomp, the OCI and Docker have them.

use linux_raw_sys::ptrace as k;

use super::abi::{Abi, HERE, Machine};
use crate::bytes::number;
use crate::plan::seccomp::{Abis, Action, Op};

/// SCMP_ACT_*, with the errno of those that have one.
pub fn action(word: &[u8], errno: u16) -> Option<Action> {
    Some(match word.strip_prefix(b"SCMP_ACT_")? {
        b"KILL" | b"KILL_THREAD" => Action::KILL_THREAD,
        b"KILL_PROCESS" => Action::KILL_PROCESS,
        b"TRAP" => Action::TRAP,
        b"ERRNO" => Action::errno(errno),
        b"TRACE" => Action(Action::TRACE.0 | u32::from(errno)),
        b"LOG" => Action::LOG,
        b"ALLOW" => Action::ALLOW,
        _ => return None,
    })
}

/// The word for an action, and its errno if it has one.
pub fn of_action(action: Action) -> (&'static str, Option<u16>) {
    let data = Some(action.0 as u16);
    match action.0 & k::SECCOMP_RET_ACTION_FULL {
        k::SECCOMP_RET_KILL_THREAD => ("SCMP_ACT_KILL_THREAD", None),
        k::SECCOMP_RET_KILL_PROCESS => ("SCMP_ACT_KILL_PROCESS", None),
        k::SECCOMP_RET_TRAP => ("SCMP_ACT_TRAP", None),
        k::SECCOMP_RET_ERRNO => ("SCMP_ACT_ERRNO", data),
        k::SECCOMP_RET_TRACE => ("SCMP_ACT_TRACE", data),
        k::SECCOMP_RET_LOG => ("SCMP_ACT_LOG", None),
        _ => ("SCMP_ACT_ALLOW", None),
    }
}

/// SCMP_CMP_*, with its two values: of SCMP_CMP_MASKED_EQ the first is the mask. `None`: no such word.
pub fn comparison(word: &[u8], value: u64, value_two: u64) -> Option<(Op, u64)> {
    Some(match word.strip_prefix(b"SCMP_CMP_")? {
        b"NE" => (Op::Ne, value),
        b"LT" => (Op::Lt, value),
        b"LE" => (Op::Le, value),
        b"EQ" => (Op::Eq, value),
        b"GE" => (Op::Ge, value),
        b"GT" => (Op::Gt, value),
        b"MASKED_EQ" => (Op::MaskedEq(value), value_two),
        _ => return None,
    })
}

/// The word for a comparison, and its two values.
pub fn of_comparison(op: Op, value: u64) -> (&'static str, u64, u64) {
    match op {
        Op::Ne => ("SCMP_CMP_NE", value, 0),
        Op::Lt => ("SCMP_CMP_LT", value, 0),
        Op::Le => ("SCMP_CMP_LE", value, 0),
        Op::Eq => ("SCMP_CMP_EQ", value, 0),
        Op::Ge => ("SCMP_CMP_GE", value, 0),
        Op::Gt => ("SCMP_CMP_GT", value, 0),
        Op::MaskedEq(mask) => ("SCMP_CMP_MASKED_EQ", mask, value),
    }
}

/// SECCOMP_FILTER_FLAG_*, those that a profile may name.
pub fn flag(word: &[u8]) -> Option<u32> {
    match word.strip_prefix(b"SECCOMP_FILTER_FLAG_")? {
        // For threads, of which there are none when the filter is loaded.
        b"TSYNC" => Some(0),
        b"LOG" => Some(k::SECCOMP_FILTER_FLAG_LOG),
        b"SPEC_ALLOW" => Some(k::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
        _ => None,
    }
}

/// What SCMP_ARCH_* means here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Architecture {
    /// The machine's own.
    Native,
    /// One that it has beside it.
    Beside(Abis),
    /// Another machine's.
    Foreign,
}

/// Every SCMP_ARCH_* that libseccomp has, by what follows the prefix, and the AUDIT_ARCH_* of those that
/// nsinit runs on.
const ARCHITECTURES: &[(&str, u32)] = &[
    ("AARCH64", k::AUDIT_ARCH_AARCH64),
    ("ARM", k::AUDIT_ARCH_ARM),
    ("LOONGARCH64", 0),
    ("M68K", 0),
    ("MIPS", 0),
    ("MIPS64", 0),
    ("MIPS64N32", 0),
    ("MIPSEL", 0),
    ("MIPSEL64", 0),
    ("MIPSEL64N32", 0),
    ("PARISC", 0),
    ("PARISC64", 0),
    ("PPC", 0),
    ("PPC64", 0),
    ("PPC64LE", 0),
    ("RISCV64", k::AUDIT_ARCH_RISCV64),
    ("S390", 0),
    ("S390X", 0),
    ("SH", 0),
    ("SHEB", 0),
    ("X86", k::AUDIT_ARCH_I386),
    ("X86_64", k::AUDIT_ARCH_X86_64),
];

/// What an architecture is to this machine; `None`: no such word.
pub fn architecture(word: &[u8]) -> Option<Architecture> {
    let Machine { native, compat, x32 } = HERE;
    let name = word.strip_prefix(b"SCMP_ARCH_")?;
    let beside =
        |there, abis| Some(if there { Architecture::Beside(abis) } else { Architecture::Foreign });
    match name {
        b"NATIVE" => return Some(Architecture::Native),
        b"X32" => return beside(x32.is_some(), Abis { x32: true, ..Abis::default() }),
        _ => {}
    }
    let (_, audit) = ARCHITECTURES.iter().find(|(known, _)| known.as_bytes() == name)?;
    if *audit == native.audit {
        return Some(Architecture::Native);
    }
    let there = *audit != 0 && compat.is_some_and(|compat| compat.audit == *audit);
    beside(there, Abis { compat: true, ..Abis::default() })
}

/// SCMP_ARCH_* of an ABI.
pub fn of_architecture(abi: &Abi) -> &'static str {
    match abi.name {
        "x86_64" => "SCMP_ARCH_X86_64",
        "i386" => "SCMP_ARCH_X86",
        "x32" => "SCMP_ARCH_X32",
        "aarch64" => "SCMP_ARCH_AARCH64",
        "arm" => "SCMP_ARCH_ARM",
        _ => "SCMP_ARCH_RISCV64",
    }
}

/// The words for flags.
pub fn of_flags(flags: u32) -> impl Iterator<Item = &'static str> {
    [
        ("SECCOMP_FILTER_FLAG_LOG", k::SECCOMP_FILTER_FLAG_LOG),
        ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", k::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
    ]
    .into_iter()
    .filter_map(move |(word, flag)| (flags & flag != 0).then_some(word))
}

/// Go's name of an architecture, as Docker's `includes` has it: whether it is this machine's.
pub fn is_here(goarch: &[u8]) -> bool {
    let own: &[u8] = match HERE.native.name {
        "x86_64" => b"amd64",
        "aarch64" => b"arm64",
        other => other.as_bytes(),
    };
    goarch == own
}

/// Calls that only kernels of other architectures have: a profile may name them, and nothing follows here.
pub const ELSEWHERE: &[&str] = &[
    "atomic_barrier",
    "atomic_cmpxchg_32",
    "cachectl",
    "getpagesize",
    "multiplexer",
    "rtas",
    "s390_guarded_storage",
    "s390_pci_mmio_read",
    "s390_pci_mmio_write",
    "s390_runtime_instr",
    "s390_sthyi",
    "spu_create",
    "spu_run",
    "subpage_prot",
    "swapcontext",
    "switch_endian",
    "sync_file_range2",
    "syscall",
    "sys_debug_setcontext",
    "sysmips",
    "timerfd",
];

/// A version of the kernel, "4.8" or "6.1.0-57-cloud-amd64": its first two numbers.
pub fn version(text: &[u8]) -> Option<(u32, u32)> {
    let mut parts = text.split(|byte| !byte.is_ascii_digit()).map(|part| number(part, 10));
    let (major, minor) = (parts.next()??, parts.next().flatten().unwrap_or(0));
    Some((u32::try_from(major).ok()?, u32::try_from(minor).ok()?))
}

/// The version of the kernel that runs.
pub fn running_kernel() -> (u32, u32) {
    version(rustix::system::uname().release().to_bytes()).unwrap_or((0, 0))
}
