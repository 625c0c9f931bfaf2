//! The controllers, by their names in cgroup v1, and the one hierarchy without a controller that
//! matters.

use crate::bytes::{Names, split_by};

/// A controller that nsinit puts a container under: those that libcontainer knew, and pids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Subsystem {
    /// Which devices may be used and made.
    Devices = 1,
    /// Shares, quota and period.
    Cpu = 2,
    /// CPUs and memory nodes.
    Cpuset = 4,
    /// CPU time that was used.
    Cpuacct = 8,
    /// Weights and throttles of block devices.
    Blkio = 16,
    /// What perf may be told of.
    PerfEvent = 32,
    /// Stops all.
    Freezer = 64,
    /// How many tasks.
    Pids = 128,
    /// Huge pages.
    Hugetlb = 256,
    /// The class of packets.
    NetCls = 512,
    /// The priority of packets.
    NetPrio = 1024,
    /// Bytes.
    Memory = 2048,
    /// None: where systemd sorts processes on a host of v1. Nothing is limited there, and no group made.
    Systemd = 4096,
}

/// In the order of their bits.
const NAMES: Names = Names(
    "devices cpu cpuset cpuacct blkio perf_event freezer pids hugetlb net_cls net_prio memory name=systemd",
);

impl Subsystem {
    /// All of them.
    pub const ALL: [Subsystem; 13] = [
        Subsystem::Devices,
        Subsystem::Cpu,
        Subsystem::Cpuset,
        Subsystem::Cpuacct,
        Subsystem::Blkio,
        Subsystem::PerfEvent,
        Subsystem::Freezer,
        Subsystem::Pids,
        Subsystem::Hugetlb,
        Subsystem::NetCls,
        Subsystem::NetPrio,
        Subsystem::Memory,
        Subsystem::Systemd,
    ];

    /// Its name in cgroup.controllers of v2; `None` where that has nothing like it, or needs no
    /// controller for it.
    pub fn name_v2(self) -> Option<&'static str> {
        match self {
            Subsystem::Blkio => Some("io"),
            Subsystem::Cpu
            | Subsystem::Cpuset
            | Subsystem::Pids
            | Subsystem::Hugetlb
            | Subsystem::Memory => Some(self.name()),
            _ => None,
        }
    }

    /// Its name in /proc/PID/cgroup, and in state.json.
    pub fn name(self) -> &'static str {
        NAMES.at((self as u16).trailing_zeros() as usize).unwrap_or("")
    }
}

/// Some of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Subsystems(u16);

impl Subsystems {
    /// None of them.
    pub const NONE: Subsystems = Subsystems(0);

    /// Those that a list with spaces names as v2 does.
    pub fn parse_v2(list: &[u8]) -> Subsystems {
        let known = |word: &[u8]| {
            Subsystem::ALL.iter().find(|s| s.name_v2().is_some_and(|name| name.as_bytes() == word))
        };
        let bits = split_by(list, b' ').filter_map(known);
        Subsystems(bits.fold(0, |set, subsystem| set | *subsystem as u16))
    }

    /// These.
    pub fn of(list: &[Subsystem]) -> Subsystems {
        Subsystems(list.iter().fold(0, |set, subsystem| set | *subsystem as u16))
    }

    /// Those that a list with commas names; other words are passed over.
    pub fn parse(list: &[u8]) -> Subsystems {
        let places = split_by(list, b',').filter_map(|word| NAMES.place(word));
        Subsystems(places.fold(0, |set, place| set | 1 << place))
    }

    /// Whether `subsystem` is one of them.
    pub const fn has(self, subsystem: Subsystem) -> bool {
        self.0 & subsystem as u16 != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Subsystem> {
        Subsystem::ALL.iter().copied().filter(move |subsystem| self.has(*subsystem))
    }

    /// Those of either.
    pub const fn union(self, other: Subsystems) -> Subsystems {
        Subsystems(self.0 | other.0)
    }

    /// Those of both.
    pub const fn both(self, other: Subsystems) -> Subsystems {
        Subsystems(self.0 & other.0)
    }

    /// Those without the others.
    pub const fn without(self, other: Subsystems) -> Subsystems {
        Subsystems(self.0 & !other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
