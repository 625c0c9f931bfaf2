//! The values of single keys: what is taken, and what is refused with which words.

use super::*;
use crate::plan::{DeviceKind, Relabel};

/// A file with this value for `key`, in a mount namespace.
pub(super) fn with(key: &str, value: &str) -> String {
    format!("{{\"namespaces\": {{\"NEWNS\": true, \"NEWNET\": true}}, \"{key}\": {value}}}")
}

/// The error's last part: path and reason.
fn fault(key: &str, value: &str) -> String {
    let error = bad(&with(key, value));
    error.splitn(4, ':').nth(3).unwrap_or(&error).trim().into()
}

fn cgroup_fault(value: &str) -> String {
    fault("cgroups", &format!("{{\"name\": \"a\", {value}}}"))
}

#[test]
fn device_types_as_numbers_and_letters() {
    for (kind, expected) in [
        ("99", DeviceKind::Char),
        ("\"c\"", DeviceKind::Char),
        ("117", DeviceKind::Char),
        ("98", DeviceKind::Block),
        ("\"b\"", DeviceKind::Block),
        ("\"p\"", DeviceKind::Fifo),
    ] {
        let plan = good(&with("device_nodes", &format!("[{{\"type\": {kind}, \"path\": \"x\"}}]")));
        assert_eq!((plan.rootfs.devices[0].kind, plan.rootfs.devices[0].path), (expected, c"/x"));
    }
    let nodes = |value: &str| fault("device_nodes", value);
    let kinds = "no kind of device: 99 or \"c\", 98 or \"b\", 117 \"u\", 112 \"p\"";
    for kind in ["97", "\"a\"", "\"cc\"", "\"\"", "355"] {
        let error = nodes(&format!("[{{\"path\": \"/x\", \"type\": {kind}}}]"));
        assert_eq!(error, format!("device_nodes[0].type: {kinds}"));
    }
    assert_eq!(
        nodes("[{\"path\": \"/x\"}]"),
        "device_nodes[0].type: a device needs one: 99 is c, 98 is b"
    );
    assert_eq!(nodes("[{\"type\": 99}]"), "device_nodes[0].path: a device node needs a path");
    let error = nodes("[{\"type\": 99, \"path\": \"/x\", \"minor_number\": -1}]");
    assert_eq!(error, "device_nodes[0].major: a node can't have every number");
    let error = nodes("[{\"type\": 99, \"path\": \"/x\", \"major_number\": 4096}]");
    assert_eq!(error, "device_nodes[0].major_number: expected an integer from -1 to 4095");
}

#[test]
fn device_rules() {
    let rules = |value: &str| cgroup_fault(&format!("\"allowed_devices\": [{value}]"));
    let at = "cgroups.allowed_devices[0]";
    let error = rules(r#"{"type": 99, "cgroup_permissions": "rx"}"#);
    assert_eq!(error, format!("{at}.cgroup_permissions: expected some of r, w and m"));
    assert_eq!(rules(r#"{"type": 99}"#), format!("{at}.permissions: a rule needs r, w or m"));
    let error = rules(r#"{"type": "p", "cgroup_permissions": "r"}"#);
    assert_eq!(error, format!("{at}.type: only c and b have rules"));
}

#[test]
fn mounts_of_both_kinds() {
    let mounts = |value: &str| fault("mounts", &format!("[{value}]"));
    for (value, error) in [
        (r#"{"type": "nfs", "destination": "/a"}"#, "type: \"nfs\" is neither bind nor tmpfs"),
        (r#"{"type": "bind", "destination": "/a"}"#, "source: a bind needs one"),
        (r#"{"device": "bind", "destination": "/a"}"#, "source: a bind needs one"),
        (r#"{"type": "tmpfs"}"#, "destination: a mount needs one"),
        (r#"{"flags": 1, "destination": "/a"}"#, "device: a mount with flags needs one"),
        (
            r#"{"device": "tmpfs", "flags": 4096, "destination": "/a"}"#,
            "flags: MS_BIND, but the device is \"tmpfs\"",
        ),
        (
            r#"{"device": "tmpfs", "flags": 32}"#,
            "flags: MS_REMOUNT and MS_MOVE are not for a new mount",
        ),
        (r#"{"device": "tmpfs", "flags": 1073741824}"#, "flags: no mount flags: 0x40000000"),
        (
            r#"{"device": "tmpfs", "flags": 786432}"#,
            "flags: more than one of MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE",
        ),
        (r#"{"relabel": "x"}"#, "relabel: expected \"z\" (shared) or \"Z\" (private)"),
        (
            r#"{"premount_cmds": [{"path": 1}]}"#,
            "premount_cmds[0].path: expected a string, found a number",
        ),
    ] {
        assert_eq!(mounts(value), format!("mounts[0].{error}"));
    }
    let overlay = r#"[{"device": "overlay", "destination": "o", "data": "lowerdir=/a"}]"#;
    let (plan, _) = warned(&with("mounts", overlay));
    let mount = plan.rootfs.mounts.last().unwrap();
    assert_eq!((mount.fstype, mount.target, mount.data), (c"overlay", c"/o", c"lowerdir=/a"));
    let shared = r#"[{"type": "bind", "source": "/a", "destination": "/a", "relabel": "Z"}]"#;
    assert_eq!(good(&with("mounts", shared)).rootfs.mounts[5].relabel, Relabel::Private);
}

#[test]
fn cgroup_values() {
    for (value, error) in [
        (r#""blkio_weight": 9"#, "blkio_weight: expected an integer from 10 to 1000"),
        (r#""memory_swappiness": 101"#, "memory_swappiness: expected an integer from -1 to 100"),
        (r#""blkio_weight_device": "8:0""#, "blkio_weight_device: expected \"major:minor value\""),
        (
            r#""blkio_throttle_read_bps_device": "8:0 1\n9:0 1""#,
            "blkio_throttle_read_bps_device: expected \"major:minor value\"",
        ),
        (
            r#""net_cls_classid": "x""#,
            "net_cls_classid: expected a number of 32 bits, as in \"0x100001\"",
        ),
        (r#""freezer": "COLD""#, "freezer: expected \"FROZEN\", \"THAWED\" or \"\""),
        (r#""hugetlb_limit": [{"limit": 1}]"#, "hugetlb_limit[0].page_size: expected a name"),
        (
            r#""net_prio_ifpriomap": [{"interface": "a/b"}]"#,
            "net_prio_ifpriomap[0].interface: expected a name",
        ),
        (
            r#""net_prio_ifpriomap": [{"interface": "lo 5"}]"#,
            "net_prio_ifpriomap[0].interface: expected a name",
        ),
        (r#""cpu_shares": -2"#, "cpu_shares: expected an integer from -1 to 9223372036854775807"),
    ] {
        assert_eq!(cgroup_fault(value), format!("cgroups.{error}"));
    }
    let (plan, _) = warned(&with(
        "cgroups",
        r#"{"name": "a", "memory_swappiness": 0, "net_cls_classid": "0x100001", "freezer": "FROZEN",
            "hugetlb_limit": [{"page_size": "2MB", "limit": 9}], "pids_limit": 5}"#,
    ));
    let cgroup = plan.cgroup.as_ref().unwrap();
    assert_eq!((cgroup.memory_swappiness, cgroup.net_cls_classid), (Some(0), Some(0x100001)));
    assert_eq!(
        (cgroup.frozen, cgroup.hugetlb_limit[0], cgroup.pids_limit),
        (true, (c"2MB", 9), Some(5))
    );
}

/// What the writers of all generations put down where nothing was set.
#[test]
fn words_for_not_set_are_taken() {
    let cgroup = |value: &str| {
        let (plan, _) = warned(&with("cgroups", &format!("{{\"name\": \"a\", {value}}}")));
        format!("{:?}", plan.cgroup)
    };
    let nothing = cgroup(r#""parent": """#);
    for key in [
        "memory",
        "memory_reservation",
        "memory_swap",
        "kernel_memory",
        "memory_swappiness",
        "cpu_shares",
        "cpu_quota",
        "cpu_period",
        "blkio_weight",
        "pids_limit",
        "hugetlb_limit",
        "net_cls_classid",
        "freezer",
    ] {
        assert_eq!(cgroup(&format!("\"{key}\": null")), nothing, "{key}");
    }
    for key in [
        "memory",
        "memory_reservation",
        "memory_swap",
        "kernel_memory",
        "cpu_shares",
        "cpu_quota",
        "cpu_period",
        "blkio_weight",
        "pids_limit",
    ] {
        assert_eq!(cgroup(&format!("\"{key}\": 0")), nothing, "{key}");
    }
    for key in ["memory_swappiness", "cpu_shares", "cpu_period", "blkio_weight"] {
        assert_eq!(cgroup(&format!("\"{key}\": -1")), nothing, "{key}");
        assert!(good(&format!("{{\"cgroups\": {{\"{key}\": -1}}}}")).cgroup.is_none(), "{key}");
    }
    for key in [
        "slice",
        "cpuset_cpus",
        "cpuset_mems",
        "blkio_weight_device",
        "blkio_throttle_read_bps_device",
        "net_cls_classid",
        "freezer",
    ] {
        assert_eq!(cgroup(&format!("\"{key}\": \"\"")), nothing, "{key}");
    }
    // Of a limit of a process -1 is the highest.
    let limits = good(r#"{"rlimits": [{"type": "nofile", "soft": 5, "hard": -1}]}"#);
    assert_eq!(limits.process.rlimits[0].hard, u64::MAX);
    assert!(
        fault("rlimits", r#"[{"type": 7, "hard": -2}]"#).contains("expected an integer from 0 to")
    );
}

#[test]
fn what_runc_writes_is_read() {
    let plan = good(
        r#"{"namespaces": [{"type": "NEWIPC"}], "no_new_privileges": true, "umask": null, "Hooks": {"prestart": []},
            "capabilities": {"Bounding": ["CAP_CHOWN", "CAP_KILL"], "Effective": ["CAP_KILL"], "Inheritable": null,
                "Permitted": [], "Ambient": ["CAP_KILL"]}}"#,
    );
    assert!(plan.process.no_new_privs);
    assert_eq!(plan.process.capabilities, 1 << 0 | 1 << 5);
    assert!(!good(r#"{"no_new_privileges": false}"#).process.no_new_privs);
}

#[test]
fn a_capability_that_does_not_exist_is_an_error_in_every_file() {
    for (text, why) in [
        (
            r#"{"namespaces": {}, "capabilities": ["CAP_NET_ADMN"]}"#,
            "1:37: capabilities[0]: unknown value \"NET_ADMN\": did you mean \"NET_ADMIN\"?",
        ),
        (
            r#"{"namespaces": {}, "capabilities": ["NET_ADMN"]}"#,
            "1:37: capabilities[0]: unknown value \"NET_ADMN\": did you mean \"NET_ADMIN\"?",
        ),
        (
            r#"{"namespaces": ["NEWPID"], "capabilities": ["ALL"]}"#,
            "1:45: capabilities[0]: unknown value \"ALL\"; expected CHOWN, ",
        ),
        (
            r#"{"capabilities_mask": {"CHOWM": false}}"#,
            "1:33: capabilities_mask.CHOWM: unknown value \"CHOWM\": did you mean \"CHOWN\"?",
        ),
    ] {
        let error = bad(text);
        assert!(error.starts_with(&format!("c.json:{why}")), "{error}");
    }
}

#[test]
fn the_process() {
    for (key, value, error) in [
        (
            "rlimits",
            r#"[{"type": "files"}]"#,
            "rlimits[0].type: unknown value \"files\"; expected CPU, FSIZE, DATA, STACK, CORE, RSS, NPROC, \
             NOFILE, MEMLOCK, AS, LOCKS, SIGPENDING, MSGQUEUE, NICE, RTPRIO or RTTIME",
        ),
        (
            "rlimits",
            r#"[{"type": "nofiles"}]"#,
            "rlimits[0].type: unknown value \"nofiles\": did you mean \"NOFILE\"?",
        ),
        ("rlimits", r#"[{"type": 16}]"#, "rlimits[0].type: expected an integer from 0 to 15"),
        (
            "rlimits",
            r#"[{"type": 7, "soft": 2, "hard": 1}]"#,
            "rlimits[0].soft: above the hard limit",
        ),
        ("init", r#""systemd""#, "init: unknown value \"systemd\"; expected reap or exec"),
        ("parent_death_signal", "65", "parent_death_signal: expected an integer from 0 to 64"),
        ("additional_groups", r#"[""]"#, "additional_groups[0]: a group needs a name or a number"),
        (
            "additional_groups",
            "[true]",
            "additional_groups[0]: expected a string or an integer, found a boolean",
        ),
        ("mask_paths", r#"["proc/kcore"]"#, "mask_paths[0]: expected an absolute path"),
        (
            "uid_mappings",
            r#"[{"size": 0}]"#,
            "uid_mappings[0].size: an empty range, or beyond 32 bits",
        ),
        (
            "gid_mappings",
            r#"[{"host_id": 4294967295, "size": 2}]"#,
            "gid_mappings[0].size: an empty range, or beyond 32 bits",
        ),
        (
            "seccomp",
            r#"{"syscalls": [{"names": ["mkdirr"], "action": "SCMP_ACT_ERRNO"}]}"#,
            "seccomp.syscalls[0]: unknown system call \"mkdirr\": did you mean \"mkdir\"?",
        ),
        (
            "seccomp",
            r#"{"syscalls": [{"value": 83}]}"#,
            "seccomp.syscalls[0].action: a rule needs one: a word as SCMP_ACT_ALLOW, or a number",
        ),
        (
            "seccomp",
            r#"{"syscalls": [{"action": -4}]}"#,
            "seccomp.syscalls[0].action: expected an integer from -3 to 4095",
        ),
    ] {
        assert_eq!(fault(key, value), error);
    }
    assert!(
        bad(r#"{"namespaces": {"NEWMOUNT": true}}"#)
            .ends_with("namespaces.NEWMOUNT: unknown value \"NEWMOUNT\"; expected NEWUSER, NEWCGROUP, NEWIPC, NEWUTS, NEWNET, NEWPID, NEWTIME or NEWNS")
    );
    let error = bad(r#"{"namespaces": ["NEWMOUNT"]}"#);
    assert!(
        error.starts_with(
            "c.json:1:17: namespaces[0]: unknown value \"NEWMOUNT\"; expected NEWUSER"
        ),
        "{error}"
    );
    assert!(
        bad(r#"{"namespaces": [{"path": "/x"}]}"#)
            .ends_with("namespaces[0].type: a namespace needs one")
    );
}
