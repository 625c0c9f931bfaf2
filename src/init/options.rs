//! What the reaper may be asked to do: the fields that every front end of it fills.

use super::manner::{Manner, NSINIT};
use crate::syscall::cstr::List;
use crate::syscall::signal::{CHLD, KILL, STOP, TSTP, TTIN, TTOU};

/// How the command is started and attended to. The default is what PID 1 of a container does.
#[repr(C)] // what is small first: it is reached by shorter instructions
pub struct Options {
    /// The command and its arguments, NULL-terminated.
    pub argv: List<'static>,
    /// No command: reap and wait until TERM or INT, which end it with 0.
    pub pause: bool,
    /// Signals go to the command's whole process group.
    pub group: bool,
    /// Where the command is put.
    pub placement: Placement,
    /// Whether orphans below this process become its children.
    pub subreaper: Subreaper,
    /// The signal that this process gets, and so passes on, when its parent dies; 0 for none.
    pub parent_death_signal: u8,
    /// When this process is stopped too.
    pub stop: Stop,
    /// How it speaks.
    pub manner: &'static Manner,
    /// 0: warnings. 1: the command's start and end, and signals. 2: every reaped process too.
    pub verbosity: u8,
    /// Warn of every orphan that is reaped.
    pub warn_on_reap: bool,
    /// Warn if this process is neither PID 1 nor a subreaper.
    pub warn_no_reaper: bool,
    /// Sent to the command's group, rewritten like others, when the command has ended; 0 for none.
    pub end_signal: u8,
    /// Orphans get TERM, and KILL `grace` later.
    pub kill_orphans: bool,
    /// Milliseconds between TERM and KILL for what remains when the command has ended; 0: this
    /// process ends at once, and as PID 1 takes all others with it.
    pub grace: u32,
    /// Signal n goes on as `rewrite[n]`; 0 drops it. Index 0 is not used.
    pub rewrite: [u8; 65],
    /// Status n of the command is answered with `status[n]`.
    pub status: [u8; 256],
}

/// Where the command is put before it is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// It stays in the group of this process.
    Stay,
    /// In a process group of its own, which becomes the terminal's foreground if this process's was.
    Group,
    /// In a session of its own, whose terminal this process's becomes if it can give it up.
    Session,
}

/// Whether this process becomes a subreaper (PR_SET_CHILD_SUBREAPER).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subreaper {
    /// Unless it is PID 1, which gets all orphans anyway.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// When this process is stopped too. PID 1 never is: nobody could continue it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// When the command is, with a controlling terminal: this process's group by the same signal, so that
    /// the shell that started it sees the job stop.
    Job,
    /// This process stops itself once it has passed on one of the terminal's stop signals, whatever the
    /// command makes of it.
    AfterSignal,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            argv: &[None],
            pause: false,
            group: false,
            placement: Placement::Group,
            subreaper: Subreaper::Auto,
            parent_death_signal: 0,
            stop: Stop::Job,
            verbosity: 0,
            warn_on_reap: false,
            warn_no_reaper: false,
            manner: &NSINIT,
            rewrite: core::array::from_fn(|n| n as u8),
            status: core::array::from_fn(|n| n as u8),
            end_signal: 0,
            grace: 0,
            kill_orphans: false,
        }
    }
}

impl Options {
    /// Signal `from` goes on as `to`, or not at all if that is 0. Both are 0 to 64.
    pub fn rewrite(&mut self, from: u8, to: u8) -> Result<(), &'static str> {
        match u32::from(from) {
            KILL | STOP => Err("KILL and STOP can't be caught, and so not rewritten"),
            CHLD => Err("CHLD is never passed on"),
            _ => match self.rewrite.get_mut(usize::from(from)) {
                Some(place) if from > 0 && to <= 64 => {
                    *place = to;
                    Ok(())
                }
                _ => Err("no such signal"),
            },
        }
    }

    /// A session of its own for the command. The kernel drops the terminal's stop signals there, as
    /// no shell could continue it: it gets STOP in their place, where they are not rewritten already.
    pub fn session(&mut self) {
        self.placement = Placement::Session;
        for n in [TSTP, TTIN, TTOU] {
            if let Some(place) = self.rewrite.get_mut(n as usize)
                && u32::from(*place) == n
            {
                *place = STOP as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_signals_are_not_rewritten() {
        let mut options = Options::default();
        for n in [0, 9, 17, 19, 65, 255] {
            assert!(options.rewrite(n, 15).is_err(), "{n}");
        }
        assert!(options.rewrite(1, 65).is_err());
        assert_eq!(options.rewrite, Options::default().rewrite);
        assert_eq!((options.rewrite(64, 9), options.rewrite(15, 0)), (Ok(()), Ok(())));
        assert_eq!((options.rewrite[64], options.rewrite[15]), (9, 0));
    }

    #[test]
    fn a_session_keeps_what_was_rewritten() {
        let mut options = Options::default();
        assert_eq!(options.rewrite(20, 15), Ok(()));
        options.session();
        assert_eq!([20, 21, 22].map(|n: usize| options.rewrite[n]), [15, 19, 19]);
    }
}
