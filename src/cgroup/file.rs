//! The files of a control group: one value per write.

use core::ffi::CStr;
use core::fmt;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, fstatfs, openat};
use rustix::io::{Errno, read as read_fd, write as write_fd};

use crate::bytes::{Arena, Short, Show, until_nul};
use crate::error::{Context, Error, Object, Result};

/// Longest path (PATH_MAX), and longest value: no file of a v1 group shows more than a page.
pub const PATH_MAX: usize = 4096;

/// A path put together on the stack.
pub struct Path {
    bytes: [u8; PATH_MAX],
    len: usize,
}

impl Path {
    /// `dir`. ENAMETOOLONG if it is longer than a path can be.
    pub fn new(dir: &[u8]) -> rustix::io::Result<Path> {
        let mut path = Path { bytes: [0; PATH_MAX], len: 0 };
        path.push(dir)?;
        Ok(path)
    }

    /// `dir`/`file`.
    pub fn of_file(dir: &[u8], file: &str) -> rustix::io::Result<Path> {
        let mut path = Path::new(dir)?;
        path.push(b"/")?;
        path.push(file.as_bytes())?;
        Ok(path)
    }

    fn push(&mut self, part: &[u8]) -> rustix::io::Result<()> {
        let end = self.len + part.len();
        // One byte stays 0: the end of the C string.
        let room = self.bytes.get_mut(self.len..end).filter(|_| end < PATH_MAX);
        room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(part);
        self.len = end;
        Ok(())
    }

    /// As a C string.
    pub fn as_cstr(&self) -> &CStr {
        until_nul(&self.bytes).unwrap_or(c"")
    }
}

/// Where the directory above the one that ends at `end` of `path` ends.
pub fn parent(path: &[u8], end: usize) -> usize {
    path.get(..end).and_then(|path| path.iter().rposition(|&b| b == b'/')).unwrap_or(0)
}

/// Opens `file` of the group `dir` for writing.
pub fn open(dir: &[u8], file: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    openat(CWD, Path::of_file(dir, file)?.as_cstr(), flags, Mode::empty())
}

/// The same for a group that state.json names, which may be forged: the directory, wherever its path
/// led, must be a control group, and then there is nothing in it but the kernel's own files. A link
/// would have let it write to any file of the host, a pipe have held it up for ever.
pub fn open_named(dir: &'static CStr, file: &'static str) -> Result<OwnedFd> {
    let on = Object::Beneath(dir, file);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let group = openat(CWD, dir, flags, Mode::empty()).doing("open", on)?;
    if fstatfs(&group).doing("look at", dir)?.f_type as u64 != CGROUP_SUPER_MAGIC {
        return Err(Error::refused("use", dir, "it is not in a control group hierarchy"));
    }
    let name = Path::new(file.as_bytes()).doing("open", on)?;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    openat(&group, name.as_cstr(), flags, Mode::empty()).doing("open", on)
}

/// include/uapi/linux/magic.h
pub const CGROUP_SUPER_MAGIC: u64 = 0x0027_e0eb;

/// Writes `value` to `file` of the group `dir`: the kernel takes each write as a whole.
pub fn write(dir: &[u8], file: &str, value: &[u8]) -> rustix::io::Result<()> {
    write_fd(open(dir, file)?, value).map(drop)
}

/// Reads a value, without its newline. EOVERFLOW if `buf` is too small.
pub fn read<'a>(dir: &[u8], file: &str, buf: &'a mut [u8]) -> rustix::io::Result<&'a [u8]> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let fd = openat(CWD, Path::of_file(dir, file)?.as_cstr(), flags, Mode::empty())?;
    let len = read_fd(fd, &mut *buf)?;
    let text = buf.get(..len).filter(|text| text.len() < buf.len()).ok_or(Errno::OVERFLOW)?;
    Ok(text.trim_ascii_end())
}

/// Writes a number.
pub fn put(
    dir: &'static CStr,
    file: &'static str,
    value: &dyn fmt::Display,
    arena: &Arena,
) -> Result<()> {
    let text = Short::<32>::new(format_args!("{value}"));
    put_text(dir, file, text.as_str().as_bytes(), arena)
}

/// Writes a value, and says what was written where if that fails.
pub fn put_text(dir: &'static CStr, file: &'static str, value: &[u8], arena: &Arena) -> Result<()> {
    write(dir.to_bytes(), file, value).map_err(|errno| failed(dir, file, value, errno, arena))
}

/// "write 17 to DIR/FILE: …".
pub fn failed(
    dir: &'static CStr,
    file: &'static str,
    value: &[u8],
    errno: Errno,
    arena: &Arena,
) -> Error {
    let doing = arena.str(format_args!("write {} to", Show(value)));
    Error::errno(doing.unwrap_or("write to"), Object::Beneath(dir, file), errno)
}
