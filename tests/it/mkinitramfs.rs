//! scripts/mkinitramfs: what is in an image, and what is no image.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::world::{Place, Run, nsinit, spawn};

/// Packs `DIR` of the place into its `FILE`.
fn pack(place: &Place, dir: &str, file: &str) -> Run {
    spawn(&mut pack_command(place, dir, file)).end()
}

fn pack_command(place: &Place, dir: &str, file: &str) -> Command {
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/mkinitramfs"));
    script.current_dir(&place.dir).args([dir, "-o", file, "--nsinit"]).arg(nsinit());
    script.stdin(Stdio::null());
    script
}

#[track_caller]
fn refuses(place: &Place, dir: &str, why: &str) {
    let run = pack(place, dir, "image");
    run.ends(1);
    run.says(&[why]);
    assert!(!place.dir.join("image").exists());
}

/// The names in an image.
fn names(place: &Place, file: &str) -> Vec<String> {
    let mut list = Command::new("sh");
    list.current_dir(&place.dir);
    list.args([
        "-c",
        "case $1 in *.gz) gzip -dc \"$1\" ;; *) cat \"$1\" ;; esac | cpio -t --quiet",
    ]);
    spawn(list.args(["sh", file]).stdin(Stdio::null()))
        .end()
        .ok()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A container with one file in its root.
fn container(place: &Place, path: &str) {
    let dir = place.dir.join(path);
    fs::create_dir_all(dir.join("rootfs")).unwrap();
    fs::write(dir.join("container.json"), "{}").unwrap();
    fs::write(dir.join("rootfs/with space"), "").unwrap();
}

#[test]
fn every_kind_of_container_and_the_modules_are_in_the_image() {
    let place = Place::new();
    for path in ["in/onboot/1", "in/onshutdown/2", "elsewhere/web"] {
        container(&place, path);
    }
    // A directory of DIR that is a link is what it leads to.
    symlink("../elsewhere", place.dir.join("in/services")).unwrap();
    fs::create_dir(place.dir.join("in/modules")).unwrap();
    fs::write(place.dir.join("in/modules/x.ko"), "").unwrap();
    for file in ["image", "image.gz"] {
        let run = pack(&place, "in", file);
        assert!(run.ok().contains(" 3 containers"), "{}", run.out);
        let names = names(&place, file);
        for name in [
            "init",
            "dev",
            "modules/x.ko",
            "containers/onboot/1/rootfs/with space",
            "containers/services/web/container.json",
            "containers/onshutdown/2/container.json",
        ] {
            assert!(names.iter().any(|it| it == name), "no {name} in {names:?}");
        }
    }
    // Made a second later it is the same.
    let plain = fs::read(place.dir.join("image")).unwrap();
    sleep(Duration::from_millis(1100));
    pack(&place, "in", "again").ok();
    assert!(
        plain == fs::read(place.dir.join("again")).unwrap(),
        "the same, and not the same image"
    );
    // DIR is as it was, and no working directory is left.
    assert!(place.dir.join("in/onboot/1/container.json").exists());
    let left = fs::read_dir(&place.dir).unwrap().flatten();
    assert!(
        !left
            .map(|entry| entry.file_name())
            .any(|name| name.as_encoded_bytes().starts_with(b"tmp."))
    );
}

#[test]
fn what_else_is_in_the_root_of_the_image_comes_from_root() {
    let place = Place::new();
    container(&place, "in/services/web");
    fs::create_dir_all(place.dir.join("in/root/bin")).unwrap();
    fs::write(place.dir.join("in/root/bin/sh"), "a shell").unwrap();
    // As in a root whose init is another: nsinit takes its place, and the host's file stays as it is.
    let host = place.dir.join("host");
    fs::write(&host, "the host's").unwrap();
    symlink(&host, place.dir.join("in/root/init")).unwrap();
    pack(&place, "in", "image").ok();
    let names = names(&place, "image");
    for name in ["bin/sh", "init", "containers/services/web/container.json"] {
        assert!(names.iter().any(|it| it == name), "no {name} in {names:?}");
    }
    assert_eq!(fs::read_to_string(host).unwrap(), "the host's");
    assert!(
        fs::read(place.dir.join("image")).unwrap().len() as u64
            > nsinit().metadata().unwrap().len()
    );
}

#[test]
fn what_can_not_boot_is_no_image() {
    let place = Place::new();
    fs::create_dir_all(place.dir.join("nothing")).unwrap();
    refuses(&place, "nothing", "neither onboot/ nor services/ nor onshutdown/ in it");
    refuses(&place, "nowhere", "nowhere: no such directory");
    // Of another tool's containers none can be run.
    fs::create_dir_all(place.dir.join("oci/services/web/rootfs")).unwrap();
    fs::write(place.dir.join("oci/services/web/config.json"), "{}").unwrap();
    refuses(&place, "oci", "oci/services/web/: no container.json in it");
    // It may only have to find the real root.
    fs::create_dir_all(place.dir.join("empty/onboot")).unwrap();
    let run = pack(&place, "empty", "image");
    assert!(run.ends(0).contains(" 0 containers"), "{}", run.out);
    run.says(&["warning: empty: no container is in it"]);
    assert!(names(&place, "image").iter().any(|name| name == "containers/onboot"));
}

#[test]
fn an_option_without_its_value_is_told() {
    for option in ["-o", "--nsinit"] {
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/mkinitramfs"));
        let run = spawn(script.args(["in", option]).stdin(Stdio::null())).end();
        run.ends(125);
        run.says(&["usage: scripts/mkinitramfs"]);
    }
}

#[test]
fn an_image_that_can_not_be_compressed_is_an_error() {
    let place = Place::new();
    container(&place, "in/onboot/1");
    fs::create_dir(place.dir.join("bin")).unwrap();
    symlink("/bin/false", place.dir.join("bin/gzip")).unwrap();
    let mut script = pack_command(&place, "in", "image.gz");
    script
        .env("PATH", format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", place.dir.join("bin").display()));
    spawn(&mut script).end().ends(1);
    assert!(!place.dir.join("image.gz").exists());
}

/// The text of a file in an image.
fn text(place: &Place, file: &str, name: &str) -> String {
    let mut cpio = Command::new("sh");
    let script = "cpio -i --quiet --to-stdout \"$2\" <\"$1\"";
    cpio.current_dir(&place.dir).args(["-c", script, "sh", file, name]).stdin(Stdio::null());
    spawn(&mut cpio).end().ok().to_owned()
}

#[test]
fn compressed_modules_are_unpacked_and_what_they_need_is_looked_for() {
    let place = Place::new();
    container(&place, "in/onboot/1");
    let dir = place.dir.join("in/modules");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("soft-dog.ko"), "x\0depends=watch-dog,llc\0name=soft\0").unwrap();
    for (name, program) in [("watch_dog", "xz"), ("b", "zstd"), ("c", "gzip")] {
        fs::write(dir.join(format!("{name}.ko")), format!("module {name}")).unwrap();
        let mut compress = Command::new(program);
        compress.current_dir(&dir).arg(format!("{name}.ko")).stdin(Stdio::null());
        spawn(&mut compress).end().ends(0);
    }
    // zstd keeps the file, whose second name must stay as it is.
    fs::write(dir.join("b.ko"), "another").unwrap();
    let run = pack(&place, "in", "image");
    run.ends(0);
    let missing = "mkinitramfs: warning: modules/soft-dog.ko needs the module llc, which is not in modules/\n";
    assert_eq!(run.err, missing);
    let names = names(&place, "image");
    let mut modules: Vec<_> =
        names.iter().filter_map(|name| name.strip_prefix("modules/")).collect();
    modules.sort_unstable();
    assert_eq!(modules, ["b.ko", "c.ko", "soft-dog.ko", "watch_dog.ko"]);
    assert_eq!(text(&place, "image", "modules/watch_dog.ko"), "module watch_dog");
    assert_eq!(text(&place, "image", "modules/b.ko"), "module b");
    assert_eq!(fs::read_to_string(dir.join("b.ko")).unwrap(), "another");
    assert!(dir.join("c.ko.gz").exists());
}

#[test]
fn a_module_that_can_not_be_unpacked_makes_no_image() {
    let place = Place::new();
    container(&place, "in/onboot/1");
    fs::create_dir(place.dir.join("in/modules")).unwrap();
    fs::write(place.dir.join("in/modules/x.ko.xz"), "nonsense").unwrap();
    refuses(&place, "in", "modules/x.ko.xz: can't unpack it");
}

#[test]
fn help_is_given() {
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/mkinitramfs"));
    let run = spawn(script.arg("--help").stdin(Stdio::null())).end();
    assert!(run.ok().starts_with("usage: scripts/mkinitramfs DIR"), "{}", run.out);
}
