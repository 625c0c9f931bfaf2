//! The standard descriptors that the command gets from nsinit's caller: the one thing of the host that
//! is handed in.

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fcntl_getfl, fstat, major, minor, openat};
use rustix::io::Errno;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::beneath;
use crate::error::{Context, Error, Result};
use crate::syscall::fd::{AsFd, stdio};

/// Refuses one that leads further than it should: from a directory on, all of its file system is in
/// reach by ".." (openat(2)), and what is only a path (O_PATH) is neither read nor written.
pub fn check() -> Result<()> {
    const DOING: &str = "hand in descriptor";
    for fd in stdio() {
        let on = fd.as_raw_fd().unsigned_abs();
        let stat = fstat(fd).doing(DOING, on)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let why = "it is a directory, and would lead out of the container";
            return Err(Error::refused(DOING, on, why));
        }
        if fcntl_getfl(fd).doing(DOING, on)?.contains(OFlags::PATH) {
            let why = "it was opened as a path (O_PATH), and can't be read or written";
            return Err(Error::refused(DOING, on, why));
        }
    }
    Ok(())
}

/// Takes the container's own null device in the place of the host's, whose mode and owner the
/// container's root could change. Where the container has none, or none that may be opened, the host's
/// stays.
///
/// The process is in the container's root.
pub fn take_own_null() -> Result<()> {
    const DOING: &str = "open the container's";
    const NULL: &str = "/dev/null";
    for fd in stdio() {
        if !is_null(&fstat(fd).doing("look at descriptor", fd.as_raw_fd().unsigned_abs())?) {
            continue;
        }
        let access = fcntl_getfl(fd).doing(DOING, NULL)? & OFlags::RWMODE;
        let root = openat(CWD, c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let root = root.doing("open the root of the container", ())?;
        let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY;
        let own = match beneath::open(root.as_fd(), c"/dev/null", flags) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::PERM) => {
                return Ok(());
            }
            own => own.doing(DOING, NULL)?,
        };
        if is_null(&fstat(own.as_fd()).doing(DOING, NULL)?) {
            replace(fd, own.as_fd()).doing(DOING, NULL)?;
        }
    }
    Ok(())
}

fn replace(fd: BorrowedFd, by: BorrowedFd) -> rustix::io::Result<()> {
    match fd.as_raw_fd() {
        0 => dup2_stdin(by),
        1 => dup2_stdout(by),
        _ => dup2_stderr(by),
    }
}

/// Character device 1:3 (Documentation/admin-guide/devices.txt).
fn is_null(stat: &Stat) -> bool {
    let number = (major(stat.st_rdev), minor(stat.st_rdev));
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && number == (1, 3)
}
