//! nsinit as /init of an initramfs: what it mounts, and that any runtime works there unmodified.

use std::fs;
use std::path::Path;

use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::Place;

on_each_arch!(
    it_boots_into_a_container_and_powers_off,
    everything_is_mounted_once,
    crun_works_there_unmodified,
    without_devtmpfs_it_makes_the_nodes
);

fn it_boots_into_a_container_and_powers_off(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.boots("onboot", "10-first", "echo FIRST $(hostname) $$; ls /init /containers; true");
    machine.boots("onboot", "20-second", "echo SECOND; ip addr show lo");
    machine.append += "nsinit.nonsense=1 nsinit.idle=nonsense";
    let said = machine.boot();
    assert!(said.contains("FIRST koye 2"), "{said}");
    assert!(said.contains("ls: /init: No such file"), "{said}");
    assert!(said.find("FIRST") < said.find("SECOND"), "{said}");
    assert!(said.contains("reboot: Power down"), "{said}");
    for word in [
        "nsinit.nonsense=1: unknown option; ignored",
        "nsinit.idle=nonsense: unknown value; option ignored (it takes poweroff, reboot, halt, shell or stay)",
    ] {
        assert!(said.contains(word), "{said}");
    }
}

fn everything_is_mounted_once(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.only(
        "while read id parent dev root point options rest; do echo \"MOUNT $point $options $rest\"; done < /proc/self/mountinfo\n\
        echo GROUP $(cat /proc/1/cgroup) $(cat /sys/fs/cgroup/cgroup.subtree_control) END\n\
        echo NAME $(hostname); ip addr show lo; ls -l /proc/1/fd; ulimit -c\n\
        echo LINKS $(for name in fd stdin stdout stderr; do readlink /dev/$name; done) END",
    );
    machine.append += " nsinit.hostname=koye";
    let said = machine.boot();
    for (point, kind) in [
        ("/proc", "nosuid,nodev,noexec,relatime - proc"),
        ("/sys", "nosuid,nodev,noexec,relatime - sysfs"),
        ("/dev", "- devtmpfs"),
        ("/dev/pts", "gid=5,mode=620,ptmxmode=666"),
        ("/dev/shm", "nosuid,nodev,relatime - tmpfs"),
        ("/dev/mqueue", "- mqueue"),
        ("/run", "- tmpfs"),
        ("/tmp", "- tmpfs"),
        ("/sys/fs/cgroup", "- cgroup2"),
    ] {
        let lines: Vec<&str> =
            said.lines().filter(|line| line.starts_with(&format!("MOUNT {point} "))).collect();
        assert_eq!(lines.len(), 1, "{point}\n{said}");
        assert!(lines[0].contains(kind), "{}", lines[0]);
    }
    assert!(said.contains("GROUP 0::/init cpuset cpu io memory "), "{said}");
    let links = "/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2";
    assert!(said.contains(&format!("LINKS {links} END")), "{said}");
    assert!(said.contains("NAME koye") && said.contains("inet 127.0.0.1/8"), "{said}");
}

fn crun_works_there_unmodified(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    let crun = Path::new("/usr/bin/crun");
    if !arch.host(crun).exists() {
        return crate::world::skip("no crun: apt-get install crun");
    }
    machine.nsinit_is_init();
    machine.host_program(crun);
    machine.container("bundle/rootfs", &crate::config::Config::empty());
    machine.only(
        "cd /bundle; /usr/bin/crun spec\n\
        sed -i 's/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"ls\", \"\\/init\", \"\\/bin\\/busybox\"/' config.json\n\
        /usr/bin/crun run it; echo STATUS $?",
    );
    let said = machine.boot();
    assert!(said.contains("ls: /init: No such file"), "{said}");
    assert!(said.contains("/bin/busybox\nSTATUS 1"), "{said}");
}

fn without_devtmpfs_it_makes_the_nodes(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    let console = format!("/dev/{}", arch.console());
    let nodes = [
        ("crw-rw-rw-", "/dev/null"),
        ("crw-rw-rw-", "/dev/zero"),
        ("crw-rw-rw-", "/dev/tty"),
        ("crw-r--r--", "/dev/kmsg"),
        ("crw-------", &console),
        ("crw-------", "/dev/console"),
        ("crw-------", "/dev/input/event0"),
    ];
    machine.keyboard();
    machine.module("evdev");
    let names: Vec<&str> = nodes.iter().map(|(_, name)| *name).collect();
    machine.only(&format!("ls -l {}", names.join(" ")));
    std::fs::create_dir(machine.root.join("sbin")).unwrap();
    std::fs::copy(arch.nsinit(), machine.root.join("sbin/init")).unwrap();
    // No stock kernel is without it: somebody else was there first, and has left /dev empty.
    machine.program(
        "init",
        "#!/bin/sh\nexport PATH=/bin\nmount -t tmpfs dev /dev\nexec /sbin/init \"$@\"\n",
    );
    let said = machine.boot();
    for (mode, node) in nodes {
        let line = said.lines().find(|line| line.ends_with(node) && line.contains("root"));
        assert!(line.is_some_and(|line| line.starts_with(mode)), "{node}: {said}");
    }
    assert!(said.contains("reboot: Power down"), "{said}");
}

/// The rest is the same on every machine.
#[test]
fn modules_that_can_not_be_loaded_are_told() {
    let place = Place::new();
    let Some(machine) = Machine::of(&place, Arch::X86_64) else { return };
    machine.nsinit_is_init();
    machine.boots("onboot", "one", "echo AFTER ALL");
    let dir = machine.root.join("modules");
    fs::create_dir_all(&dir).unwrap();
    for n in 0..129 {
        fs::write(dir.join(format!("{n:03}.ko")), "no module").unwrap();
    }
    let said = machine.boot();
    for words in [
        "warning: read /modules: there are more than 128 names in it",
        "warning: load the module /modules/000.ko: Exec format error (ENOEXEC)",
        "warning: load the module /modules/127.ko",
        "one: AFTER ALL",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
}
