//! Faults of container.json, and what is no fault: by `nsinit config`, which does nothing, and
//! where it matters by `nsinit exec`, to see that nothing was done.

use crate::config::{Config, quote, strings};
use crate::world::{FAILED, Place, Run};

/// Puts `text` at the place of container.json and asks what nsinit makes of it.
fn understood(place: &Place, text: &str) -> Run {
    place.write_text(text);
    place.run(&["config"])
}

/// Each text fails with a message that has the words.
#[track_caller]
fn faults(cases: &[(&str, &[&str])]) {
    let place = Place::new();
    for (text, words) in cases {
        let run = understood(&place, text);
        assert_eq!(run.status, FAILED, "{text:?} was taken:\n{}{}", run.out, run.err);
        for word in *words {
            assert!(run.err.contains(word), "{text:?}: no {word:?} in {:?}", run.err);
        }
        // The same when it is to be run, and then nothing has been done.
        let exec = place.run(&["exec", "/bin/true"]);
        assert_eq!(exec.status, FAILED);
        assert_eq!(exec.err, run.err);
    }
}

#[test]
fn the_issues_own_example() {
    let mut config = Config::empty();
    let good = crate::config::device("/dev/null", 1, 3);
    let list = format!("\n{{\"device_nodes\": [{good}, {good},\n  {{\"major_number\": \"1\"}}]}}");
    config.set("mount_config", list);
    let text = config.text();
    let line = text.lines().position(|l| l.contains("\"1\"")).unwrap() + 1;
    let column = text.lines().nth(line - 1).unwrap().find("\"1\"").unwrap() + 1;
    let place = Place::new();
    let run = understood(&place, &text);
    assert_eq!(run.status, FAILED);
    let expected = format!(
        "container.json:{line}:{column}: mount_config.device_nodes[2].major_number: expected an integer, found a string"
    );
    assert!(run.err.contains(&expected), "{}\nexpected {expected}", run.err);
}

#[test]
fn wrong_types_are_named_with_their_place() {
    faults(&[
        (r#"{"tty": "yes"}"#, &["container.json:1:9: tty: expected a boolean, found a string"]),
        (r#"{"hostname": 7}"#, &["container.json:1:14: hostname: expected a string, found"]),
        (
            r#"{"cgroups": {"memory": "1"}}"#,
            &["container.json:1:24: cgroups.memory: expected an integer"],
        ),
        (r#"{"environment": {}}"#, &["container.json:1:17: environment: expected"]),
        (r#"{"environment": [1]}"#, &["container.json:1:18: environment[0]: expected a string"]),
        ("{\n\t\"cgroups\":\n\n[]}", &["container.json:4:1: cgroups: expected an object"]),
        (r#"{"namespaces": 3}"#, &["container.json:1:16: namespaces"]),
        (r#"{"networks": [{"mtu": true}]}"#, &["container.json:1:23: networks[0].mtu"]),
        ("[]", &["container.json:1:1:"]),
        ("null", &["container.json:1:1:"]),
        ("3", &["container.json:1:1:"]),
    ]);
}

#[test]
fn broken_texts_are_named_with_their_place() {
    faults(&[
        ("", &["container.json", "empty"]),
        (" \n\t ", &["container.json", "empty"]),
        ("{", &["container.json:1:2"]),
        (r#"{"tty": true,}"#, &["container.json:1:13: a comma with nothing after it"]),
        (r#"{"tty" true}"#, &["container.json:1:8"]),
        (r#"{"tty": tru}"#, &["container.json:1:9"]),
        (r#"{'tty': true}"#, &["container.json:1:2"]),
        (r#"{"hostname": "a"#, &["container.json:1:"]),
        ("{\"hostname\": \"a\nb\"}", &["container.json:1:"]),
        (r#"{"hostname": "\x"}"#, &["container.json:1:"]),
        (r#"{"hostname": "\u00"}"#, &["container.json:1:"]),
        ("// a comment\n{}", &["container.json:1:1"]),
        (r#"{"hostname": "a\u0000b"}"#, &["container.json:1:16: hostname"]),
        (r#"{"working_dir": "\ud800"}"#, &["container.json:1:18: working_dir"]),
        (r#"{"environment": ["NAME"]}"#, &["container.json:1:18: environment[0]"]),
        (r#"{"environment": ["=x"]}"#, &["container.json:1:18: environment[0]"]),
        // What was meant to be in it would not hold.
        (r#"{"namespaces": []}, "restrict_sys": true}"#, &["container.json:1:19: unexpected text"]),
    ]);
}

#[test]
fn nothing_starts_on_the_host_by_accident() {
    faults(&[
        ("{}", &["container.json: no \"namespaces\"", "config --new", "\"namespaces\": []"]),
        (r#"{"namespaces": null}"#, &["container.json: no \"namespaces\""]),
        (r#"{"namespace": ["NEWNS"]}"#, &["container.json:1:2: namespace: ", "\"namespaces\"?"]),
        (r#"{"namespaces": {"NEWNX": true}}"#, &["container.json:1:26: namespaces.NEWNX"]),
        (
            r#"{"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "process": {"args": ["sh"]}}"#,
            &[
                "container.json:1:2: ociVersion: this is an OCI runtime configuration",
                "config --new",
            ],
        ),
    ]);
    // Where it is meant, it does.
    let place = Place::new();
    let host = std::fs::read_link("/proc/self/ns/mnt").unwrap();
    for meant in ["[]", "{}", r#"{"NEWNS": false}"#] {
        place.write_text(&format!(
            "{{\"namespaces\": {meant}, \"environment\": [\"PATH=/usr/bin:/bin\"]}}"
        ));
        let run = place.run(&["exec", "readlink", "/proc/self/ns/mnt"]);
        assert_eq!(run.ok().trim(), host.to_str().unwrap());
    }
}

#[test]
fn a_slip_in_a_key_starts_nothing() {
    faults(&[
        (
            r#"{"namespaces": [], "cgroups": {"name": "a", "memry": 5}}"#,
            &["container.json:1:45: cgroups.memry: unknown key: did you mean \"memory\"?"],
        ),
        (
            r#"{"namespaces": [], "hostnam": "x"}"#,
            &["container.json:1:20: hostnam: unknown key: did you mean \"hostname\"?"],
        ),
    ]);
}

#[test]
fn numbers_outside_their_range_are_refused() {
    faults(&[
        (
            r#"{"cgroups": {"memory": 99999999999999999999}}"#,
            &["container.json:1:24: cgroups.memory"],
        ),
        (r#"{"cgroups": {"memory": 1.5}}"#, &["container.json:1:24: cgroups.memory"]),
        (r#"{"parent_death_signal": 65}"#, &["container.json:1:25: parent_death_signal"]),
        (r#"{"parent_death_signal": -1}"#, &["container.json:1:25: parent_death_signal"]),
        (r#"{"cgroups": {"memory_swappiness": 101}}"#, &["cgroups.memory_swappiness"]),
        (r#"{"mount_config": {"device_nodes": [{"path": "/dev/x", "type": 1}]}}"#, &["type"]),
        (r#"{"devices": [{"path": "/dev/x", "type": 99, "uid": -1}]}"#, &["devices[0].uid"]),
        (r#"{"rlimits": [{"type": 99, "hard": 1, "soft": 1}]}"#, &["rlimits[0].type"]),
    ]);
}

#[test]
fn names_that_nobody_knows_are_refused() {
    faults(&[
        (r#"{"namespaces": {"NEWMOON": true}}"#, &["NEWMOON"]),
        (r#"{"namespaces": [{"type": "NEWMOON"}]}"#, &["NEWMOON"]),
        (r#"{"networks": [{"type": "pigeon"}]}"#, &["networks[0].type", "pigeon"]),
        (r#"{"init": "maybe"}"#, &["container.json:1:10: init", "reap"]),
        (r#"{"capabilities": ["FLY"]}"#, &["container.json:1:19: capabilities[0]", "FLY", "CHOWN"]),
        (r#"{"cgroups": {"freezer": "COLD"}}"#, &["cgroups.freezer", "FROZEN"]),
    ]);
}

#[test]
fn what_go_let_pass_passes_with_a_warning() {
    let place = Place::new();
    let cases: &[(&str, &[&str])] = &[
        (
            r#"{"surprise": [1, {"a": null}], "namespaces": []}"#,
            &["container.json:1:2", "surprise"],
        ),
        (r#"{"TTY": false, "namespaces": []}"#, &["container.json:1:2", "TTY"]),
        (
            r#"{"hostname": "a", "hostname": "b", "namespaces": {"NEWUTS": true}}"#,
            &["container.json:1:19", "hostname"],
        ),
        ("\u{feff}{\"namespaces\": []}", &["container.json"]),
    ];
    for (text, words) in cases {
        let run = understood(&place, text);
        run.ends(0);
        run.says(&["warning"]);
        run.says(words);
    }
    // --strict makes a fault of an unknown key, before anything is done.
    place.write_text(cases[0].0);
    place.run(&["exec", "--strict", "/bin/true"]).fails(cases[0].1);
    let run = understood(&place, cases[2].0);
    assert!(run.out.contains("\"b\"") && !run.out.contains("\"a\""), "{}", run.out);
}

#[test]
fn null_is_as_good_as_absent_everywhere() {
    let place = Place::new();
    let keys = [
        "capabilities",
        "cgroups",
        "environment",
        "hostname",
        "mount_config",
        "networks",
        "routes",
        "tty",
        "user",
        "working_dir",
        "rlimits",
        "devices",
        "mounts",
        "mask_paths",
        "readonly_paths",
        "additional_groups",
        "uid_mappings",
        "gid_mappings",
        "seccomp",
        "command",
        "context",
        "device_nodes",
        "system_properties",
        "restrict_sys",
        "init",
        "rootfs",
        "root_fs",
    ];
    let empty = understood(&place, r#"{"namespaces": []}"#);
    for key in keys {
        let run = understood(&place, &format!("{{\"namespaces\": [], \"{key}\": null}}"));
        assert_eq!(run.ends(0), empty.out, "{key}: {}", run.err);
        assert!(!run.err.contains("unknown"), "{key}: {}", run.err);
    }
    understood(
        &place,
        r#"{"namespaces": [], "cgroups": {"memory": null, "name": null}, "mount_config": {"mounts": null}}"#,
    )
    .ends(0);
}

#[test]
fn go_escapes_arrive_as_they_were_meant() {
    let mut place = Place::new();
    place.config.set(
        "environment",
        r#"["PATH=\/bin", "A=\u0026\u003c\u003e", "B=\"\\\t", "C=\u00e9\ud83d\ude00"]"#,
    );
    let run = place.sh("printf '%s|' \"$A\" \"$B\" \"$C\"");
    assert_eq!(run.ok(), "&<>|\"\\\t|é😀|");
}

#[test]
fn the_three_shapes_of_namespaces_mean_the_same() {
    let shapes = [
        r#"["NEWNS", "NEWPID", "NEWUTS", "NEWIPC"]"#,
        r#"{"NEWNS": true, "NEWPID": true, "NEWUTS": true, "NEWIPC": true, "NEWNET": false}"#,
        r#"[{"type": "NEWNS"}, {"type": "NEWPID", "path": ""}, {"type": "NEWUTS"}, {"type": "NEWIPC"}]"#,
    ];
    for shape in shapes {
        let place = Place::new();
        let mut config = Config::empty();
        config.set("namespaces", shape);
        config.set("environment", strings(&["PATH=/bin"]));
        if shape.starts_with("[\"") {
            // The list of the oldest form is of what is dropped, and the caller may lack this one.
            config.set("capabilities", strings(&["SYS_RESOURCE"]));
        }
        // A v2 file lists its mounts.
        if shape.contains("type") {
            config
                .set("mounts", r#"[{"destination": "/proc", "device": "proc", "source": "proc"}]"#);
        }
        place.write_text(&config.text());
        let run = place.run(&[
            "exec",
            "/bin/sh",
            "-c",
            "for n in mnt pid uts ipc net; do echo $n $(readlink /proc/self/ns/$n); done",
        ]);
        run.ends(0);
        for kind in ["mnt", "pid", "uts", "ipc", "net"] {
            let host = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
            let same = run.value(kind) == host.to_str().unwrap();
            assert_eq!(same, kind == "net", "{shape}: {kind}");
        }
    }
}

#[test]
fn what_would_change_the_host_is_refused() {
    let mut place = Place::new();
    let before = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    place.config.set("namespaces.NEWUTS", "false");
    place.exec(&["/bin/true"]).fails(&["hostname", "UTS"]);
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), before);
    place.config.unset("hostname");
    place.exec(&["/bin/true"]).ok();
    place.config.set("namespaces.NEWNET", "false");
    let run = place.exec(&["/bin/true"]);
    assert!(run.status == 0 || run.status == FAILED, "{}", run.err);
    let mut place = Place::new();
    place.config.set("namespaces.NEWNS", "false");
    place.exec(&["/bin/true"]).fails(&["NEWNS"]);
}

#[test]
fn what_is_not_built_yet_is_refused_not_left_out() {
    let cases = [
        ("apparmor_profile", quote("docker-default")),
        ("process_label", quote("system_u:system_r:svirt_lxc_net_t:s0")),
        ("seccomp", r#"{"syscalls": [{"value": 59, "action": 1}]}"#.into()),
        ("namespaces.NEWUSER", "true".into()),
        ("uid_mappings", r#"[{"container_id": 0, "host_id": 1000, "size": 1}]"#.into()),
        ("gid_mappings", r#"[{"container_id": 0, "host_id": 1000, "size": 1}]"#.into()),
        ("mount_label", quote("system_u:object_r:svirt_sandbox_file_t:s0")),
        ("system_properties", r#"{"kernel.core_pattern": "|/bin/evil"}"#.into()),
    ];
    for (key, json) in cases {
        let mut place = Place::new();
        place.config.set(key, json);
        let run = place.exec(&["/bin/true"]);
        assert_eq!(run.status, FAILED, "{key} was left out silently: {}", run.err);
        let word = key.split('.').next_back().unwrap();
        assert!(run.err.contains(word), "{key}: {}", run.err);
        assert_eq!(place.remains(), Vec::<String>::new());
    }
}

#[test]
fn commands_around_mounts_are_refused_and_not_run() {
    let place = Place::new();
    let mark = place.dir.join("ran");
    let mut config = Config::empty();
    config.set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}]"#);
    config.set(
        "mounts",
        format!(
            r#"[{{"destination": "/proc", "device": "proc", "source": "proc", "premount_cmds": [{{"path": "/usr/bin/touch", "args": [{}]}}]}}]"#,
            quote(mark.to_str().unwrap())
        ),
    );
    place.write_text(&config.text());
    place.run(&["exec", "/bin/true"]).fails(&["premount_cmds"]);
    assert!(!mark.exists());
}

#[test]
fn capacities_are_generous() {
    let mut place = Place::new();
    let env: Vec<String> = (0..8191).map(|i| format!("\"V{i}={i}\"")).collect();
    place.config.set("environment", format!("[\"PATH=/bin\", {}]", env.join(", ")));
    assert_eq!(place.sh("env | grep -c ^V").ok(), "8191\n");
    place.config.set("environment", format!("[\"PATH=/bin\", \"X=1\", {}]", env.join(", ")));
    place.exec(&["/bin/true"]).fails(&["environment", "8192"]);
}

#[test]
fn a_thousand_mounts_and_devices_work_and_one_more_than_the_limit_is_named() {
    let mut place = Place::new();
    std::fs::create_dir(place.path("/many")).unwrap();
    for i in 0..1000 {
        place.config.bind("/usr", &format!("/many/{i}"), "");
    }
    assert_eq!(place.sh("grep -c ' /many/' /proc/mounts").ok(), "1000\n");
    for i in 1000..1030 {
        place.config.bind("/usr", &format!("/many/{i}"), "");
    }
    place.exec(&["/bin/true"]).fails(&["mounts", "1024"]);
    let mut place = Place::new();
    let nodes: Vec<String> =
        (0..1024).map(|i| crate::config::device(&format!("/dev/n{i}"), 1, 3)).collect();
    place.config.set("mount_config.device_nodes", format!("[{}]", nodes.join(", ")));
    assert_eq!(place.sh("ls /dev | grep -c ^n[0-9]").ok(), "1024\n");
    place.config.set(
        "mount_config.device_nodes",
        format!("[{}, {}]", nodes.join(", "), crate::config::device("/dev/over", 1, 3)),
    );
    place.exec(&["/bin/true"]).fails(&["device_nodes", "1024"]);
}

#[test]
fn a_file_of_a_mebibyte_is_read_and_a_bigger_one_is_refused() {
    let place = Place::new();
    let text = place.config.text();
    let mut text = text.trim_end().to_owned();
    text += &" ".repeat((1 << 20) - text.len());
    place.write_text(&text);
    place.run(&["exec", "/bin/true"]).ok();
    place.write_text(&format!("{text} "));
    place.run(&["exec", "/bin/true"]).fails(&["container.json", "1 MiB"]);
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let place = Place::new();
    for deep in [100, 100_000] {
        let text = format!("{{\"surprise\": {}{}}}", "[".repeat(deep), "]".repeat(deep));
        let run = understood(&place, &text);
        assert_eq!(run.status, FAILED, "{deep}: {}", run.err);
        run.says(&["container.json:1:", "deep"]);
    }
}

#[test]
fn loopback_gateway_and_prefix_of_2014_are_ignored() {
    let mut place = Place::new();
    place.config.set(
        "networks",
        r#"[{"type": "loopback", "address": "127.0.0.1/0", "gateway": "localhost", "mtu": 1500}]"#,
    );
    let run = place.sh("ip addr show lo; ip route");
    assert!(run.ok().contains("inet 127.0.0.1/8"), "{}", run.out);
}

#[test]
fn a_device_type_may_be_a_letter() {
    let mut place = Place::new();
    place.config.set(
        "mount_config.device_nodes",
        r#"[{"type": "c", "path": "/dev/null", "major_number": 1, "minor_number": 3, "file_mode": 8630}]"#,
    );
    assert_eq!(
        place.sh("stat -c '%F %t:%T %a' /dev/null").ok(),
        "character special file 1:3 666\n"
    );
}

#[test]
fn a_fault_shows_its_line_on_a_terminal_and_only_there() {
    let place = Place::new();
    place.write_text("{\n  \"tty\": 3\n}\n");
    let run = place.run(&["config"]);
    assert!(!run.err.contains('^'), "{}", run.err);
    let mut terminal = crate::pty::Terminal::new(24, 80);
    let status = terminal.run(&mut place.command(&["config"]));
    assert_eq!(status, FAILED);
    let shown = terminal.output();
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    let line =
        lines.iter().position(|l| l.ends_with("\"tty\": 3")).unwrap_or_else(|| panic!("{shown}"));
    let caret = lines[line + 1].find('^').unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(caret, lines[line].find('3').unwrap(), "{shown}");
}
