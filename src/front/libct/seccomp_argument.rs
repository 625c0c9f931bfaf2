//! A condition on an argument: `seccomp.syscalls[].args[]`.

use core::ffi::CStr;

use super::path::Quoted;
use super::read::{File, Read};
use super::table::{Keys, keys};
use crate::jsonmin::{Pos, Value};
use crate::plan::seccomp::{Condition, Op};
use crate::seccomp::words;

/// A condition in the making.
#[derive(Clone, Copy)]
pub(super) struct Argument {
    index: Option<u8>,
    value: u64,
    value_two: u64,
    op: Compared,
}

#[derive(Clone, Copy)]
enum Compared {
    Nothing,
    Old(u8),
    Word(&'static CStr, Pos),
}

impl Argument {
    pub const EMPTY: Argument =
        Argument { index: None, value: 0, value_two: 0, op: Compared::Nothing };
}

pub(super) const ARGUMENT: &Keys = &keys!(
    [],
    [
        all("index", |f| f.int(0, 5).map(|n| f.argument.index = Some(n as u8))),
        all("value", |f| f.u64().map(|n| f.argument.value = n)),
        all("valueTwo", |f| f.u64().map(|n| f.argument.value_two = n)),
        all("op", |f| {
            f.argument.op = match f.json.value()? {
                Value::Number(number) => Compared::Old(f.within(number, 0, 4)? as u8),
                Value::Str(word) => Compared::Word(word, f.json.pos()),
                found => return Err(f.expected("a word as \"SCMP_CMP_EQ\" or a number", found)),
            };
            Ok(())
        }),
    ]
);

impl File<'_> {
    pub fn condition(&mut self) -> Read {
        self.argument = Argument::EMPTY;
        let pos = self.json.next_pos();
        self.object(ARGUMENT)?;
        let Argument { index, value, value_two, op } = self.argument;
        // Go's zero, where the file says nothing.
        let index = index.unwrap_or(0);
        let (op, value) = match op {
            // libcontainer's names of these promise more than they do: 2 and 3 have always been >= and <=, and 4
            // looks at the lower half alone.
            Compared::Nothing | Compared::Old(0) => (Op::Eq, value),
            Compared::Old(1) => (Op::Ne, value),
            Compared::Old(2) => (Op::Ge, value),
            Compared::Old(3) => (Op::Le, value),
            Compared::Old(_) => (Op::MaskedEq(value), value),
            Compared::Word(word, at) => {
                match words::comparison(word.to_bytes(), value, value_two) {
                    Some(comparison) => comparison,
                    None => {
                        let why = format_args!(
                            "unknown comparison {}; expected SCMP_CMP_EQ, _NE, _LT, _LE, _GE, _GT or _MASKED_EQ",
                            Quoted(word)
                        );
                        let why = self.words(why);
                        return Err(self.fault_at(at, why));
                    }
                }
            }
        };
        if let Op::MaskedEq(mask) = op
            && value & !mask != 0
        {
            let why =
                format_args!("it has bits that the mask does not have: nothing is equal to it");
            return Err(self.fault_of("valueTwo", pos, why));
        }
        let condition = Condition { index, op, value };
        self.entry.conditions.push(condition).map_err(|_| self.full(6, "conditions"))
    }
}
