//! Root file systems of booted containers: images, writable layers, LinuxKit's names.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::booted::{System, service};
use crate::config::{quote, strings};
use crate::world::{lay_out, skip, spawn};

/// Writes a file inside, and tells whether it could.
const WRITE: &str =
    "echo x >> /note && echo WRITTEN $(cat /note | wc -l) || echo READ-ONLY; sleep 1000";

/// Makes an image of a BusyBox root at `file`; false where the host has no program for it.
fn image(system: &System, kind: &str, file: &Path) -> bool {
    let root = system.place.dir.join("image-root");
    if !root.exists() {
        lay_out(&root);
    }
    let mut make = match kind {
        "squashfs" => Command::new("mksquashfs"),
        "erofs" => Command::new("mkfs.erofs"),
        _ => Command::new("mkfs.ext4"),
    };
    match kind {
        "squashfs" => make.arg(&root).arg(file).args(["-quiet", "-no-progress"]),
        "erofs" => make.arg(file).arg(&root),
        _ => {
            fs::File::create(file).unwrap().set_len(16 << 20).unwrap();
            make.args(["-q", "-d"]).arg(&root).arg(file)
        }
    };
    match make.output() {
        Ok(output) => {
            assert!(output.status.success(), "{make:?}: {output:?}");
            true
        }
        Err(_) => {
            skip(&format!("no {make:?}"));
            false
        }
    }
}

fn runs_from(kind: &str, name: &str) {
    let system = System::new();
    let plain = system.dir("services", "plain");
    if !image(&system, kind, &plain.join(name)) {
        return;
    }
    fs::write(plain.join("container.json"), service(WRITE).text()).unwrap();
    let over = system.dir("services", "over");
    fs::hard_link(plain.join(name), over.join(name)).unwrap();
    let mut config = service(WRITE);
    config.set("service.overlay", quote("tmpfs")).set("service.overlay_size", quote("1m"));
    fs::write(over.join("container.json"), config.text()).unwrap();
    let mut booted = system.boot();
    booted.says("plain: READ-ONLY\n");
    booted.says("over: WRITTEN 1\n");
    // What it has written is still there, and nothing is mounted twice.
    booted.verb(&["restart", "over"]).ok();
    booted.says("over: WRITTEN 2\n");
    let mounts = booted.inside(&["cat", "/proc/self/mountinfo"]);
    let ours: Vec<&str> = mounts
        .ok()
        .lines()
        .filter(|l| l.contains("/run/nsinit/") && !l.contains("/pid1 "))
        .collect();
    assert_eq!(ours.len(), 4, "{ours:#?}");
    assert_eq!(booted.verb(&["exec", "--id", "over", "cat", "/note"]).ok(), "x\nx\n");
    booted.power_off();
    let devices = Command::new("losetup").arg("-a").output().unwrap();
    let devices = String::from_utf8_lossy(&devices.stdout).into_owned();
    assert!(!devices.contains(&system.place.name), "{devices}");
}

#[test]
fn a_check_looks_into_images_or_says_that_it_can_not() {
    let system = System::new();
    for (kind, name, command) in
        [("squashfs", "good", "true"), ("squashfs", "bad", "absent"), ("ext4", "other", "absent")]
    {
        let dir = system.dir("services", name);
        if !image(&system, kind, &dir.join("rootfs.img")) {
            return;
        }
        let mut config = service("");
        config.set("command.args", strings(&[command]));
        fs::write(dir.join("container.json"), config.text()).unwrap();
    }
    let dir = system.place.dir.join("containers");
    let check = ["boot", "--check", dir.to_str().unwrap()];
    let run = system.place.run(&check);
    run.ends(1);
    for name in ["bad", "other"] {
        run.says(&[&format!("services/{name}: find the command absent: no such file")]);
    }
    assert_eq!(run.err.lines().count(), 2, "{}", run.err);
    // What it has mounted is gone with it.
    let devices = Command::new("losetup").arg("-a").output().unwrap();
    let devices = String::from_utf8_lossy(&devices.stdout).into_owned();
    assert!(!devices.contains(&system.place.name), "{devices}");

    let run = spawn(system.place.command(&check).current_dir("/").uid(1000).gid(1000)).end();
    run.ends(0);
    for name in ["good", "bad", "other"] {
        let why = "look into the image rootfs.img: only root can";
        run.says(&[&format!("warning: {}/services/{name}: {why}", dir.display())]);
    }
}

#[test]
fn an_ext4_image_is_mounted_read_only() {
    runs_from("ext4", "rootfs.img");
}

#[test]
fn a_squashfs_image_is_mounted_read_only() {
    runs_from("squashfs", "rootfs.squashfs");
}

#[test]
fn an_erofs_image_is_mounted_read_only() {
    runs_from("erofs", "rootfs.erofs");
}

#[test]
fn a_layer_on_a_disk_keeps_what_is_written_and_the_root_does_not_change() {
    let system = System::new();
    let mut config = service(WRITE);
    config.set("service.overlay", quote("/mnt/disk"));
    system.add("services", "web", &config);
    // The layer's own file system must be one that can be an upper layer.
    fs::create_dir(system.place.dir.join("disk")).unwrap();
    for n in [1, 2] {
        let mut booted = system.boot();
        booted.says(&format!("web: WRITTEN {n}\n"));
        booted.power_off();
    }
    assert!(system.place.dir.join("disk/upper/note").exists());
    assert!(!system.place.dir.join("containers/services/web/rootfs/note").exists());
}

#[test]
fn what_is_no_image_is_told_and_tried_again_later() {
    let system = System::new();
    let dir = system.dir("services", "web");
    fs::write(dir.join("container.json"), service("true").text()).unwrap();
    fs::write(dir.join("rootfs.img"), [7; 4096]).unwrap();
    let mut booted = system.boot();
    booted.says("web: nsinit: mount the image rootfs.img: neither squashfs nor ext4 nor erofs\n");
    booted.says("restarting in 200 ms");
    // Cut off, it has its magic number and no more.
    let mut bytes = vec![0; 4096];
    bytes[..4].copy_from_slice(b"hsqs");
    fs::write(dir.join("rootfs.img"), bytes).unwrap();
    booted.says("web: nsinit: mount the image rootfs.img: Invalid argument (EINVAL): damaged");
    let containers = dir.parent().unwrap().parent().unwrap();
    let run = system.place.run(&["boot", "--check", containers.to_str().unwrap()]);
    run.says(&["services/web: look into the image rootfs.img: Invalid argument (EINVAL): damaged"]);
    booted.is("web", "back-off");
}

#[test]
fn a_start_that_fails_half_way_mounts_nothing_twice() {
    let mut system = System::new();
    // The layer's directory has no parent; what the other is to be mounted on is a file.
    for (name, overlay) in [("disk", "/mnt/none/layer"), ("memory", "tmpfs")] {
        let dir = system.dir("services", name);
        if !image(&system, "squashfs", &dir.join("rootfs.img")) {
            return;
        }
        let mut config = service(WRITE);
        config.set("service.overlay", quote(overlay));
        fs::write(dir.join("container.json"), config.text()).unwrap();
    }
    system.before += "mkdir -p /run/nsinit/memory && : > /run/nsinit/memory/rootfs;";
    let mut booted = system.boot();
    for name in ["disk", "memory"] {
        booted.says(&format!("{name}: nsinit: exited with status 125; restarting in 400 ms"));
    }
    let mounts = booted.inside(&["cat", "/proc/self/mountinfo"]);
    let ours: Vec<&str> = mounts
        .ok()
        .lines()
        .filter(|l| l.contains("/run/nsinit/") && !l.contains("/pid1 "))
        .collect();
    assert_eq!(ours.len(), 3, "{ours:#?}");
    // The next start goes on from there.
    fs::create_dir(system.place.dir.join("none")).unwrap();
    booted.says("disk: WRITTEN 1\n");
}

#[test]
fn linuxkits_writable_root_is_under_a_layer() {
    let system = System::new();
    let dir = system.dir("onboot", "000-first");
    lay_out(&dir.join("lower"));
    fs::write(dir.join("container.json"), service("echo x > /note; echo DONE").text()).unwrap();
    let said = system.boot().ends();
    assert!(said.contains("000-first: DONE"), "{said}");
    assert!(!dir.join("lower/note").exists());
}
