//! The end of the file: what depends on more than one key, above all on which libcontainer the file
//! was written for.

use core::ffi::CStr;

use heapless::Vec;
use linux_raw_sys::general::{MS_PRIVATE, MS_SLAVE};

use super::names;
use super::path::Step;
use super::read::{File, Read};
use super::table::{By, by};
use crate::bytes::CNames;
use crate::jsonmin::Pos;
use crate::plan::{Init, Kind, PATHS, Source};

/// What `namespaces` was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing yet.
    None,
    /// A list of names: early 2014, when `capabilities` were those to drop.
    Strings,
    /// Names and booleans: to libcontainer 1.4.
    Map,
    /// A list of objects: libcontainer 2.
    Objects,
}

/// Lists of the plan that more than one key fills.
#[derive(Clone, Copy)]
pub(super) enum List {
    Mounts,
    Devices,
    Environment,
    Networks,
}

/// What the keys leave for the end.
pub(super) struct Kept {
    pub shape: Shape,
    /// `capabilities`.
    pub listed: Option<u64>,
    /// `capabilities_mask`: those to drop.
    pub mask: Option<u64>,
    pub restrict_sys: bool,
    pub private: Option<bool>,
    pub ipc: Option<&'static CStr>,
    pub netns: Option<&'static CStr>,
    pub has_devices: bool,
    pub has_device_rules: bool,
    pub has_environment: bool,
    /// A mount without type or device.
    pub untyped_mount: Option<Pos>,
    /// Which key filled each `List`.
    lists: [Option<[&'static str; 2]>; 4],
}

impl Kept {
    pub const NOTHING: Kept = Kept {
        shape: Shape::None,
        listed: None,
        mask: None,
        restrict_sys: false,
        private: None,
        ipc: None,
        netns: None,
        has_devices: false,
        has_device_rules: false,
        has_environment: false,
        untyped_mount: None,
        lists: [None; 4],
    };
}

/// What `restrict_sys` masks: in 2014 /proc/kcore alone, today what every launcher does. The files
/// of each CPU's thermal_throttle are not among them: their names depend on the machine.
const MASKED: CNames = CNames(
    "/proc/acpi\0/proc/asound\0/proc/interrupts\0/proc/kcore\0/proc/keys\0/proc/latency_stats\0\
     /proc/timer_list\0/proc/timer_stats\0/proc/sched_debug\0/proc/scsi\0/sys/firmware\0\
     /sys/devices/virtual/powercap\0",
);

/// What `restrict_sys` makes read-only (/sys is mounted so).
const READ_ONLY: CNames =
    CNames("/proc/bus\0/proc/fs\0/proc/irq\0/proc/sys\0/proc/sysrq-trigger\0");

impl File<'_> {
    /// The list is about to be filled by the key at hand: whether it is to be emptied first, as by
    /// a key that the file has twice. Two keys for one list add up.
    pub fn claim(&mut self, list: List) -> Read<bool> {
        let mut key = ["", ""];
        for step in &self.path {
            if let Step::Key(name) = step {
                key = [key[1], name];
            }
        }
        let Some(owner) = self.kept.lists.get_mut(list as usize) else {
            return Ok(false);
        };
        match *owner {
            None => *owner = Some(key),
            Some(before) if before == key => return Ok(true),
            Some(_) => self.warn(format_args!("added to those of another key")),
        }
        Ok(false)
    }

    /// Decides all that was left.
    pub fn settle(&mut self) {
        let generation = self.generation();
        self.warn_foreign(generation);
        self.settle_capabilities();
        self.settle_seccomp();
        // What is wrong was told.
        let _ = self.settle_namespaces();
        let _ = self.name_networks();
        let _ = if generation == By::V1 { self.settle_v1() } else { self.settle_v2() };
        let _ = self.settle_root();
        let _ = self.settle_cgroup();
        let private = self.kept.private;
        let private = match generation {
            By::V2 => private.unwrap_or(false),
            _ => private.unwrap_or(!self.plan.rootfs.no_pivot_root),
        };
        self.plan.rootfs.propagation = if private { MS_PRIVATE } else { MS_SLAVE };
        // Only PID 1 of a namespace is given its orphans.
        if !self.plan.namespaces.is_new(Kind::Pid) {
            self.plan.init = Init::Become;
        }
    }

    /// The shape of `namespaces` tells; without it, the keys that only one generation has.
    fn generation(&self) -> By {
        let has = |by: &str| self.foreign.iter().any(|(row, _)| row.starts_with(by));
        match self.kept.shape {
            Shape::Objects => By::V2,
            Shape::None if has(by!(v2)) && !has(by!(v1)) => By::V2,
            _ => By::V1,
        }
    }

    fn warn_foreign(&mut self, generation: By) {
        let (other, whose) = match generation {
            By::V1 => (by!(v2), "2.x in a 1.x"),
            By::V2 => (by!(v1), "1.x in a 2.x"),
        };
        for (row, pos) in &self.foreign {
            if let Some(key) = row.strip_prefix(other) {
                let name = self.name;
                (self.warn)(format_args!(
                    "{name}:{pos}: {key}: key of libcontainer {whose} file: accepted"
                ));
            }
        }
    }

    fn settle_capabilities(&mut self) {
        let mask = self.kept.mask.unwrap_or(0);
        self.plan.process.capabilities = match (self.kept.shape, self.kept.listed, self.kept.mask) {
            (Shape::Strings, drop, _) => names::ALL_CAPABILITIES & !(drop.unwrap_or(0) | mask),
            (_, None, Some(mask)) => names::ALL_CAPABILITIES & !mask,
            (_, keep, _) => keep.unwrap_or(0) & !mask,
        };
    }

    /// `ipc` of 1.4 and a network of type netns name a namespace to join.
    fn settle_namespaces(&mut self) -> Read {
        if let Some(path) = self.kept.ipc {
            self.plan.namespaces.set(Kind::Ipc, Source::Join(path));
        }
        let Some(path) = self.kept.netns else { return Ok(()) };
        match self.plan.namespaces.get(Kind::Net) {
            Source::Join(other) if other != path => {
                let why = "NEWNET has another path than the network of type netns";
                let pos = self.plan.mark("namespaces", 0).map_or(self.json.pos(), |mark| mark.pos);
                Err(self.fault_of("namespaces", pos, format_args!("{why}")))
            }
            _ => {
                self.plan.namespaces.set(Kind::Net, Source::Join(path));
                Ok(())
            }
        }
    }

    /// What libcontainer 1 did unasked.
    fn settle_v1(&mut self) -> Read {
        if !self.plan.namespaces.is_new(Kind::Mount) {
            return Ok(());
        }
        if !self.kept.has_devices {
            self.default_nodes()?;
        }
        let mqueue = self.plan.namespaces.is_apart(Kind::Ipc);
        self.implicit_mounts(mqueue, self.kept.restrict_sys)
    }

    /// What the command line of libcontainer 2 had, and its file had not.
    fn settle_v2(&mut self) -> Read {
        if let Some(pos) = self.kept.untyped_mount {
            self.fault_of("mounts", pos, format_args!("a mount needs a device"));
        }
        if !self.kept.has_environment {
            self.default_environment()?;
        }
        self.strip_rootfs();
        let has_proc = self.plan.rootfs.mounts.iter().any(|mount| mount.target == c"/proc");
        if self.plan.namespaces.is_new(Kind::Mount) && !has_proc {
            (self.warn)(format_args!("{}: no mount on /proc: much will not work", self.name));
        }
        Ok(())
    }

    /// The environment that `nsinit exec` of libcontainer 2 gave (nsinit/exec.go).
    fn default_environment(&mut self) -> Read {
        let path = c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let name =
            self.plan.hostname.map(|name| self.arena.concat(&[b"HOSTNAME=", name.to_bytes()]));
        let name = name.transpose().map_err(|_| self.fault("no memory for texts is left"))?;
        for entry in [Some(path), Some(c"TERM=xterm"), name].into_iter().flatten() {
            let pushed = self.plan.process.env.push(Some(entry.into()));
            pushed.map_err(|_| self.fault("the environment is full"))?;
        }
        Ok(())
    }

    /// A destination that begins with the root itself is beneath it already (rootfs_linux.go).
    fn strip_rootfs(&mut self) {
        let Some(root) = self.plan.rootfs.path else { return };
        for mount in &mut self.plan.rootfs.mounts {
            mount.target = beneath(root, mount.target).unwrap_or(mount.target);
        }
    }

    fn settle_root(&mut self) -> Read {
        if self.kept.restrict_sys {
            let rootfs = &mut self.plan.rootfs;
            add(&mut rootfs.masked, MASKED).map_err(|()| self.full(PATHS, "paths"))?;
            let rootfs = &mut self.plan.rootfs;
            add(&mut rootfs.readonly_paths, READ_ONLY).map_err(|()| self.full(PATHS, "paths"))?;
        }
        Ok(())
    }
}

/// The rest of `path`, if it begins with the path of `root`.
pub(super) fn beneath<'a>(root: &CStr, path: &'a CStr) -> Option<&'a CStr> {
    let rest = path.to_bytes_with_nul().strip_prefix(root.to_bytes())?;
    CStr::from_bytes_with_nul(rest).ok().filter(|rest| rest.to_bytes().starts_with(b"/"))
}

/// Adds those that are not there yet.
fn add(list: &mut Vec<&'static CStr, PATHS>, paths: CNames) -> Result<(), ()> {
    for path in paths {
        if !list.contains(&path) {
            list.push(path).map_err(|_| ())?;
        }
    }
    Ok(())
}
