//! Files of each generation, in the forms that libcontainer had: each gives the plan that it meant.

use super::*;
use crate::plan::{DeviceKind, Init, MountCommands, NetworkKind, Source};
use linux_raw_sys::general as k;

const CHOWN: u64 = 1 << k::CAP_CHOWN;
const MKNOD: u64 = 1 << k::CAP_MKNOD;

/// The four shapes of the same five namespaces.
#[test]
fn namespaces_in_every_shape() {
    let texts = [
        r#"{"namespaces": ["NEWNS", "NEWUTS", "NEWIPC", "NEWPID", "NEWNET"]}"#,
        r#"{"namespaces": {"NEWNS": true, "NEWUTS": true, "NEWIPC": true, "NEWPID": true,
            "NEWNET": true, "NEWUSER": false}}"#,
        r#"{"namespaces": [{"type": "NEWNS", "path": ""}, {"type": "NEWUTS"}, {"type": "NEWIPC"},
            {"type": "NEWPID"}, {"type": "NEWNET"}]}"#,
        r#"{"namespaces": [{"type": "mount"}, {"type": "uts"}, {"type": "ipc"}, {"type": "pid"},
            {"type": "network"}]}"#,
    ];
    for text in texts {
        let (plan, _) = warned(text);
        for kind in Kind::ALL {
            let keep = matches!(kind, Kind::User | Kind::Cgroup | Kind::Time);
            let source = if keep { Source::Keep } else { Source::New };
            assert_eq!(plan.namespaces.get(kind), source, "{text}");
        }
        assert_eq!(plan.init, Init::Reap);
    }
    let joined = good(
        r#"{"namespaces": [{"type": "NEWNET", "path": "/run/netns/x"}, {"type": "NEWTIME"}]}"#,
    );
    assert_eq!(joined.namespaces.get(Kind::Net), Source::Join(c"/run/netns/x"));
    assert!(joined.namespaces.is_new(Kind::Time));
    assert_eq!(joined.init, Init::Become);
}

#[test]
fn february_2014_drops_capabilities_and_has_one_network() {
    let plan = good(
        r#"{"id": "koye", "namespace_pid": 31, "rootfs": "/r",
            "command": {"args": ["/bin/sh", "-c", "ls"], "environment": ["A=1", "B="]},
            "namespaces": ["NEWNS", "NEWNET", "NEWPID"], "capabilities": ["CHOWN"],
            "network": {"temp_veth": "t", "ip": "10.0.0.2/8", "gateway": "10.0.0.1",
                "bridge": "br0", "mtu": 1500}}"#,
    );
    assert_eq!(plan.process.capabilities, names::ALL_CAPABILITIES & !CHOWN);
    assert_eq!(plan.rootfs.path, Some(c"/r"));
    let words: Vec<_> = plan.process.command.iter().flatten().map(|word| word.get()).collect();
    assert_eq!(words, [c"/bin/sh", c"-c", c"ls"]);
    assert!(plan.process.command[3].is_none());
    assert_eq!(plan.process.env.len(), 2);
    let net = plan.networks[0];
    let address = net.address.unwrap();
    assert_eq!((net.kind, address.text, net.mtu), (NetworkKind::Veth, c"10.0.0.2/8", 1500));
    assert_eq!((net.name, net.veth_prefix), (c"eth0", Some(c"veth")));
    // No file had nodes then: they were made in any case.
    assert_eq!(plan.rootfs.devices.len(), 6);
}

#[test]
fn march_2014_has_a_mask() {
    let plan = good(
        r#"{"namespaces": ["NEWNS", "NEWIPC"], "capabilities_mask": ["CHOWN", "MKNOD"],
            "mounts": [{"source": "/a", "destination": "b", "writable": true, "private": true}],
            "cgroups": {"name": "n", "device_access": true}}"#,
    );
    assert_eq!(plan.process.capabilities, names::ALL_CAPABILITIES & !(CHOWN | MKNOD));
    let mount = plan.rootfs.mounts[6];
    assert_eq!((mount.source, mount.target, mount.fstype), (c"/a", c"/b", c"bind"));
    assert_eq!(mount.flags, k::MS_REC);
    assert_eq!(mount.propagation, k::MS_PRIVATE | k::MS_REC);
    assert!(plan.cgroup.as_ref().unwrap().devices.as_ref().unwrap().allow_all);
}

#[test]
fn may_2014_has_maps_of_capabilities_and_names_of_nodes() {
    let plan = good(
        r#"{"namespaces": {"NEWNS": true}, "capabilities_mask": {"CHOWN": false, "MKNOD": true},
            "device_nodes": {"required": ["null", "fuse"], "additional": ["net/tun"]},
            "context": {"restrictions": "true", "mount_label": ""}}"#,
    );
    assert_eq!(plan.process.capabilities, names::ALL_CAPABILITIES & !CHOWN);
    let nodes: Vec<_> = plan.rootfs.devices.iter().map(|d| (d.path, d.major, d.minor)).collect();
    assert_eq!(nodes, [(c"/dev/null", 1, 3), (c"/dev/fuse", 10, 229), (c"/dev/net/tun", 10, 200)]);
    assert!(plan.rootfs.masked.contains(&c"/proc/kcore"));
    let unknown = r#"{"namespaces": {"NEWNS": true}, "device_nodes": {"required": ["sda"]}}"#;
    assert_eq!(
        bad(unknown),
        "c.json:1:63: device_nodes.required[0]: nsinit does not know the numbers of \"sda\": \
         list it with type, major and minor"
    );
}

#[test]
fn version_1_keeps_capabilities_and_mounts_by_itself() {
    let (plan, warnings) = warned(
        r#"{"namespaces": {"NEWNS": true, "NEWIPC": true, "NEWPID": true},
            "capabilities": ["CHOWN"], "restrict_sys": true,
            "mount_config": {"readonly_fs": true, "mounts": [
                {"type": "bind", "source": "/a", "destination": "/a", "slave": true},
                {"type": "devtmpfs"}, {"type": "tmpfs", "destination": "/tmp"}]}}"#,
    );
    let expected = [
        "c.json:5:17: mount_config.mounts[1]: a mount of type devtmpfs was never made, and is not now",
    ];
    assert_eq!(warnings, expected);
    assert_eq!(plan.process.capabilities, CHOWN);
    assert!(plan.rootfs.readonly);
    assert_eq!(plan.rootfs.propagation, k::MS_PRIVATE);
    let mounts: Vec<_> =
        plan.rootfs.mounts.iter().map(|m| (m.target, m.fstype, m.flags, m.data)).collect();
    let expected = [
        (c"/proc", c"proc", 14, c""),
        (c"/dev", c"tmpfs", k::MS_NOSUID | k::MS_STRICTATIME, c"mode=755"),
        (c"/dev/shm", c"tmpfs", 14, c"mode=1777,size=65536k"),
        (c"/dev/mqueue", c"mqueue", 14, c""),
        (c"/dev/pts", c"devpts", 10, c"newinstance,ptmxmode=0666,mode=620,gid=5"),
        (c"/sys", c"sysfs", 15, c""),
        (c"/a", c"bind", k::MS_REC | k::MS_RDONLY, c""),
        (c"/tmp", c"tmpfs", 14, c""),
    ];
    assert_eq!(mounts, expected);
    assert_eq!(plan.rootfs.mounts[6].propagation, k::MS_SLAVE | k::MS_REC);
    assert_eq!((plan.rootfs.masked.len(), plan.rootfs.readonly_paths.len()), (12, 5));
    assert_eq!(
        plan.mark("mounts", 7).map(|mark| (mark.path, mark.at)),
        Some((["mount_config", "mounts"], Some(2)))
    );
}

#[test]
fn version_1_without_its_own_ipc_or_mount_namespace() {
    let plan = good(r#"{"namespaces": {"NEWNS": true}, "mount_config": {"no_pivot_root": true}}"#);
    assert!(plan.rootfs.mounts.iter().all(|mount| mount.fstype != c"mqueue"));
    assert_eq!(plan.rootfs.mounts.len(), 5);
    assert_eq!(plan.rootfs.propagation, k::MS_SLAVE);
    assert_eq!(plan.rootfs.mounts[4].flags, 14, "/sys is writable without restrict_sys");
    let plan = good(r#"{"namespaces": {"NEWIPC": true}, "mount_config": null, "cgroups": null}"#);
    assert!(plan.rootfs.mounts.is_empty() && plan.rootfs.devices.is_empty());
}

#[test]
fn version_1_4_joins_namespaces_by_keys_of_their_own() {
    let plan = good(
        r#"{"namespaces": {"NEWNET": true, "NEWIPC": true}, "ipc": "/proc/7/ns/ipc", "root_fs": null,
            "networks": [{"type": "netns", "ns_path": "/proc/7/ns/net"}]}"#,
    );
    assert_eq!(plan.namespaces.get(Kind::Ipc), Source::Join(c"/proc/7/ns/ipc"));
    assert_eq!(plan.namespaces.get(Kind::Net), Source::Join(c"/proc/7/ns/net"));
    assert!(plan.networks.is_empty());
    let older = good(r#"{"networks": [{"type": "netns", "context": {"nspath": "/n"}}]}"#);
    assert_eq!(older.namespaces.get(Kind::Net), Source::Join(c"/n"));
}

const VERSION_2: &str = r#"{
    "no_pivot_root": false, "parent_death_signal": 0, "pivot_dir": "", "privatefs": true,
    "rootfs": "/r", "readonlyfs": false, "hostname": "h",
    "mounts": [
        {"source": "proc", "destination": "/r/proc", "device": "proc", "flags": 14, "data": "",
            "relabel": "", "premount_cmds": null, "postmount_cmds": []},
        {"source": "/a", "destination": "/a", "device": "bind", "flags": 282625, "relabel": "z"},
        {"source": "t", "destination": "/t", "device": "tmpfs", "flags": 540674}],
    "devices": [{"type": "b", "path": "/dev/x", "major": 300, "minor": 70000, "permissions": "rwm",
        "file_mode": 25008, "uid": 1, "gid": 2}],
    "mount_label": "", "apparmor_profile": "", "process_label": "",
    "namespaces": [{"type": "NEWNS", "path": ""}, {"type": "NEWUTS", "path": ""}],
    "capabilities": ["CHOWN", "CAP_MKNOD"], "networks": null, "routes": null,
    "rlimits": [{"type": 7, "hard": 1024, "soft": 512}, {"type": "RLIMIT_CORE", "hard": 0, "soft": 0}],
    "additional_groups": [10, "wheel", "11"], "uid_mappings": null, "gid_mappings": null,
    "mask_paths": ["/proc/kcore"], "readonly_paths": ["/proc/sys"], "seccomp": null,
    "cgroups": {"name": "n", "parent": "p", "allow_all_devices": false,
        "allowed_devices": [{"type": 99, "path": "", "major": 1, "minor": -1, "permissions": "rw"}],
        "memory": 0, "cpu_quota": 50000, "cpu_period": 100000, "freezer": "", "slice": ""}
}"#;

#[test]
fn version_2_is_as_written() {
    let plan = good(VERSION_2);
    let rootfs = &plan.rootfs;
    assert_eq!((rootfs.path, rootfs.propagation), (Some(c"/r"), k::MS_PRIVATE));
    let mounts: Vec<_> =
        rootfs.mounts.iter().map(|m| (m.target, m.fstype, m.flags, m.propagation)).collect();
    let expected = [
        (c"/proc", c"proc", 14, 0),
        (c"/a", c"bind", k::MS_REC | k::MS_RDONLY, k::MS_PRIVATE | k::MS_REC),
        (c"/t", c"tmpfs", k::MS_NOSUID, k::MS_SLAVE | k::MS_REC),
    ];
    assert_eq!(mounts, expected);
    assert!(rootfs.mounts.iter().all(|m| m.commands == MountCommands::default()));
    let node = rootfs.devices[0];
    assert_eq!((node.kind, node.major, node.minor), (DeviceKind::Block, 300, 70000));
    assert_eq!((node.mode, node.uid, node.gid), (0o660, 1, 2));
    let process = &plan.process;
    assert_eq!(process.capabilities, CHOWN | MKNOD);
    assert_eq!(process.groups.as_slice(), [c"10", c"wheel", c"11"]);
    assert_eq!(process.parent_death_signal, k::SIGKILL);
    let limits: Vec<_> = process.rlimits.iter().map(|l| (l.resource, l.soft, l.hard)).collect();
    assert_eq!(limits, [(7, 512, 1024), (4, 0, 0)]);
    // What the command line of libcontainer 2 added.
    let env: Vec<_> = process.env.iter().flatten().map(|e| e.bytes()).collect();
    assert_eq!(env[1..], [&b"TERM=xterm"[..], b"HOSTNAME=h"]);
    let cgroup = plan.cgroup.as_ref().unwrap();
    assert_eq!((cgroup.cpu_quota, cgroup.cpu_period), (Some(50000), Some(100000)));
    assert_eq!((cgroup.memory, cgroup.memory_swappiness), (None, None));
    let rules = &cgroup.devices.as_ref().unwrap().allowed;
    assert_eq!((rules.len(), rules[0].major, rules[0].minor), (1, Some(1), None));
    assert!(rules[0].read && rules[0].write && !rules[0].mknod);
}

#[test]
fn version_2_is_stricter() {
    let unknown = r#"{"namespaces": [{"type": "NEWNS"}], "capabilities": ["NOSUCH"]}"#;
    assert!(
        bad(unknown).starts_with(
            "c.json:1:54: capabilities[0]: unknown value \"NOSUCH\"; expected CHOWN, "
        )
    );
    let untyped =
        r#"{"namespaces": [{"type": "NEWNS"}], "mounts": [{"source": "/a", "destination": "/a"}]}"#;
    assert_eq!(bad(untyped), "c.json:1:48: mounts: a mount needs a device");
    let (_, warnings) = warned(r#"{"namespaces": [{"type": "NEWNS"}]}"#);
    assert_eq!(warnings, ["c.json: no mount on /proc: much will not work"]);
}

#[test]
fn without_namespaces_the_keys_tell_the_generation() {
    let second = good(r#"{"parent_death_signal": 9}"#);
    assert_eq!(second.process.env.len(), 2, "the environment of libcontainer 2's command line");
    assert_eq!(second.rootfs.propagation, k::MS_SLAVE);
    for first in [r#"{"restrict_sys": false}"#, r#"{"tty": true}"#] {
        let plan = good(first);
        assert_eq!((plan.process.env.len(), plan.rootfs.propagation), (0, k::MS_PRIVATE));
    }
}

#[test]
fn keys_of_the_other_generation_are_read_with_a_warning() {
    let (plan, warnings) =
        warned(r#"{"namespaces": {"NEWNS": true}, "mask_paths": ["/proc/kcore"]}"#);
    assert_eq!(plan.rootfs.masked.as_slice(), [c"/proc/kcore"]);
    let why = "key of libcontainer 2.x in a 1.x file: accepted";
    assert_eq!(warnings, [format!("c.json:1:47: mask_paths: {why}")]);
    let (plan, warnings) = warned(
        r#"{"namespaces": [{"type": "NEWIPC"}],
            "devices": [], "cgroups": {"name": "a", "allowed_devices": [
            {"type": 99, "major_number": 1, "minor_number": 3, "cgroup_permissions": "r"},
            {"type": 99, "major_number": 1, "minor_number": 3, "cgroup_permissions": "r"}]}}"#,
    );
    assert_eq!(plan.cgroup.as_ref().unwrap().devices.as_ref().unwrap().allowed.len(), 2);
    assert_eq!(warnings.len(), 3, "each key once: {warnings:?}");
    assert!(
        warnings[0].starts_with("c.json:3:42: major_number: key of libcontainer 1.x in a 2.x file")
    );
}

#[test]
fn a_cgroup_without_rules_has_the_default_ones() {
    let rules = |text: &str| {
        let plan = good(text);
        let access = plan.cgroup.as_ref().unwrap().devices.as_ref().unwrap();
        (access.allow_all, access.allowed.len(), access.denied.len())
    };
    assert_eq!(rules(r#"{"cgroups": {"name": "a"}}"#), (false, 10, 0));
    assert_eq!(rules(r#"{"cgroups": {"name": "a", "allowed_devices": []}}"#), (false, 0, 0));
    assert_eq!(rules(r#"{"cgroups": {"name": "a", "allow_all_devices": true}}"#), (true, 0, 0));
    assert!(good(r#"{"cgroups": {"name": "", "allow_all_devices": false, "memory": 0, "cpuset_cpus": ""}}"#).cgroup.is_none());
}
