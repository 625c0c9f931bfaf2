//! `nsinit boot --check`: what would go wrong, told where the machine is built.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::booted::{System, service};
use crate::config::{quote, strings};
use crate::world::{FAILED, Run};

fn check(system: &System, words: &[&str]) -> Run {
    let dir = system.place.dir.join("containers");
    system.place.run(&[&["boot", "--check", dir.to_str().unwrap()], words].concat())
}

/// Adds a program to a container's root.
fn program(system: &System, container: &str, name: &str, text: &[u8]) {
    let path = system.dir("services", container).join("rootfs/bin").join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn nothing_wrong_is_nothing_said() {
    let system = System::new();
    system.script("onboot", "1", "true");
    let mut config = service("true");
    config.set("command.args", strings(&["sh"])).set("service.after", r#"["b"]"#);
    system.add("services", "a", &config);
    system.script("services", "b", "true");
    program(&system, "b", "script", b"#! /bin/sh -e\n");
    config.set("command.args", strings(&["script"])).set("service.after", "[]");
    fs::write(system.dir("services", "b").join("container.json"), config.text()).unwrap();
    check(&system, &[]).ok();
}

#[test]
fn an_overlay_that_can_not_be_an_option_of_a_mount_is_told_with_its_place() {
    let system = System::new();
    let mut config = service("true");
    config.set("service.overlay", quote("/disk/a,b"));
    system.add("services", "a", &config);
    let run = check(&system, &[]);
    run.ends(1);
    run.says(&[
        "services/a/container.json:",
        "service.overlay: expected \"tmpfs\" or an absolute path",
    ]);
}

#[test]
fn every_fault_is_told_in_one_run() {
    let system = System::new();
    for (name, after) in [("a", r#"["b"]"#), ("b", r#"["a", "zzz"]"#)] {
        let mut config = service("true");
        config.set("service.after", after);
        system.add("services", name, &config);
    }
    let mut config = service("true");
    config.set("service.grace", quote("5 parsecs"));
    system.add("services", "c", &config);
    for (name, text) in [
        ("script", &b"#!/bin/bash\n"[..]),
        ("circle", b"#!/bin/circle\n"),
        ("text", b"hello\n"),
        ("arm", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0"),
        ("absent", b""),
    ] {
        let mut config = service("");
        config.set("command.args", strings(&[name]));
        system.add("services", name, &config);
        program(&system, name, name, text);
    }
    let mut config = service("true");
    config.set("user", quote("somebody"));
    system.add("services", "user", &config);
    config.unset("user").unset("command");
    system.add("services", "idle", &config);
    let mut config = service("true");
    config.set("service.after", r#"["b"]"#);
    system.add("services", "outside", &config);
    config.set("service.after", r#"["g", "f"]"#);
    system.add("onboot", "g", &config);
    fs::remove_file(system.dir("services", "absent").join("rootfs/bin/absent")).unwrap();
    fs::write(system.dir("onshutdown", "e").join("container.json"), service("").text()).unwrap();
    system.dir("onboot", "f");
    let run = check(&system, &[]);
    run.ends(1);
    run.says(&[
        "services/b/container.json:",
        "service.after[1]: no such container",
        "services/a: service.after: dependency cycle: a, b",
        "services/b: service.after: dependency cycle: a, b",
        "service.grace: expected a number with a unit",
        "services/script: open /bin/bash: No such file or directory (ENOENT): the interpreter that /bin/script needs",
        "services/circle: execute /bin/circle: its interpreter needs an interpreter",
        "services/text: execute /bin/text: it is neither a program nor a script",
        "services/arm: execute /bin/arm: it is an ELF file for",
        "services/absent: find the command absent: no such file",
        "onshutdown/e: find the root file system: neither",
        "onboot/f/container.json: there is no such file",
        "services/user: find user somebody: no such user",
        "services/idle/container.json: no \"command\" in it",
        "onboot/g/container.json:",
        "service.after[0]: its turn comes later",
    ]);
    // Who waits for a cycle is not in it, and "f" comes before "g" as it is.
    assert!(
        !run.err.contains("services/outside") && !run.err.contains("after[1]: its"),
        "{}",
        run.err
    );
}

#[test]
fn every_fault_of_a_file_is_told_and_what_could_be_read_is_looked_at() {
    let system = System::new();
    let mut config = service("");
    config
        .set("command.args", strings(&["absent"]))
        .set("tty", "1")
        .set("user", quote("somebody"))
        .set("working_dir", quote("/nowhere"))
        .set("capabilities", r#"["CHOWN", 7, "KILL"]"#)
        .set("rlimits", r#"[{"type": "files"}, {"type": "nofile", "soft": 2, "hard": 1}]"#)
        .set("environment", r#"["PATH=/bin", "nonsense"]"#)
        .set("routes", r#"[{"gateway": "nobody"}]"#)
        .set("cgroups", r#"{"name": "x", "memory": "much", "cpu_period": 5, "pids_limit": 1e9}"#)
        .set("service.grace", "-1")
        .set("service.restart", quote("sometimes"))
        .set("apparmor_profile", quote("p"));
    config.mount(r#"{"type": "bind", "destination": "/a"}"#);
    config.mount(r#"{"type": "tmpfs", "destination": "/proc/x"}"#);
    system.add("services", "a", &config);
    let run = check(&system, &[]);
    run.ends(1);
    run.says(&[
        ": tty: expected a boolean, found a number\n",
        ": capabilities[1]: expected a string, found a number\n",
        ": rlimits[0].type: unknown value \"files\"; expected CPU, ",
        ": rlimits[1].soft: above the hard limit\n",
        ": mount_config.mounts[0].source: a bind needs one\n",
        ": mount_config.mounts[1].destination: a mount inside /proc\n",
        ": environment[1]: expected NAME=VALUE\n",
        ": routes[0].gateway: \"nobody\" is not an address\n",
        ": cgroups.memory: expected an integer, found a string\n",
        ": cgroups.cpu_period: expected 1000 to 1000000 microseconds\n",
        ": cgroups.pids_limit: expected at most 4194304\n",
        ": service.grace: expected a number with a unit",
        ": service.restart: unknown value \"sometimes\"; expected no, on-failure or always\n",
        ": apparmor_profile: not supported yet\n",
        "services/a: find the command absent: no such file in the root file system\n",
        "services/a: change directory to /nowhere: No such file or directory (ENOENT)\n",
        "services/a: find user somebody: no such user",
    ]);
    // Each with its place, and nothing that only follows from another.
    let lines: Vec<_> = run.err.lines().collect();
    assert_eq!(lines.len(), 17, "{}", run.err);
    let placed = lines.iter().filter(|line| {
        let place = line.split_once("services/a/container.json:").map_or("", |(_, rest)| rest);
        place.split(':').take(2).all(|number| number.parse::<u32>().is_ok())
    });
    assert_eq!(placed.count(), 14, "{}", run.err);

    let file = system.dir("services", "a").join("container.json");
    let printed = system.place.run(&["config", "--config", file.to_str().unwrap()]);
    printed.fails(&["tty: expected a boolean", "environment[1]: expected NAME=VALUE"]);
    assert_eq!(printed.err.lines().count(), 14, "{}", printed.err);
    assert_eq!(printed.out, "");
}

#[test]
fn a_fault_of_the_text_ends_its_file() {
    let system = System::new();
    system.script("services", "a", "true");
    let text = r#"{"tty": 1, "rootfs": "nothing", "user" "x"}"#;
    fs::write(system.dir("services", "a").join("container.json"), text).unwrap();
    let run = check(&system, &[]);
    run.ends(1);
    run.says(&[
        "container.json:1:9: tty: expected a boolean, found a number\n",
        "container.json:1:40: expected a colon after the key\n",
    ]);
    assert_eq!(run.err.lines().count(), 2, "{}", run.err);
}

#[test]
fn what_a_mount_brings_is_not_missed() {
    let system = System::new();
    let mut config = service("");
    config.set("command.args", strings(&["/opt/bin/program"])).set("working_dir", quote("/opt/a"));
    config.bind("/opt", "/opt", "");
    system.add("services", "a", &config);
    check(&system, &[]).ok();
    // A mount on /opt brings nothing to what only begins like it.
    config.set("working_dir", quote("/optional"));
    system.add("services", "b", &config);
    check(&system, &[]).says(&["services/b: change directory to /optional: No such file"]);
}

#[test]
fn the_machine_may_be_another_than_this_one() {
    let system = System::new();
    system.script("services", "web", "true");
    let other = if cfg!(target_arch = "aarch64") { "x86_64" } else { "aarch64" };
    let run = check(&system, &["--arch", other]);
    run.ends(1);
    run.says(&["services/web: execute /bin/sh: it is an ELF file for"]);
    check(&system, &["--arch", "pdp11"]).fails(&["--arch: unknown architecture"]);
    system.place.run(&["boot", "--check", "/nowhere"]).fails(&["/nowhere"]);
    check(&system, &["more"]).fails(&["nsinit: more: --check takes one directory"]);
    assert_eq!(system.place.run(&["boot"]).status, FAILED);
}

#[test]
fn a_directory_that_is_not_there_is_not_an_empty_one() {
    let place = crate::world::Place::new();
    place.run(&["boot", "--check", "/nonexistent"]).fails(&["check /nonexistent: No such file"]);
    let dir = place.dir.to_str().unwrap();
    place
        .run(&["boot", "--check", dir])
        .fails(&["no container in its onboot/, services/ or onshutdown/"]);
}
