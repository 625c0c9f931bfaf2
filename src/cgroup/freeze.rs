//! Stopping a whole container: the freezer of v1 (Documentation/admin-guide/cgroup-v1/
//! freezer-subsystem.rst), cgroup.freeze of v2 (cgroup-v2.rst).

use core::ffi::CStr;

use super::file::{Dir, Version};
use super::groups::{Group, Groups};
use super::subsystem::Subsystem;
use super::wait::Pause;
use crate::bytes::Arena;
use crate::error::{Context, Error, Result};

/// How long the processes may take to stop: they finish the system call that they are in, or as much
/// of it as can't be interrupted.
const FREEZE_MS: u64 = 10_000;

/// The freezer of a container.
pub struct Freezer<'a> {
    dir: &'a Dir,
    words: &'static Words,
}

/// The file to write to, and what means "stop" and "go on".
struct Words {
    file: &'static str,
    stop: &'static [u8],
    go: &'static [u8],
}

static V1: Words = Words { file: "freezer.state", stop: b"FROZEN", go: b"THAWED" };
static V2: Words = Words { file: "cgroup.freeze", stop: b"1", go: b"0" };

impl Freezer<'_> {
    /// That of `groups`; `None` where the container has no group with one.
    pub fn of(groups: &Groups) -> Option<Freezer<'_>> {
        // Linux 5.2 brought it to v2.
        Freezer::planned(groups).filter(|f| !f.unified() || f.dir.has(f.words.file))
    }

    /// The same, whether the kernel has it or not.
    fn planned(groups: &Groups) -> Option<Freezer<'_>> {
        let Group { dir, version, .. } = groups.of(Subsystem::Freezer)?;
        Some(Freezer { dir, words: if *version == Version::V1 { &V1 } else { &V2 } })
    }

    /// Has every process of `groups` stop, also those that come.
    pub fn begin(groups: &Groups, arena: &Arena) -> Result<()> {
        match Freezer::planned(groups) {
            Some(Freezer { dir, words }) => dir.put(words.file, words.stop, arena),
            None => Ok(()),
        }
    }

    fn unified(&self) -> bool {
        self.words.stop == b"1"
    }

    /// Stops every process and waits until all stand still; if that takes too long, they go on.
    pub fn freeze(&self) -> Result<()> {
        let mut pause = Pause::until(FREEZE_MS);
        loop {
            // Again and again: on v1 one that was just forked may have been missed.
            self.write(self.words.stop).doing("freeze", self.on())?;
            if self.stands_still()? {
                return Ok(());
            }
            if !pause.wait(None) {
                self.thaw()?;
                let why = "its processes did not stop within ten seconds, and go on";
                return Err(Error::refused("freeze", self.dir.path, why));
            }
        }
    }

    /// Lets them go on.
    pub fn thaw(&self) -> Result<()> {
        self.write(self.words.go).doing("thaw", self.on())
    }

    /// Whether they stand still, or are about to.
    pub fn is_on(&self) -> Result<bool> {
        let mut buf = [0; 32];
        let asked = self.dir.read(self.words.file, &mut buf)? != self.words.go;
        // A group above it may be frozen.
        Ok(asked || self.stands_still()?)
    }

    fn write(&self, value: &[u8]) -> rustix::io::Result<()> {
        self.dir.write(self.words.file, value)
    }

    fn stands_still(&self) -> Result<bool> {
        let mut buf = [0; 128];
        if self.unified() {
            let events = self.dir.read("cgroup.events", &mut buf)?;
            return Ok(crate::bytes::split_by(events, b'\n').any(|line| line == b"frozen 1"));
        }
        Ok(self.dir.read(self.words.file, &mut buf)? == self.words.stop)
    }

    fn on(&self) -> (&'static CStr, &'static str) {
        (self.dir.path, self.words.file)
    }
}
