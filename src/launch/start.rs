//! The launcher's half of a start (libcontainer namespaces/exec.go, Exec). It and the container's
//! first process work side by side and meet at the channel.

use rustix::fd::BorrowedFd;
use rustix::process::Pid;

use super::attend::{Terminal, attend};
use super::child::{self, First};
use super::guard::{ChildGuard, StateGuard};
use super::place::{Lock, Place, pid_object};
use super::sync::{self, FDS, Outcome};
use super::{Launch, died};
use crate::bytes::Short;
use crate::cgroup::{self, Created};
use crate::error::{Context, Error, Result};
use crate::plan::{Kind, Plan, Source};
use crate::proc::process::stat;
use crate::state::{self, State, Strings};
use crate::step::Steps;
use crate::syscall::namespace::unshare;
use crate::syscall::process::{Fork, NewNamespaces, fork};
use crate::tty::Pty;

/// Starts a container and attends to it until it ends; the exit status of the command.
pub fn start(launch: &mut Launch, place: &Place, lock: Lock) -> Result<u8> {
    let pty = if launch.plan.process.tty { Some(Pty::open(&launch.stdio)?) } else { None };
    let (parent, child) = sync::channel()?;
    let steps = Steps::new().doing("map a page to share", ())?;
    prepare_children(launch.plan)?;
    let (master, slave, console) = match pty {
        Some(Pty { master, slave, console }) => (Some(master), Some(slave), Some(console)),
        None => (None, None, None),
    };
    let first = First { sync: child, slave, console, steps };
    let pid = match fork(cloned(launch.plan)).doing("clone the container's first process", ())? {
        Fork::Child => child::run(launch, first),
        Fork::Parent(pid) => pid,
    };
    drop(first);
    // Undone from the last to the first if it is left with an error: a group can't be removed while
    // the child is in it.
    let groups;
    let saved;
    let mut guard = ChildGuard::new(pid);
    groups = make_cgroups(launch)?;
    saved = save_state(launch, place, pid, &groups)?;
    parent.go(&fds(&groups)?)?;
    match parent.report(launch.arena)?.outcome {
        Outcome::Started => {}
        Outcome::Failed(error) => return Err(error),
        Outcome::Died => return Err(died(steps.last().as_str(), launch.arena)),
    }
    drop((parent, lock));
    launch.started();
    let terminal = master.map(|master| Terminal { stdio: &launch.stdio, master });
    let status = attend(pid, terminal)?;
    guard.disarm();
    finish(launch, place, groups, saved)?;
    Ok(status)
}

/// The namespaces that clone makes. A cgroup namespace is made later, once the process is in its
/// groups; a time namespace is only ever for the next child.
fn cloned(plan: &Plan) -> NewNamespaces {
    Kind::ALL
        .into_iter()
        .filter(|kind| plan.namespaces.is_new(*kind))
        .filter(|kind| !matches!(kind, Kind::Cgroup | Kind::Time))
        .fold(NewNamespaces::empty(), |flags, kind| flags | kind.flag())
}

/// What must be the parent's doing: entering a PID namespace and making a time namespace take
/// effect on its next child.
fn prepare_children(plan: &Plan) -> Result<()> {
    if let Source::Join(path) = plan.namespaces.get(Kind::Pid) {
        child::join_namespace(Kind::Pid, path)?;
    }
    if plan.namespaces.is_new(Kind::Time) {
        unshare(NewNamespaces::NEWTIME).doing("unshare the time namespace", ())?;
    }
    Ok(())
}

fn make_cgroups(launch: &Launch) -> Result<Created> {
    match &launch.plan.cgroup {
        Some(plan) => cgroup::create(plan, launch.arena),
        None => Ok(Created::default()),
    }
}

fn fds(groups: &Created) -> Result<heapless::Vec<BorrowedFd<'_>, FDS>> {
    let mut fds = heapless::Vec::new();
    for fd in groups.tasks().fds() {
        let full = |_| Error::refused("hand over the cgroups", (), "more than 16 hierarchies");
        fds.push(fd).map_err(full)?;
    }
    Ok(fds)
}

/// Writes state.json: before the command starts, after the cgroups that it names.
fn save_state<'a>(
    launch: &Launch,
    place: &'a Place,
    pid: Pid,
    groups: &Created,
) -> Result<StateGuard<'a>> {
    let start_time = stat("/proc", pid).doing("look at process", pid_object(pid))?.start_time;
    let start_time = Short::<24>::new(format_args!("{start_time}"));
    let mut cgroup_paths = Strings::CGROUPS;
    for (subsystem, path) in groups.paths() {
        let path = path.to_str().map_err(|_| {
            Error::refused("write to state.json the path of", path, "it is not UTF-8")
        })?;
        if !cgroup_paths.set(subsystem, path) {
            return Err(Error::refused("write to state.json", subsystem, "no such subsystem"));
        }
    }
    let state = State {
        init_pid: pid.as_raw_pid(),
        init_start_time: start_time.as_str(),
        network_state: Strings::NETWORK,
        cgroup_paths,
    };
    state::save(place.dir(), &state, launch.arena)?;
    Ok(StateGuard::new(place, pid.as_raw_pid()))
}

/// Takes the container's traces away. If another launcher was here since PID 1 died, it has cleaned
/// up and may have started anew in the same groups: they are left to it.
fn finish(launch: &Launch, place: &Place, groups: Created, saved: StateGuard) -> Result<()> {
    let lock = place.lock_within(100)?;
    // Without a PID namespace of its own, nothing but this ends what the command left running. That
    // may be what holds the lock, to live on: it is on their root. A launcher that starts anew has
    // removed the old state.json by now.
    if !launch.plan.namespaces.is_new(Kind::Pid) && (lock.is_some() || saved.is_ours(launch)?) {
        groups.kill_all()?;
    }
    let _lock = match lock {
        Some(lock) => lock,
        None => place.lock()?,
    };
    if saved.remove(launch)? {
        groups.remove()?;
    } else {
        groups.abandon();
    }
    Ok(())
}
