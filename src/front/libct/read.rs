//! What the readers of all keys share: values of a wanted kind, tables of keys, lists, and how reading
//! goes on after a fault.

use core::ffi::CStr;
use core::fmt;

use heapless::Vec;

use super::Fault;
use super::mounts::MountEntry;
use super::networks::NetworkEntry;
use super::path::Step;
use super::settle::Kept;
use super::table::Keys;
use crate::bytes::{Arena, same_in_any_case, split_by};
use crate::jsonmin::{Number, Pos, Reader, Stop, Value};
use crate::plan::mark::KeyMark;
use crate::plan::{IdMap, Kind, Plan, Rlimit, Route, SeccompArg, SeccompRule};

/// The result of reading something. Of a fault nothing is left to say but that there was one.
pub(super) type Read<T = ()> = Result<T, Stop>;

/// Deepest path: `mount_config.mounts[0].premount_cmds[0].args[0]`, and some air.
const PATH: usize = 12;

/// Most faults that are told of one file.
const FAULTS: u32 = 64;

/// Keys of one generation that a file can have, each remembered once.
pub(super) const FOREIGN: usize = 80;

/// The file while it is read.
#[repr(C)] // what is small first: it is reached by shorter instructions
pub(super) struct File<'p> {
    pub plan: &'p mut Plan,
    pub arena: &'p Arena,
    pub strict: bool,
    /// So many were told.
    pub faults: u32,
    pub json: Reader<'static>,
    /// The list member whose keys are noted (`member`).
    pub marking: Option<(&'static str, usize)>,
    pub name: &'static str,
    pub warn: &'p mut dyn FnMut(fmt::Arguments),
    pub tell: &'p mut dyn FnMut(Fault),
    pub path: Vec<Step, PATH>,
    pub foreign: Vec<(&'static str, Pos), FOREIGN>,
    /// What can be decided only when the whole file is known.
    pub kept: Kept,
    // The list members in the making; each is put into the plan when its object ends.
    pub mount: MountEntry,
    pub device: super::devices::DeviceEntry,
    pub network: NetworkEntry,
    pub route: Route,
    pub rlimit: Rlimit,
    pub id_map: IdMap,
    pub rule: SeccompRule,
    pub arg: SeccompArg,
    pub named: (Option<&'static CStr>, u64),
    pub namespace: (Option<Kind>, Option<&'static CStr>),
}

impl File<'_> {
    /// An object: each key to its reader. `null` is an object without keys.
    ///
    /// As Go's decoder has it (encoding/json, object()): a key matches whatever its case, but best
    /// exactly; `null` leaves what was there; of two equal keys the later wins, and an object is
    /// read over the earlier one.
    pub fn object(&mut self, keys: &'static Keys) -> Read {
        if self.open(Value::Object)? { self.members(keys) } else { Ok(()) }
    }

    /// The members of an object that is open already.
    pub fn members(&mut self, keys: &'static Keys) -> Read {
        let (mut seen, faults) = (0u64, self.faults);
        while let Some(name) = self.json.key()? {
            let Some((n, row)) = self.find(keys, name)? else {
                continue;
            };
            let Some(key) = row.get(1..) else { continue };
            let place = self.json.pos();
            self.part(Step::Key(key), &mut |f| {
                if seen & 1 << n != 0 {
                    f.warn_at(place, format_args!("given twice: the later one counts"));
                }
                seen |= 1 << n;
                let pos = f.json.next_pos();
                if let Some((part, index)) = f.marking {
                    let mark = KeyMark { part, index: index as u16, key, pos };
                    // Where it is full, faults have the place of the list member.
                    let _ = f.plan.key_marks.push(mark);
                }
                if f.json.null()? {
                    return Ok(());
                }
                if !f.path.iter().any(|step| matches!(step, Step::Index(_))) {
                    f.mark(key, 0, pos);
                }
                f.note_foreign(row);
                match (keys.plain.get(n), keys.read.get(n.wrapping_sub(keys.plain.len()))) {
                    (Some(slot), _) => f.fill(*slot),
                    (None, Some(read)) => read(f),
                    (None, None) => Ok(()),
                }
            })?;
        }
        self.since(faults)
    }

    /// One of the values in an object or array. What is wrong with it was told: the rest of it is passed
    /// over, and reading goes on after it. A fault of the text itself is the end.
    fn part(&mut self, step: Step, read: &mut dyn FnMut(&mut File) -> Read) -> Read {
        self.push(step)?;
        let (pos, depth, len) = (self.json.next_pos(), self.json.depth(), self.path.len());
        if read(self).is_err() {
            if self.json.fault().is_some() {
                return Err(Stop);
            }
            self.path.truncate(len);
            if self.faults >= FAULTS {
                return Err(self.json.stop(pos, "more than 64 faults: what follows is not read"));
            }
            if self.json.next_pos() == pos {
                self.json.skip()?;
            }
            self.json.leave(depth)?;
        }
        self.path.pop();
        Ok(())
    }

    /// What holds a fault is not used: whether there was none since there were so many.
    fn since(&self, faults: u32) -> Read {
        if self.faults == faults { Ok(()) } else { Err(Stop) }
    }

    /// An object that becomes number `index` of the list `part` of the plan: its place is noted, and
    /// those of its keys.
    pub fn member(&mut self, part: &'static str, index: usize, keys: &'static Keys) -> Read {
        let pos = self.json.next_pos();
        self.mark(part, index, pos);
        self.marking = Some((part, index));
        let result = self.object(keys);
        self.marking = None;
        result
    }

    /// The row of `name` and its number; an unknown key is passed over with a warning.
    fn find(
        &mut self,
        keys: &'static Keys,
        name: &'static CStr,
    ) -> Read<Option<(usize, &'static str)>> {
        let text = |(n, row): (usize, &'static [u8])| Some((n, str::from_utf8(row).ok()?));
        let mut loosely = None;
        for (n, row) in split_by(keys.names.as_bytes(), b',').enumerate() {
            let key = row.get(1..).unwrap_or(&[]);
            if key == name.to_bytes() {
                return Ok(text((n, row)));
            }
            if loosely.is_none() && same_in_any_case(key, name.to_bytes()) {
                loosely = Some((n, row));
            }
        }
        let loosely = loosely.and_then(text);
        self.push(Step::Name(name))?;
        match loosely.and_then(|(_, row)| row.get(1..)) {
            Some(key) => self.warn(format_args!("read as {key}")),
            None => {
                if self.strict {
                    self.fault("no such key");
                } else {
                    self.warn(format_args!("no such key: ignored"));
                }
                self.json.skip()?;
            }
        }
        self.path.pop();
        Ok(loosely)
    }

    /// An object whose keys are names: `each` reads the value that belongs to one.
    pub fn map(&mut self, each: fn(&mut File, &'static CStr) -> Read) -> Read {
        if self.open(Value::Object)? { self.names(each) } else { Ok(()) }
    }

    /// The names in an object that is open already.
    pub fn names(&mut self, each: fn(&mut File, &'static CStr) -> Read) -> Read {
        let faults = self.faults;
        while let Some(name) = self.json.key()? {
            self.part(Step::Name(name), &mut |f| each(f, name))?;
        }
        self.since(faults)
    }

    /// An array: `each` reads an element.
    pub fn list(&mut self, each: fn(&mut File) -> Read) -> Read {
        if self.open(Value::Array)? { self.elements(each) } else { Ok(()) }
    }

    /// The elements of an array that is open already.
    pub fn elements(&mut self, each: fn(&mut File) -> Read) -> Read {
        let (mut n, faults) = (0, self.faults);
        while self.json.more()? {
            self.part(Step::Index(n), &mut |f| each(f))?;
            n += 1;
        }
        self.since(faults)
    }

    /// Opens an array or object; `false` for `null`.
    fn open(&mut self, wanted: Value) -> Read<bool> {
        match self.json.value()? {
            Value::Null => Ok(false),
            found if found == wanted => Ok(true),
            found => Err(self.expected(wanted.kind(), found)),
        }
    }

    /// A string; empty for `null`.
    pub fn text(&mut self) -> Read<&'static CStr> {
        match self.json.value()? {
            Value::Str(text) => Ok(text),
            Value::Null => Ok(c""),
            found => Err(self.expected("a string", found)),
        }
    }

    /// A string that is not empty, or nothing.
    pub fn text_or_none(&mut self) -> Read<Option<&'static CStr>> {
        self.text().map(|text| Some(text).filter(|text| !text.is_empty()))
    }

    /// A boolean; `false` for `null`.
    pub fn flag(&mut self) -> Read<bool> {
        match self.json.value()? {
            Value::Bool(flag) => Ok(flag),
            Value::Null => Ok(false),
            found => Err(self.expected("a boolean", found)),
        }
    }

    /// An integer between these; 0 for `null`.
    pub fn int(&mut self, min: i64, max: i64) -> Read<i64> {
        match self.json.value()? {
            Value::Number(number) => self.within(number, min, max),
            Value::Null => Ok(0),
            found => Err(self.expected("an integer", found)),
        }
    }

    /// The integer, if it is one between these.
    pub fn within(&mut self, number: Number, min: i64, max: i64) -> Read<i64> {
        match number.as_i64() {
            Some(n) if n >= min && n <= max => Ok(n),
            _ if number == Number::Fraction => Err(self.fault("expected an integer")),
            _ => Err(self.composed(format_args!("expected an integer from {min} to {max}"))),
        }
    }

    /// An integer of 64 bits without sign; 0 for `null`.
    pub fn u64(&mut self) -> Read<u64> {
        match self.json.value()? {
            Value::Number(Number::Fraction) => Err(self.fault("expected an integer")),
            Value::Number(number) => number.as_u64().ok_or_else(|| {
                self.composed(format_args!("expected an integer from 0 to {}", u64::MAX))
            }),
            Value::Null => Ok(0),
            found => Err(self.expected("an integer", found)),
        }
    }

    /// An integer of 32 bits without sign; 0 for `null`.
    pub fn u32(&mut self) -> Read<u32> {
        self.int(0, u32::MAX.into()).map(|n| n as u32)
    }
}
