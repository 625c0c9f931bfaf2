//! What `plan::check` and `plan::unbuilt` refuse, with the place in the file.

use super::*;

#[test]
fn the_host_is_left_alone() {
    for (text, error) in [
        (
            r#"{"hostname": "x"}"#,
            "c.json:1:14: hostname: without a UTS namespace it would rename the host (add NEWUTS)",
        ),
        (
            r#"{"networks": [{"type": "loopback"}]}"#,
            "c.json:1:15: networks[0]: without a network namespace it would change the host's network (add NEWNET)",
        ),
        (
            r#"{"routes": [{"gateway": "1.2.3.4"}]}"#,
            "c.json:1:13: routes[0]: without a network namespace it would change the host's network (add NEWNET)",
        ),
        (
            r#"{"mount_config": {"mounts": [{"type": "tmpfs", "destination": "/tmp"}]}}"#,
            "c.json:1:30: mount_config.mounts[0]: needs a new mount namespace (NEWNS)",
        ),
        (
            r#"{"restrict_sys": true}"#,
            "c.json:1:18: restrict_sys: needs a new mount namespace (NEWNS)",
        ),
        (
            r#"{"readonly_fs": true}"#,
            "c.json:1:17: readonly_fs: needs a new mount namespace (NEWNS)",
        ),
        (
            r#"{"devices": [{"type": 99, "path": "/dev/x"}]}"#,
            "c.json:1:14: devices[0]: needs a new mount namespace (NEWNS)",
        ),
        (r#"{"root_fs": "/r"}"#, "c.json:1:13: root_fs: needs a new mount namespace (NEWNS)"),
        (
            r#"{"namespaces": [{"type": "NEWNS", "path": "/proc/7/ns/mnt"}], "readonlyfs": true}"#,
            "c.json:1:77: readonlyfs: needs a new mount namespace (NEWNS)",
        ),
        (
            r#"{"cgroups": {"memory": 5}}"#,
            "c.json:1:13: cgroups: limits need a name: they would be those of the caller",
        ),
        (r#"{"cgroups": {"name": "a/../../b"}}"#, "c.json:1:22: cgroups.name: it contains a '/'"),
        (
            r#"{"uid_mappings": [{"size": 1}]}"#,
            "c.json:1:19: uid_mappings[0]: without a new user namespace (NEWUSER)",
        ),
        (
            r#"{"namespaces": {"NEWUSER": true}}"#,
            "c.json:1:16: namespaces: NEWUSER needs a mapping of id 0: nobody would be root inside",
        ),
    ] {
        assert_eq!(bad(text), error);
    }
}

#[test]
fn nothing_stands_in_for_proc_and_sys() {
    let mount = |value: &str| {
        read_bytes(
            format!(r#"{{"namespaces": [{{"type": "NEWNS"}}], "mounts": [{value}]}}"#).as_bytes(),
            false,
        )
        .result
        .map_err(|error| error.rsplit_once("mounts[0].destination: ").unwrap().1.to_string())
    };
    let bind = |target: &str| {
        mount(&format!(r#"{{"device": "bind", "source": "/a", "destination": "{target}"}}"#))
    };
    let no = |why: &str| Err(why.to_string());
    for root in ["/", "//", "/./"] {
        assert_eq!(bind(root), no("it is the root itself"));
    }
    for climbing in ["/proc/..", "/a/../proc", "../x"] {
        assert_eq!(bind(climbing), no("\"..\" in a path of the container"));
    }
    for proc in ["/proc", "/./proc/", "//proc", "proc"] {
        assert_eq!(bind(proc), no("only a mount of type proc can be on /proc"));
    }
    assert_eq!(bind("/sys/"), no("only a mount of type sysfs can be on /sys"));
    for inside in ["/proc/sys/kernel", "/proc/cpuinfo/x"] {
        assert_eq!(bind(inside), no("a mount inside /proc"));
    }
    for own in ["/proc/self", "/proc/1/attr", "/proc/net/dev"] {
        let why = "each process has its own of it: nothing mounted there would hold";
        assert_eq!(bind(own), no(why));
    }
    for fine in ["/proc/cpuinfo", "/procfs", "/sys/fs/cgroup", "/a/proc"] {
        assert_eq!(bind(fine), Ok(()));
    }
    let tmpfs = r#"{"device": "tmpfs", "destination": "/proc/cpuinfo"}"#;
    assert_eq!(mount(tmpfs), no("a mount inside /proc"));
    for fine in [
        r#"{"device": "proc", "destination": "/proc"}"#,
        r#"{"device": "sysfs", "destination": "/sys"}"#,
        r#"{"device": "bind", "source": "/proc", "destination": "/proc"}"#,
    ] {
        assert_eq!(mount(fine), Ok(()));
    }
}

#[test]
fn paths_and_texts_of_the_process() {
    let cwd =
        |path: &str| read_bytes(format!(r#"{{"working_dir": "{path}"}}"#).as_bytes(), false).result;
    for path in ["/proc/self/fd/7", "//proc/./12/root", "/proc/thread-self"] {
        let error = "c.json:1:17: working_dir: a directory of a process leads out of the container";
        assert_eq!(cwd(path), Err(error.into()));
    }
    assert!(cwd("src").unwrap_err().ends_with("expected an absolute path"));
    assert!(cwd("/a/../b").unwrap_err().ends_with("\"..\" in a path of the container"));
    assert_eq!((cwd("/proc/sys"), cwd("/"), cwd("")), (Ok(()), Ok(()), Ok(())));
    for entry in ["", "A", "=b"] {
        let error = bad(&format!(r#"{{"environment": ["A=1", "{entry}"]}}"#));
        assert_eq!(error, "c.json:1:25: environment[1]: expected NAME=VALUE");
    }
    let name =
        |n: usize| format!(r#"{{"namespaces": ["NEWUTS"], "hostname": "{}"}}"#, "x".repeat(n));
    good(&name(64));
    assert!(bad(&name(65)).ends_with("hostname: longer than the 64 bytes that the kernel takes"));
}

#[test]
fn sysctls_belong_to_a_namespace_of_the_container() {
    let sysctl = |name: &str| {
        let text = format!(
            r#"{{"namespaces": [{{"type": "NEWIPC"}}, {{"type": "NEWNET"}}],
                "system_properties": {{"{name}": "1"}}}}"#
        );
        read_bytes(text.as_bytes(), false)
            .result
            .map_err(|e| e.rsplit_once(": ").unwrap().1.to_string())
    };
    for fine in ["kernel.msgmax", "fs.mqueue.msg_max", "net.ipv4.ip_forward"] {
        assert_eq!(sysctl(fine), Ok(()));
    }
    for machine in ["kernel.core_pattern", "vm.swappiness", "fs.file-max", "kernel.sysrq", "net"] {
        assert_eq!(
            sysctl(machine),
            Err("it belongs to the whole machine, not to a namespace".into())
        );
    }
    assert_eq!(
        sysctl("kernel.hostname"),
        Err("without its namespace it would change the host".into())
    );
    for odd in ["net/ipv4/x", "net..x", "net.a+kernel.b", "net.", "", "kernel.msgmax\\n"] {
        assert_eq!(sysctl(odd), Err("no name of a value in /proc/sys, with dots".into()), "{odd}");
    }
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    let isolated = |rest: &str| {
        let names = ["NEWNS", "NEWNET", "NEWIPC"].map(|name| format!("{{\"type\": \"{name}\"}}"));
        format!("{{\"namespaces\": [{}],\n{rest}}}", names.join(", "))
    };
    let yet = "not supported yet";
    for (rest, error) in [
        (r#""system_properties": {"net.a": "1"}"#, format!("2:32: system_properties: {yet}")),
        (r#""apparmor_profile": "x""#, format!("2:21: apparmor_profile: {yet}")),
        (r#""process_label": "x""#, format!("2:18: process_label: {yet}")),
        (r#""mount_label": "x""#, format!("2:16: mount_label: {yet}")),
        (r#""mount_config": {"mount_label": "x"}"#, format!("2:33: mount_config.mount_label: {yet}")),
        (r#""context": {"process_label": "x"}"#, format!("2:30: context.process_label: {yet}")),
        (
            r#""mounts": [{"source": "/a", "destination": "/a", "device": "bind", "relabel": "z"}]"#,
            format!("2:12: mounts[0].relabel: {yet}"),
        ),
        (
            r#""mounts": [{"destination": "/a", "device": "tmpfs", "postmount_cmds": [{"path": "/x"}]}]"#,
            "2:12: mounts[0].premount_cmds: nsinit runs no commands of a configuration around a mount".into(),
        ),
    ] {
        assert_eq!(later(&isolated(rest)), format!("c.json:{error}"));
    }
    let mapped = r#"{"namespaces": [{"type": "NEWUSER"}], "uid_mappings": [{"size": 1}],
        "gid_mappings": [{"size": 1}]}"#;
    assert_eq!(
        later(mapped),
        "c.json:1:16: namespaces: user namespaces are not supported yet (NEWUSER)"
    );
}

#[test]
fn every_cgroup_key_works_or_is_refused() {
    for (key, value) in [
        ("parent", "\"p\""),
        ("allow_all_devices", "true"),
        ("memory", "1"),
        ("memory_reservation", "1"),
        ("memory_swap", "-1"),
        ("cpu_shares", "1"),
        ("cpu_quota", "1000"),
        ("cpu_period", "1000"),
        ("cpuset_cpus", "\"0\""),
        ("cpuset_mems", "\"0\""),
        ("kernel_memory", "1"),
        ("memory_swappiness", "0"),
        ("oom_kill_disable", "true"),
        ("blkio_weight", "10"),
        ("blkio_weight_device", "\"8:0 10\""),
        ("blkio_throttle_read_bps_device", "\"8:0 1\""),
        ("blkio_throttle_write_bps_device", "\"8:0 1\""),
        ("blkio_throttle_read_iops_device", "\"8:0 1\""),
        ("blkio_throttle_write_iops_device", "\"8:0 1\""),
        ("hugetlb_limit", "[{\"page_size\": \"2MB\"}]"),
        ("net_prio_ifpriomap", "[{\"interface\": \"lo\"}]"),
        ("net_cls_classid", "\"1\""),
        ("pids_limit", "1"),
        ("freezer", "\"FROZEN\""),
        ("slice", "\"machine.slice\""),
    ] {
        let plan = good(&format!("{{\"cgroups\": {{\"name\": \"a\", \"{key}\": {value}}}}}"));
        unbuilt(plan, &mut |finding| panic!("{key}: {finding:?}"));
    }
}

#[test]
fn limits_that_can_t_be_are_refused_with_their_place() {
    for (keys, column, why) in [
        ("\"memory\": -2", 11, "memory: expected an integer from -1 to 9223372036854775807"),
        ("\"memory\": 9223372036854775808", 11, "memory: expected an integer from -1 to"),
        ("\"cpu_quota\": 999", 14, "cpu_quota: expected -1, or at least 1000 microseconds"),
        ("\"cpu_period\": 10000000", 15, "cpu_period: expected 1000 to 1000000 microseconds"),
        ("\"cpu_shares\": 262145", 15, "cpu_shares: expected 2 to 262144"),
        ("\"memory_swap\": 5", 16, "memory_swap: it limits memory and swap together, on top of"),
        (
            "\"memory\": 6, \"memory_swap\": 5",
            29,
            "memory_swap: it limits memory and swap together: not less",
        ),
        ("\"memory\": 6, \"memory_reservation\": 7", 36, "memory_reservation: more than"),
        ("\"cpuset_cpus\": \"3-1\"", 16, "cpuset_cpus: not a list of numbers and ranges"),
        ("\"parent\": \"a/../b\"", 11, "parent: \"..\" would leave the caller's own group"),
        ("\"pids_limit\": -2", 15, "pids_limit: expected an integer from -1"),
        ("\"blkio_weight\": 9", 17, "blkio_weight: expected an integer from 10 to 1000"),
        (
            "\"blkio_weight_device\": \"8:0 9\"",
            24,
            "blkio_weight_device: the value is not 10 to 1000",
        ),
        (
            "\"hugetlb_limit\": [{\"page_size\": \"2MB\"}, {\"page_size\": \"2\"}]",
            41,
            "hugetlb_limit[1].page_size: expected a size such as \"2MB\"",
        ),
    ] {
        let error = bad(&format!("{{\"cgroups\": {{\"name\": \"a\",\n{keys}}}}}"));
        let start = format!("c.json:2:{column}: cgroups.{why}");
        assert!(error.starts_with(&start), "{error}\n{start}");
    }
}
