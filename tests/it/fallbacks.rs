//! Old kernels and strict filters: without its newer calls nsinit works all the same.

use crate::trace::{have_strace, inject, trace};
use crate::world::{Place, skip};

const NEWER: [&str; 7] = [
    "clone3",
    "openat2",
    "mount_setattr",
    "close_range",
    "pidfd_open",
    "pidfd_send_signal",
    // The new mount calls came together, in Linux 5.2.
    "open_tree,move_mount,fsopen,fsmount,fsconfig",
];

/// What a container shows of itself: the same, whatever calls made it.
const SHOW: &str = "hostname; id; grep ^Cap /proc/self/status; cut -d' ' -f5,6 /proc/self/mountinfo | sort; \
    ls /dev /proc/self/fd; grep nsinit-test /proc/self/cgroup; ip -o link | cut -c1-40; cat /mnt/ro/file; \
    touch /mnt/ro/new || echo read-only";

fn place() -> Place {
    let mut place = Place::new();
    let shared = place.host_dir("shared");
    std::fs::write(shared.join("file"), "file\n").unwrap();
    place.config.bind(shared.to_str().unwrap(), "/mnt/ro", "");
    place.write_config();
    place
}

fn works_without(error: &str) {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let place = place();
    let good = place.run(&["exec", "/bin/sh", "-c", SHOW]);
    good.ends(0);
    for call in NEWER {
        without(&place, &[call], error, &good.out);
    }
    without(&place, &NEWER, error, &good.out);
}

fn without(place: &Place, calls: &[&str], error: &str, good: &str) {
    let faults: Vec<String> =
        calls.iter().flat_map(|c| c.split(',')).map(|c| format!("{c}:error={error}")).collect();
    let faults: Vec<&str> = faults.iter().map(String::as_str).collect();
    let run = inject(place, &faults, &["exec", "/bin/sh", "-c", SHOW]);
    assert_eq!((run.status, run.out.as_str()), (0, good), "{error} for {calls:?}: {}", run.err);
    // Status, signals and joining too.
    inject(place, &faults, &["exec", "/bin/nothing"]).ends(42);
    inject(place, &faults, &["exec", "no-such-command"]).ends(127);
    let running = place.start("echo ready; sleep 300");
    let joined = inject(
        place,
        &faults,
        &["exec", "/bin/sh", "-c", "hostname; id -u; ls -l /proc/self/fd | wc -l"],
    );
    let whole = place.join("hostname; id -u; ls -l /proc/self/fd | wc -l");
    assert_eq!(
        (joined.status, &joined.out),
        (0, &whole.out),
        "join, {error} for {calls:?}: {}",
        joined.err
    );
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().status, 143);
    assert_eq!(place.remains(), Vec::<String>::new(), "{error} for {calls:?}");
}

#[test]
fn it_works_without_the_newer_calls() {
    works_without("ENOSYS");
}

#[test]
fn it_works_where_a_filter_forbids_the_newer_calls() {
    works_without("EPERM");
}

#[test]
fn setns_with_a_pidfd_has_a_fallback() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    // Linux before 5.8 takes no pidfd there; the files of /proc/PID/ns do. The first call fails.
    let run = inject(&place, &["setns:error=EINVAL:when=1"], &["exec", "/bin/hostname"]);
    assert_eq!(run.ends(0), "koye\n", "{}", run.err);
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_proc_of_another_pid_namespace_is_cloned_before_linux_6_17() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let (place, mut second) = (Place::new(), Place::new());
    let running = place.start("echo ready; sleep 300");
    let path = format!("/proc/{}/ns/pid", place.init_pid());
    second.config.unset("mount_config").unset("restrict_sys").unset("networks").unset("hostname");
    second.config.set(
        "namespaces",
        format!(r#"[{{"type": "NEWNS"}}, {{"type": "NEWPID", "path": "{path}"}}]"#),
    );
    let mounts = r#"[{"source": "proc", "destination": "/proc", "device": "proc"}]"#;
    second.config.set("mounts", mounts);
    // To read what PID 1 is in.
    second.config.set("capabilities", crate::config::strings(&["SYS_PTRACE"]));
    second.write_config();
    // The first call makes "/" private; the second mounts proc with the option of that kernel.
    let command = &["exec", "/bin/readlink", "/proc/1/ns/pid"];
    let run = inject(&second, &["mount:error=EINVAL:when=2"], command);
    let namespace = std::fs::read_link(path).unwrap();
    assert_eq!(run.ends(0).trim_end(), namespace.to_str().unwrap());
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn kernels_without_keyrings_or_mqueue_do() {
    let place = place();
    let run = inject(&place, &["keyctl:error=ENOSYS"], &["exec", "/bin/nothing"]);
    run.ends(42);
    let run = inject(&place, &["keyctl:error=EPERM"], &["exec", "/bin/nothing"]);
    run.ends(42);
}

#[test]
fn the_newer_calls_are_used_where_the_kernel_has_them() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let place = place();
    let calls = trace(&place, &["exec", "/bin/nothing"], 42);
    for name in ["clone3", "openat2", "close_range"] {
        assert!(calls.iter().any(|c| c.name == name), "no {name}");
    }
    // And each is decided once: no call fails twice with ENOSYS.
    let missing: Vec<&str> =
        calls.iter().filter(|c| c.result.contains("ENOSYS")).map(|c| c.name.as_str()).collect();
    let mut once = missing.clone();
    once.dedup();
    assert_eq!(missing, once);
}
