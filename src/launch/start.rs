//! The launcher's half of a start (libcontainer namespaces/exec.go, Exec). It and the container's
//! first process work side by side and meet at the channel.

use core::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::process::Pid;

use super::attend::{Event, Terminal, attend};
use super::child::{self, First};
use super::claim::Claim;
use super::guard::Traces;
use super::network::{connect, is_awaited};
use super::paused::{let_end, say_still};
use super::process::Process;
use super::sync::{self, FDS, News};
use super::terminal::{self, Master};
use super::termination::Termination;
use super::{Launch, at_limit, died, is_limited, say_killed};
use crate::bytes::{Arena, Short};
use crate::cgroup::{self, Created, Groups, Site, systemd};
use crate::error::{Context, Error, Result};
use crate::net::Made;
use crate::plan::{Kind, Plan, Source};
use crate::say;
use crate::state::{State, Strings};
use crate::step;
use crate::syscall::namespace::unshare;
use crate::syscall::process::{Fork, NewNamespaces, Sibling, fork, fork_into};

/// Starts a container and attends to it until it ends; the exit status of the command.
pub fn start(launch: &mut Launch, claim: Claim) -> Result<u8> {
    start_leaving(&mut Traces::none(claim, launch.arena), launch)
}

/// The same, with what it leaves on the host in `traces`: wherever it fails, the caller has all that
/// there is to take back.
#[inline(never)]
fn start_leaving(traces: &mut Traces, launch: &mut Launch) -> Result<u8> {
    let site = find_site(launch)?;
    // That of v2 comes first of all: the child is cloned into it.
    if site.is_unified() {
        make_cgroups(launch, &site, &mut traces.groups)?;
    }
    let (master, slave) = terminal::channel(launch.plan)?;
    let (parent, child) = sync::channel()?;
    step::share().doing("map a page to share", ())?;
    make_time_namespace(launch.plan)?;
    let frozen = launch.plan.cgroup.as_ref().is_some_and(|plan| plan.frozen);
    let sibling = expected(launch.plan)?;
    // state.json names it only once there is one.
    let waits_last = frozen || sibling.is_some();
    let mut first = First { sync: child, slave, tells: false, sibling: None, waits: waits_last };
    let (fork, entered) = clone_first(launch.plan, traces.groups.groups())?;
    first.tells = entered && traces.groups.has_program();
    let pid = match fork {
        Fork::Child => child::run(launch, First { sibling, ..first }),
        Fork::Parent(pid) => pid,
    };
    let waits = first.tells;
    drop(first);
    traces.children.guard(pid, sibling);
    if !site.is_unified() {
        make_cgroups(launch, &site, &mut traces.groups)?;
    }
    if entered {
        traces.groups.entered_unified();
    }
    let termination = Termination::watch()?;
    if is_awaited(launch.plan) {
        let (groups, arena) = (&traces.groups, launch.arena);
        let mut heard = |news| {
            if let News::Silence = news {
                say_still(groups.groups(), arena);
            }
            Ok(())
        };
        judge(parent.await_network(&termination, arena, &mut heard), groups, launch)?;
    }
    connect(launch, &mut traces.made, &mut traces.survivor, pid)?;
    save_state(launch, traces, pid)?;
    let groups = &traces.groups;
    let go = || groups.attach().and_then(|()| parent.go(&fds(groups)?));
    if !waits {
        go()?;
    }
    // Here the launcher waits anyway.
    drop(launch.seal.take());
    let arena = launch.arena;
    let mut heard = |news| match news {
        News::Built if waits => go(),
        News::Silence => {
            say_still(groups.groups(), arena);
            Ok(())
        }
        _ => Ok(()),
    };
    let report = parent.report(&termination, arena, waits_last, &mut heard);
    judge(report, groups, launch)?;
    let Some(main) = traces.children.main() else { return Err(died(launch.arena)) };
    if main != pid {
        save_state(launch, traces, main)?;
    }
    if frozen {
        traces.groups.freeze()?;
    }
    if waits_last {
        parent.go(&[])?;
    }
    traces.claim.share()?;
    launch.started(main);
    let pty = master.map(Master::take).transpose()?;
    let terminal = pty.map(|pty| Terminal { stdio: &launch.stdio, pty });
    let Traces { children, survivor, groups, .. } = traces;
    let status = attend(main, terminal, launch.relay.take(), &mut |event| match event {
        Event::Reaped(pid) => {
            children.reaped(pid);
            survivor.reaped(pid);
        }
        Event::Passed => let_end(main, groups),
    })?;
    // The execve of a command that has waited came later.
    let late = parent.report(&termination, launch.arena, true, &mut |_| Ok(()));
    say_killed(launch, status, traces.groups.groups(), None);
    traces.take_back(launch)?;
    late.map(|_| status)
}

/// Whether the command runs. A failure for want of memory is told as that, whatever it looked like.
fn judge(report: Result<bool>, groups: &Created, launch: &mut Launch) -> Result<()> {
    let error = match report {
        Ok(true) => return Ok(()),
        Ok(false) => died(launch.arena),
        Err(error) => error,
    };
    let Some(why) = cgroup::out_of_memory(groups.groups(), None, launch.arena) else {
        return Err(error);
    };
    if is_limited(launch.plan) {
        launch.finding = Some(at_limit(why));
    }
    Err(Error::refused("start the container", (), why))
}

/// The namespaces that clone makes. A network namespace takes the kernel as long as all of the control
/// groups, and is made by the child meanwhile; a cgroup namespace later, once the process is in its
/// groups; a time namespace is only ever for the next child.
fn cloned(plan: &Plan) -> NewNamespaces {
    Kind::ALL
        .into_iter()
        .filter(|kind| plan.namespaces.is_new(*kind))
        .filter(|kind| !matches!(kind, Kind::Net | Kind::Cgroup | Kind::Time))
        .fold(NewNamespaces::empty(), |flags, kind| flags | kind.flag())
}

/// The parent's doing: a time namespace is one for its next child.
fn make_time_namespace(plan: &Plan) -> Result<()> {
    if plan.namespaces.is_new(Kind::Time) {
        unshare(NewNamespaces::NEWTIME).doing("unshare the time namespace", ())?;
    }
    Ok(())
}

/// Whom the first process makes way for, where the PID namespace is another container's: it builds
/// outside of that, with all of the launcher's rights, and only the command enters.
fn expected(plan: &Plan) -> Result<Option<Sibling>> {
    match plan.namespaces.get(Kind::Pid) {
        Source::Join(_) => Sibling::expected().doing("map a page to share", ()).map(Some),
        _ => Ok(None),
    }
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
#[inline(never)]
fn find_site(launch: &mut Launch) -> Result<Site> {
    cgroup::warn_unlimited(launch.plan);
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
    systemd::leave_top(&site, arena)?;
    Ok(site)
}

fn make_cgroups(launch: &mut Launch, site: &Site, groups: &mut Created) -> Result<()> {
    match &launch.plan.cgroup {
        Some(plan) => groups.make(site, plan, &mut launch.finding),
        None => Ok(()),
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

/// Writes state.json: before the command starts, after the cgroups that it names. Once more where the
/// process that it is to name did not exist yet.
#[inline(never)]
fn save_state(launch: &Launch, traces: &mut Traces, pid: Pid) -> Result<()> {
    let init = Process::by_pid(pid)?;
    let start_time = Short::<24>::new(format_args!("{}", init.start_time));
    let mut inode = Short::<24>::default();
    if let Some(number) = init.pidfd_inode()? {
        inode.push(format_args!("{number}"));
    }
    let mut cgroup_paths = Strings::cgroups();
    for group in traces.groups.groups().iter() {
        for subsystem in group.names() {
            if !cgroup_paths.set(subsystem, group.dir.path) {
                return Err(Error::refused("write to state.json", subsystem, "no such subsystem"));
            }
        }
    }
    let state = State {
        init_pid: pid.as_raw_pid(),
        init_start_time: start_time.as_str(),
        init_pidfd_inode: inode.as_str(),
        network_state: network_state(launch, &traces.made)?,
        cgroup_paths,
    };
    traces.claim.save(&state, launch.arena)
}

/// The names of all veths' ends, in the order of the file, with commas; the namespace that was joined.
fn network_state(launch: &Launch, made: &Made) -> Result<Strings> {
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
            state.set(key, value);
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
