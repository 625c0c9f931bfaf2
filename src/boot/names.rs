//! The names in a directory, in order: of containers, of kernel modules; and paths with a name in them.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use heapless::Vec;
use rustix::fd::BorrowedFd;
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io;

use crate::bytes::{Arena, Short, Show, split_by};
use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;

/// A path with a name in it. A longer one than any that there is, is cut.
pub type Path = Short<128>;

/// The path `pattern` with `name` in the place of its "*".
#[inline(never)]
pub fn path(pattern: &str, name: &[u8]) -> Path {
    let mut path = Path::default();
    let mut parts = split_by(pattern.as_bytes(), b'*');
    for part in [parts.next(), Some(name), parts.next()].into_iter().flatten() {
        path.push(format_args!("{}", Show(part)));
    }
    path
}

/// Most names in one directory.
pub const NAMES: usize = 128;

/// Sorted names.
pub type Names = Vec<&'static CStr, NAMES>;

/// Adds the names in `dir`, sorted byte by byte, but those that begin with a dot.
pub fn sorted(dir: &'static CStr, arena: &Arena, names: &mut Names) -> Result<()> {
    let mut result = Ok(());
    each(dir, &mut |_, name| {
        let name = arena.concat(&[name.to_bytes()]).doing("keep a name in", dir);
        let full = |_| Error::refused("read", dir, "there are more than 128 names in it");
        result = result.and_then(|()| {
            let name = name?;
            // They are few, and a sort would be two kilobytes.
            let place = names.iter().position(|other| *other > name).unwrap_or(names.len());
            names.insert(place, name).map_err(full)
        });
    })
    .doing("read the directory", dir)?;
    result
}

/// Calls `f` with the open directory and each name in it that does not begin with a dot.
pub fn each(dir: &CStr, f: &mut dyn FnMut(BorrowedFd, &CStr)) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let file = openat(CWD, dir, flags, Mode::empty())?;
    each_in(file.as_fd(), &mut |dir, name| {
        if !name.to_bytes().starts_with(b".") {
            f(dir, name);
        }
    })
}

/// The same for an open directory, and for all names but "." and "..".
pub fn each_in(dir: BorrowedFd, f: &mut dyn FnMut(BorrowedFd, &CStr)) -> io::Result<()> {
    let mut buf = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(dir, &mut buf);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            f(dir, entry.file_name());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_takes_the_place_of_the_star() {
        assert_eq!(path("/dev/*", b"vda1").as_cstr(), c"/dev/vda1");
        assert_eq!(path("/sys/*/uevent", b"8:1").as_cstr(), c"/sys/8:1/uevent");
        assert_eq!(path("*", b"").as_cstr(), c"");
        assert_eq!(path("/dev/*", &[b'x'; 500]).as_cstr().count_bytes(), 127);
    }
}
