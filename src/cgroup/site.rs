//! Where the groups of a plan will be, and whether this host can limit as the plan asks: looked at
//! before anything is made.

use core::ffi::CStr;
use core::fmt;

use heapless::Vec;
use rustix::fs::{AtFlags, CWD, statat};
use rustix::io::Errno;

use super::detect::{self, Hierarchy};
use super::file::{Dir, PATH_MAX, Version};
use super::needs::{V2, asked, needs};
use super::refuse::{KERNEL_MEMORY, key_of, left_out, limits_kernel_memory, refused};
use super::subsystem::{Subsystem, Subsystems};
use super::v2;
use crate::bytes::{Arena, Short, Show, split_by};
use crate::error::{Error, Result};
use crate::plan::check::Finding;
use crate::plan::limits::{page_size, range};
use crate::plan::{BLKIO, Cgroup, DeviceValue};
use crate::say;

/// The hierarchies in which a container gets groups.
#[derive(Default)]
pub struct Site {
    /// In this order: memory's v1 hierarchy is the last.
    pub places: Vec<Place, { detect::HIERARCHIES }>,
}

/// One of them.
pub struct Place {
    /// The hierarchy.
    pub hierarchy: Hierarchy,
    /// The group below which the container's is made: the caller's own, or the top one.
    pub base: &'static CStr,
    /// What is limited there.
    pub subsystems: Subsystems,
}

impl Site {
    /// Whether there will be a v2 group, into which a process can be cloned.
    pub fn is_unified(&self) -> bool {
        self.places.iter().any(|place| place.hierarchy.version == Version::V2)
    }

    /// Finds the place of the plan's groups. Without a name or parent in the plan there is none.
    /// `ahead`: the caller will be in another group by then, and finds it anew. Only what no group of
    /// this host could keep is told. A key that this host can't carry out is the `finding`, which
    /// `Launch::finding` takes to where its position is known.
    pub fn find(
        plan: &Cgroup,
        ahead: bool,
        arena: &Arena,
        finding: &mut Option<Finding>,
    ) -> Result<Site> {
        let (mut site, mut size) = (Site::default(), None);
        let found = site.look(plan, ahead, &mut size, arena);
        found.map(|()| site).inspect_err(|error| {
            *finding = key_of(*error);
            if let (Some(finding), Some(_)) = (finding, size) {
                (finding.index, finding.key) = (size, "page_size");
            }
        })
    }

    /// `size`: which size of huge pages is refused.
    #[inline(never)]
    fn look(
        &mut self,
        plan: &Cgroup,
        ahead: bool,
        size: &mut Option<usize>,
        arena: &Arena,
    ) -> Result<()> {
        if plan.name.is_none() && plan.parent.is_none() {
            return Ok(());
        }
        let absolute = plan.parent.is_some_and(|parent| parent.to_bytes().starts_with(b"/"));
        let mut found = detect::Hierarchies::new();
        detect::hierarchies(&mut found, c"/proc/self/cgroup", detect::LIMITING, arena)?;
        for hierarchy in &found {
            let base = if absolute || ahead { Some(hierarchy.top) } else { hierarchy.own };
            if let Some(base) = base {
                let (hierarchy, subsystems) = (*hierarchy, hierarchy.subsystems);
                // As many as were found.
                let _ = self.places.push(Place { hierarchy, base, subsystems });
            }
        }
        self.meet(plan, ahead, arena)?;
        self.check_cpuset(plan, arena)?;
        check_devices(plan, arena)?;
        check_pages(plan, size, arena)?;
        if self.places.is_empty() && !ahead {
            say::warning(format_args!(
                "no control group hierarchy is mounted: the container stays in the caller's groups"
            ));
        }
        Ok(())
    }

    /// Finds a controller for each key of the plan. A v1 hierarchy is preferred; the v2 one is used
    /// for what no v1 hierarchy has, and on a host without any.
    #[inline(never)]
    fn meet(&mut self, plan: &Cgroup, ahead: bool, arena: &Arena) -> Result<()> {
        let v1 = self.places.iter().fold(Subsystems::NONE, |all, p| all.union(p.subsystems));
        let unified = self.places.iter().position(|p| p.hierarchy.version == Version::V2);
        let keys = |lifts| {
            let asked = needs().zip(asked(plan, lifts));
            asked.filter_map(|(need, asked)| asked.then_some(need))
        };
        let mut on_v2 = Subsystems::NONE;
        for (key, subsystem, v2) in keys(true) {
            match v2 {
                _ if v1.has(subsystem) => {}
                V2::Has => on_v2 = on_v2.union(Subsystems::of(&[subsystem])),
                V2::Lacks => {
                    if key == KERNEL_MEMORY {
                        limits_kernel_memory(plan)?;
                    }
                    if !ahead {
                        left_out(key);
                    }
                }
            }
        }
        let place = unified.and_then(|n| self.places.get(n));
        let available = place.map_or(Ok(Subsystems::NONE), |place| reach(place, on_v2, arena))?;
        let lacking = on_v2.without(available);
        if let Some((key, subsystem, _)) = keys(false).find(|need| lacking.has(need.1)) {
            return Err(missing(key, subsystem, v1, available, arena));
        }
        let on_v2 = on_v2.both(available);
        let Some(n) = unified else { return Ok(()) };
        if on_v2.is_empty() && !v1.is_empty() {
            self.places.remove(n);
        } else if let Some((place, after)) =
            self.places.get_mut(n..).and_then(<[_]>::split_first_mut)
        {
            place.subsystems = on_v2;
            // The one that limits memory comes last.
            if let (Some(last), false) = (after.last_mut(), v1.has(Subsystem::Memory)) {
                core::mem::swap(place, last);
            }
        }
        Ok(())
    }

    /// Refuses CPUs and memory nodes that the caller's group, or the machine, does not have. The
    /// kernel would take them on v2, and use others.
    #[inline(never)]
    fn check_cpuset(&self, plan: &Cgroup, arena: &Arena) -> Result<()> {
        /// The keys, and the files of either version.
        const FILES: [(&str, [&str; 2]); 2] = [
            ("cgroups.cpuset_cpus", ["cpuset.cpus", "cpuset.cpus.effective"]),
            ("cgroups.cpuset_mems", ["cpuset.mems", "cpuset.mems.effective"]),
        ];
        let place = self.places.iter().find(|p| p.subsystems.has(Subsystem::Cpuset));
        let Some(place) = place else { return Ok(()) };
        for ((key, files), list) in FILES.iter().zip([plan.cpuset_cpus, plan.cpuset_mems]) {
            let Some(list) = list else { continue };
            let file = files[usize::from(place.hierarchy.version == Version::V2)];
            let mut buf = [0; PATH_MAX];
            let there = match Dir::open(place.base)?.read(file, &mut buf) {
                // The group above gives it no cpuset controller yet.
                Err(error) if error.raw() == Some(Errno::NOENT) => continue,
                there => there?,
            };
            if !split_by(list.to_bytes(), b',').all(|part| is_within(part, there)) {
                return Err(refuse(key, format_args!("this host has {}", Show(there)), arena));
            }
        }
        Ok(())
    }
}

/// Whether a member of a list lies within those of another.
fn is_within(part: &[u8], list: &[u8]) -> bool {
    let Some((first, last, (used, group))) = range(part) else { return true };
    let mut next = first;
    while next <= last {
        let around = |part| range(part).filter(|(low, high, _)| (*low..=*high).contains(&next));
        match split_by(list, b',').find_map(around) {
            Some((_, high, _)) => next = high + 1,
            None => return false,
        }
        let offset = (next - first) % group;
        if offset >= used {
            next = next.saturating_add(group - offset);
        }
    }
    true
}

/// The controllers that the container's v2 group can have, which may be beside the caller's if that
/// can't give those that are `needed`.
fn reach(place: &Place, needed: Subsystems, arena: &Arena) -> Result<Subsystems> {
    let of = |group: &'static CStr| controllers(&Dir::open(group)?);
    let own = of(place.base)?;
    if needed.without(own).is_empty() {
        return Ok(own);
    }
    Ok(v2::above(place, arena)?.map_or(Ok(Subsystems::NONE), of)?.union(own))
}

/// The controllers that a v2 group can give to those below it; devices and freezing need none.
#[inline(never)]
pub fn controllers(dir: &Dir) -> Result<Subsystems> {
    const FILE: &str = "cgroup.controllers";
    let mut buf = [0; 256];
    let list = dir.read(FILE, &mut buf)?;
    let without = Subsystems::of(&[Subsystem::Devices, Subsystem::Freezer]);
    Ok(Subsystems::parse_v2(list).union(without))
}

/// Says which controller is not there, for which key, and which are.
#[inline(never)]
fn missing(
    key: &'static str,
    subsystem: Subsystem,
    v1: Subsystems,
    v2: Subsystems,
    arena: &Arena,
) -> Error {
    let mut list = Short::<256>::default();
    // All names fit twice.
    for name in v1.iter().map(Subsystem::name) {
        let _ = list.push(format_args!(" {name}"));
    }
    for name in v2.iter().filter_map(Subsystem::name_v2) {
        let _ = list.push(format_args!(" {name} (v2)"));
    }
    let list = if list.as_str().is_empty() { " none" } else { list.as_str() };
    let name = subsystem.name();
    let why = format_args!(
        "it needs the control group controller {name}; those that can be had here:{list}"
    );
    refuse(key, why, arena)
}

/// Refuses values for devices that the machine does not have.
#[inline(never)]
fn check_devices(plan: &Cgroup, arena: &Arena) -> Result<()> {
    for (key, line) in BLKIO.zip(&plan.blkio) {
        let Some(DeviceValue { major, minor, .. }) = line else { continue };
        let (major, minor) = (i64::from(*major), i64::from(*minor));
        if is_missing(format_args!("/sys/dev/block/{major}:{minor}")) {
            return Err(refuse(
                key,
                format_args!("there is no block device {major}:{minor}"),
                arena,
            ));
        }
    }
    Ok(())
}

/// Whether this path, of less than 64 bytes, leads to nothing.
fn is_missing(path: fmt::Arguments) -> bool {
    let path = Short::<64>::new(path);
    statat(CWD, path.as_cstr(), AtFlags::empty()).is_err_and(|errno| errno == Errno::NOENT)
}

/// Refuses a key in words put together.
fn refuse(key: &'static str, why: fmt::Arguments, arena: &Arena) -> Error {
    refused(key, arena.str(why).unwrap_or("this host does not have it"))
}

/// Refuses sizes of huge pages that the machine does not have.
#[inline(never)]
fn check_pages(plan: &Cgroup, refused_size: &mut Option<usize>, arena: &Arena) -> Result<()> {
    for (n, (size, _)) in plan.hugetlb_limit.iter().enumerate() {
        let size = page_size(size.to_bytes()).unwrap_or(0);
        if is_missing(format_args!("/sys/kernel/mm/hugepages/hugepages-{size}kB")) {
            *refused_size = Some(n);
            let why = format_args!("this machine has no pages of {size} KiB");
            return Err(refuse("cgroups.hugetlb_limit", why, arena));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_lies_within_others() {
        for (part, list) in [("0", "0"), ("0-3", "0-1,2-3"), ("2", "0-7"), ("0-9:1/5", "0,5")] {
            assert!(is_within(part.as_bytes(), list.as_bytes()), "{part} {list}");
        }
        for (part, list) in
            [("1", "0"), ("0-3", "0-1,3"), ("8", "0-7"), ("0", ""), ("0-9:1/2", "0-1")]
        {
            assert!(!is_within(part.as_bytes(), list.as_bytes()), "{part} {list}");
        }
        assert!(!is_within(b"0-18446744073709551615", b"0-3"));
        assert!(!is_within(b"0-18446744073709551615:1/9223372036854775808", b"0-3"));
    }

    #[test]
    fn a_missing_controller_is_named_with_the_key() {
        let arena = Arena::new(vec![0; 4096].leak());
        let (v1, v2) = (Subsystems::parse(b"cpu,memory"), Subsystems::parse_v2(b"io pids"));
        let (key, subsystem) = ("cgroups.hugetlb_limit", Subsystem::Hugetlb);
        let error = missing(key, subsystem, v1, v2, &arena);
        assert_eq!(key_of(error).map(|finding| finding.part), Some(key));
        let error = error.to_string();
        assert_eq!(
            error,
            "cgroups.hugetlb_limit: it needs the control group controller hugetlb; those that can \
             be had here: cpu memory io (v2) pids (v2)"
        );
        let none = Subsystems::NONE;
        let error = missing(key, subsystem, none, none, &arena).to_string();
        assert!(error.ends_with("here: none"));
    }
}
