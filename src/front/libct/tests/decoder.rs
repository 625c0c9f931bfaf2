//! What Go's decoder did with odd input, and what nsinit does with it.

use super::*;

#[test]
fn keys_match_in_any_case_but_best_exactly() {
    let (plan, warnings) = warned(r#"{"TTY": true, "Cgroups": {"NAME": "x"}}"#);
    assert!(plan.process.tty);
    assert_eq!(plan.cgroup.as_ref().unwrap().name, Some(c"x"));
    let expected = [
        "c.json:1:2: TTY: read as tty",
        "c.json:1:15: Cgroups: read as cgroups",
        "c.json:1:27: cgroups.NAME: read as name",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn of_two_equal_keys_the_later_wins_and_objects_merge() {
    let (plan, warnings) = warned(
        r#"{"hostname": "a", "namespaces": {"NEWUTS": true, "NEWIPC": true}, "hostname": "b",
            "namespaces": {"NEWIPC": false}, "environment": ["A=1", "B=2"], "environment": ["C=3"],
            "cgroups": {"name": "x", "memory": 1, "memory": 2}, "cgroups": {"memory": 0}}"#,
    );
    assert_eq!(plan.hostname, Some(c"b"));
    assert!(plan.namespaces.is_new(Kind::Uts) && !plan.namespaces.is_new(Kind::Ipc));
    assert_eq!(plan.process.env.len(), 1);
    let cgroup = plan.cgroup.as_ref().unwrap();
    assert_eq!((cgroup.name, cgroup.memory), (Some(c"x"), None));
    assert_eq!(warnings.len(), 5);
    assert_eq!(warnings[0], "c.json:1:67: hostname: given twice: the later one counts");
    assert_eq!(warnings[3], "c.json:3:51: cgroups.memory: given twice: the later one counts");
}

#[test]
fn a_list_of_two_keys_adds_up() {
    let (plan, warnings) = warned(
        r#"{"namespaces": {"NEWNS": true}, "mounts": [{"source": "/a", "destination": "/a"}],
            "mount_config": {"mounts": [{"source": "/b", "destination": "/b"}]}}"#,
    );
    let targets: Vec<_> = plan.rootfs.mounts.iter().skip(5).map(|mount| mount.target).collect();
    assert_eq!(targets, [c"/a", c"/b"]);
    assert_eq!(warnings, ["c.json:2:40: mount_config.mounts: added to those of another key"]);
}

#[test]
fn null_leaves_everything() {
    for row in keys::TOP.names.split_terminator(',') {
        let key = &row[1..];
        good(&format!("{{\"{key}\": null}}"));
    }
    let plan =
        good(r#"{"tty": true, "cgroups": {"name": "a", "memory": 5}, "environment": ["A=1"]}"#);
    let (again, _) = warned(
        r#"{"tty": true, "tty": null, "cgroups": {"name": "a", "memory": 5, "memory": null},
            "cgroups": null, "environment": ["A=1"], "environment": null}"#,
    );
    plan.marks.clear();
    again.marks.clear();
    assert_eq!(format!("{plan:?}"), format!("{again:?}"));
    assert_eq!(bad("null"), "c.json:1:1: expected an object, found null");
    assert_eq!(bad("[]"), "c.json:1:1: expected an object, found an array");
}

#[test]
fn a_wrong_type_names_path_and_place() {
    for (text, error) in [
        (r#"{"tty": 1}"#, "c.json:1:9: tty: expected a boolean, found a number"),
        (
            r#"{"cgroups": {"memory": "1"}}"#,
            "c.json:1:24: cgroups.memory: expected an integer, found a string: write 1",
        ),
        (
            r#"{"cgroups": {"memory": "64m"}}"#,
            "c.json:1:24: cgroups.memory: expected an integer, found a string: write 67108864",
        ),
        (
            r#"{"cgroups": {"pids_limit": "some"}}"#,
            "c.json:1:28: cgroups.pids_limit: expected an integer, found a string",
        ),
        (
            r#"{"environment": {"A": 1}}"#,
            "c.json:1:17: environment: expected an array, found an object",
        ),
        (
            r#"{"environment": [1]}"#,
            "c.json:1:18: environment[0]: expected a string, found a number",
        ),
        (
            r#"{"mount_config": true}"#,
            "c.json:1:18: mount_config: expected an object, found a boolean",
        ),
        (
            r#"{"namespaces": "NEWNS"}"#,
            "c.json:1:16: namespaces: expected an array or an object, found a string",
        ),
        (
            "{\n \"mount_config\": {\"device_nodes\": [\n  {\"type\": \"c\", \"major_number\": \"1\"}]}}",
            "c.json:3:33: mount_config.device_nodes[0].major_number: expected an integer, found a string: write 1",
        ),
        ("{\"tty\": true", "c.json:1:13: the text ends before the value does"),
        ("{\"mounts\": [{\"source\": \"a\\q\"}]}", "c.json:1:26: mounts[0].source: no such escape"),
    ] {
        assert_eq!(bad(text), error);
    }
}

#[test]
fn reading_goes_on_after_a_fault_and_leaves_out_what_has_it() {
    let read = |text: &str| {
        let Parsed { plan, faults, .. } = read_bytes(text.as_bytes(), true);
        (plan, faults.iter().map(|fault| fault.replacen("c.json:", "", 1)).collect::<Vec<_>>())
    };
    let (plan, faults) = read(
        r#"{"tty": {"a": [1, {"b": "]}"}]}, "working_dir": "/w", "colour": [{}], "user": 7,
            "namespaces": [{"type": "NEWPID"}, {"type": "NEWX"}, {"path": "/p"}, 7, {"type": "NEWIPC"}],
            "seccomp": {"syscalls": [{"names": ["a"], "value": -1, "action": 9}, {"value": 5, "action": 1}]},
            "capabilities_mask": {"CHOWN": 1, "KILL": false},
            "cgroups": {"name": ["x"], "cpu_shares": 7}, "environment": {}, "hostname": "h"}"#,
    );
    assert_eq!(
        faults,
        [
            "1:9: tty: expected a boolean, found an object",
            "1:55: colour: unknown key",
            "1:79: user: expected a string, found a number",
            "2:57: namespaces[1].type: unknown value \"NEWX\"; expected NEWUSER, NEWCGROUP, NEWIPC, NEWUTS, NEWNET, NEWPID, NEWTIME or NEWNS",
            "2:66: namespaces[2].type: a namespace needs one",
            "2:82: namespaces[3]: expected a string or an object, found a number",
            "3:64: seccomp.syscalls[0].value: expected an integer from 0 to 2147483647",
            "4:44: capabilities_mask.CHOWN: expected a boolean, found a number",
            "5:33: cgroups.name: expected a string, found an array",
            "5:73: environment: expected an array, found an object",
        ]
    );
    assert!(plan.whole && plan.is_faulty("environment") && !plan.is_faulty("hostname"));
    assert_eq!((plan.process.cwd, plan.hostname), (Some(c"/w"), Some(c"h")));
    assert!(plan.namespaces.is_new(Kind::Pid) && plan.namespaces.is_new(Kind::Ipc));
    assert_eq!(plan.process.seccomp.as_ref().unwrap().rules.len(), 1);
    assert_eq!(plan.cgroup.as_ref().unwrap().cpu_shares, Some(7));

    let (plan, faults) = read("{\"tty\": 1, \"user\" 2, \"init\": 3}");
    let expected =
        ["1:9: tty: expected a boolean, found a number", "1:19: expected a colon after the key"];
    assert!(faults == expected && !plan.whole, "{faults:?}");

    let (_, faults) = read(&format!("{{\"environment\": [{}7]}}", "7, ".repeat(99)));
    assert_eq!(faults.len(), 65);
    assert!(
        faults[64].ends_with("more than 64 faults: what follows is not read"),
        "{}",
        faults[64]
    );
}

#[test]
fn integers_in_every_clothing_and_their_ranges() {
    let memory = |text: &str| format!("{{\"cgroups\": {{\"name\": \"a\", \"memory\": {text}}}}}");
    for (text, value) in [("1.0", 1), ("1e3", 1000), ("9223372036854775807", i64::MAX), ("-1", -1)]
    {
        assert_eq!(good(&memory(text)).cgroup.as_ref().unwrap().memory, Some(value));
    }
    assert!(bad(&memory("1.5")).ends_with("cgroups.memory: expected an integer"));
    let error = "cgroups.memory: expected an integer from -1 to 9223372036854775807";
    for text in ["9223372036854775808", "1e400", "-2"] {
        assert!(bad(&memory(text)).ends_with(error), "{text}");
    }
    let uid = |text: &str| {
        format!("{{\"devices\": [{{\"type\": 99, \"path\": \"/a\", \"uid\": {text}}}]}}")
    };
    let error = "devices[0].uid: expected an integer from 0 to 4294967295";
    for text in ["-1", "4294967296"] {
        assert!(bad(&uid(text)).ends_with(error), "{text}");
    }
    let hard = good(r#"{"rlimits": [{"type": 7, "soft": 1, "hard": 18446744073709551615}]}"#);
    assert_eq!(hard.process.rlimits[0].hard, u64::MAX);
}

#[test]
fn what_is_before_and_after_the_value() {
    let (_, warnings) = warned("\u{feff}{}\n ");
    assert_eq!(warnings, ["c.json:1:1: a byte order mark: passed over"]);
    for after in ["{}\n{\"tty\": 7}", "{}\nx", "{}\n, \"restrict_sys\": true}"] {
        assert_eq!(bad(after), "c.json:2:1: unexpected text after the end of the configuration");
    }
    assert_eq!(bad(""), "c.json: it is empty");
    assert_eq!(bad(" \n\t"), "c.json: it is empty");
}

#[test]
fn strings_are_what_go_escaped() {
    let plan = good(r#"{"environment": ["A=\u0026\u003c\u003e"]}"#);
    assert_eq!(plan.process.env[0].unwrap().bytes(), b"A=&<>");
    assert!(
        bad(r#"{"environment": ["A=\u0000"]}"#)
            .starts_with("c.json:1:21: environment[0]: a string")
    );
    assert!(bad(r#"{"environment": ["A=\ud800"]}"#).contains("surrogate"));
}

#[test]
fn limits_are_loud() {
    let many = |n: usize, one: &str| vec![one; n].join(",");
    let once = read_bytes(
        format!("{{\"environment\": [{}], \"user\": 7}}", many(8195, "\"A=1\"")).as_bytes(),
        false,
    );
    assert_eq!(
        once.faults.len(),
        2,
        "a full list is told once, and what follows it is read: {:?}",
        once.faults
    );
    let groups = |n| format!("{{\"additional_groups\": [{}]}}", many(n, "\"7\""));
    assert_eq!(good(&groups(65536)).process.groups.len(), 65536);
    assert!(bad(&groups(65537)).ends_with("additional_groups[65536]: more than 65536 groups"));
    let environment = |n| format!("{{\"environment\": [{}]}}", many(n, "\"A=1\""));
    assert_eq!(good(&environment(8192)).process.env.len(), 8192);
    assert!(bad(&environment(8193)).ends_with("environment[8192]: more than 8192 entries"));
    let mounts = |n| {
        let all = many(n, r#"{"source": "/a", "destination": "/a"}"#);
        format!("{{\"namespaces\": {{\"NEWNS\": true, \"NEWIPC\": true}}, \"mounts\": [{all}]}}")
    };
    assert_eq!(good(&mounts(1024)).rootfs.mounts.len(), 1030);
    assert!(bad(&mounts(1025)).ends_with("more than 1024 mounts"));
    let devices = |n| {
        let all = many(n, r#"{"type": 99, "path": "/dev/a"}"#);
        format!("{{\"namespaces\": {{\"NEWNS\": true}}, \"device_nodes\": [{all}]}}")
    };
    assert_eq!(good(&devices(1024)).rootfs.devices.len(), 1024);
    assert!(bad(&devices(1025)).ends_with("device_nodes[1024]: more than 1024 devices"));
}

#[test]
fn tables_fit_their_masks() {
    let tables = [
        keys::TOP,
        keys::MOUNT_CONFIG,
        keys::CONTEXT,
        mounts::MOUNT,
        mounts::COMMAND,
        devices::DEVICE,
        devices::NAMES,
        networks::NETWORK,
        networks::CONTEXT,
        routes::ROUTE,
        cgroups::CGROUPS,
        cgroups::HUGETLB,
        cgroups::NET_PRIO,
        process::NAMESPACE,
        process::RLIMIT,
        process::ID_MAP,
        super::super::seccomp::SECCOMP,
        super::super::seccomp_entry::ENTRY,
        super::super::seccomp_argument::ARGUMENT,
        super::super::service::SERVICE,
    ];
    assert!(tables.iter().all(|table| table.names.split_terminator(',').count() <= 64));
    assert!(
        tables.iter().all(|table| table.names.split_terminator(',').count()
            == table.plain.len() + table.read.len())
    );
    let foreign = tables
        .iter()
        .flat_map(|table| table.names.split_terminator(','))
        .filter(|row| !row.starts_with('*'));
    assert!(foreign.count() <= read::FOREIGN);
}
