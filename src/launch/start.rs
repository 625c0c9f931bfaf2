//! The launcher's half of a start (libcontainer namespaces/exec.go, Exec). It and the container's
//! first process work side by side and meet at the channel.

use core::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::process::Pid;

use super::attend::{Terminal, attend};
use super::child::{self, First};
use super::guard::{ChildGuard, StateGuard};
use super::network::connect;
use super::place::{Lock, Place, pid_object};
use super::sync::{self, FDS, Outcome};
use super::{Launch, died, say_killed};
use crate::bytes::{Arena, Short};
use crate::cgroup::{self, Created, Groups, Site, systemd};
use crate::error::{Context, Error, Result};
use crate::net::Made;
use crate::plan::{Kind, Plan, Source};
use crate::proc::process::stat;
use crate::say;
use crate::state::{self, State, Strings};
use crate::step::Steps;
use crate::syscall::namespace::unshare;
use crate::syscall::process::{Fork, NewNamespaces, fork, fork_into};
use crate::tty::Pty;

/// Starts a container and attends to it until it ends; the exit status of the command.
pub fn start(launch: &mut Launch, place: &Place, lock: Lock) -> Result<u8> {
    let site = find_site(launch)?;
    // Undone from the last to the first if it is left with an error: a group can't be removed while
    // the child is in it. That of v2 comes first of all: the child is cloned into it.
    let mut groups = make_cgroups(launch, &site, site.is_unified())?;
    let mut survivor = None;
    let mut made = Made::new(launch.arena);
    let saved;
    let pty = if launch.plan.process.tty { Some(Pty::open(&launch.stdio)?) } else { None };
    let (parent, child) = sync::channel()?;
    let steps = Steps::new().doing("map a page to share", ())?;
    prepare_children(launch.plan)?;
    let (master, slave, console) = match pty {
        Some(Pty { master, slave, console }) => (Some(master), Some(slave), Some(console)),
        None => (None, None, None),
    };
    let frozen = launch.plan.cgroup.as_ref().is_some_and(|plan| plan.frozen);
    let mut first = First { sync: child, slave, console, steps, tells: false, frozen };
    let (fork, entered) = clone_first(launch.plan, groups.groups())?;
    first.tells = entered && groups.has_program();
    let pid = match fork {
        Fork::Child => child::run(launch, first),
        Fork::Parent(pid) => pid,
    };
    let waits = first.tells;
    drop(first);
    let mut guard = ChildGuard::new(pid);
    if !site.is_unified() {
        groups = make_cgroups(launch, &site, true)?;
    }
    if entered {
        groups.entered_unified();
    }
    connect(launch, &mut made, &mut survivor, pid)?;
    saved = save_state(launch, place, pid, &groups, &made)?;
    let go = || groups.attach().and_then(|()| parent.go(&fds(&groups)?));
    if !waits {
        go()?;
    }
    let mut built = || if waits { go() } else { Ok(()) };
    let report = parent.report(launch.arena, frozen, &mut built)?;
    judge(report.outcome, &groups, steps, launch)?;
    if frozen {
        groups.freeze()?;
        parent.go(&[])?;
    }
    drop(lock);
    launch.started();
    let terminal = master.map(|master| Terminal { stdio: &launch.stdio, master });
    let status = attend(pid, terminal)?;
    guard.disarm();
    // The execve of a command that was frozen came later.
    let late = parent.report(launch.arena, true, &mut || Ok(()))?;
    say_killed(status, groups.groups(), None, launch.arena);
    finish(launch, place, groups, saved, made)?;
    match late.outcome {
        Outcome::Failed(error) => Err(error),
        _ => Ok(status),
    }
}

/// Whether the command runs. A failure for want of memory is told as that, whatever it looked like.
fn judge(outcome: Outcome, groups: &Created, steps: Steps, launch: &Launch) -> Result<()> {
    let error = match outcome {
        Outcome::Started => return Ok(()),
        Outcome::Failed(error) => error,
        Outcome::Died => died(steps.last().as_str(), launch.arena),
    };
    Err(short_of_memory(groups, launch).unwrap_or(error))
}

/// What a start that failed has failed for, if the kernel has killed a process of it.
fn short_of_memory(groups: &Created, launch: &Launch) -> Option<Error> {
    let why = cgroup::out_of_memory(groups.groups(), None, launch.arena)?;
    Some(Error::refused("start the container", (), why))
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

/// Clones it, and whether it is in its v2 group from the start.
fn clone_first(plan: &Plan, groups: &Groups) -> Result<(Fork, bool)> {
    const DOING: &str = "clone the container's first process";
    // What is mounted of the groups, and the root of a new namespace, is where it is then.
    let early = plan.rootfs.wants_cgroups() || plan.namespaces.is_new(Kind::Cgroup);
    if let Some(group) = groups.clone_into(early) {
        match fork_into(cloned(plan), group) {
            // The kernel can't: it enters as any other process does.
            Err(Errno::TOOBIG | Errno::INVAL | Errno::NOSYS | Errno::PERM) => {}
            fork => return fork.doing(DOING, ()).map(|fork| (fork, true)),
        }
    }
    fork(cloned(plan)).doing(DOING, ()).map(|fork| (fork, false))
}

/// Whether the container is to be in a scope of systemd's.
fn wants_scope(launch: &Launch) -> bool {
    let slice = launch.plan.cgroup.as_ref().and_then(|cgroup| cgroup.slice);
    let there = launch.systemd || slice.is_some() && systemd::is_there();
    if slice.is_some() && !there {
        say::warning(format_args!("cgroups.slice: systemd does not run here: left out"));
    }
    there
}

/// Where the container's groups will be. Relative names count from a scope of systemd's, if one is
/// asked for: the launcher goes into it, with all that is started from here on, but not before it is
/// known that this host can limit as the plan asks.
fn find_site(launch: &mut Launch) -> Result<Site> {
    let scope = wants_scope(launch);
    let (plan, arena) = (launch.plan.cgroup.as_ref(), launch.arena);
    let mut find = |ahead| match plan {
        Some(plan) => Site::find(plan, ahead, arena, &mut launch.finding),
        None => Ok(Site::default()),
    };
    if !scope {
        return find(false);
    }
    find(true)?;
    systemd::enter_scope(plan, arena)?;
    let site = find(false)?;
    systemd::step_down(&site, arena)?;
    Ok(site)
}

fn make_cgroups<'a>(launch: &mut Launch<'a>, site: &Site, now: bool) -> Result<Created<'a>> {
    match launch.plan.cgroup.as_ref().filter(|_| now) {
        Some(plan) => cgroup::create(site, plan, launch.arena, &mut launch.finding),
        None => Ok(Created::none(launch.arena)),
    }
}

fn fds<'a>(groups: &'a Created) -> Result<heapless::Vec<BorrowedFd<'a>, FDS>> {
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
    let mut cgroup_paths = Strings::cgroups();
    for (subsystem, path) in groups.groups().names() {
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
    let mut state = Strings::network();
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
