//! What the containers say, line by line with their name before it: to the console, to the kernel's
//! log, to a file of limited size. Nothing here blocks, and nothing here fails: what can't be kept is
//! lost, and that is said once.

use core::fmt::{self, Write};

use heapless::String;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat, rename};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::backlog::Backlog;
use super::unit::Unit;
use crate::boot::names::path;
use crate::bytes::{Short, split_by};
use crate::errno;
use crate::launch::CHUNK;
use crate::plan::service::{Keep, LOG_CONSOLE, LOG_FILE, LOG_KMSG};
use crate::syscall::fd::AsFd;
use crate::syscall::time::monotonic;
use crate::visible::{visible, whole};

/// Longest line in one piece: with its name it fits a record of the kernel's log
/// (PRINTKRB_RECORD_MAX is 1024, kernel/printk/printk.c).
const LINE: usize = 800;
/// Milliseconds that a launcher may take to read what the container has written: whoever holds the pipe's lock
/// for so long does it on purpose.
const HELD_UP: u64 = 10_000;
/// Bytes of a name, a level, and what goes between.
const HEAD: usize = 80;

/// What a container says, as its launcher passes it on (launch/relay.rs). Nothing inside has one of these
/// sockets: whoever shared a pipe with PID 1 could hold its lock, and so PID 1. Datagrams, as they have no
/// end: both ends stay open for good, whoever holds a copy of the other.
#[repr(C)]
pub struct Output {
    read: OwnedFd,
    write: OwnedFd,
    len: usize,
    /// When the launcher was about to read from the container and has not come back from it, in milliseconds
    /// of the clock that stands still in suspend; 0: never.
    reading: u64,
    /// The beginning of a line whose end has not come.
    held: [u8; LINE],
}

impl Output {
    /// A new one.
    pub fn new() -> rustix::io::Result<Output> {
        let (read, write) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        rustix::io::ioctl_fionbio(read.as_fd(), true)?;
        Ok(Output { read, write, reading: 0, held: [0; LINE], len: 0 })
    }

    /// When whoever has not come back by then is taken to be held up, in milliseconds; `None`: nobody is
    /// waited for.
    pub fn overdue(&self) -> Option<u64> {
        (self.reading != 0).then_some(self.reading + HELD_UP)
    }

    /// Its launcher is another, or none.
    pub fn forget_reading(&mut self) {
        self.reading = 0;
    }

    /// What to poll.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    /// The launcher's end.
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
        let mut piece = [0; CHUNK];
        let n = match rustix::io::read(output.read.as_fd(), &mut piece[..]) {
            Ok(n) => n,
            Err(_) => return false,
        };
        // An empty packet says that a read follows, any other that it is done.
        output.reading = if n == 0 { monotonic() } else { 0 };
        let text = piece.get(..n).unwrap_or(&[]);
        if text.is_empty() {
            return true;
        }
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
            let all = rest.is_empty();
            // The beginning of a character waits for the rest of it.
            let len = if all { output.len } else { whole(&output.held[..output.len]) };
            self.line(name, keep, &output.held[..len]);
            output.held.copy_within(len..output.len, 0);
            output.len -= len;
            if all {
                return;
            }
        }
    }

    /// One line of a container; as it is shown it may be longer than a record, and then comes in several.
    fn line(&mut self, name: &str, keep: &Keep, text: &[u8]) {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let mut shown = String::<LINE>::new();
        visible(text, &mut |piece| {
            let mut rest = piece;
            while shown.len() + rest.len() > LINE {
                let (fits, later) = rest.split_at(rest.floor_char_boundary(LINE - shown.len()));
                // It fits, and so does what is left below.
                let _ = shown.push_str(fits);
                self.record(name, keep, &shown);
                shown.clear();
                rest = later;
            }
            let _ = shown.push_str(rest);
        });
        self.record(name, keep, &shown);
    }

    /// A record of the kernel's log, and its like on the consoles.
    fn record(&mut self, name: &str, keep: &Keep, text: &str) {
        // kern.info of a user (syslog(2)): cut off for the console.
        const LEVEL: &str = "<14>";
        let mut line = String::<{ HEAD + LINE }>::new();
        // A name is shorter than what is left for it.
        let _ = writeln!(line, "{LEVEL}{name}: {text}");
        if keep.log & LOG_CONSOLE != 0 {
            self.backlog.push(line.as_bytes().get(LEVEL.len()..).unwrap_or(&[]));
        }
        if keep.log & LOG_KMSG != 0
            && let Some(kmsg) = self.kmsg()
        {
            // EAGAIN, EINVAL: the kernel does not want it, and the console may have it.
            let _ = rustix::io::write(kmsg.as_fd(), line.as_bytes());
        }
    }

    /// What nsinit itself has to say about a container: on the console whatever its file says, and
    /// where its own lines go.
    #[inline(never)]
    pub fn say(&mut self, unit: &Unit, text: fmt::Arguments) {
        let mut line = Short::<LINE>::default();
        // It is cut where it is too long.
        line.push(format_args!("nsinit: {text}"));
        let whole = Short::<{ LINE + 1 }>::new(format_args!("{}\n", line.as_str()));
        self.file(unit.label(), &unit.keep, whole.as_str().as_bytes());
        let shown = Keep { log: unit.keep.log | LOG_CONSOLE, ..unit.keep };
        self.line(unit.label(), &shown, line.as_str().as_bytes());
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
pub const PATHS: [&str; 2] = ["/run/nsinit/pid1/log/*", "/run/nsinit/pid1/log/*~"];

fn append(name: &str, most: u32, text: &[u8]) -> rustix::io::Result<()> {
    // Whoever has the directory to write to may have put a link there, or what takes its time.
    let safe = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | safe;
    let [own, old] = PATHS.map(|pattern| path(pattern, name.as_bytes()));
    let mode = Mode::RUSR | Mode::WUSR;
    let mut file = openat(CWD, own.as_cstr(), flags, mode)?;
    let found = fstat(file.as_fd())?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    if found.st_size as u64 + text.len() as u64 > u64::from(most) {
        rename(own.as_cstr(), old.as_cstr())?;
        file = openat(CWD, own.as_cstr(), flags, mode)?;
    }
    rustix::io::write(file.as_fd(), text).map(drop)
}
