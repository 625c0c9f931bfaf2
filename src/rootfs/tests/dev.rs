//! What lies in /dev.

use super::*;

#[test]
fn a_link_in_the_place_of_proc_sys_or_dev_is_refused() {
    let Some(dir) = inside(module_path!(), "a_link_in_the_place_of_proc_sys_or_dev_is_refused")
    else {
        return;
    };
    let host = dir.join("host");
    let link = "it is a symbolic link or no directory";
    let mut p = linked(&dir, "a", &[("proc", Path::new("/evil"))]);
    assert_eq!(fault(&p), format!("mount proc on /proc: {link}"));
    p.mounts[0].target = c"/proc/";
    assert_eq!(fault(&p), format!("mount proc on /proc/: {link}"));
    let p = linked(&dir, "b", &[("sys", Path::new("x"))]);
    assert_eq!(fault(&p), format!("mount sysfs on /sys: {link}"));
    // /dev as a link to a directory of the host: with a mount there, and without.
    let mut p = linked(&dir, "c", &[("dev", &host)]);
    assert_eq!(fault(&p), format!("use /dev: {link}"));
    p.mounts.clear();
    assert_eq!(fault(&p), format!("use /dev: {link}"));
    p.devices.clear();
    assert_eq!(fault(&p), format!("use /dev: {link}"));
    p.dev_links = false;
    let root = Root::open(&p).unwrap();
    root.devices().unwrap();
    root.links().unwrap();
}

#[test]
fn nodes_have_exact_modes_and_owners_and_spare_what_is_there() {
    let name = "nodes_have_exact_modes_and_owners_and_spare_what_is_there";
    let Some(dir) = inside(module_path!(), name) else { return };
    let mut p = plan(&dir);
    let dev = |path, kind, major, minor, mode, uid, gid| Device {
        path,
        kind,
        major,
        minor,
        mode,
        uid,
        gid,
    };
    for device in [
        dev(c"/dev/null", DeviceKind::Char, 1, 3, 0o600, 5, 6), // there: kept
        dev(c"/dev/net/tun", DeviceKind::Char, 10, 200, 0o666, 7, 8),
        dev(c"/dev/big", DeviceKind::Block, 0xfff, 0xfffff, 0o6640, 0, 0),
        dev(c"/dev/fifo", DeviceKind::Fifo, 0, 0, 0o622, 0, 9),
        dev(c"/srv/node", DeviceKind::Char, 1, 5, 0o004, 0, 0),
    ] {
        p.devices.push(device).unwrap();
    }
    // A directory that would pass on its group.
    fs::create_dir(dir.join("root/srv")).unwrap();
    std::os::unix::fs::chown(dir.join("root/srv"), None, Some(77)).unwrap();
    fs::set_permissions(dir.join("root/srv"), fs::Permissions::from_mode(0o2755)).unwrap();
    rustix::process::umask(Mode::from_raw_mode(0o027));
    build(&p).unwrap();
    assert_eq!(rustix::process::umask(Mode::empty()), Mode::from_raw_mode(0o027));
    let look = |path: &str| {
        let m = fs::symlink_metadata(path).unwrap();
        (m.rdev(), m.mode(), m.uid(), m.gid())
    };
    assert_eq!(look("/dev/null"), (0x103, 0o20666, 0, 0));
    assert_eq!(look("/dev/net/tun"), (0xac8, 0o20666, 7, 8));
    assert_eq!(look("/dev/net").1, 0o40755);
    assert_eq!(look("/dev/big"), (rustix::fs::makedev(0xfff, 0xfffff), 0o66640, 0, 0));
    assert_eq!(look("/dev/fifo"), (0, 0o10622, 0, 9));
    assert_eq!(look("/srv/node"), (0x105, 0o20004, 0, 0));
}

#[test]
fn nodes_do_not_replace_and_links_do() {
    let Some(dir) = inside(module_path!(), "nodes_do_not_replace_and_links_do") else { return };
    let own = dir.join("root/dev");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("ptmx"), "").unwrap();
    symlink("/proc/self/fd", own.join("fd")).unwrap();
    symlink(dir.join("host/fd"), own.join("stdin")).unwrap();
    fs::create_dir(own.join("stdout")).unwrap();
    fs::write(own.join("null"), "").unwrap();
    let mut p = plan(&dir);
    p.mounts.clear();
    assert_eq!(fault(&p), "make the device /dev/null: something else is there");
    fs::remove_file(own.join("null")).unwrap();
    symlink(dir.join("host/null"), own.join("null")).unwrap();
    assert_eq!(fault(&p), "make the device /dev/null: something else is there");
    fs::remove_file(own.join("null")).unwrap();
    let text = fault(&p);
    assert_eq!(text, "link /dev/stdout: Is a directory (EISDIR)");
    fs::remove_dir(own.join("stdout")).unwrap();
    let inode = fs::symlink_metadata(own.join("fd")).unwrap().ino();
    build(&p).unwrap();
    assert_eq!(fs::read_link("/dev/ptmx").unwrap(), Path::new("pts/ptmx"));
    assert_eq!(fs::read_link("/dev/stdin").unwrap(), Path::new("/proc/self/fd/0"));
    assert_eq!(fs::symlink_metadata("/dev/fd").unwrap().ino(), inode);
}

#[test]
fn a_bound_dev_keeps_what_it_has() {
    let Some(dir) = inside(module_path!(), "a_bound_dev_keeps_what_it_has") else { return };
    let host = dir.join("host");
    let mut p = plan(&dir);
    p.mounts.truncate(1);
    p.mounts.push(bind(&host, c"/dev", 0)).unwrap();
    assert_eq!(fault(&p), "make the device /dev/null: something else is there");
    p.devices.clear();
    p.mounts[1].flags |= MS_RDONLY;
    build(&p).unwrap();
    assert_eq!(fs::read_to_string("/dev/ptmx").unwrap(), "host");
    assert!(!Path::new("/dev/stdin").exists());
}

/// A new pseudo-terminal of the host: master and slave.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    (master, slave)
}

/// As `build`, with this terminal.
fn build_with_console(plan: &Rootfs, console: BorrowedFd) -> Result<()> {
    let mut root = Root::open(plan)?;
    root.mounts().map_err(|(_, error)| error)?;
    root.devices()?;
    root.console(console)?;
    root.finish().and_then(OldRoot::detach)
}

#[test]
fn the_console_is_the_terminal() {
    let Some(dir) = inside(module_path!(), "the_console_is_the_terminal") else { return };
    let (master, slave) = terminal();
    let flags = rustix::mount::OpenTreeFlags::OPEN_TREE_CLONE
        | rustix::mount::OpenTreeFlags::OPEN_TREE_CLOEXEC
        | rustix::mount::OpenTreeFlags::AT_EMPTY_PATH;
    let tree = rustix::mount::open_tree(&slave, c"", flags).unwrap();
    // The launcher's mount namespace is another one.
    in_a_new_mount_namespace(|| {
        build_with_console(&plan(&dir), tree.as_fd()).unwrap();
        fs::write("/dev/console", "hello").unwrap();
        assert_eq!(fs::metadata("/dev/console").unwrap().rdev() >> 8, 136);
    });
    let mut buf = [0; 16];
    assert_eq!(rustix::io::read(&master, &mut buf), Ok(5));
    // Without open_tree(2): the slave's own descriptor, which is of the other namespace.
    in_a_new_mount_namespace(|| {
        attach::be_old();
        build_with_console(&plan(&dir), slave.as_fd()).unwrap();
        fs::write("/dev/console", "again!").unwrap();
    });
    assert_eq!(rustix::io::read(&master, &mut buf), Ok(6));
    // A node of the plan is in its place.
    in_a_new_mount_namespace(|| {
        let mut p = plan(&dir);
        p.devices.push(node(c"/dev/console", 5, 1)).unwrap();
        build_with_console(&p, slave.as_fd()).unwrap();
    });
}

#[test]
fn a_console_is_never_put_through_a_link_nor_anything_but_a_terminal() {
    let name = "a_console_is_never_put_through_a_link_nor_anything_but_a_terminal";
    let Some(dir) = inside(module_path!(), name) else { return };
    let (_master, slave) = terminal();
    let own = dir.join("root/dev");
    fs::create_dir(&own).unwrap();
    symlink(dir.join("host/console"), own.join("console")).unwrap();
    let mut p = plan(&dir);
    p.mounts.clear();
    let error = build_with_console(&p, slave.as_fd()).unwrap_err().to_string();
    assert_eq!(error, "mount on /dev/console: it is neither a file nor a device");
    let no_terminal = "mount on /dev/console: this is no pseudo-terminal";
    for path in [c"/dev/null", c"/proc/self/mem", c"/dev/ptmx", c"/dev/pts/ptmx"] {
        let fd = rustix::fs::open(path, OFlags::PATH, Mode::empty()).unwrap();
        let error = build_with_console(&p, fd.as_fd()).unwrap_err().to_string();
        assert_eq!(error, no_terminal, "{path:?}");
    }
    // A node that says it is one, but is on no devpts.
    rustix::fs::mknodat(
        CWD,
        c(dir.join("tty")),
        rustix::fs::FileType::CharacterDevice,
        Mode::from_raw_mode(0o600),
        rustix::fs::makedev(136, 0),
    )
    .unwrap();
    let fd = rustix::fs::open(c(dir.join("tty")), OFlags::PATH, Mode::empty()).unwrap();
    assert_eq!(build_with_console(&p, fd.as_fd()).unwrap_err().to_string(), no_terminal);
}
