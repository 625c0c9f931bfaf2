//! The last process of a start and of a join: what becomes the workload. One function for both, so
//! that a joiner can't drift from what a start does.

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::stdio;
use super::sync::Child;
use super::{Launch, forked};
use crate::cgroup;
use crate::error::{Context, Error, Result, STATUS_NSINIT};
use crate::proc::fds::close_all_but;
use crate::seccomp;
use crate::security;
use crate::step;
use crate::syscall::fd::AsFd;
use crate::syscall::process::{Fork, Prctl, Sibling, exit_group, prctl};

/// What the workload takes along.
pub struct Inherited<'a> {
    /// The channel to the launcher.
    pub sync: &'a Child,
    /// The slave of the container's pty.
    pub slave: Option<&'a OwnedFd>,
    /// The memory cgroup's `tasks`, entered last.
    pub memory: Option<BorrowedFd<'a>>,
    /// Ends, with a byte in it, when PID 1 holds nothing any more.
    pub quiet: Option<&'a OwnedFd>,
    /// What the bounding set has been limited to.
    pub bounded: u64,
    /// What it is to be forked as, where its PID namespace is one that others are in.
    pub sibling: Option<Sibling>,
    /// Whether the launcher has something to do when it is ready.
    pub waits: bool,
}

/// Becomes the workload, or tells the launcher why not and ends.
pub fn run(launch: &mut Launch, inherited: Inherited) -> ! {
    let sync = inherited.sync;
    let Err(error) = become_workload(launch, inherited);
    fail(sync, &error)
}

/// Tells the launcher and ends.
pub fn fail(sync: &Child, error: &Error) -> ! {
    sync.failed(error);
    exit_group(error.status())
}

/// The end of every start and of every join, in this order: rights go before others can look.
fn become_workload(launch: &mut Launch, inherited: Inherited) -> Result<core::convert::Infallible> {
    let Inherited { sync, slave, memory, quiet, sibling, bounded, waits } = inherited;
    let process = &mut launch.plan.process;
    if slave.is_none() {
        step::at("take the container's null device");
        stdio::take_own_null()?;
    }
    // Without no_new_privs it takes a right that must be gone before others can look: the filter has to
    // allow what follows, as with other launchers.
    if !process.no_new_privs {
        step::at("load the system call filter");
        seccomp::load(process)?;
    }
    security::finalize(process, slave.map(AsFd::as_fd), bounded, launch.arena)?;
    if let Some(sibling) = sibling {
        step::at("fork the command");
        enter(launch, sync, sibling)?;
    }
    let process = &launch.plan.process;
    step::at("make the command's session");
    session(slave)?;
    step::at("limit the number of processes");
    security::rlimits::set_processes(&process.rlimits)?;
    if let Some(quiet) = quiet {
        step::at("wait until PID 1 has closed its descriptors");
        await_quiet(quiet)?;
    }
    // The command gets what it allocates charged, and nothing that nsinit did before. The kernel
    // looks at the rights of whoever opened the file, so it works as any user.
    if let Some(memory) = memory {
        step::at("enter the memory cgroup");
        cgroup::enter(memory)?;
    }
    // The launcher is gone: its death came when the parent-death signal was off, as a change of
    // user clears it. With the channel's other end closed this fails.
    sync.ready()?;
    if waits {
        sync.wait_go()?;
    }
    step::at("restore the signals");
    security::restore_signals(launch.original)?;
    // Last of all: it may forbid whatever nsinit does itself.
    if process.no_new_privs {
        step::at("load the system call filter");
        seccomp::load(process)?;
    }
    step::at("execute the command");
    Err(security::execute(process, launch.original, launch.arena))
}

/// Into the PID namespace that this process has entered for its children. Whoever may trace there has
/// what a process has that it can see (CVE-2016-9962), so nothing enters that has more rights than the
/// command: this process stays outside and ends, and its sibling goes on.
fn enter(launch: &Launch, sync: &Child, sibling: Sibling) -> Result<()> {
    match forked(sibling.fork(), launch.plan) {
        Ok(Fork::Parent(_)) => exit_group(0),
        Ok(Fork::Child) => die_with_launcher(sync, launch.plan.process.parent_death_signal),
        Err(error) if error.raw() == Some(Errno::NOMEM) => {
            Err(error.hint("PID 1 of its PID namespace has ended"))
        }
        Err(error) => Err(error),
    }
}

/// Waits for the byte that PID 1 writes when it has nothing any more that the command may not see, and then
/// for the end of the pipe, with its last descriptor. If it fails the end comes alone, a moment before the
/// kernel kills everything inside; its reason is on the way up.
fn await_quiet(pipe: &OwnedFd) -> Result<()> {
    let mut quiet = false;
    loop {
        match rustix::io::read(pipe.as_fd(), &mut [0]) {
            Err(Errno::INTR) => {}
            Ok(0) if quiet => return Ok(()),
            Ok(0) => exit_group(STATUS_NSINIT),
            read => quiet = read.map(|_| true).doing("wait for PID 1", ())?,
        }
    }
}

/// A session of its own: the caller's terminal is not the controlling terminal of anything inside
/// (CVE-2017-5226, CVE-2016-2779). With a pty, that is.
fn session(slave: Option<&OwnedFd>) -> Result<()> {
    match setsid() {
        // EPERM: it leads a session already, as PID 1 that becomes the workload does.
        Ok(_) | Err(Errno::PERM) => {}
        Err(errno) => return Err(errno).doing("make a session", ()),
    }
    let Some(slave) = slave else { return Ok(()) };
    ioctl_tiocsctty(slave).doing("make the pseudo-terminal the controlling terminal", ())?;
    dup2_stdin(slave.as_fd())
        .and_then(|()| dup2_stdout(slave.as_fd()))
        .and_then(|()| dup2_stderr(slave.as_fd()))
        .doing("make the pseudo-terminal standard input and output", ())
}

/// The first that a forked process does: it parts with what is the launcher's, but for the channel and
/// the descriptors that it is to keep.
pub fn part<'a>(
    launch: &mut Launch,
    death_signal: u32,
    sync: &'a Child,
    kept: &mut dyn Iterator<Item = BorrowedFd<'a>>,
) -> Result<()> {
    step::at("tie its life to the launcher's");
    die_with_launcher(sync, death_signal)?;
    if let Some(relay) = &launch.relay {
        step::at("make a pipe standard output");
        relay.become_stdio()?;
    }
    step::at("close the launcher's descriptors");
    let mut keep = heapless::Vec::<u32, 32>::new();
    for fd in kept.chain([sync.fd().as_fd()]) {
        let full = |_| Error::refused("keep descriptors", (), "more than 32");
        keep.push(fd.as_raw_fd() as u32).map_err(full)?;
    }
    close_all_but(&keep)?;
    // Nobody inside may look into this process, whose memory is the launcher's.
    step::at("become undumpable");
    security::be_undumpable()?;
    if let Some(env) = launch.env.take() {
        env.erase();
    }
    Ok(())
}

/// A process of the container dies with the launcher. Called first thing in each: a launcher that
/// was killed before it is found by the closed channel.
pub fn die_with_launcher(sync: &Child, signal: u32) -> Result<()> {
    prctl(Prctl::SetPdeathsig, signal).doing("set parent-death signal", signal)?;
    if sync.is_orphaned().doing("look whether the launcher lives", ())? {
        return Err(Error::refused("start", (), "the launcher is gone"));
    }
    Ok(())
}
