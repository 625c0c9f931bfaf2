//! A writer of JSON.

use core::ffi::CStr;
use core::fmt::{self, Write};

/// Writes one document: short objects on one line, the rest a member a line.
pub(super) struct Json<'a> {
    out: &'a mut dyn Write,
    /// One bit for each open level, the innermost lowest: 1 has a member a line.
    broken: u32,
    /// The same: 1 is an object.
    objects: u32,
    depth: usize,
    /// The innermost level has no member yet.
    fresh: bool,
    /// A key was written: its value comes.
    keyed: bool,
}

impl<'a> Json<'a> {
    pub fn new(out: &'a mut dyn Write) -> Json<'a> {
        Json { out, broken: 0, objects: 0, depth: 0, fresh: true, keyed: false }
    }

    /// Opens an object `{` or an array `[`, as the value of a key or as an element.
    pub fn open(&mut self, bracket: char, broken: bool) -> fmt::Result {
        if self.depth > 0 {
            self.item()?;
        }
        self.out.write_char(bracket)?;
        self.broken = self.broken << 1 | u32::from(broken);
        self.objects = self.objects << 1 | u32::from(bracket == '{');
        self.depth += 1;
        self.fresh = true;
        self.keyed = false;
        Ok(())
    }

    /// Closes the innermost level.
    pub fn close(&mut self) -> fmt::Result {
        let (broken, object) = (self.broken & 1 == 1, self.objects & 1 == 1);
        self.depth = self.depth.saturating_sub(1);
        if broken && !self.fresh {
            self.line()?;
        }
        self.broken >>= 1;
        self.objects >>= 1;
        self.fresh = false;
        self.out.write_char(if object { '}' } else { ']' })
    }

    /// The end of the document.
    pub fn end(&mut self) -> fmt::Result {
        self.out.write_char('\n')
    }

    /// A key; its value is next.
    pub fn key(&mut self, name: &str) -> fmt::Result {
        self.item()?;
        self.keyed = true;
        write!(self.out, "\"{name}\": ")
    }

    /// A key that needs escapes.
    pub fn key_cstr(&mut self, name: &CStr) -> fmt::Result {
        self.item()?;
        self.keyed = true;
        self.cstr(name)?;
        self.out.write_str(": ")
    }

    /// What comes before a member: nothing for the value of a key.
    pub fn item(&mut self) -> fmt::Result {
        if core::mem::take(&mut self.keyed) {
            return Ok(());
        }
        let comma = !core::mem::take(&mut self.fresh);
        match self.broken & 1 == 1 {
            true => {
                self.out.write_str(if comma { "," } else { "" })?;
                self.line()
            }
            false => self.out.write_str(if comma { ", " } else { "" }),
        }
    }

    fn line(&mut self) -> fmt::Result {
        self.out.write_char('\n')?;
        (0..self.depth).try_for_each(|_| self.out.write_str("    "))
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, text: fmt::Arguments) -> fmt::Result {
        self.keyed = false;
        self.out.write_fmt(text)
    }

    /// A string value. What is not UTF-8 can't be one: U+FFFD stands for it.
    pub fn cstr(&mut self, text: &CStr) -> fmt::Result {
        self.cstrs(&[text])
    }

    /// A string value of these parts.
    pub fn cstrs(&mut self, parts: &[&CStr]) -> fmt::Result {
        self.out.write_char('"')?;
        for chunk in parts.iter().flat_map(|part| part.to_bytes().utf8_chunks()) {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => write!(self.out, "\\{c}")?,
                    c if c.is_control() => write!(self.out, "\\u{:04x}", u32::from(c))?,
                    c => self.out.write_char(c)?,
                }
            }
            if !chunk.invalid().is_empty() {
                self.out.write_char('\u{fffd}')?;
            }
        }
        self.keyed = false;
        self.out.write_char('"')
    }

    /// A key and its string, if there is one.
    pub fn opt(&mut self, name: &str, value: Option<&CStr>) -> fmt::Result {
        match value {
            None => Ok(()),
            Some(text) => {
                self.key(name)?;
                self.cstr(text)
            }
        }
    }

    /// A key and its number.
    pub fn number(&mut self, name: &str, value: i64) -> fmt::Result {
        self.key(name)?;
        self.raw(format_args!("{value}"))
    }

    /// A key and its number without sign.
    pub fn unsigned(&mut self, name: &str, value: u64) -> fmt::Result {
        self.key(name)?;
        self.raw(format_args!("{value}"))
    }

    /// A key and its boolean.
    pub fn bool(&mut self, name: &str, value: bool) -> fmt::Result {
        self.key(name)?;
        self.raw(format_args!("{value}"))
    }

    /// A key and a list of strings.
    pub fn strings<'s>(
        &mut self,
        name: &str,
        values: impl Iterator<Item = &'s CStr>,
    ) -> fmt::Result {
        self.key(name)?;
        self.open('[', true)?;
        for value in values {
            self.item()?;
            self.cstr(value)?;
        }
        self.close()
    }
}
