//! Everything that nsinit says: messages go to standard error and to the log file, answers go to
//! standard output. No heap: a line is put together in a fixed buffer and written in one piece, so
//! that the lines of two processes don't mix.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use rustix::fd::{IntoRawFd, OwnedFd};
use rustix::io::Errno;

use crate::error;
use crate::syscall::fd;
use crate::syscall::lock::Lock;

const STDOUT: i32 = 1;
const STDERR: i32 = 2;
/// Milliseconds that a slow line gets: a serial one takes some 10 characters in one.
const SLOW: i32 = 100;

/// Descriptors of the log file, and of the consoles of a machine but its main one; 0, which none ever
/// has, for none: a static that starts as zero needs no page of the file.
static LOGS: [AtomicI32; 3] = [const { AtomicI32::new(0) }; 3];

/// Messages are kept and not written.
static KEEP: AtomicBool = AtomicBool::new(false);
/// There are some.
static IS_KEPT: AtomicBool = AtomicBool::new(false);
/// Those.
static KEPT: Lock<heapless::Vec<u8, 4096>> = Lock::new(heapless::Vec::new());
/// Messages that found no room there.
static LOST: AtomicU32 = AtomicU32::new(0);

/// From now on messages are kept, for `write_kept`: in a process that may wait for nobody, whoever holds
/// standard error. One for which there is no room is lost, and the next one says how many were.
pub fn keep() {
    KEEP.store(true, Ordering::Relaxed);
}

/// Whether there are messages that nobody has written.
#[inline(always)]
pub fn is_kept() -> bool {
    IS_KEPT.load(Ordering::Relaxed)
}

/// Writes them to standard error, however long that may take.
pub fn write_kept() {
    KEPT.with(|kept| {
        let mut out = remark();
        out.write_bytes(kept);
        // Nobody is left to tell.
        let _ = out.flush();
    });
}

/// They are written, or need not be.
pub fn forget_kept() {
    KEPT.with(heapless::Vec::clear);
    IS_KEPT.store(false, Ordering::Relaxed);
}

fn add(text: fmt::Arguments) {
    let whole = KEPT.with(|kept| {
        let (len, lost) = (kept.len(), LOST.load(Ordering::Relaxed));
        let told = lost == 0
            || writeln!(kept, "nsinit: warning: {lost} messages were lost before").is_ok();
        let whole = told && writeln!(kept, "{text}").is_ok();
        if !whole {
            kept.truncate(len);
        }
        LOST.store(if whole { 0 } else { lost.saturating_add(1) }, Ordering::Relaxed);
        whole
    });
    if whole {
        IS_KEPT.store(true, Ordering::Relaxed);
    }
}

/// Messages go to this file too, from now on. To three, at most.
pub fn log_to(file: OwnedFd) {
    if let Some(log) = LOGS.iter().find(|log| log.load(Ordering::Relaxed) == 0) {
        log.store(file.into_raw_fd(), Ordering::Relaxed);
    }
}

/// No log from now on: whoever calls this closes its descriptor, whose number may become another's.
pub fn forget_log() {
    LOGS.iter().for_each(|log| log.store(0, Ordering::Relaxed));
}

/// A message: `nsinit: TEXT`.
pub fn error(text: fmt::Arguments) {
    line(format_args!("nsinit: {text}"));
}

/// A message as it is. That it can't be written is not worth dying for, and there is nobody left to tell.
pub fn line(text: fmt::Arguments) {
    if KEEP.load(Ordering::Relaxed) {
        return add(text);
    }
    for number in [STDERR].into_iter().chain(LOGS.iter().map(|log| log.load(Ordering::Relaxed))) {
        if number > 0 {
            let mut out = Output { fd: number, buf: [0; 1024], len: 0, result: Ok(()) };
            let _ = writeln!(out, "{text}");
            let _ = out.flush();
        }
    }
}

/// A message that does not end nsinit.
pub fn warning(text: fmt::Arguments) {
    error(format_args!("warning: {text}"));
}

/// Warns of what failed, where nsinit goes on without it.
pub fn failure(result: error::Result<()>) {
    if let Err(error) = result {
        warning(format_args!("{error}"));
    }
}

/// A buffered writer to standard output. `flush` it, and mind the result: `nsinit state >/dev/full`
/// must not end with 0.
pub fn answer() -> Output {
    Output { fd: STDOUT, buf: [0; 1024], len: 0, result: Ok(()) }
}

/// The same to standard error, for more than one line.
pub fn remark() -> Output {
    Output { fd: STDERR, buf: [0; 1024], len: 0, result: Ok(()) }
}

/// A buffered writer to a descriptor.
pub struct Output {
    fd: i32,
    buf: [u8; 1024],
    len: usize,
    result: Result<(), Errno>,
}

impl Output {
    /// Writes what is still in the buffer; the first error that any write met.
    pub fn flush(&mut self) -> Result<(), Errno> {
        let len = core::mem::take(&mut self.len);
        let mut rest = &self.buf[..len];
        while self.result.is_ok() && !rest.is_empty() {
            match fd::write(self.fd, rest) {
                Ok(n) => rest = rest.get(n..).unwrap_or(&[]),
                Err(Errno::INTR) => {}
                // A slow line: what it can't take in that time is lost, and it is not asked again.
                Err(Errno::AGAIN) if !fd::wait_writable(self.fd, SLOW) => {
                    self.result = Err(Errno::AGAIN)
                }
                Err(Errno::AGAIN) => {}
                Err(errno) => self.result = Err(errno),
            }
        }
        self.result
    }

    /// Appends bytes, whatever they are.
    pub fn write_bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.len == self.buf.len() {
                // The error stays in `result`, and later writes see it.
                let _ = self.flush();
            }
            let n = bytes.len().min(self.buf.len() - self.len);
            self.buf[self.len..self.len + n].copy_from_slice(&bytes[..n]);
            self.len += n;
            bytes = &bytes[n..];
        }
    }
}

impl Write for Output {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.write_bytes(s.as_bytes());
        Ok(())
    }
}
