//! The place of a container: the directory that holds state.json, its lock, and the judgement
//! whether the container that state.json names still runs.

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};

use super::{Launch, path_of};
use crate::bytes::Arena;
use crate::cgroup;
use crate::error::{Context, Error, Result};
use crate::net;
use crate::plan::{Kind, Plan};
use crate::proc::lines::decimal;
use crate::proc::process::{self, Identity, namespace, stat};
use crate::say;
use crate::state::{self, State, Strings};
use crate::syscall::fd::AsFd;
use crate::syscall::process::NewNamespaces;
use crate::syscall::time::sleep;

const PROC: &str = "/proc";

/// The data path: where container.json and state.json lie.
pub struct Place {
    dir: OwnedFd,
    path: &'static CStr,
}

/// A process, as the host sees it, for which no other can be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its pid.
    pub pid: Pid,
    /// Its start time: with the pid it names one process for ever.
    pub start_time: u64,
}

/// A container that runs: whom to join.
pub struct Running {
    /// PID 1.
    pub init: Process,
    /// The namespaces in which it differs from the caller.
    pub apart: NewNamespaces,
    /// Its control groups.
    pub cgroup_paths: Strings,
    /// Whether they are entered too.
    pub with_groups: bool,
}

/// The exclusive right to start, or to find nobody starting.
pub struct Lock(OwnedFd);

impl Drop for Lock {
    fn drop(&mut self) {
        // Not left to close(2): a child that was just forked may still have a copy. Unlocking what
        // is locked can't fail.
        let _ = flock(self.0.as_fd(), FlockOperation::Unlock);
    }
}

impl Place {
    /// The place at `path`.
    pub fn open(path: &'static CStr) -> Result<Place> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(CWD, path, flags, Mode::empty()).doing("open the data path", path)?;
        Ok(Place { dir, path })
    }

    /// Its directory.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Waits for the lock on the directory, which every launcher holds from its look at state.json
    /// until its container runs. The container can lock its own root too, if that is the place, but
    /// only to keep others from joining it: a wait without end would let it hold them up.
    pub fn lock(&self) -> Result<Lock> {
        let why = "another process has held its lock for 20 seconds";
        let lock = self.lock_within(2000)?;
        lock.ok_or_else(|| Error::refused("lock the data path", self.path, why))
    }

    /// The same within so many hundredths of a second; `None` if another has it all the time.
    pub fn lock_within(&self, rounds: u32) -> Result<Option<Lock>> {
        const PAUSE_NS: u32 = 10_000_000;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let file = openat(self.dir.as_fd(), c".", flags, Mode::empty()).doing("open", self.path)?;
        let mut pause = 200_000;
        for _ in 0..rounds {
            match flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Lock(file))),
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(errno) => return Err(errno).doing("lock", self.path),
            }
            sleep(pause);
            pause = (pause * 2).min(PAUSE_NS);
        }
        Ok(None)
    }

    /// The container that runs here, by state.json. What a launcher that was killed left behind is
    /// cleaned away; what can't be the container of this place is refused. Call it with the lock.
    #[inline(never)]
    pub fn running(&self, launch: &mut Launch) -> Result<Option<Running>> {
        let Some(state) = state::read(self.dir(), launch.arena)? else { return Ok(None) };
        let init = Process::named(&state);
        if let Some(init) = init
            && init.is_alive()?
        {
            let apart = apart(init.pid);
            // Asked again: of a process that ends meanwhile nothing that was read counts.
            if init.is_alive()? {
                let (apart, cgroup_paths) = (apart?, state.cgroup_paths);
                let running = Running { init, apart, cgroup_paths, with_groups: true };
                running.check(launch.plan)?;
                return Ok(Some(running));
            }
        }
        self.clean(&state, launch)?;
        launch.follows = true;
        Ok(None)
    }

    /// What state.json says, and whether it is so.
    pub fn state(&self, arena: &Arena) -> Result<Option<(State<'static>, bool)>> {
        let Some(state) = state::read(self.dir(), arena)? else { return Ok(None) };
        let alive = Process::named(&state).map_or(Ok(false), |init| init.is_alive())?;
        Ok(Some((state, alive)))
    }

    /// The container that runs here, to be looked at or signalled: as `running`, but nothing is
    /// cleaned away, and no plan tells what it must be like. A forged state.json could name any
    /// process: one that neither has a namespace of its own nor is in a group of nsinit's is refused.
    pub fn current(&self, arena: &Arena) -> Result<Running> {
        let none = || Error::refused("use the container of", self.path, "none runs there");
        let (state, alive) = self.state(arena)?.ok_or_else(none)?;
        let init = Process::named(&state).filter(|_| alive).ok_or_else(none)?;
        let running = Running { cgroup_paths: state.cgroup_paths, ..Running::by_pid(init.pid)? };
        if running.init != init {
            return Err(none());
        }
        if running.apart.is_empty() && !running.groups(arena)?.hold(init.pid) {
            let why = "state.json names it, but it is in no namespace and no control group of its \
                       own; if no container runs here, remove state.json";
            return Err(Error::refused("use process", init.pid, why));
        }
        Ok(running)
    }

    /// Takes away the files and control groups of a container that is gone, or about to be.
    fn clean(&self, state: &State, launch: &Launch) -> Result<()> {
        let init = Process::named(state);
        let life = init.map_or(Ok(Life::Gone), |init| init.life())?;
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
        state::remove(self.dir())
    }

    /// The path that `name` in this place has inside the container, if the place lies in `root`:
    /// such files are hidden from it.
    pub fn inside(
        &self,
        root: BorrowedFd<'_>,
        name: &'static CStr,
        arena: &Arena,
    ) -> Result<Option<&'static CStr>> {
        let (place, root) = (path_of(self.dir.as_fd(), arena)?, path_of(root, arena)?);
        let root = root.to_bytes().strip_suffix(b"/").unwrap_or(root.to_bytes());
        let below = place.to_bytes().strip_prefix(root);
        let Some(below) = below.filter(|b| b.is_empty() || b.starts_with(b"/")) else {
            return Ok(None);
        };
        let below = if below == b"/" { b"" } else { below };
        arena.concat(&[below, b"/", name.to_bytes()]).doing("hide", name).map(Some)
    }
}

impl Running {
    /// A process to join by its pid alone.
    pub fn by_pid(pid: Pid) -> Result<Running> {
        let (init, cgroup_paths) = (Process::by_pid(pid)?, Strings::cgroups());
        Ok(Running { init, apart: apart(pid)?, cgroup_paths, with_groups: false })
    }

    /// A forged state.json could name any process of the host: this one must have what the plan
    /// makes, and its root must be the plan's.
    fn check(&self, plan: &Plan) -> Result<()> {
        let refused = |why| Err(Error::refused("join process", self.init.pid, why));
        for kind in Kind::ALL {
            if plan.namespaces.is_new(kind) && !self.apart.contains(kind.flag()) {
                return refused(
                    "state.json names it, but it is not in namespaces of its own; if no container \
                     runs here, remove state.json",
                );
            }
        }
        if plan.namespaces.is_new(Kind::Mount) {
            let theirs = root_of(self.init.pid);
            let theirs = theirs.doing("look at the root of process", self.init.pid)?;
            let path = plan.rootfs.path.unwrap_or(c".");
            if theirs != Identity::of(path).doing("look at the root file system", path)? {
                return refused(
                    "state.json names it, but its root is another; if no container runs here, \
                     remove state.json",
                );
            }
        }
        Ok(())
    }
}

#[derive(PartialEq, Eq)]
enum Life {
    /// It runs, and will go on.
    Runs,
    /// It has its SIGKILL, which waits where it is frozen; or it is in exit, where it loses its
    /// namespaces long before it is a zombie, as PID 1 waits for all others there (do_exit in
    /// kernel/exit.c).
    Ending,
    /// It is a zombie, or not there.
    Gone,
}

impl Process {
    /// That which has this pid now.
    pub fn by_pid(pid: Pid) -> Result<Process> {
        let start_time = stat(PROC, pid).doing("look at process", pid)?.start_time;
        Ok(Process { pid, start_time })
    }

    /// That which `state` names.
    fn named(state: &State) -> Option<Process> {
        let start_time = decimal(state.init_start_time.as_bytes())?;
        Some(Process { pid: state.pid()?, start_time })
    }

    /// Whether it is there, and will go on.
    pub fn is_alive(self) -> Result<bool> {
        Ok(self.life()? == Life::Runs)
    }

    /// An error is no answer: taken for "gone", it would have a running container cleaned away.
    fn life(self) -> Result<Life> {
        const KILLED: u64 = 1 << (linux_raw_sys::general::SIGKILL - 1);
        match stat(PROC, self.pid) {
            Ok(stat) if stat.start_time != self.start_time || b"ZX".contains(&stat.state) => {
                Ok(Life::Gone)
            }
            Ok(stat) if stat.exiting || stat.pending & KILLED != 0 => Ok(Life::Ending),
            Ok(_) => Ok(Life::Runs),
            Err(Errno::NOENT | Errno::SRCH) => Ok(Life::Gone),
            Err(errno) => Err(errno).doing("look at process", self.pid),
        }
    }

    /// Waits for a process that is about to end.
    fn await_end(self) -> Result<()> {
        const ROUNDS: u32 = 10_000;
        for _ in 0..ROUNDS {
            if self.life()? == Life::Gone {
                return Ok(());
            }
            sleep(1_000_000);
        }
        let why = "it has been ending for ten seconds";
        Err(Error::refused("wait for the end of process", self.pid, why))
    }

    /// Waits for its end, however long it lives on. An error is no answer.
    pub fn outlive(self) {
        let mut pause = 1_000_000;
        while !matches!(self.life(), Ok(Life::Gone)) {
            sleep(pause);
            pause = (pause * 2).min(64_000_000);
        }
    }
}

/// The kinds of namespace in which `pid` differs from this process.
fn apart(pid: Pid) -> Result<NewNamespaces> {
    let mut apart = NewNamespaces::empty();
    for kind in Kind::ALL {
        match (namespace(PROC, pid, kind.file()), namespace(PROC, getpid(), kind.file())) {
            (Ok(theirs), Ok(ours)) if theirs != ours => apart |= kind.flag(),
            // ENOENT here: the kernel has no such kind.
            (_, Err(Errno::NOENT)) | (Ok(_), Ok(_)) => {}
            (Err(errno), _) | (_, Err(errno)) => {
                return Err(errno).doing("look at the namespaces of process", pid);
            }
        }
    }
    Ok(apart)
}

/// Ends what the command of a container without a PID namespace left running when its launcher was
/// killed. A forged state.json could name any group: only processes whose root is this place's are
/// meant, so that without a mount namespace nothing is.
fn kill_left_behind(dirs: &mut dyn Iterator<Item = &'static CStr>, plan: &Plan) -> Result<()> {
    if !plan.namespaces.is_new(Kind::Mount) {
        return Ok(());
    }
    let path = plan.rootfs.path.unwrap_or(c".");
    let root = Identity::of(path).doing("look at the root file system", path)?;
    let ours = |pid: Pid| root_of(pid) == Ok(root);
    for dir in dirs {
        cgroup::kill_stale(dir, &ours)?;
    }
    Ok(())
}

fn root_of(pid: Pid) -> rustix::io::Result<Identity> {
    Identity::of(process::file(PROC, pid, "root").as_cstr())
}
