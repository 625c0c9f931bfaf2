//! What limits do, on whatever version of control groups there is: these tests run on this host, and
//! in a machine that has version 2 alone (`cgroup_v2`).

use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{quote, rule};
use crate::trace::{have_strace, inject, injected};
use crate::world::{FAILED, Place, cgroups, nameless, skip, spawn, until};

/// Whether there is version 2 alone.
fn unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// A file of the container's group: in a v1 hierarchy, or the v2 one.
#[track_caller]
fn file(place: &Place, v1: (&str, &str), v2: &str) -> PathBuf {
    let (hierarchy, name) = if unified() { ("cgroup", v2) } else { v1 };
    let all = cgroups(&place.name);
    let dir = all.iter().find(|p| p.components().any(|c| c.as_os_str() == hierarchy));
    dir.unwrap_or_else(|| panic!("not in {hierarchy}: {all:?}")).join(name)
}

/// Its value.
#[track_caller]
fn value(place: &Place, v1: (&str, &str), v2: &str) -> String {
    let file = file(place, v1, v2);
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.trim().to_owned()
}

/// What is said of a process that a limit of eight million bytes has killed: where the limit is in the
/// file, and what it is.
const KILLED: [&str; 2] = [
    "nsinit: warning: container.json:3:",
    ": cgroups.memory: out of memory: 1 process was killed at the limit of 8388608 bytes\n",
];

#[test]
fn limits_are_where_the_kernel_looks_for_them() {
    let mut place = Place::new();
    place
        .config
        .set("cgroups.memory", "33554432")
        .set("cgroups.memory_swap", "50331648")
        .set("cgroups.memory_reservation", "16777216")
        .set("cgroups.cpu_shares", "512")
        .set("cgroups.cpu_quota", "20000")
        .set("cgroups.cpu_period", "50000")
        .set("cgroups.cpuset_cpus", quote("0"))
        .set("cgroups.cpuset_mems", quote("0"))
        .set("cgroups.pids_limit", "77");
    let running = place.start("echo ready; sleep 300");
    let check = |v1, v2: &str, wanted: (&str, &str)| {
        let wanted = if unified() { wanted.1 } else { wanted.0 };
        assert_eq!(value(&place, v1, v2), wanted, "{v2}");
    };
    check(("memory", "memory.limit_in_bytes"), "memory.max", ("33554432", "33554432"));
    let swap = ("memory", "memory.memsw.limit_in_bytes");
    check(swap, "memory.swap.max", ("50331648", "16777216"));
    check(("memory", "memory.soft_limit_in_bytes"), "memory.low", ("16777216", "16777216"));
    check(("cpu", "cpu.shares"), "cpu.weight", ("512", "59"));
    check(("cpu", "cpu.cfs_quota_us"), "cpu.max", ("20000", "20000 50000"));
    check(("cpuset", "cpuset.cpus"), "cpuset.cpus", ("0", "0"));
    check(("cpuset", "cpuset.mems"), "cpuset.mems", ("0", "0"));
    check(("pids", "pids.max"), "pids.max", ("77", "77"));
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn the_memory_limit_kills_at_start_and_at_join_and_its_key_is_named() {
    let mut place = Place::new();
    place.config.set("cgroups.memory", "8388608").set("cgroups.memory_swap", "8388608");
    place.exec(&["/bin/probe", "memory", "4096"]).ok();
    let run = place.exec(&["/bin/probe", "memory", "65536"]);
    run.ends(137);
    run.says(&KILLED);
    let running = place.start("echo ready; sleep 300");
    for _ in 0..2 {
        let run = place.run(&["exec", "/bin/probe", "memory", "65536"]);
        run.ends(137);
        run.says(&KILLED);
    }
    // Another's end is not this one's.
    let run = place.join("kill -KILL $$");
    assert_eq!((run.status, run.err.as_str()), (137, ""));
    place.kill_launcher(running);
    place.sh("exit 0").ends(0);
}

#[test]
fn a_kill_that_was_told_at_a_join_is_not_the_end_of_the_container() {
    let mut place = Place::new();
    place.config.set("cgroups.memory", "8388608").set("cgroups.memory_swap", "8388608");
    let running = place.start("echo ready; sleep 300");
    place.run(&["exec", "/bin/probe", "memory", "65536"]).says(&KILLED);
    place.run(&["kill", "KILL"]).ok();
    let run = running.end();
    assert_eq!((run.status, run.err.as_str()), (137, ""));
    // The next one is.
    let running =
        place.start("echo ready; until [ -e /go ]; do usleep 10000; done; exec probe memory 65536");
    place.run(&["exec", "/bin/probe", "memory", "65536"]).says(&KILLED);
    fs::write(place.path("/go"), "").unwrap();
    let run = running.end();
    run.ends(137);
    run.says(&KILLED);
}

#[test]
fn a_container_starts_under_128_kib_and_below_what_is_possible_the_limit_is_named() {
    let mut place = Place::new();
    place.config.set("cgroups.memory", "131072");
    place.exec(&["/bin/nothing"]).ends(42);
    place.config.set("cgroups.memory", "4096");
    let run = place.exec(&["/bin/nothing"]);
    assert!(run.status == 137 || run.status == FAILED, "{}: {}", run.status, run.err);
    run.says(&[
        "container.json:3:",
        ": cgroups.memory: out of memory: ",
        "at the limit of 4096 bytes",
    ]);
}

#[test]
fn what_the_limit_kills_inside_is_told_once_and_the_status_stays() {
    let mut place = Place::new();
    place.config.set("cgroups.memory", "8388608").set("cgroups.memory_swap", "8388608");
    let run = place.sh("probe memory 65536; probe memory 65536; exit 3");
    run.ends(3);
    run.says(&[
        KILLED[0],
        "memory: out of memory: 2 processes were killed at the limit of 8388608 b",
    ]);
    assert_eq!(run.err.matches("nsinit: ").count(), 1, "{}", run.err);
    // By a joined command too, and then not again at the container's end.
    let running = place.start("echo ready; sleep 300");
    let run = place.join("probe memory 65536; exit 4");
    run.ends(4);
    run.says(&KILLED);
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().err, "");
    // And in a group inside the container's.
    let running = place
        .start("echo ready; until [ -e /go ]; do usleep 10000; done; probe memory 65536; exit 5");
    let dir = file(&place, ("memory", ""), "");
    fs::create_dir(dir.join("inside")).unwrap();
    for pid in fs::read_to_string(dir.join("cgroup.procs")).unwrap().lines() {
        // A command that has ended meanwhile can't be moved.
        let _ = fs::write(dir.join("inside/cgroup.procs"), pid);
    }
    fs::write(place.path("/go"), "").unwrap();
    let run = running.end();
    run.ends(5);
    run.says(&KILLED);
}

#[test]
fn a_fork_beyond_pids_limit_fails() {
    let mut place = Place::new();
    place.config.set("cgroups.pids_limit", "10");
    let run = place.exec(&["/bin/probe", "forks", "50"]);
    // PID 1 and the command itself are two of them.
    assert_eq!((run.value("forks"), run.value("then")), ("8", "EAGAIN"));
    // 0 is no key, as everywhere in this section, and -1 no limit.
    place.config.set("cgroups.pids_limit", "0");
    assert_eq!(place.exec(&["/bin/probe", "forks", "50"]).value("then"), "ok");
    place.config.set("cgroups.pids_limit", "-1");
    assert_eq!(place.exec(&["/bin/probe", "forks", "50"]).value("then"), "ok");
}

#[test]
fn a_container_that_has_all_its_processes_is_joined_by_no_more() {
    let mut place = Place::new();
    place.config.set("cgroups.pids_limit", "3");
    let running = place.start("echo ready; sleep 300");
    let run = place.run(&["exec", "/bin/true"]);
    match unified() {
        // A process that enters a group there is not counted against its limit.
        true => run.ends(0),
        false => run.ends(FAILED),
    };
    if !unified() {
        run.says(&[
            "fork the command: ",
            "(EAGAIN): the container has all the processes of cgroups.pids_limit",
        ]);
    }
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_kernel_that_can_not_clone_into_a_group_has_it_entered() {
    if !have_strace() {
        skip("no strace");
        return;
    }
    let mut place = Place::new();
    place.config.set("cgroups.pids_limit", "20");
    let args = ["exec", "/bin/sh", "-c", "cat /proc/self/cgroup; probe device c 4 64; exit 5"];
    place.write_config();
    let good = place.run(&args);
    good.ends(5);
    assert_eq!(good.value("open"), "EPERM");
    // No clone3 at all, a filter that forbids it, and, in the launcher alone, one that knows no groups:
    // a process of its own makes none in a container whose first process becomes the command.
    for fault in ["clone3:error=ENOSYS", "clone3:error=EPERM"] {
        let run = inject(&place, &[fault], &args);
        assert!(injected(&place));
        assert_eq!((run.status, &run.out), (5, &good.out), "{fault}: {}", run.err);
    }
    if unified() {
        place.config.set("init", quote("exec"));
        place.write_config();
        for fault in ["clone3:error=E2BIG:when=1", "clone3:error=EINVAL:when=1"] {
            let args = ["exec", "/bin/cat", "/proc/self/cgroup"];
            let run = inject(&place, &[fault], &args);
            assert!(injected(&place));
            assert_eq!(run.ends(0), format!("0::/nsinit-test/{}\n", place.name), "{}", run.err);
        }
    }
    assert_eq!(place.remains(), Vec::<String>::new());
}

#[test]
fn a_busy_loop_gets_its_quota() {
    let mut place = Place::new();
    place.config.set("cgroups.cpu_quota", "10000").set("cgroups.cpu_period", "100000");
    let mut running = place.start("probe share 2; echo ready; sleep 300");
    let out = running.out();
    let share: u32 = crate::world::value(&out, "share").parse().unwrap();
    // A busy machine gives less, never more.
    assert!(share <= 15, "{share} percent instead of 10");
    let stat = value(&place, ("cpu", "cpu.stat"), "cpu.stat");
    let throttled: u32 = crate::world::value(&stat, "nr_throttled").parse().unwrap();
    assert!(throttled > 0, "{stat}");
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn the_command_has_the_cpus_of_its_cpuset() {
    let mut place = Place::new();
    place.config.set("cgroups.cpuset_cpus", quote("1"));
    assert_eq!(place.exec(&["/bin/probe", "affinity"]).value("affinity"), "1");
}

#[test]
fn devices_that_are_not_listed_can_t_be_opened() {
    let mut place = Place::new();
    let probe = |place: &Place, kind: &str, major: &str, minor: &str| {
        place.exec(&["/bin/probe", "device", kind, major, minor]).value("open").to_owned()
    };
    assert_eq!(probe(&place, "c", "1", "5"), "ok");
    assert_eq!(probe(&place, "c", "4", "64"), "EPERM"); // a serial line
    assert_eq!(probe(&place, "b", "7", "0"), "EPERM");
    // One rule is an allow list of one, not the start of a deny list.
    place.config.set("cgroups.allowed_devices", format!("[{}]", rule('c', 1, 3, "rw")));
    let run = place.exec(&["/bin/probe", "device", "c", "1", "5"]);
    assert_eq!(run.value("mknod"), "EPERM");
    let run = place.sh("echo x > /dev/null; head -c 1 /dev/zero");
    assert_eq!(run.err.matches("not permitted").count(), 1, "{}", run.err);
    // Part of what is asked for is not enough.
    place.config.set("cgroups.allowed_devices", format!("[{}]", rule('c', 1, 3, "w")));
    let run = place.sh("echo x > /dev/null && echo fine; echo x 1<>/dev/null");
    assert_eq!((run.out.as_str(), run.err.matches("not permitted").count()), ("fine\n", 1));
    // And no rule is the default list, not leave for all: neither the host's console, nor its first
    // terminals, tun and FUSE, which the list of 2014 had.
    for list in ["[]", "null"] {
        place.config.set("cgroups.allowed_devices", list);
        let script = "for n in 1:3 1:5 1:7 1:8 1:9 5:0 5:2 5:1 4:0 4:1 4:64 10:200 10:229; do \
            rm -f /tmp/node; mknod /tmp/node c ${n%:*} ${n#*:} && \
            (: < /tmp/node) 2>&1 | grep -q 'not permitted' && echo $n; done; \
            echo fine > /dev/null";
        assert_eq!(place.sh(script).ok(), "5:1\n4:0\n4:1\n4:64\n10:200\n10:229\n", "{list}");
    }
    place.config.set("cgroups.allow_all_devices", "true").unset("cgroups.allowed_devices");
    assert_ne!(probe(&place, "c", "4", "64"), "EPERM");
    assert_ne!(probe(&place, "c", "5", "64"), "EPERM");
    place.config.set("cgroups.denied_devices", format!("[{}]", rule('c', 1, 5, "r")));
    assert_eq!(probe(&place, "c", "1", "5"), "EPERM");
    assert_eq!(probe(&place, "c", "1", "3"), "ok");
}

#[test]
fn a_joined_command_has_the_same_devices() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let run = place.run(&["exec", "/bin/probe", "device", "c", "4", "64"]);
    assert_eq!(run.value("open"), "EPERM");
    running.signal(libc::SIGTERM);
    running.end();
}

/// A disk made of a file in memory (loop(4)), gone with this.
struct Disk {
    file: fs::File,
    number: i32,
}

impl Disk {
    fn new() -> Disk {
        // include/uapi/linux/loop.h
        const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4c82;
        const LOOP_SET_FD: libc::Ioctl = 0x4c00;
        let backing = nameless();
        backing.set_len(4 << 20).unwrap();
        let control = fs::File::open("/dev/loop-control").expect("loop devices");
        for _ in 0..100 {
            // SAFETY: neither request takes a pointer.
            let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
            let path = format!("/dev/loop{number}");
            let file = fs::File::options().read(true).write(true).open(path).unwrap();
            // SAFETY: as above. It fails where somebody else was faster.
            if unsafe { libc::ioctl(file.as_raw_fd(), LOOP_SET_FD, backing.as_raw_fd()) } == 0 {
                return Disk { file, number };
            }
        }
        panic!("no free loop device");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        const LOOP_CLR_FD: libc::Ioctl = 0x4c01;
        // SAFETY: it takes no pointer.
        assert_eq!(unsafe { libc::ioctl(self.file.as_raw_fd(), LOOP_CLR_FD) }, 0);
    }
}

#[test]
fn a_throttled_disk_is_slow() {
    let disk = Disk::new();
    let numbers = fs::read_to_string(format!("/sys/block/loop{}/dev", disk.number)).unwrap();
    let numbers = numbers.trim();
    let mut place = Place::new();
    let (major, minor) = numbers.split_once(':').unwrap();
    place.config.set("cgroups.allow_all_devices", "true").unset("cgroups.allowed_devices");
    let script =
        format!("rm -f /tmp/disk; mknod /tmp/disk b {major} {minor} && probe read /tmp/disk 2048");
    let time = |place: &Place| -> u32 { place.sh(&script).value("milliseconds").parse().unwrap() };
    let (bytes, reads) =
        ("cgroups.blkio_throttle_read_bps_device", "cgroups.blkio_throttle_read_iops_device");
    place.config.set(bytes, quote(&format!("{numbers} 1048576")));
    let slow = time(&place);
    place.config.set(bytes, quote(&format!("{numbers} 0")));
    let free = time(&place);
    // 32 reads, at ten a second.
    place.config.set(reads, quote(&format!("{numbers} 10")));
    let few = time(&place);
    assert!(slow > 1_000 && few > 1_000 && free < 1_000, "{slow} {few}, {free} ms without a limit");
}

#[test]
fn a_limit_that_this_host_can_t_keep_is_an_error_with_its_place() {
    let mut place = Place::new();
    for (key, json, words) in [
        ("cpuset_cpus", quote("0-777"), "cgroups.cpuset_cpus: this host has 0"),
        ("cpuset_mems", quote("9"), "cgroups.cpuset_mems: this host has 0"),
        (
            "blkio_throttle_read_bps_device",
            quote("99:7 1"),
            "cgroups.blkio_throttle_read_bps_device: there is no block device 99:7",
        ),
        ("cpu_quota", "1".to_owned(), "cgroups.cpu_quota: expected -1, or at least 1000"),
        ("memory", "-5".to_owned(), "cgroups.memory: expected an integer from -1 to"),
        ("name", quote("a/../b"), "cgroups.name: it contains a '/'"),
        ("name", quote("cgroup.procs"), "cgroups.name: the kernel has a file of that name"),
        ("name", quote(&"n".repeat(256)), "cgroups.name: a name is at most 255 bytes long"),
        ("parent", quote("x/cgroup.procs/y"), "cgroups.parent: the kernel has a file of that name"),
        ("parent", quote("/cgroup.procs"), "cgroups.parent: the kernel has a file of that name"),
        ("parent", quote(&"p".repeat(256)), "cgroups.parent: a name is at most 255 bytes long"),
        ("parent", quote(&"p/".repeat(2048)), "cgroups.parent: the group's path is longer than"),
        (
            "pids_limit",
            "1".to_owned(),
            "cgroups.pids_limit: must be at least 2 (init and the command)",
        ),
        ("kernel_memory", "4096".to_owned(), "cgroups.kernel_memory: this kernel limits it with"),
    ] {
        place.config.set(&format!("cgroups.{key}"), json);
        place.exec(&["/bin/true"]).fails(&["nsinit: container.json:3:", words]);
        assert_eq!(place.remains(), Vec::<String>::new());
        assert_eq!(cgroups("x"), Vec::<PathBuf>::new());
        let name = quote(&place.name);
        place.config.unset(&format!("cgroups.{key}")).set("cgroups.name", name);
        place.config.set("cgroups.parent", quote("nsinit-test"));
    }
    place.config.set("cgroups.hugetlb_limit", r#"[{"page_size": "3MB", "limit": 3}]"#);
    let run = place.exec(&["/bin/true"]);
    // One host has the controller but not the size, the other not the controller.
    let hybrid = fs::read_to_string("/sys/fs/cgroup/unified/cgroup.controllers");
    let mounted = unified()
        || Path::new("/sys/fs/cgroup/hugetlb").exists()
        || hybrid.is_ok_and(|controllers| controllers.contains("hugetlb"));
    run.fails(match mounted {
        true => &["hugetlb_limit[0].page_size: this machine has no pages of 3072 KiB"],
        false => {
            &["hugetlb_limit[0]: it needs the control group controller hugetlb; ", "here: devices"]
        }
    });
}

#[test]
fn a_controller_is_needed_only_for_a_limit() {
    let mut place = Place::new();
    place
        .config
        .set("cgroups.memory", "-1")
        .set("cgroups.memory_swap", "-1")
        .set("cgroups.memory_reservation", "-1")
        .set("cgroups.cpu_quota", "-1")
        .set("cgroups.pids_limit", "-1")
        .set("cgroups.allow_all_devices", "true");
    let exec = |place: &Place| {
        place.write_config();
        let none = "umount -a -l -t cgroup,cgroup2 && exec \"$@\"";
        let by = ["unshare", "-m", "sh", "-c", none, "sh"];
        spawn(&mut place.wrapped(&by, &["exec", "/bin/nothing"])).end()
    };
    let run = exec(&place);
    run.ends(42);
    run.says(&["no control group hierarchy is mounted: the container stays in the caller's"]);
    // What the file does not say and libcontainer did all the same is at its section's place.
    place.config.unset("cgroups.allow_all_devices").unset("cgroups.allowed_devices");
    let words = "cgroups.allowed_devices: it needs the control group controller devices; ";
    exec(&place).fails(&["nsinit: container.json:3:14: ", words, "here: none"]);
}

#[test]
fn a_key_without_a_like_is_a_warning_that_names_it() {
    let mut place = Place::new();
    place
        .config
        .set("cgroups.net_cls_classid", quote("0x100001"))
        .set("cgroups.net_prio_ifpriomap", r#"[{"interface": "lo", "priority": 5}]"#)
        .set("cgroups.memory", "67108864")
        .set("cgroups.kernel_memory", "33554432")
        .set("cgroups.memory_swappiness", "10")
        .set("cgroups.oom_kill_disable", "true");
    let run = place.exec(&["/bin/true"]);
    run.ends(0);
    let text =
        |key: &str| format!("cgroups.{key}: not supported by this host's control groups: ignored");
    for key in ["net_cls_classid", "net_prio_ifpriomap", "kernel_memory"] {
        run.says(&[&text(key)]);
    }
    for key in ["memory_swappiness", "oom_kill_disable"] {
        assert_eq!(run.err.contains(&text(key)), unified(), "{}", run.err);
    }
}

#[test]
fn groups_that_were_made_inside_go_too() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    for dir in cgroups(&place.name) {
        fs::create_dir_all(dir.join("a/b/c")).unwrap();
        fs::create_dir_all(dir.join("deep/".repeat(100))).unwrap();
        fs::create_dir(dir.join("a/d")).unwrap();
    }
    let procs = file(&place, ("cpu", "a/b/c/cgroup.procs"), "a/b/c/cgroup.procs");
    fs::write(procs, place.init_pid().to_string()).unwrap();
    running.signal(libc::SIGTERM);
    running.end();
    assert_eq!(cgroups(&place.name), Vec::<PathBuf>::new());
}

#[test]
fn a_container_that_sorts_its_processes_into_groups_is_joined_there() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let dir = file(&place, ("pids", ""), "");
    let inside = dir.join("inside");
    fs::create_dir(&inside).unwrap();
    for pid in fs::read_to_string(dir.join("cgroup.procs")).unwrap().lines() {
        fs::write(inside.join("cgroup.procs"), pid).unwrap();
    }
    if unified() {
        // From now on the container's own group has no room for processes.
        fs::write(dir.join("cgroup.subtree_control"), "+pids").unwrap();
    }
    let run = place.join("cat /proc/self/cgroup");
    let end = if unified() { "/inside\n" } else { "\n" };
    assert!(run.ok().contains(&format!("/nsinit-test/{}{end}", place.name)), "{}", run.out);
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_container_that_was_moved_to_another_group_is_acted_on_there() {
    let place = Place::new();
    // All of its groups, or one.
    for some in [usize::MAX, 1] {
        let running = place.start("trap 'exit 7' TERM; echo ready; while :; do usleep 20000; done");
        let mut moved = Vec::new();
        for dir in cgroups(&place.name).into_iter().take(some) {
            let new = dir.with_file_name(format!("{}-elsewhere", place.name));
            fs::create_dir(&new).unwrap();
            for file in ["cpuset.cpus", "cpuset.mems"] {
                // Of v1's cpuset alone.
                if let Ok(list) =
                    fs::read_to_string(dir.join(file)).map(|list| list.trim().to_owned())
                    && !list.is_empty()
                {
                    fs::write(new.join(file), list).unwrap();
                }
            }
            until("the group is gone", || {
                for pid in fs::read_to_string(dir.join("cgroup.procs")).unwrap().lines() {
                    let _ = fs::write(new.join("cgroup.procs"), pid);
                }
                fs::remove_dir(&dir).is_ok()
            });
            moved.push(new);
        }
        let groups = place.join("cat /proc/self/cgroup");
        let there = groups.ok().lines().filter(|line| line.ends_with("-elsewhere")).count();
        assert_eq!(there, moved.len(), "{}", groups.out);
        assert!(place.run(&["stats"]).ok().contains("\"current\":"));
        place.run(&["ps"]).ok();
        place.run(&["pause"]).ok();
        place.run(&["exec", "/bin/true"]).fails(&["it is paused"]);
        place.run(&["unpause"]).ok();
        // Nothing of the host's is stopped with it.
        let freezer =
            moved.iter().find(|dir| unified() || dir.starts_with("/sys/fs/cgroup/freezer"));
        if let Some(freezer) = freezer {
            let mut stranger = std::process::Command::new("sleep").arg("60").spawn().unwrap();
            fs::write(freezer.join("cgroup.procs"), stranger.id().to_string()).unwrap();
            let run = place.run(&["pause"]);
            stranger.kill().unwrap();
            stranger.wait().unwrap();
            run.fails(&[
                "freeze ",
                "-elsewhere: the container was moved there, and other processes",
            ]);
        }
        place.run(&["kill", "TERM"]).ok();
        running.end().ends(7);
        for dir in moved {
            until("the group is empty", || fs::remove_dir(&dir).is_ok());
            // Unless another test's is in it too.
            let _ = fs::remove_dir(dir.parent().unwrap());
        }
    }
}

#[test]
fn a_group_that_another_container_is_in_is_refused() {
    let (mut place, other) = (Place::new(), Place::new());
    let running = other.start("echo ready; sleep 300");
    place.config.set("cgroups.name", quote(&other.name));
    let run = place.exec(&["/bin/true"]);
    run.fails(&["nsinit: container.json:3:", "cgroups.name: another container is in this group"]);
    run.says(&[&other.name, "give each one of its own"]);
    assert!(!cgroups(&other.name).is_empty());
    assert_eq!(other.join("echo fine").ok(), "fine\n");
    // A parent is what can be shared, and the name can be had when the other is gone.
    place.config.set("cgroups.name", quote(&place.name));
    place.exec(&["/bin/true"]).ok();
    running.signal(libc::SIGTERM);
    running.end();
    place.config.set("cgroups.name", quote(&other.name));
    place.exec(&["/bin/true"]).ok();
}

#[test]
fn a_process_that_somebody_put_there_is_named() {
    let mut place = Place::new();
    let parent = format!("{}-parent", place.name);
    place.config.set("cgroups.parent", quote(&format!("/{parent}")));
    let running = place.start("echo ready; sleep 300");
    let mut stranger = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let procs = file(&place, ("pids", "cgroup.procs"), "cgroup.procs");
    fs::write(procs, stranger.id().to_string()).unwrap();
    running.signal(libc::SIGTERM);
    let run = running.end();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    run.ends(FAILED);
    run.says(&["remove control group ", &format!("process {}", stranger.id())]);
    // Empty now, the next start makes use of it and takes it away.
    place.sh("exit 3").ends(3);
    assert_eq!(cgroups(&parent), Vec::<PathBuf>::new());
}

#[test]
fn what_a_killed_launcher_leaves_the_next_one_cleans() {
    let place = Place::new();
    let running = place.start("sleep 300 & echo ready; sleep 300");
    let dirs = cgroups(&place.name);
    for dir in &dirs {
        fs::create_dir(dir.join("inside")).unwrap();
    }
    place.kill_launcher(running);
    assert!(dirs.iter().all(|dir| dir.exists()));
    place.sh("exit 4").ends(4);
    assert!(dirs.iter().all(|dir| !dir.exists()));
}

#[test]
fn without_a_pid_namespace_what_the_command_left_is_killed() {
    let mut place = Place::new();
    place.config.unset("namespaces.NEWPID");
    place.sh("setsid sleep 301 & sleep 302 & exit 7").ends(7);
    until("all is gone", || place.processes().is_empty());
}

#[test]
fn a_cgroup_namespace_is_rooted_in_the_group_and_a_mount_shows_it_alone() {
    let mut place = Place::new();
    for key in ["mount_config", "restrict_sys", "networks", "hostname", "tty", "namespaces"] {
        place.config.unset(key);
    }
    let root = quote(place.root.to_str().unwrap());
    place
        .config
        .set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}, {"type": "NEWCGROUP"}]"#)
        .set("rootfs", root)
        .set(
            "mounts",
            r#"[{"device": "proc", "source": "proc", "destination": "/proc", "flags": 14},
            {"device": "sysfs", "source": "sysfs", "destination": "/sys", "flags": 15},
            {"device": "cgroup", "source": "cgroup", "destination": "/sys/fs/cgroup", "flags": 15}]"#,
        );
    let run = place.sh(
        "cat /proc/self/cgroup; cd /sys/fs/cgroup; ls -d memory/tasks cgroup.procs 2>/dev/null; \
         head -n 1 cgroup.procs pids/cgroup.procs 2>/dev/null; mkdir x pids/x 2>&1; exit 0",
    );
    run.ends(0);
    assert!(run.out.contains(if unified() { "0::/\n" } else { ":pids:/\n" }), "{}", run.out);
    let there = if unified() { "\ncgroup.procs\n" } else { "\nmemory/tasks\n" };
    assert!(run.out.contains(there) && run.out.contains("\n1\n"), "{}", run.out);
    assert!(run.out.contains("Read-only file system"), "{}", run.out);
}

#[test]
fn a_relative_name_counts_from_the_launchers_group() {
    let mut place = Place::new();
    place.config.set("cgroups.memory", "67108864");
    let own = format!("{}-own", place.name);
    let tops: Vec<PathBuf> = match unified() {
        true => vec!["/sys/fs/cgroup".into()],
        false => fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|e| e.path()).collect(),
    };
    let groups: Vec<PathBuf> = tops.iter().map(|top| top.join(&own)).collect();
    if unified() {
        // The launcher's group does not even have the controller, but one beside it can.
        fs::write("/sys/fs/cgroup/cgroup.subtree_control", "-memory").unwrap();
    }
    for group in &groups {
        fs::create_dir(group).unwrap();
        for file in ["cpuset.cpus", "cpuset.mems"] {
            // Only v1 has it in the top group.
            if let Ok(value) = fs::read_to_string(group.parent().unwrap().join(file)) {
                fs::write(group.join(file), value).unwrap();
            }
        }
    }
    place.write_config();
    let enter = |g: &PathBuf| format!("echo 0 > {}/cgroup.procs; ", g.display());
    let script = groups.iter().map(enter).collect::<String>() + "exec \"$@\"";
    let args = ["exec", "/bin/cat", "/proc/self/cgroup"];
    let run = spawn(&mut place.wrapped(&["sh", "-c", &script, "sh"], &args)).end();
    for group in &groups {
        until("the launcher's group is empty", || fs::remove_dir(group).is_ok());
    }
    // In version 2 a group with processes can't limit those below it: it is beside the launcher's.
    let below = format!("/{own}/nsinit-test/{}\n", place.name);
    let beside = format!("0::/nsinit-test/{}\n", place.name);
    assert!(run.ok().contains(if unified() { &beside } else { &below }), "{}", run.out);
}

#[test]
fn a_container_may_start_frozen() {
    let mut place = Place::new();
    place.config.set("cgroups.freezer", quote("FROZEN"));
    place.write_config();
    let script = ["exec", "/bin/sh", "-c", "while :; do :; done"];
    let running = spawn(&mut place.command(&script));
    let (name, thaw) = match unified() {
        true => ("cgroup.freeze", "0"),
        false => ("freezer.state", "THAWED"),
    };
    let frozen = || match unified() {
        true => value(&place, ("", ""), "cgroup.events").contains("frozen 1"),
        false => value(&place, ("freezer", name), "") == "FROZEN",
    };
    until("it is there", || !cgroups(&place.name).is_empty() && place.state().is_some());
    until("it is frozen", frozen);
    let ticks = || fs::read_to_string(format!("/proc/{}/stat", place.init_pid())).unwrap();
    let before = ticks();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(before, ticks());
    fs::write(file(&place, ("freezer", name), name), thaw).unwrap();
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_command_that_starts_frozen_does_nothing_before_it_is_thawed() {
    let mut place = Place::new();
    place.config.set("cgroups.freezer", quote("FROZEN"));
    for init in ["reap", "exec"] {
        place.config.set("init", quote(init));
        place.write_config();
        for (command, status) in [("/bin/nothing", 42), ("/bin/missing", 127)] {
            let mut running = spawn(&mut place.command(&["exec", command]));
            until("it is there", || place.state().is_some());
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(running.child.try_wait().unwrap(), None, "{init} {command}");
            place.run(&["exec", "/bin/true"]).fails(&["it is paused"]);
            place.run(&["unpause"]).ok();
            let run = running.end();
            run.ends(status);
            assert_eq!(run.err.contains("/bin/missing"), status == 127, "{}", run.err);
        }
    }
}
