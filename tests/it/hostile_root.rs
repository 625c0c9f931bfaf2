//! Root file systems that want out: links, races, odd files. Each test shows the host untouched.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::{quote, strings};
use crate::world::{Place, Running, fingerprint, spawn};

/// A directory of the host with what an attacker would like to have changed.
fn victim(place: &Place) -> PathBuf {
    let dir = place.host_dir("victim");
    for name in ["ptmx", "fd", "null", "console", "shadow", "foo"] {
        fs::write(dir.join(name), format!("{name} of the host")).unwrap();
    }
    for name in ["pts", "shm", "mqueue", "self"] {
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("inner"), "inner").unwrap();
    }
    dir
}

/// Replaces a path in the root by a link to `target`.
fn link(place: &Place, inside: &str, target: &Path) {
    let path = place.path(inside);
    let _ = fs::remove_dir_all(&path);
    let _ = fs::remove_file(&path);
    symlink(target, path).unwrap();
}

/// Runs the container, whatever comes of it, and sees that the victim is as it was.
#[track_caller]
fn untouched(place: &Place, victim: &Path, what: &str) -> crate::world::Run {
    untouched_with(place, victim, what, &[])
}

#[track_caller]
fn untouched_with(place: &Place, victim: &Path, what: &str, options: &[&str]) -> crate::world::Run {
    let before = fingerprint(victim);
    let script = "echo started; ls -l / /dev; cat /proc/self/mountinfo";
    let run = place.exec(&[options, &["/bin/sh", "-c", script]].concat());
    assert_eq!(fingerprint(victim), before, "{what}: the host was touched\n{}", run.err);
    assert!(run.status == 0 || run.err.contains("nsinit: "), "{what}: {}", run.err);
    assert_eq!(place.remains(), Vec::<String>::new(), "{what}");
    run
}

#[test]
fn dev_as_a_link_out() {
    let place = Place::new();
    let victim = victim(&place);
    link(&place, "/dev", &victim);
    untouched(&place, &victim, "/dev");
    // Relative, with as many steps up as it takes.
    let up = format!("../../../../../../../../../..{}", victim.display());
    link(&place, "/dev", Path::new(&up));
    untouched(&place, &victim, "/dev relative");
}

#[test]
fn dev_as_a_link_out_where_the_file_mounts_nothing_on_it() {
    let place = Place::new();
    let victim = victim(&place);
    link(&place, "/dev", &victim);
    let mut config = crate::config::Config::empty();
    config.set("rootfs", quote(place.root.to_str().unwrap()));
    config.set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}]"#);
    config.set("environment", strings(&["PATH=/bin"]));
    config.set("mounts", r#"[{"source": "proc", "destination": "/proc", "device": "proc"}]"#);
    config.set(
        "devices",
        r#"[{"type": 99, "path": "/dev/null", "major": 1, "minor": 3, "file_mode": 438}]"#,
    );
    let before = fingerprint(&victim);
    place.write_text(&config.text());
    // Not a link to another place inside either: what is made in /dev would be made there.
    for target in [victim.as_path(), Path::new("/tmp")] {
        link(&place, "/dev", target);
        place.run(&["exec", "/bin/true"]).fails(&["use /dev", "symbolic link"]);
    }
    assert_eq!(fingerprint(&victim), before);
    assert!(!place.path("/tmp/null").exists());
}

#[test]
fn proc_and_sys_as_links_are_refused_by_name() {
    for name in ["/proc", "/sys"] {
        let place = Place::new();
        let victim = victim(&place);
        link(&place, name, &victim);
        untouched(&place, &victim, name).fails(&[name]);
        // Nor a link to another place inside: masks and labels would go astray.
        link(&place, name, Path::new("/tmp"));
        place.sh("true").fails(&[name]);
    }
}

#[test]
fn links_left_by_an_earlier_run_on_every_mount_point() {
    let place = Place::new();
    let victim = victim(&place);
    for name in
        ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/console", "/dev/null", "/dev/ptmx", "/dev/fd"]
    {
        link(&place, name, &victim.join(name.rsplit('/').next().unwrap()));
    }
    for name in ["/.pivot_root", "/.pivot_root123", "/.old_root", "/put_old"] {
        link(&place, name, &victim);
    }
    untouched(&place, &victim, "all of /dev").ends(0);
}

#[test]
fn the_console_as_a_link_out() {
    let place = Place::new();
    let victim = victim(&place);
    link(&place, "/dev/console", &victim.join("shadow"));
    let run = untouched_with(&place, &victim, "/dev/console", &["--tty"]);
    assert!(run.ends(0).contains("started"));
    // Where the file's mounts leave the root's own /dev in place, the link is met.
    let mut config = crate::config::Config::empty();
    config.set("rootfs", quote(place.root.to_str().unwrap()));
    config.set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}]"#);
    config.set("environment", strings(&["PATH=/bin"]));
    config.set(
        "mounts",
        r#"[{"source": "proc", "destination": "/proc", "device": "proc"},
        {"source": "devpts", "destination": "/dev/pts", "device": "devpts", "data": "newinstance,ptmxmode=0666"}]"#,
    );
    let before = fingerprint(&victim);
    place.write_text(&config.text());
    let write = ["exec", "--tty", "/bin/sh", "-c", "echo overwritten > /dev/console"];
    for target in [victim.join("shadow").as_path(), Path::new("/etc/passwd")] {
        link(&place, "/dev/console", target);
        place.run(&write).fails(&["/dev/console", "neither a file nor a device"]);
    }
    assert_eq!(fingerprint(&victim), before);
}

#[test]
fn a_mount_point_behind_a_link_is_made_inside() {
    let mut place = Place::new();
    let victim = victim(&place);
    let _ = fs::remove_dir_all(place.path("/etc"));
    symlink(&victim, place.path("/etc")).unwrap();
    place.config.set("user", quote("0"));
    let file = place.dir.join("file");
    fs::write(&file, "bound\n").unwrap();
    place.config.bind(file.to_str().unwrap(), "/etc/foo", "");
    place.config.bind("/usr", "/etc/made/dir", "");
    let run = untouched(&place, &victim, "/etc");
    if run.status == 0 {
        // The link leads to the same path beneath the root.
        let inside = format!("cat {}/foo", victim.display());
        assert_eq!(place.sh(&inside).ok(), "bound\n");
    }
    assert!(!victim.join("made").exists());
}

#[test]
fn a_mount_point_with_steps_up_stays_inside() {
    let mut place = Place::new();
    let victim = victim(&place);
    for point in ["/../../../../mnt/x", "/mnt/../../../y", "../z", "relative"] {
        let mut p = Place::new();
        p.config = place.config.clone();
        p.config.set("cgroups.name", quote(&p.name.clone()));
        p.config.bind("/usr", point, "");
        let run = p.sh("echo started");
        assert!(run.status == 0 || run.status == 125, "{point}: {}", run.err);
    }
    // The names lead to the root's own parents at worst.
    let up = format!("/../../../../../../../../{}/made", victim.display());
    place.config.bind("/usr", &up, "");
    untouched(&place, &victim, "..");
}

#[test]
fn mounts_over_proc_are_refused() {
    let mut place = Place::new();
    let fake = place.host_dir("fake");
    fs::create_dir_all(fake.join("self/attr")).unwrap();
    fs::write(fake.join("self/attr/exec"), "").unwrap();
    let original = place.config.clone();
    for point in [
        "/proc",
        "/./proc",
        "//proc/",
        "/tmp/../proc",
        "/proc/self",
        "/proc/self/attr",
        "/sys",
        "/",
        "/proc/1",
    ] {
        place.config = original.clone();
        place.config.bind(fake.to_str().unwrap(), point, "");
        let run = place.exec(&["/bin/true"]);
        assert_eq!(run.status, 125, "{point} was mounted over: {}", run.out);
        assert!(run.err.contains(point) || run.err.contains("destination"), "{point}: {}", run.err);
        assert_eq!(fs::read_to_string(fake.join("self/attr/exec")).unwrap(), "");
    }
    // By a link of the root's too.
    symlink("/proc", place.path("/alias")).unwrap();
    place.config = original.clone();
    place.config.bind(fake.to_str().unwrap(), "/alias", "");
    assert_eq!(place.exec(&["/bin/true"]).status, 125);
}

#[test]
fn working_directories_that_are_magic_links() {
    let mut place = Place::new();
    let mut targets: Vec<String> =
        (3..64).step_by(7).map(|fd| format!("/proc/self/fd/{fd}")).collect();
    targets.extend(
        [
            "/proc/self/exe/..",
            "/proc/1/root",
            "/proc/self/cwd/..",
            "/proc/self/root",
            "/proc/thread-self/root",
        ]
        .map(String::from),
    );
    for inside in [false, true] {
        for target in &targets {
            place.config.set("working_dir", quote(target));
            if inside {
                let _ = fs::remove_file(place.path("/where"));
                symlink(target, place.path("/where")).unwrap();
                place.config.set("working_dir", quote("/where"));
            }
            place.write_config();
            let mut command = place.command(&[
                "exec",
                "/bin/sh",
                "-c",
                "ls -d /proc/self/cwd/Cargo.toml; ls /proc/self/cwd/boot; readlink /proc/self/cwd",
            ]);
            leak(&mut command, &[3, 10, 17, 24]);
            let run = spawn(&mut command).end();
            assert!(!run.out.contains("Cargo.toml"), "{target}: {}", run.out);
            assert!(!run.out.contains("vmlinuz"), "{target}: {}", run.out);
            assert!(
                run.status == 125 || run.out.trim() == "/",
                "{target}: {} {}",
                run.status,
                run.out
            );
        }
    }
}

#[test]
fn a_leaked_directory_is_not_there_for_a_start_or_a_join() {
    let place = Place::new();
    place.write_config();
    let script = "for f in 3 4 5 6 7 8 9 10 20 63; do ls /proc/self/fd/$f/ 2>/dev/null; done; \
        for f in 3 7 10 63; do ls -d /proc/1/fd/$f 2>/dev/null; done; echo end";
    let mut command = place.command(&["exec", "/bin/sh", "-c", script]);
    leak(&mut command, &[3, 7, 10, 63]);
    assert_eq!(spawn(&mut command).end().ok(), "end\n");
    let running = place.start("echo ready; sleep 300");
    let mut command = place.command(&["exec", "/bin/sh", "-c", script]);
    leak(&mut command, &[3, 7, 10, 63]);
    assert_eq!(spawn(&mut command).end().ok(), "end\n");
    running.signal(libc::SIGTERM);
    running.end();
}

/// The command inherits the host's root and the repository as these descriptors.
fn leak(command: &mut Command, numbers: &'static [i32]) {
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;
    let dir = fs::File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
    // SAFETY: dup2 is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            for n in numbers {
                libc::dup2(dir.as_raw_fd(), *n);
            }
            Ok(())
        });
    }
}

#[test]
fn null_as_something_else_does_not_become_the_mask() {
    let place = Place::new();
    let victim = victim(&place);
    fs::write(place.path("/etc/secret"), "secret words").unwrap();
    // The mask's source is the host's or the container's own fresh /dev: the root's file is neither.
    let mut config = crate::config::Config::empty();
    config.set("rootfs", quote(place.root.to_str().unwrap()));
    config.set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}]"#);
    config.set("environment", strings(&["PATH=/bin"]));
    config.set("mounts", r#"[{"source": "proc", "destination": "/proc", "device": "proc"}]"#);
    config.set("mask_paths", strings(&["/proc/kcore", "/proc/keys", "/etc/secret"]));
    for target in [
        Path::new("/proc/sys/kernel/core_pattern"),
        &victim.join("shadow"),
        Path::new("/proc/sysrq-trigger"),
    ] {
        link(&place, "/dev/null", target);
        place.write_text(&config.text());
        let before = fingerprint(&victim);
        let run =
            place.run(&["exec", "/bin/sh", "-c", "cat /proc/self/mountinfo; cat /etc/secret"]);
        assert_eq!(fingerprint(&victim), before);
        if run.status != 0 {
            run.fails(&["null"]);
            continue;
        }
        for line in
            run.out.lines().filter(|l| l.contains(" /proc/kcore ") || l.contains(" /etc/secret "))
        {
            assert!(line.split(' ').nth(3).unwrap().ends_with("/null"), "{line}");
        }
        assert!(!run.out.contains("secret words"), "{}", run.out);
    }
}

/// It is the host's own node: a mode or an owner that is set by a mask would be the host's.
#[test]
fn the_null_device_of_a_mask_is_read_only() {
    let mut place = Place::new();
    place.config.set("capabilities", strings(&["CHOWN", "FOWNER", "DAC_OVERRIDE"]));
    // The mode and the owner that it has: should it ever succeed, it does no harm.
    let run = place
        .sh("chmod 666 /proc/interrupts; chown 0:0 /proc/interrupts; chmod 666 /container.json");
    assert_eq!(run.err.matches("Read-only file system").count(), 3, "{}", run.err);
}

/// A bind of the data in a directory that the container writes to: what it makes of that is its own.
#[test]
fn a_bind_source_that_the_container_made_a_link_stays_inside() {
    let mut place = Place::new();
    let victim = victim(&place);
    fs::create_dir_all(place.path("/data")).unwrap();
    fs::create_dir_all(place.path("/etc/inside")).unwrap();
    symlink(&victim, place.path("/data/out")).unwrap();
    symlink("/etc", place.path("/data/in")).unwrap();
    let inside = place.path("/data/in");
    let original = place.config.clone();
    let before = fingerprint(&victim);
    let write = r#", "writable": true"#;
    for source in ["data/out", "./data/../data/out", place.path("/data/out").to_str().unwrap()] {
        place.config = original.clone();
        place.config.bind(source, "/mnt", write);
        // The link leads to the same path beneath the root, where there is nothing.
        place.sh("echo x > /mnt/shadow").fails(&["mount_config.mounts[0]", source]);
    }
    for source in ["data/in", inside.to_str().unwrap()] {
        place.config = original.clone();
        place.config.bind(source, "/mnt", write);
        assert_eq!(place.sh("ls -d /mnt/inside").ok(), "/mnt/inside\n", "{source}");
    }
    assert_eq!(fingerprint(&victim), before);
}

#[test]
fn a_link_on_the_way_to_a_bind_source_is_followed_only_where_root_alone_made_it() {
    let mut place = Place::new();
    let victim = victim(&place);
    let (shared, host) = (place.host_dir("shared"), place.host_dir("host"));
    let (alice, open) = (place.host_dir("alice"), place.host_dir("open"));
    for dir in [&shared, &host, &alice, &open] {
        symlink(&victim, dir.join("link")).unwrap();
    }
    std::os::unix::fs::lchown(alice.join("link"), Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let original = place.config.clone();
    let mut run = |source: PathBuf, volume: Option<&str>| {
        place.config = original.clone();
        if let Some(more) = volume {
            place.config.bind(shared.to_str().unwrap(), "/vol", more);
        }
        place.config.bind(source.to_str().unwrap(), "/mnt", "");
        place.sh("cat /mnt/shadow")
    };
    let refused = ["a symbolic link on the way", "mount_config.mounts["];
    // The container writes to it by the other mount.
    run(shared.join("link"), Some(r#", "writable": true"#)).fails(&refused);
    run(shared.join("link/pts/.."), Some(r#", "writable": true"#)).fails(&refused);
    run(alice.join("link"), None).fails(&refused);
    run(open.join("link"), None).fails(&refused);
    for (source, volume) in [(shared.join("link"), Some("")), (host.join("link"), None)] {
        assert_eq!(run(source, volume).ok(), "shadow of the host");
    }
}

#[test]
fn the_directories_of_an_overlay_stay_where_the_file_says() {
    let place = Place::new();
    let victim = victim(&place);
    let over = place.host_dir("over");
    crate::rootfs::mount("tmpfs", &over, "tmpfs");
    for name in ["lower", "up:per", "work", "shared"] {
        fs::create_dir(over.join(name)).unwrap();
    }
    fs::write(over.join("lower/below"), "below\n").unwrap();
    symlink(&victim, over.join("shared/link")).unwrap();
    let mut config = crate::config::Config::empty();
    config.set("rootfs", quote(place.root.to_str().unwrap()));
    config.set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}]"#);
    config.set("environment", strings(&["PATH=/bin"]));
    let o = over.display();
    let mut run = |lower: &str| {
        config.set(
            "mounts",
            format!(
                r#"[{{"source": "proc", "destination": "/proc", "device": "proc"}},
                {{"source": "{o}/shared", "destination": "/vol", "device": "bind"}},
                {{"source": "overlay", "destination": "/merged", "device": "overlay",
                  "data": "lowerdir={lower},upperdir={o}/up\\:per,workdir={o}/work"}}]"#
            ),
        );
        place.write_text(&config.text());
        place.run(&["exec", "/bin/sh", "-c", "cat /merged/below; echo above > /merged/above"])
    };
    let good = run(&format!("{o}/lower"));
    let above = fs::read_to_string(over.join("up:per/above"));
    let bad = run(&format!("{o}/shared/link"));
    crate::rootfs::umount(&over);
    assert_eq!(good.ends(0), "below\n", "{}", good.err);
    assert_eq!(above.unwrap(), "above\n");
    bad.fails(&["mounts[2]", "a symbolic link on the way"]);
}

#[test]
fn a_mount_or_a_mask_in_a_directory_of_each_process_is_refused() {
    let mut place = Place::new();
    let original = place.config.clone();
    for point in ["/proc/net/dev", "/proc/self/mounts", "/proc/mounts", "/proc/1/environ"] {
        place.config = original.clone();
        place.config.bind("/etc/hostname", point, "");
        let words = ["container.json:", "mounts[0].destination", "each process has its own"];
        place.exec(&["/bin/true"]).fails(&words);
    }
    let mut config = crate::config::Config::empty();
    config.set("rootfs", quote(place.root.to_str().unwrap()));
    config.set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}]"#);
    config.set("mounts", r#"[{"source": "proc", "destination": "/proc", "device": "proc"}]"#);
    config.set("mask_paths", strings(&["/proc/net/tcp"]));
    config.set("readonly_paths", strings(&["/proc/self/oom_score_adj"]));
    place.write_text(&config.text());
    let run = place.run(&["exec", "/bin/true"]);
    run.fails(&["mask_paths[0]: each process", "readonly_paths[0]: each process"]);
}

#[test]
fn masks_and_read_only_paths_behind_links_stay_inside() {
    let place = Place::new();
    let victim = victim(&place);
    let mut config = crate::config::Config::empty();
    config.set("rootfs", quote(place.root.to_str().unwrap()));
    config.set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}]"#);
    config.set("environment", strings(&["PATH=/bin"]));
    config.set("mounts", r#"[{"source": "proc", "destination": "/proc", "device": "proc"}]"#);
    config.set("mask_paths", strings(&["/a/shadow", "/b"]));
    config.set("readonly_paths", strings(&["/c", "/a/pts"]));
    symlink(&victim, place.path("/a")).unwrap();
    symlink(victim.join("self"), place.path("/b")).unwrap();
    symlink(&victim, place.path("/c")).unwrap();
    place.write_text(&config.text());
    let before = fingerprint(&victim);
    let run = place.run(&["exec", "/bin/true"]);
    assert!(run.status == 0 || run.status == 125, "{}", run.err);
    assert_eq!(fingerprint(&victim), before);
    fs::write(victim.join("pts/still-writable"), "").unwrap();
}

/// Swaps two names of the host's as fast as possible, until killed.
fn flipper(place: &Place, a: &Path, b: &Path) -> Running {
    let probe = place.path("/bin/probe");
    spawn(Command::new(probe).arg("flip").arg(a).arg(b).arg("300"))
}

#[test]
fn a_mount_point_swapped_for_a_link_while_starting() {
    let mut place = Place::new();
    let victim = victim(&place);
    let volume = place.host_dir("volume");
    fs::create_dir(volume.join("x")).unwrap();
    symlink(&victim, volume.join("y")).unwrap();
    let bound = place.host_dir("bound");
    fs::write(bound.join("here"), "").unwrap();
    place.config.bind(volume.to_str().unwrap(), "/vol", r#", "writable": true"#);
    place.config.bind(bound.to_str().unwrap(), "/vol/x", "");
    place.config.bind(bound.to_str().unwrap(), "/vol/x/made/deep", "");
    place.write_config();
    let before = fingerprint(&victim);
    let flipping = flipper(&place, &volume.join("x"), &volume.join("y"));
    let mut ran = 0;
    for _ in 0..400 {
        let run = place.run(&["exec", "/bin/cat", "/proc/self/mountinfo"]);
        assert!(run.status == 0 || run.status == 125, "{} {}", run.status, run.err);
        ran += u32::from(run.status == 0);
        for line in run.out.lines() {
            let point = line.split(' ').nth(4).unwrap();
            // What RESOLVE_IN_ROOT makes of the link lies beneath the container's root too.
            assert!(point.starts_with('/') && !point.contains("//deleted"), "{line}");
        }
    }
    drop(flipping);
    assert_eq!(fingerprint(&victim), before);
    println!("{ran} of 400 started");
}

#[test]
fn dev_null_swapped_while_starting() {
    let place = Place::new();
    let victim = victim(&place);
    let mut config = crate::config::Config::empty();
    config.set("rootfs", quote(place.root.to_str().unwrap()));
    config.set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}]"#);
    config.set("environment", strings(&["PATH=/bin"]));
    config.set("mounts", r#"[{"source": "proc", "destination": "/proc", "device": "proc"}]"#);
    config.set("mask_paths", strings(&["/proc/kcore", "/etc/secret"]));
    place.write_text(&config.text());
    fs::write(place.path("/etc/secret"), "secret words").unwrap();
    let path = std::ffi::CString::new(place.path("/dev/null").to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string that outlives the call.
    let made = unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(1, 3)) };
    assert_eq!(made, 0);
    symlink("/proc/sys/kernel/core_pattern", place.path("/dev/evil")).unwrap();
    let before = fingerprint(&victim);
    let flipping = flipper(&place, &place.path("/dev/null"), &place.path("/dev/evil"));
    for _ in 0..300 {
        let run = place.run(&["exec", "/bin/cat", "/proc/self/mountinfo"]);
        assert!(run.status == 0 || run.status == 125, "{} {}", run.status, run.err);
        for line in
            run.out.lines().filter(|l| l.contains(" /proc/kcore ") || l.contains(" /etc/secret "))
        {
            assert!(line.split(' ').nth(3).unwrap().ends_with("/null"), "{line}");
        }
    }
    drop(flipping);
    assert_eq!(fingerprint(&victim), before);
}

#[test]
fn the_whole_root_swapped_while_starting() {
    let mut place = Place::new();
    let victim = victim(&place);
    let other = place.dir.join("other");
    symlink(&victim, &other).unwrap();
    let data = place.host_dir("data");
    place.config.set("rootfs", quote(place.root.to_str().unwrap()));
    fs::write(data.join("container.json"), place.config.text()).unwrap();
    let before = fingerprint(&victim);
    let probe = place.dir.join("probe");
    fs::copy(place.path("/bin/probe"), &probe).unwrap();
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o755)).unwrap();
    let flipping = spawn(Command::new(&probe).arg("flip").arg(&place.root).arg(&other).arg("300"));
    for _ in 0..100 {
        let mut command = place.command(&["exec", "/bin/true"]);
        command.current_dir(&data);
        let run = spawn(&mut command).end();
        // The victim has no /bin/true: a start there is not found.
        assert!([0, 125, 127].contains(&run.status), "{} {}", run.status, run.err);
    }
    drop(flipping);
    if fs::symlink_metadata(&place.root).unwrap().is_symlink() {
        fs::rename(&place.root, place.dir.join("link")).unwrap();
        fs::rename(&other, &place.root).unwrap();
    }
    let after = fingerprint(&victim);
    // Mount points may be made in a root that the trusted file names by a link: nothing is changed.
    for line in &before {
        if !line.starts_with(&format!("{} ", victim.display())) {
            assert!(after.contains(line), "{line}");
        }
    }
}

#[test]
fn the_hosts_own_values_are_as_they_were() {
    let values = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/randomize_va_space",
    ];
    let before: Vec<String> = values.map(|v| fs::read_to_string(v).unwrap()).into();
    let place = Place::new();
    for target in values {
        for point in ["/dev/null", "/dev/console", "/dev/ptmx", "/etc/hostname"] {
            link(&place, point, Path::new(target));
        }
        place.sh("true");
    }
    assert_eq!(values.map(|v| fs::read_to_string(v).unwrap()).to_vec(), before);
}

#[test]
fn predictable_temporary_names_do_not_matter() {
    let place = Place::new();
    let victim = victim(&place);
    let mine = std::env::temp_dir().join(".nsinit");
    let made = symlink(&victim, &mine).is_ok();
    symlink(victim.join("shadow"), place.root.join("state.json.tmp")).unwrap();
    symlink(victim.join("shadow"), place.root.join(".state.json.tmp")).unwrap();
    let before = fingerprint(&victim);
    place.write_config();
    let run = place.run(&["exec", "/bin/true"]);
    assert_eq!(fingerprint(&victim), before);
    assert!(run.status == 0 || run.status == 125, "{}", run.err);
    let _ = fs::remove_file(place.root.join("state.json.tmp"));
    let _ = fs::remove_file(place.root.join(".state.json.tmp"));
    if made {
        fs::remove_file(mine).unwrap();
    }
}
