//! What is told of the file: faults, warnings, and the places of what was read.

use core::ffi::CStr;
use core::fmt;

use super::Fault;
use super::path::{Path, Quoted, Step};
use super::read::{File, Read};
use super::table::by;
use crate::bytes::{number, same_in_any_case};
use crate::error::Error;
use crate::jsonmin::{Pos, Stop, Value};
use crate::near::{Choice, nearest};
use crate::plan::mark::{FAULTY, Mark};

/// Most words that a message lists where it knows which one is meant.
const FEW_WORDS: usize = 8;

/// The kind of value that most people get wrong: "64m" for a number of bytes.
const INTEGER: &str = "an integer";

/// The number of a text that should be one, with a unit perhaps: "5", "64m", "1GiB".
fn size(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = text.split_at_checked(digits)?;
    let shift = match unit.first().map(u8::to_ascii_lowercase) {
        None => 0,
        Some(b'k') => 10,
        Some(b'm') => 20,
        Some(b'g') => 30,
        _ => return None,
    };
    let rest = unit.get(1..).unwrap_or(b"");
    let plain = [&b""[..], b"b", b"ib"].into_iter().any(|end| same_in_any_case(end, rest));
    number(digits, 10).filter(|_| plain)?.checked_mul(1 << shift)
}

impl File<'_> {
    /// A fault at the last value.
    pub fn fault(&mut self, why: &'static str) -> Stop {
        self.fault_at(self.json.pos(), why)
    }

    /// Tells a fault.
    #[inline(never)]
    pub fn fault_at(&mut self, pos: Pos, why: &'static str) -> Stop {
        let (name, path) = (self.name, Path(&self.path));
        let colon = if self.path.is_empty() { "" } else { ": " };
        let on = self.arena.str(format_args!("{name}:{pos}{colon}{path}")).unwrap_or(name);
        self.mark(FAULTY, 0, pos);
        self.faults += 1;
        (self.tell)(Fault { error: Error::refused("", on, why), pos });
        Stop
    }

    /// A fault at the last value, put together.
    pub fn composed(&mut self, why: fmt::Arguments) -> Stop {
        self.fault(self.words(why))
    }

    pub fn words(&self, why: fmt::Arguments) -> &'static str {
        self.arena.str(why).unwrap_or("a value that can't be used")
    }

    /// The fault of a value of the wrong kind.
    pub fn expected(&mut self, wanted: &str, found: Value) -> Stop {
        let kind = found.kind();
        match found {
            Value::Str(text) if wanted == INTEGER && size(text.to_bytes()).is_some() => {
                let n = size(text.to_bytes()).unwrap_or(0);
                self.composed(format_args!("expected {wanted}, found {kind}: write {n}"))
            }
            _ => self.composed(format_args!("expected {wanted}, found {kind}")),
        }
    }

    /// The fault of a word that is none of these.
    pub fn not_among(
        &mut self,
        text: &'static CStr,
        words: impl Iterator<Item = &'static str> + Clone,
    ) -> Stop {
        let known = Choice(words.clone());
        match nearest(text.to_bytes(), words.clone()).filter(|_| words.count() > FEW_WORDS) {
            Some(meant) => self.composed(format_args!(
                "unknown value {}: did you mean \"{meant}\"?",
                Quoted(text)
            )),
            None => self.composed(format_args!("unknown value {}; expected {known}", Quoted(text))),
        }
    }

    /// A fault of the value of `key`, which lies behind.
    pub fn fault_of(&mut self, key: &'static str, pos: Pos, why: fmt::Arguments) -> Stop {
        if self.push(Step::Key(key)).is_ok() {
            let why = self.words(why);
            self.fault_at(pos, why);
            self.path.pop();
        }
        Stop
    }

    /// What a list that is full says.
    pub fn full(&mut self, most: usize, of: &str) -> Stop {
        self.full = true;
        self.composed(format_args!("more than {most} {of}"))
    }

    /// A warning about the last value or key.
    pub fn warn(&mut self, text: fmt::Arguments) {
        self.warn_at(self.json.pos(), text);
    }

    /// A warning about the value at `pos`.
    pub fn warn_at(&mut self, pos: Pos, text: fmt::Arguments) {
        let colon = if self.path.is_empty() { "" } else { ": " };
        let (name, path) = (self.name, Path(&self.path));
        (self.warn)(format_args!("{name}:{pos}: {path}{colon}{text}"));
    }

    /// A step down.
    pub fn push(&mut self, step: Step) -> Read {
        self.path.push(step).map_err(|_| self.json.stop(self.json.pos(), "too deep"))
    }

    /// Notes that `part` of the plan, number `index`, came from the value at `pos`.
    pub fn mark(&mut self, part: &'static str, index: usize, pos: Pos) {
        let mut path = ["", ""];
        let mut at = None;
        for step in &self.path {
            match step {
                Step::Key(key) if at.is_none() => path = [path[1], key],
                Step::Index(n) if at.is_none() => at = Some(*n as u16),
                _ => {}
            }
        }
        let mark = Mark { part, index: index as u16, path, at, pos };
        // Full only where a file repeats its keys without end: then later faults lack a place.
        let _ = self.plan.marks.push(mark);
    }

    /// Remembers a key that not every generation reads.
    pub fn note_foreign(&mut self, row: &'static str) {
        let known = |(other, _): &(&str, Pos)| core::ptr::eq(*other, row);
        if !row.starts_with(by!(all)) && !self.foreign.iter().any(known) {
            // Large enough for every such key there is (a test counts them).
            let _ = self.foreign.push((row, self.json.pos()));
        }
    }
}
