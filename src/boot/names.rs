//! The names in a directory, in order: of containers, of kernel modules.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use heapless::Vec;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io;

use crate::bytes::Arena;
use crate::error::{Context, Error, Result};

/// Most names in one directory.
pub const NAMES: usize = 128;

/// The names in `dir`, sorted byte by byte, but those that begin with a dot.
pub fn sorted(dir: &'static CStr, arena: &Arena) -> Result<Vec<&'static CStr, NAMES>> {
    let mut names = Vec::new();
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
    result.map(|()| names)
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
