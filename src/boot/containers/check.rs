//! `nsinit boot --check DIR`: what would go wrong, told where the machine is built.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use heapless::Vec;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::process::{chdir, fchdir};

use super::child::{after, directory, join, read};
use super::image::{base, fstype};
use super::inside;
use super::table::find;
use super::unit::{Labels, Set, UNITS, Unit, cycle_of, in_cycles};
use crate::beneath;
use crate::bytes::{Arena, Show, split_by};
use crate::error::{Context as _, Error, Result};
use crate::exec::{DEFAULT_PATH, value};
use crate::exec::{INTERPRETER, interpreter};
use crate::front::{blank, tell};
use crate::plan::{self, Plan};
use crate::proc::fd_path;
use crate::say;
use crate::security::look_up_user;
use crate::syscall::fd::AsFd;

/// Interpreters of interpreters.
const DEPTH: usize = 4;

/// Looks at all containers below `dir`, which are to run on the machine `machine` (e_machine of
/// elf(5)); whether nothing is wrong. What is wrong is said.
pub fn check(
    dir: &'static CStr,
    machine: u16,
    plan: &mut MaybeUninit<Plan>,
    arena: &Arena,
) -> Result<bool> {
    let mut units = Vec::<Unit, UNITS>::new();
    let mut good = true;
    let there = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, dir, there, Mode::empty()).doing("check", dir)?;
    find(dir, &mut units, arena, &mut |text| {
        good = false;
        say::error(text);
    });
    if units.is_empty() {
        let why = "no container in its onboot/, services/ or onshutdown/";
        return Err(Error::refused("check", dir, why));
    }
    let here = openat(CWD, c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .doing("open", "the working directory")?;
    for n in 0..units.len() {
        match container(dir, machine, &mut units, n, plan, arena) {
            Ok(is_good) => good &= is_good,
            Err(error) => good = tell(error, arena) == 0,
        }
        fchdir(here.as_fd()).doing("go back to", "the working directory")?;
    }
    Ok(good & !goes_round(dir, &units))
}

/// Everything about one container. The messages of its file have the path in them, the others get
/// it here.
fn container(
    dir: &'static CStr,
    machine: u16,
    units: &mut Vec<Unit, UNITS>,
    n: usize,
    plan: &mut MaybeUninit<Plan>,
    arena: &Arena,
) -> Result<bool> {
    let Some(Unit { kind, name, .. }) = units.get(n) else { return Ok(true) };
    let (kind, place) = (*kind, directory(dir, *kind, name, arena)?);
    let file = join(arena, &[place.to_bytes(), b"/container.json"])?;
    let plan = blank(plan);
    let read = read(plan, file, arena);
    if !plan.whole {
        return read.map(|()| false);
    }
    let (set, known) = after(plan, units, (kind, name), file, arena);
    let mut good = known && read.is_ok();
    if let Err(fault) = read {
        tell(fault, arena);
    }
    if let Some(unit) = units.get_mut(n) {
        unit.after = set;
    }
    chdir(place).doing("change directory to", place)?;
    let mut tell = |result| {
        if let Err(error) = result {
            say::error(format_args!("{}: {error}", Show(place.to_bytes())));
            good = false;
        }
    };
    match rootfs(plan, place) {
        Ok(Some(root)) => {
            tell(command(plan, root.as_fd(), machine, arena));
            tell(working_dir(plan, root.as_fd()));
            tell(look_up_user(&mut plan.process, root.as_fd(), arena).map(drop));
        }
        other => tell(other.map(drop)),
    }
    Ok(good)
}

/// Its root file system, where that is its own and can be looked into.
fn rootfs(plan: &Plan, place: &CStr) -> Result<Option<OwnedFd>> {
    if !plan.namespaces.is_new(plan::Kind::Mount) || plan.is_faulty("rootfs") {
        return Ok(None);
    }
    let base = base(plan)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let root = openat(CWD, base.path, flags, Mode::empty()).doing("open", base.path)?;
    if !base.image {
        return Ok(Some(root));
    }
    let Some(fstype) = fstype(&root).doing("read the image", base.path)? else {
        let why = "neither squashfs nor ext4 nor erofs";
        return Err(Error::refused("use the image", base.path, why));
    };
    // Not everybody can, and not every kernel knows what another does.
    let inside = inside::open(&root, base.path, fstype);
    if let Err(error) = inside {
        say::warning(format_args!("{}: {error}", Show(place.to_bytes())));
    }
    Ok(inside.ok())
}

/// Whether a mount may bring what is at `path`, as it is on it or its mount point is below: then nobody
/// knows before it is made.
fn is_mounted(plan: &Plan, path: &CStr) -> bool {
    fn names(path: &CStr) -> impl Iterator<Item = &[u8]> {
        split_by(path.to_bytes(), b'/').filter(|name| !name.is_empty())
    }
    let mut mounts = plan.rootfs.mounts.iter();
    mounts.any(|mount| names(mount.target).zip(names(path)).all(|(one, other)| one == other))
}

/// Whether the working directory is there.
fn working_dir(plan: &Plan, root: BorrowedFd) -> Result<()> {
    match plan.process.cwd {
        Some(path) if !is_mounted(plan, path) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            beneath::open(root, path, flags).doing("change directory to", path).map(drop)
        }
        _ => Ok(()),
    }
}

/// Whether the command is there, and what runs it.
fn command(plan: &Plan, root: BorrowedFd, machine: u16, arena: &Arena) -> Result<()> {
    let Some(Some(word)) = plan.process.command.first() else { return Ok(()) };
    let name = word.get();
    let directories: &[u8] = match name.to_bytes() {
        [b'/', ..] => b"",
        name if name.contains(&b'/') => plan.process.cwd.unwrap_or(c"/").to_bytes(),
        _ => value(&plan.process.env, b"PATH").unwrap_or(DEFAULT_PATH),
    };
    for directory in split_by(directories, b':') {
        let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
        let path = join(arena, &[directory, slash, name.to_bytes()])?;
        if is_mounted(plan, path) {
            return Ok(());
        }
        if let Ok(file) = beneath::open(root, path, OFlags::RDONLY | OFlags::NONBLOCK) {
            return runs(file, path, root, machine, arena);
        }
    }
    Err(Error::refused("find the command", name, "no such file in the root file system"))
}

/// Whether this machine runs it, and what it needs to be run.
fn runs(
    mut file: OwnedFd,
    mut path: &'static CStr,
    root: BorrowedFd,
    machine: u16,
    arena: &Arena,
) -> Result<()> {
    let refused = |path, why| Err(Error::refused("execute", path, why));
    for _ in 0..DEPTH {
        let stat = fstat(file.as_fd()).doing("look at", path)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
            || stat.st_mode & 0o111 == 0
        {
            return refused(path, "not an executable file");
        }
        let mut buf = [0; INTERPRETER];
        let needs = interpreter(fd_path(file.as_fd()).as_cstr(), Some(machine), &mut buf, arena);
        let needs = match needs {
            Ok(None) => return Ok(()),
            Ok(Some(needs)) => join(arena, &[needs])?,
            Err(fault) => {
                return refused(path, arena.str(format_args!("it {fault}")).unwrap_or(fault));
            }
        };
        file = beneath::open(root, needs, OFlags::RDONLY | OFlags::NONBLOCK)
            .doing("open", needs)
            .map_err(|error| {
            let hint = format_args!("the interpreter that {} needs", Show(path.to_bytes()));
            arena.str(hint).map_or(error, |hint| error.hint(hint))
        })?;
        path = needs;
    }
    refused(path, "its interpreter needs an interpreter, more than four deep")
}

/// Whether some of them wait for each other: those are said.
fn goes_round(dir: &CStr, units: &[Unit]) -> bool {
    let cycles = in_cycles(units, Set::MAX);
    for (n, unit) in units.iter().enumerate().filter(|(n, _)| cycles >> n & 1 != 0) {
        let (dir, kind, name) = (Show(dir.to_bytes()), unit.kind.dir(), unit.label());
        let cycle = Labels(units, cycle_of(units, Set::MAX, n));
        say::error(format_args!("{dir}/{kind}/{name}: service.after: dependency cycle: {cycle}"));
    }
    cycles != 0
}
