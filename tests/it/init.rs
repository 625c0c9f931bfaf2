//! PID 1: nsinit as reaper.

use std::fs;

use crate::config::strings;
use crate::world::{Place, until, value};

fn status(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap()
}

#[test]
fn process_1_is_nsinit_and_the_command_its_child() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let pid = place.init_pid();
    assert_eq!(fs::read_to_string(format!("/proc/{pid}/comm")).unwrap(), "nsinit\n");
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    assert_eq!(children.split_whitespace().count(), 1, "{children}");
    assert_eq!(value(&status(pid), "NSpid").split('\t').next_back(), Some("1"));
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn process_1_holds_no_descriptor_and_only_the_kill_capability() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let pid = place.init_pid();
    let held: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|p| format!("{} {}", p.display(), fs::read_link(&p).unwrap_or_default().display()))
        .collect();
    assert!(held.is_empty(), "{held:?}");
    let text = status(pid);
    for set in ["CapPrm", "CapEff"] {
        assert_eq!(u64::from_str_radix(value(&text, set), 16).unwrap(), 1 << 5, "{set}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(value(&text, set), "0000000000000000");
    }
    assert_eq!(u64::from_str_radix(value(&text, "CapBnd"), 16).unwrap() & !(1 << 5), 0, "CapBnd");
    // Nor can it be looked into from inside.
    assert_eq!(
        place.join("ls /proc/1/fd/; ls /proc/1/cwd/; ls /proc/1/root/; cat /proc/1/environ").out,
        ""
    );
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn process_1_has_the_containers_root_as_directory() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let pid = place.init_pid();
    let cwd = fs::metadata(format!("/proc/{pid}/cwd")).unwrap();
    let root = fs::metadata(&place.root).unwrap();
    assert_eq!((cwd.dev(), cwd.ino()), (root.dev(), root.ino()));
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn every_zombie_is_reaped() {
    let place = Place::new();
    let running = place.start("probe orphans 500; echo ready; sleep 300");
    until("all are reaped", || {
        let run = place.join("grep -h ^State /proc/[0-9]*/status | grep -c zombie");
        run.out.trim() == "0"
    });
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn it_sleeps_until_something_happens() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    std::thread::sleep(std::time::Duration::from_millis(200));
    let pid = place.init_pid();
    let switches = |pid: u32| {
        let text = status(pid);
        value(&text, "voluntary_ctxt_switches").parse::<u64>().unwrap()
            + value(&text, "nonvoluntary_ctxt_switches").parse::<u64>().unwrap()
    };
    let launcher = running.child.id();
    let before = (switches(pid), switches(launcher));
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!((switches(pid), switches(launcher)), before);
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn signals_are_forwarded_with_their_number() {
    let place = Place::new();
    place.write_config();
    let mut running =
        crate::world::spawn(&mut place.command(&["exec", "/bin/probe", "signals", "12"]));
    running.wait_for("ready");
    // Not KILL, STOP (nobody can), CHLD (the launcher's own), the tty's stops and WINCH.
    let forwarded = [1, 2, 3, 10, 13, 14, 15, 16, 18, 23, 24, 25, 26, 27, 29, 30, 34, 40, 64];
    for signal in forwarded {
        running.signal(signal);
        running.wait_for(&format!("signal {signal} "));
    }
    running.signal(12);
    let run = running.end();
    run.ends(0);
    for signal in forwarded {
        let count = run.out.lines().filter(|l| l.starts_with(&format!("signal {signal} "))).count();
        assert_eq!(count, 1, "signal {signal}\n{}", run.out);
    }
}

#[test]
fn the_containers_exit_status_is_the_commands_though_others_end_later_or_sooner() {
    let place = Place::new();
    place.sh("(sleep 0.2; exit 9) & (exit 8) & sleep 0.1; exit 33").ends(33);
    place.sh("setsid sh -c 'exit 7' ; exit 34").ends(34);
}

#[test]
fn process_1_cannot_be_killed_from_inside_and_term_is_not_its_end() {
    let place = Place::new();
    let run = place.sh("kill -KILL 1; kill -STOP 1; kill -HUP 1; sleep 0.2; echo alive; exit 21");
    // HUP may have been forwarded to the command.
    assert!(
        run.status == 21 && run.out == "alive\n" || run.status == 129,
        "{} {}",
        run.status,
        run.out
    );
}

#[test]
fn the_command_is_no_child_of_the_callers_session() {
    let place = Place::new();
    let run = place.exec(&["/bin/probe", "attributes"]);
    assert_eq!(run.value("ppid"), "1");
    assert_ne!(run.value("sid"), "0");
}

#[test]
fn a_stop_and_continue_inside_does_not_confuse_it() {
    let place = Place::new();
    let run =
        place.sh("sleep 0.3 & p=$!; kill -STOP $p; kill -CONT $p; wait $p; echo waited $?; exit 2");
    assert_eq!(run.ends(2), "waited 0\n");
}

#[test]
fn the_host_pid_sample_form_works_without_a_pid_namespace() {
    let mut place = Place::new();
    place.config.set("namespaces.NEWPID", "false");
    let run = place.sh("echo $$; exit 13");
    run.ends(13);
    assert_ne!(run.out, "1\n");
    let running = place.start("sleep 301 & echo ready; sleep 300");
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().status, 143);
    place.clean();
}

/// What is left running without a PID namespace could hold the lock that its end waits for.
#[test]
fn the_lock_of_the_place_keeps_nothing_alive() {
    let mut place = Place::new();
    place.config.set("namespaces.NEWPID", "false");
    // The shell waits until the lock is held.
    let run =
        place.sh("mkfifo /tmp/held; probe hold / > /tmp/held & read word < /tmp/held; exit 4");
    assert_eq!(run.ends(4), "", "{}", run.err);
}

/// Without a PID namespace only the command itself dies with its launcher: the next one cleans up.
#[test]
fn what_a_killed_launcher_left_running_ends_with_the_next_start() {
    let mut place = Place::new();
    place.config.set("namespaces.NEWPID", "false");
    // It sees the host's processes: of other tests, too.
    let seconds = 1_000_000 + std::process::id();
    let running = place.start(&format!("sleep {seconds} & echo ready; sleep 300"));
    running.signal(libc::SIGKILL);
    running.end();
    let run = place.sh(&format!("ps -o args | grep -c '[s]leep {seconds}'; true"));
    assert_eq!(run.out, "0\n", "{}", run.err);
    place.clean();
}

/// Who may trace could open the files of process 1 anew, so that there must be none from the
/// command's first instruction on.
#[test]
fn process_1_has_closed_everything_before_the_command_begins() {
    let mut place = Place::new();
    place.config.set("capabilities", strings(&["SYS_PTRACE", "DAC_OVERRIDE", "SETPCAP"]));
    for _ in 0..100 {
        assert_eq!(place.exec(&["/bin/ls", "-l", "/proc/1/fd"]).ok(), "total 0\n");
    }
}
