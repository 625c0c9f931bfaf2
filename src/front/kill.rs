//! `nsinit kill`: a signal to the container.

use rustix::io::Errno;
use rustix::process::Pid;

use super::options::{Options, of};
use super::running::{each_member, with_groups};
use super::{Context, Verb, Words, shown, usage};
use crate::bytes::Arena;
use crate::cgroup::Freezer;
use crate::error::{Context as _, Result};
use crate::launch::{Process, Running};
use crate::proc::process::signal;
use crate::say;
use crate::signame;

/// See the help.
pub const VERB: Verb = Verb {
    name: "kill",
    words: Words::One,
    text: "[OPTION…] [SIGNAL]\n\
                   send the container a signal\n\
                   Sends SIGNAL, a name or a number, TERM without one, to PID 1 of the container, which passes\n\
                   it on to the command; KILL ends PID 1, and with it everything inside. With --all it goes to\n\
                   each process itself.",
    options: of("root id all"),
    run,
};

const TERM: u32 = linux_raw_sys::general::SIGTERM;
const KILL: u32 = linux_raw_sys::general::SIGKILL;

fn run(context: Context, options: &Options) -> Result<u8> {
    let n = match options.word.map(|word| word.bytes()) {
        None => TERM,
        Some(word) => {
            // 0 is none: it asks whether the process is there.
            let known = if word == b"0" {
                Some(0)
            } else {
                signame::parse(word.strip_prefix(b"-").unwrap_or(word))
            };
            let wrong = || usage(shown(word, context.arena), "no such signal");
            known.map(u32::from).ok_or_else(wrong)?
        }
    };
    let arena = context.arena;
    with_groups(&context, options, &mut |container, groups| {
        let freezer = Freezer::of(groups);
        // A group that goes meanwhile is no reason not to send a signal.
        let paused = freezer.as_ref().is_some_and(|freezer| freezer.is_on(arena).unwrap_or(false));
        if options.all {
            // Nobody can fork away from a signal when all stand still.
            let freezer = freezer.as_ref().filter(|_| !paused && n != 0);
            freezer.map_or(Ok(()), |freezer| freezer.freeze(arena))?;
            let sent = send_all(container, n, arena);
            freezer.map_or(Ok(()), |freezer| freezer.thaw(arena))?;
            sent?;
        } else {
            send(container.init, n)?;
        }
        match &freezer {
            // On v1 it reaches nothing that is frozen, in a group inside the container's either, and PID 1
            // waits for all.
            Some(freezer) if n == KILL && !freezer.can_be_killed() => freezer.thaw(arena)?,
            Some(_) if paused && n != KILL && n != 0 => {
                say::warning(format_args!("it is paused: the signal waits"))
            }
            _ => {}
        }
        Ok(0)
    })
}

fn told(sent: rustix::io::Result<()>, pid: Pid) -> Result<()> {
    sent.doing("signal process", pid)
}

fn send(process: Process, n: u32) -> Result<()> {
    told(signal(process.pid, process.start_time, n), process.pid)
}

/// The others first: with PID 1 they would all be gone. It gets the signal even if some of them could not
/// be looked at.
fn send_all(container: &Running, n: u32, arena: &Arena) -> Result<()> {
    let mut result = Ok(());
    let all = each_member(container, arena, &mut |pid, stat| {
        if pid != container.init.pid {
            match signal(pid, stat.start_time, n) {
                // What has ended meanwhile needs none.
                Ok(()) | Err(Errno::SRCH) => {}
                failed => result = told(failed, pid),
            }
        }
    });
    send(container.init, n)?;
    all.and(result)
}
