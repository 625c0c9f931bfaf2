//! The ABIs by which a program may call the kernel, and what each calls a system call.

use linux_raw_sys::ptrace as audit;

use super::calls::{self, NONE};
use crate::plan::seccomp::Call;

/// One ABI: a column of `calls`.
pub struct Abi {
    /// As SCMP_ARCH_* and `uname -m` say.
    pub name: &'static str,
    /// AUDIT_ARCH_*, as the filter sees it.
    pub audit: u32,
    /// What its numbers are or'ed with: x32's bit 30.
    pub bit: u32,
    /// Whether all arguments are 32 bits wide.
    pub narrow: bool,
    numbers: &'static [u16],
}

/// __X32_SYSCALL_BIT (arch/x86/include/uapi/asm/unistd.h).
pub const X32_BIT: u32 = 0x4000_0000;

/// 64-bit x86.
pub static X86_64: Abi = Abi {
    name: "x86_64",
    audit: audit::AUDIT_ARCH_X86_64,
    bit: 0,
    narrow: false,
    numbers: calls::X86_64,
};
/// 32-bit x86.
pub static I386: Abi =
    Abi { name: "i386", audit: audit::AUDIT_ARCH_I386, bit: 0, narrow: true, numbers: calls::I386 };
/// x32: 64-bit registers, numbers of its own. Its pointers are 32 bits wide, its arguments are not cut.
pub static X32: Abi = Abi {
    name: "x32",
    audit: audit::AUDIT_ARCH_X86_64,
    bit: X32_BIT,
    narrow: false,
    numbers: calls::X32,
};
/// 64-bit ARM.
pub static AARCH64: Abi = Abi {
    name: "aarch64",
    audit: audit::AUDIT_ARCH_AARCH64,
    bit: 0,
    narrow: false,
    numbers: calls::AARCH64,
};
/// 32-bit ARM (EABI).
pub static ARM: Abi =
    Abi { name: "arm", audit: audit::AUDIT_ARCH_ARM, bit: 0, narrow: true, numbers: calls::ARM };
/// 64-bit RISC-V.
pub static RISCV64: Abi = Abi {
    name: "riscv64",
    audit: audit::AUDIT_ARCH_RISCV64,
    bit: 0,
    narrow: false,
    numbers: calls::RISCV64,
};

/// A machine: its own ABI, the 32-bit one beside it, and x32.
#[derive(Clone, Copy)]
pub struct Machine {
    /// Its own.
    pub native: &'static Abi,
    /// Its 32-bit one.
    pub compat: Option<&'static Abi>,
    /// The third of x86.
    pub x32: Option<&'static Abi>,
}

/// The machine that nsinit is built for.
pub const HERE: Machine = if cfg!(target_arch = "x86_64") {
    Machine { native: &X86_64, compat: Some(&I386), x32: Some(&X32) }
} else if cfg!(target_arch = "aarch64") {
    Machine { native: &AARCH64, compat: Some(&ARM), x32: None }
} else if cfg!(target_arch = "riscv64") {
    Machine { native: &RISCV64, compat: None, x32: None }
} else {
    Machine { native: &ARM, compat: None, x32: None }
};

impl Abi {
    /// The number of a call of `machine`'s, with this ABI's bit; `None` where it has no such call.
    pub fn number(&self, call: Call, machine: Machine) -> Option<u32> {
        let row = match call {
            Call::Named(row) => row,
            // A call without a name has the same number in no other ABI that nsinit knows of.
            Call::Number(number) => {
                return (self.audit == machine.native.audit && self.bit == 0).then_some(number);
            }
        };
        match self.numbers.get(usize::from(row)) {
            Some(number) if *number != NONE => Some(u32::from(*number) | self.bit),
            Some(_) => None,
            None if core::ptr::eq(self, &ARM) => {
                let private = calls::ARM_PRIVATE.get(usize::from(row) - calls::NAMES.len());
                private.map(|(_, number)| *number)
            }
            None => None,
        }
    }

    /// The call that has this number, without this ABI's bit.
    pub fn call(&self, number: u32) -> Option<Call> {
        let row = self.numbers.iter().position(|own| u32::from(*own) == number && *own != NONE);
        row.map(|row| Call::Named(row as u16))
    }
}

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    calls::NAMES.iter().chain(calls::ARM_PRIVATE.iter().map(|(name, _)| name)).copied()
}

/// The call of this name, whichever ABI has it.
pub fn find(name: &str) -> Option<Call> {
    if let Ok(row) = calls::NAMES.binary_search(&name) {
        return Some(Call::Named(row as u16));
    }
    let private = calls::ARM_PRIVATE.iter().position(|(known, _)| *known == name)?;
    Some(Call::Named((calls::NAMES.len() + private) as u16))
}

/// The name of a call; "" where it has none.
pub fn name(call: Call) -> &'static str {
    let Call::Named(row) = call else { return "" };
    let row = usize::from(row);
    match calls::NAMES.get(row) {
        Some(name) => name,
        None => calls::ARM_PRIVATE.get(row - calls::NAMES.len()).map_or("", |(name, _)| name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_each_is_found() {
        assert!(calls::NAMES.is_sorted());
        for name in calls::NAMES.iter().chain(calls::ARM_PRIVATE.iter().map(|(name, _)| name)) {
            assert_eq!(super::name(find(name).unwrap()), *name);
        }
        assert_eq!(find("no_such_call"), None);
    }

    #[test]
    fn every_abi_has_its_own_numbers() {
        let machine = Machine { native: &X86_64, compat: Some(&I386), x32: Some(&X32) };
        let number = |abi: &Abi, name| abi.number(find(name).unwrap(), machine);
        assert_eq!(number(&X86_64, "execve"), Some(59));
        assert_eq!(number(&I386, "execve"), Some(11));
        assert_eq!(number(&X32, "execve"), Some(X32_BIT | 520));
        assert_eq!(number(&AARCH64, "execve"), Some(221));
        assert_eq!(number(&ARM, "execve"), Some(11));
        assert_eq!(number(&RISCV64, "renameat"), None);
        assert_eq!(number(&ARM, "set_tls"), Some(0xf0005));
        assert_eq!(number(&X86_64, "set_tls"), None);
        assert_eq!(X86_64.number(Call::Number(511), machine), Some(511));
        assert_eq!(I386.number(Call::Number(511), machine), None);
        assert_eq!(X32.number(Call::Number(511), machine), None);
    }

    /// The kernel's headers, as linux-raw-sys has them for this architecture.
    #[test]
    fn the_native_numbers_are_the_kernels() {
        use linux_raw_sys::general as k;
        let known = [
            ("read", k::__NR_read),
            ("clone3", k::__NR_clone3),
            ("openat2", k::__NR_openat2),
            ("prctl", k::__NR_prctl),
            ("seccomp", k::__NR_seccomp),
            ("mount_setattr", k::__NR_mount_setattr),
            ("exit_group", k::__NR_exit_group),
        ];
        for (name, number) in known {
            assert_eq!(HERE.native.number(find(name).unwrap(), HERE), Some(number), "{name}");
        }
    }
}
