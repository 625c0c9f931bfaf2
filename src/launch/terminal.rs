//! The command's terminal. Whoever becomes the command opens it, inside of the container where it can:
//! there it has a name then (/dev/pts/0), which programs ask for. The launcher gets its master over a
//! socket of its own.

use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::io::IoSlice;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::error::{Context, Error, Result};
use crate::plan::{Kind, Plan};
use crate::say;
use crate::syscall::fd::AsFd;
use crate::syscall::socket;
use crate::tty::{Pty, Stdio};

/// Where a container has its own pseudo-terminals.
pub const DEVPTS: &CStr = c"/dev/pts";

/// The launcher's end.
pub struct Master(OwnedFd);

/// The end of the process that becomes the command, or once it is open the command's side.
pub enum Slave {
    /// Where its master is wanted.
    Wanted(OwnedFd),
    /// The terminal.
    Open(OwnedFd),
}

/// Both ends, where the command is to have a terminal.
pub fn channel(plan: &Plan) -> Result<(Option<Master>, Option<Slave>)> {
    if !plan.process.tty {
        return Ok((None, None));
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .doing("make a socketpair for the terminal", ())?;
    Ok((Some(Master(ours)), Some(Slave::Wanted(theirs))))
}

/// Whether the plan gives the container a devpts of its own.
pub fn is_own(plan: &Plan) -> bool {
    let mut mounts = plan.rootfs.mounts.iter();
    plan.namespaces.is_new(Kind::Mount)
        && mounts.any(|mount| mount.fstype == c"devpts" && mount.target == DEVPTS)
}

impl Master {
    /// Both sides, once the command runs.
    pub fn take(self) -> Result<Pty> {
        const DOING: &str = "get the terminal of the container";
        let (mut master, mut slave) = (None, None);
        let mut take = |fd| if master.is_none() { master = Some(fd) } else { slave = Some(fd) };
        socket::receive(self.0.as_fd(), &mut [0], &mut take).doing(DOING, ())?;
        match (master, slave) {
            (Some(master), Some(slave)) => Ok(Pty { master, slave }),
            _ => Err(Error::refused(DOING, (), "there is none")),
        }
    }
}

impl Slave {
    /// Opens the terminal, if that is not done: in this directory of the container, if a devpts is there.
    pub fn open(&mut self, devpts: Option<OwnedFd>, stdio: &Stdio) -> Result<()> {
        if matches!(self, Slave::Open(_)) {
            return Ok(());
        }
        let own = devpts.map(|devpts| Pty::open_in(devpts.as_fd(), stdio)).transpose()?;
        let pty = match own.flatten() {
            Some(pty) => pty,
            None => {
                say::warning(format_args!(
                    "the container has no devpts on /dev/pts: its terminal is one of the host's, \
                     without a name inside"
                ));
                Pty::open(stdio)?
            }
        };
        self.hand_over(pty)
    }

    fn hand_over(&mut self, Pty { master, slave }: Pty) -> Result<()> {
        // The slave too: whoever is inside can make it so that the master leads to none.
        socket::send(self.fd().as_fd(), &[IoSlice::new(b"m")], &[master.as_fd(), slave.as_fd()])
            .doing("hand over the terminal", ())?;
        // And closes the socket: nobody who is inside later can send anything by it.
        *self = Slave::Open(slave);
        Ok(())
    }

    /// The same in the host's devpts, of which the command is too.
    pub fn open_hosts(&mut self, stdio: &Stdio) -> Result<()> {
        self.hand_over(Pty::open(stdio)?)
    }

    /// The terminal, or for now the socket.
    pub fn fd(&self) -> &OwnedFd {
        match self {
            Slave::Wanted(fd) | Slave::Open(fd) => fd,
        }
    }
}
