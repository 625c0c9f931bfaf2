//! The groups of a container, whatever the version: one directory for each v1 hierarchy, one for all
//! of v2, or both on a hybrid host.

use core::ffi::CStr;

use heapless::Vec;
use rustix::fd::BorrowedFd;
use rustix::fs::{Mode, Stat, fstat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::detect::{self, GroupsOf, HIERARCHIES, Hierarchies, Hierarchy};
use super::file::{Dir, Version};
use super::processes::for_each_process;
use super::subsystem::{Subsystem, Subsystems};
use crate::bytes::{Arena, number};
use crate::error::{Error, Result};
use crate::proc::process::stat;

/// Bytes that a limit of memory must leave for a container to be started under it, or its launcher,
/// many times over.
pub const ROOM: u64 = 16 << 20;

/// What state.json calls the v2 group. The v1 groups go by the names of their controllers.
pub const UNIFIED: &str = "unified";

/// One directory in one hierarchy.
pub struct Group {
    /// The directory.
    pub dir: Dir,
    /// Its hierarchy's version.
    pub version: Version,
    /// The controllers of its v1 hierarchy. None on v2, where it has those that the group above it
    /// gives: their files tell.
    pub subsystems: Subsystems,
    /// Made by this launcher: there was nobody in it.
    pub fresh: bool,
    /// None that nsinit has put the container into: somebody has moved it there.
    pub moved: bool,
}

impl Group {
    /// What state.json calls it.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let unified = (self.version == Version::V2).then_some(UNIFIED);
        self.subsystems.iter().map(Subsystem::name).chain(unified)
    }
}

/// In which hierarchies PID 1 is no more where state.json says.
#[derive(Default)]
struct Left {
    subsystems: Subsystems,
    unified: bool,
}

impl Left {
    fn add(&mut self, name: &str, subsystems: Subsystems) {
        self.subsystems = self.subsystems.union(subsystems);
        self.unified |= name == UNIFIED;
    }

    fn is_empty(&self) -> bool {
        self.subsystems.is_empty() && !self.unified
    }

    fn has(&self, version: Version, subsystems: Subsystems) -> bool {
        match version {
            Version::V1 => !self.subsystems.both(subsystems).is_empty(),
            Version::V2 => self.unified,
        }
    }
}

/// Whether `pid`, whose groups are `now`, is in its parent's group in the hierarchy of these controllers.
fn is_in_parents(now: &GroupsOf, subsystems: Subsystems, pid: Pid, arena: &Arena) -> Result<bool> {
    let parent = stat("/proc", pid).ok().and_then(|stat| Pid::from_raw(stat.parent));
    let Some(parent) = parent else { return Ok(false) };
    Ok(detect::groups_of(parent, arena)?.path(subsystems) == now.path(subsystems))
}

/// All of them; the one that limits memory is the last.
#[derive(Default)]
pub struct Groups(Vec<Group, HIERARCHIES>);

impl Groups {
    /// The groups of a container that runs, whose PID 1 is `pid`, as state.json names them: pairs of name
    /// and directory. Controllers that are mounted together share one directory. Where somebody has
    /// moved PID 1 since, or removed the group, it is the group in which PID 1 is now. One that is still
    /// in its launcher's group may not have come to its own.
    pub fn open(
        names: &mut dyn Iterator<Item = (&str, &'static CStr)>,
        pid: Pid,
        arena: &Arena,
    ) -> Result<Groups> {
        let mut groups = Groups::default();
        let mut left = Left::default();
        let now = detect::groups_of(pid, arena)?;
        for (name, path) in names {
            let subsystems = Subsystems::parse(name.as_bytes());
            if let Some(group) = groups.0.iter_mut().find(|group| group.dir.path == path) {
                group.subsystems = group.subsystems.union(subsystems);
                continue;
            }
            match Dir::named(path) {
                Ok((dir, version))
                    if now.is_within(subsystems, path.to_bytes())
                        || is_in_parents(&now, subsystems, pid, arena)? =>
                {
                    groups.push(Group { dir, version, subsystems, fresh: false, moved: false })?;
                }
                Err(error) if error.raw() != Some(Errno::NOENT) => return Err(error),
                _ => left.add(name, subsystems),
            }
        }
        groups.follow(&left, pid, arena)?;
        let memory = |group: &Group| group.subsystems.has(Subsystem::Memory);
        let unified = |group: &Group| group.version == Version::V2;
        let last = groups.0.iter().position(memory).or_else(|| groups.0.iter().position(unified));
        if let (Some(n), Some(end)) = (last, groups.0.len().checked_sub(1)) {
            groups.0.swap(n, end);
        }
        Ok(groups)
    }

    /// Adds the groups that PID 1 is in now, in the hierarchies where it has left its own.
    fn follow(&mut self, left: &Left, pid: Pid, arena: &Arena) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        let mut found = Hierarchies::new();
        detect::hierarchies_of(&mut found, pid, detect::LIMITING, arena)?;
        for Hierarchy { version, subsystems, own, .. } in found {
            // Where no mount shows the group, nobody can use it.
            let Some(own) = own.filter(|_| left.has(version, subsystems)) else { continue };
            let (dir, version) = Dir::named(own)?;
            self.push(Group { dir, version, subsystems, fresh: false, moved: true })?;
        }
        Ok(())
    }

    /// Adds one.
    pub fn push(&mut self, group: Group) -> Result<()> {
        let path = group.dir.path;
        let full = |_| Error::refused("use", path, "there are more than 16 hierarchies");
        self.0.push(group).map_err(full)
    }

    /// Takes the last one out.
    pub fn pop(&mut self) -> Option<Group> {
        self.0.pop()
    }

    /// Each.
    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.0.iter()
    }

    /// The v2 group.
    pub fn unified(&self) -> Option<&Group> {
        self.iter().find(|group| group.version == Version::V2)
    }

    /// The v2 group, if a process is best cloned into it: it is there from its first instruction,
    /// and no fork on the machine waits, as it does when one moves (see `enter`). What the start of
    /// a container itself takes is charged to it then. A small limit has no room for that: unless
    /// the process must be in it `early`, it enters such a group late.
    pub fn clone_into(&self, early: bool) -> Option<BorrowedFd<'_>> {
        let group = self.unified()?;
        let mut buf = [0; 32];
        // Without the controller there is no file, without a limit no number.
        let limit = group.dir.read("memory.max", &mut buf).ok().and_then(|text| number(text, 10));
        let room = early || limit.is_none_or(|limit| limit >= ROOM);
        room.then(|| group.dir.fd())
    }

    /// The group that has this controller: that of its v1 hierarchy, or else the v2 one, where it may
    /// lack its files.
    pub fn of(&self, subsystem: Subsystem) -> Option<&Group> {
        self.iter().find(|group| group.subsystems.has(subsystem)).or_else(|| self.unified())
    }

    /// Names and directories.
    #[cfg(test)]
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &'static CStr)> {
        self.iter().flat_map(|group| group.names().map(|name| (name, group.dir.path)))
    }

    /// Whether `pid` is in a group that nsinit made, or in one inside it.
    pub fn hold(&self, pid: Pid) -> bool {
        let marked = |stat: Stat| Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX);
        let mut found = false;
        for group in self.iter().filter(|group| fstat(group.dir.fd()).is_ok_and(marked)) {
            // A group that can't be read tells nothing.
            let _ = for_each_process(group.dir.path, &mut |other| {
                found |= other == pid;
                !found
            });
        }
        found
    }

    /// Forgets all but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
}
