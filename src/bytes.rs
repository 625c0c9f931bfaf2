//! Strings without a heap: an arena of static memory, and a fixed buffer that formats.

use core::cell::Cell;
use core::ffi::CStr;
use core::fmt::{self, Write};

/// Memory that is handed out once and never taken back: the text of container.json and the strings
/// that nsinit composes. Whatever it returns lives as long as the process.
pub struct Arena {
    free: Cell<&'static mut [u8]>,
}

/// The arena is used up. Its size is stated where it is made (`src/rt`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Arena {
    /// An arena over `memory`.
    pub fn new(memory: &'static mut [u8]) -> Arena {
        Arena { free: Cell::new(memory) }
    }

    /// `len` bytes.
    pub fn take(&self, len: usize) -> Result<&'static mut [u8], Full> {
        let free = self.free.take();
        if len > free.len() {
            self.free.set(free);
            return Err(Full);
        }
        let (taken, rest) = free.split_at_mut(len);
        self.free.set(rest);
        Ok(taken)
    }

    /// All that is left, to read something of unknown size into; give back what was not needed
    /// with `put_back`.
    pub fn take_all(&self) -> &'static mut [u8] {
        self.free.take()
    }

    /// Returns the unused end of what `take_all` gave.
    pub fn put_back(&self, rest: &'static mut [u8]) {
        self.free.set(rest);
    }

    /// A formatted C string. `Full` also where the text has a NUL inside.
    pub fn cstr(&self, text: fmt::Arguments) -> Result<&'static CStr, Full> {
        let mut out = Slice { bytes: self.take_all(), len: 0 };
        let fits = out.write_fmt(text).is_ok() && out.write_char('\0').is_ok();
        let (used, rest) = out.bytes.split_at_mut(out.len);
        self.put_back(rest);
        if fits { CStr::from_bytes_with_nul(used).map_err(|_| Full) } else { Err(Full) }
    }

    /// A formatted string.
    pub fn str(&self, text: fmt::Arguments) -> Result<&'static str, Full> {
        let mut out = Slice { bytes: self.take_all(), len: 0 };
        let fits = out.write_fmt(text).is_ok();
        let (used, rest) = out.bytes.split_at_mut(out.len);
        self.put_back(rest);
        if fits { core::str::from_utf8(used).map_err(|_| Full) } else { Err(Full) }
    }

    /// A C string of these parts, byte for byte (paths need not be UTF-8).
    pub fn concat(&self, parts: &[&[u8]]) -> Result<&'static CStr, Full> {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let out = self.take(len + 1)?;
        let mut at = 0;
        for part in parts {
            out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        out[len] = 0;
        CStr::from_bytes_with_nul(out).map_err(|_| Full)
    }
}

/// `fmt::Write` into a slice.
struct Slice {
    bytes: &'static mut [u8],
    len: usize,
}

impl Write for Slice {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// A C string of at most N-1 bytes on the stack, made by formatting: `/proc/self/fd/7`.
pub struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Short<N> {
    fn default() -> Self {
        Short { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Short<N> {
    /// The formatted text. Longer ones are a fault in nsinit, not in its input: N is chosen for
    /// the longest that the format can give.
    pub fn new(text: fmt::Arguments) -> Short<N> {
        let mut short = Short::default();
        let fits = short.push(text);
        debug_assert!(fits);
        short
    }

    /// Appends as much of the text as there is room for; whether that was all.
    pub fn push(&mut self, text: fmt::Arguments) -> bool {
        let mut cut = Cut { bytes: &mut self.bytes, len: &mut self.len };
        cut.write_fmt(text).is_ok()
    }

    /// The text as a C string.
    pub fn as_cstr(&self) -> &CStr {
        until_nul(&self.bytes).unwrap_or(c"")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.as_cstr().to_str().unwrap_or("")
    }
}

/// `fmt::Write` into the memory of a `Short`, whatever its N. One byte stays 0: the end of the C
/// string.
struct Cut<'a> {
    bytes: &'a mut [u8],
    len: &'a mut usize,
}

impl Write for Cut<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = self.bytes.len() - 1 - *self.len;
        let mut fits = s.len().min(room);
        while !s.is_char_boundary(fits) {
            fits -= 1;
        }
        for (to, from) in self.bytes.iter_mut().skip(*self.len).zip(s.bytes().take(fits)) {
            *to = from;
        }
        *self.len += fits;
        if fits == s.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// The parts of `text` that lie between `at` bytes, as `slice::split` gives them: one copy of the
/// code, where that has one for every closure.
pub fn split_by(text: &[u8], at: u8) -> Split<'_> {
    Split { rest: Some(text), at }
}

/// See `split_by`.
#[derive(Clone)]
pub struct Split<'a> {
    rest: Option<&'a [u8]>,
    at: u8,
}

impl<'a> Split<'a> {
    /// All that was not yet given; `None` after the last part.
    pub fn rest(self) -> Option<&'a [u8]> {
        self.rest
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest?;
        let len = text.iter().position(|byte| *byte == self.at).unwrap_or(text.len());
        self.rest = text.get(len + 1..);
        text.get(..len)
    }
}

/// Whether `word` is one of those that lie between `at` bytes in `list`.
#[inline(never)]
pub fn is_among(list: &[u8], at: u8, word: &[u8]) -> bool {
    split_by(list, at).any(|one| one == word)
}

/// The words of a constant text, with one space between them: a table of names in a fifth of the
/// room that a reference to each takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Names(pub &'static str);

impl Iterator for Names {
    type Item = &'static str;

    #[inline(never)]
    fn next(&mut self) -> Option<&'static str> {
        let len = split_by(self.0.as_bytes(), b' ').next().filter(|word| !word.is_empty())?.len();
        let (word, rest) = self.0.split_at_checked(len)?;
        self.0 = rest.get(1..).unwrap_or("");
        Some(word)
    }
}

impl Names {
    /// The one at this place, from 0.
    #[inline(never)]
    pub fn at(mut self, place: usize) -> Option<&'static str> {
        self.nth(place)
    }

    /// The place of `name`, from 0.
    #[inline(never)]
    pub fn place(self, name: &[u8]) -> Option<usize> {
        let mut words = self.0.as_bytes().split(|byte| *byte == b' ');
        words.position(|known| known == name && !name.is_empty())
    }
}

/// The same for C strings, each with its NUL.
#[derive(Clone, Copy, Debug)]
pub struct CNames(pub &'static str);

impl Iterator for CNames {
    type Item = &'static CStr;

    #[inline(never)]
    fn next(&mut self) -> Option<&'static CStr> {
        let name = until_nul(self.0.as_bytes())?;
        self.0 = self.0.get(name.count_bytes() + 1..).unwrap_or("");
        Some(name)
    }
}

impl CNames {
    /// The one at this place, from 0.
    #[inline(never)]
    pub fn at(mut self, place: usize) -> Option<&'static CStr> {
        self.nth(place)
    }
}

/// The C string that begins in `bytes`. `None`: it does not end there.
pub fn until_nul(bytes: &[u8]) -> Option<&CStr> {
    let first = split_by(bytes, 0).next()?;
    CStr::from_bytes_with_nul(bytes.get(..=first.len())?).ok()
}

/// Whether two names differ in nothing but the case of ASCII letters.
pub fn same_in_any_case(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// A number of digits only: no sign, no space, not empty. `None` also beyond 64 bits.
pub fn number(text: &[u8], radix: u32) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, byte| {
        n.checked_mul(radix.into())?.checked_add(char::from(*byte).to_digit(radix)?.into())
    })
}

/// Shows bytes that should be text: UTF-8 as it is, anything else and control characters escaped,
/// so that a hostile name can't drive the terminal.
pub struct Show<'a>(pub &'a [u8]);

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\t' => f.write_str("\\t"),
                    '\n' => f.write_str("\\n"),
                    '\r' => f.write_str("\\r"),
                    c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c)),
                    c => f.write_char(c),
                }?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena(len: usize) -> Arena {
        Arena::new(Box::leak(vec![0; len].into_boxed_slice()))
    }

    #[test]
    fn an_arena_holds_exactly_its_size() {
        let arena = arena(8);
        assert_eq!(arena.concat(&[b"abc", b"d"]), Ok(c"abcd"));
        assert!(arena.take(4).is_err());
        assert!(arena.take(3).is_ok());
        assert!(arena.take(1).is_err());
    }

    #[test]
    fn a_format_that_does_not_fit_is_refused_and_a_nul_too() {
        assert_eq!(arena(4).cstr(format_args!("abcd")), Err(Full));
        assert_eq!(arena(5).cstr(format_args!("abcd")), Ok(c"abcd"));
        assert_eq!(arena(9).cstr(format_args!("a\0b")), Err(Full));
    }

    #[test]
    fn split_is_what_the_standard_library_does() {
        for text in ["", "/", "a", "/a", "a/", "a//b", "//"] {
            let text = text.as_bytes();
            assert!(split_by(text, b'/').eq(text.split(|byte| *byte == b'/')), "{text:?}");
        }
    }

    #[test]
    fn names_are_found_by_place_and_the_other_way() {
        assert_eq!(Names("a bc").collect::<Vec<_>>(), ["a", "bc"]);
        assert_eq!(Names("").next(), None);
        assert_eq!((Names("a bc").place(b"bc"), Names("a bc").place(b"b")), (Some(1), None));
        assert_eq!(CNames("a\0\0bc\0").collect::<Vec<_>>(), [c"a", c"", c"bc"]);
        assert_eq!(CNames("a").next(), None);
    }

    #[test]
    fn a_c_string_ends_inside() {
        assert_eq!(until_nul(b"ab\0c\0"), Some(c"ab"));
        assert_eq!(until_nul(b"\0"), Some(c""));
        assert_eq!(until_nul(b"ab"), None);
        assert_eq!(until_nul(b""), None);
    }

    #[test]
    fn case_is_all_that_may_differ() {
        assert!(same_in_any_case(b"Cap_9", b"cAP_9"));
        assert!(!same_in_any_case(b"Cap_9", b"cAP_"));
        assert!(!same_in_any_case(b"a@", b"a`"));
    }

    #[test]
    fn short_keeps_its_nul() {
        let mut short = Short::<4>::new(format_args!("abc"));
        assert_eq!(short.as_cstr(), c"abc");
        assert!(!short.push(format_args!("d")));
    }

    #[test]
    fn show_escapes_what_a_terminal_would_obey() {
        assert_eq!(Show(b"a\x1b[31m\xffz").to_string(), "a\\u{1b}[31m\\xffz");
        let controls = (0..=255u8).map(char::from).filter(|c| c.is_control());
        for c in controls {
            assert_eq!(Show(c.to_string().as_bytes()).to_string(), c.escape_default().to_string());
        }
    }
}
