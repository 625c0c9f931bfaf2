//! The `Plan`: what to build, in no configuration format's words.
//!
//! A front end fills it, `check` (in `check.rs`) refuses what can't be right before anything is
//! done, and the rooms carry it out. It lives in static memory: every capacity is a constant here,
//! and a front end that meets one says so.

mod cgroup;
pub mod check;
mod check_network;
pub mod limits;
pub mod mark;
mod namespaces;
mod network;
mod process;
mod rootfs;
pub mod seccomp;
pub mod service;
pub mod unbuilt;

use core::ffi::CStr;

use heapless::Vec;

pub use self::cgroup::{BLKIO, Cgroup, DEFAULT_DEVICES, DeviceAccess, DeviceRule, DeviceValue};
pub use self::namespaces::{Kind, Namespaces, Source};
pub use self::network::{IPV6_MIN_MTU, NAME_MAX, Network, NetworkKind, Route, VETH_PREFIX_MAX};
pub use self::process::{Process, Rlimit};
pub use self::rootfs::{Device, DeviceKind, Hidden, Mount, MountCommands, Relabel, Rootfs};

use self::mark::{KEY_MARKS, KeyMark, MARKS, Mark};
use self::service::Service;

/// Most mounts: 1,024 of a file, and the six that 2014 made by itself.
pub const MOUNTS: usize = 1024 + 6;
/// Most device nodes, and most device rules.
pub const DEVICES: usize = 1024;
/// Most environment entries.
pub const ENVIRONMENT: usize = 8192;
/// Most arguments of the file's own `command`; those of the command line have no limit but the
/// kernel's.
pub const ARGUMENTS: usize = 8192;
/// Most places where nsinit's own files show inside.
pub const HIDDEN: usize = 32;
/// Most masked paths, and most read-only paths.
pub const PATHS: usize = 1024;
/// Most supplementary groups in the file: what the kernel takes (include/uapi/linux/limits.h, NGROUPS_MAX).
pub const GROUPS: usize = 65536;
/// Most networks, routes, rlimits, commands around mounts, huge page sizes, interface priorities.
pub const FEW: usize = 64;
/// Most id map entries (the kernel takes 340).
pub const ID_MAPS: usize = 340;

/// What to build. `Plan::new` is a container of nothing: the caller's own namespaces and root.
#[derive(Debug)]
#[repr(C)] // what is small first: it is reached by shorter instructions
pub struct Plan {
    /// Who is PID 1.
    pub init: Init,
    /// The front end has read its file to the end, with or without faults.
    pub whole: bool,
    /// Host name to set in a new or joined UTS namespace.
    pub hostname: Option<&'static CStr>,
    /// Which namespaces are new, joined or kept.
    pub namespaces: Namespaces,
    /// The root file system; used only with a new mount namespace.
    pub rootfs: Rootfs,
    /// The workload: what runs, as whom, with what.
    pub process: Process,
    /// Interfaces to make or bring up.
    pub networks: Vec<Network, FEW>,
    /// Routes to add inside.
    pub routes: Vec<Route, FEW>,
    /// Control groups; `None` stays in the caller's.
    pub cgroup: Option<Cgroup>,
    /// /proc/sys values: (name with dots, value).
    pub sysctls: Vec<(&'static CStr, &'static CStr), FEW>,
    /// User id maps.
    pub uid_maps: Vec<IdMap, ID_MAPS>,
    /// Group id maps.
    pub gid_maps: Vec<IdMap, ID_MAPS>,
    /// What a booted machine does with it.
    pub service: Service,
    /// Where the front end found all this: for messages, nothing else.
    pub marks: Vec<Mark, MARKS>,
    /// The same of the keys of networks and routes.
    pub key_marks: Vec<KeyMark, KEY_MARKS>,
}

/// Who is PID 1 of the container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Init {
    /// nsinit stays, reaps and forwards; the workload is its child.
    Reap,
    /// The workload itself, as in 2014.
    Become,
}

/// A range of ids.
#[derive(Clone, Copy, Debug)]
pub struct IdMap {
    /// First id inside.
    pub container_id: u32,
    /// First id outside.
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

impl Plan {
    /// A plan that builds nothing.
    // Inlined, it is written where it belongs; else a megabyte would be copied by way of the stack.
    #[inline(always)]
    pub const fn new() -> Plan {
        Plan {
            namespaces: Namespaces::KEEP,
            hostname: None,
            rootfs: Rootfs::new(),
            process: Process {
                argv: &[],
                command: Vec::new(),
                env: Vec::new(),
                cwd: None,
                user: c"",
                groups: Vec::new(),
                capabilities: 0,
                rlimits: Vec::new(),
                no_new_privs: false,
                parent_death_signal: linux_raw_sys::general::SIGKILL,
                tty: false,
                apparmor_profile: None,
                process_label: None,
                seccomp: None,
                program: Vec::new(),
            },
            init: Init::Reap,
            networks: Vec::new(),
            routes: Vec::new(),
            cgroup: None,
            sysctls: Vec::new(),
            uid_maps: Vec::new(),
            gid_maps: Vec::new(),
            service: Service::new(),
            whole: false,
            marks: Vec::new(),
            key_marks: Vec::new(),
        }
    }
}

impl Default for Plan {
    fn default() -> Plan {
        Plan::new()
    }
}
