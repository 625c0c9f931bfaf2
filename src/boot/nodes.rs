//! /dev of a kernel without devtmpfs: a tmpfs with a node for every device that sysfs tells of.

use core::ffi::CStr;

use rustix::fs::{CWD, FileType, Mode, chmod, makedev, mknodat};
use rustix::mount::mount;

use super::{mounts, names};
use crate::bytes::{Short, number, split_by};
use crate::error::{Context, Result};

const DEV: &CStr = c"/dev";

/// Mounts the tmpfs and fills it.
pub fn make() -> Result<()> {
    let flags = rustix::mount::MountFlags::NOSUID;
    mount(c"tmpfs", DEV, c"tmpfs", flags, c"mode=0755").doing("mount tmpfs on", DEV)?;
    // What must be there even without sysfs.
    for (path, minor) in [(c"/dev/null", 3), (c"/dev/kmsg", 11)] {
        node(path, FileType::CharacterDevice, 1, minor);
    }
    node(c"/dev/console", FileType::CharacterDevice, 5, 1);
    fill();
    Ok(())
}

/// A node for every device in sysfs that has none yet.
pub fn fill() {
    let kinds =
        [(c"/sys/dev/char", FileType::CharacterDevice), (c"/sys/dev/block", FileType::BlockDevice)];
    for (dir, kind) in kinds {
        // Without sysfs there is nothing to look at.
        let _ = names::each(dir, &mut |_, name| _ = one(dir, name, kind));
    }
}

/// The device with the numbers `name`, "8:1".
fn one(dir: &CStr, name: &CStr, kind: FileType) -> Option<()> {
    let mut parts = split_by(name.to_bytes(), b':').map(|part| number(part, 10));
    let (major, minor) = (parts.next()??, parts.next()??);
    let (dir, name) = (dir.to_str().ok()?, name.to_str().ok()?);
    let path = Short::<64>::new(format_args!("{dir}/{name}/uevent"));
    let mut buf = [0; 1024];
    let text = mounts::read(path.as_cstr(), &mut buf).ok()?;
    let device = variable(text, b"DEVNAME=")?;
    let device = core::str::from_utf8(device).ok()?;
    // A name may have directories: "input/event0".
    for (slash, _) in device.bytes().enumerate().filter(|(_, byte)| *byte == b'/') {
        let parent = Short::<128>::new(format_args!("/dev/{}", device.get(..slash)?));
        mounts::make_dir(parent.as_cstr());
    }
    let path = Short::<128>::new(format_args!("/dev/{device}"));
    node(path.as_cstr(), kind, major as u32, minor as u32);
    if let Some(mode) = variable(text, b"DEVMODE=").and_then(|mode| number(mode, 8)) {
        // It has just been made; that it can't be is as above.
        let _ = chmod(path.as_cstr(), Mode::from_raw_mode(mode as u32));
    }
    Some(())
}

/// The value of a line of a uevent file.
pub fn variable<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    split_by(text, b'\n').find_map(|line| line.strip_prefix(name))
}

fn node(path: &CStr, kind: FileType, major: u32, minor: u32) {
    // EEXIST, or a device that nobody can have: whoever opens it says so.
    let _ = mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), makedev(major, minor));
}
