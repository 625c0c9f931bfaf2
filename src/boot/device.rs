//! The block device that `root=` names.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, openat, readlinkat_raw};

use super::superblock::{bytes, text};
use super::{mounts, names, nodes, superblock};
use crate::bytes::{Short, number, same_in_any_case};

/// Longest path of a device that is looked for.
pub type Path = Short<128>;

/// The path of the device that `spec` names, as far as it is there: "/dev/vda1", "LABEL=…", "UUID=…",
/// "PARTUUID=…", or "254:1".
pub fn find(spec: &[u8]) -> Option<Path> {
    const MARKS: [(&[u8], Mark); 3] =
        [(b"LABEL=", Mark::Label), (b"UUID=", Mark::Uuid), (b"PARTUUID=", Mark::Partition)];
    let mark = MARKS.iter().find_map(|(name, mark)| Some((*mark, spec.strip_prefix(*name)?)));
    if let Some((mark, want)) = mark {
        return search(mark, want);
    }
    let spec = core::str::from_utf8(spec).ok()?;
    let mut buf = [0; 1024];
    let path = if spec.starts_with("/dev/") {
        Path::new(format_args!("{spec}"))
    } else {
        let uevent =
            mounts::read_at(format_args!("/sys/dev/block/{spec}/uevent"), &mut buf).ok()?;
        Path::new(format_args!("/dev/{}", nodes::variable(uevent, "DEVNAME=")?))
    };
    open(path.as_cstr()).map(|_| path)
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
        if found.is_none() {
            found = name.to_str().ok().and_then(|name| check(name, mark, want));
        }
    });
    found
}

fn check(name: &str, mark: Mark, want: &[u8]) -> Option<Path> {
    let path = Path::new(format_args!("/dev/{name}"));
    let device = open(path.as_cstr())?;
    let is_it = match mark {
        Mark::Label => superblock::label(device.as_fd())?.as_cstr().to_bytes() == want,
        Mark::Uuid => {
            same_in_any_case(superblock::uuid(device.as_fd())?.as_cstr().to_bytes(), want)
        }
        Mark::Partition => same_in_any_case(partition(name)?.as_cstr().to_bytes(), want),
    };
    (is_it && !want.is_empty()).then_some(path)
}

/// Opens a block device to read it.
pub fn open(path: &CStr) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(CWD, path, flags, Mode::empty()).ok()?;
    let mode = rustix::fs::fstat(&file).ok()?.st_mode;
    (FileType::from_raw_mode(mode) == FileType::BlockDevice).then_some(file)
}

/// The UUID of the partition `name`: that of its entry in the GPT, or of an MBR the disk's own number
/// and the partition's (the kernel's block/partitions/).
fn partition(name: &str) -> Option<Short<128>> {
    let mut buf = [0; 64];
    let index =
        mounts::read_at(format_args!("/sys/class/block/{name}/partition"), &mut buf).ok()?;
    let index = number(index.trim_ascii(), 10)?;
    let path = Path::new(format_args!("/sys/class/block/{name}"));
    let mut link = [MaybeUninit::uninit(); 512];
    // "../../devices/…/vda/vda1"
    let (link, _) = readlinkat_raw(CWD, path.as_cstr(), &mut link).ok()?;
    let disk = core::str::from_utf8(link.rsplit(|byte| *byte == b'/').nth(1)?).ok()?;
    let disk = open(Path::new(format_args!("/dev/{disk}")).as_cstr())?;
    gpt(disk.as_fd(), index).or_else(|| mbr(disk.as_fd(), index))
}

fn mbr(disk: BorrowedFd, index: u64) -> Option<Short<128>> {
    let mut buf = [0; 4];
    let id = u32::from_le_bytes(bytes(disk, 440, &mut buf).try_into().ok()?);
    Some(Short::new(format_args!("{id:08x}-{index:02x}")))
}

/// The UEFI specification, 5.3: the header is in the second block; entries from 1.
fn gpt(disk: BorrowedFd, index: u64) -> Option<Short<128>> {
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
