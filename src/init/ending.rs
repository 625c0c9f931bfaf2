//! The end of the command, and what is left then: the grace period, and orphans that are not wanted.

use core::sync::atomic::{AtomicBool, Ordering};

use heapless::Vec;
use rustix::fs::{CWD, readlinkat_raw};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};

use super::{Event, Reaper, exit_status, terminal};
use crate::error::{Context, Error, STATUS_NSINIT};
use crate::proc::lines::decimal;
use crate::proc::process::{Stat, all, descends};
use crate::say;
use crate::syscall::lock::Lock;
use crate::syscall::process::exit_group;
use crate::syscall::signal::{INT, KILL, TERM, kill, kill_all, kill_group_only};
pub use crate::syscall::time::monotonic as now;

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The command runs, or there is none.
    Runs,
    /// It has just ended.
    Ended,
    /// What is left has got TERM.
    Term,
    /// What is left has got KILL, so many times.
    Kill(u8),
}

/// How often KILL is sent to what is left, a tenth of a second apart: a process may have forked while
/// the list was read. One that hangs in the kernel is left to the next reaper.
const KILLS: u8 = 20;
/// Milliseconds between looks for what gives no signal.
const POLL: u64 = 100;
/// Milliseconds between looks for orphans: the kernel tells nobody when a process becomes one.
const ORPHAN_POLL: u64 = 1000;
/// Milliseconds that an orphan has after TERM, if no grace period is given.
const ORPHAN_GRACE: u32 = 5000;

/// Milliseconds until `due`; at most a month.
#[cold]
pub fn from_now(due: u64) -> u32 {
    due.saturating_sub(now()).min(1 << 31) as u32
}

impl Reaper<'_> {
    #[cold]
    pub fn begin(&mut self) {
        if self.options.kill_orphans {
            self.due = Some(now() + ORPHAN_POLL);
        }
        if let Some(main) = self.main.filter(|_| self.options.verbosity > 0) {
            self.tell(Event::Started(main));
        }
    }

    /// The command was reaped.
    #[inline(always)]
    pub fn ended(&mut self, word: u32) {
        let status = exit_status(word);
        self.status = self.options.status.get(usize::from(status)).copied().unwrap_or(status);
        self.phase = Phase::Ended;
    }

    /// All that have ended are reaped, others live.
    #[inline(always)]
    pub fn some_are_left(&mut self) {
        if self.phase == Phase::Ended {
            self.end();
        }
    }

    /// There is no child any more. While the command runs that can't be, unless somebody else has
    /// waited for it (a tracer of nsinit): to wait on would be to wait for ever.
    #[inline(always)]
    pub fn none_is_left(&mut self) {
        match self.phase {
            Phase::Runs if self.main.is_none() => {}
            Phase::Runs => {
                self.status = STATUS_NSINIT;
                self.exit()
            }
            Phase::Ended => {
                self.end();
                self.exit_if_alone();
            }
            _ => self.exit_if_alone(),
        }
    }

    /// wait4(2) knows no other error. Should there be one, the signal that brought us here is
    /// consumed, and no other may come: a time does instead.
    #[cold]
    pub fn look_again(&mut self, errno: Errno) {
        say::failure(Err(errno).doing("wait for children", ()));
        self.due = Some(self.due.unwrap_or(u64::MAX).min(now() + POLL));
    }

    /// What happens when the command has ended, or a signal that ends what has none has come.
    #[cold]
    pub fn end(&mut self) {
        let options = self.options;
        let signal = options.rewrite.get(usize::from(options.end_signal)).copied().unwrap_or(0);
        if let Some(main) = self.main
            && signal != 0
        {
            // ESRCH: nobody else was in its group.
            let _ = kill_group_only(main, signal.into());
            if options.verbosity > 0 {
                self.tell(Event::Passed(options.end_signal.into(), signal.into(), Ok(())));
            }
        }
        if options.grace == 0 {
            self.exit();
        }
        self.phase = Phase::Term;
        self.deadline = now() + u64::from(options.grace);
        self.due = Some(self.deadline);
        self.to_the_rest(TERM);
    }

    /// Without children. Those that were put into the PID namespace from outside are nobody's child
    /// here, and give no signal when they end.
    #[cold]
    fn exit_if_alone(&mut self) {
        if getpid() != Pid::INIT || kill_all(0).is_err() {
            self.exit();
        }
        self.due = Some(self.deadline.min(now() + POLL));
    }

    /// A signal when the command has ended: the second TERM.
    #[cold]
    pub fn received_late(&mut self, n: u32) {
        if self.phase == Phase::Term && (n == TERM || n == INT) {
            self.kill_the_rest(0);
        }
    }

    /// `due` is reached.
    #[cold]
    pub fn time_is_up(&mut self) {
        match self.phase {
            Phase::Runs if self.options.kill_orphans => {
                orphans(self.main, self.writer, self.options.grace);
                self.due = Some(now() + ORPHAN_POLL);
            }
            Phase::Runs => self.due = None,
            // Children can't be waited for: those that are left are not known.
            Phase::Ended => self.end(),
            Phase::Term if now() < self.deadline => self.due = Some(self.deadline),
            Phase::Term => self.kill_the_rest(0),
            Phase::Kill(KILLS) => self.exit(),
            Phase::Kill(n) => self.kill_the_rest(n),
        }
    }

    fn kill_the_rest(&mut self, times: u8) {
        // The kernel does it, and waits for them.
        if getpid() == Pid::INIT {
            self.exit();
        }
        self.to_the_rest(KILL);
        self.phase = Phase::Kill(times + 1);
        self.due = Some(now() + POLL);
    }

    fn to_the_rest(&self, n: u32) {
        if getpid() == Pid::INIT {
            // ESRCH: nobody is there.
            let _ = kill_all(n);
        } else {
            let own = getpid();
            each_process(&mut |pid, stat| {
                if descends("/proc", stat, own)? {
                    // ESRCH: it has ended. EPERM: it is another user's by now.
                    let _ = kill(pid, n);
                }
                Ok(())
            });
        }
    }

    /// The end.
    #[cold]
    pub fn exit(&mut self) -> ! {
        if let (Some(tty), Some(main)) = (self.tty, self.main) {
            terminal::take_back(tty, main);
        }
        if self.options.verbosity > 0 {
            self.tell(Event::Ends(self.status));
        }
        self.write_last();
        exit_group(self.status)
    }
}

/// What got TERM, and when it gets KILL. More than these wait for the next look.
static ORPHANS: Lock<Vec<Orphan, 64>> = Lock::new(Vec::new());

struct Orphan {
    pid: Pid,
    kill_at: u64,
    seen: bool,
}

/// Children that are neither the command nor nsinit's own get TERM when they are first seen, and KILL later.
fn orphans(main: Option<Pid>, writer: Option<Pid>, grace: u32) {
    let (own, now) = (getpid().as_raw_pid(), now());
    let grace = if grace == 0 { ORPHAN_GRACE } else { grace };
    ORPHANS.with(|known| {
        known.iter_mut().for_each(|orphan| orphan.seen = false);
        each_process(&mut |pid, stat| {
            let wanted = [main, writer].contains(&Some(pid));
            if stat.parent != own || wanted || stat.state == b'Z' {
                return Ok(());
            }
            let new = Orphan { pid, kill_at: now + u64::from(grace), seen: true };
            let signal = match known.iter_mut().find(|orphan| orphan.pid == pid) {
                Some(orphan) => {
                    orphan.seen = true;
                    if orphan.kill_at <= now { KILL } else { return Ok(()) }
                }
                None => TERM,
            };
            if signal == KILL || known.push(new).is_ok() {
                // ESRCH, EPERM: as above.
                let _ = kill(pid, signal);
            }
            Ok(())
        });
        known.retain(|orphan| orphan.seen);
    });
}

/// That processes can't be found was told: they are looked for every second.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Every process in /proc, if that is this PID namespace's. What one fails with is told, once all were met.
fn each_process(each: &mut dyn FnMut(Pid, &Stat) -> rustix::io::Result<()>) {
    const DOING: &str = "find processes in";
    let mut buf = [core::mem::MaybeUninit::uninit(); 16];
    let result = match readlinkat_raw(CWD, c"/proc/self", &mut buf) {
        Ok((own, _)) if decimal(own) == Some(getpid().as_raw_pid() as u64) => {
            let mut unread = Ok(());
            all("/proc", &mut |pid, stat| unread = unread.and(each(pid, stat)))
                .and(unread)
                .doing(DOING, "/proc")
        }
        Ok(_) => Err(Error::refused(DOING, "/proc", "it is another PID namespace's")),
        Err(errno) => Err(errno).doing(DOING, "/proc"),
    };
    if result.is_err() && !TOLD.swap(true, Ordering::Relaxed) {
        say::failure(result);
    }
}
