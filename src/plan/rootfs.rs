//! The root file system of a plan: mounts, nodes, masks.

use core::ffi::CStr;

use heapless::Vec;

use super::{DEVICES, HIDDEN, MOUNTS, PATHS};

/// The root file system.
#[derive(Debug)]
#[repr(C)] // what is small first: it is reached by shorter instructions
pub struct Rootfs {
    /// Remounted read-only once it is complete.
    pub readonly: bool,
    /// MS_MOVE and chroot instead of pivot_root.
    pub no_pivot_root: bool,
    /// Make /dev/{fd,stdin,stdout,stderr,core} and /dev/ptmx, as every libcontainer did.
    pub dev_links: bool,
    /// What "/" becomes before anything is mounted: MS_PRIVATE or MS_SLAVE.
    pub propagation: u32,
    /// Its directory on the host; `None` is the working directory.
    pub path: Option<&'static CStr>,
    /// SELinux label for every mount.
    pub mount_label: Option<&'static CStr>,
    /// nsinit's own files, where they show inside: masked like `masked`, in the last moment.
    pub hidden: Vec<Hidden, HIDDEN>,
    /// In this order.
    pub mounts: Vec<Mount, MOUNTS>,
    /// Nodes to make with mknod.
    pub devices: Vec<Device, DEVICES>,
    /// Read as empty.
    pub masked: Vec<&'static CStr, PATHS>,
    /// Read-only with all below them.
    pub readonly_paths: Vec<&'static CStr, PATHS>,
}

impl Rootfs {
    /// The caller's own, with nothing in it.
    // Inlined for the same reason as `Plan::new`.
    #[inline(always)]
    pub const fn new() -> Rootfs {
        Rootfs {
            path: None,
            readonly: false,
            no_pivot_root: false,
            propagation: linux_raw_sys::general::MS_PRIVATE,
            mounts: Vec::new(),
            devices: Vec::new(),
            dev_links: true,
            masked: Vec::new(),
            readonly_paths: Vec::new(),
            hidden: Vec::new(),
            mount_label: None,
        }
    }

    /// Whether control groups are mounted.
    pub fn wants_cgroups(&self) -> bool {
        self.mounts.iter().any(|mount| mount.fstype == c"cgroup")
    }
}

impl Default for Rootfs {
    fn default() -> Rootfs {
        Rootfs::new()
    }
}

/// One of nsinit's own files, as the container would see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hidden {
    /// The mount that shows it, by its place in the plan's list; `None` is the root.
    pub mount: Option<usize>,
    /// Its path there.
    pub path: &'static CStr,
}

/// One mount.
#[derive(Clone, Copy, Debug)]
pub struct Mount {
    /// Host path of a bind, device of a file system; empty where the type needs none.
    pub source: &'static CStr,
    /// Absolute path inside the container; resolved beneath the root, links and all.
    pub target: &'static CStr,
    /// "bind", "cgroup", or a file system type that the kernel knows.
    pub fstype: &'static CStr,
    /// MS_RDONLY, MS_NOSUID, …; for a bind also MS_REC.
    pub flags: u32,
    /// MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE, perhaps with MS_REC; 0 leaves it.
    pub propagation: u32,
    /// Options of the file system.
    pub data: &'static CStr,
    /// SELinux relabelling.
    pub relabel: Relabel,
    /// Commands to run on the host's side before and after: ranges of `commands`.
    pub commands: MountCommands,
}

/// Relabelling of a bind's source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relabel {
    /// Leave it.
    No,
    /// "z": usable by all containers.
    Shared,
    /// "Z": usable by this one alone.
    Private,
}

/// Whether a v2 mount has premount_cmds or postmount_cmds. They are host code that a configuration
/// brings along; nsinit knows them and refuses to run them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MountCommands {
    /// premount_cmds is not empty.
    pub before: bool,
    /// postmount_cmds is not empty.
    pub after: bool,
}

/// A device node to make.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// Absolute path inside the container.
    pub path: &'static CStr,
    /// What kind of node.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits, 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Kinds of nodes that mknod makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceKind {
    /// Character device, 'c' or 'u'.
    Char,
    /// Block device, 'b'.
    Block,
    /// Named pipe, 'p'.
    Fifo,
}
