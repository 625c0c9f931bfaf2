//! `nsinit.cgroup=`: which control group hierarchy a machine gets.

use crate::config::{Config, strings};
use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::Place;

on_each_arch!(
    v1_is_a_hierarchy_for_each_controller,
    none_is_none_and_a_container_that_needs_it_says_so
);

/// What there is, and which group a container is in that asks for a limit.
const LOOK: &str = "while read id parent dev root point options rest; do \
    case $point in /sys/fs/cgroup*) echo \"MOUNT $point $rest\";; esac; done < /proc/self/mountinfo\n\
    echo SUBTREE $(cat /sys/fs/cgroup/cgroup.subtree_control) END";

/// A container of onboot with a limit of its own, that tells of its group.
fn limited(machine: &Machine) {
    machine.boots("onboot", "one", "");
    let mut config = Config::new("limited");
    config.set("rootfs", "\"rootfs\"").set("cgroups.memory", "33554432");
    config.set("service.on_failure", "\"continue\"");
    let script = "cat /proc/self/cgroup";
    config.set("command.args", strings(&["/bin/sh", "-c", script]));
    std::fs::write(machine.root.join("containers/onboot/one/container.json"), config.text())
        .unwrap();
}

fn v1_is_a_hierarchy_for_each_controller(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    if !machine.has_version_1() {
        return;
    }
    machine.nsinit_is_init();
    limited(&machine);
    machine.append += "nsinit.cgroup=v1";
    machine.rescue(LOOK);
    let said = machine.boot();
    for name in ["memory", "cpu", "cpuset", "devices", "freezer", "pids", "blkio"] {
        let mount = format!("MOUNT /sys/fs/cgroup/{name} - cgroup cgroup rw,{name}");
        assert!(said.contains(&mount), "no {mount:?} in:\n{said}");
    }
    assert!(
        said.contains("MOUNT /sys/fs/cgroup/systemd - cgroup cgroup rw,name=systemd"),
        "{said}"
    );
    assert!(!said.contains("- cgroup2"), "{said}");
    // A container's limits are kept there.
    assert!(said.contains(":memory:/nsinit-test/limited"), "{said}");
    assert!(said.contains("reboot: Power down") && !said.contains("warning"), "{said}");
}

fn none_is_none_and_a_container_that_needs_it_says_so(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    limited(&machine);
    machine.append += "nsinit.cgroup=none";
    machine.boots("onboot", "0-first", "echo FIRST");
    machine.rescue(LOOK);
    let said = machine.boot();
    assert!(!said.contains("MOUNT") && said.contains("SUBTREE END"), "{said}");
    assert!(said.contains("0-first: FIRST"), "{said}");
    let why = "it needs the control group controller devices; those that can be had here: none";
    assert!(said.contains(&format!("cgroups.allowed_devices: {why}")), "{said}");
    assert!(said.contains("reboot: Power down"), "{said}");
}
