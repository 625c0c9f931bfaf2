//! Removing groups.

use core::ffi::CStr;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, rmdir, statat, statfs, unlinkat};
use rustix::io::{self, Errno, read};

use super::file::{above, parent, version};
use super::processes::{first_living, for_each_group, for_each_process, is_contained};
use super::wait::{Pause, events};
use crate::bytes::{Arena, Show};
use crate::error::{Context, Error, Result};
use crate::proc::process;
use crate::syscall::fd::AsFd;

/// How long a group without processes may stay busy: the kernel lets go of a process's group some
/// time after the process was reaped.
const RELEASE_MS: u64 = 1_000;

/// The mode of the directories that nsinit makes. The sticky bit, which means nothing here, tells
/// them from those of the machine's owner, who may have given them limits: only these are removed,
/// by the last container that used them, whichever of them made them.
pub const MARKED: Mode = Mode::SVTX.union(Mode::from_raw_mode(0o755));

/// Removes the group at `dir` and the empty groups inside it, then those above it that are empty
/// now; all only if they are marked. `own`: this process made it, so there is no need to look. A
/// group with another container's processes in it is that one's too, and stays; any other process
/// that does not go is an error that names it, at once unless there is `patience`.
pub fn remove(dir: &'static CStr, own: bool, patience: bool, arena: &Arena) -> Result<()> {
    const DOING: &str = "remove control group";
    let fault = |errno| match (errno, Error::errno(DOING, dir, errno)) {
        (Errno::LOOP, error) => error.hint("more than 256 groups within each other"),
        (_, error) => error,
    };
    if !own && is_marked(dir).map_err(fault)? != Some(true) {
        return Ok(());
    }
    let mut pause = Pause::until(if patience { RELEASE_MS } else { 0 });
    loop {
        match rmdir(dir) {
            Ok(()) | Err(Errno::NOENT) => break,
            Err(Errno::BUSY | Errno::NOTEMPTY) => {}
            Err(errno) => return Err(fault(errno)),
        }
        // Read before the look at the processes: what changes after it ends the wait.
        let events = events(dir);
        match first_living(dir).map_err(fault)? {
            // Of another container, or of whoever made the group.
            Some(pid) if !own || is_contained(pid) => return Ok(()),
            Some(_) => {}
            None => for_each_group(dir, &mut |at, name, _| {
                match unlinkat(at, name, AtFlags::REMOVEDIR) {
                    // The next round, or the time limit, sees to it.
                    Ok(()) | Err(Errno::BUSY | Errno::NOTEMPTY | Errno::NOENT) => Ok(true),
                    Err(errno) => Err(errno),
                }
            })
            .map_err(fault)?,
        }
        if !pause.wait(events.as_ref()) {
            // Without patience the groups inside have gone only now.
            if matches!(rmdir(dir), Ok(()) | Err(Errno::NOENT)) {
                break;
            }
            return Err(Error::refused(DOING, dir, remaining(dir, arena)));
        }
    }
    remove_parents(dir, arena)
}

/// Removes the groups above `dir`, as far as they are marked and empty.
pub fn remove_parents(dir: &'static CStr, arena: &Arena) -> Result<()> {
    let (path, mut end) = (dir.to_bytes(), dir.to_bytes().len());
    loop {
        end = parent(path, end);
        let above = above(dir, end, arena)?;
        match is_marked(above).doing("look at the parent of control group", dir)? {
            Some(true) => {}
            // It was never made, but what is above it was.
            None if end > 0 => continue,
            _ => return Ok(()),
        }
        match rmdir(above) {
            // Another container has its group there, or was faster.
            Err(Errno::BUSY | Errno::NOTEMPTY | Errno::NOENT) => return Ok(()),
            result => result.doing("remove the parent of control group", dir)?,
        }
    }
}

/// Names the processes that keep a group: the first few.
fn remaining(dir: &CStr, arena: &Arena) -> &'static str {
    const MOST: usize = 8;
    let (mut text, mut count) = ("", 0);
    // What can't be read is not there to be named.
    let _ = for_each_process(dir, &mut |pid| {
        let mut comm = [0; 32];
        let path = process::file("/proc", pid, "comm");
        let file = openat(CWD, path.as_cstr(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let len = file.and_then(|file| read(file.as_fd(), &mut comm[..])).unwrap_or(0);
        let (pid, comm) = (i64::from(pid.as_raw_pid()), comm.get(..len).unwrap_or(b""));
        let comma = if count == 0 { "it still has process" } else { "," };
        count += 1;
        let comm = Show(comm.trim_ascii_end());
        let longer = arena.str(format_args!("{text}{comma} {pid} ({comm})"));
        text = longer.unwrap_or(text);
        count < MOST
    });
    // Processes that have no business there, or none and the kernel holds it all the same.
    if text.is_empty() { "it is empty, but the kernel holds it" } else { text }
}

/// Whether nsinit made it; `None` if there is no group.
fn is_marked(dir: &CStr) -> io::Result<Option<bool>> {
    match statat(CWD, dir, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => Ok(None),
        Ok(stat) => Ok(Some(Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Removes what a launcher that was killed has left behind, by the paths of its state.json. That
/// they are control groups is checked: what lies elsewhere must not lose its empty directories.
pub fn remove_stale(paths: impl Iterator<Item = &'static CStr>, arena: &Arena) -> Result<()> {
    for dir in paths {
        match statfs(dir) {
            Err(Errno::NOENT) => {}
            Ok(stat) if version(stat.f_type as u64).is_some() => remove(dir, false, true, arena)?,
            Ok(_) => {
                let why = "it is not in a control group hierarchy";
                return Err(Error::refused("remove stale control group", dir, why));
            }
            Err(errno) => return Err(Error::errno("remove stale control group", dir, errno)),
        }
    }
    Ok(())
}
