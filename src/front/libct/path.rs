//! The path to a value, and other parts of the file in messages.

use core::ffi::CStr;
use core::fmt;

use crate::bytes::Show;

/// A step of the path to a value.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Key(&'static str),
    Name(&'static CStr),
    Index(usize),
}

/// A path as jq and error messages have it: `mount_config.mounts[2].source`.
pub(super) struct Path<'a>(pub &'a [Step]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            let dot = if n == 0 { "" } else { "." };
            match step {
                Step::Key(key) => write!(f, "{dot}{key}")?,
                Step::Name(name) => write!(f, "{dot}{}", Show(name.to_bytes()))?,
                Step::Index(n) => write!(f, "[{n}]")?,
            }
        }
        Ok(())
    }
}

/// A text of the file in a message.
pub(super) struct Quoted(pub &'static CStr);

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "\"{}\"", Show(self.0.to_bytes()))
    }
}
