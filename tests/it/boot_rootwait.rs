//! `rootwait`: a root whose device appears long after the boot.

use std::io::Write;

use crate::boot_root::{INIT, disk};
use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::Place;

on_each_arch!(
    a_disk_that_is_plugged_in_later_is_the_root,
    who_waits_for_a_disk_can_be_ended,
    the_wait_has_the_end_that_it_is_given
);

fn a_disk_that_is_plugged_in_later_is_the_root(arch: Arch) {
    let place = Place::new();
    let image = disk(&place, arch, Some(INIT));
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    for module in ["virtio_pci", "virtio_blk"] {
        machine.module(module);
    }
    let slot = match arch {
        Arch::X86_64 => "pci.0",
        // PCI Express: only what is behind a port of its own can come later.
        Arch::Aarch64 => {
            machine.qemu.extend(["-device", "pcie-root-port,id=port0"].map(str::to_owned));
            "port0"
        }
    };
    machine.append += "\"root=LABEL=koye root\" rootwait";
    let (mut running, mut monitor) = machine.boot_until(&place, "yet; waiting for it");
    // Longer than it would wait without the word.
    std::thread::sleep(std::time::Duration::from_secs(11));
    assert!(!running.out().contains("REAL"), "{}", running.out());
    let drive = format!("file={},format=raw,if=none,id=late", image.display());
    write!(monitor, "drive_add 0 {drive}\ndevice_add virtio-blk-pci,bus={slot},drive=late\n")
        .unwrap();
    let said = running.end_within(machine.limit).out;
    assert!(said.contains("REAL 1 /sbin/init"), "{said}");
    assert!(said.contains("MOUNT / ro,relatime - ext4 /dev/vda ro"), "{said}");
    // It is said once.
    assert_eq!(said.matches("waiting for it").count(), 1, "{said}");
}

fn who_waits_for_a_disk_can_be_ended(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.keyboard();
    machine.append += "root=LABEL=none rootwait";
    let (running, mut monitor) = machine.boot_until(&place, "yet; waiting for it");
    writeln!(monitor, "sendkey ctrl-alt-delete").unwrap();
    let said = running.end_within(machine.limit).out;
    assert!(said.contains("reboot: Restarting"), "{said}");
}

fn the_wait_has_the_end_that_it_is_given(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.program("script", "#!/bin/sh\necho RESCUED\n");
    machine.append += "root=LABEL=none rootwait=1 nsinit.shell=/script";
    let said = machine.boot();
    assert!(said.contains("find the root LABEL=none: no block device at all"), "{said}");
    assert!(said.contains("RESCUED") && said.contains("reboot: Restarting"), "{said}");
}
