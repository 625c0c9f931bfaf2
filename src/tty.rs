//! Terminals: the container's pseudo-terminal, the caller's raw mode, and the pump between them.

use core::ffi::CStr;

use heapless::Vec;
use linux_raw_sys::general::DEVPTS_SUPER_MAGIC;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, fstat, fstatfs, makedev, open, openat};
use rustix::io::{self, Errno, fcntl_dupfd_cloexec, read, write};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::getpgrp;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{isatty, tcgetpgrp, tcgetwinsize, tcsetwinsize};

use crate::error::{Context, Result};
use crate::proc::fd_path;
use crate::syscall::fd::AsFd;
use crate::syscall::is_absent;
use crate::syscall::poll::poll_and_rest;
use crate::syscall::terminal::{Settings, set_settings, settings};

/// The caller's standard descriptors. They are open for as long as nsinit runs: `run` sees to it.
pub struct Stdio {
    /// Standard input.
    pub input: BorrowedFd<'static>,
    /// Standard output.
    pub output: BorrowedFd<'static>,
}

/// A new pseudo-terminal.
pub struct Pty {
    /// The launcher's side.
    pub master: OwnedFd,
    /// The container's side.
    pub slave: OwnedFd,
}

/// What opens a terminal and does not make it the own one.
const TERMINAL: OFlags = OFlags::RDWR.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl Pty {
    /// One of the host's devpts.
    pub fn open(stdio: &Stdio) -> Result<Pty> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        Pty::of(openpt(flags).doing("open a pseudo-terminal", c"/dev/ptmx")?, stdio)
    }

    /// One of the devpts whose top this directory of a container is. `None`: it is no devpts.
    pub fn open_in(devpts: BorrowedFd, stdio: &Stdio) -> Result<Option<Pty>> {
        const DOING: &str = "open a pseudo-terminal of the container";
        const PTMX: &CStr = c"/dev/pts/ptmx";
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let ptmx = match openat(devpts, c"ptmx", flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            ptmx => ptmx.doing(DOING, PTMX)?,
        };
        // To open a device is to do something with it: it is looked at before.
        let (found, system) =
            (fstat(&ptmx).doing(DOING, PTMX)?, fstatfs(&ptmx).doing(DOING, PTMX)?);
        let is_ptmx = found.st_rdev == makedev(5, 2)
            && FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice;
        if !is_ptmx || system.f_type as u32 != DEVPTS_SUPER_MAGIC {
            return Ok(None);
        }
        // That one, whatever has the name by now.
        let master = open(fd_path(ptmx.as_fd()).as_cstr(), TERMINAL, Mode::empty());
        Pty::of(master.doing(DOING, PTMX)?, stdio).map(Some)
    }

    /// Unlocked, with the window size of the caller's terminal if it has one: a command that asks for the
    /// size as its first act gets the right answer.
    fn of(master: OwnedFd, stdio: &Stdio) -> Result<Pty> {
        unlockpt(master.as_fd()).doing("unlock the pseudo-terminal", ())?;
        // By the master's descriptor, not by the name /dev/pts/N: nobody can swap a name.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(master.as_fd(), flags)
            .doing("open the slave of the pseudo-terminal", ())?;
        resize(master.as_fd(), stdio);
        Ok(Pty { master, slave })
    }
}

/// The slave as a detached mount, to be put on /dev/console. On kernels without open_tree(2) the slave
/// again. It is made in the mount namespace in which that was opened.
pub fn console(slave: BorrowedFd) -> Result<OwnedFd> {
    let tree = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    match open_tree(slave, c"", tree) {
        Err(errno) if is_absent(errno) => fcntl_dupfd_cloexec(slave, 3),
        console => console,
    }
    .doing("clone the mount of the console", ())
}

/// Gives the pty behind `master` the size of the caller's terminal.
pub fn resize(master: BorrowedFd<'_>, stdio: &Stdio) {
    for terminal in [&stdio.input, &stdio.output] {
        if let Ok(size) = tcgetwinsize(terminal) {
            // It can fail only if the pty is gone, and then nobody looks at its size.
            let _ = tcsetwinsize(master, size);
            return;
        }
    }
}

/// The caller's terminal in raw mode; as it was when this goes out of scope.
pub struct Raw {
    terminal: Option<(OwnedFd, Settings)>,
}

impl Raw {
    /// Raw mode on standard input, if it is a terminal and nsinit is in its foreground: from the
    /// background it would spoil the terminal of whoever is in front.
    pub fn enter(stdio: &Stdio) -> Result<Raw> {
        let Ok(before) = settings(stdio.input) else {
            return Ok(Raw { terminal: None });
        };
        if tcgetpgrp(stdio.input) != Ok(getpgrp()) {
            return Ok(Raw { terminal: None });
        }
        let terminal =
            fcntl_dupfd_cloexec(stdio.input.as_fd(), 3).doing("keep the terminal", ())?;
        set_settings(terminal.as_fd(), &before.raw()).doing("set the terminal raw", ())?;
        Ok(Raw { terminal: Some((terminal, before)) })
    }

    /// Whether the terminal is raw now.
    pub fn is_on(&self) -> bool {
        self.terminal.is_some()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some((terminal, before)) = &self.terminal {
            // A terminal that hung up has no mode to restore.
            let _ = set_settings(terminal.as_fd(), before);
        }
    }
}

/// Bytes that move at once: at most PIPE_BUF, so that a write that poll(2) allows does not block.
const CHUNK: usize = 4096;

/// More than a pty holds of what was written: 8 KiB on the way (drivers/tty/pty.c, pty_common_install) and
/// 4 KiB to be read (drivers/tty/n_tty.c, N_TTY_BUF_SIZE).
const HELD: usize = 64 << 10;

/// What is on its way in one direction.
struct Lane {
    buf: [u8; CHUNK],
    start: usize,
    end: usize,
    open: bool,
}

impl Lane {
    const fn new() -> Lane {
        Lane { buf: [0; CHUNK], start: 0, end: 0, open: true }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether more is to be read.
    fn reads(&self) -> bool {
        self.open && self.is_empty()
    }

    /// Reads once into the empty buffer. Its end or an error closes the lane; whether it was the end.
    fn fill(&mut self, from: BorrowedFd) -> bool {
        match read(from.as_fd(), &mut self.buf) {
            Ok(0) => {
                self.open = false;
                return true;
            }
            Ok(n) => (self.start, self.end) = (0, n),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // EIO: a terminal read from the background, or one that hung up. Nothing comes from here.
            Err(_) => self.open = false,
        }
        false
    }

    /// Writes once; a target that is gone swallows what was for it.
    fn drain(&mut self, to: BorrowedFd) {
        match write(to.as_fd(), &self.buf[self.start..self.end]) {
            Ok(n) => self.start += n,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.start = self.end,
        }
    }
}

/// One of the caller's descriptors.
struct Port {
    given: BorrowedFd<'static>,
    /// The same file by a description of nsinit's own, where a read or write does not wait. The caller's
    /// can't be made so: whoever else has it would find it changed.
    own: Option<OwnedFd>,
}

impl Port {
    fn new(given: BorrowedFd<'static>, access: OFlags) -> Port {
        let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // Of what else there is poll(2) tells what can be done without a wait.
        let own = isatty(given).then(|| open(fd_path(given).as_cstr(), flags, Mode::empty()).ok());
        Port { given, own: own.flatten() }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.own.as_ref().map_or(self.given, AsFd::as_fd)
    }
}

/// Moves bytes between the caller's standard descriptors and the master of a pty.
pub struct Pump {
    input: Port,
    output: Port,
    master: OwnedFd,
    /// Without it the master would hang up as soon as the command has closed its terminal, for as long as
    /// nobody opens it again.
    _slave: OwnedFd,
    keyboard: Lane,
    screen: Lane,
    last_typed: u8,
    /// Bytes that are still waited for when the command has ended.
    rest: usize,
}

impl Pump {
    /// A pump for this terminal.
    pub fn new(stdio: &Stdio, Pty { master, slave: _slave }: Pty) -> Result<Pump> {
        // Written only when poll says so, yet a full line buffer would block the whole launcher.
        rustix::fs::fcntl_setfl(master.as_fd(), OFlags::RDWR | OFlags::NONBLOCK)
            .doing("make the pseudo-terminal non-blocking", ())?;
        let (input, output) =
            (Port::new(stdio.input, OFlags::RDONLY), Port::new(stdio.output, OFlags::WRONLY));
        let (keyboard, screen) = (Lane::new(), Lane::new());
        Ok(Pump { input, output, master, _slave, keyboard, screen, last_typed: b'\n', rest: HELD })
    }

    /// Waits until a signal is there or something can be moved, and moves that; whether a signal is there.
    pub fn turn(&mut self, signals: BorrowedFd) -> io::Result<bool> {
        let when = |yes, flags| if yes { flags } else { PollFlags::empty() };
        // Of each lane either its source or its target.
        let read = when(self.screen.reads(), PollFlags::IN);
        let write = when(!self.keyboard.is_empty(), PollFlags::OUT);
        let [signal, input, output, master] = ready([
            (signals, PollFlags::IN),
            (self.input.fd(), when(self.keyboard.reads(), PollFlags::IN)),
            (self.output.fd(), when(!self.screen.is_empty(), PollFlags::OUT)),
            (self.master.as_fd(), read | write),
        ])?;
        let gone = PollFlags::HUP | PollFlags::ERR;
        if !input.is_empty() {
            self.read_keyboard();
        }
        if master.intersects(write | gone) && !write.is_empty() {
            self.keyboard.drain(self.master.as_fd());
        }
        if master.intersects(read | gone) && !read.is_empty() {
            self.screen.fill(self.master.as_fd());
        }
        if !output.is_empty() {
            self.screen.drain(self.output.fd());
        }
        Ok(!signal.is_empty())
    }

    /// The end of a piped standard input is what Ctrl-D is on a keyboard: VEOF, which ends a line,
    /// and once more to say "end" after an unfinished one.
    fn read_keyboard(&mut self) {
        const VEOF: u8 = 4;
        if self.keyboard.fill(self.input.fd()) {
            let count = if self.last_typed == b'\n' { 1 } else { 2 };
            self.keyboard.buf[..2].fill(VEOF);
            (self.keyboard.start, self.keyboard.end) = (0, count);
        } else if let Some(last) = self.keyboard.end.checked_sub(1) {
            self.last_typed = self.keyboard.buf[last];
        }
    }

    /// Whether the keyboard can still be read: not after its end, nor where it could not be read.
    pub fn reopen_keyboard(&mut self) {
        self.keyboard.open = true;
    }

    /// The master, for its window size.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// After the command's end: what it has written goes out, however slow the reader is. Who writes to the
    /// terminal even now is not waited for. `true` is a signal that comes meanwhile: call it again, or not.
    pub fn finish(&mut self, signals: BorrowedFd) -> io::Result<bool> {
        loop {
            if self.screen.is_empty() {
                if self.rest > 0 {
                    self.screen.fill(self.master.as_fd());
                }
                if self.screen.is_empty() {
                    return Ok(false);
                }
                self.rest = self.rest.saturating_sub(self.screen.end);
            }
            let [signal, output] =
                ready([(signals, PollFlags::IN), (self.output.fd(), PollFlags::OUT)])?;
            if !output.is_empty() {
                self.screen.drain(self.output.fd());
            }
            if !signal.is_empty() {
                return Ok(true);
            }
        }
    }
}

/// Waits for one of these events. Where none is wanted a descriptor is left out, as poll(2) tells a
/// hang-up to whoever names it: one that nobody minds would be ready for ever.
fn ready<const N: usize>(wanted: [(BorrowedFd, PollFlags); N]) -> io::Result<[PollFlags; N]> {
    let named = wanted.iter().filter(|(_, events)| !events.is_empty());
    let mut fds: Vec<PollFd, N> =
        named.map(|(fd, events)| PollFd::from_borrowed_fd(*fd, *events)).collect();
    match poll_and_rest(&mut fds) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno),
    }
    let mut found = fds.iter().map(PollFd::revents);
    Ok(wanted.map(|(_, events)| match events.is_empty() {
        true => PollFlags::empty(),
        false => found.next().unwrap_or(PollFlags::empty()),
    }))
}
