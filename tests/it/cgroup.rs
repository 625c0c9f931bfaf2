//! Control groups of the sample file, on version 1 hierarchies.

use std::fs;
use std::path::PathBuf;

use crate::config::{quote, rule, strings};
use crate::world::{FAILED, Place, cgroups, skip, until};

/// The container's directory in a hierarchy.
#[track_caller]
fn group(place: &Place, hierarchy: &str) -> PathBuf {
    let all = cgroups(&place.name);
    all.iter()
        .find(|p| p.components().any(|c| c.as_os_str() == hierarchy))
        .unwrap_or_else(|| panic!("not in {hierarchy}: {all:?}"))
        .clone()
}

fn read(place: &Place, hierarchy: &str, file: &str) -> String {
    fs::read_to_string(group(place, hierarchy).join(file)).unwrap().trim().to_owned()
}

fn version_1() -> bool {
    let v1 = PathBuf::from("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists();
    if !v1 {
        skip("no version 1 memory hierarchy on this host");
    }
    v1
}

#[test]
fn all_processes_are_in_every_hierarchy() {
    if !version_1() {
        return;
    }
    let place = Place::new();
    let running = place.start("sleep 300 & echo ready; sleep 300");
    for hierarchy in ["memory", "cpu", "cpuset", "devices", "freezer", "pids", "cpuacct"] {
        let tasks = read(&place, hierarchy, "cgroup.procs");
        let tasks: Vec<u32> = tasks.lines().map(|l| l.parse().unwrap()).collect();
        assert!(tasks.contains(&place.init_pid()), "{hierarchy}: {tasks:?}");
        assert!(tasks.len() >= 3, "{hierarchy}: {tasks:?}");
        assert!(!tasks.contains(&running.child.id()), "the launcher is in {hierarchy}");
    }
    running.signal(libc::SIGTERM);
    running.end();
    assert_eq!(cgroups(&place.name), Vec::<PathBuf>::new());
}

#[test]
fn the_command_is_in_its_cgroups_before_its_first_instruction() {
    if !version_1() {
        return;
    }
    let place = Place::new();
    for _ in 0..20 {
        let run = place.exec(&["/bin/cat", "/proc/self/cgroup"]);
        for name in ["memory", "cpu", "cpuset", "devices", "freezer", "pids"] {
            let line = run.ok().lines().find(|l| l.split(':').nth(1) == Some(name)).unwrap();
            assert!(line.ends_with(&format!("nsinit-test/{}", place.name)), "{line}");
        }
    }
}

#[test]
fn memory_cpu_and_cpuset_limits_are_the_files() {
    if !version_1() {
        return;
    }
    let mut place = Place::new();
    place
        .config
        .set("cgroups.memory", "33554432")
        .set("cgroups.memory_reservation", "16777216")
        .set("cgroups.cpu_shares", "512")
        .set("cgroups.cpu_quota", "20000")
        .set("cgroups.cpu_period", "50000")
        .set("cgroups.cpuset_cpus", quote("0"))
        .set("cgroups.cpuset_mems", quote("0"));
    let running = place.start("echo ready; sleep 300");
    assert_eq!(read(&place, "memory", "memory.limit_in_bytes"), "33554432");
    assert_eq!(read(&place, "memory", "memory.soft_limit_in_bytes"), "16777216");
    assert_eq!(read(&place, "cpu", "cpu.shares"), "512");
    assert_eq!(read(&place, "cpu", "cpu.cfs_quota_us"), "20000");
    assert_eq!(read(&place, "cpu", "cpu.cfs_period_us"), "50000");
    assert_eq!(read(&place, "cpuset", "cpuset.cpus"), "0");
    assert_eq!(place.join("sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status").ok(), "0\n");
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn devices_not_allowed_are_denied_and_allowed_ones_work() {
    if !version_1() {
        return;
    }
    let mut place = Place::new();
    let probe = |place: &Place, kind: &str, major: &str, minor: &str| {
        place.exec(&["/bin/probe", "device", kind, major, minor]).ok().trim().to_owned()
    };
    assert_eq!(probe(&place, "c", "1", "5"), "open ok");
    assert_eq!(probe(&place, "c", "10", "229"), "open EPERM"); // fuse
    let disk = fs::read_to_string("/proc/partitions").unwrap();
    let line = disk.lines().nth(2).unwrap_or("").split_whitespace().collect::<Vec<_>>();
    if let [major, minor, ..] = line[..] {
        assert_eq!(probe(&place, "b", major, minor), "open EPERM");
    }
    // One rule is an allow list of one, not the start of a deny list.
    place.config.set("cgroups.allowed_devices", format!("[{}]", rule('c', 1, 3, "rw")));
    assert_eq!(probe(&place, "c", "1", "5"), "mknod EPERM");
    assert_eq!(
        place.sh("echo x > /dev/null; head -c 1 /dev/zero").err.matches("not permitted").count(),
        1
    );
}

#[test]
fn an_absolute_parent_starts_at_the_hierarchys_root() {
    if !version_1() {
        return;
    }
    let mut place = Place::new();
    place.config.set("cgroups.parent", quote("/nsinit-test-absolute"));
    let running = place.start("echo ready; sleep 300");
    let expected = PathBuf::from("/sys/fs/cgroup/memory/nsinit-test-absolute").join(&place.name);
    assert_eq!(group(&place, "memory"), expected);
    running.signal(libc::SIGTERM);
    running.end();
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap() {
        // The parent may stay, as another container's may be beside ours: it is ours to remove here.
        let _ = fs::remove_dir(hierarchy.unwrap().path().join("nsinit-test-absolute"));
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let mut place = Place::new();
    for (key, name) in
        [("name", "../../evil"), ("name", "a/b"), ("name", ".."), ("parent", "../../..")]
    {
        place.config.set(&format!("cgroups.{key}"), quote(name));
        let run = place.exec(&["/bin/true"]);
        assert_eq!(run.status, FAILED, "{key} {name}: {}", run.err);
        place.config.set("cgroups.name", quote(&place.name.clone()));
        place.config.set("cgroups.parent", quote("nsinit-test"));
    }
}

#[test]
fn a_limit_that_the_kernel_refuses_is_named_and_nothing_is_left() {
    if !version_1() {
        return;
    }
    let mut place = Place::new();
    // Its only member is there, but the kernel does not take the range.
    place.config.set("cgroups.cpuset_cpus", quote("0-7777:1/8888"));
    place.exec(&["/bin/true"]).fails(&["write 0-7777:1/8888 to ", "cpuset.cpus"]);
    assert_eq!(place.remains(), Vec::<String>::new());
}

#[test]
fn without_a_cgroups_key_it_stays_in_the_callers() {
    let mut place = Place::new();
    place.config.unset("cgroups");
    let run = place.exec(&["/bin/cat", "/proc/self/cgroup"]);
    assert_eq!(run.ends(0), fs::read_to_string("/proc/self/cgroup").unwrap());
    // Nothing limits devices there, and it may make nodes.
    run.says(&["warning: without \"cgroups\"", "CAP_MKNOD", "every device of the host"]);
    place.config.set("capabilities", strings(&["KILL"]));
    place.exec(&["/bin/true"]).ok();
}

#[test]
fn a_container_starts_under_a_memory_limit_of_128_kib() {
    if !version_1() {
        return;
    }
    let mut place = Place::new();
    place.config.set("cgroups.memory", "131072");
    place.exec(&["/bin/nothing"]).ends(42);
}

#[test]
fn a_frozen_container_can_be_ended() {
    if !version_1() {
        return;
    }
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let freezer = group(&place, "freezer").join("freezer.state");
    fs::write(&freezer, "FROZEN").unwrap();
    running.signal(libc::SIGKILL);
    running.end();
    // PID 1 has its SIGKILL, which a frozen process does not see: the next one thaws it.
    assert_eq!(place.sh("echo again").ends(0), "again\n");
    place.clean();
}

#[test]
fn a_container_with_a_frozen_group_inside_can_be_ended() {
    if !version_1() {
        return;
    }
    let place = Place::new();
    for kill_launcher in [false, true] {
        let running = place.start("sleep 301 & echo ready; sleep 300");
        let inside = group(&place, "freezer").join("inside");
        fs::create_dir(&inside).unwrap();
        let command = read(&place, "freezer", "cgroup.procs");
        fs::write(inside.join("cgroup.procs"), command.lines().last().unwrap()).unwrap();
        fs::write(inside.join("freezer.state"), "FROZEN").unwrap();
        if kill_launcher {
            running.signal(libc::SIGKILL);
            running.end();
            assert_eq!(place.sh("echo again").ends(0), "again\n");
        } else {
            place.run(&["kill", "KILL"]).ok();
            running.end().ends(128 + libc::SIGKILL);
        }
        assert_eq!(place.remains(), Vec::<String>::new());
    }
}

#[test]
fn a_launcher_whose_command_has_ended_before_a_frozen_process_can_be_ended() {
    if !version_1() {
        return;
    }
    let place = Place::new();
    let script =
        "trap '' TERM; sleep 301 & echo ready; until [ -e /go ]; do usleep 10000; done; exit 6";
    let mut running = place.start(script);
    let inside = group(&place, "freezer").join("inside");
    fs::create_dir(&inside).unwrap();
    let sleeps = |pid: &&str| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| words.ends_with(b"\x00301\0"))
    };
    let processes = read(&place, "freezer", "cgroup.procs");
    fs::write(inside.join("cgroup.procs"), processes.lines().find(sleeps).unwrap()).unwrap();
    fs::write(inside.join("freezer.state"), "FROZEN").unwrap();
    fs::write(place.path("/go"), "").unwrap();
    // Nobody can know when PID 1 has begun to end.
    until("it ends", || {
        let ended = running.child.try_wait().unwrap().is_some();
        if !ended {
            running.signal(libc::SIGTERM);
        }
        ended
    });
    running.end().ends(6);
}

#[test]
fn a_group_that_can_not_be_made_leaves_no_parent() {
    if !version_1() {
        return;
    }
    // The kernel has a file of this name in every group.
    let mut place = Place::new();
    let parent = format!("{}-above", place.name);
    place.config.set("cgroups.parent", quote(&parent)).set("cgroups.name", quote("cgroup.procs"));
    place.exec(&["/bin/true"]).fails(&[
        "container.json:3:",
        "cgroups.name: the kernel has a file of that name in every group",
    ]);
    assert_eq!(cgroups(&parent), Vec::<PathBuf>::new());
}
