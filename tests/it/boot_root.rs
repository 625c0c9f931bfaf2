//! The real root: found by what names it, entered with the initramfs's memory given back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::{Place, spawn, value};

on_each_arch!(
    by_label_with_its_own_init,
    by_uuid_and_device_read_write_with_init_named,
    by_the_uuid_of_a_partition,
    our_containers_on_it,
    a_root_without_the_directories_of_a_system_says_what_is_missing,
    none_is_an_error_and_a_shell,
    of_several_types_that_one_fails_which_the_kernel_knows,
    an_init_that_can_not_be_executed_is_an_error_and_a_shell_that_ends
);

const UUID: &str = "0a1b2c3d-0001-4002-8003-0a1b2c3d4e5f";
/// What the real root's own init says.
pub const INIT: &str = "#!/bin/sh\nexport PATH=/bin\necho REAL $$ $0 $*\n\
    while read id parent dev root point options rest; do echo \"MOUNT $point $options $rest\"; done < /proc/self/mountinfo\n\
    free -k | sed -n 's/Mem: *[0-9]* *\\([0-9]*\\) .*/USED \\1/p'\n\
    awk '/ count:/ { n += $2 } END { print \"SPARE \" n * 4 }' /proc/zoneinfo\npoweroff -f\n";

/// A file with an ext4 file system in it, and an init if one is given.
pub fn disk(place: &Place, arch: Arch, init: Option<&str>) -> PathBuf {
    let root = place.dir.join("disk");
    arch.lay_out(&root);
    fs::create_dir(root.join("sbin")).unwrap();
    if let Some(init) = init {
        let file = root.join("sbin/init");
        fs::write(&file, init).unwrap();
        make_executable(&file);
    }
    let image = place.dir.join("disk.img");
    fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-L", "koye root", "-U", UUID, "-d"])
        .arg(&root)
        .arg(&image)
        .status()
        .unwrap();
    assert!(made.success());
    image
}

fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A machine with this disk, and the modules to read it.
pub fn machine(place: &Place, arch: Arch, image: &Path, append: &str) -> Option<Machine> {
    let mut machine = Machine::of(place, arch)?;
    machine.nsinit_is_init();
    for module in ["virtio_pci", "virtio_blk"] {
        machine.module(module);
    }
    let drive = format!("file={},format=raw,if=virtio", image.display());
    machine.qemu.extend(["-drive".into(), drive]);
    machine.append += append;
    Some(machine)
}

fn by_label_with_its_own_init(arch: Arch) {
    let place = Place::new();
    let image = disk(&place, arch, Some(INIT));
    let append = "\"root=LABEL=koye root\" rootwait -- some words";
    let Some(machine) = machine(&place, arch, &image, append) else { return };
    // Twice: the memory that is used afterwards must not depend on it.
    // Free pages that a processor keeps at hand, thousands of them since Linux 6.7, count as used.
    let used = |said: &str| -> u64 {
        let [used, spare] = ["USED", "SPARE"].map(|word| value(said, word).parse::<u64>().unwrap());
        used - spare
    };
    let small = machine.boot();
    assert!(small.contains("REAL 1 /sbin/init some words"), "{small}");
    assert!(small.contains("MOUNT / ro,relatime - ext4 /dev/vda ro"), "{small}");
    for point in ["/proc", "/sys", "/dev"] {
        assert_eq!(small.matches(&format!("MOUNT {point} ")).count(), 1, "{small}");
    }
    assert_eq!(small.matches("MOUNT ").count(), 4, "{small}");
    let noise: Vec<u8> =
        (0..40u32 << 20).map(|n| (n.wrapping_mul(2654435761) >> 13) as u8).collect();
    fs::create_dir_all(machine.root.join("deep/er")).unwrap();
    fs::write(machine.root.join("deep/er/file"), noise).unwrap();
    let large = machine.boot();
    assert!(used(&large) < used(&small) + 10_000, "small\n{small}\nlarge\n{large}");
}

fn by_uuid_and_device_read_write_with_init_named(arch: Arch) {
    let place = Place::new();
    let init = INIT.replace("export PATH=/bin", "export PATH=/bin; touch /written && echo WRITTEN");
    let image = disk(&place, arch, None);
    let other = place.dir.join("disk/bin/start");
    fs::write(&other, init).unwrap();
    make_executable(&other);
    let image = {
        fs::remove_file(&image).unwrap();
        fs::remove_dir_all(place.dir.join("disk/sbin")).unwrap();
        fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
        let made = Command::new("mkfs.ext4")
            .args(["-q", "-U", UUID, "-d"])
            .arg(place.dir.join("disk"))
            .arg(&image)
            .status()
            .unwrap();
        assert!(made.success());
        image
    };
    let root = format!("root=UUID={} rw init=/bin/start rootfstype=ext4", UUID.to_uppercase());
    let Some(mut machine) = machine(&place, arch, &image, &root) else { return };
    let said = machine.boot();
    assert!(said.contains("REAL 1 /bin/start\nMOUNT") || said.contains("WRITTEN"), "{said}");
    assert!(said.contains("WRITTEN") && said.contains("MOUNT / rw,"), "{said}");
    machine.append = "root=/dev/vda rootflags=commit=7 init=/bin/start".into();
    let said = machine.boot();
    assert!(said.contains("ext4 /dev/vda ro,commit=7"), "{said}");
}

fn by_the_uuid_of_a_partition(arch: Arch) {
    let place = Place::new();
    let image = disk(&place, arch, Some(INIT));
    let partition = fs::read(&image).unwrap();
    let whole = place.dir.join("whole.img");
    fs::write(&whole, [mbr(&partition), partition.clone(), vec![0; 1 << 20]].concat()).unwrap();
    let append = "root=PARTUUID=1234abcd-02";
    let Some(mut machine) = machine(&place, arch, &whole, append) else { return };
    let said = machine.boot();
    assert!(said.contains("MOUNT / ro,relatime - ext4 /dev/vda2"), "{said}");
    fs::write(&whole, gpt(&partition)).unwrap();
    machine.append = "root=PARTUUID=03020100-0504-0706-0809-0A0B0C0D0E0F".into();
    let said = machine.boot();
    assert!(said.contains("MOUNT / ro,relatime - ext4 /dev/vda1"), "{said}");
}

const SECTOR: usize = 512;
const FIRST: u32 = 2048;

/// The mebibyte before a second partition of an MBR.
fn mbr(partition: &[u8]) -> Vec<u8> {
    let mut disk = vec![0; FIRST as usize * SECTOR];
    disk[440..444].copy_from_slice(&0x1234_abcdu32.to_le_bytes());
    let entry = &mut disk[446 + 16..446 + 32];
    entry[4] = 0x83;
    entry[8..12].copy_from_slice(&FIRST.to_le_bytes());
    entry[12..16].copy_from_slice(&((partition.len() / SECTOR) as u32).to_le_bytes());
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

/// A whole disk with one partition (the UEFI specification, 5.3). The kernel asks for the checksums
/// and the header at the end, too.
fn gpt(partition: &[u8]) -> Vec<u8> {
    let mut disk =
        [vec![0; FIRST as usize * SECTOR], partition.to_vec(), vec![0; 1 << 20]].concat();
    let last = disk.len() / SECTOR - 1;
    let mut entries = vec![0; 128 * 128];
    entries[..16].fill(7);
    for (n, byte) in entries[16..32].iter_mut().enumerate() {
        *byte = n as u8;
    }
    entries[32..40].copy_from_slice(&u64::from(FIRST).to_le_bytes());
    let end = u64::from(FIRST) + (partition.len() / SECTOR) as u64 - 1;
    entries[40..48].copy_from_slice(&end.to_le_bytes());
    let header = |own: usize, other: usize, table: usize| {
        let mut header = vec![0; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
        let places = [(24, own), (32, other), (40, 34), (48, last - 34), (72, table)];
        for (at, value) in places {
            header[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
        }
        header[80..84].copy_from_slice(&128u32.to_le_bytes());
        header[84..88].copy_from_slice(&128u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc32(&entries).to_le_bytes());
        let sum = crc32(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        header
    };
    let protective = &mut disk[446..462];
    protective[4] = 0xee;
    protective[8..12].copy_from_slice(&1u32.to_le_bytes());
    protective[12..16].copy_from_slice(&(last as u32).to_le_bytes());
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk[SECTOR..SECTOR + 92].copy_from_slice(&header(1, last, 2));
    disk[2 * SECTOR..2 * SECTOR + entries.len()].copy_from_slice(&entries);
    disk[last * SECTOR..last * SECTOR + 92].copy_from_slice(&header(last, 1, last - 32));
    disk[(last - 32) * SECTOR..last * SECTOR].copy_from_slice(&entries);
    disk
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

fn our_containers_on_it(arch: Arch) {
    let place = Place::new();
    let image = disk(&place, arch, None);
    // The machine's own container moves to the disk.
    let append = "root=LABEL=kontainer nsinit.containers=/containers rw";
    let Some(machine) = machine(&place, arch, &image, append) else { return };
    machine.boots(
        "onboot",
        "one",
        "echo ON THE DISK; cut -d' ' -f 9- /proc/self/mountinfo | head -n 1",
    );
    let root = place.dir.join("disk");
    fs::rename(machine.root.join("containers"), root.join("containers")).unwrap();
    fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let mut make = Command::new("mkfs.ext4");
    assert!(
        make.args(["-q", "-L", "kontainer", "-d"])
            .arg(&root)
            .arg(&image)
            .status()
            .unwrap()
            .success()
    );
    let said = machine.boot();
    assert!(said.contains("ON THE DISK") && said.contains("one: /dev/vda rw"), "{said}");
    assert!(said.contains("reboot: Power down"), "{said}");
    let check = Command::new("dumpe2fs").arg("-h").arg(&image).output().unwrap();
    let check = String::from_utf8(check.stdout).unwrap();
    assert!(check.contains("Filesystem state:         clean"), "not unmounted\n{check}\n{said}");
}

fn a_root_without_the_directories_of_a_system_says_what_is_missing(arch: Arch) {
    let place = Place::new();
    let image = place.dir.join("disk.img");
    let Some(machine) = machine(&place, arch, &image, "root=/dev/vda") else { return };
    let root = place.dir.join("disk");
    fs::create_dir_all(root.join("sbin")).unwrap();
    fs::copy(arch.nsinit(), root.join("sbin/init")).unwrap();
    machine.boots("onboot", "one", "true");
    fs::rename(machine.root.join("containers"), root.join("containers")).unwrap();
    fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
    let mut make = Command::new("mkfs.ext4");
    assert!(make.args(["-q", "-d"]).arg(&root).arg(&image).status().unwrap().success());
    let mut running = spawn(&mut machine.command());
    let said = running.wait_for_within("the machine stays up", machine.limit);
    for (doing, dir) in [("move a mount to", "/sysroot/dev"), ("mount proc on", "/proc")] {
        let why = format!("nsinit: warning: {doing} {dir}: No such file or directory");
        assert!(said.contains(&why), "no {why:?} in:\n{said}");
    }
    assert!(said.contains("one: nsinit: make the directory /run/nsinit/one"), "{said}");
    running.signal(libc::SIGKILL);
    running.end_within(machine.limit);
}

fn none_is_an_error_and_a_shell(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    fs::remove_file(machine.root.join("bin/sh")).unwrap();
    machine.program("bin/sh", "#!/bin/busybox sh\n/bin/echo RESCUED\n");
    machine.append += "root=UUID=none";
    let said = machine.boot();
    assert!(
        said.contains(
            "find the root UUID=none: no block device at all: put the module of its driver"
        ),
        "{said}"
    );
    assert!(said.contains("RESCUED") && said.contains("reboot: Restarting"), "{said}");
}

#[test]
fn of_a_root_that_is_not_there_the_devices_that_are_are_named() {
    let place = Place::new();
    let image = place.dir.join("disk.img");
    fs::File::create(&image).unwrap().set_len(1 << 20).unwrap();
    let append = "root=LABEL=wrong rootwait=1 nsinit.shell=/nothing";
    let Some(machine) = machine(&place, Arch::X86_64, &image, append) else { return };
    let said = machine.boot();
    let why = "find the root LABEL=wrong: no device of that name, label or UUID; there are vda\n";
    assert!(said.contains(why), "{said}");
    let why =
        "start the shell /nothing: No such file or directory (ENOENT): put one into root/bin/sh";
    assert!(said.contains(why), "{said}");
}

fn an_init_that_can_not_be_executed_is_an_error_and_a_shell_that_ends(arch: Arch) {
    let place = Place::new();
    let image = disk(&place, arch, Some("#!/bin/sh\nsleep 1\necho RESCUED\n"));
    let append = "root=/dev/vda init=/nothing nsinit.shell=/sbin/init";
    let Some(machine) = machine(&place, arch, &image, append) else { return };
    let said = machine.boot();
    assert!(said.contains("nsinit: execute /nothing: No such file or directory"), "{said}");
    assert!(said.contains("RESCUED") && said.contains("reboot: Restarting"), "{said}");
}

fn of_several_types_that_one_fails_which_the_kernel_knows(arch: Arch) {
    let place = Place::new();
    let image = place.dir.join("disk.img");
    fs::File::create(&image).unwrap().set_len(1 << 20).unwrap();
    let append = "root=/dev/vda rootfstype=ext4,nothing nsinit.shell=/script";
    let Some(machine) = machine(&place, arch, &image, append) else { return };
    machine.program("script", "#!/bin/sh\necho RESCUED\n");
    let said = machine.boot();
    assert!(
        said.contains("mount the root file system /dev/vda: Invalid argument (EINVAL)"),
        "{said}"
    );
}
