//! `nsinit exec` in the place of a running container joins it.

use std::fs;
use std::process::Command;

use crate::config::quote;
use crate::world::{Place, spawn, value};

const NAMESPACES: &str =
    "for n in cgroup ipc mnt net pid uts; do echo $n $(readlink /proc/self/ns/$n); done";

#[test]
fn a_second_exec_joins_the_namespaces() {
    let place = Place::new();
    let mut first = place.start(&format!("{NAMESPACES}; echo ready; read x; sleep 300"));
    let in_first = first.wait_for("ready");
    let joined = place.join(NAMESPACES);
    assert_eq!(joined.ok(), in_first.trim_end_matches("ready\n"));
    for kind in ["ipc", "mnt", "net", "pid", "uts"] {
        let host = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_ne!(value(&joined.out, kind), host.to_str().unwrap(), "{kind} is the host's");
    }
    first.signal(libc::SIGTERM);
    first.end().ends(143);
}

#[test]
fn a_joiner_sees_the_containers_host_name_processes_and_files() {
    let place = Place::new();
    let first = place.start("echo from-first > /tmp/note; echo ready; sleep 300");
    let run = place.join("hostname; cat /tmp/note; ps -o pid,args");
    run.ok();
    assert!(run.out.starts_with("koye\nfrom-first\n"), "{}", run.out);
    assert!(run.out.contains("sleep 300"), "{}", run.out);
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn a_joiner_is_in_the_same_cgroups() {
    let place = Place::new();
    let script = "cat /proc/self/cgroup";
    let mut first = place.start(&format!("{script}; echo ready; sleep 300"));
    let in_first = first.wait_for("ready").replace("ready\n", "");
    assert_eq!(place.join(script).ok(), in_first);
    let own = in_first.lines().filter(|l| l.ends_with(&place.name)).count();
    assert!(own >= 4, "{in_first}");
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn a_joiner_has_the_same_rights_user_and_environment() {
    let mut place = Place::new();
    place.config.set("user", quote("alice"));
    place.config.set("environment", r#"["PATH=/bin", "MARK=a&b"]"#);
    place.config.set("rlimits", r#"[{"type": 7, "hard": 512, "soft": 256}]"#);
    let script = "grep -E '^(Cap|Uid|Gid|Groups|Seccomp|NoNewPrivs)' /proc/self/status; env | sort; \
        ulimit -n; pwd; umask";
    let mut first = place.start(&format!("{script}; echo ready; while :; do sleep 1; done"));
    let in_first = first.wait_for("ready").replace("ready\n", "");
    assert_eq!(place.join(script).ok(), in_first);
    assert_eq!(value(&in_first, "MARK"), "a&b");
    place.kill_launcher(first);
    place.sh("exit 0").ends(0);
}

#[test]
fn what_enters_counts_once_against_the_limit_of_processes() {
    let mut place = Place::new();
    // A user of this test's own: the kernel counts all of a user's processes on the host.
    let user = 100_000 + std::process::id() % 1_000_000;
    place.config.set("user", quote(&user.to_string()));
    place.config.set("rlimits", r#"[{"type": "nproc", "hard": 2, "soft": 2}]"#);
    place.write_config();
    let first = place.start("echo ready; exec sleep 300");
    place.run(&["exec", "/bin/true"]).ok();
    assert_eq!(place.run(&["exec", "/bin/probe", "rlimits"]).value("6"), "2 2");
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn a_joiner_has_its_own_session_and_only_three_descriptors() {
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    let run = place.run(&["exec", "/bin/probe", "fds"]);
    assert_eq!(run.ok().lines().count(), 3, "{}", run.out);
    let run = place.run(&["exec", "/bin/probe", "attributes"]);
    assert_eq!(run.value("pid"), run.value("sid"));
    assert_eq!(run.value("tty"), "ENXIO");
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn a_joiners_exit_status_is_its_own() {
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    for status in [0, 3, 255] {
        place.join(&format!("exit {status}")).ends(status);
    }
    place.join("kill -KILL $$").ends(137);
    place.run(&["exec", "no-such-thing"]).ends(127);
    place.run(&["exec", "/etc/passwd"]).ends(126);
    // None of it touched the container.
    assert_eq!(place.join("echo still here").ok(), "still here\n");
    first.signal(libc::SIGTERM);
    assert_eq!(first.end().status, 143);
}

#[test]
fn a_joiner_gets_its_launchers_signals() {
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    let script = "trap 'echo TERM; exit 5' TERM; echo joined; while :; do sleep 0.05; done";
    let mut joiner = spawn(&mut place.command(&["exec", "/bin/sh", "-c", script]));
    joiner.wait_for("joined");
    joiner.signal(libc::SIGTERM);
    assert_eq!(joiner.end().ends(5), "joined\nTERM\n");
    assert_eq!(place.join("echo still here").ok(), "still here\n");
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn a_joiner_dies_with_the_container_and_with_its_launcher() {
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    let mut joiner =
        spawn(&mut place.command(&["exec", "/bin/sh", "-c", "echo joined; sleep 301"]));
    joiner.wait_for("joined");
    joiner.signal(libc::SIGKILL);
    joiner.end();
    let mut gone = false;
    for _ in 0..200 {
        gone = !place.join("ps -o args").ok().contains("sleep 301");
        if gone {
            break;
        }
    }
    assert!(gone, "the joined command outlives its launcher");
    let mut joiner =
        spawn(&mut place.command(&["exec", "/bin/sh", "-c", "echo joined; sleep 302"]));
    joiner.wait_for("joined");
    first.signal(libc::SIGTERM);
    first.end();
    assert_eq!(joiner.end().status, 137);
}

#[test]
fn the_first_command_ends_the_container_though_others_have_joined() {
    let place = Place::new();
    let first = place.start("echo ready; until [ -e /tmp/end ]; do sleep 0.05; done; exit 6");
    let mut joiner =
        spawn(&mut place.command(&["exec", "/bin/sh", "-c", "echo joined; sleep 300"]));
    joiner.wait_for("joined");
    // From outside: who does it inside may be killed for it before it ends.
    fs::write(place.path("/tmp/end"), "").unwrap();
    first.end().ends(6);
    joiner.end().ends(137);
    assert!(place.state().is_none());
}

#[test]
fn a_container_without_pid_namespace_can_be_joined() {
    let mut place = Place::new();
    place.config.set("namespaces.NEWPID", "false");
    let first = place.start("echo ready; sleep 30");
    assert_eq!(place.join("hostname").ok(), "koye\n");
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn two_at_once_make_one_container() {
    for round in 0..20 {
        let place = Place::new();
        place.write_config();
        let script =
            "readlink /proc/self/ns/pid; echo up; until [ -e /tmp/end ]; do sleep 0.02; done";
        let mut all: Vec<_> =
            (0..3).map(|_| spawn(&mut place.command(&["exec", "/bin/sh", "-c", script]))).collect();
        let mut namespaces: Vec<String> = all.iter_mut().map(|r| r.wait_for("up")).collect();
        namespaces.dedup();
        assert_eq!(namespaces.len(), 1, "round {round}: two containers in one place");
        fs::write(place.path("/tmp/end"), "").unwrap();
        for running in all {
            let run = running.end();
            assert!(run.status == 0 || run.status == 137, "{} {}", run.status, run.err);
        }
    }
}

#[test]
fn a_join_of_a_dying_container_joins_or_starts_and_never_hangs() {
    let place = Place::new();
    place.write_config();
    for i in 0..40 {
        let first = spawn(&mut place.command(&["exec", "/bin/usleep", "4000"]));
        std::thread::sleep(std::time::Duration::from_micros(400 * i));
        let second = spawn(&mut place.command(&["exec", "/bin/echo", "second"]));
        first.end().ends(0);
        let run = second.end();
        // Joined and killed with it, joined in time, refused because it was dying, or started anew.
        match run.status {
            0 => assert_eq!(run.out, "second\n"),
            137 => {}
            125 => assert!(run.err.starts_with("nsinit: "), "{}", run.err),
            other => panic!("{other}: {}", run.err),
        }
    }
    place.sh("exit 0").ends(0);
}

#[test]
fn nsenter_joins_any_process_with_a_configuration_given_as_text() {
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    let pid = place.init_pid().to_string();
    let json = place.config.text();
    let args = [
        "nsenter",
        "--nspid",
        &pid,
        "--containerjson",
        &json,
        "--",
        "/bin/sh",
        "-c",
        "hostname; exit 8",
    ];
    assert_eq!(place.run(&args).ends(8), "koye\n");
    let args = ["nsenter", "--nspid", "999999999", "--containerjson", &json, "--", "/bin/true"];
    let run = place.run(&args);
    run.ends(125);
    run.says(&["999999999"]);
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn nsenter_joins_a_process_that_nsinit_did_not_start() {
    let place = Place::new();
    let mut other = spawn(Command::new("unshare").args([
        "--uts",
        "--ipc",
        "--mount",
        "sh",
        "-c",
        "hostname elsewhere; echo ready; exec sleep 30",
    ]));
    other.wait_for("ready");
    let pid = other.child.id().to_string();
    let mut config = place.config.clone();
    config.unset("namespaces").unset("cgroups").unset("networks");
    for name in ["NEWUTS", "NEWIPC", "NEWNS"] {
        config.set(&format!("namespaces.{name}"), "true");
    }
    let json = config.text();
    let run = place.run(&["nsenter", "--nspid", &pid, "--containerjson", &json, "--", "hostname"]);
    assert_eq!(run.ok(), "elsewhere\n");
}

#[test]
fn a_join_without_standard_input_does_not_wait_for_it() {
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    assert_eq!(place.join("cat; echo end").ok(), "end\n");
    first.signal(libc::SIGTERM);
    first.end();
}
