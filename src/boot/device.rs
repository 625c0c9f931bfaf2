//! The block device that `root=` names.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, openat, readlinkat_raw};

use super::superblock::{Mark, bytes, has, text};
use super::{mounts, names, nodes};
use crate::bytes::{Short, number, same_in_any_case};

/// Longest path of a device that is looked for.
pub type Path = Short<96>;

/// The path of the device that `spec` names, as far as it is there: "/dev/vda1", "LABEL=…", "UUID=…",
/// "PARTUUID=…", or "254:1".
pub fn find(spec: &[u8]) -> Option<Path> {
    if spec.starts_with(b"/dev/") {
        let path = Path::new(format_args!("{}", core::str::from_utf8(spec).ok()?));
        return open(path.as_cstr()).map(|_| path);
    }
    if let Some(label) = spec.strip_prefix(b"LABEL=") {
        return each(&mut |file, _| has(file, Mark::Label(label)));
    }
    if let Some(uuid) = spec.strip_prefix(b"UUID=") {
        return each(&mut |file, _| has(file, Mark::Uuid(uuid)));
    }
    if let Some(uuid) = spec.strip_prefix(b"PARTUUID=") {
        return each(&mut |_, name| is_partition(name, uuid).unwrap_or(false));
    }
    let numbers = core::str::from_utf8(spec).ok()?;
    let path = Short::<96>::new(format_args!("/sys/dev/block/{numbers}/uevent"));
    let mut buf = [0; 1024];
    let uevent = mounts::read(path.as_cstr(), &mut buf).ok()?;
    let name = core::str::from_utf8(nodes::variable(uevent, b"DEVNAME=")?).ok()?;
    Some(Path::new(format_args!("/dev/{name}")))
}

/// Opens a block device to read it.
pub fn open(path: &CStr) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(CWD, path, flags, Mode::empty()).ok()?;
    let mode = rustix::fs::fstat(&file).ok()?.st_mode;
    (FileType::from_raw_mode(mode) == FileType::BlockDevice).then_some(file)
}

/// The first block device that `is_it` says yes to.
fn each(is_it: &mut dyn FnMut(BorrowedFd, &CStr) -> bool) -> Option<Path> {
    let mut found = None;
    // Without sysfs there is none.
    let _ = names::each(c"/sys/class/block", &mut |_, name| {
        // The kernel writes "!" for "/" (cciss!c0d0).
        if found.is_none()
            && let Ok(text) = name.to_str()
        {
            let path = Path::new(format_args!("/dev/{text}"));
            if open(path.as_cstr()).is_some_and(|file| is_it(file.as_fd(), name)) {
                found = Some(path);
            }
        }
    });
    found
}

/// Whether the partition `name` has this UUID: that of its entry in the GPT, or of an MBR the disk's
/// own number and the partition's (the kernel's block/partitions/).
fn is_partition(name: &CStr, want: &[u8]) -> Option<bool> {
    let name = name.to_str().ok()?;
    let mut buf = [0; 64];
    let path = Short::<96>::new(format_args!("/sys/class/block/{name}/partition"));
    let index = number(mounts::read(path.as_cstr(), &mut buf).ok()?.trim_ascii(), 10)?;
    let path = Short::<96>::new(format_args!("/sys/class/block/{name}"));
    let mut link = [MaybeUninit::uninit(); 512];
    // "../../devices/…/vda/vda1"
    let (link, _) = readlinkat_raw(CWD, path.as_cstr(), &mut link).ok()?;
    let disk = core::str::from_utf8(link.rsplit(|byte| *byte == b'/').nth(1)?).ok()?;
    let disk = open(Path::new(format_args!("/dev/{disk}")).as_cstr())?;
    let found = gpt(disk.as_fd(), index).or_else(|| mbr(disk.as_fd(), index))?;
    Some(same_in_any_case(found.as_cstr().to_bytes(), want))
}

fn mbr(disk: BorrowedFd, index: u64) -> Option<Short<40>> {
    let mut buf = [0; 4];
    let id = u32::from_le_bytes(bytes(disk, 440, &mut buf).try_into().ok()?);
    Some(Short::new(format_args!("{id:08x}-{index:02x}")))
}

/// The UEFI specification, 5.3: the header is in the second block; entries from 1.
fn gpt(disk: BorrowedFd, index: u64) -> Option<Short<40>> {
    for block in [512, 4096] {
        let mut header = [0; 92];
        let header = bytes(disk, block, &mut header);
        if !header.starts_with(b"EFI PART") {
            continue;
        }
        let first = u64::from_le_bytes(header.get(72..80)?.try_into().ok()?);
        let size = u32::from_le_bytes(header.get(84..88)?.try_into().ok()?);
        let entry =
            first.checked_mul(block)?.checked_add(u64::from(size) * index.checked_sub(1)?)?;
        let mut uuid = [0; 16];
        return Some(text(bytes(disk, entry.checked_add(16)?, &mut uuid), true));
    }
    None
}
