//! Emptying and removing groups.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fd::BorrowedFd;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, openat, rmdir, statat, statfs, unlinkat,
};
use rustix::io::{self, Errno, read};
use rustix::process::{Pid, getpid};

use super::file::{Dir, above, parent, version};
use super::wait::{Pause, events};
use crate::bytes::{Arena, Show};
use crate::error::{Context, Error, Result};
use crate::proc::lines::{Pieces, decimal};
use crate::proc::process::{self, Identity, namespace, stat};
use crate::syscall::fd::AsFd;
use crate::syscall::signal::kill;

/// How long a group without processes may stay busy: the kernel lets go of a process's group some
/// time after the process was reaped.
const RELEASE_MS: u64 = 1_000;
/// How long killed processes may take to be gone.
const DIE_MS: u64 = 10_000;
/// Most groups within each other that are removed with a group: each takes a descriptor and the stack of
/// `walk`.
const DEPTH: usize = 256;
/// SIGKILL.
const KILL: u32 = linux_raw_sys::general::SIGKILL;

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

/// Whether a process is in a PID namespace that is not the caller's.
fn is_contained(pid: Pid) -> bool {
    let own = Identity::of(c"/proc/self/ns/pid");
    namespace("/proc", pid, c"pid").is_ok_and(|theirs| Ok(theirs) != own)
}

type EachGroup<'a> = &'a mut dyn FnMut(BorrowedFd, &CStr, BorrowedFd) -> io::Result<bool>;

/// Calls `each` with the groups inside `dir`, the innermost first, and at last with `dir` itself: the
/// directory above, the name in it, and the directory. It returns whether to go on.
fn for_each_group(dir: &CStr, each: EachGroup<'_>) -> io::Result<()> {
    walk(CWD, dir, DEPTH, each).map(drop)
}

fn walk(at: BorrowedFd<'_>, name: &CStr, depth: usize, each: EachGroup<'_>) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let dir = match openat(at, name, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => return Ok(true),
        dir => dir?,
    };
    let mut buf = [MaybeUninit::<u8>::uninit(); 512];
    let mut entries = RawDir::new(&dir, &mut buf);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            // It went while it was read.
            Err(Errno::NOENT) => break,
            entry => entry?,
        };
        let inside = entry.file_name();
        if entry.file_type() == FileType::Directory && inside != c"." && inside != c".." {
            let depth = depth.checked_sub(1).ok_or(Errno::LOOP)?;
            if !walk(dir.as_fd(), inside, depth, each)? {
                return Ok(false);
            }
        }
    }
    each(at, name, dir.as_fd())
}

/// Kills every process in the group at `dir` and those inside it, also those that are forked
/// meanwhile, until none is left. `frozen` is the same group in v1's freezer: what is frozen there
/// does not die.
pub fn kill_all(dir: &Dir, frozen: Option<&'static CStr>) -> Result<()> {
    // All at once, on v2 since Linux 5.14; otherwise one by one.
    let _ = dir.write("cgroup.kill", b"1");
    kill_those(dir.path, frozen, &|_| true)
}

/// The same for those of `ours` in a group that state.json names, if it is one; it has been thawed.
pub fn kill_stale(dir: &'static CStr, ours: &dyn Fn(Pid) -> bool) -> Result<()> {
    match statfs(dir) {
        Ok(stat) if version(stat.f_type as u64).is_some() => kill_those(dir, None, ours),
        // `remove_stale` says what is wrong with it.
        _ => Ok(()),
    }
}

fn kill_those(
    dir: &'static CStr,
    frozen: Option<&'static CStr>,
    those: &dyn Fn(Pid) -> bool,
) -> Result<()> {
    let mut pause = Pause::until(DIE_MS);
    loop {
        if let Some(frozen) = frozen {
            thaw(frozen)?;
        }
        let mut left = None;
        for_each_process(dir, &mut |pid| {
            if those(pid) {
                // It may be gone by now: the next round shows it.
                let _ = kill(pid, KILL);
                left = Some(pid);
            }
            true
        })
        .doing("kill the processes of control group", dir)?;
        let Some(pid) = left else { return Ok(()) };
        if !pause.wait(None) {
            return Err(Error::refused("kill process", pid, "it does not die of SIGKILL"));
        }
    }
}

/// Lets the processes of a group in the freezer hierarchy run, if the group is there.
pub fn thaw(dir: &'static CStr) -> Result<()> {
    const FILE: &str = "freezer.state";
    let (dir, _) = match Dir::named(dir) {
        Err(error) if error.raw() == Some(Errno::NOENT) => return Ok(()),
        dir => dir?,
    };
    match dir.write(FILE, b"THAWED") {
        // It was removed meanwhile.
        Err(Errno::NODEV) => Ok(()),
        result => result.doing("thaw", (dir.path, FILE)),
    }
}

/// A process that will stay. One that has begun to end is still listed for a moment after it was
/// waited for, until it is done switching out (kernel/cgroup/cgroup.c, cgroup_task_dead).
fn first_living(dir: &CStr) -> io::Result<Option<Pid>> {
    let mut living = None;
    for_each_process(dir, &mut |pid| {
        let ends = stat("/proc", pid).map_or_else(
            |errno| errno == Errno::NOENT || errno == Errno::SRCH,
            |stat| stat.exiting || b"ZX".contains(&stat.state),
        );
        living = if ends { None } else { Some(pid) };
        ends
    })?;
    Ok(living)
}

/// Calls `each` with every process in the group and those inside it but the caller, until it returns
/// false. Processes outside of the caller's PID namespace read as 0 and can't be named.
pub fn for_each_process(dir: &CStr, each: &mut dyn FnMut(Pid) -> bool) -> io::Result<()> {
    for_each_group(dir, &mut |_, _, group| {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = match openat(group, c"cgroup.procs", flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NODEV) => return Ok(true),
            file => file?,
        };
        let mut buf = [0; 4096];
        let mut lines = Pieces::new(file.as_fd(), &mut buf);
        loop {
            let line = match lines.line() {
                // The group was removed while its file was open, or is a threaded one.
                Ok(None) | Err(Errno::NODEV | Errno::OPNOTSUPP) => return Ok(true),
                line => line?.unwrap_or(b""),
            };
            let pid = decimal(line).and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
            if pid.is_some_and(|pid| pid != getpid() && !each(pid)) {
                return Ok(false);
            }
        }
    })
}
