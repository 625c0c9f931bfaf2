//! A writer of JSON.

use core::ffi::CStr;
use core::fmt::{self, Write};

/// Writes one document: short objects on one line, the rest a member a line.
pub struct Json<'a> {
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
    /// All on one line.
    flat: bool,
    /// The first error of `out`, for `end` to tell: a writer of many small pieces need not ask.
    result: fmt::Result,
}

impl<'a> Json<'a> {
    /// A document of many lines.
    pub fn new(out: &'a mut dyn Write) -> Json<'a> {
        let (broken, objects, depth, result) = (0, 0, 0, Ok(()));
        Json { out, broken, objects, depth, fresh: true, keyed: false, flat: false, result }
    }

    /// A document of one line.
    pub fn line(out: &'a mut dyn Write) -> Json<'a> {
        Json { flat: true, ..Json::new(out) }
    }

    fn put(&mut self, text: &str) {
        self.result = self.result.and_then(|()| self.out.write_str(text));
    }

    fn format(&mut self, text: fmt::Arguments) {
        self.result = self.result.and_then(|()| self.out.write_fmt(text));
    }

    /// Opens an object `{` or an array `[`, as the value of a key or as an element.
    pub fn open(&mut self, bracket: char, broken: bool) {
        if self.depth > 0 {
            self.item();
        }
        let object = bracket == '{';
        self.put(if object { "{" } else { "[" });
        self.broken = self.broken << 1 | u32::from(broken && !self.flat);
        self.objects = self.objects << 1 | u32::from(object);
        self.depth += 1;
        self.fresh = true;
        self.keyed = false;
    }

    /// A key, and its object or array opened with a member a line.
    pub fn begin(&mut self, name: &str, bracket: char) {
        self.key(name);
        self.open(bracket, true);
    }

    /// Closes the innermost level.
    pub fn close(&mut self) {
        let (broken, object) = (self.broken & 1 == 1, self.objects & 1 == 1);
        self.depth = self.depth.saturating_sub(1);
        if broken && !self.fresh {
            self.indent();
        }
        self.broken >>= 1;
        self.objects >>= 1;
        self.fresh = false;
        self.put(if object { "}" } else { "]" });
    }

    /// The end of the document, and whether all of it was written.
    pub fn end(mut self) -> fmt::Result {
        self.put("\n");
        self.result
    }

    /// A key; its value is next.
    pub fn key(&mut self, name: &str) {
        self.item();
        self.keyed = true;
        self.format(format_args!("\"{name}\""));
        self.colon();
    }

    /// A key that needs escapes.
    pub fn key_cstr(&mut self, name: &CStr) {
        self.item();
        self.cstr(name);
        self.keyed = true;
        self.colon();
    }

    fn colon(&mut self) {
        self.put(if self.flat { ":" } else { ": " });
    }

    /// What comes before a member: nothing for the value of a key.
    pub fn item(&mut self) {
        if core::mem::take(&mut self.keyed) {
            return;
        }
        let comma = !core::mem::take(&mut self.fresh);
        let broken = self.broken & 1 == 1;
        match (comma, broken) {
            (true, false) if !self.flat => self.put(", "),
            (true, _) => self.put(","),
            (false, _) => {}
        }
        if broken {
            self.indent();
        }
    }

    fn indent(&mut self) {
        self.put("\n");
        (0..self.depth).for_each(|_| self.put("    "));
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, text: fmt::Arguments) {
        self.keyed = false;
        self.format(text);
    }

    /// A string value. What is not UTF-8 can't be one: U+FFFD stands for it.
    pub fn cstr(&mut self, text: &CStr) {
        self.bytes(&[text.to_bytes()]);
    }

    /// A string value of these parts.
    pub fn bytes(&mut self, parts: &[&[u8]]) {
        self.put("\"");
        for chunk in parts.iter().flat_map(|part| part.utf8_chunks()) {
            for c in chunk.valid().chars() {
                match c {
                    '"' => self.put("\\\""),
                    '\\' => self.put("\\\\"),
                    c if c.is_control() => self.format(format_args!("\\u{:04x}", u32::from(c))),
                    c => self.put(c.encode_utf8(&mut [0; 4])),
                }
            }
            if !chunk.invalid().is_empty() {
                self.put("\u{fffd}");
            }
        }
        self.keyed = false;
        self.put("\"");
    }

    /// A key and its string, if there is one.
    pub fn opt(&mut self, name: &str, value: Option<&CStr>) {
        if let Some(text) = value {
            self.key(name);
            self.cstr(text);
        }
    }

    /// A key and its number.
    pub fn number(&mut self, name: &str, value: i64) {
        self.key(name);
        self.raw(format_args!("{value}"));
    }

    /// A key and its number without sign.
    pub fn unsigned(&mut self, name: &str, value: u64) {
        self.key(name);
        self.raw(format_args!("{value}"));
    }

    /// A key and its boolean.
    pub fn bool(&mut self, name: &str, value: bool) {
        self.key(name);
        self.keyed = false;
        self.put(if value { "true" } else { "false" });
    }

    /// A key and a list of strings.
    pub fn strings<'s>(&mut self, name: &str, values: impl Iterator<Item = &'s CStr>) {
        self.begin(name, '[');
        for value in values {
            self.item();
            self.cstr(value);
        }
        self.close();
    }
}
