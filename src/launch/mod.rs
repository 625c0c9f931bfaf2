//! Starting a container, joining one, and waiting for it. Only this room knows that there are
//! several processes: the launcher on the host, PID 1 inside, and the workload.
//!
//! `exec` is the top; `start` and `join` are its two ways, `child` is what runs inside, `attend`
//! what the launcher does meanwhile.

mod attend;
mod child;
mod claim;
mod guard;
mod join;
mod network;
mod paused;
mod place;
mod process;
mod relay;
mod running;
pub mod seal;
mod start;
mod stdio;
mod survivor;
mod sync;
mod terminal;
mod termination;
mod wait;
mod workload;

use core::ffi::CStr;

use linux_raw_sys::general::SIGKILL;
pub use place::{CONFIG, Place};
pub use process::Process;
pub use relay::{CHUNK, Relay};
pub use running::Running;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::Pid;

use self::place::Look;
use crate::bytes::{Arena, Short};
use crate::cgroup::{self, Groups};
use crate::error::{Context, Error, Result, STATUS_NSINIT, STATUS_SIGNAL};
use crate::plan::Plan;
use crate::plan::check::Finding;
use crate::proc::fd_path;
use crate::say;
use crate::security::{Original, caps};
use crate::step;
use crate::syscall::cstr::Env;
use crate::tty::Stdio;

/// All that a launch needs to know.
#[repr(C)] // what is small first: it is reached by shorter instructions
pub struct Launch<'a> {
    /// What to build and run, checked.
    pub plan: &'static mut Plan,
    /// Memory for strings.
    pub arena: &'a Arena,
    /// The caller's environment, which nobody inside may see.
    pub env: Option<Env>,
    /// Holds the mount that nsinit runs from (`seal`). Closing it waits for the kernel.
    pub seal: Option<OwnedFd>,
    /// Whether to wait until a container that is paused goes on, instead of refusing to join it.
    pub wait: bool,
    /// Whether to ask systemd for a scope to start in.
    pub systemd: bool,
    /// Whether a killed launcher's container was here: what it had of the host's network may be on
    /// its way back.
    pub follows: bool,
    /// A descriptor that nsinit inherited and nobody owns: a line with the process's number is written to it
    /// and it is closed when the command runs.
    pub ready: Option<u32>,
    /// The pipe that is the command's standard output and error, where that is not to have the caller's.
    pub relay: Option<Relay>,
    /// The name of a container that somebody else keeps, which may only be joined.
    pub kept: Option<&'static CStr>,
    /// The caller's standard descriptors.
    pub stdio: Stdio,
    /// The caller's signal mask and SIGCHLD disposition, and nsinit's own file.
    pub original: Original,
    /// Where the front end has the plan from, and how it tells the place of a part in it.
    pub named: Option<(&'static CStr, Locate)>,
    /// A part of the plan that this host can't carry out, where that is why a start has failed: the
    /// front end knows its place in the file.
    pub finding: Option<Finding>,
    /// What is to be said of a part of the plan at the end, whatever that is, with its place in the file.
    pub warning: Option<Finding>,
}

/// A part of a plan that can't be, as an error with its place in the file of this name.
pub type Locate = fn(&Plan, &'static CStr, Finding, &Arena) -> Result<Error>;

impl Launch<'_> {
    /// The error of a mount with its place in the file, if the mount came from there.
    fn of_mount(&self, n: usize, error: Error) -> Error {
        let Some((file, locate)) = self.named.filter(|_| self.plan.mark("mounts", n).is_some())
        else {
            return error;
        };
        let Ok(why) = self.arena.str(format_args!("{error}")) else { return error };
        let finding = Finding { part: "mounts", index: Some(n), key: "", text: c"", why };
        locate(self.plan, file, finding, self.arena).unwrap_or(error)
    }

    /// The command runs, in or below the process `pid`.
    fn started(&mut self, pid: Pid) {
        if let Some(relay) = &mut self.relay {
            relay.begin();
        }
        if let Some(fd) = self.ready.take() {
            let line = Short::<16>::new(format_args!("{}\n", pid.as_raw_pid()));
            // Who does not listen any more need not be told, nor be waited for: the end tells it, too.
            let _ = crate::syscall::fd::write_now(fd as i32, line.as_str().as_bytes());
            crate::syscall::fd::close(fd);
        }
    }
}

/// How often a container may end between the look at its state and the joining of it.
const RETRIES: usize = 1000;

/// Starts a container in `place`, or joins the one that runs there; the exit status of the command.
pub fn exec(launch: &mut Launch, place: &Place) -> Result<u8> {
    check_caller()?;
    start_or_join(launch, place).inspect_err(remark_user_namespace)
}

/// What the caller must have, and must not hand in.
fn check_caller() -> Result<()> {
    caps::check_admin()?;
    stdio::check()
}

/// A refusal of the kernel's, here or in a process of the container, means something else to who is root
/// of a user namespace only.
fn remark_user_namespace(error: &Error) {
    let refused = match error.raw() {
        Some(errno) => matches!(errno, Errno::PERM | Errno::ACCESS),
        None => ["(EPERM)", "(EACCES)"].iter().any(|name| error.words().contains(name)),
    };
    if refused && error.status() == STATUS_NSINIT && caps::in_user_namespace() {
        say::warning(format_args!(
            "nsinit needs the host's root: this is a user namespace (as unshare -r makes it)"
        ));
    }
}

fn start_or_join(launch: &mut Launch, place: &Place) -> Result<u8> {
    for _ in 0..RETRIES {
        let running = match (place.look(launch)?, launch.kept) {
            (Look::Runs(running), _) => running,
            (Look::Free(claim), None) => return start::start(launch, claim),
            (Look::Free(_), Some(name)) => {
                let why = "it does not run, and is PID 1's to start (nsinit start NAME)";
                return Err(Error::refused("join", name, why));
            }
        };
        if let Some(status) = join::join(launch, &running)? {
            return Ok(status);
        }
    }
    Err(Error::refused("join the container", (), "it ends as often as it is looked at"))
}

/// Runs the command in the namespaces of `running`; `None` if that ended before the command began.
pub fn join(launch: &mut Launch, running: &Running) -> Result<Option<u8>> {
    check_caller()?;
    join::join(launch, running).inspect_err(remark_user_namespace)
}

/// The command's death before it was executed, in the words of the launcher.
fn died(arena: &Arena) -> Error {
    let step = step::last();
    let step = step.as_str();
    let step = if step.is_empty() { "take its first step" } else { step };
    let why = format_args!("a process of it was killed when it was about to {step}");
    let why = arena.str(why).unwrap_or("a process of it was killed");
    Error::refused("start the container", (), why)
}

/// Says what the limit of memory has killed: the command, or something that it has started.
fn say_killed(launch: &mut Launch, status: u8, groups: &Groups, before: Option<u64>) {
    let limited = is_limited(launch.plan);
    // A limit of a group above would do the same, but who has none mostly need not be looked at.
    if (limited || status == STATUS_SIGNAL + SIGKILL as u8)
        && let Some(why) = cgroup::out_of_memory(groups, before, launch.arena)
    {
        match limited {
            true => launch.warning = Some(at_limit(why)),
            false => say::warning(format_args!("{why}")),
        }
    }
}

/// Whether the plan limits memory.
fn is_limited(plan: &Plan) -> bool {
    plan.cgroup.as_ref().is_some_and(|cgroup| cgroup.memory > Some(0))
}

/// What is said of the limit of memory, for who knows its place in the file.
fn at_limit(why: &'static str) -> Finding {
    Finding { part: "cgroups.memory", index: None, key: "", text: c"", why }
}

/// Why a process of the container could not be forked.
fn forked<T>(result: rustix::io::Result<T>, plan: &Plan) -> Result<T> {
    result.doing("fork the command", ()).map_err(|error| {
        let limited = plan.cgroup.as_ref().is_some_and(|cgroup| cgroup.pids_limit.is_some());
        match error.raw() {
            Some(Errno::AGAIN) if limited => {
                error.hint("the container has all the processes of cgroups.pids_limit")
            }
            _ => error,
        }
    })
}

/// The path that descriptor `fd` leads to, through /proc.
pub fn path_of(fd: BorrowedFd, arena: &Arena) -> Result<&'static CStr> {
    let link = fd_path(fd);
    let mut buf = [core::mem::MaybeUninit::uninit(); 4096];
    let (path, _) = rustix::fs::readlinkat_raw(rustix::fs::CWD, link.as_cstr(), &mut buf)
        .doing("find the path of a directory", ())?;
    arena.concat(&[path]).doing("keep the path of a directory", ())
}
