//! The controllers of cgroup v1.

use crate::bytes::split_by;

/// A v1 controller that nsinit puts a container under. They are those that libcontainer knew, and
/// pids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // they are the kernel's names
#[repr(u16)]
pub enum Subsystem {
    Devices = 1,
    Cpu = 2,
    Cpuset = 4,
    Cpuacct = 8,
    Blkio = 16,
    PerfEvent = 32,
    Freezer = 64,
    Pids = 128,
    Memory = 256,
}

impl Subsystem {
    /// All of them.
    pub const ALL: [Subsystem; 9] = [
        Subsystem::Devices,
        Subsystem::Cpu,
        Subsystem::Cpuset,
        Subsystem::Cpuacct,
        Subsystem::Blkio,
        Subsystem::PerfEvent,
        Subsystem::Freezer,
        Subsystem::Pids,
        Subsystem::Memory,
    ];

    /// Its name in /proc/cgroups, and in state.json.
    pub const fn name(self) -> &'static str {
        match self {
            Subsystem::Devices => "devices",
            Subsystem::Cpu => "cpu",
            Subsystem::Cpuset => "cpuset",
            Subsystem::Cpuacct => "cpuacct",
            Subsystem::Blkio => "blkio",
            Subsystem::PerfEvent => "perf_event",
            Subsystem::Freezer => "freezer",
            Subsystem::Pids => "pids",
            Subsystem::Memory => "memory",
        }
    }
}

/// Some of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Subsystems(u16);

impl Subsystems {
    /// Those that a list with commas names; other words are passed over.
    pub fn parse(list: &[u8]) -> Subsystems {
        let known = |word: &[u8]| Subsystem::ALL.iter().find(|s| s.name().as_bytes() == word);
        let bits = split_by(list, b',').filter_map(known);
        Subsystems(bits.fold(0, |set, subsystem| set | *subsystem as u16))
    }

    /// Whether `subsystem` is one of them.
    pub const fn has(self, subsystem: Subsystem) -> bool {
        self.0 & subsystem as u16 != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Subsystem> {
        Subsystem::ALL.into_iter().filter(move |subsystem| self.has(*subsystem))
    }

    /// Those of either.
    pub const fn union(self, other: Subsystems) -> Subsystems {
        Subsystems(self.0 | other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
