//! The process that outlives a launcher that is killed, and takes back what the kernel leaves of a
//! network. Only a start that has such a thing has it, as the launcher's child; the launcher takes
//! back by itself what it can, and ends it.

use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, chdir, getsid, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::thread::set_name;

use super::guard::Children;
use super::process::Process;
use crate::bytes::Arena;
use crate::error::{Context, Result};
use crate::net;
use crate::proc::fds::close_all_but;
use crate::syscall::fd::AsFd;
use crate::syscall::poll::rest_in_poll;
use crate::syscall::process::{Fork, NewNamespaces, exit_group, fork};
use crate::syscall::time::sleep;

/// Forks it, and has `guard` end it; the pipe for its notes. `pid` is the container's first process, and a
/// child of the caller's; `namespace` its network namespace, if something in it is to be taken back.
pub fn survivor(
    pid: Pid,
    namespace: Option<BorrowedFd>,
    guard: &mut Children,
    arena: &Arena,
) -> Result<OwnedFd> {
    let init = Process::by_pid(pid)?;
    // It is read only once this process has ended: rather than wait there, a note is refused.
    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    let (notes, end) = pipe_with(flags).doing("make a pipe", ())?;
    match fork(NewNamespaces::empty()).doing("fork a process to outlive this one", ())? {
        Fork::Parent(child) => {
            await_session(child);
            guard.guard(child, None);
            Ok(end)
        }
        Fork::Child => {
            // Nobody is left to hear of an error. The next user of a bridge takes it away.
            let _ = survive(init, &notes, namespace, arena);
            exit_group(0)
        }
    }
}

fn survive(
    init: Process,
    notes: &OwnedFd,
    namespace: Option<BorrowedFd>,
    arena: &Arena,
) -> Result<()> {
    const DOING: &str = "become the process that outlives the launcher";
    // First of all: the launcher waits for it.
    setsid().doing(DOING, ())?;
    let namespace =
        namespace.map(|fd| fcntl_dupfd_cloexec(fd.as_fd(), 3)).transpose().doing(DOING, ())?;
    let kept = namespace.as_ref().unwrap_or(notes).as_raw_fd();
    close_all_but(&[notes.as_raw_fd() as u32, kept as u32])?;
    // Who reads what the launcher writes sees its end when that ends; its directory is not kept either.
    // A warning goes to an end that can't be written to.
    for dup2 in [dup2_stdin, dup2_stdout, dup2_stderr] {
        dup2(notes).doing(DOING, ())?;
    }
    chdir(c"/").doing(DOING, ())?;
    set_name(c"nsinit-network").doing(DOING, ())?;
    // POLLHUP comes unasked, when nobody can write any more.
    let mut ended = [PollFd::from_borrowed_fd(notes.as_fd(), PollFlags::empty())];
    while rest_in_poll(&mut ended, None).is_err() {}
    init.outlive();
    net::take_over(notes.as_fd(), namespace, arena)
}

/// Waits until it has a session of its own: who kills the launcher's process group kills it no more.
fn await_session(child: Pid) {
    // Far longer than it takes; one that is killed has none at all.
    const ROUNDS: u32 = 1000;
    for _ in 0..ROUNDS {
        if getsid(Some(child)) == Ok(child) {
            return;
        }
        sleep(10_000);
    }
}
