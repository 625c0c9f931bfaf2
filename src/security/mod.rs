//! Rights: what a process gives up before it becomes the workload.
//!
//! `finalize` is the end of every start and of every join: one order for both, so that a joiner
//! can't keep what a start gives up. It comes before a joiner is where others can see it. PID 1 gives up
//! its own with `become_reaper`.

pub mod caps;
mod denied;
mod directory;
mod environment;
mod id;
mod passwd;
pub mod rlimits;
mod user;

use rustix::fd::BorrowedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::getppid;
use rustix::thread::{Gid, Uid, set_thread_res_gid, set_thread_res_uid};

use crate::bytes::Arena;
use crate::error::{Context, Error, Object, Result};
use crate::exec::{self, Command, exec};
use crate::plan::Process;
use crate::proc::process::Identity;
use crate::step;
use crate::syscall::fd::AsFd;
use crate::syscall::process::{Prctl, prctl};
use crate::syscall::signal::{self, Disposition, SigSet, sigaction, sigprocmask};
use crate::syscall::{cred, fd, is_absent, key};
pub use user::user_name;
use user::{Asked, Ids};

/// What nsinit changed about itself and gives back to the workload.
#[derive(Clone, Copy)]
pub struct Original {
    /// The blocked signals.
    pub mask: SigSet,
    /// What SIGCHLD did.
    pub sigchld: Disposition,
    /// nsinit's own program file, which is never executed as the workload. `None`: any may be.
    pub program: Option<Identity>,
}

/// Becomes the workload. Returns only if that fails; the process must then end.
pub fn execute(process: &Process, original: Original, arena: &Arena) -> Error {
    // The file's own command is run where the caller gave none.
    let argv = if process.argv.is_empty() { process.command.as_slice() } else { process.argv };
    let own = original.program;
    let error = exec(&Command { argv, env: &process.env, own, shell: false }, arena);
    match error.on() {
        Object::CStr(path) if error.raw() == Some(Errno::ACCESS) => {
            let why = denied::explain(path.get(), false, arena);
            why.map_or(error, |why| error.hint(why))
        }
        _ => error,
    }
}

/// Gives up all rights but those that the plan leaves (libcontainer namespaces/init.go,
/// FinalizeNamespace): THE order, of every start and of every join. Who has done it may enter a PID
/// namespace in which others are: nothing is left that they don't have as well.
///
/// The caller is in its other namespaces, root and control groups; its working directory is "/" and its
/// parent-death signal is set. `terminal` is the slave of the container's pty, `bounded` what the bounding
/// set has been limited to.
pub fn finalize(
    process: &mut Process,
    terminal: Option<BorrowedFd>,
    bounded: u64,
    arena: &Arena,
) -> Result<()> {
    let parent = getppid();
    step::at("leave the session keyring");
    leave_session_keyring()?;
    step::at("become undumpable");
    be_undumpable()?;
    step::at("check the capabilities");
    caps::check(process.capabilities)?;
    // Before the limits, which may forbid opening files.
    step::at("look up the user");
    let ids = look_up_user_inside(process, arena)?;
    // Raising a hard limit takes CAP_SYS_RESOURCE.
    step::at("set resource limits");
    rlimits::set(&process.rlimits)?;
    step::at("mark descriptors close-on-exec");
    close_on_exec()?;
    if process.no_new_privs {
        step::at("set no_new_privs");
        set_no_new_privs()?;
    }
    // Takes CAP_SETPCAP, which a change of user takes away.
    step::at("limit the bounding set");
    caps::bound(bounded, process.capabilities)?;
    // Its owner may open it again by name, as /dev/console or /dev/stdout.
    if let Some(terminal) = terminal.filter(|_| ids.uid != 0) {
        step::at("give the terminal to the user");
        let owner = Some(rustix::fs::Uid::from_raw(ids.uid));
        rustix::fs::fchown(terminal, owner, None).doing("give the terminal to", process.user)?;
    }
    step::at("change the user");
    become_user(&ids)?;
    // An execve as another user than root leaves no capability, so there is none to keep; working
    // directory and command are then reached with the user's own rights.
    step::at("limit the capabilities");
    caps::limit(if ids.uid == 0 { process.capabilities } else { 0 })?;
    // The change of user has set it to fs.suid_dumpable, and has cleared the parent-death signal
    // (kernel/cred.c, commit_creds).
    step::at("become undumpable again");
    be_undumpable()?;
    step::at("set the parent-death signal");
    die_with_parent(process.parent_death_signal, parent)?;
    step::at("enter the working directory");
    directory::enter(process.cwd, arena)?;
    environment::complete(process, ids.home, arena)
}

/// Gives the workload the signals that nsinit was started with, as the last thing before `execute`: one
/// that was sent meanwhile takes effect on the workload, or as if on it.
pub fn restore_signals(original: Original) -> Result<()> {
    sigaction(signal::CHLD, original.sigchld).doing("restore SIGCHLD", ())?;
    sigprocmask(original.mask).doing("restore the signal mask", ()).map(drop)
}

/// Who the workload is to be. The files are the container's, and what they are linked to is its choice:
/// they are opened and read with the rights that it has, of which nsinit keeps the others for later.
fn look_up_user_inside<'a>(process: &mut Process, arena: &'a Arena) -> Result<Ids<'a>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root =
        openat(CWD, c"/", flags, Mode::empty()).doing("open the root of the container", ())?;
    let own = caps::lay_down(process.capabilities)?;
    let ids = look_up_user(process, root.as_fd(), arena);
    caps::take_up(own)?;
    ids
}

/// Nobody without CAP_SYS_PTRACE traces the caller or opens what /proc shows of it.
pub fn be_undumpable() -> Result<()> {
    prctl(Prctl::SetDumpable, 0).doing("clear dumpable", ()).map(drop)
}

fn set_no_new_privs() -> Result<()> {
    prctl(Prctl::SetNoNewPrivs, 1).doing("set no_new_privs", ()).map(drop)
}

/// The keys of the caller's session must stay out of reach. Without keyctl there is nothing to
/// leave: a kernel without keys has no keyring, and an outer seccomp filter that refuses the call
/// refuses it to the workload too.
fn leave_session_keyring() -> Result<()> {
    match key::join_session_keyring() {
        Err(errno) if is_absent(errno) => Ok(()),
        result => result.doing("join a new session keyring", ()),
    }
}

/// Resolves the workload's user and groups from `root`'s passwd and group files. The plan's groups are put
/// in order: there may be tens of thousands to look for in each line.
pub fn look_up_user<'a>(
    process: &mut Process,
    root: BorrowedFd,
    arena: &'a Arena,
) -> Result<Ids<'a>> {
    process.groups.sort_unstable();
    let asked = Asked {
        user: process.user,
        groups: &process.groups,
        home: exec::value(&process.env, b"HOME").is_none(),
    };
    user::look_up(&asked, root, arena)
}

/// Nothing but standard input, output and error reaches the workload (CVE-2016-9962,
/// CVE-2024-21626). Marking leaves nsinit its own descriptors until the execve. Before Linux 5.11
/// nothing is left to mark: nsinit opens all its own close-on-exec, and the launcher has closed
/// those that it inherited before it opened any.
fn close_on_exec() -> Result<()> {
    match fd::close_range_cloexec(3) {
        Err(errno) if is_absent(errno) || errno == Errno::INVAL => Ok(()),
        result => result.doing("mark descriptors close-on-exec", ()),
    }
}

/// Groups before the user, which is the right to change them.
fn become_user(ids: &Ids) -> Result<()> {
    cred::setgroups(ids.groups.as_slice()).doing("set supplementary groups", ())?;
    let gid = Gid::from_raw(ids.gid);
    set_thread_res_gid(gid, gid, gid).doing("become group", ids.gid)?;
    let uid = Uid::from_raw(ids.uid);
    set_thread_res_uid(uid, uid, uid).doing("become user", ids.uid)
}

/// The signal does not come for a parent that died before it was set: then this process has a new
/// parent by now.
fn die_with_parent(signal: u32, parent: Option<rustix::process::Pid>) -> Result<()> {
    prctl(Prctl::SetPdeathsig, signal).doing("set parent-death signal", signal)?;
    if getppid() == parent {
        Ok(())
    } else {
        Err(Error::refused("start the command", (), "nsinit, its parent, is gone"))
    }
}

/// PID 1 gives up all that it has no use for: of the capabilities only CAP_KILL is left, to pass
/// signals on to processes of any user. Call it after the last fork; PID 1 never executes anything.
///
/// no_new_privs is for the day when someone makes PID 1 execute something after all: as root of the
/// container it would gain what the bounding set still allows.
pub fn become_reaper(bounded: u64) -> Result<()> {
    be_undumpable()?;
    set_no_new_privs()?;
    caps::bound(bounded, REAPER)?;
    caps::limit(REAPER)
}

/// Limits the bounding set to what PID 1 and the workload keep, before the one forks the other: what it
/// is limited to.
pub fn bound_both(process: &Process) -> Result<u64> {
    let both = REAPER | process.capabilities;
    caps::bound(u64::MAX, both)?;
    Ok(both)
}

/// What PID 1 keeps.
const REAPER: u64 = 1 << caps::KILL;

#[cfg(test)]
mod tests;
