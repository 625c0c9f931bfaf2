//! The output of a command that is not to have the launcher's own (`exec --relay`): it writes to a pipe,
//! and the launcher copies what comes to its standard output.
//!
//! Whoever has a pipe can hold its lock for as long as it likes: a splice(2) from where nothing comes keeps
//! it, and so does a write from memory whose pages another process provides. read(2) waits for that lock,
//! non-blocking or not and beyond SIGKILL; poll(2) does not take it. So the launcher can be held up here, by the
//! container that it serves and until that ends. Before each read it sends an empty packet to where the
//! output goes: the machine's PID 1, which must not be held up itself, sees that nothing follows.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{chdir, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::thread::set_name;

use crate::error::{Context, Result};
use crate::proc::fds::close_all_but;
use crate::say;
use crate::syscall::fd::{AsFd, stdio, write_now};
use crate::syscall::poll::rest_in_poll;
use crate::syscall::process::{Fork, NewNamespaces, exit_group, fork};
use crate::syscall::signal::{SigSet, sigprocmask};

/// Most bytes of one read, and of one packet to PID 1.
pub const CHUNK: usize = 4096;

/// The pipe, and what has been read and not been written yet.
pub struct Relay {
    read: OwnedFd,
    /// The command's end, until the command has it.
    write: Option<OwnedFd>,
    buf: [u8; CHUNK],
    start: usize,
    end: usize,
    /// Standard output could not take the packet that announces a read.
    crowded: bool,
    /// Nobody has the pipe to write to any more.
    ended: bool,
}

impl Relay {
    /// A new pipe.
    pub fn new() -> Result<Relay> {
        let (read, write) =
            pipe_with(PipeFlags::CLOEXEC).doing("make a pipe for the output", ())?;
        rustix::io::ioctl_fionbio(read.as_fd(), true).doing("make a pipe for the output", ())?;
        let write = Some(write);
        Ok(Relay { read, write, buf: [0; CHUNK], start: 0, end: 0, crowded: false, ended: false })
    }

    /// In a process of the container: it is standard output and error from here on.
    pub fn become_stdio(&self) -> Result<()> {
        let Some(write) = &self.write else { return Ok(()) };
        dup2_stdout(write.as_fd())
            .and_then(|()| dup2_stderr(write.as_fd()))
            .doing("make a pipe standard output", ())
    }

    /// In the launcher, once the command has its end: the pipe ends when the command's side does.
    pub fn begin(&mut self) {
        self.write = None;
    }

    /// Waits until something can be done, and does it; whether a signal came.
    pub fn turn(&mut self, signals: BorrowedFd) -> rustix::io::Result<bool> {
        // A pipe that has ended would be ready for ever.
        let nothing = PollFd::from_borrowed_fd(signals, PollFlags::empty());
        let signal = PollFd::from_borrowed_fd(signals, PollFlags::IN);
        let mut fds = [signal, self.interest().unwrap_or(nothing)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(false),
            Err(errno) => return Err(errno),
        }
        let [signal, output] = fds.map(|fd| !fd.revents().is_empty());
        if output {
            self.step();
        }
        Ok(signal)
    }

    /// What to poll for; `None`: nothing more will come.
    fn interest(&self) -> Option<PollFd<'_>> {
        let [_, output, _] = stdio();
        if self.crowded || self.start != self.end {
            return Some(PollFd::from_borrowed_fd(output, PollFlags::OUT));
        }
        (!self.ended).then(|| PollFd::from_borrowed_fd(self.read.as_fd(), PollFlags::IN))
    }

    /// Does what can be done once `interest` is met.
    fn step(&mut self) {
        if self.start == self.end {
            self.crowded = !self.announce();
            if self.crowded {
                return;
            }
            self.fill();
        }
        self.drain();
    }

    /// Says that a read follows; false where that must be tried again.
    fn announce(&self) -> bool {
        let [_, output, _] = stdio();
        // ENOTSOCK: a file or a terminal, which nobody watches.
        send(output, &[], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) != Err(Errno::AGAIN)
    }

    fn fill(&mut self) {
        match rustix::io::read(self.read.as_fd(), &mut self.buf) {
            Ok(0) => self.ended = true,
            Ok(n) => (self.start, self.end) = (0, n),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.ended = true,
        }
    }

    /// Writes once; an output that is gone swallows what was for it.
    fn drain(&mut self) {
        let rest = self.buf.get(self.start..self.end).unwrap_or(&[]);
        if rest.is_empty() {
            return;
        }
        match write_now(stdio()[1].as_raw_fd(), rest) {
            Ok(n) => self.start += n,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.start = self.end,
        }
    }

    /// After the container's end: what is in the pipe goes out, for as long as whoever reads it takes. Whether a
    /// signal came before that was done.
    pub fn finish(&mut self, signals: BorrowedFd) -> rustix::io::Result<bool> {
        if !self.has_ended() {
            // What the command has left running, without a PID namespace, goes on writing.
            say::failure(self.leave_behind());
            return Ok(false);
        }
        while self.interest().is_some() {
            if self.turn(signals)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The command did not begin: what its process has said before goes out, as far as it can at once.
    pub fn give_up(mut self) {
        self.begin();
        loop {
            self.fill();
            if self.start == self.end {
                return;
            }
            self.drain();
            self.end = self.start;
        }
    }

    /// Whether nobody can write any more.
    fn has_ended(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.read.as_fd(), PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let looked = poll(&mut fds, Some(&now));
        self.ended || looked.is_ok() && fds[0].revents().contains(PollFlags::HUP)
    }

    /// Forks a process that copies until the pipe ends.
    fn leave_behind(&mut self) -> Result<()> {
        match fork(NewNamespaces::empty()).doing("fork a process that copies the output", ())? {
            Fork::Parent(_) => Ok(()),
            Fork::Child => {
                // Nobody is left to hear of an error.
                let _ = self.copy_on();
                exit_group(0)
            }
        }
    }

    fn copy_on(&mut self) -> Result<()> {
        const DOING: &str = "become the process that copies the output";
        setsid().doing(DOING, ())?;
        set_name(c"nsinit-output").doing(DOING, ())?;
        sigprocmask(SigSet::EMPTY).doing(DOING, ())?;
        close_all_but(&[self.read.as_raw_fd() as u32])?;
        // What the caller gave to the launcher alone.
        dup2_stdin(self.read.as_fd()).doing(DOING, ())?;
        chdir(c"/").doing(DOING, ())?;
        while let Some(interest) = self.interest() {
            let _ = rest_in_poll(&mut [interest], None);
            self.step();
        }
        Ok(())
    }
}
