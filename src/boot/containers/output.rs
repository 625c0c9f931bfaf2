//! What the containers say, line by line with their name before it: to the console, to the kernel's
//! log, to a file of limited size. Nothing here blocks, and nothing here fails: what can't be kept is
//! lost, and that is said once.

use core::fmt::{self, Write};

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat, rename};
use rustix::pipe::{PipeFlags, pipe_with};

use super::backlog::Backlog;
use super::unit::Unit;
use crate::boot::names::path;
use crate::bytes::split_by;
use crate::errno;
use crate::plan::service::{Keep, LOG_CONSOLE, LOG_FILE, LOG_KMSG};
use crate::syscall::fd::AsFd;

/// Longest line in one piece: with its name it fits a record of the kernel's log
/// (PRINTKRB_RECORD_MAX is 1024, kernel/printk/printk.c).
const LINE: usize = 800;
/// As much is read at once: others want to be heard, too.
const PIECE: usize = 4096;
/// Bytes of a name, a level, and what goes between.
const HEAD: usize = 80;

/// The pipe of a container's standard output and error. Both ends stay open for good: there is no
/// end to it, whoever holds a copy of the other.
#[repr(C)]
pub struct Output {
    read: OwnedFd,
    write: OwnedFd,
    len: usize,
    /// The beginning of a line whose end has not come.
    held: [u8; LINE],
}

impl Output {
    /// A new one.
    pub fn new() -> rustix::io::Result<Output> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(read.as_fd(), true)?;
        Ok(Output { read, write, held: [0; LINE], len: 0 })
    }

    /// What to poll.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    /// The container's end.
    pub fn end(&self) -> BorrowedFd<'_> {
        self.write.as_fd()
    }
}

/// Where lines go.
pub struct Sinks<'a> {
    /// To the consoles.
    pub backlog: &'a mut Backlog,
    kmsg: Option<OwnedFd>,
    /// It was opened, or can't be.
    tried: bool,
    /// It was said that a file can't be written.
    lossy: bool,
}

impl<'a> Sinks<'a> {
    /// To the consoles by way of this.
    pub fn new(backlog: &'a mut Backlog) -> Sinks<'a> {
        Sinks { backlog, kmsg: None, tried: false, lossy: false }
    }

    /// Reads what a container has said; whether there was anything.
    // Its buffers would stay in the frame of the loop.
    #[inline(never)]
    pub fn pump(&mut self, unit: &mut Unit) -> bool {
        let Unit { output: Some(output), keep, name, .. } = unit else { return false };
        let name = name.to_str().unwrap_or("?");
        let mut piece = [0; PIECE];
        let n = match rustix::io::read(output.read.as_fd(), &mut piece[..]) {
            Ok(n @ 1..) => n,
            _ => return false,
        };
        let text = piece.get(..n).unwrap_or(&[]);
        self.file(name, keep, text);
        let mut parts = split_by(text, b'\n').peekable();
        while let Some(part) = parts.next() {
            let ends = parts.peek().is_some();
            self.part(name, keep, output, part, ends);
        }
        true
    }

    /// All that is still to come of one that has ended, its last line without an end included.
    pub fn drain(&mut self, unit: &mut Unit) {
        // Something that outlives its container could go on for ever.
        const ROUNDS: usize = 64;
        (0..ROUNDS).take_while(|_| self.pump(unit)).for_each(drop);
        if let Unit { output: Some(output), keep, name, .. } = unit
            && output.len > 0
        {
            self.line(name.to_str().unwrap_or("?"), keep, &output.held[..output.len]);
            output.len = 0;
        }
    }

    /// A part of a line, behind what is held of it.
    fn part(&mut self, name: &str, keep: &Keep, output: &mut Output, part: &[u8], ends: bool) {
        let mut rest = part;
        loop {
            let fits = rest.len().min(LINE - output.len);
            let (now, later) = rest.split_at(fits);
            output.held[output.len..output.len + fits].copy_from_slice(now);
            output.len += fits;
            rest = later;
            let full = output.len == LINE;
            if !(full && !rest.is_empty() || ends && rest.is_empty()) {
                return;
            }
            let len = core::mem::take(&mut output.len);
            self.line(name, keep, &output.held[..len]);
            if rest.is_empty() {
                return;
            }
        }
    }

    /// One line of a container; in two, if it has many control characters.
    fn line(&mut self, name: &str, keep: &Keep, text: &[u8]) {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let fits = |len: &mut usize, byte: &u8| {
            *len += 1 + usize::from(is_control(*byte));
            Some(*len <= LINE)
        };
        let half = text.iter().scan(0, fits).take_while(|fits| *fits).count();
        let (first, second) = text.split_at(half);
        self.record(name, keep, first);
        if !second.is_empty() {
            self.record(name, keep, second);
        }
    }

    /// A record of the kernel's log, and its like on the consoles.
    fn record(&mut self, name: &str, keep: &Keep, text: &[u8]) {
        let mut line = Line { bytes: [0; HEAD + LINE], len: 0 };
        // kern.info of a user (syslog(2)): cut off for the console.
        let _ = write!(line, "<14>{name}: ");
        for byte in text {
            // In caret notation: no container drives the terminal.
            let caret = [b'^', byte ^ 64];
            line.push(if is_control(*byte) { &caret } else { core::slice::from_ref(byte) });
        }
        line.push(b"\n");
        let whole = line.bytes.get(..line.len).unwrap_or(&[]);
        if keep.log & LOG_CONSOLE != 0 {
            self.backlog.push(whole.get(4..).unwrap_or(&[]));
        }
        if keep.log & LOG_KMSG != 0
            && let Some(kmsg) = self.kmsg()
        {
            // EAGAIN, EINVAL: the kernel does not want it, and the console may have it.
            let _ = rustix::io::write(kmsg.as_fd(), whole);
        }
    }

    /// What nsinit itself has to say about a container: on the console whatever its file says, and
    /// where its own lines go.
    #[inline(never)]
    pub fn say(&mut self, unit: &Unit, text: fmt::Arguments) {
        let mut line = Line { bytes: [0; HEAD + LINE], len: 0 };
        // It is cut where it is too long.
        let _ = writeln!(line, "nsinit: {text}");
        let len = line.len;
        self.file(unit.label(), &unit.keep, line.bytes.get(..len).unwrap_or(&[]));
        let shown = Keep { log: unit.keep.log | LOG_CONSOLE, ..unit.keep };
        self.line(unit.label(), &shown, line.bytes.get(..len.saturating_sub(1)).unwrap_or(&[]));
    }

    /// The kernel's log. It takes ten lines in five seconds of each process unless it is told to
    /// take all (printk_devkmsg in Documentation/admin-guide/sysctl/kernel.rst), and throws the others
    /// away without a word.
    fn kmsg(&mut self) -> Option<&OwnedFd> {
        if !core::mem::replace(&mut self.tried, true) {
            let write = |path, text: &[u8]| {
                let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let file = openat(CWD, path, flags, Mode::empty())?;
                if !text.is_empty() {
                    rustix::io::write(file.as_fd(), text)?;
                }
                Ok::<_, rustix::io::Errno>(file)
            };
            if write(c"/proc/sys/kernel/printk_devkmsg", b"on\n").is_err() {
                self.backlog.push(
                    b"nsinit: warning: the kernel's log takes ten lines in five seconds and no more: \
                      boot with printk.devkmsg=on\n",
                );
            }
            self.kmsg = write(c"/dev/kmsg", b"").ok();
        }
        self.kmsg.as_ref()
    }

    /// Appends to a container's file; where that is full, it becomes the old one.
    fn file(&mut self, name: &str, keep: &Keep, text: &[u8]) {
        if keep.log & LOG_FILE == 0 {
            return;
        }
        if let Err(errno) = append(name, keep.log_size, text)
            && !core::mem::replace(&mut self.lossy, true)
        {
            let errno = errno::Text(errno);
            // A backlog takes everything.
            let _ = writeln!(
                self.backlog,
                "nsinit: warning: write the log of {name}: {errno}: lines are lost"
            );
        }
    }
}

/// The path of a container's log, and of the one before it, which is no container's name.
pub const PATHS: [&str; 2] = ["/run/nsinit/log/*", "/run/nsinit/log/*~"];

fn append(name: &str, most: u32, text: &[u8]) -> rustix::io::Result<()> {
    // Whoever has the directory to write to may have put a pipe there, or a link.
    let safe = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | safe;
    let [own, old] = PATHS.map(|pattern| path(pattern, name.as_bytes()));
    let mode = Mode::RUSR | Mode::WUSR;
    let mut file = openat(CWD, own.as_cstr(), flags, mode)?;
    if fstat(file.as_fd())?.st_size as u64 + text.len() as u64 > u64::from(most) {
        rename(own.as_cstr(), old.as_cstr())?;
        file = openat(CWD, own.as_cstr(), flags, mode)?;
    }
    rustix::io::write(file.as_fd(), text).map(drop)
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// A line in the making; what does not fit is cut.
struct Line {
    bytes: [u8; HEAD + LINE],
    len: usize,
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(self.len).zip(bytes) {
            *to = *from;
            self.len += 1;
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push(s.as_bytes());
        Ok(())
    }
}
