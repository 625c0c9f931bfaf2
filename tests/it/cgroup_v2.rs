//! The tests of limits, and of the verbs that control groups are behind, again, in a virtual machine whose
//! kernel has version 2 alone, with AppArmor and without: the test program itself runs in there, one test
//! after the other. And a machine whose hierarchies are mixed otherwise than this host's.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::config::{Config, quote};
use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::trace::have_strace;
use crate::world::{Place, programs, skip};

on_each_arch!(
    rare_keys_on_version_1,
    rare_keys_on_version_2,
    keys_go_to_version_2_where_version_1_lacks_their_controller
);

/// The tests that run inside, on the host's kind of machine alone: for another the test program would have to
/// be built, with Rust's standard library; by the beginnings of their names.
const TESTS: [&str; 6] = ["cgroup_limits::", "pause::", "oom::", "stats::", "ps::", "kill::"];

/// Runs these tests in a machine of version 2 alone, with words on the kernel's command line; what it
/// says. `least` of them must pass.
#[track_caller]
fn run_inside(append: &str, tests: &[&str], least: usize) -> Option<String> {
    if !have_strace() {
        skip("no strace");
        return None;
    }
    let place = Place::new();
    let mut machine = Machine::new(&place)?;
    machine.module("loop");
    machine.append = append.to_owned();
    machine.qemu.extend(["-smp".into(), "2".into()]);
    machine.limit = Duration::from_secs(600);
    let program = std::env::current_exe().unwrap();
    machine.host_program(&program);
    machine.host_program(Path::new("/usr/bin/strace"));
    // What it looks for at the places where it was built.
    let probes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/probe");
    for dir in [&programs(), &probes] {
        let inside = machine.root.join(dir.strip_prefix("/").unwrap());
        fs::create_dir_all(&inside).unwrap();
        for entry in fs::read_dir(dir).unwrap().flatten() {
            fs::copy(entry.path(), inside.join(entry.file_name())).unwrap();
        }
    }
    let busybox = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/static-busybox");
    let busybox = busybox.strip_prefix("/").unwrap().to_str().unwrap();
    machine.program(busybox, "#!/bin/sh\necho /bin/busybox\n");
    let said = machine.script(&format!(
        "mount -t cgroup2 cgroup2 /sys/fs/cgroup; mkdir /dev/pts; mount -t devpts devpts /dev/pts\n\
         mount -t securityfs securityfs /sys/kernel/security; echo \"LSM $(cat /sys/kernel/security/lsm)\"\n\
         export NSINIT=/bin/nsinit RUST_BACKTRACE=0 PATH=/bin:/usr/bin\n\
         touch {}/*\n\
         for t in $(for b in {tests}; do {it} --list $b; done | sed -n 's/: test$//p'); do\n\
         if {it} --exact $t --test-threads 1 --nocapture > /out 2>&1; then\n\
         echo \"PASSED $t\"; grep SKIPPED /out\n\
         else echo \"FAILED $t\"; cat /out; fi\ndone",
        programs().display(),
        tests = tests.join(" "),
        it = program.display(),
    ));
    println!("{said}");
    let count = |word: &str| said.lines().filter(|line| line.starts_with(word)).count();
    assert!(count("PASSED ") >= least, "{said}");
    assert_eq!((count("FAILED "), count("SKIPPED")), (0, 0), "{said}");
    Some(said)
}

/// Whether the machine's kernel has AppArmor on.
#[track_caller]
fn has_apparmor(said: &str) -> bool {
    // The firmware's escape sequences are before it.
    let line = said.lines().find_map(|line| Some(line.split_once("LSM ")?.1));
    line.expect("no securityfs").split(',').any(|module| module == "apparmor")
}

#[test]
fn limits_hold_on_a_host_with_version_2_alone() {
    let Some(said) = run_inside("apparmor=0", &TESTS, 50) else { return };
    assert!(!has_apparmor(&said), "{said}");
}

#[test]
fn limits_hold_on_a_host_with_version_2_and_apparmor() {
    let tests = ["cgroup_limits::", "pause::who_joins", "oom::a_line", "kill::all_is"];
    let append = "apparmor=1 lsm=capability,apparmor";
    let Some(said) = run_inside(append, &tests, 20) else { return };
    assert!(has_apparmor(&said), "{said}");
}

/// A machine with a disk of the scheduler BFQ, the only one that knows weights, and a container that
/// has a key for everything that few hosts have; what its files of these names say.
fn rare_keys(arch: Arch, mount: &str, files: &[&str]) -> Option<String> {
    let place = Place::new();
    let mut machine = Machine::of(&place, arch)?;
    if mount.contains("memory") && !machine.has_version_1() {
        return None;
    }
    machine.module("loop");
    machine.module("bfq");
    let mut config = Config::new("leaf");
    config
        .set("cgroups.memory", "33554432")
        .set("cgroups.memory_swappiness", "7")
        .set("cgroups.oom_kill_disable", "true")
        .set("cgroups.blkio_weight", "300")
        .set("cgroups.blkio_weight_device", quote("7:0 77"))
        .set("cgroups.blkio_throttle_read_bps_device", quote("7:0 1000000"))
        .set("cgroups.blkio_throttle_write_bps_device", quote("7:0 2000000"))
        .set("cgroups.blkio_throttle_read_iops_device", quote("7:0 100"))
        .set("cgroups.blkio_throttle_write_iops_device", quote("7:0 200"))
        .set("cgroups.hugetlb_limit", r#"[{"page_size": "2MB", "limit": 4194304}]"#)
        .set("cgroups.net_cls_classid", quote("0x100001"))
        .set("cgroups.net_prio_ifpriomap", r#"[{"interface": "lo", "priority": 5}]"#);
    machine.container("container", &config);
    let said = machine.script(&format!(
        "echo; dd if=/dev/zero of=/disk bs=1M count=1 2>/dev/null; losetup /dev/loop0 /disk\n\
         echo bfq > /sys/block/loop0/queue/scheduler\n\
         {mount}\n\
         cd /container; nsinit exec /bin/sh -c 'touch /up; sleep 300' &\n\
         until [ -e up ]; do usleep 50000; done\n\
         for name in {}; do find /sys/fs/cgroup -path '*/leaf/*' -name $name | while read file; do\n\
         echo FILE $name $(cat $file); done; done\n\
         nsinit kill KILL; wait\n\
         echo LEFT $(find /sys/fs/cgroup -name leaf -o -name nsinit-test)",
        files.join(" "),
    ));
    assert!(said.lines().any(|line| line.trim_end() == "LEFT"), "{said}");
    Some(said)
}

fn rare_keys_on_version_1(arch: Arch) {
    let mount = "mount -t tmpfs tmpfs /sys/fs/cgroup; cd /sys/fs/cgroup\n\
        for c in memory devices blkio hugetlb net_cls net_prio; do\n\
        mkdir $c; mount -t cgroup -o $c cgroup $c; done";
    let files = [
        "memory.swappiness 7",
        "memory.oom_control oom_kill_disable 1 ",
        "blkio.bfq.weight 300",
        "blkio.bfq.weight_device default 300 7:0 77",
        "blkio.throttle.read_bps_device 7:0 1000000",
        "blkio.throttle.write_bps_device 7:0 2000000",
        "blkio.throttle.read_iops_device 7:0 100",
        "blkio.throttle.write_iops_device 7:0 200",
        "hugetlb.2MB.limit_in_bytes 4194304",
        "net_cls.classid 1048577",
        "net_prio.ifpriomap lo 5",
    ];
    let names = files.map(|line| line.split(' ').next().unwrap());
    let Some(said) = rare_keys(arch, mount, &names) else { return };
    for line in files {
        assert!(said.contains(&format!("FILE {line}")), "no {line:?} in\n{said}");
    }
    assert!(!said.contains(": ignored"), "{said}");
}

fn rare_keys_on_version_2(arch: Arch) {
    let files = [
        "io.bfq.weight default 300 7:0 77",
        "io.max 7:0 rbps=1000000 wbps=2000000 riops=100 wiops=200",
        "hugetlb.2MB.max 4194304",
    ];
    let names = files.map(|line| line.split(' ').next().unwrap());
    let Some(said) = rare_keys(arch, "mount -t cgroup2 cgroup2 /sys/fs/cgroup", &names) else {
        return;
    };
    for line in files {
        assert!(said.contains(&format!("FILE {line}")), "no {line:?} in\n{said}");
    }
    let keys = ["memory_swappiness", "oom_kill_disable", "net_cls_classid", "net_prio_ifpriomap"];
    for key in keys {
        assert!(said.contains(&format!("cgroups.{key}: not supported by")), "no {key} in\n{said}");
    }
    assert_eq!(said.matches(": ignored").count(), keys.len(), "{said}");
}

fn keys_go_to_version_2_where_version_1_lacks_their_controller(arch: Arch) {
    let place = Place::new();
    let Some(machine) = Machine::of(&place, arch) else { return };
    if !machine.has_version_1() {
        return;
    }
    let mut config = Config::new("leaf");
    config
        .set("cgroups.memory", "33554432")
        .set("cgroups.memory_swap", "33554432")
        .set("cgroups.pids_limit", "9")
        .set("cgroups.cpu_shares", "512");
    machine.container("container", &config);
    let said = machine.script(
        "echo; mount -t tmpfs tmpfs /sys/fs/cgroup; cd /sys/fs/cgroup\n\
         for c in cpu cpuset devices freezer; do mkdir $c; mount -t cgroup -o $c cgroup $c; done\n\
         mkdir unified; mount -t cgroup2 cgroup2 unified; cd /container\n\
         nsinit exec /bin/sh -c 'cat /proc/self/cgroup | sed \"s/^/inside /\"; touch /up; sleep 300' &\n\
         until [ -e up ]; do usleep 50000; done\n\
         find /sys/fs/cgroup -path '*leaf/*' | while read f; do case $f in\n\
         */cpu.shares|*/memory.max|*/memory.swap.max|*/pids.max) echo limit $f $(cat $f);; esac; done\n\
         nsinit exec /bin/cat /proc/self/cgroup | sed 's/^/joined /'\n\
         nsinit exec /bin/probe memory 65536; echo KILLED $?\n\
         nsinit pause; echo PAUSED $(cat /sys/fs/cgroup/freezer/nsinit-test/leaf/freezer.state); nsinit unpause\n\
         nsinit stats | tr ',{}' '\\n' | grep -E '\"(limit|current|usage)\"' | sort | uniq -c | sed 's/^/stats /'\n\
         nsinit ps | grep -c 'sleep 300'\n\
         nsinit kill; wait\n\
         nsinit exec /bin/probe forks 20\n\
         nsinit exec /bin/probe device c 4 64\n\
         echo LEFT $(find /sys/fs/cgroup -name leaf -o -name nsinit-test)",
    );
    for words in [
        "unified/nsinit-test/leaf/memory.max 33554432",
        "unified/nsinit-test/leaf/memory.swap.max 0",
        "unified/nsinit-test/leaf/pids.max 9",
        "cpu/nsinit-test/leaf/cpu.shares 512",
        "KILLED 137",
        "PAUSED FROZEN",
        "forks 7\nthen EAGAIN",
        "open EPERM",
    ] {
        assert!(said.contains(words), "no {words:?} in\n{said}");
    }
    for word in ["inside ", "joined "] {
        let groups = said.lines().filter(|line| line.starts_with(word));
        let ours = groups.filter(|line| line.ends_with(":/nsinit-test/leaf")).count();
        assert_eq!(ours, 5, "{said}");
    }
    assert!(said.lines().any(|line| line.trim_end() == "LEFT"), "{said}");
}
