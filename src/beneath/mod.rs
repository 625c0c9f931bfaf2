//! Files beneath a root whose content is hostile: every symbolic link, absolute ones too, is
//! resolved as if `root` were "/", nothing leads out, and links that are no text (/proc/self/root)
//! are not followed.
//!
//! The kernel does it with openat2(RESOLVE_IN_ROOT), Linux 5.6. Where it can't, and where something
//! is to be made on the way, `walk` does it name by name.

mod walk;

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{self, Errno};

use crate::bytes::split_by;
use crate::syscall::fd::AsFd;
use crate::syscall::is_absent;
use walk::{Last, walk};

pub use walk::{NAME, PATH_MAX, name as c_name};

/// How often openat2 is asked again after EAGAIN: something was renamed or mounted while it went
/// through "..", so it can't tell whether it left the root.
const TRIES: u32 = 128;

/// openat2 has worked once: from then on an EPERM is about the file, not about the call.
static PRESENT: AtomicBool = AtomicBool::new(false);
/// openat2 is not there: `walk` does all.
static ABSENT: AtomicBool = AtomicBool::new(false);

/// Opens `path` beneath `root` with `flags` and O_CLOEXEC. O_NOFOLLOW is about the last name, as in
/// open(2). O_CREAT is not for this function.
pub fn open(root: BorrowedFd, path: &CStr, flags: OFlags) -> io::Result<OwnedFd> {
    match by_kernel(root, path, flags) {
        Some(result) => result,
        None => walk(root, path.to_bytes(), Last::Open(flags)),
    }
}

/// Opens (O_PATH) the directory `path` beneath `root`, made with all its parents where it is
/// missing. A dangling link on the way is filled in where it points, inside of the root.
pub fn create_dir_all(root: BorrowedFd, path: &CStr, mode: Mode) -> io::Result<OwnedFd> {
    match by_kernel(root, path, OFlags::PATH | OFlags::DIRECTORY) {
        None | Some(Err(Errno::NOENT)) => walk::dir(root, path.to_bytes(), mode),
        Some(result) => result,
    }
}

/// Opens (O_PATH) the directory `path` as `create_dir_all`, but its last name itself must not be a
/// symbolic link: ENOTDIR.
pub fn create_dir_here(root: BorrowedFd, path: &CStr, mode: Mode) -> io::Result<OwnedFd> {
    let mut buf = [0; NAME];
    let (dir, name) = split(root, path, &mut buf)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(dir.as_fd(), name, flags, Mode::empty()) {
        Err(Errno::NOENT) => {}
        result => return result,
    }
    rustix::fs::mkdirat(dir.as_fd(), name, mode)?;
    rustix::fs::openat(dir.as_fd(), name, flags, Mode::empty())
}

/// Opens (O_PATH) the file `path` beneath `root`, made empty, with its parents (mode 0755), where it
/// is missing. EISDIR where it is a directory.
pub fn create_file(root: BorrowedFd, path: &CStr, mode: Mode) -> io::Result<OwnedFd> {
    let file = match by_kernel(root, path, OFlags::PATH) {
        None | Some(Err(Errno::NOENT)) => walk(root, path.to_bytes(), Last::File(mode))?,
        Some(result) => result?,
    };
    if is_dir(file.as_fd())? { Err(Errno::ISDIR) } else { Ok(file) }
}

/// The directory (O_PATH) that `path` lies in, made with its parents (mode 0755) where it is
/// missing, and the last name of `path`, in `buf`. EINVAL where that is no name ("/", "a/..").
pub fn split<'b>(
    root: BorrowedFd,
    path: &CStr,
    buf: &'b mut [u8; NAME],
) -> io::Result<(OwnedFd, &'b CStr)> {
    let path = path.to_bytes();
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
    let path = path.get(..end).unwrap_or(&[]);
    let at = path.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
    let (dir, name) = path.split_at(at);
    if matches!(name, b"" | b"." | b"..") {
        return Err(Errno::INVAL);
    }
    let name = walk::name(name, buf)?;
    let dir = if dir.is_empty() { b"." } else { dir };
    Ok((walk::dir(root, dir, Mode::from_raw_mode(0o755))?, name))
}

/// Whether `path`, without "." and empty names, is exactly "/name", or "/" for an empty `name`.
/// It is about the text alone: ".." never matches.
pub fn is_exactly(path: &CStr, name: &[u8]) -> bool {
    let mut names = split_by(path.to_bytes(), b'/').filter(|name| !matches!(*name, b"" | b"."));
    match names.next() {
        None => name.is_empty(),
        Some(first) => first == name && names.next().is_none(),
    }
}

/// Whether `fd` is a directory.
pub fn is_dir(fd: BorrowedFd) -> io::Result<bool> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory)
}

/// openat2(2); `None` where it is absent.
fn by_kernel(root: BorrowedFd, path: &CStr, flags: OFlags) -> Option<io::Result<OwnedFd>> {
    if ABSENT.load(Ordering::Relaxed) {
        return None;
    }
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut result = Err(Errno::AGAIN);
    for _ in 0..TRIES {
        result = rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
        match result {
            Err(Errno::AGAIN) => {}
            Err(errno) if is_absent(errno) && !PRESENT.load(Ordering::Relaxed) => {
                ABSENT.store(true, Ordering::Relaxed);
                return None;
            }
            _ => break,
        }
    }
    PRESENT.store(true, Ordering::Relaxed);
    Some(result)
}

#[cfg(test)]
mod tests;
