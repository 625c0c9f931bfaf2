//! What is told of the file: faults, warnings, and the places of what was read.

use core::fmt;

use super::Fault;
use super::path::{Path, Step};
use super::read::{File, Read};
use super::table::by;
use crate::error::Error;
use crate::jsonmin::{Pos, Stop, Value};
use crate::plan::mark::{FAULTY, Mark};

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

    fn words(&self, why: fmt::Arguments) -> &'static str {
        self.arena.str(why).unwrap_or("a value that can't be used")
    }

    /// The fault of a value of the wrong kind.
    pub fn expected(&mut self, wanted: &str, found: Value) -> Stop {
        self.composed(format_args!("expected {wanted}, found {}", found.kind()))
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
