//! The launcher's half of a start (libcontainer namespaces/exec.go, Exec). It and the container's
//! first process work side by side and meet at the channel.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::Pid;

use super::attend::{Terminal, attend};
use super::child::{self, First};
use super::guard::{ChildGuard, StateGuard};
use super::place::{Lock, Place, pid_object};
use super::sync::{self, FDS, Outcome};
use super::{Launch, died};
use crate::bytes::{Arena, Short};
use crate::cgroup::{self, Created};
use crate::error::{Context, Error, Result};
use crate::net::{self, Made};
use crate::plan::{Kind, Plan, Source};
use crate::proc::process::{namespace_file, stat};
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
    let mut made = Made::new(launch.arena);
    let groups;
    let saved;
    let mut guard = ChildGuard::new(pid);
    groups = make_cgroups(launch)?;
    connect(launch, &mut made, pid)?;
    saved = save_state(launch, place, pid, &groups, &made)?;
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
    finish(launch, place, groups, saved, made)?;
    Ok(status)
}

/// The network, made in the child's namespace while it builds the root. Nothing holds that namespace
/// afterwards but what runs in it.
fn connect(launch: &Launch, made: &mut Made, pid: Pid) -> Result<()> {
    if !net::is_needed(launch.plan) {
        return Ok(());
    }
    let joined = launch.plan.namespaces.get(Kind::Net);
    let child = namespace_file("/proc", pid, Kind::Net.file());
    let (path, on) = match joined {
        Source::Join(path) => (path, path.into()),
        _ => (child.as_cstr(), pid_object(pid)),
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let namespace = openat(CWD, path, flags, Mode::empty());
    let namespace = namespace.doing("open the network namespace of", on)?;
    net::connect(made, launch.plan, namespace.as_fd(), joined != Source::New)
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
    made: &Made,
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
        network_state: network_state(launch, made)?,
        cgroup_paths,
    };
    state::save(place.dir(), &state, launch.arena)?;
    Ok(StateGuard::new(place, pid.as_raw_pid()))
}

/// The names of all veths' ends, in the order of the file, with commas; the namespace that was joined.
fn network_state(launch: &Launch, made: &Made) -> Result<Strings<'static>> {
    let (mut host, mut child, mut path) = (c"", c"", c"");
    for (outer, inner) in made.veths() {
        host = longer(launch.arena, host, outer)?;
        child = longer(launch.arena, child, inner)?;
    }
    if let Source::Join(joined) = launch.plan.namespaces.get(Kind::Net) {
        path = joined;
    }
    let mut state = Strings::NETWORK;
    for (key, value) in [("veth_host", host), ("veth_child", child), ("ns_path", path)] {
        if !value.is_empty() {
            let refused = |_| Error::refused("write to state.json", value, "it is not UTF-8");
            state.set(key, value.to_str().map_err(refused)?);
        }
    }
    Ok(state)
}

fn longer(arena: &Arena, list: &'static CStr, name: &'static CStr) -> Result<&'static CStr> {
    if list.is_empty() {
        return Ok(name);
    }
    arena.concat(&[list.to_bytes(), b",", name.to_bytes()]).doing("keep the name", name)
}

/// Takes the container's traces away. If another launcher was here since PID 1 died, it has cleaned
/// up and may have started anew in the same groups: they are left to it.
fn finish(
    launch: &Launch,
    place: &Place,
    groups: Created,
    saved: StateGuard,
    mut made: Made,
) -> Result<()> {
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
    // The kernel takes a veth away meanwhile. With the lock: whoever comes next may want its name.
    made.take_back()
}
