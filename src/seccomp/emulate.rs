//! What a filter answers, without the kernel: to refuse one that would stop the command, and to test.

use linux_raw_sys::ptrace::sock_filter;

use super::assemble::{AND, EQ, GE, GT, JUMP, LOAD, RETURN};
use crate::plan::seccomp::Action;

/// struct seccomp_data, as far as filters of nsinit's look at it.
#[derive(Clone, Copy, Debug)]
pub struct Data {
    /// The system call's number.
    pub nr: u32,
    /// AUDIT_ARCH_*.
    pub arch: u32,
    /// Its arguments. `None`: they are not known.
    pub args: Option<[u64; 6]>,
}

/// The answer of `program`; `None` where that depends on arguments that are not known, or the program is none
/// that `compile` makes.
pub fn emulate(program: &[sock_filter], data: &Data) -> Option<Action> {
    let (mut at, mut a) = (0, 0);
    loop {
        let insn = program.get(at)?;
        at += 1;
        let mut branch = |taken| at += usize::from(if taken { insn.jt } else { insn.jf });
        match u32::from(insn.code) {
            LOAD => a = load(data, insn.k)?,
            AND => a &= insn.k,
            RETURN => return Some(Action(insn.k)),
            JUMP => at += insn.k as usize,
            EQ => branch(a == insn.k),
            GE => branch(a >= insn.k),
            GT => branch(a > insn.k),
            _ => return None,
        }
    }
}

fn load(data: &Data, offset: u32) -> Option<u32> {
    match offset {
        0 => Some(data.nr),
        4 => Some(data.arch),
        _ => {
            let word = data.args?.get((offset as usize - 16) / 8).copied()?;
            let low = offset.is_multiple_of(8) == cfg!(target_endian = "little");
            Some(if low { word as u32 } else { (word >> 32) as u32 })
        }
    }
}
