//! Entering: the `tasks` files of a group.

use core::ffi::CStr;

use heapless::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, write};

use super::detect::HIERARCHIES;
use super::file::{open, open_named};
use super::subsystem::Subsystem;
use crate::error::{Context, Error, Object, Result};

const FILE: &str = "tasks";

/// The `tasks` files of one group in every hierarchy, open for writing, memory's last. The kernel
/// checks the rights of whoever opened them, so that a process without any can enter.
#[derive(Default)]
pub struct Tasks {
    files: Vec<OwnedFd, HIERARCHIES>,
    memory: bool,
}

impl Tasks {
    /// Those of no group.
    pub const fn new() -> Tasks {
        Tasks { files: Vec::new(), memory: false }
    }

    /// Opens that of the group at `dir`. `memory` comes last.
    pub(super) fn add(&mut self, dir: &'static CStr, memory: bool) -> Result<()> {
        let file = open(dir.to_bytes(), FILE).doing("open", Object::Beneath(dir, FILE))?;
        self.push(file, dir, memory)
    }

    fn push(&mut self, file: OwnedFd, dir: &'static CStr, memory: bool) -> Result<()> {
        let on = Object::Beneath(dir, FILE);
        self.memory |= memory;
        let full = |_| Error::refused("open", on, "there are more than 16 hierarchies");
        self.files.push(file).map_err(full)
    }

    /// All of them, to be handed on: memory's is the last, if `has_memory`.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.files.iter().map(AsFd::as_fd)
    }

    /// Whether memory's is among them. What a process allocates before it enters is charged to
    /// where it was: PID 1 and the workload enter memory's group each by itself, as late as they
    /// can, or a small limit would not even let the container start.
    pub fn has_memory(&self) -> bool {
        self.memory
    }
}

/// Opens the groups of a container that runs, as state.json names them: pairs of subsystem and
/// directory. Controllers that are mounted together share one directory.
pub fn open_existing<'a>(paths: impl Iterator<Item = (&'a str, &'static CStr)>) -> Result<Tasks> {
    let (mut tasks, mut memory) = (Tasks::new(), None);
    let mut seen = Vec::<&CStr, HIERARCHIES>::new();
    for (subsystem, dir) in paths {
        if subsystem == Subsystem::Memory.name() {
            memory = Some(dir);
        } else if !seen.contains(&dir) {
            tasks.push(open_named(dir, FILE)?, dir, false)?;
            // `push` has refused what is one too many.
            let _ = seen.push(dir);
        }
    }
    match memory {
        // Mounted together with another, it has been opened as that.
        Some(dir) if !seen.contains(&dir) => tasks.push(open_named(dir, FILE)?, dir, true)?,
        _ => {}
    }
    Ok(tasks)
}

/// Puts the calling process into the group whose `tasks` file this is.
///
/// The process writes "0" to `tasks`, itself: only for this case the kernel need not hold off every
/// fork and exit of the machine, which means waiting for an RCU grace period of some milliseconds
/// (kernel/cgroup/cgroup.c, cgroup_procs_write_start). A pid, or the file cgroup.procs, costs it.
pub fn enter(tasks: impl AsFd) -> Result<()> {
    let error = match write(tasks, b"0") {
        Ok(_) => return Ok(()),
        Err(errno) => Error::errno("enter the control group", (), errno),
    };
    Err(match error.raw() {
        Some(Errno::NODEV) => error.hint("it was removed meanwhile"),
        Some(Errno::NOSPC) => error.hint("it has no cpu or memory node (cpuset.cpus, cpuset.mems)"),
        _ => error,
    })
}
