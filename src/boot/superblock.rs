//! What is on a disk, as far as a root can be named by it: the type of a file system, its label, its
//! UUID. The offsets are those of each file system's own documentation in the kernel's fs/, and of
//! libblkid, whose names they give.

use core::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::io::pread;

use super::names::Path;
use crate::bytes::{split_by, until_nul};

/// Where a file system has its marks.
struct Format {
    /// Its type, a NUL, and the magic bytes.
    words: &'static [u8],
    /// At which byte those are.
    magic: u32,
    /// At which byte, and how many: 16, or a FAT's 4, or none.
    uuid: (u32, u8),
    label: (u32, u16),
}

/// How a UUID is written: its bytes, by their number in hexadecimal.
const UUID: &str = "0123-45-67-89-abcdef";
/// That of a GPT has its first three groups as little-endian numbers.
pub const GPT: &str = "3210-54-76-89-abcdef";
/// A FAT has only a number.
const FAT: &str = "32-10";

const fn format(words: &'static [u8], magic: u32, uuid: (u32, u8), label: (u32, u16)) -> Format {
    Format { words, magic, uuid, label }
}

const FORMATS: [Format; 9] = [
    format(b"ext4\0\x53\xef", 0x438, (0x468, 16), (0x478, 16)),
    format(b"squashfs\0hsqs", 0, (0, 0), (0, 0)),
    format(b"erofs\0\xe2\xe1\xf5\xe0", 0x400, (0x430, 16), (0x440, 16)),
    format(b"xfs\0XFSB", 0, (32, 16), (108, 12)),
    format(b"btrfs\0_BHRfS_M", 0x10040, (0x10020, 16), (0x1012b, 256)),
    format(b"f2fs\0\x10\x20\xf5\xf2", 0x400, (0x46c, 16), (0, 0)),
    format(b"vfat\0FAT32", 82, (67, 4), (71, 11)),
    format(b"vfat\0FAT1", 54, (39, 4), (43, 11)),
    format(b"iso9660\0CD001", 0x8001, (0, 0), (0x8028, 32)),
];

/// The bytes of `device` at `at`; empty where it has none.
pub fn bytes<'a>(device: BorrowedFd, at: u64, buf: &'a mut [u8]) -> &'a [u8] {
    match pread(device, &mut *buf, at) {
        Ok(n) if n == buf.len() => buf,
        _ => &[],
    }
}

fn format_of(device: BorrowedFd) -> Option<&'static Format> {
    FORMATS.iter().find(|format| {
        let magic = split_by(format.words, 0).nth(1).unwrap_or(b"");
        let mut buf = [0; 8];
        let at = format.magic.into();
        buf.get_mut(..magic.len()).is_some_and(|buf| bytes(device, at, buf) == magic)
    })
}

/// The type of the file system on `device`.
pub fn kind(device: BorrowedFd) -> Option<&'static CStr> {
    until_nul(format_of(device)?.words)
}

/// Its label, without what fills it up.
pub fn label<'a>(device: BorrowedFd, buf: &'a mut [u8; 256]) -> Option<&'a [u8]> {
    let (at, len) = format_of(device)?.label;
    split_by(bytes(device, at.into(), buf.get_mut(..len.into())?), 0)
        .next()
        .map(<[u8]>::trim_ascii_end)
}

/// Its UUID.
pub fn uuid(device: BorrowedFd) -> Option<Path> {
    let (at, len) = format_of(device)?.uuid;
    let form = match len {
        16 => UUID,
        4 => FAT,
        _ => "",
    };
    Some(text(bytes(device, at.into(), &mut [0; 16]), form))
}

/// A UUID as text.
pub fn text(uuid: &[u8], form: &str) -> Path {
    let mut text = Path::default();
    for c in form.chars() {
        // 36 characters fit.
        match c.to_digit(16) {
            Some(n) => text.push(format_args!("{:02x}", uuid.get(n as usize).unwrap_or(&0))),
            None => text.push(format_args!("-")),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::{AsFd, OwnedFd};

    fn disk(parts: &[(u64, &[u8])]) -> OwnedFd {
        let fd = rustix::fs::memfd_create(c"disk", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&fd, 1 << 17).unwrap();
        for (at, bytes) in parts {
            assert_eq!(rustix::io::pwrite(&fd, bytes, *at), Ok(bytes.len()));
        }
        fd
    }

    #[test]
    fn a_uuid_reads_as_everybody_writes_it() {
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(text(&bytes, UUID).as_str(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(text(&bytes, GPT).as_str(), "03020100-0504-0706-0809-0a0b0c0d0e0f");
        assert_eq!(text(&[0x78, 0x56, 0x34, 0x12], FAT).as_str(), "1234-5678");
    }

    #[test]
    fn labels_end_where_their_filling_begins() {
        let ext4 = disk(&[(0x438, b"\x53\xef"), (0x478, b"my disk\0\0"), (0x468, &[0xab; 16])]);
        assert_eq!(kind(ext4.as_fd()), Some(c"ext4"));
        assert_eq!(label(ext4.as_fd(), &mut [0; 256]).unwrap(), b"my disk");
        assert_eq!(uuid(ext4.as_fd()).unwrap().as_str(), "abababab-abab-abab-abab-abababababab");
        let fat = disk(&[(82, b"FAT32"), (71, b"BOOT       "), (67, &[0x78, 0x56, 0x34, 0x12])]);
        assert_eq!(kind(fat.as_fd()), Some(c"vfat"));
        assert_eq!(label(fat.as_fd(), &mut [0; 256]).unwrap(), b"BOOT");
        assert_eq!(uuid(fat.as_fd()).unwrap().as_str(), "1234-5678");
    }

    #[test]
    fn an_empty_or_short_disk_has_nothing() {
        let empty = disk(&[]);
        assert_eq!(kind(empty.as_fd()), None);
        assert!(label(empty.as_fd(), &mut [0; 256]).is_none());
        let short = disk(&[(0, b"hsqs")]);
        rustix::fs::ftruncate(&short, 4).unwrap();
        assert_eq!(kind(short.as_fd()), Some(c"squashfs"));
        assert!(uuid(short.as_fd()).is_none_or(|uuid| uuid.as_str().is_empty()));
    }
}
