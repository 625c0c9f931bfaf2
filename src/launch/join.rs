//! Joining a container that runs: the same namespaces, cgroups and rights as its first command.
//!
//! The launcher stays on the host, so that it can start anew if the container ends meanwhile. An
//! intermediate process enters the namespaces, gives up all rights that the command does not have, and
//! forks that as a child of the launcher (CLONE_PARENT). It is outside of the PID namespace itself, so
//! nobody inside ever sees a process that has the host's root, directory, descriptors or rights
//! (CVE-2016-9962).

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};

use super::attend::{Event, Terminal, attend};
use super::guard::Children;
use super::running::Running;
use super::sync::{self, Child, News};
use super::terminal::{self, DEVPTS, Master, Slave};
use super::termination::Termination;
use super::workload::{self, Inherited, fail, part};
use super::{Launch, died, is_limited, paused, say_killed};
use crate::beneath;
use crate::cgroup::{self, Tasks, systemd};
use crate::error::{Context, Error, Result};
use crate::plan::Kind;
use crate::proc::process::{file, namespace_file};
use crate::step;
use crate::syscall::fd::AsFd;
use crate::syscall::is_absent;
use crate::syscall::namespace::setns;
use crate::syscall::process::{Fork, NewNamespaces, Sibling, fork};
use crate::tty::Stdio;

/// Runs the command inside; its exit status. `None` if the container ended before it began.
pub fn join(launch: &mut Launch, running: &Running) -> Result<Option<u8>> {
    match try_join(launch, running) {
        // Whatever failed, it failed because there is nothing to join any more.
        Err(_) if matches!(running.init.is_alive(), Ok(false)) => Ok(None),
        result => result.map(Some),
    }
}

fn try_join(launch: &mut Launch, running: &Running) -> Result<u8> {
    if running.apart.contains(NewNamespaces::NEWUSER) {
        let why = "it is in another user namespace, which nsinit can't enter yet";
        return Err(Error::refused("join process", running.init.pid, why));
    }
    let groups = running.groups(launch.arena)?;
    paused::await_thaw(launch, running, &groups)?;
    let kills = if is_limited(launch.plan) { cgroup::kills(&groups) } else { None };
    let (master, slave) = terminal::channel(launch.plan)?;
    let (parent, child) = sync::channel()?;
    step::share().doing("map a page to share", ())?;
    let sibling = Sibling::expected().doing("map a page to share", ())?;
    let target = Target::open(running)?;
    let scope = running.with_groups && systemd::is_there();
    let tasks = Tasks::open(&groups, running.init.pid, scope, launch.arena)?;
    let mut children = Children::none(launch.arena);
    match fork(NewNamespaces::empty()).doing("fork", ())? {
        Fork::Child => {
            let inside = Inside { sync: child, target, tasks };
            enter(launch, running, inside, slave, sibling)
        }
        Fork::Parent(pid) => children.guard(pid, Some(sibling)),
    }
    drop((child, slave, target, tasks));
    let termination = Termination::watch()?;
    // Here the launcher waits anyway.
    drop(launch.seal.take());
    let arena = launch.arena;
    let mut heard = |news| {
        if let News::Silence = news {
            paused::say_still(&groups, arena);
        }
        Ok(())
    };
    let report = parent.report(&termination, arena, false, &mut heard)?;
    let Some(pid) = children.main().filter(|_| report) else { return Err(died(launch.arena)) };
    drop(parent);
    launch.started(pid);
    let pty = master.map(Master::take).transpose()?;
    let terminal = pty.map(|pty| Terminal { stdio: &launch.stdio, pty });
    let relay = launch.relay.take();
    let status = attend(pid, terminal, relay, &mut |event| {
        if let Event::Reaped(pid) = event {
            children.reaped(pid);
        }
    })?;
    say_killed(launch, status, &groups, kills);
    // If the container ends too, the kill may be what ends it.
    if let Some(before) = kills
        && matches!(running.init.is_alive(), Ok(true))
    {
        cgroup::note_told(&groups, before);
    }
    Ok(status)
}

/// What the intermediate process takes along.
struct Inside {
    sync: Child,
    target: Target,
    tasks: Tasks,
}

/// The intermediate process.
fn enter(
    launch: &mut Launch,
    running: &Running,
    inside: Inside,
    mut slave: Option<Slave>,
    sibling: Sibling,
) -> ! {
    let memory = match go_inside(launch, running, &inside, &mut slave) {
        Ok(memory) => memory,
        Err(error) => fail(&inside.sync, &error),
    };
    // Whoever may trace the command's process has its descriptors. Their owners are never dropped:
    // this process ends in execve or exit_group.
    let memory_fd = memory.map(|fd| fd.as_raw_fd());
    for fd in inside.tasks.fds().chain(inside.target.fds()).map(|fd| fd.as_raw_fd()) {
        if Some(fd) != memory_fd {
            crate::syscall::fd::close(fd as u32);
        }
    }
    let sync = &inside.sync;
    let (slave, sibling) = (slave.as_ref().map(Slave::fd), Some(sibling));
    let (quiet, bounded, waits) = (None, u64::MAX, false);
    workload::run(launch, Inherited { sync, slave, memory, quiet, sibling, bounded, waits })
}

/// Into the cgroups, then the namespaces; the memory cgroup is left to the workload.
fn go_inside<'a>(
    launch: &mut Launch,
    running: &Running,
    inside: &'a Inside,
    slave: &mut Option<Slave>,
) -> Result<Option<BorrowedFd<'a>>> {
    let kept = inside.tasks.fds().chain(inside.target.fds());
    let kept = kept.chain(slave.iter().map(|slave| slave.fd().as_fd()));
    part(launch, linux_raw_sys::general::SIGKILL, &inside.sync, &mut { kept })?;
    if let Some(slave) = slave {
        step::at("open a terminal");
        open_terminal(slave, running, &launch.stdio)?;
    }
    step::at("enter the container's control groups");
    let count = inside.tasks.fds().count();
    let late = if inside.tasks.has_memory() { count - 1 } else { count };
    inside.tasks.fds().take(late).try_for_each(cgroup::enter)?;
    step::at("enter the container's namespaces");
    inside.target.enter(running)?;
    running.check_root_inside()?;
    // setns(2) into a mount namespace leaves the directory at its root; without one it is still
    // the caller's, and the command starts from the root in any case.
    rustix::process::chdir(c"/").doing("change directory to", "/")?;
    Ok(inside.tasks.fds().nth(late))
}

/// Opens the command's terminal in the container's /dev/pts, from outside: nothing of the host's is inside
/// meanwhile, and no limit of the container's on devices is in the way.
fn open_terminal(slave: &mut Slave, running: &Running, stdio: &Stdio) -> Result<()> {
    if !running.apart.contains(NewNamespaces::NEWNS) {
        return slave.open_hosts(stdio);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = file("/proc", running.init.pid, "root");
    let root = openat(CWD, root.as_cstr(), flags, Mode::empty());
    let devpts = root.and_then(|root| beneath::open(root.as_fd(), DEVPTS, flags));
    // As when it was opened: the pid may be another's by now.
    check_alive(running)?;
    slave.open(devpts.ok(), stdio)
}

/// The process to join, held so that its pid can't become another's.
enum Target {
    /// A pidfd: all namespaces at once (Linux 5.8).
    Pidfd(OwnedFd),
    /// Its namespaces one by one, in the order of `Kind::ALL`.
    Files([Option<OwnedFd>; 8]),
}

impl Target {
    /// Opens it, and makes sure that it is still the one that was looked at.
    fn open(running: &Running) -> Result<Target> {
        let on = running.init.pid;
        let target = match pidfd_open(running.init.pid, PidfdFlags::empty()) {
            Ok(pidfd) => Target::Pidfd(pidfd),
            Err(errno) if is_absent(errno) => Target::files(running)?,
            Err(errno) => return Err(errno).doing("open process", on),
        };
        check_alive(running)?;
        Ok(target)
    }

    fn files(running: &Running) -> Result<Target> {
        let mut files = [const { None }; 8];
        for (file, kind) in files.iter_mut().zip(Kind::ALL) {
            if running.apart.contains(kind.flag()) {
                let path = namespace_file("/proc", running.init.pid, kind.file());
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let opened = openat(CWD, path.as_cstr(), flags, Mode::empty());
                *file = Some(opened.doing("open the namespace", kind.name())?);
            }
        }
        Ok(Target::Files(files))
    }

    fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let (one, many): (_, &[Option<OwnedFd>]) = match self {
            Target::Pidfd(pidfd) => (Some(pidfd), &[]),
            Target::Files(files) => (None, files),
        };
        one.into_iter().chain(many.iter().flatten()).map(AsFd::as_fd)
    }

    fn enter(&self, running: &Running) -> Result<()> {
        match self {
            Target::Pidfd(pidfd) => match setns(pidfd.as_fd(), running.apart) {
                // setns takes a pidfd since Linux 5.8, five releases after pidfd_open.
                Err(Errno::INVAL) => {
                    let target = Target::files(running)?;
                    // As when it was opened: the pid may be another's by now.
                    check_alive(running)?;
                    target.enter(running)
                }
                result => result.doing("enter the namespaces of process", running.init.pid),
            },
            Target::Files(files) => {
                for (file, kind) in files.iter().zip(Kind::ALL) {
                    if let Some(file) = file {
                        setns(file.as_fd(), kind.flag())
                            .doing("enter the namespace", kind.name())?;
                    }
                }
                Ok(())
            }
        }
    }
}

fn check_alive(running: &Running) -> Result<()> {
    match running.init.is_alive()? {
        true => Ok(()),
        false => Err(Error::refused("join process", running.init.pid, "it has ended")),
    }
}
