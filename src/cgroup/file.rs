//! The directory of a control group and its files: one value per write.

use core::ffi::CStr;
use core::fmt;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, fstatfs, openat};
use rustix::io::{Errno, read as read_fd, write as write_fd};

use crate::bytes::{Arena, Short, Show};
use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;

/// Longest path (PATH_MAX), and longest value: no file that is read as a whole shows more than a
/// page.
pub const PATH_MAX: usize = 4096;

/// Which cgroup a directory is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// One of many hierarchies.
    V1,
    /// The one hierarchy.
    V2,
}

/// An open directory of a control group, whose files are reached through it alone.
pub struct Dir {
    fd: OwnedFd,
    /// Where it was opened.
    pub path: &'static CStr,
}

impl Dir {
    /// Opens the directory at `path`.
    pub fn open(path: &'static CStr) -> Result<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).doing("open control group", path)?;
        Ok(Dir { fd, path })
    }

    /// The same where state.json names it, which may be forged: the directory, wherever its path
    /// led, must be a control group, and then there is nothing in it but the kernel's own files. A
    /// link would have let it write to any file of the host, a pipe have held it up for ever.
    pub fn named(path: &'static CStr) -> Result<(Dir, Version)> {
        let dir = Dir::open(path)?;
        let stat = fstatfs(dir.fd.as_fd()).doing("look at", path)?;
        match version(stat.f_type as u64) {
            Some(version) => Ok((dir, version)),
            None => Err(Error::refused("use", path, "it is not in a control group hierarchy")),
        }
    }

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens `file` in it.
    pub fn file(&self, file: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let name = Short::<64>::new(format_args!("{file}"));
        openat(self.fd.as_fd(), name.as_cstr(), flags | OFlags::CLOEXEC, Mode::empty())
    }

    /// Whether it has this file. One that can't be looked at is there: its use tells why not.
    pub fn has(&self, file: &str) -> bool {
        !matches!(self.file(file, OFlags::PATH), Err(Errno::NOENT))
    }

    /// Writes `value`: the kernel takes each write as a whole.
    pub fn write(&self, file: &str, value: &[u8]) -> rustix::io::Result<()> {
        write_fd(self.file(file, OFlags::WRONLY)?.as_fd(), value).map(drop)
    }

    /// Reads a value, without its newline. EOVERFLOW if `buf` is too small.
    pub fn read<'a>(&self, file: &'static str, buf: &'a mut [u8]) -> Result<&'a [u8]> {
        let read = |fd: OwnedFd| read_fd(fd.as_fd(), &mut *buf);
        let len = self.file(file, OFlags::RDONLY).and_then(read);
        let len = len.doing("read", (self.path, file))?;
        match buf.get(..len) {
            Some(text) if len < buf.len() => Ok(text.trim_ascii_end()),
            _ => Err(Error::errno("read", (self.path, file), Errno::OVERFLOW)),
        }
    }

    /// Writes a number, or what else shows as less than 64 bytes.
    pub fn write_number(&self, file: &str, value: &dyn fmt::Display) -> rustix::io::Result<()> {
        self.write(file, Short::<64>::new(format_args!("{value}")).as_str().as_bytes())
    }

    /// Writes a value, and says what was written where if that fails.
    pub fn put(&self, file: &'static str, value: &[u8], arena: &Arena) -> Result<()> {
        self.write(file, value).map_err(|errno| failed(self.path, file, &Show(value), errno, arena))
    }

    /// The same with a number.
    pub fn put_number(
        &self,
        file: &'static str,
        value: &dyn fmt::Display,
        arena: &Arena,
    ) -> Result<()> {
        self.write_number(file, value).map_err(|errno| failed(self.path, file, value, errno, arena))
    }
}

/// The version of a file system of this type; `None` for all others (include/uapi/linux/magic.h).
pub fn version(magic: u64) -> Option<Version> {
    match magic {
        0x0027_e0eb => Some(Version::V1),
        0x6367_7270 => Some(Version::V2),
        _ => None,
    }
}

/// "write 17 to DIR/FILE: …".
pub fn failed(
    dir: &'static CStr,
    file: &'static str,
    value: &dyn fmt::Display,
    errno: Errno,
    arena: &Arena,
) -> Error {
    let doing = arena.str(format_args!("write {value} to"));
    Error::errno(doing.unwrap_or("write to"), (dir, file), errno)
}

/// The directory of which `path` is inside, or the same: its first `end` bytes.
#[inline(never)]
pub fn above(path: &'static CStr, end: usize, arena: &Arena) -> Result<&'static CStr> {
    arena.concat(&[path.to_bytes().get(..end).unwrap_or(b"")]).doing("name a group above", path)
}

/// Where the directory above the one that ends at `end` of `path` ends.
pub fn parent(path: &[u8], end: usize) -> usize {
    path.get(..end).and_then(|path| path.iter().rposition(|&b| b == b'/')).unwrap_or(0)
}

/// Where the directories of `path` end that are longer than `from`: "/a/b/c" from 2: 4, 6.
pub fn ends(path: &[u8], from: usize) -> impl Iterator<Item = usize> {
    let is_end = move |n: &usize| *n == path.len() || path.get(*n) == Some(&b'/');
    (from + 1..=path.len()).filter(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_below_the_base() {
        let all = |path: &[u8], from| ends(path, from).collect::<std::vec::Vec<_>>();
        assert_eq!(all(b"/a/b/c", 2), [4, 6]);
        assert_eq!(all(b"/a/bc", 2), [5]);
        assert_eq!(all(b"/a", 2), []);
    }
}
