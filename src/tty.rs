//! Terminals: the container's pseudo-terminal, the caller's raw mode, and the pump between them.

use rustix::event::{PollFd, PollFlags};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::{Errno, fcntl_dupfd_cloexec, read, write};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::getpgrp;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{tcgetpgrp, tcgetwinsize, tcsetwinsize};

use crate::error::{Context, Result};
use crate::syscall::fd::AsFd;
use crate::syscall::is_absent;
use crate::syscall::terminal::{Settings, set_settings, settings};

/// The caller's standard descriptors. They are open for as long as nsinit runs: `run` sees to it.
pub struct Stdio {
    /// Standard input.
    pub input: BorrowedFd<'static>,
    /// Standard output.
    pub output: BorrowedFd<'static>,
}

/// A new pseudo-terminal of the host's devpts.
pub struct Pty {
    /// The launcher's side.
    pub master: OwnedFd,
    /// The container's side.
    pub slave: OwnedFd,
    /// The slave as a detached mount, to be put on /dev/console. On kernels without open_tree(2)
    /// the slave again.
    pub console: OwnedFd,
}

impl Pty {
    /// Opens a pair, unlocked, with the window size of the caller's terminal if it has one: a
    /// command that asks for the size as its first act gets the right answer.
    pub fn open(stdio: &Stdio) -> Result<Pty> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).doing("open a pseudo-terminal", c"/dev/ptmx")?;
        unlockpt(master.as_fd()).doing("unlock the pseudo-terminal", ())?;
        // By the master's descriptor, not by the name /dev/pts/N: nobody can swap a name.
        let slave =
            ioctl_tiocgptpeer(master.as_fd(), flags).doing("open the slave of", c"/dev/ptmx")?;
        // A mount is made from a descriptor only in the mount namespace where it was opened, which
        // the container has left by the time that it wants its console: so it is made here.
        let tree = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let console = match open_tree(slave.as_fd(), c"", tree) {
            Err(errno) if is_absent(errno) => fcntl_dupfd_cloexec(slave.as_fd(), 3),
            console => console,
        }
        .doing("clone the mount of the console", ())?;
        let pty = Pty { master, slave, console };
        pty.resize(stdio);
        Ok(pty)
    }

    /// Gives the pty the size of the caller's terminal. Without one it stays as it is.
    pub fn resize(&self, stdio: &Stdio) {
        resize(self.master.as_fd(), stdio);
    }
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

    /// Reads once into the empty buffer; the end of the source closes the lane.
    fn fill(&mut self, from: BorrowedFd) {
        match read(from.as_fd(), &mut self.buf) {
            Ok(0) => self.open = false,
            Ok(n) => (self.start, self.end) = (0, n),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // EIO: a master whose slave nobody has open any more, or a terminal read from the
            // background. Either way nothing comes from here.
            Err(_) => self.open = false,
        }
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

/// Moves bytes between the caller's standard descriptors and the master of a pty.
pub struct Pump<'a> {
    stdio: &'a Stdio,
    master: OwnedFd,
    keyboard: Lane,
    screen: Lane,
    last_typed: u8,
}

impl<'a> Pump<'a> {
    /// A pump for this master.
    pub fn new(stdio: &'a Stdio, master: OwnedFd) -> Result<Pump<'a>> {
        // Written only when poll says so, yet a full line buffer would block the whole launcher.
        rustix::fs::fcntl_setfl(master.as_fd(), OFlags::RDWR | OFlags::NONBLOCK)
            .doing("make the pseudo-terminal non-blocking", ())?;
        let (keyboard, screen) = (Lane::new(), Lane::new());
        Ok(Pump { stdio, master, keyboard, screen, last_typed: b'\n' })
    }

    /// What to poll for: each lane either its source or its target.
    pub fn interest(&self) -> [PollFd<'_>; 3] {
        let want = |yes, flags| if yes { flags } else { PollFlags::empty() };
        let mut master = want(self.screen.open && self.screen.is_empty(), PollFlags::IN);
        master |= want(!self.keyboard.is_empty(), PollFlags::OUT);
        let input = want(self.keyboard.open && self.keyboard.is_empty(), PollFlags::IN);
        let output = want(!self.screen.is_empty(), PollFlags::OUT);
        [
            PollFd::from_borrowed_fd(self.stdio.input.as_fd(), input),
            PollFd::from_borrowed_fd(self.stdio.output.as_fd(), output),
            PollFd::from_borrowed_fd(self.master.as_fd(), master),
        ]
    }

    /// Moves what can be moved, by the events that poll returned for `interest`.
    pub fn step(&mut self, [input, output, master]: [PollFlags; 3]) {
        let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        let writable = PollFlags::OUT | PollFlags::ERR | PollFlags::HUP;
        if self.keyboard.open && self.keyboard.is_empty() && input.intersects(readable) {
            self.keyboard.fill(self.stdio.input);
            match self.keyboard.end.checked_sub(1) {
                Some(last) if self.keyboard.open => self.last_typed = self.keyboard.buf[last],
                _ => self.end_of_input(),
            }
        }
        if !self.keyboard.is_empty() && master.intersects(writable) {
            self.keyboard.drain(self.master.as_fd());
        }
        if self.screen.open && self.screen.is_empty() && master.intersects(readable) {
            self.screen.fill(self.master.as_fd());
        }
        if !self.screen.is_empty() && output.intersects(writable) {
            self.screen.drain(self.stdio.output);
        }
    }

    /// The end of a piped standard input is what Ctrl-D is on a keyboard: VEOF, which ends a line,
    /// and once more to say "end" after an unfinished one.
    fn end_of_input(&mut self) {
        const VEOF: u8 = 4;
        if self.keyboard.open {
            return;
        }
        let count = if self.last_typed == b'\n' { 1 } else { 2 };
        self.keyboard.buf[..2].fill(VEOF);
        (self.keyboard.start, self.keyboard.end) = (0, count);
    }

    /// Whether the keyboard can still be read: not after its end, nor where it could not be read.
    pub fn reopen_keyboard(&mut self) {
        self.keyboard.open = true;
    }

    /// The master, for its window size.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// After the container's end: everything that it printed goes out, however slow the reader.
    pub fn finish(&mut self) {
        while self.screen.open || !self.screen.is_empty() {
            if self.screen.is_empty() {
                let before = self.screen.end;
                self.screen.fill(self.master.as_fd());
                if self.screen.is_empty() && self.screen.end == before {
                    return;
                }
            } else {
                self.screen.drain(self.stdio.output);
            }
        }
    }
}
