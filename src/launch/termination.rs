//! No wait without the signals that end it: every signal is blocked while a container starts or is
//! joined, and whoever it waits for may stand still, stopped, frozen, or held up by a file system.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;

use crate::error::{Context, Error, Result, STATUS_SIGNAL};
use crate::syscall::fd::AsFd;
use crate::syscall::signal::{
    Disposition, HUP, INT, QUIT, SigSet, TERM, disposition, read_signalfd, signalfd,
};

/// The signals that end a wait of the launcher's before the command runs. All others stay pending, and
/// go on to the command.
pub struct Termination(OwnedFd);

impl Termination {
    /// From now on. What the caller ignores, as nohup(1) has it, ends nothing.
    pub fn watch() -> Result<Termination> {
        let mut set = SigSet::EMPTY;
        for n in [HUP, INT, QUIT, TERM] {
            if disposition(n).doing("look at the disposition of signal", n)? == Disposition::Default
            {
                set = set.with(n);
            }
        }
        signalfd(set).doing("make a signalfd", ()).map(Termination)
    }

    /// Waits until `fd` can be read, or for so long that none can; whether it can. An error, with the
    /// status of a process that the signal killed, where one of them comes first.
    pub fn wait(&self, fd: BorrowedFd, time: Option<&Timespec>) -> Result<bool> {
        let mut fds = [fd, self.0.as_fd()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        loop {
            wait_any(&mut fds, time)?;
            let [readable, signalled] = [0, 1].map(|n| !fds[n].revents().is_empty());
            if readable || !signalled && time.is_some() {
                return Ok(readable);
            }
            self.check()?;
        }
    }

    /// Lets some time pass; an error as above.
    pub fn pause(&self, time: &Timespec) -> Result<()> {
        wait_any(&mut [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)], Some(time))?;
        self.check()
    }

    fn check(&self) -> Result<()> {
        let Some(n) = read_signalfd(&self.0).doing("read the signalfd", ())? else { return Ok(()) };
        let why = match n {
            HUP => "SIGHUP ended the wait for it",
            INT => "SIGINT ended the wait for it",
            QUIT => "SIGQUIT ended the wait for it",
            _ => "SIGTERM ended the wait for it",
        };
        Err(Error::refused("wait for the container", (), why).with_status(STATUS_SIGNAL + n as u8))
    }
}

fn wait_any(fds: &mut [PollFd], timeout: Option<&Timespec>) -> Result<()> {
    match poll(fds, timeout) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno).doing("wait for the container", ()),
    }
}
