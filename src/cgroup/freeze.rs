//! Stopping a whole container: the freezer of v1 (Documentation/admin-guide/cgroup-v1/
//! freezer-subsystem.rst), cgroup.freeze of v2 (cgroup-v2.rst).

use core::ffi::CStr;

use rustix::io::Errno;

use super::file::{Dir, Version, above, parent};
use super::groups::{Group, Groups};
use super::processes::{for_each_process, is_contained, is_ending, thaw};
use super::subsystem::Subsystem;
use super::wait::Pause;
use crate::bytes::{Arena, Show, split_by};
use crate::error::{Context, Error, Result};

/// How long the processes may take to stop: they finish the system call that they are in, or as much
/// of it as can't be interrupted.
const FREEZE_MS: u64 = 10_000;
/// How long the kernel may take to show that they go on.
const THAW_MS: u64 = 1_000;

/// The freezer of a container.
pub struct Freezer<'a> {
    group: &'a Group,
    words: &'static Words,
}

/// Whether a container stands still, or is about to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Still {
    /// It runs.
    No,
    /// Its own group is frozen.
    Itself,
    /// The group at this path is, which its own lies in.
    Above(&'static CStr),
}

/// The files of a freezer, and what means "stop" and "go on".
struct Words {
    /// To be written to.
    file: &'static str,
    stop: &'static [u8],
    go: &'static [u8],
    /// Says 1 where the group itself is frozen, whatever those above it are.
    own: &'static str,
}

static V1: Words =
    Words { file: "freezer.state", stop: b"FROZEN", go: b"THAWED", own: "freezer.self_freezing" };
static V2: Words = Words { file: "cgroup.freeze", stop: b"1", go: b"0", own: "cgroup.freeze" };

impl Freezer<'_> {
    /// That of `groups`; `None` where the container has no group with one.
    pub fn of(groups: &Groups) -> Option<Freezer<'_>> {
        // Linux 5.2 brought it to v2, and no top group has one.
        let surely = |group: &Group| group.version == Version::V1 && !group.moved;
        Freezer::planned(groups).filter(|f| surely(f.group) || f.group.dir.has(f.words.file))
    }

    /// The same, whether the kernel has it or not.
    fn planned(groups: &Groups) -> Option<Freezer<'_>> {
        let group = groups.of(Subsystem::Freezer)?;
        Some(Freezer { group, words: if group.version == Version::V1 { &V1 } else { &V2 } })
    }

    /// Has every process of `groups` stop, also those that come.
    pub fn begin(groups: &Groups, arena: &Arena) -> Result<()> {
        match Freezer::planned(groups) {
            Some(Freezer { group, words }) => group.dir.put(words.file, words.stop, arena),
            None => Ok(()),
        }
    }

    /// Whether SIGKILL reaches what is frozen: not on v1.
    pub fn can_be_killed(&self) -> bool {
        self.group.version == Version::V2
    }

    /// Stops every process and waits until all stand still; if that takes too long, they go on.
    pub fn freeze(&self, arena: &Arena) -> Result<()> {
        if self.group.moved && self.holds_others()? {
            let why = "the container was moved there, and other processes are in it too";
            return Err(Error::refused("freeze", self.group.dir.path, why));
        }
        let mut pause = Pause::until(FREEZE_MS);
        loop {
            // Again and again: on v1 one that was just forked may have been missed.
            self.write(self.words.stop).doing("freeze", self.on())?;
            if self.stands_still()? {
                return Ok(());
            }
            if !pause.wait(None) {
                self.thaw(arena)?;
                let why = "its processes did not stop within ten seconds, and go on";
                return Err(Error::refused("freeze", self.group.dir.path, why));
            }
        }
    }

    /// Lets them go on, and makes sure that they do.
    pub fn thaw(&self, arena: &Arena) -> Result<()> {
        match self.group.version {
            Version::V1 => thaw(self.group.dir.path)?,
            Version::V2 => self.write(self.words.go).doing("thaw", self.on())?,
        }
        let mut pause = Pause::until(THAW_MS);
        loop {
            let still = match self.still(arena) {
                // It has ended, and its group is gone.
                Err(error) if matches!(error.raw(), Some(Errno::NOENT | Errno::NODEV)) => Still::No,
                still => still?,
            };
            let why = match still {
                Still::No => return Ok(()),
                Still::Above(path) => {
                    let why = format_args!("a group above it is frozen: {}", Show(path.to_bytes()));
                    arena.str(why).unwrap_or("a group above it is frozen")
                }
                // It may only not have shown yet.
                Still::Itself if pause.wait(None) => continue,
                Still::Itself => "it stays frozen: is a group above it?",
            };
            return Err(Error::refused("thaw", self.group.dir.path, why));
        }
    }

    /// Whether they stand still, or are about to, and by which group.
    pub fn still(&self, arena: &Arena) -> Result<Still> {
        let dir = &self.group.dir;
        let mut buf = [0; 32];
        match self.group.version {
            // What those above it are counts in it.
            Version::V1 if dir.read(self.words.file, &mut buf)? == self.words.go => {
                return Ok(Still::No);
            }
            Version::V1 => {}
            Version::V2 if self.is_own(dir) => return Ok(Still::Itself),
            Version::V2 if !self.stands_still()? => return Ok(Still::No),
            Version::V2 => {}
        }
        if self.is_own(dir) {
            return Ok(Still::Itself);
        }
        // Its own group is the one, where it has been let go meanwhile.
        Ok(self.frozen_above(arena)?.map_or(Still::Itself, Still::Above))
    }

    /// Whether they stand still, or are about to.
    pub fn is_on(&self, arena: &Arena) -> Result<bool> {
        Ok(self.still(arena)? != Still::No)
    }

    /// The nearest group above it that is frozen itself.
    fn frozen_above(&self, arena: &Arena) -> Result<Option<&'static CStr>> {
        let path = self.group.dir.path;
        let mut end = parent(path.to_bytes(), path.to_bytes().len());
        while end > 0 {
            let above = above(path, end, arena)?;
            match Dir::open(above) {
                Ok(dir) if self.is_own(&dir) => return Ok(Some(above)),
                // The top group has no such file.
                Ok(dir) if dir.has(self.words.own) => {}
                _ => return Ok(None),
            }
            end = parent(path.to_bytes(), end);
        }
        Ok(None)
    }

    /// Whether a group itself is frozen.
    fn is_own(&self, dir: &Dir) -> bool {
        dir.read(self.words.own, &mut [0; 32]).is_ok_and(|text| text == b"1")
    }

    /// Whether processes of the host are in the group.
    fn holds_others(&self) -> Result<bool> {
        let path = self.group.dir.path;
        let mut others = false;
        for_each_process(path, &mut |pid| {
            // One that has just ended is nobody's.
            others = !is_contained(pid) && !is_ending(pid);
            !others
        })
        .doing("look at control group", path)?;
        Ok(others)
    }

    fn write(&self, value: &[u8]) -> rustix::io::Result<()> {
        self.group.dir.write(self.words.file, value)
    }

    fn stands_still(&self) -> Result<bool> {
        let mut buf = [0; 128];
        if self.group.version == Version::V2 {
            let events = self.group.dir.read("cgroup.events", &mut buf)?;
            return Ok(split_by(events, b'\n').any(|line| line == b"frozen 1"));
        }
        Ok(self.group.dir.read(self.words.file, &mut buf)? == self.words.stop)
    }

    fn on(&self) -> (&'static CStr, &'static str) {
        (self.group.dir.path, self.words.file)
    }
}
