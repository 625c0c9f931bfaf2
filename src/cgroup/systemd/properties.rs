//! What systemd is told of a scope (org.freedesktop.systemd1(5), systemd.resource-control(5)). It keeps
//! to these limits whatever it does later, and shows them. They also make weights and reservations
//! hold against other units, as those of a group count only among the groups beside it.

use core::ffi::CStr;

use rustix::process::getpid;

use super::super::file::{Dir, Version};
use super::super::groups::ROOM;
use super::super::{v2, weight};
use super::message::Writer;
use crate::bytes::split_by;
use crate::plan::Cgroup;
use crate::plan::limits::range;

/// Most CPUs (the greatest CONFIG_NR_CPUS), and so most memory nodes.
const CPUS: usize = 8192;
/// systemd counts CPU time in percents: less than a whole one would be less than what is asked for.
const PERCENT_US: u64 = 10_000;

/// The arguments of StartTransientUnit, with limits or without.
pub fn arguments(out: &mut Writer, unit: &[u8], plan: Option<&Cgroup>, limited: bool) {
    out.string(unit);
    out.string(b"fail");
    let properties = out.array(8);
    out.property(b"PIDs", "au");
    let pids = out.array(4);
    out.u32(getpid().as_raw_pid() as u32);
    out.end(pids, 4);
    out.property(b"Delegate", "b");
    out.u32(1);
    out.property(b"Description", "s");
    out.string(b"container of nsinit");
    if let Some(slice) = plan.and_then(|plan| plan.slice) {
        out.property(b"Slice", "s");
        out.string(slice.to_bytes());
    }
    let plan = plan.filter(|_| limited);
    // The container's own limit counts, not what systemd gives every unit. The launcher is one more.
    let tasks = plan.and_then(|plan| unsigned(plan.pids_limit));
    out.property(b"TasksMax", "t");
    out.u64(tasks.map_or(u64::MAX, |tasks| tasks + 1));
    if let Some(plan) = plan {
        limits(out, plan);
    }
    out.end(properties, 8);
    let auxiliary = out.array(8);
    out.end(auxiliary, 8);
}

fn limits(out: &mut Writer, plan: &Cgroup) {
    // Where systemd itself looks which it is.
    let v2 = matches!(Dir::named(c"/sys/fs/cgroup"), Ok((_, Version::V2)));
    numbers(plan, v2, &mut |name, value| {
        out.property(name, "t");
        out.u64(value);
    });
    let mut list = |name, list: Option<&CStr>| {
        if let Some(list) = list.filter(|_| v2) {
            out.property(name, "ay");
            out.bytes(set(list, &mut [0; CPUS / 8]));
        }
    };
    list(b"AllowedCPUs", plan.cpuset_cpus);
    list(b"AllowedMemoryNodes", plan.cpuset_mems);
}

/// No number is no limit.
fn unsigned(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok())
}

/// Calls `each` with the numbers and what they are called on this version.
fn numbers(plan: &Cgroup, v2: bool, each: &mut dyn FnMut(&[u8], u64)) {
    // The names on version 1 and on version 2, where there are any.
    let mut number = |names: &[u8], value: Option<u64>| {
        let name = split_by(names, b'/').nth(v2.into()).unwrap_or(b"");
        if let Some(value) = value.filter(|_| !name.is_empty()) {
            each(name, value);
        }
    };
    // The launcher's memory is on top: with the limit used up it could not even clear away.
    let memory = unsigned(plan.memory).map(|bytes| bytes.saturating_add(ROOM));
    number(b"MemoryLimit/MemoryMax", memory);
    number(b"/MemoryLow", unsigned(plan.memory_reservation));
    number(b"/MemorySwapMax", unsigned(v2::swap(plan)));
    let weight = |v1: u64, of: fn(u64) -> u64| if v2 { of(v1) } else { v1 };
    // The kernel takes 1 for 2, systemd does not.
    let shares = plan.cpu_shares.map(|shares| weight(shares.max(2), weight::of_shares));
    number(b"CPUShares/CPUWeight", shares);
    let of_devices = plan.blkio_weight.map(|value| weight(value, weight::of_blkio));
    number(b"BlockIOWeight/IOWeight", of_devices);
    let period = plan.cpu_period.unwrap_or(100_000);
    let quota = unsigned(plan.cpu_quota).map(|us| (us * 1_000_000).div_ceil(period.max(1)));
    let quota = quota.map(|quota| quota.next_multiple_of(PERCENT_US));
    number(b"CPUQuotaPerSecUSec/CPUQuotaPerSecUSec", quota);
    number(b"CPUQuotaPeriodUSec/CPUQuotaPeriodUSec", plan.cpu_period);
}

/// A list as a set of bits, up to the last.
fn set<'a>(list: &CStr, mask: &'a mut [u8; CPUS / 8]) -> &'a [u8] {
    let mut len = 0;
    for (first, last, (used, group)) in split_by(list.to_bytes(), b',').filter_map(range) {
        let members = (first..=last.min(CPUS as u64 - 1)).filter(|n| (n - first) % group < used);
        for n in members.map(|n| n as usize) {
            mask[n / 8] |= 1 << (n % 8);
            len = len.max(n / 8 + 1);
        }
    }
    &mask[..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sets_of_bits() {
        let bits = |list| set(list, &mut [0; CPUS / 8]).to_vec();
        assert_eq!(bits(c"0"), [1]);
        assert_eq!(bits(c"0-3,9"), [0b1111, 0b10]);
        assert_eq!(bits(c"0-15:2/5"), [0b0110_0011, 0b1000_1100]);
        assert_eq!(bits(c"8191").len(), 1024);
        assert_eq!(bits(c"8192"), []);
        assert_eq!(bits(c"0-18446744073709551615").len(), 1024);
    }

    #[test]
    fn numbers_are_those_of_the_version() {
        let plan = Cgroup {
            memory: Some(1 << 20),
            memory_reservation: Some(-1),
            memory_swap: Some(3 << 20),
            cpu_shares: Some(1024),
            cpu_quota: Some(15_001),
            cpu_period: Some(50_000),
            blkio_weight: Some(1000),
            ..Cgroup::default()
        };
        let numbers = |plan: &Cgroup, v2| {
            let mut all = Vec::new();
            numbers(plan, v2, &mut |name, value| {
                all.push((String::from_utf8(name.to_vec()).unwrap(), value))
            });
            all
        };
        let own = |all: &[(&str, u64)]| -> Vec<(String, u64)> {
            all.iter().map(|(name, value)| (name.to_string(), *value)).collect()
        };
        let quota = [("CPUQuotaPerSecUSec", 310_000), ("CPUQuotaPeriodUSec", 50_000)];
        let v1 = [("MemoryLimit", 17 << 20), ("CPUShares", 1024), ("BlockIOWeight", 1000)];
        assert_eq!(numbers(&plan, false), own(&[&v1[..], &quota].concat()));
        let v2 = [("MemoryMax", 17 << 20), ("MemorySwapMax", 2 << 20)];
        let weights = [("CPUWeight", 100), ("IOWeight", 10_000)];
        assert_eq!(numbers(&plan, true), own(&[&v2[..], &weights, &quota].concat()));
        let most = Cgroup { cpu_quota: Some((1 << 44) - 1), ..Cgroup::default() };
        assert!(numbers(&most, true)[0].1 > 1 << 44);
    }
}
