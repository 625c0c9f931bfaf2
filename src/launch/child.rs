//! What the container's first process does, from clone to the workload: the other half of `start`
//! (libcontainer namespaces/init.go, Init).

use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::setsid;
use rustix::system::sethostname;

use super::network::is_awaited;
use super::sync::{Child, FDS};
use super::terminal::{self, Slave};
use super::workload::{self, Inherited, fail, part};
use super::{Launch, forked};
use crate::cgroup::{self, OwnDirs, Version};
use crate::error::{Context, Error, Result};
use crate::init::{Options, serve};
use crate::net;
use crate::plan::{Init, Kind, NetworkKind, Source};
use crate::rootfs::{CgroupDir, Cgroups, OldRoot, Root};
use crate::security;
use crate::step;
use crate::syscall::fd::AsFd;
use crate::syscall::memory;
use crate::syscall::namespace::{setns, unshare};
use crate::syscall::process::{Fork, NewNamespaces, Sibling, fork};
use crate::tty;

/// What it takes along.
pub struct First {
    /// The channel to the launcher.
    pub sync: Child,
    /// The command's terminal, once it is open.
    pub slave: Option<Slave>,
    /// Whether the launcher waits to hear that the root is built: it is in a group whose devices are
    /// restricted from then on, and makes its own before.
    pub tells: bool,
    /// What the command is to be forked as, where its PID namespace is one that others are in.
    pub sibling: Option<Sibling>,
    /// Whether the launcher has something to do before the command's execve.
    pub waits: bool,
}

/// Builds the container around itself, then becomes the workload or, as PID 1, its reaper.
pub fn run(launch: &mut Launch, mut first: First) -> ! {
    let sibling = first.sibling.take();
    let (late, old) = match build(launch, &mut first) {
        Ok(built) => built,
        Err(error) => fail(&first.sync, &error),
    };
    if launch.plan.init != Init::Become {
        reap(launch, first, late, old);
    }
    match old.detach() {
        Ok(()) => workload::run(launch, Inherited { sibling, ..inherited(&first, &late) }),
        Err(error) => fail(&first.sync, &error),
    }
}

/// The `tasks` file of the memory cgroup, where that is still to be entered.
type Late = Option<OwnedFd>;

/// The straight list, in kernel order.
fn build(launch: &mut Launch, first: &mut First) -> Result<(Late, OldRoot)> {
    // PID 1 passes a softer signal than KILL on to the command, as any other.
    let signal = launch.plan.process.parent_death_signal;
    part(launch, signal, &first.sync, &mut first.slave.iter().map(|slave| slave.fd().as_fd()))?;
    // PID 1 in a session of its own: Ctrl-C at the caller's terminal reaches the launcher alone.
    step::at("make a session");
    setsid().doing("make a session", ())?;
    if let Some(slave) = first.slave.as_mut().filter(|_| !terminal::is_own(launch.plan)) {
        step::at("open a terminal");
        match launch.plan.namespaces.is_new(Kind::Mount) {
            true => slave.open(None, &launch.stdio)?,
            false => slave.open_hosts(&launch.stdio)?,
        }
    }
    step::at("join namespaces");
    join_namespaces(launch)?;
    if launch.plan.namespaces.is_new(Kind::Net) {
        step::at("make the network namespace");
        unshare(NewNamespaces::NEWNET).doing("make the network namespace", ())?;
        if is_awaited(launch.plan) {
            first.sync.network()?;
        }
    }
    if let Some(name) = launch.plan.hostname {
        step::at("set the host name");
        sethostname(name.to_bytes()).doing("set the host name to", name)?;
    }
    if launch.plan.networks.iter().any(|network| network.kind == NetworkKind::Loopback) {
        step::at("bring lo up");
        net::loopback_up(launch.arena)?;
    }
    if launch.plan.namespaces.is_new(Kind::Mount) {
        with_root(launch, first)
    } else {
        let fds = wait_go(first)?;
        step::at("enter its control groups");
        enter(launch, fds, false).map(|(late, _)| (late, OldRoot::NONE))
    }
}

fn wait_go(first: &First) -> Result<heapless::Vec<OwnedFd, FDS>> {
    step::at("wait for the launcher");
    if first.tells {
        first.sync.built()?;
    }
    first.sync.wait_go()
}

/// The root file system, with the cgroups in between: their directories are mounted into it.
fn with_root(launch: &mut Launch, first: &mut First) -> Result<(Late, OldRoot)> {
    let plan = &launch.plan.rootfs;
    step::at("make the root file system a mount");
    let mut root = Root::open(plan)?;
    if let Source::Join(path) = launch.plan.namespaces.get(Kind::Pid) {
        root.pids = Some(path);
    }
    hide_machine()?;
    step::at("mount what the file lists");
    root.mounts().map_err(|(n, error)| launch.of_mount(n, error))?;
    if !plan.devices.is_empty() {
        step::at("make the device nodes");
        root.devices()?;
    }
    if plan.dev_links {
        step::at("make the links in /dev");
        root.links()?;
    }
    if let Some(slave) = &mut first.slave {
        step::at("open a terminal");
        slave.open(root.devpts().ok(), &launch.stdio)?;
        step::at("mount the terminal on /dev/console");
        root.console(tty::console(slave.fd().as_fd())?.as_fd())?;
    }
    step::at("mask paths");
    root.masks()?;
    // The launcher has saved state.json by then: `finish` hides it.
    let fds = wait_go(first)?;
    step::at("enter its control groups");
    let (late, own) = enter(launch, fds, plan.wants_cgroups())?;
    if let Some(own) = own {
        step::at("mount its control groups");
        mount_cgroups(&root, &own)?;
    }
    step::at("make the root file system its root");
    Ok((late, root.finish()?))
}

/// What a booted machine's PID 1 writes and listens to is for nobody inside, whatever binds there are: it is
/// taken out of this mount namespace.
fn hide_machine() -> Result<()> {
    const PID_1: &CStr = c"/run/nsinit/pid1";
    match unmount(PID_1, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        // This is no such machine.
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno).doing("take away", PID_1),
    }
}

/// Mounts the groups that this process is in.
fn mount_cgroups(root: &Root, own: &OwnDirs) -> Result<()> {
    if let [(Version::V2, _, path)] = own[..] {
        return root.mount_cgroups(Cgroups::V2(path));
    }
    let mut list = heapless::Vec::<CgroupDir, FDS>::new();
    // On a hybrid host the v2 hierarchy has no part in it: the container may have no group there.
    for (_, hierarchy, path) in own.iter().filter(|(version, ..)| *version == Version::V1) {
        let full = |_| Error::refused("mount the control groups", (), "more than 16 hierarchies");
        list.push(CgroupDir { hierarchy, path }).map_err(full)?;
    }
    root.mount_cgroups(Cgroups::V1(&list))
}

/// Enters the cgroups, but for memory's: see `cgroup::Tasks::has_memory`. A new cgroup namespace is
/// rooted in the groups that its maker is in, and so is what is mounted of them: there is no "late"
/// then, and a container with either needs a larger memory limit. Where they are to be `mounted`,
/// they are looked for in between: from inside of the namespace they can't be seen on the host.
fn enter(
    launch: &Launch,
    mut fds: heapless::Vec<OwnedFd, FDS>,
    mounted: bool,
) -> Result<(Late, Option<OwnDirs>)> {
    let new_namespace = launch.plan.namespaces.is_new(Kind::Cgroup);
    let late = launch.plan.cgroup.is_some() && !mounted && !new_namespace;
    let memory = if late { fds.pop() } else { None };
    for fd in &fds {
        cgroup::enter(fd.as_fd())?;
    }
    let own = if mounted { Some(cgroup::own_dirs(launch.arena)?) } else { None };
    if new_namespace {
        unshare(NewNamespaces::NEWCGROUP).doing("unshare the cgroup namespace", ())?;
    }
    Ok((memory, own))
}

/// Enters the namespaces that the plan names by path; that of PIDs for its children alone: this process
/// stays outside of it. The mount namespace is the last: the paths are the host's.
fn join_namespaces(launch: &Launch) -> Result<()> {
    for kind in Kind::ALL {
        if let Source::Join(path) = launch.plan.namespaces.get(kind) {
            join_namespace(kind, path)?;
        }
    }
    Ok(())
}

/// Enters the namespace of this kind that `path` names.
fn join_namespace(kind: Kind, path: &'static CStr) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(CWD, path, flags, Mode::empty()).doing("open the namespace", path)?;
    setns(file.as_fd(), kind.flag()).doing("enter the namespace", path).map_err(|error| {
        let wrong = error.raw() == Some(rustix::io::Errno::INVAL);
        if wrong { error.hint("is it a namespace of the kind that the file says?") } else { error }
    })
}

fn inherited<'a>(first: &'a First, late: &'a Late) -> Inherited<'a> {
    let memory = late.as_ref().map(AsFd::as_fd);
    let First { ref sync, ref slave, waits, .. } = *first;
    Inherited {
        sync,
        slave: slave.as_ref().map(Slave::fd),
        memory,
        quiet: None,
        sibling: None,
        bounded: u64::MAX,
        waits,
    }
}

/// Forks the workload and becomes its reaper. Both get on at once: while this process waits for the kernel
/// to detach the old root, the workload looks up its user and gives up its rights.
fn reap(launch: &mut Launch, first: First, late: Late, old: OldRoot) -> ! {
    step::at("limit the bounding set");
    // What neither keeps, once for both.
    let bounded = match security::bound_both(&launch.plan.process) {
        Ok(bounded) => bounded,
        Err(error) => fail(&first.sync, &error),
    };
    step::at("fork the command");
    // PID 1's end of it closes with the last of PID 1's descriptors. The command waits for that: it
    // may be allowed to look into PID 1, and must find nothing there.
    let (quiet, noisy) = match pipe_with(PipeFlags::CLOEXEC).doing("make a pipe", ()) {
        Ok(pipe) => pipe,
        Err(error) => fail(&first.sync, &error),
    };
    let workload = match forked(fork(NewNamespaces::empty()), launch.plan) {
        Ok(Fork::Child) => {
            drop(noisy);
            let inherited = Inherited { quiet: Some(&quiet), bounded, ..inherited(&first, &late) };
            // It dies with PID 1 in any case: the kernel kills the whole PID namespace.
            workload::run(launch, inherited)
        }
        Ok(Fork::Parent(pid)) => pid,
        Err(error) => fail(&first.sync, &error),
    };
    match old.detach().and_then(|()| quieten(bounded, &noisy, late.as_ref())) {
        Ok(()) => serve(Some(workload), &Options::default(), None),
        // The channel is still open: the launcher hears of it, and kills the workload with us.
        Err(error) => fail(&first.sync, &error),
    }
}

/// PID 1 keeps nothing: no descriptor, no capability but KILL, no directory but the root. The byte in the
/// pipe says that it has come so far: if it fails, its descriptors close as well.
fn quieten(bounded: u64, noisy: &OwnedFd, memory: Option<&OwnedFd>) -> Result<()> {
    rustix::thread::set_name(c"nsinit").doing("name PID 1", ())?;
    security::become_reaper(bounded)?;
    rustix::process::chdir(c"/").doing("change directory to", "/")?;
    memory::give_back();
    rustix::io::write(noisy.as_fd(), &[0]).doing("tell the command to go on", ())?;
    // After all that could be charged to it: see `cgroup::Tasks::has_memory`.
    if let Some(memory) = memory {
        cgroup::enter(memory.as_fd())?;
    }
    close_everything();
    Ok(())
}

/// Closes the standard descriptors too: a pipe that PID 1 held would never end for its reader.
fn close_everything() {
    if crate::syscall::fd::close_range(0, u32::MAX).is_err() {
        // Before Linux 5.9: PID 1's own are few, the launcher's are closed.
        (0..64).for_each(crate::syscall::fd::close);
    }
}
