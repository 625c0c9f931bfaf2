//! How a failure is told: one line, and for a fault in a file its line with a mark, on a terminal.

use core::ffi::CStr;

use rustix::termios::isatty;

use super::load;
use crate::bytes::Arena;
use crate::error::Error;
use crate::front::libct::Fault;
use crate::jsonmin::{Pos, show_line};
use crate::say;
use crate::syscall::fd::stdio;

/// Why a verb failed, and the place in a file, if it is one's fault.
pub struct Failure {
    error: Error,
    source: Option<(&'static CStr, Pos)>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, source: None }
    }
}

impl Failure {
    /// A fault in the file at `path`; `None` for a text that came from elsewhere.
    pub fn in_file(fault: Fault, path: Option<&'static CStr>) -> Failure {
        Failure { error: fault.error, source: path.map(|path| (path, fault.pos)) }
    }

    /// Prints it; the exit status.
    pub fn tell(&self, arena: &Arena) -> u8 {
        say::error(format_args!("{}", self.error));
        let [_, _, stderr] = stdio();
        if let Some((path, pos)) = self.source
            && isatty(stderr)
        {
            // Read anew, and only for this: the text was decoded where it lay. If it can't be, the
            // message stands.
            let memory = arena.take_all();
            let len = load::read_into(path, memory).unwrap_or(0);
            let mut out = say::remark();
            let _ = show_line(&mut out, memory.get(..len).unwrap_or(&[]), pos);
            // A terminal that can't be written to can't be told.
            let _ = out.flush();
            arena.put_back(memory);
        }
        self.error.status()
    }
}
