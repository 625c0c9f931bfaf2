//! From the options to the running command.

use core::convert::Infallible;

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::process::{
    Pid, chdir, child_subreaper, getpid, getppid, ioctl_tiocsctty, setpgid, setsid,
};

use super::{Event, Options, Placement, Signals, Subreaper, serve, terminal};
use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::exec::{Command, attempt};
use crate::proc::fds::close_all_but;
use crate::say;
use crate::syscall::cstr::Env;
use crate::syscall::fd;
use crate::syscall::memory::give_back;
use crate::syscall::process::{Fork, NewNamespaces, Prctl, exit_group, fork, prctl, vfork};
use crate::syscall::signal::{
    CHLD, SigSet, TSTP, TTIN, TTOU, kill, sigaction, sigprocmask, sigtimedwait,
};

/// Starts the command of `options` and reaps until it ends. Returns only if nothing was started.
pub fn run(options: &Options, env: Env, signals: Signals, arena: &Arena) -> Error {
    let Err(error) = start(options, env, signals, arena);
    error
}

fn start(options: &Options, env: Env, signals: Signals, arena: &Arena) -> Result<Infallible> {
    let pid_1 = getpid() == Pid::INIT;
    if options.subreaper == Subreaper::On || options.subreaper == Subreaper::Auto && !pid_1 {
        prctl(Prctl::SetChildSubreaper, 1).doing("become a subreaper", ())?;
    }
    if options.warn_no_reaper && !pid_1 && !is_subreaper() {
        tell(options, Event::NoReaper);
    }
    die_with_parent(options.parent_death_signal.into())?;
    let mut tty = if options.pause { None } else { terminal::controlling() };
    if let Some(tty) = &tty
        && options.placement == Placement::Session
        && terminal::is_stdin()
    {
        terminal::leave(tty, &mut |n| tell(options, Event::HandOff(n)));
    }
    let main = match options.pause {
        true => None,
        false => {
            let tty = tty.as_ref();
            let mut first = First { options, env, signals, tty, arena, stopped: None };
            // A key of the terminal may stop the command before it is executed. Then nsinit must see it,
            // and stop too: to the shell the job would run for ever.
            let pid = match tty {
                None => vfork(become_command, &mut first),
                Some(_) => fork(NewNamespaces::empty()).map(|side| match side {
                    Fork::Child => become_command(&mut first),
                    Fork::Parent(pid) => pid,
                }),
            };
            let pid = pid.doing("fork the command", ())?;
            if let Some(n) = first.stopped {
                // ESRCH: it has ended.
                let _ = kill(pid, n);
            }
            Some(pid)
        }
    };
    if pid_1 {
        tty = None;
    }
    settle(tty.as_ref());
    serve(main, options, tty.as_ref())
}

fn tell(options: &Options, event: Event) {
    (options.manner.tell)(options, event);
}

/// Whether it was one before it was executed. An error means that the kernel has no such thing.
fn is_subreaper() -> bool {
    child_subreaper().is_ok_and(|bit| bit.is_some())
}

/// The signal does not come from a parent that died before it was set: then there is a new parent by
/// now, and the signal comes from here.
fn die_with_parent(signal: u32) -> Result<()> {
    if signal == 0 {
        return Ok(());
    }
    let parent = getppid();
    prctl(Prctl::SetPdeathsig, signal).doing("set the parent-death signal", signal)?;
    if getppid() != parent {
        kill(getpid(), signal).doing("raise the parent-death signal", signal)?;
    }
    Ok(())
}

/// What is inherited and not needed goes: a pipe that this process held would never end for its
/// reader, a directory could not be unmounted. Standard error stays, to warn. The command runs by
/// now: nothing fails.
fn settle(tty: Option<&OwnedFd>) {
    let tty = tty.map(|tty| tty.as_raw_fd() as u32);
    say::failure(close_all_but(tty.as_slice()));
    for fd in [0, 1] {
        fd::close(fd);
    }
    say::failure(chdir(c"/").doing("change directory to", "/"));
    give_back();
}

/// What becomes the command; without a terminal, in the memory of this process, which stands still
/// meanwhile.
struct First<'a> {
    options: &'a Options,
    env: Env,
    signals: Signals,
    tty: Option<&'a OwnedFd>,
    arena: &'a Arena,
    /// A signal that is to stop it.
    stopped: Option<u32>,
}

/// The child: it becomes the command.
fn become_command(first: &mut First) -> ! {
    match first.options.placement {
        Placement::Stay => {}
        Placement::Group => {
            let foreground = first.tty.filter(|tty| terminal::is_foreground(tty));
            say::failure(setpgid(None, None).doing("make a process group", ()));
            if let Some(tty) = foreground {
                terminal::give(tty, getpid());
            }
        }
        Placement::Session => {
            match setsid() {
                Ok(_) => tell(first.options, Event::Session),
                failed => say::failure(failed.map(drop).doing("make a session", ())),
            }
            let [stdin, ..] = fd::stdio();
            // No terminal, or another session's, which keeps it.
            let _ = ioctl_tiocsctty(stdin);
        }
    }
    let error = match prepare(first) {
        Ok(()) => execute(first),
        Err(error) => error,
    };
    tell(first.options, Event::Failed(error));
    exit_group((first.options.manner.status)(error))
}

/// The signals are the caller's again, last: one that was sent meanwhile takes effect on the command,
/// or as if on it. One that would stop this process here would stop a parent without a terminal too, which
/// waits for it and could not pass on what continues it: the parent sends it anew.
fn prepare(first: &mut First) -> Result<()> {
    listen(&mut first.env, first.arena)?;
    sigaction(CHLD, first.signals.sigchld).doing("restore SIGCHLD", ())?;
    let stops = SigSet::EMPTY.with(TSTP).with(TTIN).with(TTOU);
    // EAGAIN: there is none.
    while first.tty.is_none()
        && let Ok(info) = sigtimedwait(stops, Some(0))
    {
        first.stopped = Some(info.signo());
    }
    sigprocmask(first.signals.mask).doing("restore the signal mask", ())?;
    Ok(())
}

/// Returns only if that fails, with no signal that could end it while it tells why: what it has then
/// locked, the parent would find locked.
fn execute(first: &First) -> Error {
    let env = first.env.list();
    let command = Command { argv: first.options.argv, env, own: None, shell: true };
    let failed = attempt(&command, first.arena);
    // It can't fail: rt_sigprocmask(2) knows two errors, of wrong arguments.
    let _ = sigprocmask(SigSet::ALL);
    failed.error(None, first.arena)
}

/// Sockets that were passed to this process (sd_listen_fds(3)) are for the command: LISTEN_PID names
/// it. LISTEN_PIDFDID would name this process still, and is not needed.
fn listen(env: &mut Env, arena: &Arena) -> Result<()> {
    let (own, parent) = (getpid(), getppid());
    let ours = env.get("LISTEN_PID").and_then(|pid| crate::bytes::number(pid.to_bytes(), 10));
    if ours.is_some_and(|pid| parent.is_some_and(|p| pid == p.as_raw_pid() as u64)) {
        let entry = arena.cstr(format_args!("LISTEN_PID={}", i64::from(own.as_raw_pid())));
        env.replace("LISTEN_PID", Some(entry.doing("keep", "LISTEN_PID")?));
        env.replace("LISTEN_PIDFDID", None);
    }
    Ok(())
}
