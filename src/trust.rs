//! Which files nsinit believes, and by which paths it reaches them: container.json and state.json decide
//! what root does, and they often lie in a root file system that the container has written to.

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::{self, Errno};

use crate::beneath::{NAME, c_name};
use crate::bytes::split_by;
use crate::error::{Context, Error, Object, Result};
use crate::syscall::fd::AsFd;
use crate::syscall::is_absent;

/// Refuses a file unless it is regular, belongs to root or to the caller, nobody else can write to it, and
/// it has no second name: it is masked inside by its name, and would be written to by the other.
pub fn check(file: BorrowedFd<'_>, name: impl Into<Object>) -> Result<()> {
    let name = name.into();
    let stat = fstat(file).doing("stat", name)?;
    let owner = stat.st_uid;
    let why = if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        "not a regular file"
    } else if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        "owned by neither root nor you: its owner could run anything as root (chown root)"
    } else if stat.st_mode & 0o022 != 0 {
        "writable by others, who could then run anything as root (chmod go-w)"
    } else if stat.st_nlink > 1 {
        "it has another hard link, by which a container could write to it: put a copy in its place \
         (cp FILE NEW && mv NEW FILE)"
    } else {
        return Ok(());
    };
    Err(Error::refused("refusing", name, why))
}

/// Opens `path` from `at` if no name on it is a symbolic link: ELOOP otherwise. `mode` is that of a file
/// that O_CREAT makes.
pub fn open_without_links(
    at: BorrowedFd,
    path: &CStr,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    match openat2(at, path, flags, mode, ResolveFlags::NO_SYMLINKS) {
        Err(errno) if is_absent(errno) => by_names(at, path.to_bytes(), flags, mode),
        result => result,
    }
}

/// The same, name by name, before Linux 5.6.
fn by_names(at: BorrowedFd, path: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    let start = path.iter().take(end).rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let (dirs, last) = path.get(..end).unwrap_or(&[]).split_at(start);
    let start = if path.first() == Some(&b'/') { c"/" } else { c"." };
    let mut here = openat(at, start, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let mut buf = [0; NAME];
    for name in split_by(dirs, b'/').filter(|name| !name.is_empty()) {
        here = open_name(here.as_fd(), c_name(name, &mut buf)?, OFlags::PATH, Mode::empty())?;
    }
    let last = if last.is_empty() { b"." } else { last };
    open_name(here.as_fd(), c_name(last, &mut buf)?, flags, mode)
}

fn open_name(dir: BorrowedFd, name: &CStr, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let file = openat(dir, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode)?;
    // O_PATH opens the link itself.
    let is_link = flags.contains(OFlags::PATH)
        && FileType::from_raw_mode(fstat(file.as_fd())?.st_mode) == FileType::Symlink;
    if is_link { Err(Errno::LOOP) } else { Ok(file) }
}

/// Opens a file of the caller's to add lines to it, made with mode 0640 where it is missing. It may lie
/// where a container has put a link or a FIFO of that name.
pub fn open_to_append(path: &'static CStr) -> Result<OwnedFd> {
    const DOING: &str = "open the log";
    // NONBLOCK: a FIFO without a reader must not hang nsinit before it is refused.
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOCTTY | OFlags::NONBLOCK;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
    let file = match open_without_links(CWD, path, flags, mode) {
        Err(errno @ Errno::LOOP) => {
            let hint = "a symbolic link on the way to a log is not followed: name the file itself";
            return Err(Error::errno(DOING, path, errno).hint(hint));
        }
        Err(errno @ Errno::NXIO) => {
            return Err(Error::errno(DOING, path, errno).hint("it is a FIFO, and not a file"));
        }
        file => file.doing(DOING, path)?,
    };
    check(file.as_fd(), path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_on_the_way_is_followed_by_either_way() {
        let dir = std::env::temp_dir().join(format!("nsinit-trust-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("real/deep")).unwrap();
        std::fs::write(dir.join("real/deep/file"), "").unwrap();
        symlink("real", dir.join("link")).unwrap();
        symlink("file", dir.join("real/deep/last")).unwrap();
        let at = rustix::fs::open(dir.to_str().unwrap(), OFlags::PATH, Mode::empty()).unwrap();
        let absolute = format!("{}/real/deep/file", dir.display());
        let absolute = std::ffi::CString::new(absolute).unwrap();
        for (path, right) in [
            (c"real/deep/file", true),
            (c"./real//../real/deep/", true),
            (absolute.as_c_str(), true),
            (c"link/deep/file", false),
            (c"real/deep/last", false),
            (c"link", false),
        ] {
            for flags in [OFlags::PATH, OFlags::RDONLY] {
                let whole = open_without_links(at.as_fd(), path, flags, Mode::empty());
                let names = by_names(at.as_fd(), path.to_bytes(), flags, Mode::empty());
                for result in [whole, names] {
                    match result {
                        Ok(_) => assert!(right, "{path:?}"),
                        Err(errno) => assert!(!right && errno == Errno::LOOP, "{path:?}: {errno}"),
                    }
                }
            }
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
