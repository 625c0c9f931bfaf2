//! The three ways to a new root, and control groups.

use super::*;

#[test]
fn a_read_only_root_keeps_its_mounts_writable() {
    let name = "a_read_only_root_keeps_its_mounts_writable";
    let Some(dir) = inside_both_ways(module_path!(), name) else { return };
    let mut p = plan(&dir);
    p.readonly = true;
    build(&p).unwrap();
    assert!(!writable("/") && writable("/dev") && writable("/dev/shm"));
    // The host's own mount is not the container's.
    assert!(options("/").0.starts_with("ro"));
}

#[test]
fn a_moved_root_leaves_no_proc_behind() {
    let Some(dir) = inside(module_path!(), "a_moved_root_leaves_no_proc_behind") else { return };
    let other = dir.join("proc of another");
    fs::create_dir(&other).unwrap();
    let none = rustix::mount::MountFlags::empty();
    rustix::mount::mount(c"proc", c(&other), c"proc", none, None).unwrap();
    rustix::mount::mount(c"proc", c(&other), c"proc", none, None).unwrap();
    let before = mountinfo::open(c"/proc/self/mountinfo").unwrap();
    let mut p = plan(&dir);
    p.no_pivot_root = true;
    build(&p).unwrap();
    assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
    assert_eq!(fs::read_dir("/").unwrap().count(), 3);
    // Opened before: it still tells of all mounts in the namespace, the old root's too.
    let count = |kind: &CStr| {
        let mut lines = mountinfo::Lines::new(before.as_fd()).unwrap();
        let mut n = 0;
        while let Some(mount) = lines.next_mount().unwrap() {
            n += u32::from(mount.fstype == kind);
        }
        n
    };
    assert_eq!((count(c"proc"), count(c"sysfs")), (1, 1));
    // A container in the container has a root to pivot from.
    fs::create_dir_all("/inner/root").unwrap();
    in_a_new_mount_namespace(|| {
        build(&plan(Path::new("/inner"))).unwrap();
        assert!(!Path::new("/inner").exists());
    });
    // Out of the chroot, as root can: ".." ends at the container's root all the same.
    fs::create_dir("/jail").unwrap();
    let top = rustix::fs::open(c"/", OFlags::PATH, Mode::empty()).unwrap();
    rustix::process::chroot(c"/jail").unwrap();
    rustix::process::fchdir(&top).unwrap();
    for _ in 0..20 {
        rustix::process::chdir(c"..").unwrap();
    }
    rustix::process::chroot(c".").unwrap();
    assert!(Path::new("/jail").is_dir() && !Path::new("/tmp").exists());
    // The topmost mount is the root in the kernel's eyes: a user namespace can be made
    // (current_chrooted() refuses it in a chroot).
    let unshared = crate::syscall::process::fork(crate::syscall::process::NewNamespaces::NEWUSER);
    match unshared.unwrap() {
        crate::syscall::process::Fork::Child => crate::syscall::process::exit_group(0),
        crate::syscall::process::Fork::Parent(_) => {}
    }
}

#[test]
fn a_chroot_is_no_root_to_pivot_from_or_to_cover() {
    let name = "a_chroot_is_no_root_to_pivot_from_or_to_cover";
    let Some(dir) = inside(module_path!(), name) else { return };
    // On a tmpfs, so that it looks like an initramfs, but not its root.
    let jail = dir.join("jail");
    fs::create_dir(&jail).unwrap();
    let none = rustix::mount::MountFlags::empty();
    rustix::mount::mount(c"tmpfs", c(&jail), c"tmpfs", none, None).unwrap();
    for made in ["sub/proc", "sub/root", "sub/dev"] {
        fs::create_dir_all(jail.join(made)).unwrap();
    }
    rustix::mount::mount(c"proc", c(jail.join("sub/proc")), c"proc", none, None).unwrap();
    rustix::process::chroot(c(jail.join("sub"))).unwrap();
    rustix::process::chdir(c"/").unwrap();
    // Only a mount point's propagation can be changed: it fails at the first step already.
    let mut p = plan(Path::new("/"));
    assert!(fault(&p).starts_with("change the propagation of /: Invalid argument"));
    p.no_pivot_root = true;
    assert!(fault(&p).starts_with("change the propagation of /: Invalid argument"));
}

#[test]
fn control_groups_are_the_containers_own_and_read_only() {
    let name = "control_groups_are_the_containers_own_and_read_only";
    let Some(dir) = inside_both_ways(module_path!(), name) else { return };
    // Directories stand for the hierarchies: what is bound is the caller's business.
    let group = |name: &str| {
        let path = dir.join("cg").join(name);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("tasks"), name).unwrap();
        c(path)
    };
    let v1 = [
        CgroupDir { hierarchy: c"cpu,cpuacct", path: group("one") },
        CgroupDir { hierarchy: c"memory", path: group("two") },
        CgroupDir { hierarchy: c"systemd", path: group("three") },
    ];
    let mut p = plan(&dir);
    for target in [c"/cgroup", c"/v2"] {
        p.mounts.push(mount(c"cgroup", target, MS_NOSUID, c"")).unwrap();
    }
    let mut root = Root::open(&p).unwrap();
    root.mounts().map_err(|(_, error)| error).unwrap();
    assert!(root.plan.wants_cgroups());
    root.mount_cgroups(Cgroups::V1(&v1)).unwrap();
    root.mount_cgroups(Cgroups::V2(group("unified"))).unwrap();
    let missing = [CgroupDir { hierarchy: c"cpu", path: c"/nonexistent" }];
    let error = root.mount_cgroups(Cgroups::V1(&missing)).unwrap_err().to_string();
    assert!(error.starts_with("mount the cgroup /nonexistent: No such file"), "{error}");
    root.finish().and_then(OldRoot::detach).unwrap();
    assert_eq!(fs::read_to_string("/v2/tasks").unwrap(), "unified");
    assert!(!writable("/v2"));
    // The last one covers the first: look below it.
    rustix::mount::unmount(c"/cgroup", rustix::mount::UnmountFlags::DETACH).unwrap();
    for (path, text) in
        [("cpu", "one"), ("cpuacct", "one"), ("memory", "two"), ("systemd", "three")]
    {
        let path = format!("/cgroup/{path}");
        assert_eq!(fs::read_to_string(format!("{path}/tasks")).unwrap(), text);
        assert!(!writable(&path), "{path}");
    }
    assert!(!writable("/cgroup"));
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!text.contains("/proc/"), "{text}");
    assert!(options("/cgroup/memory").0.starts_with("ro,nosuid,nodev,noexec"));
}

#[test]
fn no_mount_gets_out_and_a_slave_lets_some_in() {
    let name = "no_mount_gets_out_and_a_slave_lets_some_in";
    let Some(dir) = inside_both_ways(module_path!(), name) else { return };
    let shared = MountPropagationFlags::REC | MountPropagationFlags::SHARED;
    rustix::mount::mount_change(c"/", shared).unwrap();
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let late = dir.join("root/late");
    fs::create_dir(&late).unwrap();
    for (propagation, arrives) in [(MS_PRIVATE, false), (MS_SLAVE, true)] {
        let mut p = plan(&dir);
        p.propagation = propagation;
        let (built, tell_built) = rustix::pipe::pipe().unwrap();
        let (mounted, tell_mounted) = rustix::pipe::pipe().unwrap();
        let host = std::thread::spawn({
            let (before, late) = (before.clone(), late.clone());
            move || {
                rustix::io::read(built, &mut [0; 1]).unwrap();
                assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
                let none = rustix::mount::MountFlags::empty();
                rustix::mount::mount(c"tmpfs", c(&late), c"tmpfs", none, None).unwrap();
                rustix::io::write(tell_mounted, b"x").unwrap();
                late
            }
        });
        in_a_new_mount_namespace(|| {
            build(&p).unwrap();
            rustix::io::write(&tell_built, b"x").unwrap();
            rustix::io::read(&mounted, &mut [0; 1]).unwrap();
            let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
            assert_eq!(text.contains(" /late "), arrives, "{text}");
        });
        let late = host.join().unwrap();
        rustix::mount::unmount(c(late), rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}
