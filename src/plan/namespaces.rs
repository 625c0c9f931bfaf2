//! Which namespaces a container has.

use core::ffi::CStr;

use crate::bytes::{CNames, Names};
use crate::syscall::process::NewNamespaces;

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
    pub fn file(self) -> &'static CStr {
        CNames("user\0cgroup\0ipc\0uts\0net\0pid\0time\0mnt\0").at(self as usize).unwrap_or(c"")
    }

    /// Its name in container.json.
    pub fn name(self) -> &'static str {
        let names = Names("NEWUSER NEWCGROUP NEWIPC NEWUTS NEWNET NEWPID NEWTIME NEWNS");
        names.at(self as usize).unwrap_or("")
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
    /// All of the caller.
    pub const KEEP: Namespaces = Namespaces([Source::Keep; 8]);

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
        matches!(self.get(kind), Source::New)
    }

    /// Whether `kind` is not the caller's own: what is done in it does not touch the host.
    pub fn is_apart(&self, kind: Kind) -> bool {
        !matches!(self.get(kind), Source::Keep)
    }
}
