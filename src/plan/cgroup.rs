//! The control group of a plan and its limits.

use core::ffi::CStr;
use core::fmt;

use heapless::Vec;

use super::{DEVICES, DeviceKind, FEW};
use crate::bytes::Names;

/// The keys of `Cgroup::blkio`: a weight from 10 to 1000, bytes and operations a second.
pub const BLKIO: Names = Names(
    "cgroups.blkio_weight_device cgroups.blkio_throttle_read_bps_device \
     cgroups.blkio_throttle_write_bps_device cgroups.blkio_throttle_read_iops_device \
     cgroups.blkio_throttle_write_iops_device",
);

/// A control group and its limits. `None` leaves a limit as it is.
#[derive(Debug, Default)]
#[repr(C)] // what is small first: it is reached by shorter instructions
pub struct Cgroup {
    /// Tasks wait instead of being killed.
    pub oom_kill_disable: bool,
    /// Starts frozen.
    pub frozen: bool,
    /// Class id of network packets.
    pub net_cls_classid: Option<u32>,
    /// The leaf's name.
    pub name: Option<&'static CStr>,
    /// Its parent: relative to the caller's own cgroup, or from the hierarchy's root with a "/".
    pub parent: Option<&'static CStr>,
    /// systemd slice.
    pub slice: Option<&'static CStr>,
    /// List of CPUs.
    pub cpuset_cpus: Option<&'static CStr>,
    /// List of memory nodes.
    pub cpuset_mems: Option<&'static CStr>,
    /// Bytes; -1 is no limit.
    pub memory: Option<i64>,
    /// Bytes.
    pub memory_reservation: Option<i64>,
    /// Bytes of memory and swap together; -1 is no limit.
    pub memory_swap: Option<i64>,
    /// Bytes of kernel memory.
    pub kernel_memory: Option<i64>,
    /// 0 to 100.
    pub memory_swappiness: Option<u64>,
    /// Relative weight, 2 to 262144.
    pub cpu_shares: Option<u64>,
    /// Microseconds per period; -1 is no limit.
    pub cpu_quota: Option<i64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// 10 to 1000.
    pub blkio_weight: Option<u64>,
    /// Most processes; -1 is no limit.
    pub pids_limit: Option<i64>,
    /// Values of one device each, in the order of `BLKIO`.
    pub blkio: [Option<DeviceValue>; 5],
    /// (page size such as "2MB", bytes).
    pub hugetlb_limit: Vec<(&'static CStr, u64), FEW>,
    /// (interface, priority).
    pub net_prio_ifpriomap: Vec<(&'static CStr, u64), FEW>,
    /// Device access; `None` leaves all devices alone.
    pub devices: Option<DeviceAccess>,
}

/// A value for one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceValue {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// The value; 0 is no limit.
    pub value: u64,
}

impl fmt::Display for DeviceValue {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{} {}", i64::from(self.major), i64::from(self.minor), self.value)
    }
}

/// Which devices may be used.
#[derive(Debug, Default)]
pub struct DeviceAccess {
    /// All but `denied`; otherwise none but `allowed`.
    pub allow_all: bool,
    /// Rules that allow.
    pub allowed: Vec<DeviceRule, DEVICES>,
    /// Rules that deny, where all are allowed.
    pub denied: Vec<DeviceRule, DEVICES>,
}

/// One device rule. `None` is any number.
#[derive(Clone, Copy, Debug)]
pub struct DeviceRule {
    /// Character or block.
    pub kind: DeviceKind,
    /// Major number.
    pub major: Option<u32>,
    /// Minor number.
    pub minor: Option<u32>,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be made with mknod.
    pub mknod: bool,
}

/// What may be used where a file lists nothing: what every runtime of today allows (runc
/// libcontainer/specconv/spec_linux.go, AllowedDevices). A node of any device may be made, but only
/// these may be opened. Not the console: that of a container is a pseudo-terminal.
pub const DEFAULT_DEVICES: [DeviceRule; 10] = [
    make_any(DeviceKind::Char),
    make_any(DeviceKind::Block),
    char(1, Some(3)), // null
    char(1, Some(5)), // zero
    char(1, Some(7)), // full
    char(1, Some(8)), // random
    char(1, Some(9)), // urandom
    char(5, Some(0)), // tty
    char(5, Some(2)), // ptmx
    char(136, None),  // pts/*
];

const fn make_any(kind: DeviceKind) -> DeviceRule {
    DeviceRule { kind, major: None, minor: None, read: false, write: false, mknod: true }
}

const fn char(major: u32, minor: Option<u32>) -> DeviceRule {
    let kind = DeviceKind::Char;
    DeviceRule { kind, major: Some(major), minor, read: true, write: true, mknod: true }
}
