//! The error of every room: what was being done, to what, and why not.
//!
//! An `Error` is one word, so that `?` costs a test and a jump and results fit into registers: the
//! words that it stands for, static or in the arena, are kept in a ring here.
//! Inside a room errors are plain errnos; context is added once, at the room's edge, with
//! `Context::doing`. It is printed once, by the launcher.

use core::ffi::CStr;
use core::fmt;
use core::num::NonZeroU32;

use heapless::HistoryBuf;
use rustix::io::Errno;
use rustix::process::Pid;

use crate::bytes::{Full, Show};
use crate::errno;
use crate::syscall::cstr::ThinCStr;
use crate::syscall::lock::Lock;

/// nsinit itself failed, or was asked wrongly (the convention of docker, podman, env, timeout).
pub const STATUS_NSINIT: u8 = 125;
/// The command was found but could not be executed.
pub const STATUS_NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub const STATUS_NOT_FOUND: u8 = 127;
/// Killed by signal n: 128 + n.
pub const STATUS_SIGNAL: u8 = 128;

/// The result of everything that can fail with words.
pub type Result<T> = core::result::Result<T, Error>;

/// A failure: the number of its story in the ring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(NonZeroU32);

/// The step, the object, the reason, and the exit status that they give.
#[derive(Clone, Copy)]
struct Story {
    /// The step, as an infinitive: "mount proc".
    doing: &'static str,
    on: Object,
    why: Why,
    status: u8,
}

/// What a step was done to.
#[derive(Clone, Copy, Debug, Default)]
pub enum Object {
    /// Nothing but the step itself.
    #[default]
    None,
    /// A name.
    Str(&'static str),
    /// A path or another C string.
    CStr(ThinCStr),
    /// A file beneath another: the second is relative to the first.
    Beneath(ThinCStr, &'static str),
    /// A number: a pid, a descriptor, a capability.
    Number(i64),
}

/// The reason of a failure.
#[derive(Clone, Copy, Debug)]
pub enum Why {
    /// The kernel's.
    Errno(Errno),
    /// The kernel's, and what it means here.
    Hint(Errno, &'static str),
    /// nsinit's own: what was asked can't be right.
    Refused(&'static str),
}

/// How many errors can be reported: the youngest. One is reported or dropped before a handful of others
/// is made.
const STORIES: usize = 1024;

struct Ring {
    stories: HistoryBuf<Story, STORIES>,
    /// Of all that were ever made.
    count: u32,
}

static RING: Lock<Ring> = Lock::new(Ring { stories: HistoryBuf::new(), count: 0 });

impl Story {
    #[cold]
    #[inline(never)]
    fn begin(self) -> Error {
        RING.with(|ring| {
            let number = NonZeroU32::MIN.saturating_add(ring.count);
            ring.count = ring.count.wrapping_add(1);
            ring.stories.write(self);
            Error(number)
        })
    }
}

// One small function for each kind of object, out of the way of what succeeds: its arguments are
// registers, and nothing is put together where the step is.
impl Error {
    /// nsinit refuses to do this.
    #[cold]
    #[inline(never)]
    pub fn refused(doing: &'static str, on: impl Into<Object>, why: &'static str) -> Error {
        Story { doing, on: on.into(), why: Why::Refused(why), status: STATUS_NSINIT }.begin()
    }

    /// The kernel refused.
    #[cold]
    #[inline(never)]
    pub fn errno(doing: &'static str, on: impl Into<Object>, errno: Errno) -> Error {
        Story { doing, on: on.into(), why: Why::Errno(errno), status: STATUS_NSINIT }.begin()
    }

    /// The same, with what the errno means here.
    #[cold]
    #[inline(never)]
    pub fn hint(self, hint: &'static str) -> Error {
        let story = self.story();
        match story.why {
            Why::Errno(errno) | Why::Hint(errno, _) => {
                Story { why: Why::Hint(errno, hint), ..story }.begin()
            }
            Why::Refused(_) => self,
        }
    }

    /// The same, with another exit status.
    #[cold]
    #[inline(never)]
    pub fn with_status(self, status: u8) -> Error {
        Story { status, ..self.story() }.begin()
    }

    /// The exit status of nsinit.
    pub fn status(self) -> u8 {
        self.story().status
    }

    /// What the step was done to.
    pub fn on(self) -> Object {
        self.story().on
    }

    /// The errno, where the kernel refused.
    #[cold]
    #[inline(never)]
    pub fn raw(self) -> Option<Errno> {
        match self.story().why {
            Why::Errno(errno) | Why::Hint(errno, _) => Some(errno),
            Why::Refused(_) => None,
        }
    }

    /// nsinit's own words: what the errno means here, or why it refuses; an empty text where there are none.
    #[cold]
    pub fn words(self) -> &'static str {
        match self.story().why {
            Why::Hint(_, words) | Why::Refused(words) => words,
            Why::Errno(_) => "",
        }
    }

    fn story(self) -> Story {
        const LOST: Story = Story {
            doing: "",
            on: Object::None,
            why: Why::Refused("an error that was not told in time"),
            status: STATUS_NSINIT,
        };
        RING.with(|ring| {
            let age = ring.count.wrapping_sub(self.0.get());
            let place = (self.0.get() - 1) as usize % STORIES;
            let story = ring.stories.as_slice().get(place).filter(|_| (age as usize) < STORIES);
            debug_assert!(story.is_some(), "an error was overwritten before it was reported");
            story.copied().unwrap_or(LOST)
        })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Story { doing, on, why, .. } = self.story();
        doing.fmt(f)?;
        if !(doing.is_empty() || matches!(on, Object::None)) {
            f.write_str(" ")?;
        }
        match on {
            Object::None => {}
            Object::Str(s) => Show(s.as_bytes()).fmt(f)?,
            Object::CStr(s) => Show(s.bytes()).fmt(f)?,
            Object::Beneath(dir, name) => {
                Show(dir.bytes()).fmt(f)?;
                f.write_str("/")?;
                f.write_str(name)?;
            }
            Object::Number(n) => n.fmt(f)?,
        }
        if !(doing.is_empty() && matches!(on, Object::None)) {
            f.write_str(": ")?;
        }
        match why {
            Why::Errno(errno) => errno::Text(errno).fmt(f),
            Why::Hint(errno, hint) => {
                errno::Text(errno).fmt(f)?;
                f.write_str(": ")?;
                hint.fmt(f)
            }
            Why::Refused(why) => why.fmt(f),
        }
    }
}

impl From<&'static str> for Object {
    fn from(s: &'static str) -> Object {
        Object::Str(s)
    }
}

impl From<&'static CStr> for Object {
    fn from(s: &'static CStr) -> Object {
        Object::CStr(s.into())
    }
}

impl From<(&'static CStr, &'static str)> for Object {
    fn from((dir, name): (&'static CStr, &'static str)) -> Object {
        Object::Beneath(dir.into(), name)
    }
}

impl From<Pid> for Object {
    fn from(pid: Pid) -> Object {
        Object::Number(pid.as_raw_pid().into())
    }
}

impl From<u32> for Object {
    fn from(number: u32) -> Object {
        Object::Number(number.into())
    }
}

impl From<()> for Object {
    fn from((): ()) -> Object {
        Object::None
    }
}

/// Adds words to an errno, at the edge of a room.
pub trait Context<T> {
    /// What was being done, to what.
    fn doing(self, doing: &'static str, on: impl Into<Object>) -> Result<T>;
}

impl<T> Context<T> for rustix::io::Result<T> {
    fn doing(self, doing: &'static str, on: impl Into<Object>) -> Result<T> {
        self.map_err(|errno| Error::errno(doing, on, errno))
    }
}

impl<T> Context<T> for core::result::Result<T, Full> {
    fn doing(self, doing: &'static str, on: impl Into<Object>) -> Result<T> {
        self.map_err(|Full| Error::refused(doing, on, "nsinit's memory for texts (4 MiB) is full"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_as_step_object_reason() {
        let show = |e: Error| e.to_string();
        assert_eq!(
            show(Error::errno("mount proc on", c"/proc", Errno::BUSY)),
            "mount proc on /proc: Device or resource busy (EBUSY)"
        );
        assert_eq!(
            show(Error::errno("fork", (), Errno::NOMEM).hint("the PID namespace is dying")),
            "fork: Cannot allocate memory (ENOMEM): the PID namespace is dying"
        );
        assert_eq!(
            show(Error::refused("", "container.json:1:2: tty", "expected a boolean")),
            "container.json:1:2: tty: expected a boolean"
        );
        assert_eq!(
            show(Error::errno("open", (c"/r", "dev"), Errno::LOOP)),
            "open /r/dev: Too many levels of symbolic links (ELOOP)"
        );
        assert_eq!(show(Error::refused("", (), "all is said")), "all is said");
        assert_eq!(show(Error::refused("signal", 7, "no")), "signal 7: no");
    }
}
