//! The groups of a container, whatever the version: one directory for each v1 hierarchy, one for all
//! of v2, or both on a hybrid host.

use core::ffi::CStr;

use heapless::Vec;
use rustix::fd::BorrowedFd;
use rustix::fs::{Mode, Stat, fstat};
use rustix::process::Pid;

use super::detect::HIERARCHIES;
use super::file::{Dir, Version};
use super::remove::for_each_process;
use super::subsystem::{Subsystem, Subsystems};
use crate::bytes::number;
use crate::error::{Error, Result};

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
}

impl Group {
    /// What state.json calls it.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let unified = (self.version == Version::V2).then_some(UNIFIED);
        self.subsystems.iter().map(Subsystem::name).chain(unified)
    }
}

/// All of them; the one that limits memory is the last.
#[derive(Default)]
pub struct Groups(Vec<Group, HIERARCHIES>);

impl Groups {
    /// The groups of a container that runs, as state.json names them: pairs of name and directory.
    /// Controllers that are mounted together share one directory.
    pub fn open(names: &mut dyn Iterator<Item = (&str, &'static CStr)>) -> Result<Groups> {
        let mut groups = Groups::default();
        for (name, path) in names {
            let subsystems = Subsystems::parse(name.as_bytes());
            match groups.0.iter_mut().find(|group| group.dir.path == path) {
                Some(group) => group.subsystems = group.subsystems.union(subsystems),
                None => {
                    let (dir, version) = Dir::named(path)?;
                    groups.push(Group { dir, version, subsystems, fresh: false })?;
                }
            }
        }
        let memory = |group: &Group| group.subsystems.has(Subsystem::Memory);
        let unified = |group: &Group| group.version == Version::V2;
        let last = groups.0.iter().position(memory).or_else(|| groups.0.iter().position(unified));
        if let (Some(n), Some(end)) = (last, groups.0.len().checked_sub(1)) {
            groups.0.swap(n, end);
        }
        Ok(groups)
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
