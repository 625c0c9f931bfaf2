//! What the verbs share that look at a container or act on one: which it is, its control groups and
//! processes, who they are, and waiting for its end.

use rustix::event::{PollFd, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::options::Options;
use super::{Context, load};
use crate::bytes::Arena;
use crate::cgroup::Groups;
use crate::error::{Context as _, Result};
use crate::launch::{Place, Running};
use crate::proc::members::Members;
use crate::proc::process::{Stat, file};

/// The container of the place that the options name.
pub fn running(context: &Context, options: &Options) -> Result<Running> {
    Place::open(load::data_path(context, options)?)?.current(context.arena)
}

/// What `act` makes of it and of its control groups.
pub fn with_groups(
    context: &Context,
    options: &Options,
    act: &mut dyn FnMut(&Running, &Groups) -> Result<u8>,
) -> Result<u8> {
    let container = running(context, options)?;
    let groups = container.groups(context.arena)?;
    act(&container, &groups)
}

/// Calls `each` with every process of it.
pub fn each_member(
    container: &Running,
    arena: &Arena,
    each: &mut dyn FnMut(Pid, &Stat),
) -> Result<()> {
    Members::of("/proc", container.init.pid, container.cgroup_paths.iter(), arena)
        .and_then(|members| members.for_each(each))
        .doing("look at the container's processes", ())
}

/// Whether it still runs, after an event of `fds` or so many seconds.
pub fn wait(container: &Running, fds: &mut [PollFd], seconds: Option<u64>) -> Result<bool> {
    let time = seconds.map(|seconds| Timespec { tv_sec: seconds as _, tv_nsec: 0 });
    match poll(fds, time.as_ref()) {
        Ok(_) | Err(Errno::INTR) => container.init.is_alive(),
        Err(errno) => Err(errno).doing("wait for", "events"),
    }
}

/// The root of process `pid`, whatever lies there.
pub fn root_of(pid: Pid) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, file("/proc", pid, "root").as_cstr(), flags, Mode::empty())
}
