//! Emptying and removing groups.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat, fstat, openat, rmdir, statat, statfs,
    unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};
use rustix::thread::{NanosleepRelativeResult, Timespec, nanosleep};

use super::file::{Dir, Path, parent, version};
use super::groups::Groups;
use crate::error::{Context, Error, Object, Result};
use crate::proc::lines::{Pieces, decimal};
use crate::proc::process::stat;
use crate::syscall::signal::kill;

/// How long a group without processes may stay busy: the kernel lets go of a process's group some
/// time after the process was reaped.
const RELEASE_MS: u64 = 1_000;
/// How long killed processes may take to be gone.
const DIE_MS: u64 = 10_000;
/// Most groups within each other that are removed with a group.
const DEPTH: usize = 32;
/// SIGKILL.
const KILL: u32 = linux_raw_sys::general::SIGKILL;

/// The mode of the directories that nsinit makes. The sticky bit, which means nothing here, tells
/// them from those of the machine's owner, who may have given them limits: only these are removed,
/// by the last container that used them, whichever of them made them.
pub const MARKED: Mode = Mode::SVTX.union(Mode::from_raw_mode(0o755));

/// Removes the group at `dir` and the empty groups inside it, then those above it that are empty
/// now; all only if they are marked. `own`: this process made it, so there is no need to look. A
/// group with processes in it is someone else's too, and stays.
pub fn remove(dir: &'static CStr, own: bool) -> Result<()> {
    const DOING: &str = "remove control group";
    let marked = own || is_marked(dir).doing(DOING, dir)?;
    if !marked || !remove_leaf(dir).doing(DOING, dir).map_err(explain)? {
        return Ok(());
    }
    let (path, mut end) = (dir.to_bytes(), dir.to_bytes().len());
    loop {
        end = parent(path, end);
        let above = Path::new(path.get(..end).unwrap_or(b"")).doing(DOING, dir)?;
        if !is_marked(above.as_cstr()).doing("look at the parent of control group", dir)? {
            return Ok(());
        }
        match rmdir(above.as_cstr()) {
            // Another container has its group there, or was faster.
            Err(Errno::BUSY | Errno::NOTEMPTY | Errno::NOENT) => return Ok(()),
            result => result.doing("remove the parent of control group", dir)?,
        }
    }
}

/// Whether nsinit made it. What is gone already is nobody's.
fn is_marked(dir: &CStr) -> rustix::io::Result<bool> {
    match statat(CWD, dir, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether `pid` is in a group that nsinit made: one of `groups`, or a group inside it would not do.
pub fn holds(groups: &Groups, pid: Pid) -> bool {
    let marked = |stat: Stat| Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX);
    let mut found = false;
    for group in groups.iter().filter(|group| fstat(group.dir.fd()).is_ok_and(marked)) {
        // A group that can't be read tells nothing.
        let _ = for_each_process(group.dir.path, |other| {
            found |= other == pid;
            !found
        });
    }
    found
}

fn explain(error: Error) -> Error {
    match error.raw() {
        Some(Errno::BUSY) => error.hint("a group inside it has processes, or the kernel holds it"),
        _ => error,
    }
}

/// Removes what a launcher that was killed has left behind, by the paths of its state.json. That
/// they are control groups is checked: what lies elsewhere must not lose its empty directories.
pub fn remove_stale(paths: impl Iterator<Item = &'static CStr>) -> Result<()> {
    for dir in paths {
        match statfs(dir) {
            Err(Errno::NOENT) => {}
            Ok(stat) if version(stat.f_type as u64).is_some() => remove(dir, false)?,
            Ok(_) => {
                let why = "it is not in a control group hierarchy";
                return Err(Error::refused("remove stale control group", dir, why));
            }
            Err(errno) => return Err(Error::errno("remove stale control group", dir, errno)),
        }
    }
    Ok(())
}

/// Whether it is gone now.
fn remove_leaf(dir: &CStr) -> rustix::io::Result<bool> {
    let mut pause = Pause::until(RELEASE_MS);
    loop {
        match rmdir(dir) {
            Ok(()) | Err(Errno::NOENT) => return Ok(true),
            Err(Errno::BUSY | Errno::NOTEMPTY) => {}
            Err(errno) => return Err(errno),
        }
        if first_living(dir)?.is_some() {
            return Ok(false);
        }
        remove_inside(CWD, dir, DEPTH)?;
        if !pause.wait() {
            return Err(Errno::BUSY);
        }
    }
}

/// Removes the groups inside `name`, the innermost first. Those that are busy stay.
fn remove_inside(at: BorrowedFd<'_>, name: &CStr, depth: usize) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let dir = match openat(at, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        dir => dir?,
    };
    let mut buf = [MaybeUninit::<u8>::uninit(); 1024];
    let mut entries = RawDir::new(&dir, &mut buf);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type() != FileType::Directory || name == c"." || name == c".." {
            continue;
        }
        match unlinkat(&dir, name, AtFlags::REMOVEDIR) {
            Err(Errno::BUSY | Errno::NOTEMPTY) if depth == 0 => return Err(Errno::LOOP),
            Err(Errno::BUSY | Errno::NOTEMPTY) => {
                remove_inside(dir.as_fd(), name, depth - 1)?;
                match unlinkat(&dir, name, AtFlags::REMOVEDIR) {
                    // Busy still: the next round, or the time limit, sees to it.
                    Ok(()) | Err(Errno::BUSY | Errno::NOTEMPTY | Errno::NOENT) => {}
                    Err(errno) => return Err(errno),
                }
            }
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Kills every process in the group at `dir`, also those that are forked meanwhile, until none is
/// left. `frozen` is the same group in the freezer hierarchy: what is frozen does not die.
pub fn kill_all(dir: &'static CStr, frozen: Option<&'static CStr>) -> Result<()> {
    kill_those(dir, frozen, &|_| true)
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
        for_each_process(dir, |pid| {
            if those(pid) {
                // It may be gone by now: the next round shows it.
                let _ = kill(pid, KILL);
                left = Some(pid);
            }
            true
        })
        .doing("kill the processes of control group", dir)?;
        let Some(pid) = left else { return Ok(()) };
        if !pause.wait() {
            let on = Object::Number(i64::from(pid.as_raw_pid()));
            return Err(Error::refused("kill process", on, "it does not die of SIGKILL"));
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
        result => result.doing("thaw", Object::Beneath(dir.path, FILE)),
    }
}

/// A process that will stay. One that has begun to end is still listed for a moment after it was
/// waited for, until it is done switching out (kernel/cgroup/cgroup.c, cgroup_task_dead).
fn first_living(dir: &CStr) -> rustix::io::Result<Option<Pid>> {
    let mut living = None;
    for_each_process(dir, |pid| {
        let ends = stat("/proc", pid).map_or_else(
            |errno| errno == Errno::NOENT || errno == Errno::SRCH,
            |stat| stat.exiting || b"ZX".contains(&stat.state),
        );
        living = if ends { None } else { Some(pid) };
        ends
    })?;
    Ok(living)
}

/// Calls `each` with every process in the group but the caller, until it returns false. Processes
/// outside of the caller's PID namespace read as 0 and can't be named.
fn for_each_process(dir: &CStr, mut each: impl FnMut(Pid) -> bool) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let group = openat(CWD, dir, flags, Mode::empty());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = match group.and_then(|dir| openat(dir, c"cgroup.procs", flags, Mode::empty())) {
        Err(Errno::NOENT) => return Ok(()),
        file => file?,
    };
    let mut buf = [0; 4096];
    let mut lines = Pieces::new(file.as_fd(), &mut buf);
    loop {
        let line = match lines.line() {
            // The group was removed while its file was open.
            Ok(None) | Err(Errno::NODEV) => return Ok(()),
            line => line?.unwrap_or(b""),
        };
        let pid = decimal(line).and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if pid.is_some_and(|pid| pid != getpid() && !each(pid)) {
            return Ok(());
        }
    }
}

/// Waits longer and longer, up to a limit in all.
pub struct Pause {
    next: u64,
    left: u64,
}

impl Pause {
    /// At most so many milliseconds in all.
    pub fn until(ms: u64) -> Pause {
        Pause { next: 1, left: ms }
    }

    /// Whether there was time left to wait.
    pub fn wait(&mut self) -> bool {
        let ms = self.next.min(self.left);
        if ms == 0 {
            return false;
        }
        (self.next, self.left) = ((self.next * 2).min(64), self.left - ms);
        let mut time = Timespec { tv_sec: 0, tv_nsec: ms as _ };
        time.tv_nsec *= 1_000_000;
        while let NanosleepRelativeResult::Interrupted(rest) = nanosleep(&time) {
            time = rest;
        }
        true
    }
}
