//! Which files nsinit believes: container.json and state.json decide what root does, and they often
//! lie in a root file system that the container has written to (security: "rewritten from inside").

use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, fstat};

use crate::error::{Context, Error, Object, Result};

/// Refuses a file unless it is regular, belongs to root or to the caller, and nobody else can write
/// to it.
pub fn check(file: BorrowedFd<'_>, name: impl Into<Object>) -> Result<()> {
    let name = name.into();
    let stat = fstat(file).doing("stat", name)?;
    let owner = stat.st_uid;
    let why = if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        "not a regular file"
    } else if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        "it belongs to neither root nor the caller, who would decide what root does"
    } else if stat.st_mode & 0o022 != 0 {
        "others can write to it (chmod go-w), and would decide what root does"
    } else {
        return Ok(());
    };
    Err(Error::refused("trust", name, why))
}
