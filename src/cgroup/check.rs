//! What can't be right is refused before anything is made.

use core::ffi::CStr;

use crate::bytes::split_by;
use crate::error::{Error, Result};
use crate::plan::{Cgroup, DeviceKind};
use crate::proc::lines::decimal;

/// Checks what can be checked without looking at the machine. An error shows the key. (What nsinit
/// can't do yet is refused by the plan's own check.)
pub fn check(plan: &Cgroup) -> Result<()> {
    check_place(plan)?;
    check_numbers(plan)?;
    for (key, list) in
        [("cgroups.cpuset_cpus", plan.cpuset_cpus), ("cgroups.cpuset_mems", plan.cpuset_mems)]
    {
        if list.is_some_and(|list| !is_cpu_list(list.to_bytes())) {
            return Err(Error::refused("", key, "not a list of numbers and ranges like 0-3,8"));
        }
    }
    if let Some(devices) = &plan.devices {
        let mut rules = devices.allowed.iter().chain(&devices.denied);
        if rules.any(|rule| rule.kind == DeviceKind::Fifo) {
            let why = "a device rule is for character or block devices";
            return Err(Error::refused("", "cgroups.allowed_devices", why));
        }
    }
    Ok(())
}

/// A name is one directory, and a parent leads down only: nothing escapes from below the caller's
/// own group, or from the hierarchy.
fn check_place(plan: &Cgroup) -> Result<()> {
    let refuse = |key, why| Err(Error::refused("", key, why));
    let has_bad_byte = |text: &CStr| text.to_bytes().contains(&b'\n');
    if let Some(name) = plan.name {
        match name.to_bytes() {
            b"" => return refuse("cgroups.name", "it is empty"),
            b"." | b".." => return refuse("cgroups.name", "\".\" and \"..\" are no names"),
            name if name.contains(&b'/') => return refuse("cgroups.name", "it contains a '/'"),
            _ if has_bad_byte(name) => return refuse("cgroups.name", "it contains a newline"),
            _ => {}
        }
    } else if plan.parent.is_none() && has_limit(plan) {
        return refuse("cgroups.name", "limits need a group: without a name there is none");
    }
    if let Some(parent) = plan.parent {
        if split_by(parent.to_bytes(), b'/').any(|part| part == b"..") {
            return refuse("cgroups.parent", "\"..\" would leave the caller's own group");
        }
        if has_bad_byte(parent) {
            return refuse("cgroups.parent", "it contains a newline");
        }
    }
    Ok(())
}

/// Whether the group is to limit anything.
pub fn has_limit(plan: &Cgroup) -> bool {
    plan.devices.is_some()
        || plan.memory.is_some()
        || plan.memory_reservation.is_some()
        || plan.memory_swap.is_some()
        || plan.cpu_shares.is_some()
        || plan.cpu_quota.is_some()
        || plan.cpu_period.is_some()
        || plan.cpuset_cpus.is_some()
        || plan.cpuset_mems.is_some()
}

fn check_numbers(plan: &Cgroup) -> Result<()> {
    for (key, value) in [
        ("cgroups.memory", plan.memory),
        ("cgroups.memory_reservation", plan.memory_reservation),
        ("cgroups.memory_swap", plan.memory_swap),
        ("cgroups.cpu_quota", plan.cpu_quota),
    ] {
        if value.is_some_and(|value| value < -1) {
            return Err(Error::refused("", key, "below 0, and not -1 (no limit)"));
        }
    }
    match (plan.memory, plan.memory_swap) {
        (Some(memory), Some(swap)) if swap != -1 && (memory == -1 || swap < memory) => {
            let why = "it is memory and swap together: not less than cgroups.memory";
            Err(Error::refused("", "cgroups.memory_swap", why))
        }
        _ => Ok(()),
    }
}

/// "0-3,8": numbers and ranges, and for ranges perhaps "used/group" (lib/bitmap-str.c,
/// bitmap_parselist).
fn is_cpu_list(list: &[u8]) -> bool {
    split_by(list, b',').all(|part| {
        let mut parts = part.splitn(2, |&b| b == b':');
        let range = parts.next().unwrap_or(b"");
        let mut ends = range.splitn(2, |&b| b == b'-');
        let (first, last) = (ends.next().and_then(decimal), ends.next().map(decimal));
        let step = parts.next().map(|step| split_by(step, b'/').map(decimal));
        let step_is_right = step.is_none_or(|mut step| {
            let (used, group) = (step.next().flatten(), step.next().flatten());
            last.is_some()
                && used.is_some()
                && group.is_some_and(|n| n > 0)
                && step.next().is_none()
        });
        let in_order = match last {
            None => first.is_some(),
            Some(last) => first.zip(last).is_some_and(|(first, last)| first <= last),
        };
        in_order && step_is_right
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        for good in ["0", "0-3", "0,2,4", "0-3,8", "0-1023:1/2", "7-7"] {
            assert!(is_cpu_list(good.as_bytes()), "{good}");
        }
        for bad in
            ["", ",", "0,", "-1", "0-", "3-0", "a", "0 1", "0-3:1", "0:1/2", "0-3:1/0", "0\n"]
        {
            assert!(!is_cpu_list(bad.as_bytes()), "{bad:?}");
        }
    }

    fn refuse(change: impl FnOnce(&mut Cgroup)) -> String {
        let mut plan = Cgroup { name: Some(c"x"), ..Cgroup::default() };
        assert!(check(&plan).is_ok());
        change(&mut plan);
        check(&plan).unwrap_err().to_string()
    }

    #[test]
    fn a_place_outside_is_refused() {
        for name in [c"", c".", c"..", c"a/b", c"../x", c"/x", c"a\nb"] {
            assert!(
                refuse(|plan| plan.name = Some(name)).starts_with("cgroups.name: "),
                "{name:?}"
            );
        }
        for parent in [c"..", c"a/../b", c"/..", c"a/..", c"a\nb"] {
            let error = refuse(|plan| plan.parent = Some(parent));
            assert!(error.starts_with("cgroups.parent: "), "{parent:?}");
        }
        let error = refuse(|plan| (plan.name, plan.memory) = (None, Some(1)));
        assert_eq!(error, "cgroups.name: limits need a group: without a name there is none");
        let fine = Cgroup { name: Some(c"..x"), parent: Some(c"/a//./b..c/"), ..Cgroup::default() };
        assert!(check(&fine).is_ok());
    }

    #[test]
    fn numbers_below_zero_are_refused() {
        assert!(refuse(|plan| plan.memory = Some(-2)).starts_with("cgroups.memory: below 0"));
        assert!(refuse(|plan| plan.cpu_quota = Some(-2)).starts_with("cgroups.cpu_quota: "));
        let swap = |memory, swap| {
            refuse(|plan| (plan.memory, plan.memory_swap) = (Some(memory), Some(swap)))
        };
        assert!(swap(2, 1).starts_with("cgroups.memory_swap: it is memory and swap together"));
        assert!(swap(-1, 1).starts_with("cgroups.memory_swap: it is memory and swap together"));
    }
}
