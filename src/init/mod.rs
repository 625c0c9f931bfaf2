//! The reaper: what PID 1 does once the command runs. It waits for signals, passes them on, reaps every
//! child, and ends with the command's status. The same loop serves inside nsinit's containers
//! (`launch::child`) and as anybody's init (`run`).
//!
//! Nothing here fails once the command runs: what goes wrong is warned of, and the loop goes on.

mod ending;
mod manner;
mod options;
mod start;
mod terminal;
mod writer;
mod zombies;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, getpid};

pub use manner::{Event, Manner, NSINIT, not_passed};
pub use options::{Options, Placement, Stop, Subreaper};
pub use start::run;
pub use zombies::{explain, zombie};

use crate::error::{Context, Result, STATUS_SIGNAL};
use crate::say;
use crate::syscall::memory::give_back_callers;
use crate::syscall::process::{is_stop, let_go, wait_any};
use crate::syscall::signal::{
    CHLD, CONT, Disposition, INT, STOP, SigInfo, SigSet, TERM, TSTP, TTIN, TTOU, forward, kill,
    kill_group_only, kill_own_group, sigaction, sigprocmask, sigtimedwait,
};
use ending::Phase;

/// The caller's signals, which the command gets back.
#[derive(Clone, Copy)]
pub struct Signals {
    /// The blocked ones.
    pub mask: SigSet,
    /// What SIGCHLD did.
    pub sigchld: Disposition,
}

/// Blocks every signal, so that none is lost from here on. A caller that ignores SIGCHLD would make
/// the kernel throw exit statuses away. Each front end begins with it.
pub fn take_signals() -> Result<Signals> {
    let mask = sigprocmask(SigSet::ALL).doing("block signals", ())?;
    let sigchld = sigaction(CHLD, Disposition::Default).doing("reset SIGCHLD", ())?;
    Ok(Signals { mask, sigchld })
}

/// Signals of faults (signal(7), "synchronously generated"): passed on only if a process sent them.
const FAULTS: SigSet = SigSet::EMPTY.with(4).with(5).with(6).with(7).with(8).with(11).with(31);

/// Reaps and forwards until `main`, the command, ends, then exits with its status; without one, until
/// TERM or INT. Every signal must be blocked. It wakes only when a signal comes, or a time is up that
/// the options ask for. `tty`: the controlling terminal, where its stops are to be followed.
pub fn serve(main: Option<Pid>, options: &Options, tty: Option<&OwnedFd>) -> ! {
    say::keep();
    give_back_callers(options);
    let mut reaper = Reaper {
        main,
        options,
        tty,
        status: 0,
        phase: Phase::Runs,
        due: None,
        deadline: 0,
        writer: None,
    };
    if options.kill_orphans || options.verbosity > 0 {
        reaper.begin();
    }
    loop {
        reaper.reap();
        if say::is_kept() {
            reaper.write();
        }
        let timeout = reaper.due.map(ending::from_now);
        if timeout == Some(0) {
            reaper.time_is_up();
            continue;
        }
        match sigtimedwait(SigSet::ALL, timeout) {
            // One SIGCHLD may stand for many children, and some may have ended before the wait:
            // `reap` asks the kernel, not the signal.
            Ok(info) if info.signo() == CHLD => {}
            Ok(info) => reaper.received(&info),
            // EAGAIN: a time is up. EINTR: stopped and continued, or traced.
            Err(_) => {}
        }
    }
}

struct Reaper<'a> {
    main: Option<Pid>,
    options: &'a Options,
    tty: Option<&'a OwnedFd>,
    /// What this process ends with.
    status: u8,
    phase: Phase,
    /// When something is to be done without a signal, by `ending::now`.
    due: Option<u64>,
    /// The end of the grace period, by the same clock.
    deadline: u64,
    /// Who writes what was said.
    writer: Option<Pid>,
}

impl Reaper<'_> {
    /// Waits for every child that has ended, and ends if that was all.
    #[inline(always)]
    fn reap(&mut self) {
        let stops = self.tty.is_some() && self.options.stop == Stop::Job;
        loop {
            match wait_any(stops) {
                Ok(Some((pid, word))) if is_stop(word) => self.stopped(pid, word),
                Ok(Some((pid, _))) if self.wrote(pid) => {}
                Ok(Some((pid, word))) => {
                    // Once it has ended, its number may be another's.
                    let is_main = Some(pid) == self.main && self.phase == Phase::Runs;
                    if self.options.warn_on_reap || self.options.verbosity > 0 {
                        self.tell(Event::Received(CHLD));
                        self.tell(Event::Reaped(pid, word, is_main));
                    }
                    if is_main {
                        self.ended(word);
                    }
                }
                Ok(None) => return self.some_are_left(),
                Err(Errno::CHILD) => return self.none_is_left(),
                Err(Errno::INTR) => {}
                Err(errno) => return self.look_again(errno),
            }
        }
    }

    /// A signal for the command, but for what the reaper itself is asked.
    #[inline(always)]
    fn received(&mut self, info: &SigInfo) {
        let n = info.signo();
        if FAULTS.has(n) && info.code() > 0 {
            return;
        }
        if self.options.verbosity > 0 {
            self.tell(Event::Received(n));
        }
        match (self.main, &self.phase) {
            (Some(main), Phase::Runs) => self.pass_on(main, n, info),
            (None, Phase::Runs) if n == TERM || n == INT => self.end(),
            (None, Phase::Runs) => {}
            _ => self.received_late(n),
        }
    }

    #[inline(always)]
    fn pass_on(&mut self, main: Pid, n: u32, info: &SigInfo) {
        let options = self.options;
        let to = options.rewrite.get(n as usize).copied().map_or(n, u32::from);
        let result = match (to, self.tty) {
            (0, _) => Ok(()),
            // The shell continues its job, and here the command's group is a job of its own.
            (CONT, Some(tty)) if options.placement == Placement::Group => {
                terminal::hand_back(tty, main);
                forward(main, true, CONT, info)
            }
            _ => forward(main, options.group, to, info),
        };
        if options.verbosity > 0 || result.is_err() {
            self.tell(Event::Passed(n, to, result));
        }
        if options.stop == Stop::AfterSignal && [TSTP, TTIN, TTOU].contains(&n) {
            self.suspend();
        }
    }

    /// Says what there is to say of it.
    #[cold]
    #[inline(never)] // a line's frame would be part of the loop's
    fn tell(&self, event: Event) {
        (self.options.manner.tell)(self.options, event);
    }

    /// Stops this process, until somebody continues it.
    #[cold]
    fn suspend(&mut self) {
        self.tell(Event::Suspends);
        self.flush();
        // It can't fail: the signal and the process are there.
        let _ = kill(getpid(), STOP);
    }

    /// A child was stopped, which is no end. If it is the command, this process stops with its group, and the
    /// shell that started it sees its job stop. Back when that continues it; the SIGCONT is received like any
    /// other. A child that has asked to be traced by its parent (PTRACE_TRACEME) is let go.
    #[cold]
    fn stopped(&self, pid: Pid, word: u32) {
        if let_go(pid, word).is_ok() || Some(pid) != self.main || getpid() == Pid::INIT {
            return;
        }
        let n = word >> 8;
        let regained = |tty: &&OwnedFd| {
            matches!(n, TTIN | TTOU)
                && self.options.placement == Placement::Group
                && terminal::regain(tty, pid)
        };
        let result = match self.tty {
            Some(tty) if regained(&tty) => kill_group_only(pid, CONT),
            // The kernel drops a terminal's stop where no shell could continue the group.
            Some(_) if n != STOP => sigprocmask(SigSet::ALL.without(n))
                .and_then(|_| kill_own_group(n))
                .and_then(|()| sigprocmask(SigSet::ALL).map(drop)),
            Some(_) => kill_own_group(STOP),
            None => Ok(()),
        };
        say::failure(result.doing("stop with the command", ()));
    }
}

/// The exit status by the convention of shells: the process's own, or 128 + signal; from the word
/// that wait4(2) gives of an end (see `is_stop`).
pub fn exit_status(word: u32) -> u8 {
    match word as u8 & 0x7f {
        0 => (word >> 8) as u8,
        signal => STATUS_SIGNAL + signal,
    }
}
