//! What can't be right about a control group and its limits, whatever the host.

use core::ffi::CStr;

use super::Cgroup;
use super::check::Findings;
use crate::bytes::{number, split_by};

/// Longest and shortest period, and shortest quota, in microseconds (kernel/sched/core.c,
/// tg_set_cfs_bandwidth).
const PERIODS: core::ops::RangeInclusive<u64> = 1_000..=1_000_000;
/// Greatest quota (kernel/sched/core.c, max_cfs_runtime).
const QUOTA: i64 = (1 << 44) - 1;
/// Most shares (kernel/sched/sched.h, MAX_SHARES).
const SHARES: u64 = 1 << 18;
/// Greatest limit of processes (kernel/cgroup/pids.c, PIDS_MAX).
const PIDS: i64 = 1 << 22;
/// Longest name of a file (include/uapi/linux/limits.h).
const NAME_MAX: usize = 255;
const NAME: &str = "a name is at most 255 bytes long";

/// Refuses a group that can't be, or limits that can't be met; of an incomplete one not that something
/// is missing.
pub(super) fn check(cgroup: &Cgroup, complete: bool, found: &mut Findings) {
    place(cgroup, found);
    if complete {
        if cgroup.name.or(cgroup.parent).is_none() {
            found.refuse("cgroups", "limits need a name: they would be those of the caller");
        }
        memory(cgroup, found);
    }
    cpu(cgroup, found);
    if matches!(cgroup.blkio_weight, Some(0..10 | 1001..)) {
        found.refuse("cgroups.blkio_weight", "expected an integer from 10 to 1000");
    }
    if cgroup.pids_limit > Some(PIDS) {
        found.refuse("cgroups.pids_limit", "expected at most 4194304");
    }
    for (n, (size, _)) in cgroup.hugetlb_limit.iter().enumerate() {
        if page_size(size.to_bytes()).is_none() {
            let why = "expected a size such as \"2MB\"";
            found.refuse_in("cgroups.hugetlb_limit", n, "page_size", why);
        }
    }
}

/// A name is one directory, and a parent leads down only: nothing escapes from below the caller's
/// own group, or from the hierarchy.
fn place(cgroup: &Cgroup, found: &mut Findings) {
    let bytes = |text: Option<&'static CStr>| text.unwrap_or(c"x").to_bytes();
    let has_newline = |text: &[u8]| text.contains(&b'\n');
    let too_long = |name: &[u8]| name.len() > NAME_MAX;
    match bytes(cgroup.name) {
        b"." | b".." => found.refuse("cgroups.name", "\".\" and \"..\" are no names"),
        name if name.contains(&b'/') => found.refuse("cgroups.name", "it contains a '/'"),
        name if has_newline(name) => found.refuse("cgroups.name", "it contains a newline"),
        name if too_long(name) => found.refuse("cgroups.name", NAME),
        _ => {}
    }
    let slice = bytes(cgroup.slice.or(Some(c".slice")));
    if !slice.ends_with(b".slice") || slice.contains(&b'/') {
        found.refuse("cgroups.slice", "expected the name of a slice: \"….slice\"");
    }
    let parent = bytes(cgroup.parent);
    if split_by(parent, b'/').any(|part| part == b"..") {
        found.refuse("cgroups.parent", "\"..\" would leave the caller's own group");
    }
    if has_newline(parent) {
        found.refuse("cgroups.parent", "it contains a newline");
    }
    if split_by(parent, b'/').any(too_long) {
        found.refuse("cgroups.parent", NAME);
    }
}

fn memory(cgroup: &Cgroup, found: &mut Findings) {
    let limit = cgroup.memory.filter(|limit| *limit != -1);
    match (limit, cgroup.memory_swap) {
        (_, None | Some(-1)) => {}
        (None, _) => {
            let why =
                "it limits memory and swap together, on top of a cgroups.memory: give that too";
            found.refuse("cgroups.memory_swap", why);
        }
        (Some(limit), Some(swap)) if swap < limit => {
            let why = "it limits memory and swap together: not less than cgroups.memory";
            found.refuse("cgroups.memory_swap", why);
        }
        _ => {}
    }
    match (limit, cgroup.memory_reservation) {
        (Some(limit), Some(reservation)) if reservation > limit => {
            found.refuse("cgroups.memory_reservation", "more than the limit, cgroups.memory");
        }
        _ => {}
    }
}

fn cpu(cgroup: &Cgroup, found: &mut Findings) {
    if cgroup.cpu_period.is_some_and(|period| !PERIODS.contains(&period)) {
        found.refuse("cgroups.cpu_period", "expected 1000 to 1000000 microseconds");
    }
    if matches!(cgroup.cpu_quota, Some(0..1000)) {
        found.refuse("cgroups.cpu_quota", "expected -1, or at least 1000 microseconds");
    }
    if cgroup.cpu_quota > Some(QUOTA) {
        found.refuse("cgroups.cpu_quota", "expected at most 17592186044415 microseconds");
    }
    if cgroup.cpu_shares.is_some_and(|shares| shares > SHARES) {
        found.refuse("cgroups.cpu_shares", "expected 2 to 262144");
    }
    for (part, list) in
        [("cgroups.cpuset_cpus", cgroup.cpuset_cpus), ("cgroups.cpuset_mems", cgroup.cpuset_mems)]
    {
        let ranges =
            |list: &CStr| split_by(list.to_bytes(), b',').all(|part| range(part).is_some());
        if list.is_some_and(|list| !ranges(list)) {
            found.refuse(part, "not a list of numbers and ranges like 0-3,8");
        }
    }
}

/// A member of a list of CPUs or nodes: first and last, and of how many how many count: a range may
/// go on with ":used/group" (lib/bitmap-str.c, bitmap_parselist).
pub fn range(text: &[u8]) -> Option<(u64, u64, (u64, u64))> {
    let mut parts = split_by(text, b':');
    let mut ends = split_by(parts.next()?, b'-');
    let first = number(ends.next()?, 10)?;
    let second = ends.next();
    let last = second.map_or(Some(first), |last| number(last, 10))?;
    let mut step = (1, 1);
    if let Some(text) = parts.next() {
        let mut numbers = split_by(text, b'/').map(|step| number(step, 10));
        step = (numbers.next()??, numbers.next()??);
        let right = (1..=step.1).contains(&step.0) && numbers.next().is_none();
        (right && second.is_some()).then_some(())?;
    }
    let right = first <= last && ends.next().is_none() && parts.next().is_none();
    right.then_some((first, last, step))
}

/// A size of huge pages, "2MB" or "64KB" (mm/hugetlb_cgroup.c, mem_fmt), in KiB.
pub fn page_size(text: &[u8]) -> Option<u64> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let factor: u64 = match unit {
        b"KB" => 1,
        b"MB" => 1 << 10,
        b"GB" => 1 << 20,
        _ => return None,
    };
    number(digits, 10)?.checked_mul(factor).filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        for good in ["0", "0-3", "0-1023:1/2", "7-7"] {
            assert!(range(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "", "-1", "0-", "3-0", "a", "0 1", "0-3:1", "0:1/2", "0-3:1/0", "0-3:3/2", "0\n",
            "1-2-3",
        ] {
            assert!(range(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert_eq!(range(b"2-5"), Some((2, 5, (1, 1))));
        assert_eq!(range(b"2-5:1/2"), Some((2, 5, (1, 2))));
    }

    #[test]
    fn sizes_of_pages() {
        assert_eq!(page_size(b"2MB"), Some(2048));
        assert_eq!(page_size(b"1GB"), Some(1 << 20));
        for bad in ["", "MB", "2", "2mb", "-2MB", "0KB", "2MB ", "99999999999999999999GB"] {
            assert_eq!(page_size(bad.as_bytes()), None, "{bad:?}");
        }
    }

    fn parts(cgroup: &Cgroup) -> Vec<&'static str> {
        let mut parts = Vec::new();
        check(cgroup, true, &mut Findings(&mut |finding| parts.push(finding.part)));
        parts
    }

    fn refused(change: impl FnOnce(&mut Cgroup)) -> &'static str {
        let mut cgroup = Cgroup { name: Some(c"x"), ..Cgroup::default() };
        assert!(parts(&cgroup).is_empty());
        change(&mut cgroup);
        match parts(&cgroup)[..] {
            [part] => part,
            ref parts => panic!("{parts:?}"),
        }
    }

    #[test]
    fn a_place_outside_is_refused() {
        for name in [c".", c"..", c"a/b", c"../x", c"/x", c"a\nb"] {
            assert_eq!(refused(|c| c.name = Some(name)), "cgroups.name", "{name:?}");
        }
        for parent in [c"..", c"a/../b", c"/..", c"a/..", c"a\nb"] {
            assert_eq!(refused(|c| c.parent = Some(parent)), "cgroups.parent", "{parent:?}");
        }
        assert_eq!(refused(|c| (c.name, c.slice) = (Some(c"a"), Some(c"b"))), "cgroups.slice");
        assert_eq!(refused(|c| c.slice = Some(c"../x.slice")), "cgroups.slice");
        assert_eq!(refused(|c| (c.name, c.memory) = (None, Some(1))), "cgroups");
        let fine = Cgroup { name: Some(c"..x"), parent: Some(c"/a//./b..c/"), ..Cgroup::default() };
        assert!(parts(&fine).is_empty());
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let swap = |memory, swap| refused(|c| (c.memory, c.memory_swap) = (memory, Some(swap)));
        for memory in [Some(2), Some(-1), None] {
            assert_eq!(swap(memory, 1), "cgroups.memory_swap");
        }
        let low = |c: &mut Cgroup| (c.memory, c.memory_reservation) = (Some(2), Some(3));
        assert_eq!(refused(low), "cgroups.memory_reservation");
        assert_eq!(refused(|c| c.cpu_quota = Some(999)), "cgroups.cpu_quota");
        assert_eq!(refused(|c| c.cpu_quota = Some(1 << 44)), "cgroups.cpu_quota");
        assert_eq!(refused(|c| c.pids_limit = Some(4_194_305)), "cgroups.pids_limit");
        assert_eq!(refused(|c| c.cpu_period = Some(999)), "cgroups.cpu_period");
        assert_eq!(refused(|c| c.cpu_period = Some(1_000_001)), "cgroups.cpu_period");
        assert_eq!(refused(|c| c.cpu_shares = Some(262_145)), "cgroups.cpu_shares");
        assert_eq!(refused(|c| c.cpuset_mems = Some(c"0,")), "cgroups.cpuset_mems");
        let pages = |c: &mut Cgroup| c.hugetlb_limit.push((c"2M", 0)).unwrap();
        assert_eq!(refused(pages), "cgroups.hugetlb_limit");
        let all = Cgroup {
            name: Some(c"x"),
            memory: Some(2),
            memory_swap: Some(2),
            memory_reservation: Some(2),
            cpu_quota: Some((1 << 44) - 1),
            pids_limit: Some(4_194_304),
            cpu_period: Some(1_000),
            cpu_shares: Some(262_144),
            cpuset_cpus: Some(c"0-3,8"),
            ..Cgroup::default()
        };
        assert!(parts(&all).is_empty());
    }
}
