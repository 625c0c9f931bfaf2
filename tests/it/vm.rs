//! In a virtual machine, where nsinit runs from an initramfs: the root of a kernel's first process
//! can't be pivoted away the usual way.

use std::path::Path;

use crate::config::Config;
use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::Place;

on_each_arch!(
    from_an_initramfs_it_pivots_all_the_same,
    from_an_initramfs_it_joins_and_dies_whole,
    with_every_capability_and_a_stock_kernel,
    the_machine_takes_modules_and_programs_along
);

fn machine_config() -> Config {
    let mut config = Config::new("container");
    // The stock kernel's controllers are all of version 2, which is not mounted here.
    config.unset("cgroups");
    config
}

fn from_an_initramfs_it_pivots_all_the_same(arch: Arch) {
    let place = Place::new();
    let Some(machine) = Machine::of(&place, arch) else { return };
    machine.container("container", &machine_config());
    let said = machine.script(
        "cd /container\n\
        nsinit exec /bin/sh -c 'hostname; echo inside $$; ls /container /init; ls /; cut -d\" \" -f5 /proc/self/mountinfo; exit 5'\n\
        echo STATUS $?\n\
        ls /container/state.json; cut -d' ' -f5 /proc/self/mountinfo | sort | tr '\\n' ' '; echo",
    );
    assert!(said.contains("koye\ninside "), "{said}");
    assert!(said.contains("STATUS 5"), "{said}");
    assert!(said.contains("ls: /init: No such file"), "the machine's root is still there:\n{said}");
    assert!(said.contains("/container/state.json: No such file"), "{said}");
    let host = said.lines().find(|l| l.contains("/proc ") && l.contains("/sys ")).unwrap_or(&said);
    assert!(!host.contains("/container"), "mounts are left on the machine: {host}");
}

fn from_an_initramfs_it_joins_and_dies_whole(arch: Arch) {
    let place = Place::new();
    let Some(machine) = Machine::of(&place, arch) else { return };
    machine.container("container", &machine_config());
    let said = machine.script(
        "cd /container\n\
        nsinit exec /bin/sh -c 'echo one > /tmp/note; sleep 300' &\n\
        until [ -s /container/tmp/note ]; do usleep 20000; done\n\
        nsinit exec /bin/sh -c 'cat /tmp/note; hostname; exit 6'\n\
        echo JOINED $?\n\
        kill -TERM $!; wait $!; echo ENDED $?; ps -o args | grep -c '[s]leep 300'",
    );
    assert!(said.contains("one\nkoye\nJOINED 6"), "{said}");
    assert!(said.contains("ENDED 143\n0\n"), "{said}");
}

fn with_every_capability_and_a_stock_kernel(arch: Arch) {
    let place = Place::new();
    let Some(machine) = Machine::of(&place, arch) else { return };
    let mut config = machine_config();
    config.set("capabilities", crate::config::strings(&["SYS_RESOURCE", "SYS_ADMIN", "KILL"]));
    config.set("rlimits", r#"[{"type": 7, "hard": 900000, "soft": 900000}]"#);
    config.set("namespaces.NEWCGROUP", "true").set("namespaces.NEWTIME", "true");
    machine.container("container", &config);
    let said = machine.script(
        "cd /container; nsinit exec /bin/sh -c 'ulimit -n; grep CapEff /proc/self/status'; echo STATUS $?",
    );
    assert!(said.contains("900000\nCapEff:\t0000000001200020\nSTATUS 0"), "{said}");
}

fn the_machine_takes_modules_and_programs_along(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.module("bridge");
    machine.host_program(Path::new("/usr/sbin/ip"));
    let said = machine.script("cut -d' ' -f1 /proc/modules; /usr/sbin/ip -V");
    assert!(said.contains("bridge\nstp\nllc\nip utility, iproute2"), "{said}");
}
