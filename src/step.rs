//! The step that a container's processes are at, in a page that the launcher shares with them: when
//! one of them dies before the command runs, the launcher can say where.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::bytes::Short;
use crate::syscall::memory::{PAGE, shared_page};

/// Longest step text.
const TEXT: usize = 120;

/// The shared note of the current step.
#[derive(Clone, Copy)]
pub struct Steps(&'static [AtomicU8; PAGE]);

impl Steps {
    /// A fresh one, before the fork.
    pub fn new() -> rustix::io::Result<Steps> {
        shared_page().map(Steps)
    }

    /// "I am about to …". A few bytes in memory: no system call.
    pub fn at(self, step: &'static str) {
        let text = &step.as_bytes()[..step.len().min(TEXT)];
        for (to, from) in self.0.iter().zip(text.iter().chain(&[0])) {
            to.store(*from, Ordering::Relaxed);
        }
    }

    /// The last step that was noted; empty before the first.
    pub fn last(self) -> Short<128> {
        let mut text = [0; TEXT];
        let mut len = 0;
        for (to, from) in text.iter_mut().zip(self.0) {
            *to = from.load(Ordering::Relaxed);
            if *to == 0 {
                break;
            }
            len += 1;
        }
        Short::new(format_args!("{}", core::str::from_utf8(&text[..len]).unwrap_or("")))
    }
}
