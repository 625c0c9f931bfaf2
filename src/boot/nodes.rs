//! /dev of a kernel without devtmpfs: a tmpfs with a node for every device that sysfs tells of.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, chmod, makedev, mknodat};
use rustix::mount::mount;

use super::names::path;
use super::{mounts, names};
use crate::bytes::{CNames, number, split_by};
use crate::error::{Context, Result};

const DEV: &CStr = c"/dev";

/// Whether the nodes of a machine's /dev are our matter: no devtmpfs is there.
static OURS: AtomicBool = AtomicBool::new(false);

/// What every container has, and needs no sysfs to be found: name, and major and minor number.
const BASIC: CNames =
    CNames("/dev/null\0/dev/zero\0/dev/full\0/dev/random\0/dev/urandom\0/dev/tty\0");
const NUMBERS: [(u8, u8); 6] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)];

/// Mounts the tmpfs, unless something is mounted there, and fills it: in a container with what every
/// one has.
pub fn make(is_real: bool) -> Result<()> {
    if !mounts::is_mounted(DEV) {
        let flags = rustix::mount::MountFlags::NOSUID;
        mount(c"tmpfs", DEV, c"tmpfs", flags, c"mode=0755").doing("mount tmpfs on", DEV)?;
    }
    // With the modes of the kernel, where sysfs tells of them.
    OURS.store(is_real, Ordering::Relaxed);
    fill();
    for (path, (major, minor)) in BASIC.zip(NUMBERS) {
        node(path, FileType::CharacterDevice, major.into(), minor.into(), 0o666);
    }
    if is_real {
        node(c"/dev/console", FileType::CharacterDevice, 5, 1, 0o600);
        node(c"/dev/kmsg", FileType::CharacterDevice, 1, 11, 0o644);
    }
    Ok(())
}

/// A node for every device in sysfs that has none yet, where that is our matter.
pub fn fill() {
    if !OURS.load(Ordering::Relaxed) {
        return;
    }
    let kinds = [
        (c"/sys/dev/char", "/sys/dev/char/*/uevent", FileType::CharacterDevice),
        (c"/sys/dev/block", "/sys/dev/block/*/uevent", FileType::BlockDevice),
    ];
    for (dir, uevent, kind) in kinds {
        // Without sysfs there is nothing to look at.
        let _ = names::each(dir, &mut |_, name| _ = one(uevent, name.to_bytes(), kind));
    }
}

/// The device with the numbers `name`, "8:1".
fn one(uevent: &str, name: &[u8], kind: FileType) -> Option<()> {
    let mut parts = split_by(name, b':').map(|part| number(part, 10));
    let (major, minor) = (parts.next()??, parts.next()??);
    let mut buf = [0; 1024];
    let text = mounts::read_at(uevent, name, &mut buf).ok()?;
    let device = variable(text, b"DEVNAME=")?;
    // A name may have directories: "input/event0".
    for (slash, _) in device.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        mounts::make_dir(path("/dev/*", device.get(..slash)?).as_cstr());
    }
    let mode = variable(text, b"DEVMODE=").and_then(|mode| number(mode, 8)).unwrap_or(0o600);
    let path = path("/dev/*", device);
    node(path.as_cstr(), kind, major as u32, minor as u32, mode as u32);
    Some(())
}

/// The value of a line of a uevent file.
pub fn variable<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    split_by(text, b'\n').find_map(|line| line.strip_prefix(name))
}

fn node(path: &CStr, kind: FileType, major: u32, minor: u32, mode: u32) {
    let mode = Mode::from_raw_mode(mode);
    // EEXIST, or a device that nobody can have: whoever opens it says so.
    if mknodat(CWD, path, kind, mode, makedev(major, minor)).is_ok() {
        // The file mode creation mask is the kernel's, and takes some away.
        let _ = chmod(path, mode);
    }
}
