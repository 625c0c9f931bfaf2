//! Strings: found, checked and decoded where they stand.

use core::ffi::CStr;

use super::{Reader, Stop};

impl<'a> Reader<'a> {
    /// The string whose opening quote is next.
    pub(super) fn string(&mut self) -> Result<&'a CStr, Stop> {
        let start = self.at + 1;
        let (end, escaped, ascii) = self.string_end(start)?;
        if !ascii {
            let raw = self.rest.get(start..end).unwrap_or(&[]);
            if let Err(error) = core::str::from_utf8(raw) {
                let at = start + error.valid_up_to();
                return Err(self.wrong_at(at, "not UTF-8"));
            }
        }
        let len = if escaped { self.decode(start, end)? } else { end - start };
        // From here on nothing fails: the text up to the closing quote leaves the reader for good.
        let (head, tail) = core::mem::take(&mut self.rest).split_at_mut(end + 1);
        self.rest = tail;
        self.before += end + 1;
        self.at = 0;
        if let Some(nul) = head.get_mut(start + len) {
            *nul = 0;
        }
        let bytes = head.get(start..=start + len).unwrap_or(&[]);
        CStr::from_bytes_with_nul(bytes).map_err(|_| self.wrong(NUL))
    }

    /// Where the closing quote is; whether there are escapes; whether all is ASCII.
    fn string_end(&mut self, start: usize) -> Result<(usize, bool, bool), Stop> {
        let (mut at, mut escaped, mut high) = (start, false, 0);
        loop {
            match self.rest.get(at) {
                Some(b'"') => return Ok((at, escaped, high < 0x80)),
                Some(b'\\') => {
                    escaped = true;
                    at += 1;
                }
                Some(0..=0x1f) => {
                    return Err(
                        self.wrong_at(at, "a control character in a string must be escaped")
                    );
                }
                Some(byte) => high |= byte,
                None => return Err(self.wrong("the string has no end")),
            }
            at += 1;
        }
    }

    /// Decodes the string between `start` and `end` over itself: no escape is shorter than what it
    /// stands for. Its length then.
    fn decode(&mut self, start: usize, end: usize) -> Result<usize, Stop> {
        let (mut from, mut to) = (start, start);
        while from < end {
            let mut utf8 = [0; 4];
            let (decoded, taken) = match self.rest.get(from..end) {
                Some([b'\\', b'u', ..]) => {
                    let (c, taken) = self.unicode(from, end)?;
                    (c.encode_utf8(&mut utf8).as_bytes(), taken)
                }
                Some([b'\\', escape, ..]) => {
                    let decoded = simple(*escape);
                    utf8[0] = decoded.ok_or_else(|| self.wrong_at(from, "no such escape"))?;
                    (&utf8[..1], 2)
                }
                Some([byte, ..]) => {
                    utf8[0] = *byte;
                    (&utf8[..1], 1)
                }
                _ => break,
            };
            if decoded == [0] {
                return Err(self.wrong_at(from, NUL));
            }
            if let Some(out) = self.rest.get_mut(to..to + decoded.len()) {
                out.copy_from_slice(decoded);
            }
            to += decoded.len();
            from += taken;
        }
        Ok(to - start)
    }

    /// The character of the `\u` escape at `at`, and the bytes that it takes: 12 for a pair.
    fn unicode(&mut self, at: usize, end: usize) -> Result<(char, usize), Stop> {
        let first = self.hex(at, end)?;
        let pair = self.rest.get(at + 6..end).is_some_and(|rest| rest.starts_with(b"\\u"));
        match first {
            0xd800..0xdc00 if pair => {
                let second = self.hex(at + 6, end)?;
                match second {
                    0xdc00..0xe000 => {
                        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        Ok((char::from_u32(code).unwrap_or('\u{fffd}'), 12))
                    }
                    _ => Err(self.wrong_at(at, LONE)),
                }
            }
            _ => Ok((char::from_u32(first).ok_or_else(|| self.wrong_at(at, LONE))?, 6)),
        }
    }

    /// The four digits of the `\u` escape at `at`.
    fn hex(&mut self, at: usize, end: usize) -> Result<u32, Stop> {
        let digits = self.rest.get(at + 2..at + 6).filter(|_| at + 6 <= end);
        let value = digits.and_then(|digits| {
            digits.iter().try_fold(0, |n, digit| Some(n << 4 | (*digit as char).to_digit(16)?))
        });
        value.ok_or_else(|| self.wrong_at(at, "\\u needs four hexadecimal digits"))
    }
}

const NUL: &str = "a string can't have a NUL inside: no path, name or argument has";
const LONE: &str = "half of a surrogate pair: not a character";

/// The escapes of one letter.
fn simple(escape: u8) -> Option<u8> {
    Some(match escape {
        b'"' | b'\\' | b'/' => escape,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}
