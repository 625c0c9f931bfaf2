//! The working directory, entered with the rights of the workload.

use core::ffi::CStr;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::{chdir, fchdir};

use super::denied;
use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::syscall::is_absent;
use crate::syscall::process::getcwd;

/// Longest path of a working directory (PATH_MAX, include/uapi/linux/limits.h).
const PATH_MAX: usize = 4096;

/// Enters `path`, or "/".
///
/// /proc/self/fd/7 is a path too, and the container chooses what it leads to: magic links are
/// refused, and wherever the way ended, it must be a place below the root (CVE-2024-21626). The
/// second check is also the one that holds where the kernel has no openat2.
pub fn enter(path: Option<&'static CStr>, arena: &Arena) -> Result<()> {
    let path = path.unwrap_or(c"/");
    let result = enter_without_magic(path);
    let hint = match result {
        Err(Errno::LOOP) => Some("a loop of links, or a link of /proc, which is refused"),
        Err(Errno::ACCESS) => denied::explain(path, true, arena),
        Err(Errno::MFILE) => Some("the limit of open files leaves none to open it with"),
        _ => None,
    };
    let result = result.doing("enter working directory", path);
    let result = result.map_err(|error| hint.map_or(error, |hint| error.hint(hint)));
    result.and_then(|()| check_inside(path))
}

fn enter_without_magic(path: &CStr) -> rustix::io::Result<()> {
    if path == c"/" {
        return chdir(path);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
        Ok(directory) => fchdir(directory),
        Err(errno) if is_absent(errno) => chdir(path),
        Err(errno) => Err(errno),
    }
}

pub fn check_inside(path: &'static CStr) -> Result<()> {
    const DOING: &str = "enter working directory";
    let mut buf = [0; PATH_MAX];
    // ENOENT: it was removed; "(unreachable)/…": it lies outside of the root (getcwd(2)).
    let cwd = getcwd(&mut buf).doing(DOING, path)?;
    if cwd.to_bytes().first() == Some(&b'/') {
        Ok(())
    } else {
        Err(Error::refused(DOING, path, "it lies outside of the container's root"))
    }
}
