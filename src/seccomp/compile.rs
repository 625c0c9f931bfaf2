//! From rules to a program: for each ABI a balanced tree over the ranges of its numbers. The number and the
//! architecture are looked at first and arguments only where a call depends on them, so that the kernel
//! knows at attach which calls are always allowed, and runs nothing for these (kernel/seccomp.c,
//! seccomp_is_const_allow).

use heapless::Vec;

use super::abi::{self, Abi, Machine, X32_BIT};
use super::assemble::{Assembler, Label, Test};
use super::narrow::is_narrow;
use super::table::{Outcome, RANGES, Range, Table};
use crate::plan::seccomp::{Action, Condition, Op, Program, Rule, Seccomp};

/// Offsets in struct seccomp_data (include/uapi/linux/seccomp.h).
const NR: u32 = 0;
const ARCH: u32 = 4;
const fn argument(index: u8) -> [u32; 2] {
    let low = 16 + 8 * index as u32;
    if cfg!(target_endian = "little") { [low, low + 4] } else { [low + 4, low] }
}

/// So many single numbers within a range are asked for one after the other.
const EXCEPTIONS: usize = 4;
/// A return is repeated where the last one is further away: what jumps to it can reach it.
const NEAR: usize = 200;

/// Makes the program of `filter` for `machine`; false if that is more than the kernel takes.
pub fn compile(filter: &Seccomp, machine: Machine, program: &mut Program) -> bool {
    let mut code = Code { filter, machine, out: Assembler::new(program), returns: Vec::new() };
    let killed = code.ret(Action::KILL_PROCESS);
    let mut entry = killed;
    if let Some(compat) = machine.compat.filter(|_| filter.abis.compat) {
        let calls = code.calls(compat, None);
        entry = code.on_arch(compat, calls, entry);
    }
    let x32 = machine.x32.filter(|_| filter.abis.x32).map(|x32| code.numbers(x32, None));
    let native = code.calls(machine.native, Some(x32));
    let entry = code.on_arch(machine.native, native, entry);
    code.out.load(ARCH, entry);
    code.out.finish()
}

struct Code<'f, 'm> {
    filter: &'f Seccomp,
    machine: Machine,
    out: Assembler<'m>,
    /// The last return of each action.
    returns: Vec<(Action, usize, Label), 16>,
}

impl Code<'_, '_> {
    fn on_arch(&mut self, abi: &Abi, yes: Label, no: Label) -> Label {
        self.out.test(Test::Eq, abi.audit, yes, no)
    }

    /// A return, near to what is written next.
    fn ret(&mut self, action: Action) -> Label {
        let known = self.returns.iter_mut().find(|(known, ..)| *known == action);
        if let Some((_, at, label)) = known {
            if self.out.len() - *at > NEAR {
                *label = self.out.ret(action);
                *at = self.out.len();
            }
            return *label;
        }
        let label = self.out.ret(action);
        // Actions that find no room here have a return for each use.
        let _ = self.returns.push((action, self.out.len(), label));
        label
    }

    /// The tree of an ABI, after the number is loaded. `x32`: this is x86-64, and what is done with x32's
    /// numbers, which do not exist where the filter says nothing of them.
    fn calls(&mut self, abi: &Abi, x32: Option<Option<Label>>) -> Label {
        let tree = self.numbers(abi, x32);
        self.out.load(NR, tree)
    }

    fn numbers(&mut self, abi: &Abi, x32: Option<Option<Label>>) -> Label {
        let table = Table::new(self.filter, abi, self.machine);
        let ranges = table.ranges();
        let mut leaves = Vec::<Leaf, { RANGES + 1 }>::new();
        for Range { start, outcome } in &ranges {
            let goal = match outcome {
                Outcome::Always(action) => Goal::Return(*action),
                Outcome::Depends(slot) => Goal::At(self.chain(&table, *slot, abi)),
            };
            // One more than there are ranges.
            let _ = leaves.push(Leaf { start: start | abi.bit, goal });
        }
        match x32 {
            Some(Some(label)) => _ = leaves.push(Leaf { start: X32_BIT, goal: Goal::At(label) }),
            Some(None) if abi.audit == abi::X86_64.audit => {
                let goal = Goal::Return(Action::errno(linux_raw_sys::errno::ENOSYS as u16));
                if leaves.last().is_none_or(|last| last.goal != goal) {
                    let _ = leaves.push(Leaf { start: X32_BIT, goal });
                }
            }
            _ => {}
        }
        let mut groups = Vec::<&[Leaf], { RANGES + 1 }>::new();
        let mut rest = &leaves[..];
        while !rest.is_empty() {
            let (group, after) = rest.split_at(group(rest));
            // There are no more groups than leaves.
            let _ = groups.push(group);
            rest = after;
        }
        self.tree(&groups)
    }

    /// A balanced tree: as deep as the logarithm of what is in it.
    fn tree(&mut self, groups: &[&[Leaf]]) -> Label {
        let (left, right) = groups.split_at(groups.len() / 2);
        match (left, right) {
            ([], [group]) => self.group(group),
            (left, [first, ..]) => {
                let start = first[0].start;
                let right = self.tree(right);
                let left = self.tree(left);
                self.out.test(Test::Ge, start, right, left)
            }
            // A table has at least one range.
            _ => self.ret(self.filter.default),
        }
    }

    fn group(&mut self, leaves: &[Leaf]) -> Label {
        let mut entry = self.goal(leaves[0].goal);
        for leaf in leaves.iter().skip(1).step_by(2).rev() {
            let yes = self.goal(leaf.goal);
            entry = self.out.test(Test::Eq, leaf.start, yes, entry);
        }
        entry
    }

    fn goal(&mut self, goal: Goal) -> Label {
        match goal {
            Goal::Return(action) => self.ret(action),
            Goal::At(label) => label,
        }
    }

    /// The rules of a call that look at its arguments, the strictest first.
    fn chain(&mut self, table: &Table, slot: u16, abi: &Abi) -> Label {
        let mut next = self.ret(table.otherwise(slot));
        for n in table.chain(slot).iter().rev() {
            let rule = self.filter.rules[usize::from(*n)];
            next = self.rule(&rule, abi, next);
        }
        next
    }

    fn rule(&mut self, rule: &Rule, abi: &Abi, no: Label) -> Label {
        let mut yes = self.ret(rule.action);
        let name = abi::name(rule.call);
        for condition in self.filter.conditions(rule).iter().rev() {
            let narrow = abi.narrow || is_narrow(name, condition.index);
            yes = match narrow {
                true => self.narrow(condition, abi.narrow, yes, no),
                false => self.wide(condition, yes, no),
            };
        }
        yes
    }

    /// All 64 bits: the upper half decides, or is equal.
    fn wide(&mut self, condition: &Condition, yes: Label, no: Label) -> Label {
        let Condition { index, op, value } = *condition;
        let [low_at, high_at] = argument(index);
        let (low, high) = (value as u32, (value >> 32) as u32);
        let out = &mut self.out;
        match op {
            Op::Ne => self.wide(&Condition { op: Op::Eq, ..*condition }, no, yes),
            Op::Lt => self.wide(&Condition { op: Op::Ge, ..*condition }, no, yes),
            Op::Le => self.wide(&Condition { op: Op::Gt, ..*condition }, no, yes),
            Op::Eq => {
                let equal = out.test(Test::Eq, low, yes, no);
                let equal = out.load(low_at, equal);
                let test = out.test(Test::Eq, high, equal, no);
                out.load(high_at, test)
            }
            Op::MaskedEq(mask) => {
                let mut next = yes;
                for (at, mask, value) in
                    [(low_at, mask as u32, low), (high_at, (mask >> 32) as u32, high)]
                {
                    if mask != 0 {
                        let test = out.test(Test::Eq, value, next, no);
                        let and = out.and(mask, test);
                        next = out.load(at, and);
                    }
                }
                next
            }
            Op::Ge | Op::Gt => {
                let test = if op == Op::Ge { Test::Ge } else { Test::Gt };
                let equal = out.test(test, low, yes, no);
                let equal = out.load(low_at, equal);
                let not_greater = out.test(Test::Eq, high, equal, no);
                let greater = out.test(Test::Gt, high, yes, not_greater);
                out.load(high_at, greater)
            }
        }
    }

    /// The low half alone. What is above it in the file can't be equal to anything, but for a number below
    /// zero: where the kernel cuts the argument (and the ABI does not), its upper half is part of the sign.
    fn narrow(&mut self, condition: &Condition, by_abi: bool, yes: Label, no: Label) -> Label {
        let Condition { index, op, value } = *condition;
        let [low_at, _] = argument(index);
        let signed = !by_abi && value as i64 == i64::from(value as i32);
        let above = value > u64::from(u32::MAX) && !signed;
        let low = value as u32;
        let out = &mut self.out;
        let test = match op {
            Op::Ne | Op::Lt | Op::Le if above => return yes,
            Op::Eq | Op::Gt | Op::Ge if above => return no,
            Op::MaskedEq(mask) if mask as u32 == 0 => return if value == 0 { yes } else { no },
            Op::MaskedEq(_) if above => return no,
            Op::MaskedEq(mask) => {
                let test = out.test(Test::Eq, low, yes, no);
                out.and(mask as u32, test)
            }
            Op::Eq => out.test(Test::Eq, low, yes, no),
            Op::Ne => out.test(Test::Eq, low, no, yes),
            Op::Lt => out.test(Test::Ge, low, no, yes),
            Op::Le => out.test(Test::Gt, low, no, yes),
            Op::Ge => out.test(Test::Ge, low, yes, no),
            Op::Gt => out.test(Test::Gt, low, yes, no),
        };
        out.load(low_at, test)
    }
}

/// Numbers from `start` on, and where they lead.
#[derive(Clone, Copy)]
struct Leaf {
    start: u32,
    goal: Goal,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    Return(Action),
    At(Label),
}

/// How many of the first leaves are one range but for single numbers in it.
fn group(leaves: &[Leaf]) -> usize {
    let mut count = 1;
    while count / 2 < EXCEPTIONS
        && let [single, after, ..] = leaves.get(count..).unwrap_or(&[])
        && after.start == single.start + 1
        && after.goal == leaves[0].goal
    {
        count += 2;
    }
    count
}
