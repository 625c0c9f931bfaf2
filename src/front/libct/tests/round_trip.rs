//! The configuration as understood, printed and read again, is the same.

use super::*;

const SAMPLES: [(&str, &str); 14] = [
    ("minimal", MINIMAL),
    ("minimal-v2", include_str!("../../../../sample_configs/minimal-v2.json")),
    ("host-pid", include_str!("../../../../sample_configs/host-pid.json")),
    ("read-only", include_str!("../../../../sample_configs/read-only.json")),
    ("attach-to-bridge", include_str!("../../../../sample_configs/attach_to_bridge.json")),
    ("bridge", include_str!("../../../../sample_configs/bridge.json")),
    ("macvlan", include_str!("../../../../sample_configs/macvlan.json")),
    ("macvtap", include_str!("../../../../sample_configs/macvtap.json")),
    ("vlan", include_str!("../../../../sample_configs/vlan.json")),
    ("ipvlan", include_str!("../../../../sample_configs/ipvlan.json")),
    ("dummy", include_str!("../../../../sample_configs/dummy.json")),
    ("phys", include_str!("../../../../sample_configs/phys.json")),
    ("netns", include_str!("../../../../sample_configs/netns.json")),
    (
        "route-source-address-selection",
        include_str!("../../../../sample_configs/route_source_address_selection.json"),
    ),
];

fn debug(plan: &mut Plan) -> String {
    plan.marks.clear();
    plan.key_marks.clear();
    let rules = plan.process.seccomp.iter_mut().flat_map(|filter| filter.rules.iter_mut());
    rules.for_each(|rule| rule.line = 0);
    format!("{plan:#?}")
}

fn printed(plan: &mut Plan) -> String {
    let mut out = String::new();
    print(plan, &mut out).unwrap();
    out
}

#[test]
fn samples_are_built_without_a_word_and_round_trip() {
    for (name, text) in SAMPLES {
        let plan = good(text);
        unbuilt(plan, &mut |finding| panic!("{name}: {finding:?}"));
        let again = good(&printed(plan));
        assert_eq!(debug(again), debug(plan), "{name}");
    }
}

#[test]
fn the_samples_of_both_generations_are_one_container() {
    let [(_, first), (_, second), ..] = SAMPLES;
    assert_eq!(debug(good(first)), debug(good(second)));
    let reap = |n: usize| good(SAMPLES[n].1).init;
    assert_eq!((reap(0), reap(2)), (crate::plan::Init::Reap, crate::plan::Init::Become));
}

#[test]
fn every_key_round_trips() {
    let text = r#"{"namespaces": [{"type": "NEWNS"}, {"type": "NEWNET", "path": "/n\u0001\"\\é"},
            {"type": "NEWUSER"}, {"type": "NEWUTS"}, {"type": "NEWIPC"}, {"type": "NEWPID"}],
        "command": {"args": ["/bin/sh", "-c", "a\nb"]}, "user": "u:g", "working_dir": "/w",
        "environment": [], "tty": true, "init": "exec", "no_new_privs": true,
        "capabilities": ["CHOWN", "CHECKPOINT_RESTORE"], "additional_groups": [5, "x"],
        "rlimits": [{"type": 1, "soft": 1, "hard": 18446744073709551615}], "parent_death_signal": 15,
        "apparmor_profile": "a", "process_label": "l", "mount_label": "m", "hostname": "h",
        "seccomp": {"syscalls": [{"value": 83, "action": 1, "args": [{"index": 1, "value": 7, "op": 4}]},
            {"value": 84, "action": -3}]},
        "rootfs": "/r", "readonlyfs": true, "no_pivot_root": true,
        "mounts": [{"source": "proc", "destination": "/proc", "device": "proc", "flags": 14},
            {"source": "/a", "destination": "/a", "device": "bind", "flags": 282625, "relabel": "Z",
                "premount_cmds": [{"path": "/x"}], "postmount_cmds": [{"path": "/y"}]},
            {"destination": "/t", "device": "tmpfs", "flags": 540674, "data": "size=1k"}],
        "devices": [{"type": "p", "path": "/f", "file_mode": 420}, {"type": 98, "path": "/b", "major": 1,
            "minor": 2, "uid": 3, "gid": 4}],
        "mask_paths": ["/proc/kcore"], "readonly_paths": ["/proc/sys"],
        "system_properties": {"net.ipv4.ip_forward": "1"},
        "networks": [{"type": "loopback"}, {"type": "veth", "bridge": "b", "host_interface_name": "v0",
            "mac_address": "02:42:ac:11:00:02", "address": "1.2.3.4/8", "gateway": "1.2.3.1",
            "ipv6_address": "fe80::2/64", "ipv6_gateway": "fe80::1", "mtu": 1400, "txqueuelen": 9,
            "hairpin_mode": true, "name": "e0"},
            {"type": "veth", "bridge": "b", "veth_prefix": "v", "address": "1.2.3.5/32"},
            {"type": "bridge", "name": "b", "create": true, "address": "1.2.3.1/8", "mtu": 1400},
            {"type": "macvlan", "parent": "p", "mode": "vepa"}, {"type": "macvtap", "parent": "p"},
            {"type": "vlan", "parent": "p", "id": 7}, {"type": "ipvlan", "parent": "p", "mode": "l3s"},
            {"type": "dummy", "txqueuelen": 5},
            {"type": "phys", "host_interface_name": "ens3"}],
        "routes": [{"destination": "9.0.0.0/8", "source": "1.2.3.4", "gateway": "1.2.3.1",
            "interface_name": "e0"}, {"destination": "8.0.0.0/8", "gateway": "7.7.7.7",
            "interface_name": "eth0", "on_link": true}, {"gateway": "1.2.3.1"}],
        "uid_mappings": [{"container_id": 0, "host_id": 1000, "size": 5}],
        "gid_mappings": [{"container_id": 0, "host_id": 1000, "size": 5}],
        "cgroups": {"name": "n", "parent": "/p", "slice": "s.slice", "memory": -1, "memory_reservation": 2,
            "memory_swap": -1, "kernel_memory": 4, "memory_swappiness": 0, "oom_kill_disable": true,
            "cpu_shares": 5, "cpu_quota": -1, "cpu_period": 6000, "cpuset_cpus": "0-1", "cpuset_mems": "0",
            "blkio_weight": 10, "blkio_weight_device": "8:0 10",
            "blkio_throttle_read_bps_device": "8:0 2", "blkio_throttle_write_bps_device": "8:0 3",
            "blkio_throttle_read_iops_device": "8:0 4", "blkio_throttle_write_iops_device": "8:0 5",
            "hugetlb_limit": [{"page_size": "2MB", "limit": 18446744073709551615}],
            "net_prio_ifpriomap": [{"interface": "lo", "priority": 5}], "net_cls_classid": "7",
            "pids_limit": 8, "freezer": "FROZEN", "allow_all_devices": true,
            "denied_devices": [{"type": 98, "major": 8, "minor": -1, "permissions": "rwm"}]}}"#;
    let plan = good(text);
    let first = printed(plan);
    let again = good(&first);
    assert_eq!(debug(again), debug(plan));
    assert_eq!(printed(again), first);
}

#[test]
fn a_destination_that_looks_like_the_root_keeps_its_place() {
    let first = r#"{"namespaces": {"NEWNS": true}, "root_fs": "/r",
        "mounts": [{"source": "/a", "destination": "/r/x"}]}"#;
    let plan = good(first);
    let again = good(&printed(plan));
    assert_eq!(again.rootfs.mounts[5].target, c"/r/x");
    assert_eq!(debug(again), debug(plan));
}

#[test]
fn a_command_line_is_printed_instead_of_the_file_s_command() {
    static WORDS: [Option<crate::syscall::cstr::ThinCStr>; 0] = [];
    let plan = good(r#"{"command": {"args": ["/bin/false"]}}"#);
    plan.process.argv = &WORDS;
    assert!(printed(plan).contains("\"/bin/false\""));
    let words = [Some(c"/bin/true".into()), None];
    plan.process.argv = Box::leak(Box::new(words));
    let text = printed(plan);
    assert!(text.contains("\"/bin/true\"") && !text.contains("/bin/false"));
}
