//! The hardware watchdog: kicked by the loop, and by nothing else.

use crate::boot_root;
use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::Place;

on_each_arch!(
    it_resets_a_machine_whose_pid_1_hangs,
    the_shell_after_a_crash_is_not_reset,
    a_disk_that_is_slow_at_the_end_is_waited_for
);

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

fn the_shell_after_a_crash_is_not_reset(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.module("softdog");
    machine.append += "nsinit.watchdog=2 nsinit.panic=shell";
    machine.rescue("kill -SEGV 1; sleep 20");
    std::fs::remove_file(machine.root.join("bin/sh")).unwrap();
    machine.program(
        "bin/sh",
        "#!/bin/busybox sh\n[ $# = 0 ] || exec /bin/busybox sh \"$@\"\n\
         /bin/sleep 5; /bin/echo RESCUED; kill -USR2 1; exec /bin/sleep 100\n",
    );
    let said = machine.boot();
    assert!(said.contains("PID 1 has crashed") && said.contains("RESCUED"), "{said}");
    // Who asks for the end in that shell is heard.
    assert!(said.contains("reboot: Power down"), "{said}");
}

fn a_disk_that_is_slow_at_the_end_is_waited_for(arch: Arch) {
    let place = Place::new();
    let disk = boot_root::disk(&place, arch, None);
    let append = "nsinit.watchdog=3";
    let Some(mut machine) = boot_root::machine(&place, arch, &disk, append) else { return };
    machine.module("softdog");
    // 12 MB take as many seconds.
    let slow = ",throttling.bps-write=1000000";
    machine.qemu.last_mut().unwrap().push_str(slow);
    machine.only(
        "mkdir /data; mount -t ext4 /dev/vda /data && dd if=/dev/zero of=/data/file bs=1M count=12",
    );
    let said = machine.boot();
    assert!(said.contains("12+0 records out"), "{said}");
    assert!(said.contains("reboot: Power down") && !said.contains("softdog"), "{said}");
}

#[test]
fn a_time_that_the_device_can_not_wait_is_told_and_its_own_is_kept() {
    let place = Place::new();
    let Some(mut machine) = Machine::new(&place) else { return };
    machine.nsinit_is_init();
    machine.module("softdog");
    machine.append += "nsinit.watchdog=100000";
    // Its own are 60 seconds.
    machine.boots("services", "long", "sleep 64; echo STILL THERE");
    let said = machine.boot();
    assert!(said.contains("warning: set the timeout of /dev/watchdog: Invalid"), "{said}");
    assert!(said.contains("STILL THERE") && said.contains("reboot: Power down"), "{said}");
}
