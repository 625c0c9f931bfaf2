//! A real root that nobody can write to, with our containers on it; and a disk with no file system.

use std::fs;
use std::process::Command;

use crate::boot_root::machine;
use crate::machine::Arch;
use crate::on_each_arch;
use crate::world::{Place, skip, spawn};

on_each_arch!(
    a_squashfs_image_is_the_root,
    an_erofs_image_is_the_root,
    without_a_file_system_it_says_so
);

/// Boots into a container on an image that `make` makes of the directory "disk".
fn boots_from(arch: Arch, kind: &str, make: &[&str]) {
    let place = Place::new();
    let image = place.dir.join("image");
    let Some(mut machine) = machine(&place, arch, &image, "root=/dev/vda") else {
        return;
    };
    machine.module(kind);
    machine.boots("onboot", "one", "echo ON IT; (echo > /note) 2>&1; true");
    let disk = place.dir.join("disk");
    for dir in ["dev", "proc", "run", "sys", "tmp"] {
        fs::create_dir_all(disk.join(dir)).unwrap();
    }
    fs::rename(machine.root.join("containers"), disk.join("containers")).unwrap();
    let made = Command::new(make[0]).args(&make[1..]).current_dir(&place.dir).output();
    if !made.is_ok_and(|made| made.status.success()) {
        return skip("no squashfs-tools or erofs-utils");
    }
    // A disk has whole sectors.
    let file = fs::File::options().write(true).open(&image).unwrap();
    file.set_len(file.metadata().unwrap().len().next_multiple_of(4096)).unwrap();
    let said = machine.boot();
    assert!(said.contains("one: ON IT") && said.contains("/note: Read-only file system"), "{said}");
    assert!(said.contains("reboot: Power down") && !said.contains("warning"), "{said}");
}

fn a_squashfs_image_is_the_root(arch: Arch) {
    boots_from(arch, "squashfs", &["mksquashfs", "disk", "image", "-quiet", "-no-progress"]);
}

fn an_erofs_image_is_the_root(arch: Arch) {
    boots_from(arch, "erofs", &["mkfs.erofs", "image", "disk"]);
}

fn without_a_file_system_it_says_so(arch: Arch) {
    let place = Place::new();
    let image = place.dir.join("image");
    fs::write(&image, vec![7; 1 << 20]).unwrap();
    let Some(machine) = machine(&place, arch, &image, "root=/dev/vda") else { return };
    let mut running = spawn(&mut machine.command());
    let said = running.wait_for_within("rescue shell on the console", machine.limit);
    let why = "mount the root file system /dev/vda: no file system that nsinit knows is on it";
    assert!(said.contains(why), "{said}");
    running.signal(libc::SIGKILL);
    running.end_within(machine.limit);
}
