//! What the verbs share that look at a container or act on one: which it is, its processes, and who
//! they are.

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::options::Options;
use super::{Context, load};
use crate::bytes::Arena;
use crate::error::{self, Context as _};
use crate::launch::{Place, Running};
use crate::proc::members::Members;
use crate::proc::process::file;

/// The container of the place that the options name.
pub fn running(context: &Context, options: &Options) -> error::Result<Running> {
    Place::open(load::data_path(context, options)?)?.current(context.arena)
}

/// Its processes.
pub fn members(running: &Running, arena: &Arena) -> error::Result<Members> {
    Members::of("/proc", running.init.pid, running.cgroup_paths.iter(), arena)
        .doing("look at the container's processes", ())
}

/// The root of process `pid`, whatever lies there.
pub fn root_of(pid: Pid) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, file("/proc", pid, "root").as_cstr(), flags, Mode::empty())
}
