//! Binds and file systems.

use super::*;

#[test]
fn binds_are_read_only_on_every_submount() {
    let Some(dir) = inside_both_ways(module_path!(), "binds_are_read_only_on_every_submount")
    else {
        return;
    };
    // source/sub and source/sub/deeper are mounts, one with flags of its own, one covered.
    let source = dir.join("source");
    let tmpfs = |path: &Path, flags: u32| {
        fs::create_dir_all(path).unwrap();
        let flags = rustix::mount::MountFlags::from_bits_retain(flags);
        rustix::mount::mount(c"tmpfs", c(path), c"tmpfs", flags, None).unwrap();
    };
    tmpfs(&source.join("sub"), 0);
    tmpfs(&source.join("sub"), MS_NOSUID | MS_NODIRATIME);
    tmpfs(&source.join("sub/deeper er"), MS_NOATIME);
    fs::write(dir.join("file"), "text").unwrap();
    let mut plan = plan(&dir);
    for mount in [
        bind(&source, c"/rw", 0),
        bind(&source, c"/ro/made", MS_RDONLY | MS_NODEV),
        Mount { flags: MS_BIND | MS_RDONLY, ..bind(&source, c"/alone", 0) },
        bind(dir.join("file"), c"/a/file", MS_RDONLY | MS_NOEXEC),
        Mount { propagation: MS_SLAVE | MS_REC, ..bind(&source, c"/slave", MS_RDONLY) },
        Mount { propagation: MS_SHARED | MS_REC, ..bind(&source, c"/shared", 0) },
        Mount {
            propagation: MS_UNBINDABLE,
            ..mount(c"tmpfs", c"/unbindable", MS_NODEV, c"size=4k")
        },
    ] {
        plan.mounts.push(mount).unwrap();
    }
    build(&plan).unwrap();
    assert!(writable("/rw") && writable("/rw/sub") && writable("/rw/sub/deeper er"));
    assert!(!writable("/ro/made") && !writable("/ro/made/sub"));
    assert!(!writable("/ro/made/sub/deeper er"));
    assert_eq!(options("/ro/made/sub").0, "ro,nosuid,nodev,nodiratime,relatime");
    assert_eq!(options("/ro/made/sub/deeper\\040er").0, "ro,nodev,noatime");
    assert_eq!(options("/rw/sub/deeper\\040er").0, "rw,noatime");
    assert!(!writable("/alone") && !Path::new("/alone/sub/deeper er").exists());
    assert_eq!(fs::read_to_string("/a/file").unwrap(), "text");
    assert!(fs::write("/a/file", "").is_err());
    assert!(options("/a/file").0.starts_with("ro,noexec"));
    assert!(!writable("/slave/sub") && writable("/shared/sub"));
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let optional = |point: &str| {
        let line = text.lines().find(|line| line.split(' ').nth(4) == Some(point)).unwrap();
        let end = line.find(" - ").unwrap();
        line[..end].split(' ').skip(6).collect::<Vec<_>>().join(" ")
    };
    assert!(optional("/shared/sub").starts_with("shared:"), "{text}");
    assert_eq!(optional("/slave/sub"), "", "{text}"); // a slave of nobody is private
    assert_eq!(optional("/rw/sub"), "");
    assert_eq!(optional("/unbindable"), "unbindable");
    // The stage is empty again.
    assert!(!text.contains("/proc/"), "{text}");
}

#[test]
fn mount_points_stay_inside() {
    let Some(dir) = inside_both_ways(module_path!(), "mount_points_stay_inside") else { return };
    let host = dir.join("host");
    let mut p = linked(&dir, "a", &[("etc", &host), ("up", Path::new("../../../host"))]);
    let file = dir.join("file");
    fs::write(&file, "text").unwrap();
    for mount in [
        bind(&file, c"/etc/foo", 0),
        bind(&dir, c"/etc/dir", 0),
        bind(&file, c"/etc/../../../bar", 0),
        bind(&file, c"/up/ptmx", 0),
        mount(c"tmpfs", c"/etc/tmp", 0, c""),
    ] {
        p.mounts.push(mount).unwrap();
    }
    p.devices.push(node(c"/etc/node", 1, 3)).unwrap();
    build(&p).unwrap();
    // The links' texts are taken as paths of the container.
    let shadow = host.display();
    for path in [format!("{shadow}/foo"), format!("{}/bar", dir.display()), "/host/ptmx".into()] {
        // "/etc/../../../bar" leads out of DIR/host, three up, and never above the root.
        let path = if path.ends_with("bar") { "/bar".into() } else { path };
        assert_eq!(fs::read_to_string(&path).unwrap(), "text", "{path}");
    }
    assert!(Path::new(&format!("{shadow}/dir/host")).is_dir());
    assert!(fs::metadata(format!("{shadow}/node")).unwrap().file_type().is_char_device());
    assert_eq!(options(&format!("{shadow}/tmp")).0, "rw,relatime");
}

#[test]
fn what_would_undo_the_container_is_refused() {
    let Some(dir) = inside(module_path!(), "what_would_undo_the_container_is_refused") else {
        return;
    };
    let volume = dir.join("volume");
    fs::create_dir(&volume).unwrap();
    fs::write(dir.join("meminfo"), "mine").unwrap();
    let links = [("p", Path::new("/proc")), ("slash", Path::new("/"))];
    let p = std::cell::RefCell::new(linked(&dir, "a", &links));
    let with = |mount: Mount| {
        let mut p = p.borrow_mut();
        p.mounts.truncate(6);
        p.mounts.push(mount).unwrap();
        fault(&p)
    };
    for target in [c"/", c"/proc/..", c"/slash", c"."] {
        let target_text = target.to_str().unwrap();
        let text = with(bind(&volume, target, 0));
        assert_eq!(text, format!("mount on {target_text}: it is the container's root"));
    }
    for target in [c"/proc", c"/./proc/"] {
        assert!(with(bind(&volume, target, 0)).ends_with("only proc may be mounted there"));
        assert!(with(mount(c"tmpfs", target, 0, c"")).ends_with("only proc may be mounted there"));
    }
    assert!(with(bind(&volume, c"/sys", 0)).ends_with("only sysfs may be mounted there"));
    let inside_proc = "it lies in proc, and is none of the files that may be covered";
    for target in [c"/p", c"/proc/self", c"/p/sys", c"/proc/self/attr", c"/proc/self/../fs"] {
        let text = with(bind(&volume, target, 0));
        assert!(text.ends_with(inside_proc), "{text}");
    }
    assert!(with(mount(c"proc", c"/proc/fs", 0, c"")).ends_with(inside_proc));
    // A magic link is not followed, and nothing can be made in proc.
    assert!(with(bind(&volume, c"/proc/self/root/x", 0)).contains("ELOOP"));
    let mut p = p.into_inner();
    p.mounts.truncate(6);
    p.mounts.push(bind(dir.join("meminfo"), c"/proc/meminfo", MS_RDONLY)).unwrap();
    p.mounts.push(bind("/sys", c"/sys", 0)).unwrap();
    build(&p).unwrap();
    assert_eq!(fs::read_to_string("/proc/meminfo").unwrap(), "mine");
}

#[test]
fn faults_name_the_step_and_the_object() {
    let Some(dir) = inside(module_path!(), "faults_name_the_step_and_the_object") else { return };
    fs::write(dir.join("file"), "").unwrap();
    fs::create_dir_all(dir.join("root/dir")).unwrap();
    fs::write(dir.join("root/plain"), "").unwrap();
    let with = |mounts: &[Mount]| {
        let mut p = plan(&dir);
        p.mounts.extend_from_slice(mounts).unwrap();
        fault(&p)
    };
    assert_eq!(
        with(&[bind("/nonexistent", c"/x", 0)]),
        "open the source of a bind, /nonexistent: No such file or directory (ENOENT): make it first, or \
         take the mount out of the file"
    );
    let text = with(&[bind(dir.join("file"), c"/dir", 0)]);
    assert!(text.starts_with("make the mount point /dir: Is a directory (EISDIR): "), "{text}");
    let text = with(&[bind(&dir, c"/plain", 0)]);
    assert!(text.starts_with("make the mount point /plain: Not a directory (ENOTDIR): "), "{text}");
    let ro = mount(c"tmpfs", c"/ro", MS_RDONLY, c"");
    let text = with(&[ro, mount(c"tmpfs", c"/ro/sub", 0, c"")]);
    assert!(text.starts_with("make the mount point /ro/sub: Read-only file system"), "{text}");
    let text = with(&[mount(c"nofs", c"/x", 0, c"")]);
    assert_eq!(
        text,
        "mount a file system on /x: No such device (ENODEV): the kernel does not have this file \
         system type"
    );
    let text = with(&[mount(c"tmpfs", c"/x", 0, c"size=zero")]);
    assert!(text.starts_with("mount tmpfs on /x: Invalid argument (EINVAL): "), "{text}");
    let options = |len: usize| c(Path::new(&("mode=755,".to_string() + &"0".repeat(len - 9))));
    let text = with(&[mount(c"tmpfs", c"/x", 0, options(4096))]);
    assert_eq!(text, "mount tmpfs on /x: its options exceed 4095 bytes");
    let text = with(&[mount(c"tmpfs", c"/x", 0, options(4095))]);
    assert!(text.contains("EINVAL"), "{text}");
    let mut p = plan(&dir);
    p.path = Some(c(dir.join("file")));
    assert!(fault(&p).starts_with("open the root file system "));
    p.path = Some(c"/nonexistent");
    assert!(fault(&p).contains("ENOENT"));
}

#[test]
fn a_mount_point_that_is_exchanged_for_a_link_stays_inside() {
    let name = "a_mount_point_that_is_exchanged_for_a_link_stays_inside";
    let Some(dir) = inside_both_ways(module_path!(), name) else { return };
    // As in CVE-2021-30465: another container exchanges them all the time in a shared volume.
    let volume = dir.join("volume");
    fs::create_dir_all(volume.join("dir")).unwrap();
    symlink("/../../../../..", volume.join("link")).unwrap();
    let host = dir.join("host");
    let mut p = linked(&dir, "a", &[]);
    p.mounts.clear();
    for mount in [
        bind(&volume, c"/vol", 0),
        mount(c"tmpfs", c"/vol/dir/tmp", 0, c""),
        bind(&host, c"/vol/dir/x", MS_RDONLY),
        Mount { propagation: MS_SLAVE, ..mount(c"tmpfs", c"/vol/dir/slave", 0, c"") },
    ] {
        p.mounts.push(mount).unwrap();
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (to, from) = (c(volume.join("dir")), c(volume.join("link")));
    let root = dir.join("a").to_str().unwrap().to_string();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(CWD, to, CWD, from, exchange).unwrap();
            }
        });
        let result = std::panic::catch_unwind(|| {
            let before = fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
            for _ in 0..100 {
                in_a_new_mount_namespace(|| {
                    let mut built = Root::open(&p).unwrap();
                    match built.mounts().map_err(|(_, error)| error) {
                        Ok(()) => {}
                        // Too fast for it: refused, with nothing done.
                        Err(error) => assert_eq!(error.raw(), Some(Errno::AGAIN), "{error}"),
                    }
                    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
                    let point = |line: &str| line.split(' ').nth(4).unwrap().to_string();
                    let outside = text.lines().filter(|line| !point(line).starts_with(&root));
                    assert_eq!(outside.count(), before, "{text}");
                });
            }
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        result.unwrap();
    });
}
