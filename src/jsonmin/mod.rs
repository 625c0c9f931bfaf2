//! A minimal JSON reader (RFC 8259): the caller pulls one token after the other.
//!
//! Nothing is allocated and nothing recurses. Strings are decoded in place, over their own escapes,
//! and their closing quote becomes the NUL of a C string: what the kernel needs is a part of the
//! text. Every token has a position. The language is strict, but for two things that files have:
//! a byte order mark is passed over, and `1.0` or `1e3` is an integer.

mod line;
mod number;
mod skip;
mod string;

use core::ffi::CStr;
use core::fmt;

pub use line::show_line;
pub use number::Number;

/// Deepest nesting: far above that of any configuration, and one bit each.
pub const DEPTH: u32 = 64;

/// A place in the text: line and column from 1, the column in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pos {
    /// Line, from 1; 0 is no place at all.
    pub line: u32,
    /// Byte of the line, from 1.
    pub col: u32,
}

impl fmt::Display for Pos {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}", i64::from(self.line), i64::from(self.col))
    }
}

/// The text can't be read on: `Reader::fault` says why. (It holds nothing itself, so that the
/// results of a hundred small readers fit into registers.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stop;

/// Why the text can't be read on, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fault {
    /// The first byte that is wrong, or the start of the token that is.
    pub pos: Pos,
    /// What is wrong.
    pub why: &'static str,
}

/// A value: whole, or an array or object that was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string without NUL inside.
    Str(&'a CStr),
    /// `[`: go on with `more`.
    Array,
    /// `{`: go on with `key`.
    Object,
}

impl Value<'_> {
    /// What it is, in the words of an error message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Str(_) => "a string",
            Value::Array => "an array",
            Value::Object => "an object",
        }
    }

    /// Whether it is what Go writes where nothing was set. Of an array or object, that is for its content
    /// to say.
    fn is_empty(&self) -> bool {
        match self {
            Value::Number(number) => number.as_i64() == Some(0),
            Value::Str(text) => text.is_empty(),
            other => !matches!(other, Value::Bool(true)),
        }
    }
}

/// The reader of one text.
pub struct Reader<'a> {
    /// What is not handed out as a string yet.
    rest: &'a mut [u8],
    /// The next byte in `rest`.
    at: usize,
    /// Bytes of the text before `rest`.
    before: usize,
    line: u32,
    /// Offset of the current line's first byte.
    line_start: usize,
    /// Where the last token began.
    token: Pos,
    depth: u32,
    /// One bit for each open level, the innermost lowest: 1 is an object.
    objects: u64,
    /// The innermost level has no member yet.
    fresh: bool,
    bom: bool,
    fault: Fault,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `text`.
    pub fn new(text: &'a mut [u8]) -> Reader<'a> {
        let bom = text.starts_with(b"\xef\xbb\xbf");
        let start = if bom { 3 } else { 0 };
        Reader {
            rest: text,
            at: start,
            before: 0,
            line: 1,
            line_start: start,
            token: Pos { line: 1, col: 1 },
            depth: 0,
            objects: 0,
            fresh: false,
            bom,
            fault: Fault::default(),
        }
    }

    /// Whether the text began with a byte order mark.
    pub fn bom(&self) -> bool {
        self.bom
    }

    /// Where the last token began: a value, a key, or the first wrong byte.
    pub fn pos(&self) -> Pos {
        self.token
    }

    /// Why the text can't be read on, if that is so.
    pub fn fault(&self) -> Option<Fault> {
        Some(self.fault).filter(|fault| !fault.why.is_empty())
    }

    /// Ends it, with a fault of the caller's finding.
    #[cold]
    #[inline(never)]
    pub fn stop(&mut self, pos: Pos, why: &'static str) -> Stop {
        self.fault = Fault { pos, why };
        Stop
    }

    /// Where the next token begins.
    pub fn next_pos(&mut self) -> Pos {
        self.peek();
        self.token
    }

    /// Whether only white space is left; if not, `pos` says where more begins.
    pub fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// The next value.
    pub fn value(&mut self) -> Result<Value<'a>, Stop> {
        let Some(first) = self.peek() else { return Err(self.ends()) };
        let value = match first {
            b'"' => Value::Str(self.string()?),
            b'{' => return self.open(true).map(|()| Value::Object),
            b'[' => return self.open(false).map(|()| Value::Array),
            b'-' | b'0'..=b'9' => Value::Number(self.number()?),
            b't' => self.word(b"true", Value::Bool(true))?,
            b'f' => self.word(b"false", Value::Bool(false))?,
            b'n' => self.word(b"null", Value::Null)?,
            b'/' => return Err(self.wrong("JSON has no comments")),
            _ => return Err(self.wrong("expected a value")),
        };
        self.fresh = false;
        Ok(value)
    }

    /// Takes a `null`, if that is the next value.
    pub fn null(&mut self) -> Result<bool, Stop> {
        Ok(self.peek() == Some(b'n') && self.value()? == Value::Null)
    }

    /// The next key of the object that `value` opened; `None` at its end.
    pub fn key(&mut self) -> Result<Option<&'a CStr>, Stop> {
        if !self.member(b'}', "expected a comma or }")? {
            return Ok(None);
        }
        match self.peek() {
            Some(b'"') => {}
            None => return Err(self.ends()),
            Some(_) => return Err(self.wrong("expected a key in double quotes")),
        }
        let token = self.token;
        let key = self.string()?;
        match self.peek() {
            Some(b':') => self.at += 1,
            None => return Err(self.ends()),
            Some(_) => return Err(self.wrong("expected a colon after the key")),
        }
        self.token = token;
        Ok(Some(key))
    }

    /// Whether the array that `value` opened has another element; `false` at its end.
    pub fn more(&mut self) -> Result<bool, Stop> {
        self.member(b']', "expected a comma or ]")
    }

    /// How many arrays and objects are open.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Goes to the next member of the innermost level, or closes it.
    fn member(&mut self, close: u8, expected: &'static str) -> Result<bool, Stop> {
        let Some(byte) = self.peek() else { return Err(self.ends()) };
        if byte == close {
            self.at += 1;
            self.depth = self.depth.saturating_sub(1);
            self.objects >>= 1;
            self.fresh = false;
            return Ok(false);
        }
        if self.fresh {
            return Ok(true);
        }
        if byte != b',' {
            return Err(self.wrong(expected));
        }
        let comma = self.token;
        self.at += 1;
        match self.peek() {
            Some(byte) if byte == close => Err(self.stop(comma, "a comma with nothing after it")),
            _ => Ok(true),
        }
    }

    fn open(&mut self, object: bool) -> Result<(), Stop> {
        if self.depth == DEPTH {
            return Err(self.wrong("nested more than 64 deep"));
        }
        self.at += 1;
        self.depth += 1;
        self.objects = self.objects << 1 | u64::from(object);
        self.fresh = true;
        Ok(())
    }

    fn word(&mut self, word: &[u8], value: Value<'a>) -> Result<Value<'a>, Stop> {
        let rest = self.rest.get(self.at..).unwrap_or(&[]);
        if !rest.starts_with(word) || rest.get(word.len()).is_some_and(u8::is_ascii_alphanumeric) {
            return Err(self.wrong("expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// The first byte that is not white space; the token begins there.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest.get(self.at..).unwrap_or(&[]);
        let mut found = None;
        let mut blanks = 0;
        for byte in rest {
            match byte {
                b' ' | b'\t' | b'\r' => {}
                b'\n' => {
                    self.line += 1;
                    self.line_start = self.before + self.at + blanks + 1;
                }
                byte => {
                    found = Some(*byte);
                    break;
                }
            }
            blanks += 1;
        }
        self.at += blanks;
        self.token = self.pos_of(self.at);
        found
    }

    /// The position of byte `at` of `rest`, in the current line.
    fn pos_of(&self, at: usize) -> Pos {
        Pos { line: self.line, col: (self.before + at - self.line_start) as u32 + 1 }
    }

    /// A fault of the token at hand.
    fn wrong(&mut self, why: &'static str) -> Stop {
        self.stop(self.token, why)
    }

    /// A fault of byte `at` of `rest`.
    fn wrong_at(&mut self, at: usize, why: &'static str) -> Stop {
        self.stop(self.pos_of(at), why)
    }

    fn ends(&mut self) -> Stop {
        self.wrong("the text ends before the value does")
    }
}

#[cfg(test)]
mod tests;
