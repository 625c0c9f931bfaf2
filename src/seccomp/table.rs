//! What a filter says of each number of one ABI.

use heapless::Vec;

use super::abi::{Abi, Machine};
use crate::plan::seccomp::{Action, CONDITIONS, RULES, Seccomp};

/// The numbers below this have a slot of their own: Linux 7.1 has 472, and x32 goes up to 547.
const NUMBERS: usize = 560;
/// ARM's private calls follow (`calls::ARM_PRIVATE`).
const PRIVATE: usize = 8;
const PRIVATE_BASE: u32 = 0xf0000;
const SLOTS: usize = NUMBERS + PRIVATE;
/// Most ranges: each slot may differ from its neighbours, and there is what lies between and behind.
pub const RANGES: usize = SLOTS + 4;

/// The rules of each call, in the order of the file.
pub struct Table<'f> {
    filter: &'f Seccomp,
    /// The first rule of each slot, and of each rule the next one for its call.
    heads: [u16; SLOTS],
    next: [u16; RULES],
    /// The highest number that any rule names.
    top: Option<u32>,
}

const END: u16 = u16::MAX;

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Always the same.
    Always(Action),
    /// It depends on the arguments, by the rules of this slot.
    Depends(u16),
}

/// Numbers from `start` up to the next range, for which the outcome is the same.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The first number, without the ABI's bit.
    pub start: u32,
    /// Theirs.
    pub outcome: Outcome,
}

fn slot(number: u32) -> Option<usize> {
    let private = number.checked_sub(PRIVATE_BASE).map(|n| n as usize);
    match private.filter(|n| *n < PRIVATE) {
        Some(private) => Some(NUMBERS + private),
        None => Some(number as usize).filter(|number| *number < NUMBERS),
    }
}

impl<'f> Table<'f> {
    /// The table of `abi`.
    pub fn new(filter: &'f Seccomp, abi: &Abi, machine: Machine) -> Table<'f> {
        let (heads, next) = ([END; SLOTS], [END; RULES]);
        let mut table = Table { filter, heads, next, top: None };
        for (n, rule) in filter.rules.iter().enumerate().rev() {
            let number = abi.number(rule.call, machine).map(|number| number & !abi.bit);
            let Some((number, slot)) = number.and_then(|n| Some((n, slot(n)?))) else { continue };
            table.next[n] = core::mem::replace(&mut table.heads[slot], n as u16);
            if number < PRIVATE_BASE {
                table.top = table.top.max(Some(number));
            }
        }
        table
    }

    /// The rules of a slot, by their places in the filter.
    fn rules(&self, slot: usize) -> impl Iterator<Item = usize> {
        let at = |n: u16| (n != END).then_some(usize::from(n));
        let first = self.heads.get(slot).and_then(|n| at(*n));
        core::iter::successors(first, move |n| at(self.next[*n]))
    }

    /// The strictest rule without a condition; of equals the first.
    fn unconditional(&self, slot: u16) -> Option<usize> {
        let rules = self.rules(slot.into()).filter(|n| self.filter.rules[*n].count == 0);
        rules.min_by_key(|n| self.filter.rules[*n].action.rank())
    }

    /// What becomes of a call whose conditional rules don't match.
    pub fn otherwise(&self, slot: u16) -> Action {
        let rule = self.unconditional(slot);
        rule.map_or(self.filter.default, |n| self.filter.rules[n].action)
    }

    /// The rules with conditions that can make a difference, the strictest first.
    pub fn chain(&self, slot: u16) -> Vec<u16, CONDITIONS> {
        let order = |n: usize| (self.filter.rules[n].action.rank(), n);
        let last = self.unconditional(slot).map(order);
        let mut chain = Vec::<u16, CONDITIONS>::new();
        for n in self.rules(slot.into()).filter(|n| self.filter.rules[*n].count > 0) {
            if last.is_none_or(|last| order(n) < last) {
                // There are at most as many rules with conditions as conditions.
                let _ = chain.push(n as u16);
            }
        }
        chain.sort_unstable_by_key(|n| order(usize::from(*n)));
        // What is done in any case needs no test.
        let otherwise = self.otherwise(slot);
        while chain.last().is_some_and(|n| self.filter.rules[usize::from(*n)].action == otherwise) {
            chain.pop();
        }
        chain
    }

    fn outcome(&self, slot: usize) -> Outcome {
        match self.chain(slot as u16).is_empty() {
            true => Outcome::Always(self.otherwise(slot as u16)),
            false => Outcome::Depends(slot as u16),
        }
    }

    /// Calls that are newer than all that the file names do not exist, so that programs try the older way:
    /// a refusal would end them. Not where the default lets them through.
    fn newer(&self) -> Action {
        let enosys = Action::errno(linux_raw_sys::errno::ENOSYS as u16);
        if self.filter.default.permits() || self.top.is_none() {
            self.filter.default
        } else {
            enosys
        }
    }

    /// All numbers, equal neighbours together.
    pub fn ranges(&self) -> Vec<Range, RANGES> {
        let mut ranges = Vec::<Range, RANGES>::new();
        let mut push = |start: u32, outcome: Outcome| {
            if ranges.last().is_none_or(|last| last.outcome != outcome) {
                // RANGES is the number of slots and of what lies between.
                let _ = ranges.push(Range { start, outcome });
            }
        };
        let end = self.top.map_or(0, |top| top + 1);
        (0..end).for_each(|number| push(number, self.outcome(number as usize)));
        push(end, Outcome::Always(self.newer()));
        let private = NUMBERS..SLOTS;
        if private.clone().any(|slot| self.heads[slot] != END) {
            for slot in private {
                push(PRIVATE_BASE + (slot - NUMBERS) as u32, self.outcome(slot));
            }
            push(PRIVATE_BASE + PRIVATE as u32, Outcome::Always(self.newer()));
        }
        ranges
    }
}
