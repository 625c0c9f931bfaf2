//! The hardware watchdog: kicked by the loop, and by nothing else.

use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::Place;

on_each_arch!(it_resets_a_machine_whose_pid_1_hangs);

fn it_resets_a_machine_whose_pid_1_hangs(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.module("softdog");
    machine.append += "nsinit.watchdog=2";
    // PID 1 can't be stopped by a signal, but its group can be frozen.
    machine.boots("onboot", "ten", "sleep 4; echo FOUR SECONDS");
    machine.boots("services", "hang", "sleep 60");
    machine.rescue(
        "trap '' HUP; (sleep 6; echo 1 > /sys/fs/cgroup/init/cgroup.freeze) >/dev/null 2>&1 &",
    );
    let said = machine.boot();
    // It was kicked until then, and no longer.
    assert!(said.contains("FOUR SECONDS"), "{said}");
    assert!(said.contains("softdog: Initiating system reboot"), "{said}");
}
