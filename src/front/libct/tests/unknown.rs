//! Keys that nsinit does not know: slips, those of later years, other programs' files.

use super::*;

#[test]
fn unknown_keys_are_warnings_or_with_strict_errors() {
    let text = "{\"cgroups\": {\n  \"name\": \"a\", \"colour\": {\"deep\": [1]}}, \"x\\u001b\": 1}";
    let (plan, warnings) = warned(text);
    assert_eq!(plan.cgroup.as_ref().unwrap().name, Some(c"a"));
    let expected = [
        "c.json:2:16: cgroups.colour: unknown key: ignored",
        "c.json:2:42: x\\u{1b}: unknown key: ignored",
    ];
    assert_eq!(warnings, expected);
    let strict = read_bytes(text.as_bytes(), true);
    assert_eq!(strict.result, Err("c.json:2:16: cgroups.colour: unknown key".into()));
}

#[test]
fn a_key_that_is_nearly_one_is_an_error_with_that_one() {
    for (text, error) in [
        (r#"{"hostnam": "x"}"#, "c.json:1:2: hostnam: unknown key: did you mean \"hostname\"?"),
        (
            r#"{"cgroups": {"name": "a", "memry": 5}}"#,
            "c.json:1:27: cgroups.memry: unknown key: did you mean \"memory\"?",
        ),
        (
            r#"{"mounts": [{"destniation": "/a", "type": "tmpfs"}]}"#,
            "c.json:1:14: mounts[0].destniation: unknown key: did you mean \"destination\"?",
        ),
        (r#"{"Tyt": null}"#, "c.json:1:2: Tyt: unknown key: did you mean \"tty\"?"),
    ] {
        assert_eq!(bad(text), error);
    }
    // What is only missing for that reason is not told.
    let Parsed { faults, .. } = read_bytes(br#"{"cgroups": {"nme": "a", "memory": 5}}"#, false);
    assert_eq!(faults, ["c.json:1:14: cgroups.nme: unknown key: did you mean \"name\"?"]);
}

/// Objects with a key that libcontainer had after 2.2.1, as runc keeps them in its state.json.
const RUNC: [(&str, &str); 4] = [
    (
        "rootPropagation umask oom_score_adj no_new_privileges Hooks hooks version labels no_new_keyring \
         intel_rdt sysctl rootless rootless_euid rootless_cgroups criu cgroup_paths domainname time_offsets \
         scheduler io_priority personality exec_cpu_affinity memory_policy",
        "{KEY: null}",
    ),
    (
        "path paths scope_prefix devices cpu_rt_quota cpu_rt_period cpu_weight cpu_burst cpu_idle \
         blkio_leaf_weight net_cls_classid_u kernel_memory_tcp rdma unified skip_devices Systemd systemd \
         skip_freeze_on_set Rootless rootless owner_uid memory_check_before_update",
        r#"{"cgroups": {KEY: null}}"#,
    ),
    (
        "propagation_flags rec_attr extensions is_bind id_mapping uid_mappings gid_mappings",
        r#"{"mounts": [{"source": "/a", "destination": "/a", KEY: null}]}"#,
    ),
    ("allow is_default", r#"{"devices": [{"type": 99, "path": "/dev/x", KEY: null}]}"#),
];

#[test]
fn no_key_of_a_later_libcontainer_is_nearly_one_of_ours() {
    for (keys, object) in RUNC {
        for key in keys.split_whitespace() {
            let text = object.replace("KEY", &format!("\"{key}\""));
            let Parsed { faults, warnings, .. } = read_bytes(text.as_bytes(), false);
            let said = faults.iter().chain(&warnings).any(|line| line.contains("unknown"));
            assert!(!said, "{text}: {faults:?} {warnings:?}");
        }
    }
}

#[test]
fn an_unknown_key_that_asks_for_nothing_is_passed_over_in_silence() {
    for nothing in [
        "null",
        "false",
        "0",
        "\"\"",
        "[]",
        "{}",
        r#"{"a": null, "b": {"c": [], "d": 0.0}, "e": ""}"#,
    ] {
        good(&format!("{{\"colour\": {nothing}, \"user\": \"x\"}}"));
    }
    for something in ["true", "1", "\"x\"", "[0]", "[[]]", r#"{"a": null, "b": [null]}"#, "1e400"] {
        let (plan, warnings) = warned(&format!("{{\"colour\": {something}, \"user\": \"x\"}}"));
        assert_eq!(warnings, ["c.json:1:2: colour: unknown key: ignored"], "{something}");
        assert_eq!(plan.process.user, c"x", "{something}");
    }
}

#[test]
fn an_oci_configuration_is_called_that_and_nothing_else_is_said() {
    let what = "this is an OCI runtime configuration, but nsinit reads libcontainer's container.json \
                (\"nsinit config --new\" prints one to start from)";
    for (text, place) in [
        (r#"{"ociVersion": "1.0.2", "process": {"args": ["sh"]}}"#, "1:2: ociVersion"),
        ("{\"hostname\": \"a\",\n\"linux\": {\"a\": 1}, \"ociVersion\" : 1}", "2:1: linux"),
    ] {
        let Parsed { plan, faults, warnings, .. } = read_bytes(text.as_bytes(), false);
        assert_eq!(faults, [format!("c.json:{place}: {what}")]);
        assert!(warnings.is_empty() && !plan.whole);
    }
    // A text of the same spelling is no such key.
    let (_, warnings) = warned(r#"{"linux": ["ociVersion", "\"ociVersion\":"]}"#);
    assert_eq!(warnings, ["c.json:1:2: linux: unknown key: ignored"]);
}

#[test]
fn without_a_word_on_namespaces_it_would_run_on_the_host() {
    let said = |text: &str| {
        let Parsed { plan, .. } = read_bytes(text.as_bytes(), false);
        let mut said = Vec::new();
        check_isolation(plan, "c.json", &mut |fault| said.push(fault.error.to_string()));
        said
    };
    for text in ["{}", r#"{"namespaces": null, "tty": true}"#, r#"{"cgroups": {"namespaces": []}}"#]
    {
        assert!(said(text)[0].starts_with("c.json: no \"namespaces\": "), "{text}");
    }
    for meant in ["[]", "{}", r#"{"NEWNS": false}"#, r#"[{"type": "NEWNS"}]"#, r#"["NEWPID"]"#] {
        assert!(said(&format!("{{\"namespaces\": {meant}}}")).is_empty(), "{meant}");
    }
    // Told already.
    for slip in [r#"{"namespace": []}"#, r#"{"namespaces": ["NEWX"]}"#, r#"{"namespaces": 7}"#] {
        assert!(said(slip).is_empty(), "{slip}");
    }
}
