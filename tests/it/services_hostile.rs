//! What a container may try against the PID 1 of its machine.

use std::fs;

use crate::booted::{Booted, System, service};
use crate::config::{Config, quote, strings};
use crate::world::until;

/// A machine with a service without any rights, "hold", that holds the lock of the pipe that its output is: its
/// launcher is held up.
fn held(grace: &str) -> (System, Booted) {
    let system = System::new();
    let mut config = service("until [ -e /go ]; do sleep 0.05; done; exec probe hold-output");
    config.set("user", quote("1000")).set("capabilities", "[]");
    config.set("service.restart", quote("no")).set("service.log", r#"["file"]"#);
    config.set("service.grace", quote(grace));
    system.add("services", "hold", &config);
    system.script("services", "web", "echo up; sleep 1000");
    let mut booted = system.boot();
    booted.says("web: up\n");
    booted.is("hold", "running");
    hold(&system, &booted);
    (system, booted)
}

/// Lets it go on, and its launcher not before it holds the lock, with much in the pipe still to be read.
fn hold(system: &System, booted: &Booted) {
    let launcher = launcher(booted, "hold");
    // SAFETY: plain system calls; the process is a child of the machine's PID 1, which is ours.
    let signal = |n| assert_eq!(unsafe { libc::kill(launcher as i32, n) }, 0);
    signal(libc::SIGSTOP);
    fs::write(system.dir("services", "hold").join("rootfs/go"), "").unwrap();
    until("it holds the lock", || {
        let first = children(launcher).first().copied().unwrap_or(0);
        let command = children(first).first().copied().unwrap_or(0);
        let name = fs::read_to_string(format!("/proc/{command}/comm")).unwrap_or_default();
        name == "probe\n" && state(command) == 'S'
    });
    signal(libc::SIGCONT);
    until("the launcher is held up", || state(launcher) == 'D');
}

/// What the kernel says of a process: R, S, D, …
fn state(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('?')
}

fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.unwrap_or_default().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// The launcher of a container, as the host sees it.
fn launcher(booted: &Booted, name: &str) -> u32 {
    let has_name = |pid: &u32| {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.contains(&format!("--id\0{name}\0"))
    };
    children(booted.pid).into_iter().find(has_name).unwrap()
}

#[test]
fn who_holds_its_output_holds_up_nobody_but_its_own_launcher() {
    let (system, mut booted) = held("300ms");
    assert_eq!(booted.list("hold")[2], "running");
    booted.verb(&["stop", "hold"]).ok();
    booted.says("hold: nsinit: did not stop in time; killing it\n");
    assert_eq!(booted.list("hold")[2], "stopped");
    fs::remove_file(system.dir("services", "hold").join("rootfs/go")).unwrap();
    booted.verb(&["start", "hold"]).ok();
    hold(&system, &booted);
    let said = booted.power_off();
    assert!(said.contains("nsinit: powering off\n"), "{said}");
}

#[test]
fn who_does_not_let_go_of_its_output_is_killed() {
    let (_system, mut booted) = held("5s");
    booted
        .says("hold: nsinit: one of its processes keeps its output from being read; killing it\n");
    booted.is("hold", "failed");
    assert_eq!(booted.list("hold")[4], "137");
    assert_eq!(booted.list("web")[2], "running");
}

#[test]
fn nothing_inside_has_a_socket_of_pid_1() {
    let system = System::new();
    let script =
        "for pid in 1 $$; do ls -l /proc/$pid/fd | sed s/^/FD-$pid:/; done; echo DONE; sleep 1000";
    let mut config = service(script);
    config.set("capabilities", strings(&["SYS_PTRACE", "DAC_OVERRIDE"]));
    system.add("services", "look", &config);
    let mut booted = system.boot();
    let said = booted.says("look: DONE\n");
    assert!(said.contains("1 -> pipe:") && said.contains("2 -> pipe:"), "{said}");
    assert!(!said.contains("socket:"), "{said}");
}

#[test]
fn what_a_command_without_a_pid_namespace_leaves_running_is_still_heard() {
    let system = System::new();
    let mut config = service("(until [ -e /later ]; do sleep 0.05; done; echo LATER) & echo NOW");
    config.set("namespaces.NEWPID", "false").set("service.restart", quote("no"));
    system.add("onboot", "1", &config);
    system.script("services", "web", "sleep 1000");
    let mut booted = system.boot();
    booted.says("1: NOW\n");
    booted.is("1", "ended");
    fs::write(system.dir("onboot", "1").join("rootfs/later"), "").unwrap();
    booted.says("1: LATER\n");
}

#[test]
fn root_of_a_container_is_not_heard() {
    let system = System::new();
    // It has the machine's files and so the socket, and processes of its own.
    let script = "/mnt/init stop web; echo STATUS $?; sleep 1000";
    let mut config = Config::empty();
    config.set("command.args", strings(&["/bin/sh", "-c", script]));
    config.set("namespaces", r#"[{"type": "NEWPID"}]"#).set("service.restart", quote("no"));
    system.add("services", "other", &config);
    // So may one that shares the machine's processes.
    let script = "until /mnt/init list | grep -q 'web .*running'; do sleep 0.1; done; echo HEARD";
    config.set("command.args", strings(&["/bin/sh", "-c", script]));
    config.set("namespaces", "[]");
    system.add("services", "shell", &config);
    system.script("services", "web", "sleep 1000");
    let mut booted = system.boot();
    booted.says("other: STATUS 125\n");
    booted.says("shell: HEARD\n");
    booted.is("web", "running");
}

#[test]
fn who_has_run_has_nothing_of_pid_1s() {
    let system = System::new();
    let mut config = service("ls -A /run/nsinit/pid1 /mnt/nsinit/pid1; echo LISTED; sleep 1000");
    // For reading: one to write to is refused, as state.json is in there.
    config.mount(r#"{"type": "bind", "source": "/run", "destination": "/run"}"#);
    config.mount(r#"{"type": "bind", "source": "/run", "destination": "/mnt"}"#);
    system.add("services", "look", &config);
    let mut booted = system.boot();
    let said = booted.says("look: LISTED\n");
    let said: Vec<&str> = said.lines().filter(|line| line.starts_with("look: ")).collect();
    assert_eq!(
        said,
        ["look: /mnt/nsinit/pid1:", "look: ", "look: /run/nsinit/pid1:", "look: LISTED"]
    );
}
