//! The consoles: everything that nsinit and its containers say goes there, and a line that nobody
//! reads, or that is held by flow control, must not stop the machine. So all are open O_NONBLOCK.

use core::ffi::CStr;

use heapless::Vec;
use rustix::event::PollFlags;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{self, Errno, fcntl_dupfd_cloexec};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::mounts;
use super::names::{Path, path};
use crate::say;
use crate::syscall::fd::AsFd;
use crate::syscall::fd::stdio;

/// Most consoles that are written to.
pub const CONSOLES: usize = 4;

/// The active consoles, the machine's main one first.
#[derive(Default)]
#[repr(C)]
pub struct Consoles {
    fds: Vec<OwnedFd, CONSOLES>,
    is_log: bool,
    main: Path,
}

impl Consoles {
    /// Opens every active console, and makes the main one nsinit's standard descriptors.
    pub fn open() -> Consoles {
        let mut consoles = Consoles::default();
        let mut buf = [0; 256];
        // Without sysfs there is still /dev/console.
        let active = mounts::read(c"/sys/class/tty/console/active", &mut buf).unwrap_or(b"");
        // The kernel names the main one, which is /dev/console, last (show_cons_active() in
        // drivers/tty/tty_io.c).
        for name in active.trim_ascii().rsplit(|byte| *byte == b' ') {
            consoles.add(name);
        }
        if consoles.fds.is_empty() {
            consoles.add(b"console");
        } else if let (Ok(console), Some(main)) = (open(c"/dev/console"), consoles.fds.first_mut())
        {
            // The same line, but it outlives the end of a session that had it as its terminal
            // (__tty_hangup() in drivers/tty/tty_io.c).
            *main = console;
        }
        consoles.become_stdio();
        consoles
    }

    /// In a container: what nsinit was started with.
    pub fn inherited() -> Consoles {
        let mut consoles = Consoles::default();
        let [_, _, stderr] = stdio();
        match fcntl_dupfd_cloexec(stderr.as_fd(), 3) {
            // The first fits.
            Ok(fd) => drop(consoles.fds.push(fd)),
            // Closed.
            Err(_) => consoles.become_stdio(),
        }
        consoles
    }

    fn add(&mut self, name: &[u8]) {
        if name.is_empty() {
            return;
        }
        let path = path("/dev/*", name);
        if let Ok(fd) = open(path.as_cstr()) {
            if self.fds.is_empty() {
                self.main = path;
            }
            // A fifth console is silent.
            let _ = self.fds.push(fd);
        }
    }

    /// Without a console the kernel's log takes everything; without /dev, what was open before.
    fn become_stdio(&mut self) {
        if self.fds.is_empty() {
            let log = kmsg();
            self.is_log = log.is_ok();
            if let Ok(last) = log.or_else(|_| nonblocking(stdio()[2])) {
                // The first fits.
                let _ = self.fds.push(last);
            }
        }
        let null = || open(c"/dev/null").or_else(|_| open_path());
        let main = self.fds.first().map_or_else(null, |fd| fcntl_dupfd_cloexec(fd.as_fd(), 3));
        if let Ok(main) = main {
            become_stdio(&main);
        }
        for other in self.fds.iter().skip(1) {
            if let Ok(other) = fcntl_dupfd_cloexec(other.as_fd(), 3) {
                say::log_to(other);
            }
        }
    }

    /// To write to without blocking: EAGAIN where a line is slow or stalled.
    pub fn fds(&self) -> &[OwnedFd] {
        &self.fds
    }

    /// What poll(2) has to say of one that takes something: the kernel's log is never writable to it,
    /// but readable as soon as there is a record (devkmsg_poll() in kernel/printk/printk.c).
    pub fn ready(&self) -> PollFlags {
        if self.is_log { PollFlags::IN } else { PollFlags::OUT }
    }

    /// The standard descriptors as the kernel opens them, for the init of another root.
    pub fn make_blocking(&self) {
        for path in [c"/dev/console", self.terminal()] {
            if let Ok(main) = openat(CWD, path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()) {
                return become_stdio(&main);
            }
        }
    }

    /// Where a shell may have its terminal, empty for what nsinit was started with: /dev/console can't be one (tty_open() in
    /// drivers/tty/tty_io.c).
    pub fn terminal(&self) -> &CStr {
        self.main.as_cstr()
    }
}

fn become_stdio(main: &OwnedFd) {
    // Three valid numbers; and there is nobody to tell.
    let _ = dup2_stdin(main.as_fd()).and(dup2_stdout(main.as_fd())).and(dup2_stderr(main.as_fd()));
}

/// A serial line may wait for its carrier already in open(2).
fn open(path: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
    match mounts::open(path, flags | OFlags::RDWR) {
        // A console that can't be read.
        Err(Errno::ACCESS | Errno::PERM | Errno::INVAL) => {
            mounts::open(path, flags | OFlags::WRONLY)
        }
        file => file,
    }
}

/// Not for reading: a shell would take the kernel's words for commands.
fn kmsg() -> io::Result<OwnedFd> {
    // It may be locked: then some lines are lost.
    let _ = mounts::write(c"/proc/sys/kernel/printk_devkmsg", b"on\n");
    mounts::open(c"/dev/kmsg", OFlags::WRONLY | OFlags::NONBLOCK)
}

fn nonblocking(fd: BorrowedFd) -> io::Result<OwnedFd> {
    rustix::io::ioctl_fionbio(fd, true)?;
    fcntl_dupfd_cloexec(fd.as_fd(), 3)
}

/// A descriptor that is open, and takes nothing.
fn open_path() -> io::Result<OwnedFd> {
    openat(CWD, c"/", OFlags::PATH, Mode::empty())
}
