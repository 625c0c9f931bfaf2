//! The launcher's part of the network: it is made in the namespace of the container's first process,
//! while that builds the root.

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::Launch;
use super::guard::Children;
use super::survivor;
use crate::error::{Context, Object, Result};
use crate::net::{self, Made};
use crate::plan::check::Finding;
use crate::plan::{Kind, Plan, Source};
use crate::proc::process::{namespace_file, stat};
use crate::syscall::fd::AsFd;
use crate::syscall::time::{monotonic, sleep};

/// How long a network is tried that may be another's for a moment more, in milliseconds, and the
/// nanoseconds in between.
const PATIENCE: u64 = 500;
const PAUSE: u32 = 25_000_000;

/// Whether the launcher has something to make in the network namespace that the first process makes.
pub fn is_awaited(plan: &Plan) -> bool {
    net::is_needed(plan) && plan.namespaces.is_new(Kind::Net)
}

/// Makes it. Nothing holds the namespace afterwards but what runs in it, and the survivor where
/// something in it is to be taken back.
pub fn connect(
    launch: &mut Launch,
    made: &mut Made,
    survivor: &mut Children,
    pid: Pid,
) -> Result<()> {
    if !net::is_needed(launch.plan) {
        return Ok(());
    }
    if let Source::Join(_) = launch.plan.namespaces.get(Kind::Net) {
        made.at = Some(("netns", 0, ""));
    }
    let connected = match namespace(launch, pid) {
        Ok(Some(namespace)) => connect_in(launch, namespace.as_fd(), made, survivor, pid),
        // The first process has no more of them when it ends: its reason is on the way up.
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let (Err(error), Some((part, index, key))) = (&connected, made.at) {
        let why = launch.arena.str(format_args!("{error}"));
        let why = why.unwrap_or("no memory for texts is left");
        launch.finding = Some(Finding { part, index: Some(index), key, text: c"", why });
    }
    connected
}

fn namespace(launch: &Launch, pid: Pid) -> Result<Option<OwnedFd>> {
    let child = namespace_file("/proc", pid, Kind::Net.file());
    let (path, on, new) = match launch.plan.namespaces.get(Kind::Net) {
        Source::Join(path) => (path, path.into(), false),
        _ => (child.as_cstr(), Object::from(pid), true),
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match openat(CWD, path, flags, Mode::empty()) {
        Err(Errno::NOENT) if new && stat("/proc", pid).is_ok_and(|stat| stat.exiting) => Ok(None),
        namespace => namespace.doing("open the network namespace of", on).map(Some),
    }
}

fn connect_in(
    launch: &Launch,
    namespace: BorrowedFd,
    made: &mut Made,
    survivor: &mut Children,
    pid: Pid,
) -> Result<()> {
    let plan = &*launch.plan;
    let site = net::Site { namespace, joined: !plan.namespaces.is_new(Kind::Net) };
    let inside = site.keeps(plan).then_some(namespace);
    let mut outlive = || survivor::survivor(pid, inside, survivor, launch.arena);
    // The kernel takes its time with a namespace, and a killed launcher's survivor waits for it. One
    // that was killed before it had written state.json is not known of.
    let patient = launch.follows || inside.is_some();
    let since = monotonic();
    loop {
        let connected = net::connect(made, plan, site, &mut outlive);
        if connected.is_ok() || !patient || monotonic() - since > PATIENCE {
            return connected;
        }
        made.take_back()?;
        sleep(PAUSE);
    }
}
