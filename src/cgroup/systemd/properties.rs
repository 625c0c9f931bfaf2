//! What systemd is told of a scope (org.freedesktop.systemd1(5), systemd.resource-control(5)). It keeps
//! to these limits whatever it does later, and shows them. They also make weights and reservations
//! hold against other units, as those of a group count only among the groups beside it.

use core::ffi::CStr;

use rustix::process::getpid;

use super::super::file::{Dir, Version};
use super::super::groups::ROOM;
use super::super::{v2, weight};
use super::message::Writer;
use crate::bytes::{Names, split_by};
use crate::plan::Cgroup;
use crate::plan::limits::range;

/// Most CPUs (the greatest CONFIG_NR_CPUS), and so most memory nodes.
const CPUS: usize = 8192;
/// systemd counts CPU time in percents: less than a whole one would be less than what is asked for.
const PERCENT_US: u64 = 10_000;

/// The arguments of StartTransientUnit, with limits or without.
pub fn arguments(out: &mut Writer, unit: &str, plan: Option<&Cgroup>, limited: bool) {
    out.string(unit);
    out.string("fail");
    let properties = out.array(8);
    let mut property = |name, kind, value: &dyn Fn(&mut Writer)| {
        out.align(8);
        out.string(name);
        out.signature(kind);
        value(out);
    };
    property("PIDs", "au", &|out| {
        let pids = out.array(4);
        out.u32(getpid().as_raw_pid() as u32);
        out.end(pids, 4);
    });
    property("Delegate", "b", &|out| out.u32(1));
    property("Description", "s", &|out| out.string("container of nsinit"));
    if let Some(slice) = plan.and_then(|plan| plan.slice?.to_str().ok()) {
        property("Slice", "s", &|out| out.string(slice));
    }
    let plan = plan.filter(|_| limited);
    // The container's own limit counts, not what systemd gives every unit. The launcher is one more.
    let tasks = plan.and_then(|plan| unsigned(plan.pids_limit));
    property("TasksMax", "t", &|out| out.u64(tasks.map_or(u64::MAX, |tasks| tasks + 1)));
    if let Some(plan) = plan {
        // Where systemd itself looks which it is.
        let v2 = matches!(Dir::named(c"/sys/fs/cgroup"), Ok((_, Version::V2)));
        for (name, value) in NUMBERS[usize::from(v2)].zip(numbers(plan, v2)) {
            if let Some(value) = value.filter(|_| name != "-") {
                property(name, "t", &|out| out.u64(value));
            }
        }
        let lists = [("AllowedCPUs", plan.cpuset_cpus), ("AllowedMemoryNodes", plan.cpuset_mems)];
        for (name, list) in lists {
            if let Some(list) = list.filter(|_| v2) {
                property(name, "ay", &|out| out.bytes(set(list, &mut [0; CPUS / 8])));
            }
        }
    }
    out.end(properties, 8);
    let auxiliary = out.array(8);
    out.end(auxiliary, 8);
}

/// No number is no limit.
fn unsigned(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok())
}

/// The numbers on version 1 and on version 2, where there are any.
const NUMBERS: [Names; 2] = [
    Names("MemoryLimit - - CPUShares BlockIOWeight CPUQuotaPerSecUSec CPUQuotaPeriodUSec"),
    Names(
        "MemoryMax MemoryLow MemorySwapMax CPUWeight IOWeight CPUQuotaPerSecUSec CPUQuotaPeriodUSec",
    ),
];

/// Their values.
#[inline(never)]
fn numbers(plan: &Cgroup, v2: bool) -> [Option<u64>; 7] {
    let period = plan.cpu_period.unwrap_or(100_000);
    let quota = unsigned(plan.cpu_quota).map(|us| (us * 1_000_000).div_ceil(period));
    let weight_of = |v1: Option<u64>, of: fn(u64) -> u64| if v2 { v1.map(of) } else { v1 };
    // The kernel takes 1 for 2, systemd does not.
    let shares = plan.cpu_shares.map(|shares| shares.max(2));
    [
        // The launcher's memory is on top: with the limit used up it could not even clear away.
        unsigned(plan.memory).map(|bytes| bytes.saturating_add(ROOM)),
        unsigned(plan.memory_reservation),
        unsigned(v2::swap(plan)),
        weight_of(shares, weight::of_shares),
        weight_of(plan.blkio_weight, weight::of_blkio),
        quota.map(|quota| quota.next_multiple_of(PERCENT_US)),
        plan.cpu_period,
    ]
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
        let k = |n: u64| Some(n << 10);
        let quota = [Some(310_000), Some(50_000)];
        let v1 = [k(17 << 10), None, k(2 << 10), k(1), Some(1000), quota[0], quota[1]];
        assert_eq!(numbers(&plan, false), v1);
        let v2 = [k(17 << 10), None, k(2 << 10), Some(100), Some(10_000), quota[0], quota[1]];
        assert_eq!(numbers(&plan, true), v2);
        let most = Cgroup { cpu_quota: Some((1 << 44) - 1), ..Cgroup::default() };
        assert!(numbers(&most, true)[5] > Some(1 << 44));
    }
}
