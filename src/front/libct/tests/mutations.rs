//! Damaged files: whatever is done to a text, it is read or refused, without a panic.

use super::*;

/// A generator of numbers that are the same every time (Marsaglia's xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// What a text may come to have in it.
const PIECES: [&[u8]; 20] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"0.5",
    b"18446744073709551616",
    b"\"\\ud83d\\ude00\"",
    b"\"\\u0000\"",
    b"\xff",
    b"\n",
    b"\"type\":",
    b"[[[[",
];

const SEED: [&str; 3] = [
    MINIMAL,
    include_str!("../../../../sample_configs/minimal-v2.json"),
    r#"{"namespaces": ["NEWNS"], "device_nodes": {"required": ["null"]}, "context": {"a": "b"},
        "capabilities_mask": {"CHOWN": false}, "network": {"bridge": "b"}, "networks": [{"type": "veth",
        "context": {"bridge": "b", "prefix": "p"}, "address": "1.2.3.4/5"}], "system_properties":
        {"a": "b"}, "seccomp": {"syscalls": [{"value": 1, "action": 1, "args": [{"index": 1}]}]},
        "routes": [{"gateway": "::1"}], "rlimits": [{"type": "nofile"}], "cgroups": {"hugetlb_limit":
        [{"page_size": "2MB"}], "net_cls_classid": "0x1", "blkio_weight_device": "1:2 3"},
        "mounts": [{"type": "bind", "source": "\u0026", "destination": "é"}], "additional_groups": [1]}"#,
];

fn mutated(numbers: &mut Numbers) -> Vec<u8> {
    let mut text = SEED[numbers.below(SEED.len())].as_bytes().to_vec();
    for _ in 0..1 + numbers.below(4) {
        let at = numbers.below(text.len());
        let to = (at + numbers.below(40)).min(text.len());
        match numbers.below(5) {
            0 => text[at] = numbers.below(256) as u8,
            1 => text.truncate(at + 1),
            2 => drop(text.drain(at..to)),
            3 => drop(text.splice(at..at, PIECES[numbers.below(PIECES.len())].iter().copied())),
            _ => {
                let part = text[at..to].to_vec();
                drop(text.splice(at..at, part));
            }
        }
        if text.is_empty() {
            text.push(b'{');
        }
    }
    text
}

#[test]
fn no_damage_makes_it_panic() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let plan = Box::leak(Box::new(Plan::new()));
    let (mut read, mut refused) = (0, 0);
    for _ in 0..4000 {
        let text = mutated(&mut numbers);
        let text = Box::leak(text.into_boxed_slice());
        let arena = Arena::new(Box::leak(vec![0; 4 << 10].into_boxed_slice()));
        let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
        let mut faults = Vec::new();
        parse_with(text, "c", plan, &arena, false, &mut |_| {}, &mut |fault| faults.push(fault));
        assert!(faults.iter().all(|fault| fault.pos.line as usize <= lines), "{faults:?}");
        // Whatever could be read can be looked at and printed.
        check(plan, &mut |finding| _ = place(plan, "c", finding, &arena));
        unbuilt(plan, &mut |finding| _ = place(plan, "c", finding, &arena));
        let mut out = String::new();
        print(plan, &mut out).unwrap();
        clear(plan);
        if faults.is_empty() {
            read += 1;
            let (mut again, arena) = (String::new(), Arena::new(Box::leak(Box::new([0; 4096]))));
            let text = Box::leak(out.clone().into_bytes().into_boxed_slice());
            let tell = &mut |fault: Fault| panic!("{}", fault.error);
            parse_with(text, "c", plan, &arena, false, &mut |_| {}, tell);
            print(plan, &mut again).unwrap();
            assert_eq!(out, again);
            clear(plan);
        } else {
            refused += 1;
        }
    }
    assert!(read > 50 && refused > 1000, "{read} read, {refused} refused");
}

fn clear(plan: &mut Plan) {
    let rootfs = &mut plan.rootfs;
    rootfs.mounts.clear();
    rootfs.devices.clear();
    rootfs.masked.clear();
    rootfs.readonly_paths.clear();
    rootfs.path = None;
    rootfs.mount_label = None;
    plan.process.env.clear();
    plan.process.command.clear();
    plan.process.seccomp = None;
    plan.networks.clear();
    plan.routes.clear();
    plan.sysctls.clear();
    plan.marks.clear();
    plan.key_marks.clear();
    plan.cgroup = None;
    Kind::ALL.into_iter().for_each(|kind| plan.namespaces.set(kind, crate::plan::Source::Keep));
}
