//! The channel between the launcher and a container's processes: a SEQPACKET socketpair.
//!
//! Down goes one "go" with the descriptors of the cgroups, and one more to a command that waits once it
//! is ready. Up come "network" and "built" where the launcher waits for these, "ready" just before execve, or the
//! rendered error of a failure. The end of the channel (every process of the container has closed it,
//! by execve or by dying) is news by itself. A process that stands still closes nothing: the launcher's
//! wait ends on signals too.
//!
//! The command's process has an end of the channel while others in the container can see it, and may
//! be allowed to trace it: what comes up then is theirs to write. It names no process, and is shown
//! with its control characters escaped.

use heapless::Vec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::{Errno, IoSlice};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::termination::Termination;
use crate::bytes::{Arena, Short, Show};
use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;
use crate::syscall::socket;
pub use crate::syscall::socket::FDS;

/// Longest error text; a path of 4,096 bytes fits with its words.
const TEXT: usize = 6144;

/// How long a container mostly takes, many times over.
const SILENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

const GO: u8 = b'g';
const READY: u8 = b'r';
const FAILED: u8 = b'f';
const BUILT: u8 = b'b';
const NETWORK: u8 = b'n';

/// The launcher's end.
pub struct Parent(OwnedFd);

/// The end of the container's processes.
pub struct Child(OwnedFd);

/// Both ends, close-on-exec.
pub fn channel() -> Result<(Parent, Child)> {
    let flags = SocketFlags::CLOEXEC;
    let (parent, child) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .doing("make a socketpair for the container", ())?;
    Ok((Parent(parent), Child(child)))
}

/// What the launcher hears.
pub enum News {
    /// Nothing, for a second.
    Silence,
    /// The network namespace is made.
    Network,
    /// The root file system is built.
    Built,
    /// The next call is execve.
    Ready,
    /// The container can't be started, and why.
    Failed(Error),
    /// The end of the channel.
    Gone,
}

impl Parent {
    /// "Go on", with the cgroups to enter.
    pub fn go(&self, fds: &[BorrowedFd<'_>]) -> Result<()> {
        match socket::send(self.0.as_fd(), &[IoSlice::new(&[GO])], fds) {
            // Whoever does not listen any more has failed, and its reason is on the way up.
            Ok(()) | Err(Errno::PIPE) => Ok(()),
            Err(errno) => Err(errno).doing("tell the container to go on", ()),
        }
    }

    /// Waits until the first process has made its network namespace. False: it is gone without a word.
    /// What else comes is `heard`.
    pub fn await_network(
        &self,
        termination: &Termination,
        arena: &Arena,
        heard: &mut dyn FnMut(News) -> Result<()>,
    ) -> Result<bool> {
        let mut patience = Some(&SILENCE);
        loop {
            match self.next(termination, arena, &mut patience)? {
                News::Network => return Ok(true),
                News::Gone => return Ok(false),
                News::Failed(error) => return Err(error),
                news => heard(news)?,
            }
        }
    }

    /// Waits until the command runs or can't, and every process of the container has closed the
    /// channel; or only until it is `ready` to, where it waits then for one more "go". False: all are
    /// gone without a word. What comes before is `heard`. An error too where a signal ends the wait.
    pub fn report(
        &self,
        termination: &Termination,
        arena: &Arena,
        ready: bool,
        heard: &mut dyn FnMut(News) -> Result<()>,
    ) -> Result<bool> {
        let mut report = Ok(false);
        let mut patience = Some(&SILENCE);
        loop {
            match self.next(termination, arena, &mut patience)? {
                News::Gone => return report,
                // PID 1 may have failed while the workload went on.
                News::Ready => {
                    report = report.map(|_| true);
                    if ready {
                        return report;
                    }
                }
                News::Failed(error) => report = Err(error),
                news => heard(news)?,
            }
        }
    }

    /// The next word. Silence is told once: it takes the patience.
    fn next(
        &self,
        termination: &Termination,
        arena: &Arena,
        patience: &mut Option<&Timespec>,
    ) -> Result<News> {
        let mut buf = [0; TEXT];
        loop {
            if !termination.wait(self.0.as_fd(), *patience)? {
                *patience = None;
                return Ok(News::Silence);
            }
            let n = match socket::receive(self.0.as_fd(), &mut buf, &mut drop) {
                // A peer that ends with a packet unread resets the channel, which is told once and
                // before what it has sent: its reason is still to come.
                Err(Errno::INTR | Errno::CONNRESET) => continue,
                n => n.doing("wait for the container to start", ())?,
            };
            match buf[..n] {
                [] => return Ok(News::Gone),
                [READY] => return Ok(News::Ready),
                [BUILT] => return Ok(News::Built),
                [NETWORK] => return Ok(News::Network),
                [FAILED, status, ref text @ ..] => {
                    let text = arena.str(format_args!("{}", Show(text)));
                    let text = text.doing("keep its error", ())?;
                    return Ok(News::Failed(Error::refused("", (), text).with_status(status)));
                }
                _ => {}
            }
        }
    }
}

impl Child {
    /// The descriptor, for closing all others.
    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Whether the launcher has died: after PR_SET_PDEATHSIG, which comes too late for a parent
    /// that is dead already (and getppid(2) says 0 for one outside the PID namespace).
    pub fn is_orphaned(&self) -> rustix::io::Result<bool> {
        let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::empty())];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        Ok(fds[0].revents().contains(PollFlags::HUP))
    }

    /// Waits for "go"; the descriptors that came with it.
    pub fn wait_go(&self) -> Result<Vec<OwnedFd, FDS>> {
        let mut fds = Vec::new();
        let mut buf = [0; 1];
        loop {
            // As many fit as a packet can have.
            let mut take = |fd| drop(fds.push(fd));
            return match socket::receive(self.0.as_fd(), &mut buf, &mut take) {
                Err(Errno::INTR) => continue,
                Ok(1) if buf == [GO] => Ok(fds),
                Ok(_) => Err(Error::refused("wait for the launcher", (), "it is gone")),
                Err(errno) => Err(errno).doing("wait for the launcher", ()),
            };
        }
    }

    /// "The network namespace is made."
    pub fn network(&self) -> Result<()> {
        self.tell(NETWORK)
    }

    /// "The root file system is built."
    pub fn built(&self) -> Result<()> {
        self.tell(BUILT)
    }

    /// "The next call is execve."
    pub fn ready(&self) -> Result<()> {
        self.tell(READY)
    }

    fn tell(&self, what: u8) -> Result<()> {
        socket::send(self.0.as_fd(), &[IoSlice::new(&[what])], &[]).doing("tell the launcher", ())
    }

    /// Sends an error. If it does not arrive, the launcher is gone, or sees the end of the channel
    /// and names the last step instead.
    pub fn failed(&self, error: &Error) {
        let mut text = Short::<TEXT>::default();
        // A longer text is cut: it has at least the step and the beginning of the object.
        let _ = text.push(format_args!("{error}"));
        let head = [FAILED, error.status()];
        let packet = [IoSlice::new(&head), IoSlice::new(text.as_str().as_bytes())];
        // See above.
        let _ = socket::send(self.0.as_fd(), &packet, &[]);
    }
}
