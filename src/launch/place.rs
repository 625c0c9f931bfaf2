//! The place of a container: the directory that holds state.json, and the judgement whether the container
//! that state.json names still runs.

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::Launch;
use super::claim::{Claim, HELD, LOCKED, is_removed, lock};
use super::process::{Life, Process};
use super::running::{Running, root_of, root_of_plan};
use super::termination::Termination;
use super::wait::Pauses;
use crate::bytes::{Arena, Show};
use crate::cgroup;
use crate::error::{Context, Error, Result};
use crate::net;
use crate::plan::{Kind, Plan};
use crate::say;
use crate::state::{self, FILE, State};
use crate::syscall::fd::AsFd;

/// The configuration's name in a place.
pub const CONFIG: &CStr = c"container.json";

/// The data path: where container.json and state.json lie.
pub struct Place {
    dir: OwnedFd,
    path: &'static CStr,
    /// Whether an empty container.json must stand in for one that could be made from inside.
    wants_stand_in: bool,
}

/// What is found in a place.
#[expect(clippy::large_enum_variant, reason = "there is one, for a moment, on the stack")]
pub enum Look<'a> {
    /// A container, to be joined.
    Runs(Running),
    /// None, and the right to start one.
    Free(Claim<'a>),
}

/// A look that found neither.
enum Busy {
    /// Somebody starts a container there, or ends one.
    Locked,
    /// Its launcher lives, but not the process that state.json names, as far as can be seen from here.
    Unseen(i32),
}

impl Place {
    /// The place at `path`.
    pub fn open(path: &'static CStr) -> Result<Place> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(CWD, path, flags, Mode::empty()).doing("open the data path", path)?;
        Ok(Place { dir, path, wants_stand_in: false })
    }

    /// Its directory.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Its path, as it was given.
    pub fn path(&self) -> &'static CStr {
        self.path
    }

    /// The container that runs here, by state.json, or the right to start one. Waits while somebody else
    /// starts or ends one. What a launcher that was killed left behind is cleaned away; what can't be the
    /// container of this place is refused.
    pub fn look(&self, launch: &mut Launch) -> Result<Look<'_>> {
        /// Milliseconds in which a launcher notices that its container is gone.
        const NOTICED: u64 = 1000;
        let (mut pauses, mut termination) = (Pauses::new(), None);
        loop {
            match self.try_look(launch)? {
                Ok(look) => return Ok(look),
                Err(Busy::Unseen(pid)) if pauses.waited() > NOTICED => return Err(unseen(pid)),
                Err(_) if pauses.waited() > LOCKED => {
                    return Err(Error::refused("lock the data path", self.path, HELD));
                }
                Err(_) => {
                    let termination = match &mut termination {
                        Some(termination) => termination,
                        none => none.insert(Termination::watch()?),
                    };
                    pauses.pause_unless(termination)?;
                }
            }
        }
    }

    fn try_look(&self, launch: &mut Launch) -> Result<core::result::Result<Look<'_>, Busy>> {
        if let Some(file) = state::open(self.dir())? {
            if !lock(file.as_fd(), FlockOperation::NonBlockingLockShared)? {
                return Ok(Err(Busy::Locked));
            }
            let state = state::read(&file, launch.arena)?;
            let init = Process::named(&state)?;
            if let Some(running) = self.running(init, &state, launch)? {
                return Ok(Ok(Look::Runs(running)));
            }
            // Its launcher has it while it lives, and so has another that looks.
            if !lock(file.as_fd(), FlockOperation::NonBlockingLockExclusive)? {
                return Ok(Err(init.map_or(Busy::Unseen(state.init_pid), |_| Busy::Locked)));
            }
            if is_removed(&file)? {
                return Ok(Err(Busy::Locked));
            }
            self.clean(init, &state, launch)?;
            launch.follows = true;
        }
        let claim = Claim::begin(self)?;
        Ok(claim.map_or(Err(Busy::Locked), |claim| Ok(Look::Free(claim))))
    }

    fn running(
        &self,
        init: Option<Process>,
        state: &State,
        launch: &Launch,
    ) -> Result<Option<Running>> {
        let Some(init) = init else { return Ok(None) };
        if !init.is_alive()? {
            return Ok(None);
        }
        let running = Running::of(init, state.cgroup_paths, true);
        // Asked again: of a process that ends meanwhile nothing that was read counts.
        if !init.is_alive()? {
            return Ok(None);
        }
        let mut running = running?;
        running.check(launch.plan)?;
        Ok(Some(running))
    }

    /// What state.json says, and whether it is so.
    pub fn state(&self, arena: &Arena) -> Result<Option<(State<'static>, bool)>> {
        let Some((state, init)) = self.named(arena)? else { return Ok(None) };
        let alive = init.map_or(Ok(false), Process::is_alive)?;
        Ok(Some((state, alive)))
    }

    /// What state.json says, and the process that it names.
    fn named(&self, arena: &Arena) -> Result<Option<(State<'static>, Option<Process>)>> {
        let Some(file) = state::open(self.dir())? else { return Ok(None) };
        let state = state::read(&file, arena)?;
        let init = Process::named(&state)?;
        let exclusive = FlockOperation::NonBlockingLockExclusive;
        if init.is_none() && !is_removed(&file)? && !lock(file.as_fd(), exclusive)? {
            return Err(unseen(state.init_pid));
        }
        Ok(Some((state, init)))
    }

    /// The container that runs here, to be looked at or signalled: as `look`, but nothing is
    /// cleaned away, and no plan tells what it must be like. A forged state.json could name any
    /// process: one that neither has a namespace of its own nor is in a group of nsinit's is refused.
    pub fn current(&self, arena: &Arena) -> Result<Running> {
        let none = || {
            let path = Show(self.path.to_bytes());
            let why = arena.str(format_args!("no container is running here ({path})"));
            Error::refused("", (), why.unwrap_or("no container is running here"))
        };
        let (state, init) = self.named(arena)?.ok_or_else(none)?;
        let init = init.ok_or_else(none)?;
        if !init.is_alive()? {
            return Err(none());
        }
        let running = Running::of(init, state.cgroup_paths, false);
        if !init.is_alive()? {
            return Err(none());
        }
        let running = running?;
        if running.apart.is_empty() && !running.groups(arena)?.hold(init.pid) {
            let why = "state.json names it, but it is in no namespace and no control group of its \
                       own; if no container runs here, remove state.json";
            return Err(Error::refused("use process", init.pid, why));
        }
        Ok(running)
    }

    /// Takes away the files and control groups of a container that is gone, or about to be.
    fn clean(&self, init: Option<Process>, state: &State, launch: &Launch) -> Result<()> {
        let life = init.map_or(Ok(Life::Gone), Process::life)?;
        let ending = init.filter(|_| life == Life::Ending);
        if ending.is_none() {
            let pid = i64::from(state.init_pid);
            say::warning(format_args!(
                "state.json names process {pid}, which is gone: cleaning up"
            ));
        }
        let dirs = || state.cgroup_paths.iter().map(|(_, path)| path);
        // What is frozen does not die.
        if let Some(path) = state.cgroup_paths.get("freezer") {
            cgroup::thaw(path)?;
        }
        if let Some(init) = ending {
            init.await_end()?;
        }
        if !launch.plan.namespaces.is_new(Kind::Pid) {
            kill_left_behind(&mut dirs(), launch.plan)?;
        }
        cgroup::remove_stale(dirs(), launch.arena)?;
        if let Some(names) = state.network_state.get("veth_host") {
            net::remove_stale(names, launch.arena)?;
        }
        self.remove_stand_in()?;
        match unlinkat(self.dir(), FILE, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno).doing("remove", FILE),
        }
    }

    /// Has an empty container.json made with state.json where there is none: it can be hidden, and the
    /// container can't make one that the next start would believe.
    pub fn want_stand_in(&mut self) {
        self.wants_stand_in = true;
    }

    /// Makes it; whether it did.
    pub fn stand_in(&self) -> Result<bool> {
        if !self.wants_stand_in {
            return Ok(false);
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match openat(self.dir(), CONFIG, flags, Mode::RUSR | Mode::WUSR) {
            // That of a launcher that was killed does as well.
            Ok(_) | Err(Errno::EXIST) => Ok(true),
            Err(errno) => Err(errno).doing("make an empty", CONFIG),
        }
    }

    /// Removes it. One with something in it is somebody's.
    pub fn remove_stand_in(&self) -> Result<()> {
        match statat(self.dir(), CONFIG, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat)
                if stat.st_size == 0
                    && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile =>
            {
                unlinkat(self.dir(), CONFIG, AtFlags::empty()).doing("remove the empty", CONFIG)
            }
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno).doing("look at", CONFIG),
        }
    }
}

/// A doubt, which never deletes anything.
fn unseen(pid: i32) -> Error {
    let why = "the container's launcher is alive, but this process can't be seen from here: is this \
               another PID namespace or time namespace?";
    Error::refused("use process", pid.unsigned_abs(), why)
}

/// Ends what the command of a container without a PID namespace left running when its launcher was
/// killed. A forged state.json could name any group: only processes whose root is this place's are
/// meant, so that without a mount namespace nothing is.
fn kill_left_behind(dirs: &mut dyn Iterator<Item = &'static CStr>, plan: &Plan) -> Result<()> {
    if !plan.namespaces.is_new(Kind::Mount) {
        return Ok(());
    }
    let root = root_of_plan(plan)?;
    let ours = |pid: Pid| root_of(pid) == Ok(root);
    for dir in dirs {
        cgroup::kill_stale(dir, &ours)?;
    }
    Ok(())
}
