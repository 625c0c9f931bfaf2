//! How init speaks, and what it ends with if it can't run the command: in nsinit's own way, or in that of the
//! program whose name it was called by.

use rustix::io;
use rustix::process::Pid;

use super::{Options, exit_status};
use crate::error::Error;
use crate::say;
use crate::signame::Name;

/// What happens, for whoever wants to be told.
#[derive(Clone, Copy)]
pub enum Event {
    /// It is neither PID 1 nor a subreaper: orphans go to somebody else.
    NoReaper,
    /// A signal of the kernel's for giving up the terminal, which is kept.
    HandOff(u32),
    /// The command has a session of its own. Told by the process that becomes the command.
    Session,
    /// The command can't be executed. Told by the same.
    Failed(Error),
    /// The command's process is there.
    Started(Pid),
    /// A signal has come; SIGCHLD for each child that has ended, but for who writes the messages.
    Received(u32),
    /// A signal was passed on as another (or the same), or dropped where that is 0; or could not be.
    Passed(u32, u32, io::Result<()>),
    /// It stops itself with the command.
    Suspends,
    /// A child was reaped, with this word of wait4(2); whether that was the command.
    Reaped(Pid, u32, bool),
    /// It ends with this status.
    Ends(u8),
}

/// One way.
pub struct Manner {
    /// Says what there is to say of an event.
    pub tell: fn(&Options, Event),
    /// The exit status of a command that can't be executed.
    pub status: fn(Error) -> u8,
}

/// nsinit's own.
pub static NSINIT: Manner = Manner { tell, status: Error::status };

fn tell(options: &Options, event: Event) {
    let told = options.verbosity > 0;
    match event {
        Event::Failed(error) => say::error(format_args!("{error}")),
        Event::Passed(n, _, Err(errno)) => not_passed(n, errno),
        Event::Started(pid) if told => {
            say::error(format_args!("the command is process {}", i64::from(pid.as_raw_pid())));
        }
        Event::Passed(n, 0, _) if told => say::error(format_args!("{} is dropped", Name(n))),
        Event::Passed(n, to, _) if told => {
            say::error(format_args!("{} goes on as {}", Name(n), Name(to)));
        }
        Event::Reaped(pid, word, false) if options.warn_on_reap || options.verbosity > 1 => {
            let (pid, status) = (i64::from(pid.as_raw_pid()), i64::from(exit_status(word)));
            say::error(format_args!("reaped process {pid}, which ended with {status}"));
        }
        Event::Ends(status) if told => say::error(format_args!("ends with {}", i64::from(status))),
        _ => {}
    }
}

/// A signal could not be passed on, which is nsinit's to say in any manner.
pub fn not_passed(n: u32, errno: io::Errno) {
    // ESRCH: the command has just ended, which the next look finds.
    if errno != io::Errno::SRCH {
        say::warning(format_args!("pass {} on: {}", Name(n), crate::errno::Text(errno)));
    }
}
