//! The `Plan`: what to build, in no configuration format's words.
//!
//! A front end fills it, `check` (in `check.rs`) refuses what can't be right before anything is
//! done, and the rooms carry it out. It lives in static memory: every capacity is a constant here,
//! and a front end that meets one says so.

pub mod check;
pub mod mark;
pub mod unbuilt;

use core::ffi::CStr;

use heapless::Vec;

use self::mark::{MARKS, Mark};
use crate::syscall::cstr::ThinCStr;
use crate::syscall::process::NewNamespaces;

/// Most mounts: 1,024 of a file, and the six that 2014 made by itself.
pub const MOUNTS: usize = 1024 + 6;
/// Most device nodes, and most device rules.
pub const DEVICES: usize = 1024;
/// Most environment entries.
pub const ENVIRONMENT: usize = 8192;
/// Most arguments of the file's own `command`; those of the command line have no limit but the
/// kernel's.
pub const ARGUMENTS: usize = 8192;
/// Most masked paths, and most read-only paths.
pub const PATHS: usize = 1024;
/// Most supplementary groups in the file.
pub const GROUPS: usize = 1024;
/// Most networks, routes, rlimits, commands around mounts, huge page sizes, interface priorities.
pub const FEW: usize = 64;
/// Most id map entries (the kernel takes 340).
pub const ID_MAPS: usize = 340;
/// Most seccomp rules.
pub const SECCOMP_RULES: usize = 1024;

/// What to build. `Plan::new` is a container of nothing: the caller's own namespaces and root.
#[derive(Debug)]
pub struct Plan {
    /// Which namespaces are new, joined or kept.
    pub namespaces: Namespaces,
    /// Host name to set in a new or joined UTS namespace.
    pub hostname: Option<&'static CStr>,
    /// The root file system; used only with a new mount namespace.
    pub rootfs: Rootfs,
    /// The workload: what runs, as whom, with what.
    pub process: Process,
    /// Who is PID 1.
    pub init: Init,
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
    /// Where the front end found all this: for messages, nothing else.
    pub marks: Vec<Mark, MARKS>,
}

/// The eight kinds of namespace, in the order in which they are joined one by one: the user
/// namespace first, as it gives the right to join the others; the mount namespace last, as the
/// paths of the others are the host's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Users and capabilities.
    User,
    /// cgroup root.
    Cgroup,
    /// System V IPC, POSIX message queues.
    Ipc,
    /// Host and domain name.
    Uts,
    /// Network.
    Net,
    /// Process ids.
    Pid,
    /// Boot and monotonic clocks.
    Time,
    /// Mounts.
    Mount,
}

impl Kind {
    /// All of them, in joining order.
    pub const ALL: [Kind; 8] = [
        Kind::User,
        Kind::Cgroup,
        Kind::Ipc,
        Kind::Uts,
        Kind::Net,
        Kind::Pid,
        Kind::Time,
        Kind::Mount,
    ];

    /// Its CLONE_NEW* flag.
    pub const fn flag(self) -> NewNamespaces {
        match self {
            Kind::User => NewNamespaces::NEWUSER,
            Kind::Cgroup => NewNamespaces::NEWCGROUP,
            Kind::Ipc => NewNamespaces::NEWIPC,
            Kind::Uts => NewNamespaces::NEWUTS,
            Kind::Net => NewNamespaces::NEWNET,
            Kind::Pid => NewNamespaces::NEWPID,
            Kind::Time => NewNamespaces::NEWTIME,
            Kind::Mount => NewNamespaces::NEWNS,
        }
    }

    /// Its file in /proc/PID/ns.
    pub const fn file(self) -> &'static CStr {
        match self {
            Kind::User => c"user",
            Kind::Cgroup => c"cgroup",
            Kind::Ipc => c"ipc",
            Kind::Uts => c"uts",
            Kind::Net => c"net",
            Kind::Pid => c"pid",
            Kind::Time => c"time",
            Kind::Mount => c"mnt",
        }
    }

    /// Its name in container.json.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::User => "NEWUSER",
            Kind::Cgroup => "NEWCGROUP",
            Kind::Ipc => "NEWIPC",
            Kind::Uts => "NEWUTS",
            Kind::Net => "NEWNET",
            Kind::Pid => "NEWPID",
            Kind::Time => "NEWTIME",
            Kind::Mount => "NEWNS",
        }
    }
}

/// Where a namespace comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The caller's.
    Keep,
    /// A new one.
    New,
    /// The one that this path names (/proc/PID/ns/net, /run/netns/blue).
    Join(&'static CStr),
}

/// A source for each kind.
#[derive(Clone, Copy, Debug)]
pub struct Namespaces([Source; 8]);

impl Namespaces {
    /// The source of `kind`.
    pub const fn get(&self, kind: Kind) -> Source {
        self.0[kind as usize]
    }

    /// Sets the source of `kind`.
    pub fn set(&mut self, kind: Kind, source: Source) {
        self.0[kind as usize] = source;
    }

    /// Whether `kind` is a new namespace.
    pub fn is_new(&self, kind: Kind) -> bool {
        self.get(kind) == Source::New
    }

    /// Whether `kind` is not the caller's own: what is done in it does not touch the host.
    pub fn is_apart(&self, kind: Kind) -> bool {
        self.get(kind) != Source::Keep
    }
}

/// Who is PID 1 of the container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Init {
    /// nsinit stays, reaps and forwards; the workload is its child.
    Reap,
    /// The workload itself, as in 2014.
    Become,
}

/// The root file system.
#[derive(Debug)]
pub struct Rootfs {
    /// Its directory on the host; `None` is the working directory.
    pub path: Option<&'static CStr>,
    /// Remounted read-only once it is complete.
    pub readonly: bool,
    /// MS_MOVE and chroot instead of pivot_root.
    pub no_pivot_root: bool,
    /// What "/" becomes before anything is mounted: MS_PRIVATE or MS_SLAVE.
    pub propagation: u32,
    /// In this order.
    pub mounts: Vec<Mount, MOUNTS>,
    /// Nodes to make with mknod.
    pub devices: Vec<Device, DEVICES>,
    /// Make /dev/{fd,stdin,stdout,stderr,core} and /dev/ptmx, as every libcontainer did.
    pub dev_links: bool,
    /// Read as empty.
    pub masked: Vec<&'static CStr, PATHS>,
    /// Read-only with all below them.
    pub readonly_paths: Vec<&'static CStr, PATHS>,
    /// nsinit's own files, if they lie inside the root: masked like `masked`, in the last moment.
    pub hidden: Vec<&'static CStr, 4>,
    /// SELinux label for every mount.
    pub mount_label: Option<&'static CStr>,
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

/// What runs.
#[derive(Debug)]
pub struct Process {
    /// The command and its arguments, NULL-terminated. Empty: none was given.
    pub argv: &'static [Option<ThinCStr>],
    /// Storage for `command` in the file; `argv` may come from the command line instead.
    pub command: Vec<Option<ThinCStr>, { ARGUMENTS + 1 }>,
    /// The environment, without the final NULL; two entries more than the limit for HOME and NULL.
    pub env: Vec<Option<ThinCStr>, { ENVIRONMENT + 2 }>,
    /// Working directory inside; `None` is "/".
    pub cwd: Option<&'static CStr>,
    /// `user`, `uid`, `user:group`, …; empty is uid 0 as started.
    pub user: &'static CStr,
    /// Supplementary groups beyond the user's own: names or numbers.
    pub groups: Vec<&'static CStr, GROUPS>,
    /// Capabilities to keep: bit n is capability n.
    pub capabilities: u64,
    /// Resource limits.
    pub rlimits: Vec<Rlimit, FEW>,
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privs: bool,
    /// PR_SET_PDEATHSIG, 1 to 64. SIGKILL unless the file says otherwise.
    pub parent_death_signal: u32,
    /// A pseudo-terminal as standard input, output, error and controlling terminal.
    pub tty: bool,
    /// AppArmor profile to change to at execve.
    pub apparmor_profile: Option<&'static CStr>,
    /// SELinux label to change to at execve.
    pub process_label: Option<&'static CStr>,
    /// System call filter.
    pub seccomp: Option<Seccomp>,
}

/// One resource limit.
#[derive(Clone, Copy, Debug)]
pub struct Rlimit {
    /// RLIMIT_* number of this architecture.
    pub resource: u32,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// A system call filter, as libcontainer 2.2 has it: everything is allowed but what a rule names.
#[derive(Debug)]
pub struct Seccomp {
    /// One rule per system call.
    pub rules: Vec<SeccompRule, SECCOMP_RULES>,
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct SeccompRule {
    /// System call number of the machine that wrote the file.
    pub number: u32,
    /// -3 kill, -2 trap, -1 allow, above 0 an errno.
    pub action: i32,
    /// Number of argument conditions.
    pub conditions: u8,
    /// The conditions: the first `conditions` of these.
    pub args: [SeccompArg; 6],
}

/// A condition on an argument of a system call.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeccompArg {
    /// Which argument, from 0.
    pub index: u8,
    /// 0 equal, 1 not equal, 2 greater, 3 less, 4 equal under the mask `value`.
    pub op: u8,
    /// What it is compared with.
    pub value: u32,
}

/// An interface.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// What kind.
    pub kind: NetworkKind,
    /// Name inside.
    pub name: Option<&'static CStr>,
    /// Bridge on the host.
    pub bridge: Option<&'static CStr>,
    /// Prefix of the host's end of a veth.
    pub veth_prefix: Option<&'static CStr>,
    /// Name of the host's end of a veth.
    pub host_interface_name: Option<&'static CStr>,
    /// MAC address.
    pub mac_address: Option<&'static CStr>,
    /// IPv4 address and prefix.
    pub address: Option<&'static CStr>,
    /// IPv4 gateway.
    pub gateway: Option<&'static CStr>,
    /// IPv6 address and prefix.
    pub ipv6_address: Option<&'static CStr>,
    /// IPv6 gateway.
    pub ipv6_gateway: Option<&'static CStr>,
    /// Bytes; 0 leaves it.
    pub mtu: u32,
    /// Packets; 0 leaves it.
    pub txqueuelen: u32,
    /// Hairpin mode of the bridge port.
    pub hairpin_mode: bool,
}

/// Kinds of interfaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetworkKind {
    /// lo.
    Loopback,
    /// A pair, one end inside.
    Veth,
}

/// A route inside the container.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Network and prefix; `None` is the default route.
    pub destination: Option<&'static CStr>,
    /// Preferred source address.
    pub source: Option<&'static CStr>,
    /// Gateway.
    pub gateway: Option<&'static CStr>,
    /// Interface.
    pub interface_name: Option<&'static CStr>,
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

/// A control group and its limits. `None` leaves a limit as it is.
#[derive(Debug, Default)]
pub struct Cgroup {
    /// The leaf's name.
    pub name: Option<&'static CStr>,
    /// Its parent: relative to the caller's own cgroup, or from the hierarchy's root with a "/".
    pub parent: Option<&'static CStr>,
    /// systemd slice.
    pub slice: Option<&'static CStr>,
    /// Device access; `None` leaves all devices alone.
    pub devices: Option<DeviceAccess>,
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
    /// Tasks wait instead of being killed.
    pub oom_kill_disable: bool,
    /// Relative weight, 2 to 262144.
    pub cpu_shares: Option<u64>,
    /// Microseconds per period; -1 is no limit.
    pub cpu_quota: Option<i64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// List of CPUs.
    pub cpuset_cpus: Option<&'static CStr>,
    /// List of memory nodes.
    pub cpuset_mems: Option<&'static CStr>,
    /// 10 to 1000.
    pub blkio_weight: Option<u64>,
    /// "major:minor weight".
    pub blkio_weight_device: Option<&'static CStr>,
    /// "major:minor bytes".
    pub blkio_throttle_read_bps_device: Option<&'static CStr>,
    /// "major:minor bytes".
    pub blkio_throttle_write_bps_device: Option<&'static CStr>,
    /// "major:minor operations".
    pub blkio_throttle_read_iops_device: Option<&'static CStr>,
    /// "major:minor operations".
    pub blkio_throttle_write_iops_device: Option<&'static CStr>,
    /// (page size such as "2MB", bytes).
    pub hugetlb_limit: Vec<(&'static CStr, u64), FEW>,
    /// (interface, priority).
    pub net_prio_ifpriomap: Vec<(&'static CStr, u64), FEW>,
    /// Class id of network packets.
    pub net_cls_classid: Option<u32>,
    /// Most processes; -1 is no limit.
    pub pids_limit: Option<i64>,
    /// Starts frozen.
    pub frozen: bool,
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

impl Plan {
    /// A plan that builds nothing.
    // Inlined, it is written where it belongs; else a megabyte would be copied by way of the stack.
    #[inline(always)]
    pub const fn new() -> Plan {
        Plan {
            namespaces: Namespaces([Source::Keep; 8]),
            hostname: None,
            rootfs: Rootfs {
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
            },
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
            },
            init: Init::Reap,
            networks: Vec::new(),
            routes: Vec::new(),
            cgroup: None,
            sysctls: Vec::new(),
            uid_maps: Vec::new(),
            gid_maps: Vec::new(),
            marks: Vec::new(),
        }
    }
}

impl Default for Plan {
    fn default() -> Plan {
        Plan::new()
    }
}
