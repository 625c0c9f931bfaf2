//! Control groups: made and limited by the launcher, entered by the container's processes
//! themselves, removed when the container is gone.
//!
//! This is cgroup v1, every controller in its own hierarchy (libcontainer cgroups/fs/apply_raw.go).

mod check;
mod detect;
mod events;
mod file;
mod freeze;
mod groups;
mod remove;
pub mod stats;
mod subsystem;
mod tasks;
mod v1;

use core::ffi::CStr;

use heapless::Vec;
use rustix::fs::mkdir;
use rustix::io::Errno;

pub use check::check;
pub use detect::HIERARCHIES;
pub use events::Oom;
pub use file::{Dir, Version};
pub use freeze::Freezer;
pub use groups::{Group, Groups, UNIFIED};
pub use remove::{kill_stale, remove_stale, thaw};
pub use subsystem::Subsystem;
pub use tasks::{Tasks, enter};

use crate::bytes::{Arena, split_by};
use crate::error::{Context, Error, Result};
use crate::plan::Cgroup;
use crate::say;
use detect::Hierarchy;
use file::{PATH_MAX, Path};

/// The groups of a container: a guard that removes them.
#[derive(Default)]
pub struct Created {
    groups: Groups,
    tasks: Tasks,
}

/// Makes the groups that the plan asks for, with their limits, in every hierarchy that is mounted,
/// and opens their `tasks` files. Without a name or parent in the plan there are none: the container
/// stays in the caller's groups.
pub fn create(plan: &Cgroup, arena: &Arena) -> Result<Created> {
    check(plan)?;
    let mut created = Created::default();
    if plan.name.is_none() && plan.parent.is_none() {
        return Ok(created);
    }
    let hierarchies = detect::hierarchies(c"/proc/self/mountinfo", c"/proc/self/cgroup", arena)?;
    let absolute = plan.parent.is_some_and(|parent| parent.to_bytes().starts_with(b"/"));
    let base = |hierarchy: &Hierarchy| if absolute { Some(hierarchy.top) } else { hierarchy.own };
    check_needs(
        plan,
        |subsystem| hierarchies.iter().any(|h| h.subsystems.has(subsystem) && base(h).is_some()),
        arena,
    )?;
    for hierarchy in &hierarchies {
        if let Some(base) = base(hierarchy) {
            created.add(hierarchy, base, plan, arena)?;
        }
    }
    if created.groups.iter().next().is_none() {
        say::warning(format_args!(
            "no cgroup v1 hierarchy is mounted: the container stays in the caller's control groups"
        ));
    }
    Ok(created)
}

/// The caller's own groups: the name of each hierarchy's mount point, and the directory.
pub fn own_dirs(arena: &Arena) -> Result<Vec<(&'static CStr, &'static CStr), HIERARCHIES>> {
    let hierarchies = detect::hierarchies(c"/proc/self/mountinfo", c"/proc/self/cgroup", arena)?;
    let mut dirs = Vec::new();
    for hierarchy in &hierarchies {
        let top = hierarchy.top.to_bytes_with_nul();
        let name = top.rsplit(|byte| *byte == b'/').next();
        let name = name.and_then(|name| CStr::from_bytes_with_nul(name).ok());
        if let (Some(name), Some(own)) = (name, hierarchy.own) {
            // As many fit as there are hierarchies.
            let _ = dirs.push((name, own));
        }
    }
    Ok(dirs)
}

/// Refuses a limit whose controller is not there.
fn check_needs(plan: &Cgroup, has: impl Fn(Subsystem) -> bool, arena: &Arena) -> Result<()> {
    let needs = [
        ("cgroups.allowed_devices", Subsystem::Devices, plan.devices.is_some()),
        ("cgroups.memory", Subsystem::Memory, plan.memory.is_some()),
        ("cgroups.memory_reservation", Subsystem::Memory, plan.memory_reservation.is_some()),
        ("cgroups.memory_swap", Subsystem::Memory, plan.memory_swap.is_some()),
        ("cgroups.cpu_shares", Subsystem::Cpu, plan.cpu_shares.is_some()),
        ("cgroups.cpu_quota", Subsystem::Cpu, plan.cpu_quota.is_some()),
        ("cgroups.cpu_period", Subsystem::Cpu, plan.cpu_period.is_some()),
        ("cgroups.cpuset_cpus", Subsystem::Cpuset, plan.cpuset_cpus.is_some()),
        ("cgroups.cpuset_mems", Subsystem::Cpuset, plan.cpuset_mems.is_some()),
    ];
    let lacking = needs.iter().find(|(_, subsystem, asked)| *asked && !has(*subsystem));
    let Some((key, subsystem, _)) = lacking else { return Ok(()) };
    let list = heapless::String::<96>::new();
    let list = Subsystem::ALL.iter().filter(|s| has(**s)).fold(list, |mut list, subsystem| {
        // All nine names fit.
        let _ = list.push(' ').and_then(|()| list.push_str(subsystem.name()));
        list
    });
    let list = if list.is_empty() { " none" } else { list.as_str() };
    let name = subsystem.name();
    let why = arena.str(format_args!(
        "no cgroup v1 hierarchy with the controller {name} is mounted; those that are:{list}"
    ));
    Err(Error::refused("", *key, why.unwrap_or("its controller is not mounted")))
}

/// How often a group, or a parent, may vanish before it is opened: other containers that share it
/// remove it when they end.
const VANISH: usize = 16;

impl Created {
    /// Makes, limits and opens the group in one hierarchy.
    fn add(
        &mut self,
        hierarchy: &Hierarchy,
        base: &'static CStr,
        plan: &Cgroup,
        arena: &Arena,
    ) -> Result<()> {
        let path = place(base, plan, arena)?;
        let (mut tries, before) = (VANISH, self.groups.iter().count());
        loop {
            let fresh = make(path).doing("make control group", path)?;
            match self.fill(hierarchy, base, path, fresh, plan, arena) {
                // The group went away, or one of its files is not there: the next tries tell.
                Err(error)
                    if matches!(error.raw(), Some(Errno::NOENT | Errno::NODEV)) && tries > 0 =>
                {
                    tries -= 1;
                    self.groups.truncate(before);
                }
                result => return result,
            }
        }
    }

    /// Limits first: whoever enters finds them.
    fn fill(
        &mut self,
        hierarchy: &Hierarchy,
        base: &'static CStr,
        path: &'static CStr,
        fresh: bool,
        plan: &Cgroup,
        arena: &Arena,
    ) -> Result<()> {
        let subsystems = hierarchy.subsystems;
        let dir = Dir::open(path).doing("open control group", path)?;
        self.groups.push(Group { dir, version: Version::V1, subsystems, fresh })?;
        let Some(group) = self.groups.iter().last() else { return Ok(()) };
        v1::limit(subsystems, base, &group.dir, plan, fresh, arena)?;
        self.tasks.add(group)
    }

    /// The `tasks` files.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The groups themselves.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Kills all that is in the groups, for a container whose processes no PID namespace takes
    /// along. Groups that were there before hold others too, and are left alone.
    pub fn kill_all(&self) -> Result<()> {
        let own = || self.groups.iter().filter(|group| group.fresh);
        let freezer = own().find(|group| group.subsystems.has(Subsystem::Freezer));
        let freezer = freezer.map(|group| group.dir.path);
        own().try_for_each(|group| remove::kill_all(group.dir.path, freezer))
    }

    /// Removes the groups and their parents, as far as nsinit made them and nobody else is in them.
    /// All are tried; the first error is returned.
    pub fn remove(mut self) -> Result<()> {
        self.remove_all()
    }

    /// Leaves them to another launcher, which has taken them over.
    pub fn abandon(mut self) {
        self.groups.truncate(0);
    }

    fn remove_all(&mut self) -> Result<()> {
        let mut result = Ok(());
        while let Some(group) = self.groups.pop() {
            result = result.and(remove::remove(group.dir.path, group.fresh));
        }
        result
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if let Err(error) = self.remove_all() {
            say::warning(format_args!("{error}"));
        }
    }
}

/// `base`/parent/name, without empty parts and ".".
fn place(base: &'static CStr, plan: &Cgroup, arena: &Arena) -> Result<&'static CStr> {
    const DOING: &str = "name control group";
    let too_long = |_| Error::refused(DOING, base, "the path is longer than 4095 bytes");
    let mut path = Vec::<u8, PATH_MAX>::new();
    path.extend_from_slice(base.to_bytes()).map_err(too_long)?;
    for text in [plan.parent, plan.name].into_iter().flatten() {
        let parts = split_by(text.to_bytes(), b'/');
        for part in parts.filter(|part| !part.is_empty() && *part != b".") {
            path.push(b'/').map_err(|_| too_long(Default::default()))?;
            path.extend_from_slice(part).map_err(too_long)?;
        }
    }
    arena.concat(&[&path]).doing(DOING, base)
}

/// mkdir -p. The first try is for the usual case, that only the last directory is missing. One that
/// vanishes on the way was a parent of other containers' groups, and the last of them removed it.
/// Returns whether the last directory is fresh: made now, with its parent's settings.
fn make(path: &CStr) -> rustix::io::Result<bool> {
    let bytes = path.to_bytes();
    let (mut end, mut tries) = (bytes.len(), VANISH + bytes.len());
    loop {
        let prefix = Path::new(bytes.get(..end).unwrap_or(bytes))?;
        let fresh = match mkdir(prefix.as_cstr(), remove::MARKED) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(Errno::NOENT) if end > 0 && tries > 0 => {
                (end, tries) = (file::parent(bytes, end), tries - 1);
                continue;
            }
            Err(errno) => return Err(errno),
        };
        if end == bytes.len() {
            return Ok(fresh);
        }
        let next = bytes.get(end + 1..).and_then(|rest| rest.iter().position(|&b| b == b'/'));
        end = next.map_or(bytes.len(), |n| end + 1 + n);
    }
}

#[cfg(test)]
mod tests;
