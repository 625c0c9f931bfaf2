//! Classic BPF, written from its end backwards: whatever an instruction jumps to is there already, and its
//! distance is known.

use linux_raw_sys::ptrace::sock_filter;
use linux_raw_sys::ptrace::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET,
    BPF_W,
};

use crate::plan::seccomp::{Action, Program};

/// An instruction, by its distance from the end of the program: the last one is 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label(usize);

/// A comparison with a constant, on what was loaded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// Equal.
    Eq,
    /// Greater or equal, unsigned.
    Ge,
    /// Greater, unsigned.
    Gt,
}

/// The program in the making: the last instruction first. One that gets too long is noticed at its end.
pub struct Assembler<'a> {
    program: &'a mut Program,
    full: bool,
}

/// Loads a word of struct seccomp_data.
pub const LOAD: u32 = BPF_LD | BPF_W | BPF_ABS;
/// Keeps some bits of it.
pub const AND: u32 = BPF_ALU | BPF_AND | BPF_K;
/// Ends with SECCOMP_RET_*.
pub const RETURN: u32 = BPF_RET | BPF_K;
/// Goes on further down.
pub const JUMP: u32 = BPF_JMP | BPF_JA;
/// Compares it with a constant: equal.
pub const EQ: u32 = BPF_JMP | BPF_JEQ | BPF_K;
/// Greater or equal.
pub const GE: u32 = BPF_JMP | BPF_JGE | BPF_K;
/// Greater.
pub const GT: u32 = BPF_JMP | BPF_JGT | BPF_K;
/// A conditional jump reaches so far: its distance is a byte.
const REACH: usize = 255;

impl Assembler<'_> {
    /// An empty program.
    pub fn new(program: &mut Program) -> Assembler<'_> {
        program.clear();
        Assembler { program, full: false }
    }

    /// Puts the program in order; whether there was room for all of it.
    pub fn finish(self) -> bool {
        self.program.reverse();
        !self.full
    }

    /// How many instructions there are.
    pub fn len(&self) -> usize {
        self.program.len()
    }

    fn emit(&mut self, code: u32, jumps: [usize; 2], k: u32) -> Label {
        let [jt, jf] = jumps.map(|jump| jump as u8);
        self.full |= self.program.push(sock_filter { code: code as u16, jt, jf, k }).is_err();
        Label(self.len())
    }

    fn at(&self, label: Label) -> Option<&sock_filter> {
        self.program.get(label.0.checked_sub(1)?)
    }

    /// SECCOMP_RET_*.
    pub fn ret(&mut self, action: Action) -> Label {
        self.emit(RETURN, [0, 0], action.0)
    }

    /// Loads the word at this offset of struct seccomp_data, and goes on at `next`.
    pub fn load(&mut self, offset: u32, next: Label) -> Label {
        self.fall_into(next);
        self.emit(LOAD, [0, 0], offset)
    }

    /// Keeps these bits of what was loaded, and goes on at `next`.
    pub fn and(&mut self, mask: u32, next: Label) -> Label {
        self.fall_into(next);
        self.emit(AND, [0, 0], mask)
    }

    fn fall_into(&mut self, next: Label) {
        if next.0 != self.len() {
            self.jump(next);
        }
    }

    fn jump(&mut self, to: Label) -> Label {
        self.emit(JUMP, [0, 0], (self.len() - to.0) as u32)
    }

    /// Goes on at `yes` or at `no`.
    pub fn test(&mut self, test: Test, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        // One step for the way to `yes` that may come in between.
        let no = self.within(no, REACH - 1);
        let yes = self.within(yes, REACH);
        let code = match test {
            Test::Eq => EQ,
            Test::Ge => GE,
            Test::Gt => GT,
        };
        self.emit(code, [yes, no].map(|label| self.len() - label.0), k)
    }

    /// The same as `label`, at most so far away: another return, or a jump.
    fn within(&mut self, label: Label, reach: usize) -> Label {
        if self.len() - label.0 <= reach {
            return label;
        }
        match self.at(label) {
            Some(insn) if u32::from(insn.code) == RETURN => {
                let action = Action(insn.k);
                self.ret(action)
            }
            _ => self.jump(label),
        }
    }
}
