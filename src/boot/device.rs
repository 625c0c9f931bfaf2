//! The block device that `root=` names.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, OFlags, readlinkat_raw};

use super::names::{Path, path};
use super::superblock::{bytes, text};
use super::{mounts, names, nodes, superblock};
use crate::bytes::{number, same_in_any_case};
use crate::syscall::fd::AsFd;

/// The path of the device that `spec` names, as far as it is there: "/dev/vda1", "LABEL=…", "UUID=…",
/// "PARTUUID=…", or "254:1".
pub fn find(spec: &[u8]) -> Option<Path> {
    const MARKS: [(&[u8], Mark); 3] =
        [(b"LABEL=", Mark::Label), (b"UUID=", Mark::Uuid), (b"PARTUUID=", Mark::Partition)];
    for (name, mark) in MARKS {
        if let Some(want) = spec.strip_prefix(name) {
            return search(mark, want);
        }
    }
    let mut buf = [0; 1024];
    let name = match spec.strip_prefix(b"/dev/") {
        Some(name) => name,
        None => {
            let uevent = mounts::read_at("/sys/dev/block/*/uevent", spec, &mut buf).ok()?;
            nodes::variable(uevent, b"DEVNAME=")?
        }
    };
    open_node(name).map(|(_, path)| path)
}

/// By what a root is named.
#[derive(Clone, Copy)]
enum Mark {
    Label,
    Uuid,
    Partition,
}

/// The first block device whose mark is `want`.
fn search(mark: Mark, want: &[u8]) -> Option<Path> {
    let mut found = None;
    // Without sysfs there is none.
    let _ = names::each(c"/sys/class/block", &mut |_, name| {
        if found.is_none() && !want.is_empty() {
            found = check(name.to_bytes(), mark, want);
        }
    });
    found
}

fn check(name: &[u8], mark: Mark, want: &[u8]) -> Option<Path> {
    let (device, path) = open_node(name)?;
    let uuid = match mark {
        Mark::Label => {
            let mut buf = [0; 256];
            return (superblock::label(device.as_fd(), &mut buf)? == want).then_some(path);
        }
        Mark::Uuid => superblock::uuid(device.as_fd())?,
        Mark::Partition => partition(name)?,
    };
    same_in_any_case(uuid.as_cstr().to_bytes(), want).then_some(path)
}

/// Shows the name of every block device that has a size.
pub fn each(f: &mut dyn FnMut(&[u8])) {
    // Without sysfs there is none.
    let _ = names::each(c"/sys/class/block", &mut |_, name| {
        let mut buf = [0; 64];
        let size = mounts::read_at("/sys/class/block/*/size", name.to_bytes(), &mut buf);
        if size.is_ok_and(|size| size.trim_ascii() != b"0") {
            f(name.to_bytes());
        }
    });
}

/// The block device of this name, with its path.
fn open_node(name: &[u8]) -> Option<(OwnedFd, Path)> {
    let path = path("/dev/*", name);
    Some((open(path.as_cstr())?, path))
}

/// Opens a block device to read it.
pub fn open(path: &CStr) -> Option<OwnedFd> {
    let file = mounts::open(path, OFlags::NONBLOCK).ok()?;
    let mode = rustix::fs::fstat(file.as_fd()).ok()?.st_mode;
    (FileType::from_raw_mode(mode) == FileType::BlockDevice).then_some(file)
}

/// The UUID of the partition `name`: that of its entry in the GPT, or of an MBR the disk's own number
/// and the partition's (the kernel's block/partitions/).
fn partition(name: &[u8]) -> Option<Path> {
    let mut buf = [0; 64];
    let index = mounts::read_at("/sys/class/block/*/partition", name, &mut buf).ok()?;
    let index = number(index.trim_ascii(), 10)?;
    let mut link = [MaybeUninit::uninit(); 512];
    // "../../devices/…/vda/vda1"
    let (link, _) =
        readlinkat_raw(CWD, path("/sys/class/block/*", name).as_cstr(), &mut link).ok()?;
    let (disk, _) = open_node(link.rsplit(|byte| *byte == b'/').nth(1)?)?;
    gpt(disk.as_fd(), index).or_else(|| mbr(disk.as_fd(), index))
}

fn mbr(disk: BorrowedFd, index: u64) -> Option<Path> {
    let mut buf = [0; 4];
    let id = u32::from_le_bytes(bytes(disk, 440, &mut buf).try_into().ok()?);
    Some(Path::new(format_args!("{id:08x}-{index:02x}")))
}

/// The UEFI specification, 5.3: the header is in the second block; entries from 1.
fn gpt(disk: BorrowedFd, index: u64) -> Option<Path> {
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
        return Some(text(bytes(disk, entry.checked_add(16)?, &mut uuid), superblock::GPT));
    }
    None
}
