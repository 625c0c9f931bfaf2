//! The launcher's part of the network: it is made in the namespace of the container's first process,
//! while that builds the root.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::Launch;
use super::guard::ChildGuard;
use super::place::pid_object;
use super::survivor;
use crate::error::{Context, Result};
use crate::net::{self, Made};
use crate::plan::check::Finding;
use crate::plan::{Kind, Source};
use crate::proc::process::{namespace_file, stat};
use crate::syscall::time::sleep;

/// How often a network is tried that may be another's for a moment more, and nanoseconds in between.
const TRIES: u32 = 20;
const PAUSE: u32 = 25_000_000;

/// Makes it. Nothing holds the namespace afterwards but what runs in it, and the survivor where
/// something in it is to be taken back.
pub fn connect(
    launch: &mut Launch,
    made: &mut Made,
    survivor: &mut Option<ChildGuard>,
    pid: Pid,
) -> Result<()> {
    if !net::is_needed(launch.plan) {
        return Ok(());
    }
    // The first process has no more of them when it ends: its reason is on the way up.
    let Some(namespace) = namespace(launch, pid)? else { return Ok(()) };
    let connected = connect_in(launch, namespace.as_fd(), made, survivor, pid);
    if let (Err(error), Some((part, index, key))) = (&connected, made.at) {
        let why = launch.arena.str(format_args!("{error}"));
        let why = why.unwrap_or("no memory for texts is left");
        launch.finding = Some(Finding { part, index: Some(index), key, text: c"", why });
    }
    connected
}

fn namespace(launch: &Launch, pid: Pid) -> Result<Option<OwnedFd>> {
    let child = namespace_file("/proc", pid, Kind::Net.file());
    let (path, on) = match launch.plan.namespaces.get(Kind::Net) {
        Source::Join(path) => (path, path.into()),
        _ => (child.as_cstr(), pid_object(pid)),
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match openat(CWD, path, flags, Mode::empty()) {
        Err(Errno::NOENT) if stat("/proc", pid).is_ok_and(|stat| stat.exiting) => Ok(None),
        namespace => namespace.doing("open the network namespace of", on).map(Some),
    }
}

fn connect_in(
    launch: &Launch,
    namespace: BorrowedFd,
    made: &mut Made,
    survivor: &mut Option<ChildGuard>,
    pid: Pid,
) -> Result<()> {
    let plan = &*launch.plan;
    let site = net::Site { namespace, joined: !plan.namespaces.is_new(Kind::Net) };
    let inside = site.keeps(plan).then_some(namespace);
    let mut outlive = || {
        let (child, notes) = survivor::survivor(plan, pid, inside, launch.arena)?;
        *survivor = Some(child);
        Ok(notes)
    };
    // The kernel takes its time with a namespace, and a killed launcher's survivor waits for it.
    for _ in 0..if launch.follows { TRIES } else { 0 } {
        if net::connect(made, plan, site, &mut outlive).is_ok() {
            return Ok(());
        }
        made.take_back()?;
        sleep(PAUSE);
    }
    net::connect(made, plan, site, &mut outlive)
}
