//! How a failure is told: one line, and for a fault in a file its line with a mark, on a terminal.

use core::ffi::CStr;
use core::fmt::Write;

use rustix::termios::isatty;

use super::load;
use crate::bytes::Arena;
use crate::error::Error;
use crate::front::libct::Fault;
use crate::jsonmin::{Pos, show_line};
use crate::say;
use crate::syscall::fd::stdio;
use crate::syscall::lock::Lock;

/// The last error that is a fault in a file, and its place there.
static FAULT: Lock<Option<(Error, &'static CStr, Pos)>> = Lock::new(None);

/// The error of a fault in the file at `path`, which `tell` will show.
pub fn in_file(fault: Fault, path: &'static CStr) -> Error {
    FAULT.with(|last| *last = Some((fault.error, path, fault.pos)));
    fault.error
}

/// Prints it; the exit status.
pub fn tell(error: Error, arena: &Arena) -> u8 {
    say::error(format_args!("{error}"));
    let [_, _, stderr] = stdio();
    if let Some((_, path, pos)) = FAULT.with(|last| last.filter(|(of, ..)| *of == error))
        && isatty(stderr)
        // Read anew: the text was decoded where it lay. If it can't be, the message stands.
        && let Ok(text) = load::read(path, arena)
    {
        let mut out = say::remark();
        let _ = show_line(&mut out as &mut dyn Write, text, pos);
        // A terminal that can't be written to can't be told.
        let _ = out.flush();
    }
    error.status()
}
