//! The root file system: mounts, devices, masks, read-only, the pivot.

use std::fs;

use crate::config::{Config, quote, strings};
use crate::world::{FAILED, Place, Run};

/// The line of /proc/self/mountinfo for a mount point: the last one, which is on top.
#[track_caller]
fn mount_at<'a>(mountinfo: &'a str, point: &str) -> &'a str {
    mountinfo
        .lines()
        .rfind(|l| l.split(' ').nth(4) == Some(point))
        .unwrap_or_else(|| panic!("nothing mounted at {point}:\n{mountinfo}"))
}

/// File system type, mount options, file system options.
fn parts(line: &str) -> (&str, Vec<&str>, &str) {
    let options = line.split(' ').nth(5).unwrap().split(',').collect();
    let after: Vec<&str> = line.split(" - ").nth(1).unwrap().split(' ').collect();
    (after[0], options, after[2])
}

#[track_caller]
fn mounted(run: &Run, point: &str, fstype: &str, options: &[&str]) {
    let line = mount_at(&run.out, point);
    let (found, has, _) = parts(line);
    assert_eq!(found, fstype, "{line}");
    for option in options {
        assert!(has.contains(option), "no {option}: {line}");
    }
}

#[test]
fn the_mounts_that_2014_made_implicitly_are_there() {
    let place = Place::new();
    let run = place.sh("cat /proc/self/mountinfo");
    run.ok();
    mounted(&run, "/proc", "proc", &["nosuid", "nodev", "noexec"]);
    mounted(&run, "/dev", "tmpfs", &["nosuid"]);
    mounted(&run, "/dev/shm", "tmpfs", &["nosuid", "nodev", "noexec"]);
    mounted(&run, "/dev/pts", "devpts", &["nosuid", "noexec"]);
    mounted(&run, "/dev/mqueue", "mqueue", &["nosuid", "nodev", "noexec"]);
    mounted(&run, "/sys", "sysfs", &["nosuid", "nodev", "noexec", "ro"]);
    let (_, _, data) = parts(mount_at(&run.out, "/dev"));
    assert!(data.contains("mode=755"), "{data}");
    let (_, _, data) = parts(mount_at(&run.out, "/dev/shm"));
    assert!(data.contains("size=65536k"), "{data}");
    let (_, _, data) = parts(mount_at(&run.out, "/dev/pts"));
    assert!(
        data.contains("mode=620") && data.contains("ptmxmode=666") && data.contains("gid=5"),
        "{data}"
    );
    // Nothing of the host's is mounted beside them.
    for line in run.out.lines() {
        let point = line.split(' ').nth(4).unwrap();
        assert!(
            ["/", "/proc", "/dev", "/sys"]
                .iter()
                .any(|p| point == *p || point.starts_with(&format!("{p}/")))
                || point.ends_with("container.json")
                || point.ends_with("state.json"),
            "{line}"
        );
    }
}

#[test]
fn without_restrict_sys_the_sysfs_is_writable_and_nothing_is_masked() {
    let mut place = Place::new();
    place.config.set("restrict_sys", "false");
    let run = place.sh("cat /proc/self/mountinfo");
    mounted(&run, "/sys", "sysfs", &["rw"]);
    assert!(!run.out.contains(" /proc/kcore "), "{}", run.out);
    assert!(!run.out.contains(" /proc/sys "), "{}", run.out);
}

#[test]
fn restrict_sys_masks_and_write_protects_todays_full_list() {
    let place = Place::new();
    let run = place.sh("cat /proc/self/mountinfo");
    run.ok();
    for path in ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"] {
        if fs::exists(path).unwrap() {
            mounted(&run, path, "proc", &["ro"]);
        }
    }
    let masked = [
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ];
    let mut seen = 0;
    for path in masked {
        if !fs::exists(path).unwrap() {
            continue;
        }
        seen += 1;
        let line = mount_at(&run.out, path);
        let (fstype, options, _) = parts(line);
        if fs::metadata(path).unwrap().is_dir() {
            assert_eq!(fstype, "tmpfs", "{line}");
            assert!(options.contains(&"ro"), "{line}");
        } else {
            assert!(line.split(' ').nth(3).unwrap().ends_with("/null"), "{line}");
        }
        let look = format!("if [ -d {path} ]; then ls -A {path}; else cat {path}; fi");
        assert_eq!(place.sh(&look).out, "", "{path} has something");
    }
    assert!(seen >= 4, "this host has hardly any of the masked paths");
    let writable = ["/proc/sys/kernel/domainname", "/proc/sysrq-trigger"];
    for write in writable.iter().filter(|w| fs::exists(w).unwrap()) {
        let run = place.sh(&format!("echo x > {write}"));
        assert_ne!(run.status, 0, "{write} could be written");
        assert!(run.err.contains("Read-only"), "{}", run.err);
    }
}

#[test]
fn devices_and_the_links_of_dev_are_there() {
    let mut place = Place::new();
    let run = place.sh("stat -c '%n %F %t:%T %a %u:%g' /dev/null /dev/zero /dev/full /dev/tty /dev/urandom /dev/random");
    let expected: String = [
        ("null", "1:3"),
        ("zero", "1:5"),
        ("full", "1:7"),
        ("tty", "5:0"),
        ("urandom", "1:9"),
        ("random", "1:8"),
    ]
    .iter()
    .map(|(n, d)| format!("/dev/{n} character special file {d} 666 0:0\n"))
    .collect();
    assert_eq!(run.ok(), expected);
    let run = place.sh("for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; head -c 3 /dev/zero | wc -c; echo x > /dev/null; echo y > /dev/full");
    assert_eq!(
        run.out,
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n3\n"
    );
    assert!(run.err.contains("No space left"), "{}", run.err);
    place.config.set(
        "mount_config.device_nodes",
        format!(
            "[{}, {}]",
            r#"{"type": 99, "path": "/dev/null", "major_number": 1, "minor_number": 3, "file_mode": 438}"#,
            r#"{"type": 112, "path": "/dev/deep/er/pipe", "file_mode": 384, "uid": 1000, "gid": 29}"#
        ),
    );
    let run = place.sh("stat -c '%F %a %u:%g' /dev/deep/er/pipe");
    assert_eq!(run.ok(), "fifo 600 1000:29\n");
}

#[test]
fn the_pty_of_the_container_is_its_own() {
    let place = Place::new();
    assert_eq!(place.sh("ls /dev/pts").ok(), "ptmx\n");
}

#[test]
fn a_bind_mount_is_read_only_unless_writable() {
    let mut place = Place::new();
    let shared = place.host_dir("shared");
    fs::write(shared.join("file"), "content\n").unwrap();
    let source = shared.to_str().unwrap();
    place.config.bind(source, "/mnt/ro", "").bind(source, "/mnt/rw", r#", "writable": true"#);
    let run = place.sh("cat /mnt/ro/file; echo new > /mnt/rw/new; echo bad > /mnt/ro/bad");
    assert_ne!(run.status, 0);
    assert_eq!(run.out, "content\n");
    assert!(run.err.contains("Read-only"), "{}", run.err);
    assert_eq!(fs::read_to_string(shared.join("new")).unwrap(), "new\n");
    assert!(!shared.join("bad").exists());
}

#[test]
fn a_read_only_bind_is_read_only_on_every_submount() {
    let mut place = Place::new();
    let shared = place.host_dir("shared");
    fs::create_dir_all(shared.join("sub/deep")).unwrap();
    mount("tmpfs", &shared.join("sub"), "tmpfs");
    fs::create_dir(shared.join("sub/deep")).unwrap();
    mount("tmpfs", &shared.join("sub/deep"), "tmpfs");
    fs::write(shared.join("sub/deep/there"), "x").unwrap();
    place.config.bind(shared.to_str().unwrap(), "/mnt/ro", "");
    let run = place.sh("ls /mnt/ro/sub/deep; for d in /mnt/ro /mnt/ro/sub /mnt/ro/sub/deep; do \
         touch $d/new 2>/dev/null && echo wrote $d; done; echo end");
    let out = run.ok().to_owned();
    umount(&shared.join("sub/deep"));
    umount(&shared.join("sub"));
    assert_eq!(out, "there\nend\n");
}

#[test]
fn a_file_can_be_bound() {
    let mut place = Place::new();
    let file = place.dir.join("file");
    fs::write(&file, "from the host\n").unwrap();
    place.config.bind(file.to_str().unwrap(), "/etc/made/up/file", "");
    assert_eq!(place.sh("cat /etc/made/up/file").ok(), "from the host\n");
    place.config.bind("/etc/passwd", "/etc", "");
    assert_eq!(place.exec(&["/bin/true"]).status, FAILED);
}

#[test]
fn a_bind_without_source_is_named() {
    let mut place = Place::new();
    place.config.bind("/no/such/source", "/mnt", "");
    place.exec(&["/bin/true"]).fails(&["/no/such/source", "ENOENT"]);
}

#[test]
fn propagation_private_and_slave() {
    let mut place = Place::new();
    let shared = place.host_dir("shared");
    mount("tmpfs", &shared, "tmpfs");
    propagate(&shared, libc::MS_SHARED);
    let source = shared.to_str().unwrap();
    place.config.bind(source, "/mnt/private", r#", "private": true"#);
    place.config.bind(source, "/mnt/slave", r#", "slave": true"#);
    let run = place.sh("cat /proc/self/mountinfo");
    let (private, slave) = (mount_at(&run.out, "/mnt/private"), mount_at(&run.out, "/mnt/slave"));
    assert!(!private.contains("shared:") && !private.contains("master:"), "{private}");
    assert!(slave.contains("master:") && !slave.contains("shared:"), "{slave}");
    // A slave sees what the host mounts later.
    let running = place.start("echo ready; sleep 300");
    fs::create_dir(shared.join("later")).unwrap();
    mount("tmpfs", &shared.join("later"), "tmpfs");
    fs::write(shared.join("later/file"), "").unwrap();
    let run = place.join("ls /mnt/slave/later /mnt/private/later");
    assert_eq!(run.out, "/mnt/private/later:\n\n/mnt/slave/later:\nfile\n", "{}", run.err);
    // And the host nothing of the container's.
    let mine = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mine.contains("/mnt/slave"));
    umount(&shared.join("later"));
    running.signal(libc::SIGTERM);
    running.end();
    umount(&shared);
}

#[test]
fn mounts_inside_do_not_reach_the_host() {
    let mut place = Place::new();
    place.config.set("capabilities", strings(&["SYS_ADMIN", "CHOWN"]));
    let running = place.start("mount -t tmpfs x /tmp && echo ready; sleep 300");
    let host = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!host.contains(&place.name), "{host}");
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_tmpfs_has_its_options() {
    let mut place = Place::new();
    place.config.mount(r#"{"type": "tmpfs", "destination": "/scratch"}"#);
    let run = place.sh("cat /proc/self/mountinfo; touch /scratch/file");
    run.ok();
    mounted(&run, "/scratch", "tmpfs", &["nosuid", "nodev", "noexec"]);
}

#[test]
fn a_read_only_root_is_read_only_and_its_mounts_are_not() {
    let mut place = Place::new();
    place.config.set("mount_config.readonly_fs", "true");
    let shared = place.host_dir("shared");
    fs::create_dir_all(place.path("/mnt")).unwrap();
    place.config.bind(shared.to_str().unwrap(), "/mnt", r#", "writable": true"#);
    let run =
        place.sh("touch /new; touch /etc/new; touch /mnt/new && touch /dev/shm/new && echo fine");
    assert_eq!(run.ends(0), "fine\n");
    assert_eq!(run.err.matches("Read-only").count(), 2, "{}", run.err);
    assert!(shared.join("new").exists());
}

#[test]
fn the_old_root_is_gone() {
    let mut place = Place::new();
    let roots = "readlink /proc/1/root; ls /; ls -A /..; pwd";
    let run = place.sh(roots);
    let out = run.ok();
    assert!(!out.contains("boot") && !out.contains("home"), "{out}");
    let target = env!("CARGO_MANIFEST_DIR");
    place.config.set("mount_config.no_pivot_root", "true");
    let run = place.sh(&format!("ls {target} 2>/dev/null; {roots}; cat /proc/self/mountinfo"));
    assert!(!run.ok().contains("Cargo.toml"), "{}", run.out);
    let roots: Vec<&str> =
        run.out.lines().filter(|l| l.split(' ').nth(4) == Some("/") && l.contains(" - ")).collect();
    assert!(!roots.is_empty(), "{}", run.out);
}

#[test]
fn the_v2_form_mounts_exactly_what_it_lists() {
    let place = Place::new();
    let mut config = v2(&place);
    config.set(
        "mounts",
        r#"[
        {"source": "proc", "destination": "/proc", "device": "proc", "flags": 14},
        {"source": "tmpfs", "destination": "/dev", "device": "tmpfs", "flags": 16777218, "data": "mode=755,size=1m"},
        {"source": "devpts", "destination": "/dev/pts", "device": "devpts", "flags": 10, "data": "newinstance,ptmxmode=0666,mode=0620,gid=5"},
        {"source": "mqueue", "destination": "/dev/mqueue", "device": "mqueue", "flags": 14},
        {"source": "sysfs", "destination": "/sys", "device": "sysfs", "flags": 15},
        {"source": "/usr", "destination": "/usr", "device": "bind", "flags": 20481}
        ]"#,
    );
    place.write_text(&config.text());
    let run = place.run(&["exec", "/bin/sh", "-c", "cat /proc/self/mountinfo"]);
    run.ends(0);
    mounted(&run, "/proc", "proc", &["nosuid", "nodev", "noexec", "rw"]);
    mounted(&run, "/dev", "tmpfs", &["nosuid"]);
    mounted(&run, "/dev/mqueue", "mqueue", &[]);
    mounted(&run, "/sys", "sysfs", &["ro"]);
    let usr = mount_at(&run.out, "/usr");
    assert!(parts(usr).1.contains(&"ro"), "{usr}");
    assert!(!run.out.contains(" /dev/shm "), "{}", run.out);
}

#[test]
fn the_v2_form_masks_and_write_protects_what_it_lists() {
    let place = Place::new();
    fs::write(place.path("/etc/secret"), "secret").unwrap();
    fs::create_dir(place.path("/etc/private")).unwrap();
    fs::write(place.path("/etc/private/key"), "key").unwrap();
    let mut config = v2(&place);
    config.set("mask_paths", strings(&["/etc/secret", "/etc/private", "/not/there"]));
    config.set("readonly_paths", strings(&["/tmp", "/not/there"]));
    place.write_text(&config.text());
    let run = place.run(&["exec", "/bin/sh", "-c",
        "cat /etc/secret; ls /etc/private; touch /tmp/x; touch /etc/private/y; touch /etc/fine && echo end"]);
    assert_eq!(run.out, "end\n", "{}", run.err);
    assert_eq!(run.err.matches("Read-only").count(), 2, "{}", run.err);
    assert_eq!(fs::read_to_string(place.path("/etc/secret")).unwrap(), "secret");
}

#[test]
fn an_overlay_and_any_other_file_system_of_the_kernel() {
    let place = Place::new();
    let over = place.host_dir("over");
    mount("tmpfs", &over, "tmpfs");
    for name in ["lower", "upper", "work"] {
        fs::create_dir(over.join(name)).unwrap();
    }
    fs::write(over.join("lower/below"), "below\n").unwrap();
    let o = over.display();
    let mut config = v2(&place);
    config.set(
        "mounts",
        format!(
            r#"[{{"source": "proc", "destination": "/proc", "device": "proc"}},
            {{"source": "overlay", "destination": "/merged", "device": "overlay", "data": "lowerdir={o}/lower,upperdir={o}/upper,workdir={o}/work"}}]"#
        ),
    );
    place.write_text(&config.text());
    let run =
        place.run(&["exec", "/bin/sh", "-c", "cat /merged/below; echo above > /merged/above"]);
    let upper = fs::read_to_string(over.join("upper/above"));
    umount(&over);
    assert_eq!(run.ends(0), "below\n", "{}", run.err);
    assert_eq!(upper.unwrap(), "above\n");
    config.set("mounts", r#"[{"source": "x", "destination": "/x", "device": "nosuchfs"}]"#);
    place.write_text(&config.text());
    place.run(&["exec", "/bin/true"]).fails(&["/x", "ENODEV"]);
}

#[test]
fn the_containers_cgroups_can_be_mounted() {
    let place = Place::new();
    let mut config = v2(&place);
    config.set(
        "mounts",
        r#"[{"source": "proc", "destination": "/proc", "device": "proc"},
        {"source": "sysfs", "destination": "/sys", "device": "sysfs", "flags": 15},
        {"source": "cgroup", "destination": "/sys/fs/cgroup", "device": "cgroup", "flags": 15}]"#,
    );
    config.set("cgroups.name", quote(&place.name)).set("cgroups.parent", quote("nsinit-test"));
    config.set("cgroups.allow_all_devices", "true");
    place.write_text(&config.text());
    let run = place.run(&["exec", "/bin/sh", "-c",
        "cat /sys/fs/cgroup/memory/cgroup.procs | wc -l; ls /sys/fs/cgroup/memory/*/ -d 2>/dev/null; \
         echo 1 > /sys/fs/cgroup/memory/memory.limit_in_bytes; find /sys/fs/cgroup -name release_agent"]);
    assert!(run.err.contains("Read-only"), "{}", run.err);
    assert!(!run.err.contains("warning"), "{}", run.err);
    assert!(run.out.trim().parse::<u32>().is_ok_and(|n| n >= 1), "{}{}", run.out, run.err);
    // Writable it is not, and that is said.
    place
        .write_text(&config.text().replace(r#""cgroup", "flags": 15"#, r#""cgroup", "flags": 14"#));
    let run = place.run(&["exec", "/bin/mkdir", "/sys/fs/cgroup/memory/more"]);
    assert!(run.err.contains("Read-only") && run.err.contains("warning"), "{}", run.err);
    run.says(&["a mount of type cgroup is read-only"]);
}

#[test]
fn missing_mount_points_are_made_where_they_belong() {
    let mut place = Place::new();
    fs::remove_dir(place.path("/proc")).unwrap();
    fs::remove_dir(place.path("/sys")).unwrap();
    fs::remove_dir(place.path("/dev")).unwrap();
    let shared = place.host_dir("shared");
    place.config.bind(shared.to_str().unwrap(), "/made/./up//point", r#", "writable": true"#);
    place
        .sh("touch /made/up/point/here && [ -d /proc/1 ] && [ -d /sys/kernel ] && [ -c /dev/null ]")
        .ok();
    assert!(shared.join("here").exists());
}

#[test]
fn its_own_files_are_hidden_from_the_container() {
    let place = Place::new();
    let run = place
        .sh("cat /container.json /state.json; echo x > /container.json; rm -f /container.json; \
         mv /container.json /moved; rm -f /state.json; echo '{}' > /state.json; echo end");
    assert_eq!(run.out, "end\n", "{}", run.err);
    assert_eq!(fs::read_to_string(place.root.join("container.json")).unwrap(), place.config.text());
    place.sh("exit 0").ok();
}

#[test]
fn a_container_without_mount_namespace_keeps_the_hosts_root() {
    let mut place = Place::new();
    place.config.unset("mount_config").unset("restrict_sys");
    place.config.set("namespaces.NEWNS", "false").set("namespaces.NEWPID", "false");
    let run = place.exec(&["/bin/sh", "-c", "readlink /proc/self/ns/mnt; hostname"]);
    if run.status == FAILED {
        run.says(&["NEWNS"]);
    } else {
        let host = fs::read_link("/proc/self/ns/mnt").unwrap();
        assert_eq!(run.ok(), format!("{}\nkoye\n", host.display()));
    }
}

/// A small configuration of the v2 form.
fn v2(place: &Place) -> Config {
    let mut config = Config::empty();
    config.set("rootfs", quote(place.root.to_str().unwrap()));
    config.set(
        "namespaces",
        r#"[{"type": "NEWNS"}, {"type": "NEWPID"}, {"type": "NEWIPC"}, {"type": "NEWUTS"}]"#,
    );
    config.set("capabilities", strings(&["CHOWN", "DAC_OVERRIDE"]));
    config.set("environment", strings(&["PATH=/bin"]));
    config.set(
        "mounts",
        r#"[{"source": "proc", "destination": "/proc", "device": "proc", "flags": 14},
        {"source": "tmpfs", "destination": "/dev", "device": "tmpfs", "flags": 16777218, "data": "mode=755"}]"#,
    );
    config.set(
        "devices",
        r#"[{"type": 99, "path": "/dev/null", "major": 1, "minor": 3, "permissions": "rwm", "file_mode": 438}]"#,
    );
    config
}

/// mount(2) on the host.
pub fn mount(source: &str, target: &std::path::Path, fstype: &str) {
    let c = |s: &str| std::ffi::CString::new(s).unwrap();
    let (source, target, fstype) = (c(source), c(target.to_str().unwrap()), c(fstype));
    // SAFETY: all are C strings that outlive the call.
    let result = unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), fstype.as_ptr(), 0, std::ptr::null())
    };
    assert_eq!(result, 0, "mount {target:?}: {}", std::io::Error::last_os_error());
    propagate(std::path::Path::new(target.to_str().unwrap()), libc::MS_PRIVATE);
}

/// Changes a mount's propagation.
pub fn propagate(target: &std::path::Path, how: libc::c_ulong) {
    let target = std::ffi::CString::new(target.to_str().unwrap()).unwrap();
    let none = std::ptr::null();
    // SAFETY: the target is a C string that outlives the call, the rest may be null.
    assert_eq!(unsafe { libc::mount(none, target.as_ptr(), none, how, none.cast()) }, 0);
}

/// umount(2) on the host.
pub fn umount(target: &std::path::Path) {
    let target = std::ffi::CString::new(target.to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string that outlives the call.
    let result = unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    assert_eq!(result, 0, "umount {target:?}: {}", std::io::Error::last_os_error());
}
