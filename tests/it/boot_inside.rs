//! nsinit as /sbin/init of a container: what is the machine's is left alone.

use std::fs;
use std::process::Command;

use crate::world::{Place, Run, nsinit, spawn};

/// Runs it as PID 1 of new namespaces in the place's root, with these words.
fn run(place: &Place, words: &[&str]) -> Run {
    fs::create_dir_all(place.root.join("sbin")).unwrap();
    fs::copy(nsinit(), place.root.join("sbin/init")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount", "--net", "--uts", "--root"]);
    command.arg(&place.root).arg("/sbin/init").args(words);
    spawn(&mut command).end()
}

fn script(place: &Place, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = place.root.join("script");
    fs::write(&path, format!("#!/bin/sh\nexport PATH=/bin\n{text}\nkill -USR2 1\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn it_mounts_what_is_missing_and_ends_the_container_alone() {
    let place = Place::new();
    script(
        &place,
        "echo POINTS $(cut -d' ' -f5 /proc/self/mountinfo | sort) END; echo NODES $(ls /dev) END; hostname; ip addr show lo",
    );
    let run =
        run(&place, &["nsinit.shell=/script", "nsinit.hostname=inside", "nsinit.watchdog=30"]);
    // reboot(2) in a PID namespace kills its init with SIGINT for "power off" (pid_namespaces(7)).
    assert_eq!(run.status, 128 + libc::SIGINT, "{}\n{}", run.out, run.err);
    let points = run.out.lines().find(|line| line.starts_with("POINTS")).expect("POINTS");
    for point in [" /proc ", " /sys ", " /dev ", " /dev/pts ", " /run ", " /tmp "] {
        assert_eq!(points.matches(point).count(), 1, "{point}: {points}");
    }
    // They would be the host's.
    for point in ["cgroup", "bpf", "pstore", "security"] {
        assert!(!points.contains(point), "{points}");
    }
    assert!(
        run.out.contains(
            "NODES fd full mqueue null pts random shm stderr stdin stdout tty urandom zero END"
        ),
        "{}",
        run.out
    );
    assert!(run.out.contains("inside") && run.out.contains("127.0.0.1"), "{}", run.out);
    assert!(!run.err.contains("watchdog"), "{}", run.err);
}

#[test]
fn what_is_mounted_stays() {
    let place = Place::new();
    script(&place, "echo TWICE $(cut -d' ' -f5 /proc/self/mountinfo | sort | uniq -d) END");
    fs::create_dir_all(place.root.join("sbin")).unwrap();
    fs::copy(nsinit(), place.root.join("sbin/init")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount", "sh", "-c"]);
    command.arg("cd \"$1\" && mount -t proc proc proc && mount -t tmpfs dev dev && exec chroot . /sbin/init nsinit.shell=/script");
    command.arg("sh").arg(&place.root);
    let run = spawn(&mut command).end();
    assert!(run.out.contains("TWICE END"), "{}\n{}", run.out, run.err);
}
