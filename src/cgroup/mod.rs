//! Control groups: made and limited by the launcher, entered by the container's processes
//! themselves or from their first instruction on, removed when the container is gone.
//!
//! A host has a hierarchy for each controller (v1), one for all (v2), or both. `Site` finds which the
//! plan needs, `Created` makes the groups, `Groups` is what they are to everybody else.

mod delegated;
mod detect;
mod devices;
mod events;
mod file;
mod freeze;
mod groups;
mod limits;
mod make;
mod memory;
mod needs;
mod processes;
mod refuse;
mod remove;
mod site;
pub mod stats;
mod subsystem;
pub mod systemd;
mod tasks;
mod v1;
mod v2;
mod wait;
mod weight;

use core::ffi::CStr;

use heapless::Vec;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

pub use detect::HIERARCHIES;
pub use devices::warn_unlimited;
pub use events::Oom;
pub use file::{Dir, Version};
pub use freeze::{Freezer, Still};
pub use groups::{Group, Groups, UNIFIED};
pub use memory::{kills, note_told, out_of_memory};
use processes::first_contained;
pub use processes::{kill_stale, thaw};
pub use remove::remove_stale;
pub use site::{Place, Site};
pub use subsystem::Subsystem;
pub use tasks::{Tasks, enter, take_out_of_freezer};

use crate::bytes::{Arena, Show};
use crate::error::{Context, Result};
use crate::plan::Cgroup;
use crate::plan::check::Finding;
use crate::say;
use detect::{Hierarchies, Hierarchy};
use limits::Limited;
use make::{TAKEN, TOO_LONG, VANISH, make, place};
use refuse::{key_of, refused};

/// The groups of a container: a guard that removes them.
pub struct Created<'a> {
    arena: &'a Arena,
    groups: Groups,
    tasks: Tasks,
    /// The program of the v2 group's devices, which is to be attached once the container has made
    /// its own.
    program: Option<OwnedFd>,
}

/// The groups of a process: the version and the name of each hierarchy's mount point, and the
/// directory.
pub type OwnDirs = Vec<(Version, &'static CStr, &'static CStr), HIERARCHIES>;

/// The caller's own groups.
#[inline(never)]
pub fn own_dirs(arena: &Arena) -> Result<OwnDirs> {
    let (mut hierarchies, mut dirs) = (Hierarchies::new(), Vec::new());
    detect::hierarchies(&mut hierarchies, c"/proc/self/cgroup", detect::LIMITING, arena)?;
    for hierarchy in &hierarchies {
        let top = hierarchy.top.to_bytes_with_nul();
        let name = top.rsplit(|byte| *byte == b'/').next();
        let name = name.and_then(|name| CStr::from_bytes_with_nul(name).ok());
        if let (Some(name), Some(own)) = (name, hierarchy.own) {
            // As many fit as there are hierarchies.
            let _ = dirs.push((hierarchy.version, name, own));
        }
    }
    Ok(dirs)
}

impl<'a> Created<'a> {
    /// No groups.
    pub fn none(arena: &'a Arena) -> Created<'a> {
        Created { arena, groups: Groups::default(), tasks: Tasks::new(), program: None }
    }

    /// Makes the groups of a site, with their limits, and opens their `tasks` files. Without a name or
    /// parent in the plan there are none: the container stays in the caller's groups. A key that turns
    /// out only now to be more than the kernel can do is the `finding`, as those of `Site::find` are.
    pub fn make(
        &mut self,
        site: &Site,
        plan: &Cgroup,
        finding: &mut Option<Finding>,
    ) -> Result<()> {
        let made = site.places.iter().try_for_each(|place| self.add(place, plan));
        made.inspect_err(|error| *finding = key_of(*error))
    }

    /// Makes, limits and opens the group in one hierarchy.
    #[inline(never)]
    fn add(&mut self, at: &Place, plan: &Cgroup) -> Result<()> {
        let mut base = at.base;
        if at.hierarchy.version == Version::V2 {
            if at.subsystems.has(Subsystem::Devices)
                && let Some(access) = &plan.devices
            {
                self.program = v2::devices::load(access, self.arena)?;
            }
            base = v2::base(at, self.arena)?;
        }
        // Where the file says so: its directory's name may be the last straw too.
        let parent = if plan.parent.is_some() { "cgroups.parent" } else { "cgroups.name" };
        let path = place(base, plan, parent, self.arena)?;
        let (mut tries, before) = (VANISH, self.groups.iter().count());
        loop {
            let fresh = match make(path, self.arena) {
                Ok(fresh) => fresh,
                Err(error) => {
                    // Some of those above it may be there now. The first error is the one to tell.
                    let _ = remove::remove_parents(path, self.arena);
                    return Err(match error.raw() {
                        Some(Errno::NOTDIR) => refused(parent, TAKEN),
                        Some(Errno::NAMETOOLONG) => refused(parent, TOO_LONG),
                        _ => error,
                    });
                }
            };
            match self.fill(at, base, path, fresh, plan) {
                // The group went away, or one of its files is not there: the next tries tell. One
                // whose parent is just going has no CPUs to give, which reads as EACCES.
                Err(error)
                    if matches!(error.raw(), Some(Errno::NOENT | Errno::NODEV | Errno::ACCESS))
                        && tries > 0 =>
                {
                    tries -= 1;
                    self.groups.truncate(before);
                }
                result => return result,
            }
        }
    }

    /// Limits first: whoever enters finds them.
    #[inline(never)]
    fn fill(
        &mut self,
        at: &Place,
        base: &'static CStr,
        path: &'static CStr,
        fresh: bool,
        plan: &Cgroup,
    ) -> Result<()> {
        let dir = Dir::open(path).map_err(|error| {
            // It is not among those that the guard removes. The first error is the one to tell.
            let _ = match fresh {
                true => remove::remove(path, true, false, self.arena),
                false => remove::remove_parents(path, self.arena),
            };
            match error.raw() {
                Some(Errno::NOTDIR) if plan.name.is_some() => refused("cgroups.name", TAKEN),
                Some(Errno::NOTDIR) => refused("cgroups.parent", TAKEN),
                _ => error,
            }
        })?;
        let Hierarchy { version, subsystems, .. } = at.hierarchy;
        if !fresh {
            refuse_shared(path, plan, self.arena)?;
        }
        self.groups.push(Group { dir, version, subsystems, fresh, moved: false })?;
        let Some(group) = self.groups.iter().last() else { return Ok(()) };
        let (dir, subsystems, arena) = (&group.dir, at.subsystems, self.arena);
        let limited = Limited { dir, plan, subsystems, fresh, arena };
        match version {
            Version::V1 => v1::limit(&limited, base)?,
            Version::V2 => {
                v2::give_down(base, path, at, arena)?;
                v2::limit(&limited)?;
            }
        }
        self.tasks.add(&group.dir, group.version, group.subsystems)
    }

    /// Whether `attach` has something to do.
    pub fn has_program(&self) -> bool {
        self.program.is_some()
    }

    /// Has the v2 group's devices decided upon from now on.
    pub fn attach(&self) -> Result<()> {
        match (&self.program, self.groups.unified()) {
            (Some(program), Some(group)) => v2::devices::attach(&group.dir, program, group.fresh),
            _ => Ok(()),
        }
    }

    /// The first process was cloned into the v2 group: it need not enter that.
    pub fn entered_unified(&mut self) {
        self.tasks.leave_out_unified();
    }

    /// Stops every process, for a container that is to start frozen.
    pub fn freeze(&self) -> Result<()> {
        Freezer::begin(&self.groups, self.arena)
    }

    /// Lets every process go on that stands still on v1, in a group inside the container's too.
    pub fn thaw(&self) -> Result<()> {
        let freezer = self.groups.iter().find(|group| group.subsystems.has(Subsystem::Freezer));
        freezer.map_or(Ok(()), |group| thaw(group.dir.path))
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
        own().try_for_each(|group| processes::kill_all(&group.dir, freezer))
    }

    /// Removes the groups and their parents, as far as nsinit made them and nobody else is in them.
    /// All are tried; the first error is returned.
    pub fn remove(&mut self) -> Result<()> {
        let mut result = Ok(());
        while let Some(group) = self.groups.pop() {
            // Who does not leave one group in a second is in the others too.
            let removed = remove::remove(group.dir.path, group.fresh, result.is_ok(), self.arena);
            result = result.and(removed);
        }
        result
    }

    /// Leaves them to another launcher, which has taken them over.
    pub fn abandon(&mut self) {
        self.groups.truncate(0);
    }
}

/// Refuses a group in which another container is: the two would have one limit, be counted as one, and
/// one could not be paused without the other. Parents are what is shared on purpose.
fn refuse_shared(path: &'static CStr, plan: &Cgroup, arena: &Arena) -> Result<()> {
    let Some(pid) = first_contained(path).doing("look at control group", path)? else {
        return Ok(());
    };
    let (path, pid) = (Show(path.to_bytes()), i64::from(pid.as_raw_pid()));
    let why = arena.str(format_args!(
        "another container is in this group, with process {pid}: {path}; give each one of its own, \
         in the same parent if they are to share limits"
    ));
    let key = if plan.name.is_some() { "cgroups.name" } else { "cgroups.parent" };
    Err(refused(key, why.unwrap_or("another container is in this group")))
}

impl Drop for Created<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            say::warning(format_args!("{error}"));
        }
    }
}

#[cfg(test)]
mod tests;
