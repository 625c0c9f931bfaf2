//! Tables of keys: one for each kind of object. That of the plain keys is for reading and printing alike.

use core::ffi::CStr;

use super::read::{File, Read};
use crate::jsonmin::Value;

/// Where the value of a plain key goes when it is read, and comes from when it is printed.
pub(super) enum Slot<'f> {
    /// A text; an empty one is none.
    Text(&'f mut Option<&'static CStr>),
    /// The same, of an interface's name.
    Interface(&'f mut Option<&'static CStr>),
    Flag(&'f mut bool),
    U32(&'f mut u32),
    /// An amount, of which 0 says nothing, and -1 in what nsinit of 2015 wrote by its own defaults.
    Amount(&'f mut Option<u64>),
    /// The same, where -1 is no limit.
    Limit(&'f mut Option<i64>),
}

/// Tells where the value of a plain key is.
pub(super) type Place = for<'f, 'p> fn(&'f mut File<'p>) -> Slot<'f>;

/// The libcontainer that a file was written for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Before 2.0.
    V1,
    /// From 2.0.
    V2,
}

/// The keys of an object (`keys!`).
pub(super) struct Keys {
    /// Their names: before each is who reads it, after it a comma.
    pub names: &'static str,
    /// Where the values of the plain ones are, which come first.
    pub plain: &'static [Place],
    /// What reads those of the others.
    pub read: &'static [fn(&mut File) -> Read],
}

impl Keys {
    /// Its rows: who reads the key, and its name.
    pub fn rows(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.names.split_terminator(',')
    }
}

/// Who reads a key, before its name: every libcontainer, or it is nsinit's own; those before 2.0; those
/// from 2.0. A file of the other generation that has it gets a warning.
macro_rules! by {
    (all) => {
        "*"
    };
    (v1) => {
        "1"
    };
    (v2) => {
        "2"
    };
}

/// Keys of an object: first the plain ones, `all("name", where its value is)` or `v1`, `v2` (`by!`), then
/// those that something reads.
macro_rules! keys {
    ([$($plain:ident($plain_name:literal, $slot:expr)),* $(,)?],
     [$($by:ident($name:literal, $read:expr)),* $(,)?]$(,)?) => {
        $crate::front::libct::table::Keys {
            names: concat!(
                $($crate::front::libct::table::by!($plain), $plain_name, ",",)*
                $($crate::front::libct::table::by!($by), $name, ",",)*
            ),
            plain: &[$($slot),*],
            read: &[$($read),*],
        }
    };
}

pub(super) use {by, keys};

impl File<'_> {
    /// Reads the value of a plain key.
    pub fn fill(&mut self, slot: Place) -> Read {
        let had_cgroup = self.plan.cgroup.is_some();
        let value = self.json.value()?;
        let some = |text: &'static CStr| Some(text).filter(|text| !text.is_empty());
        // Whether it says something, or the number.
        let number = match (slot(self), value) {
            (Slot::Text(place), Value::Str(text)) => {
                *place = some(text);
                i64::from(!text.is_empty())
            }
            (Slot::Interface(place), Value::Str(text)) => {
                *place = some(text);
                return self.check_interface(text);
            }
            (Slot::Flag(place), Value::Bool(on)) => {
                *place = on;
                on.into()
            }
            (Slot::Text(_) | Slot::Interface(_), found) => {
                return Err(self.expected("a string", found));
            }
            (Slot::Flag(_), found) => return Err(self.expected("a boolean", found)),
            (Slot::U32(_), Value::Number(number)) => self.within(number, 0, u32::MAX.into())?,
            (slot, Value::Number(number)) => {
                let none = matches!(slot, Slot::Amount(_));
                let number = self.within(number, -1, i64::MAX)?;
                if none { number.max(0) } else { number }
            }
            (_, found) => return Err(self.expected("an integer", found)),
        };
        match slot(self) {
            Slot::U32(place) => *place = number as u32,
            Slot::Amount(place) => *place = Some(number as u64).filter(|n| *n != 0),
            Slot::Limit(place) => *place = Some(number).filter(|n| *n != 0),
            _ => {}
        }
        // The plan has one from the first key on that says something.
        if number == 0 && !had_cgroup {
            self.plan.cgroup = None;
        }
        Ok(())
    }
}
