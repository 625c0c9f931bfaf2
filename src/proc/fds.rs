//! Closing what was inherited.

use core::mem::MaybeUninit;

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};

use super::lines::decimal;
use crate::error::{Context, Result};
use crate::say;
use crate::syscall::fd::{close, close_range};
use crate::syscall::is_absent;

/// Closes every descriptor but the standard ones and those in `keep`. The owners of the others in
/// this process must not be dropped: only a process that was just forked may call this, one that
/// ends in execve or exit_group.
///
/// The log goes too: only the launcher speaks, and inside it would be a file of the host that
/// whoever may trace this process could open anew.
pub fn close_all_but(keep: &[u32]) -> Result<()> {
    say::forget_log();
    let kept = |from: u32| keep.iter().copied().filter(|fd| *fd >= from).min();
    let mut first = 3;
    while let Some(fd) = kept(first) {
        if first < fd && !range(first, fd - 1)? {
            return one_by_one(&|fd| kept(fd) == Some(fd));
        }
        first = fd + 1;
    }
    if range(first, u32::MAX)? { Ok(()) } else { one_by_one(&|fd| kept(fd) == Some(fd)) }
}

/// False where the kernel has no close_range.
fn range(first: u32, last: u32) -> Result<bool> {
    match close_range(first, last) {
        Err(errno) if is_absent(errno) => Ok(false),
        result => result.doing("close descriptors", ()).map(|()| true),
    }
}

/// Before Linux 5.9: what the host's /proc lists.
fn one_by_one(keep: &dyn Fn(u32) -> bool) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(CWD, c"/proc/self/fd", flags, Mode::empty())
        .doing("list descriptors in", "/proc/self/fd")?;
    let own = rustix::fd::AsRawFd::as_raw_fd(&dir);
    let mut buf = [MaybeUninit::<u8>::uninit(); 2048];
    let mut entries = RawDir::new(&dir, &mut buf);
    while let Some(entry) = entries.next() {
        let entry = entry.doing("list descriptors in", "/proc/self/fd")?;
        // "." and ".." are no numbers.
        let number = decimal(entry.file_name().to_bytes()).and_then(|n| u32::try_from(n).ok());
        if let Some(fd) = number
            && fd > 2
            && fd != own as u32
            && !keep(fd)
        {
            close(fd);
        }
    }
    Ok(())
}
