//! User and group ids: written as numbers or names, and lists of them.

use core::ffi::CStr;

use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::proc::lines::decimal;
use crate::syscall::memory::words;

/// Most supplementary groups of a process (include/uapi/linux/limits.h).
pub const NGROUPS_MAX: usize = 65536;
/// Ids end here, as in libcontainer (user.go, ErrRange): in a configuration and in the files.
const LAST: u64 = (1 << 31) - 1;

/// A name or a number.
#[derive(PartialEq, Eq, Debug)]
pub enum Id {
    /// Digits only: never looked up as a name, whatever a passwd file calls its users
    /// (CVE-2016-3697, CVE-2026-30892).
    Number(u32),
    /// Anything else.
    Name(&'static [u8]),
}

impl Id {
    /// Reads `text`; an error shows `whole`.
    pub fn parse(text: &'static [u8], whole: &'static CStr) -> Result<Id> {
        let refuse = |why| Err(Error::refused("look up user or group", whole, why));
        match text.first() {
            None => refuse("a name is empty"),
            Some(_) if text.iter().all(u8::is_ascii_digit) => match in_file(text) {
                Some(n) => Ok(Id::Number(n)),
                None => refuse("ids go from 0 to 2147483647"),
            },
            // What looks like a signed number must not become whom a hostile file says it is.
            Some(b'-' | b'+') => refuse("neither a name nor an id begins with a sign"),
            Some(_) if text.iter().any(|b| b":,\n".contains(b)) => {
                refuse("no name has a ':', a ',' or a newline")
            }
            Some(_) => Ok(Id::Name(text)),
        }
    }

    /// Whether `text` would be a name.
    pub fn is_name(text: &CStr) -> bool {
        !text.to_bytes().iter().all(u8::is_ascii_digit)
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&'static [u8]> {
        if let Id::Name(name) = self { Some(name) } else { None }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<u32> {
        if let Id::Number(n) = self { Some(*n) } else { None }
    }
}

/// An id as a field of a passwd or group file: digits, in range. Anything else is malformed.
pub fn in_file(text: &[u8]) -> Option<u32> {
    decimal(text).filter(|n| *n <= LAST).map(|n| n as u32)
}

/// A list of groups. Its memory comes out of the arena with the first one: as much as the kernel
/// takes, of which only the pages that are written to exist.
pub struct Groups<'a> {
    arena: &'a Arena,
    ids: &'static mut [u32],
    len: usize,
}

impl<'a> Groups<'a> {
    /// An empty list.
    pub fn new(arena: &'a Arena) -> Groups<'a> {
        Groups { arena, ids: &mut [], len: 0 }
    }

    /// Appends a group, unless it repeats the one before.
    pub fn push(&mut self, gid: u32) -> Result<()> {
        const DOING: &str = "collect the user's groups";
        if self.as_slice().last() == Some(&gid) {
            return Ok(());
        }
        if self.ids.is_empty() {
            // Three bytes more: the arena gives bytes, and words are aligned.
            self.ids = words(self.arena.take(NGROUPS_MAX * size_of::<u32>() + 3).doing(DOING, ())?);
        }
        let slot = self.ids.get_mut(self.len).filter(|_| self.len < NGROUPS_MAX);
        let full = || Error::refused(DOING, (), "there are more than 65536 (NGROUPS_MAX)");
        *slot.ok_or_else(full)? = gid;
        self.len += 1;
        Ok(())
    }

    /// The groups.
    pub fn as_slice(&self) -> &[u32] {
        self.ids.get(..self.len).unwrap_or(&[])
    }

    /// Where their memory comes from.
    pub fn arena(&self) -> &'a Arena {
        self.arena
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_number_and_never_a_name() {
        let parse = |text: &'static CStr| Id::parse(text.to_bytes(), text);
        let numbers = [
            (c"0", 0),
            (c"1", 1),
            (c"0010", 10),
            (c"1000", 1000),
            (c"2147483647", i32::MAX as u32),
        ];
        for (text, n) in numbers {
            assert_eq!(parse(text).unwrap(), Id::Number(n));
        }
        for text in [c"2147483648", c"4294967296", c"18446744073709551617", c"", c"-1", c"+0"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        for text in [c"0x0", c"1a", c"root", c" 1", c"1.0", c"1e3"] {
            assert_eq!(parse(text).unwrap(), Id::Name(text.to_bytes()));
        }
        for text in [c"a:b", c"a,b", c"a\nroot:x:0:0::/:"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_list_holds_what_the_kernel_takes_and_not_one_more() {
        let arena = Arena::new(Box::leak(vec![0; 1 << 20].into_boxed_slice()));
        let mut groups = Groups::new(&arena);
        for gid in 0..NGROUPS_MAX as u32 {
            groups.push(gid).unwrap();
        }
        assert_eq!(groups.as_slice().len(), NGROUPS_MAX);
        groups.push(NGROUPS_MAX as u32 - 1).unwrap();
        let error = groups.push(7).unwrap_err().to_string();
        assert!(error.contains("more than 65536 (NGROUPS_MAX)"), "{error}");
        assert_eq!(groups.as_slice()[..3], [0, 1, 2]);
    }
}
