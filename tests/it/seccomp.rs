//! `seccomp`: what a filter does to real calls, where it is in force and where it is not.

use std::fs;
use std::path::Path;

use crate::trace::{have_strace, strace};
use crate::world::{Place, skip, value};

const STATUS: &str = "cat /proc/self/status";

fn profile(name: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/seccomp");
    fs::read_to_string(dir.join(name)).unwrap()
}

/// A place whose filter is this.
fn filtered(seccomp: &str) -> Place {
    let mut place = Place::new();
    place.config.set("seccomp", seccomp);
    place
}

/// Everything allowed but what these entries say.
fn but(entries: &str) -> Place {
    filtered(&format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{entries}]}}"#))
}

/// How a process is confined: Seccomp and NoNewPrivs of its status.
#[track_caller]
fn is_confined(status: &str, seccomp: &str, no_new_privs: &str) {
    assert_eq!((value(status, "Seccomp"), value(status, "NoNewPrivs")), (seccomp, no_new_privs));
}

/// What became of the calls of `probe calls`.
#[track_caller]
fn calls(place: &mut Place, expected: &[&str]) {
    let run = place.exec(&["/bin/probe", "calls"]);
    let found = run.ok();
    for line in expected {
        assert!(found.lines().any(|found| found == *line), "{line}: {found}");
    }
}

#[test]
fn the_profiles_of_docker_and_podman_are_in_force() {
    let mut docker = filtered(&profile("docker.json"));
    calls(
        &mut docker,
        &[
            "getppid ok",
            "mkdirat ok",
            "vsock EPERM",
            "wide-vsock EPERM",
            "add_key EPERM",
            "user-namespace EPERM",
            "io_uring_setup EPERM",
            "newest ENOSYS",
        ],
    );
    let mut podman = filtered(&profile("podman.json"));
    calls(&mut podman, &["getppid ok", "vsock EPERM", "wide-vsock EPERM", "add_key ENOSYS"]);
}

#[test]
fn it_holds_for_the_command_and_for_who_joins_but_not_for_process_1() {
    let place = filtered(&profile("docker.json"));
    let running = place.start("echo ready; sleep 300");
    is_confined(place.sh(STATUS).ok(), "2", "1");
    is_confined(place.sh("cat /proc/2/status").ok(), "2", "1");
    is_confined(place.sh("cat /proc/1/status").ok(), "0", "1");
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_file_can_have_the_filter_without_no_new_privs() {
    let mut place = filtered(&profile("docker.json"));
    place.config.set("no_new_privs", "false");
    let running = place.start("echo ready; sleep 300");
    is_confined(place.sh(STATUS).ok(), "2", "0");
    is_confined(place.sh("cat /proc/2/status").ok(), "2", "0");
    running.signal(libc::SIGTERM);
    running.end();
    // As another user, who has no right to load one.
    place.config.set("user", r#""alice""#);
    is_confined(place.sh(STATUS).ok(), "2", "0");
    place.config.unset("no_new_privs");
    is_confined(place.sh(STATUS).ok(), "2", "1");
}

#[test]
fn without_reaper_the_filter_is_process_1s() {
    let place = filtered(&profile("docker.json"));
    place.write_config();
    is_confined(place.run(&["exec", "--no-init", "/bin/sh", "-c", STATUS]).ok(), "2", "1");
}

#[test]
fn every_action_is_what_the_kernel_does() {
    let entry =
        |action: &str| format!(r#"{{"name": "personality", "action": "{action}", "errnoRet": 7}}"#);
    calls(&mut but(&entry("SCMP_ACT_ERRNO")), &["personality E2BIG", "io_uring_setup EFAULT"]);
    // Nobody traces it.
    calls(&mut but(&entry("SCMP_ACT_TRACE")), &["personality ENOSYS"]);
    calls(&mut but(&entry("SCMP_ACT_LOG")), &["personality ok"]);
    for action in
        ["SCMP_ACT_TRAP", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL"]
    {
        let place = but(&entry(action));
        place.exec(&["/bin/probe", "calls"]).ends(128 + libc::SIGSYS);
    }
}

#[test]
fn rules_by_number_are_libcontainers() {
    let seccomp = format!(
        r#"{{"syscalls": [{{"value": {}, "action": 1}}, {{"value": {personality}, "action": 5}},
            {{"value": {personality}, "action": 13,
              "args": [{{"index": 0, "op": 2, "value": 131072}}, {{"index": 1, "value": 9}}]}}]}}"#,
        libc::SYS_mkdirat,
        personality = libc::SYS_personality,
    );
    let mut place = filtered(&seccomp);
    // The later of two rules for a number, and either of its conditions: 131072 or more.
    calls(&mut place, &["mkdirat EPERM", "personality EACCES", "getppid ok"]);
    is_confined(place.sh(STATUS).ok(), "2", "1");
}

#[test]
fn what_can_not_be_is_refused_with_its_place() {
    for (seccomp, why) in [
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO"}"#,
            "seccomp: it stops execve, and so the command itself",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "execve", "action": "SCMP_ACT_KILL"}]}"#,
            "seccomp: it stops execve",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdirr"], "action": "SCMP_ACT_KILL"}]}"#,
            "unknown system call \"mkdirr\": did you mean \"mkdir\"?",
        ),
        (r#"{"defaultAction": "ALLOW"}"#, "unknown action \"ALLOW\"; expected SCMP_ACT_ALLOW"),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["x86"]}"#,
            "unknown architecture \"x86\"",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["LOG"]}"#,
            "unknown flag \"LOG\"; expected SECCOMP_FILTER_FLAG_LOG",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "kill", "action": "SCMP_ACT_TRAP",
                "args": [{"index": 1, "op": "SCMP_CMP_NE", "value": 1}, {"index": 1, "op": "SCMP_CMP_NE", "value": 2}]}]}"#,
            "two conditions on one argument",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "kill", "action": "SCMP_ACT_TRAP",
                "args": [{"index": 1, "op": "SCMP_CMP_MASKED_EQ", "value": 1, "valueTwo": 2}]}]}"#,
            "bits that the mask does not have",
        ),
    ] {
        let run = filtered(seccomp).sh("true");
        run.fails(&["container.json:", why]);
    }
    // What would be allowed need not be there.
    let run =
        but(r#"{"names": ["mkdirr", "s390_sthyi"], "action": "SCMP_ACT_ALLOW"}"#).sh("echo here");
    run.says(&["unknown system call \"mkdirr\": ignored"]);
    assert!(!run.err.contains("s390_sthyi"), "{}", run.err);
}

#[test]
fn a_filter_that_can_not_be_loaded_starts_nothing() {
    if !have_strace() {
        return skip("no strace");
    }
    let place = filtered(&profile("docker.json"));
    place.write_config();
    let injected = |fault: &str| {
        let fault = format!("inject=seccomp:{fault}");
        let options = ["-o", "/dev/null", "-e", "trace=seccomp", "-e", &fault];
        strace(&place, &options, &["exec", "/bin/sh", "-c", STATUS])
    };
    // An unknown flag: once more without it.
    is_confined(injected("error=EINVAL:when=1").ok(), "2", "1");
    // No such call: the one that was there before.
    is_confined(injected("error=ENOSYS").ok(), "2", "1");
    injected("error=EACCES").fails(&["load the system call filter", "EACCES"]);
    injected("error=EINVAL").fails(&["load the system call filter", "CONFIG_SECCOMP_FILTER"]);
}

#[test]
fn a_reviewer_can_read_the_program_and_where_each_rule_is_from() {
    let place = filtered(
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30},
            {"names": ["socket"], "action": "SCMP_ACT_KILL_PROCESS",
             "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]}]}"#,
    );
    place.write_config();
    let run = place.run(&["config", "--seccomp"]);
    let text = run.ok();
    let line = fs::read_to_string(place.root.join("container.json")).unwrap();
    let line = line.lines().position(|line| line.contains("\"mkdirat\"")).unwrap() + 1;
    for part in [
        "rules: SCMP_ACT_ALLOW unless".to_owned(),
        format!("mkdirat SCMP_ACT_ERRNO 30  ; line {line}"),
        format!("socket args[0] SCMP_CMP_EQ 0x28 SCMP_ACT_KILL_PROCESS  ; line {}", line + 1),
        "; mkdirat".to_owned(),
        "load args[0] low".to_owned(),
        "ret  SCMP_ACT_ERRNO 30".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
    let mut place = Place::new();
    place.write_config();
    place.run(&["config", "--seccomp"]).fails(&["it has no \"seccomp\""]);
    // What is printed as understood means the same.
    place.config.set("seccomp", profile("docker.json"));
    place.write_config();
    let printed = place.run(&["config"]).ends(0).to_owned();
    let program = |text: &str| text.split("program:").nth(1).unwrap().to_owned();
    let first = program(place.run(&["config", "--seccomp"]).ends(0));
    place.write_text(&printed);
    assert_eq!(program(place.run(&["config", "--seccomp"]).ends(0)), first);
}
