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
use crate::bytes::{Arena, same_in_any_case};
use crate::jsonmin::{Number, Pos, Reader, Stop, Value};
use crate::near::nearest;
use crate::plan::mark::{FAULTY, KeyMark};
use crate::plan::{IdMap, Kind, Plan, Rlimit, Route};

/// The result of reading something. Of a fault nothing is left to say but that there was one.
pub(super) type Read<T = ()> = Result<T, Stop>;

/// Deepest path: `mount_config.mounts[0].premount_cmds[0].args[0]`, and some air.
const PATH: usize = 12;

/// Most faults that are told of one file.
const FAULTS: u32 = 64;

/// The key that an OCI runtime configuration must have (runtime-spec, config.md).
const OCI_KEY: &[u8] = b"ociVersion";
/// What that file is.
const OCI: &str = "this is an OCI runtime configuration, but nsinit reads libcontainer's container.json \
                   (\"nsinit config --new\" prints one to start from)";

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
    /// A list is full: what follows in it is passed over.
    pub full: bool,
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
    pub filter: super::seccomp::Kept,
    pub entry: super::seccomp_entry::Entry,
    pub argument: super::seccomp_argument::Argument,
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

    /// The row of `name` and its number; `None` for an unknown key, which is passed over.
    fn find(
        &mut self,
        keys: &'static Keys,
        name: &'static CStr,
    ) -> Read<Option<(usize, &'static str)>> {
        let mut loosely = None;
        for (n, row) in keys.rows().enumerate() {
            if row.get(1..).is_some_and(|key| key.as_bytes() == name.to_bytes()) {
                return Ok(Some((n, row)));
            }
            let same = |key: &str| same_in_any_case(key.as_bytes(), name.to_bytes());
            if loosely.is_none() && row.get(1..).is_some_and(same) {
                loosely = Some((n, row));
            }
        }
        self.push(Step::Name(name))?;
        match loosely.and_then(|(_, row)| row.get(1..)) {
            Some(key) => self.warn(format_args!("read as {key}")),
            None => self.unknown(keys, name)?,
        }
        self.path.pop();
        Ok(loosely)
    }

    /// A key that the object does not have. One that is nearly one of its keys was meant to ask for
    /// something: without it more would be allowed, or less limited, than somebody has written. What
    /// the writers of later years have added is no such key, and says nothing where it is 0 or null.
    fn unknown(&mut self, keys: &'static Keys, name: &'static CStr) -> Read {
        let pos = self.json.pos();
        let top = self.path.len() == 1;
        if top && (name.to_bytes() == OCI_KEY || self.json.has_key_ahead(OCI_KEY)) {
            return Err(self.json.stop(pos, OCI));
        }
        let known = nearest(name.to_bytes(), keys.rows().filter_map(|row| row.get(1..)));
        if let Some(known) = known {
            self.composed(format_args!("unknown key: did you mean \"{known}\"?"));
            // Nothing further is said about what would only be missing.
            self.path.pop();
            self.push(Step::Key(known))?;
            self.mark(FAULTY, 0, pos);
        } else if self.strict {
            self.fault("unknown key");
        }
        if !self.json.is_empty()? && known.is_none() && !self.strict {
            self.warn_at(pos, format_args!("unknown key: ignored"));
        }
        Ok(())
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
        let (mut n, faults, depth) = (0, self.faults, self.json.depth());
        self.full = false;
        while self.json.more()? {
            self.part(Step::Index(n), &mut |f| each(f))?;
            n += 1;
            // Once is enough.
            if core::mem::take(&mut self.full) {
                self.json.leave(depth.saturating_sub(1))?;
                break;
            }
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

    /// An integer of 64 bits without sign, or -1, which in C is the highest: no limit. 0 for `null`.
    pub fn u64(&mut self) -> Read<u64> {
        match self.json.value()? {
            Value::Number(Number::Fraction) => Err(self.fault("expected an integer")),
            Value::Number(Number::Int(true, 1)) => Ok(u64::MAX),
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
