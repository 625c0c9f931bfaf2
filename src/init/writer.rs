//! Who writes init's messages: a process of its own for each batch of them.
//!
//! Standard error is mostly a pipe, and the command has it too. Nothing that the command may hold is written to
//! by init itself: a process that splices into the pipe, from a socket on which nothing comes, holds its lock
//! (pipe_lock in fs/splice.c), and neither poll nor RWF_NOWAIT sees that. Whoever waits for that lock waits
//! beyond SIGKILL, and as PID 1 would keep its whole PID namespace from being killed.

use rustix::io::{Errno, fcntl_getfd};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::Reaper;
use super::ending::{from_now, now};
use crate::say;
use crate::syscall::fd::stdio;
use crate::syscall::process::{Fork, NewNamespaces, exit_group, fork};
use crate::syscall::signal::{CHLD, KILL, SigSet, kill, sigtimedwait};

/// Milliseconds that the last messages before a stop or the end get.
const LAST: u64 = 1000;

impl Reaper<'_> {
    /// Has a process write what was said since, unless one still does.
    #[cold]
    #[inline(never)] // its frame would be part of the loop's
    pub fn write(&mut self) {
        let [.., stderr] = stdio();
        if self.writer.is_some() {
            return;
        }
        if fcntl_getfd(stderr).is_err() {
            return say::forget_kept();
        }
        // Where it can't be forked, what was said waits for the next look.
        match fork(NewNamespaces::empty()) {
            Ok(Fork::Child) => {
                say::write_kept();
                exit_group(0)
            }
            Ok(Fork::Parent(pid)) => {
                self.writer = Some(pid);
                say::forget_kept();
            }
            Err(_) => {}
        }
    }

    /// Whether that was who writes.
    #[inline(always)]
    pub fn wrote(&mut self, pid: Pid) -> bool {
        self.writer == Some(pid) && {
            self.writer = None;
            true
        }
    }

    /// Waits until all is written, for as long as the last messages get; who still writes then. Before a stop,
    /// while which nobody would have it written, and before the end.
    #[cold]
    #[inline(never)] // as above
    pub fn flush(&mut self) -> Option<Pid> {
        let until = now() + LAST;
        loop {
            if say::is_kept() {
                self.write();
            }
            let writer = self.writer?;
            // Of the others `reap` is to be told.
            match waitpid(Some(writer), WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::CHILD) => self.writer = None,
                Err(Errno::INTR) => {}
                Ok(None) | Err(_) => match from_now(until) {
                    0 => return Some(writer),
                    // EAGAIN: the time is up.
                    left => drop(sigtimedwait(SigSet::EMPTY.with(CHLD), Some(left))),
                },
            }
        }
    }

    /// The same before the end, after which nobody else would end who writes.
    #[cold]
    pub fn write_last(&mut self) {
        if let Some(writer) = self.flush() {
            // ESRCH: it has just ended.
            let _ = kill(writer, KILL);
        }
    }
}
