//! Entering: the `tasks` files of a group.

use core::ffi::CStr;

use heapless::Vec;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::{Errno, write};
use rustix::process::Pid;

use super::detect::{self, HIERARCHIES, Hierarchies, Hierarchy, Wanted};
use super::file::{Dir, Version};
use super::groups::{Group, Groups};
use super::subsystem::{Subsystem, Subsystems};
use super::systemd;
use crate::bytes::{Arena, Short};
use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;

/// The `tasks` files of one group in every hierarchy, open for writing, memory's last. The kernel
/// checks the rights of whoever opened them, so that a process without any can enter.
#[derive(Default)]
pub struct Tasks {
    files: Vec<OwnedFd, HIERARCHIES>,
    memory: bool,
    /// Which of the files is the v2 group's.
    unified: Option<usize>,
}

impl Tasks {
    /// Those of no group.
    pub const fn new() -> Tasks {
        Tasks { files: Vec::new(), memory: false, unified: None }
    }

    /// Those of these groups, for who joins `pid` there; with its `scope` too.
    pub fn open(groups: &Groups, pid: Pid, scope: bool, arena: &Arena) -> Result<Tasks> {
        let mut tasks = Tasks::new();
        if scope {
            tasks.add_scope(groups, pid, arena)?;
        }
        for group in groups.iter() {
            let inside = if gives(group) { inside(group, pid, arena)? } else { None };
            match inside {
                Some(path) => tasks.add_at(path, group.version, group.subsystems)?,
                None => tasks.add(&group.dir, group.version, group.subsystems)?,
            }
        }
        Ok(tasks)
    }

    /// Where no group of a container's is made but the scope that systemd gave it has one: systemd
    /// would take a process for another unit's.
    fn add_scope(&mut self, groups: &Groups, pid: Pid, arena: &Arena) -> Result<()> {
        let mut found = Hierarchies::new();
        detect::hierarchies_of(&mut found, pid, systemd::IN_SCOPE, arena)?;
        for Hierarchy { version, subsystems, own, .. } in found.iter().copied() {
            let there = match version {
                Version::V1 => groups.iter().any(|g| !g.subsystems.both(subsystems).is_empty()),
                Version::V2 => groups.unified().is_some(),
            };
            if let Some(own) = own.filter(|_| !there) {
                self.add_at(own, version, subsystems)?;
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn add_at(
        &mut self,
        path: &'static CStr,
        version: Version,
        subsystems: Subsystems,
    ) -> Result<()> {
        self.add(&Dir::open(path)?, version, subsystems)
    }

    /// Opens that of a group. Memory's comes last.
    pub fn add(&mut self, dir: &Dir, version: Version, subsystems: Subsystems) -> Result<()> {
        let unified = version == Version::V2;
        let name = if unified { "cgroup.procs" } else { "tasks" };
        let file = dir.file(name, OFlags::WRONLY).doing("open", (dir.path, name))?;
        if unified {
            self.unified = Some(self.files.len());
        }
        self.memory |= unified || subsystems.has(Subsystem::Memory);
        let full = |_| Error::refused("enter", dir.path, "there are more than 16 hierarchies");
        self.files.push(file).map_err(full)
    }

    /// Takes out that of the v2 group.
    pub fn leave_out_unified(&mut self) {
        if let Some(n) = self.unified.take() {
            drop(self.files.remove(n));
        }
    }

    /// All of them, to be handed on: memory's is the last, if `has_memory`.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.files.iter().map(AsFd::as_fd)
    }

    /// Whether memory's, which may be that of v2, is among them. What a process allocates before it enters is charged to
    /// where it was: PID 1 and the workload enter memory's group each by itself, as late as they
    /// can, or a small limit would not even let the container start.
    pub fn has_memory(&self) -> bool {
        self.memory
    }
}

/// Moves a process into the caller's own group of v1's freezer: what is frozen, by its own group or by
/// one above it, does not even die.
pub fn take_out_of_freezer(pid: Pid, arena: &Arena) -> Result<()> {
    let mut found = Hierarchies::new();
    let wanted: Wanted = |subsystems, _| subsystems.has(Subsystem::Freezer);
    detect::hierarchies(&mut found, c"/proc/self/cgroup", wanted, arena)?;
    for own in found.iter().filter_map(|hierarchy| hierarchy.own) {
        let number = Short::<24>::new(format_args!("{}", i64::from(pid.as_raw_pid())));
        let moved = Dir::open(own)?.write("tasks", number.as_str().as_bytes());
        moved.doing("move a process out of the freezer to", (own, "tasks"))?;
    }
    Ok(())
}

/// Whether a group gives controllers to those in it: on v2 it can't have processes itself then
/// (cgroup-v2.rst, "No Internal Process Constraint").
fn gives(group: &Group) -> bool {
    let mut buf = [0; 256];
    let read =
        |buf| group.dir.read("cgroup.subtree_control", buf).is_ok_and(|list| !list.is_empty());
    group.version == Version::V2 && read(&mut buf)
}

/// The group inside of it that `pid` is in, for a container that sorts its processes itself.
fn inside(group: &Group, pid: Pid, arena: &Arena) -> Result<Option<&'static CStr>> {
    let mut found = Hierarchies::new();
    detect::hierarchies_of(&mut found, pid, |subsystems, _| subsystems.is_empty(), arena)?;
    let own = found.first().and_then(|hierarchy| hierarchy.own);
    Ok(own.filter(|own| {
        let rest = own.to_bytes().strip_prefix(group.dir.path.to_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"/"))
    }))
}

/// Puts the calling process into the group whose `tasks` file this is.
///
/// The process writes "0" to `tasks`, itself: only for this case the kernel need not hold off every
/// fork and exit of the machine, which means waiting for an RCU grace period of some milliseconds
/// (kernel/cgroup/cgroup.c, cgroup_procs_write_start). A pid, or the file cgroup.procs, costs it.
pub fn enter(tasks: BorrowedFd) -> Result<()> {
    enter_by(tasks.as_fd())
}

#[inline(never)]
fn enter_by(tasks: BorrowedFd) -> Result<()> {
    let error = match write(tasks.as_fd(), b"0") {
        Ok(_) => return Ok(()),
        Err(errno) => Error::errno("enter the control group", (), errno),
    };
    Err(match error.raw() {
        Some(Errno::NODEV) => error.hint("it was removed meanwhile"),
        Some(Errno::NOSPC) => error.hint("it has no cpu or memory node (cpuset.cpus, cpuset.mems)"),
        _ => error,
    })
}
