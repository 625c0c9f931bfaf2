//! The processes of a group and of those inside it: looked at, let go, killed.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fd::BorrowedFd;
use rustix::fs::{CWD, FileType, Mode, OFlags, RawDir, openat, statfs};
use rustix::io::{self, Errno, write};
use rustix::process::{Pid, getpid};

use super::file::{Dir, version};
use super::wait::Pause;
use crate::error::{Context, Error, Result};
use crate::proc::lines::{Pieces, decimal};
use crate::proc::process::{Identity, namespace, stat};
use crate::syscall::fd::AsFd;
use crate::syscall::signal::kill;

/// How long killed processes may take to be gone.
const DIE_MS: u64 = 10_000;
/// Most groups within each other that are looked at: each takes a descriptor and the stack of `walk`.
const DEPTH: usize = 256;
/// SIGKILL.
const KILL: u32 = linux_raw_sys::general::SIGKILL;

type EachGroup<'a> = &'a mut dyn FnMut(BorrowedFd, &CStr, BorrowedFd) -> io::Result<bool>;

/// Calls `each` with the groups inside `dir`, the innermost first, and at last with `dir` itself: the
/// directory above, the name in it, and the directory. It returns whether to go on.
pub fn for_each_group(dir: &CStr, each: EachGroup<'_>) -> io::Result<()> {
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

/// Lets the processes of a group in the freezer hierarchy run, and of those inside it, which can be
/// frozen by themselves; if the group is there.
pub fn thaw(dir: &'static CStr) -> Result<()> {
    const FILE: &CStr = c"freezer.state";
    match Dir::named(dir) {
        Err(error) if error.raw() == Some(Errno::NOENT) => return Ok(()),
        dir => drop(dir?),
    }
    let thawed = for_each_group(dir, &mut |_, _, group| {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(group, FILE, flags, Mode::empty());
        match file.and_then(|file| write(file.as_fd(), b"THAWED")) {
            // It was removed meanwhile.
            Err(Errno::NODEV | Errno::NOENT) => Ok(true),
            written => written.map(|_| true),
        }
    });
    thawed.doing("thaw", dir)
}

/// A process that will stay.
pub fn first_living(dir: &CStr) -> io::Result<Option<Pid>> {
    let mut living = None;
    for_each_process(dir, &mut |pid| {
        living = (!is_ending(pid)).then_some(pid);
        living.is_none()
    })?;
    Ok(living)
}

/// Whether it has ended or begun to: it is still listed for a moment after it was waited for, until it
/// is done switching out (kernel/cgroup/cgroup.c, cgroup_task_dead).
pub fn is_ending(pid: Pid) -> bool {
    stat("/proc", pid).map_or_else(
        |errno| errno == Errno::NOENT || errno == Errno::SRCH,
        |stat| stat.exiting || b"ZX".contains(&stat.state),
    )
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

/// A process of a container that lives in the group at `dir` or in one inside it.
pub fn first_contained(dir: &CStr) -> io::Result<Option<Pid>> {
    let mut found = None;
    for_each_process(dir, &mut |pid| {
        found = (is_contained(pid) && !is_ending(pid)).then_some(pid);
        found.is_none()
    })?;
    Ok(found)
}

/// Whether a process is in a PID namespace that is not the caller's.
pub fn is_contained(pid: Pid) -> bool {
    let own = Identity::of(c"/proc/self/ns/pid");
    namespace("/proc", pid, c"pid").is_ok_and(|theirs| Ok(theirs) != own)
}
