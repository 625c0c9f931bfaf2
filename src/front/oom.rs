//! `nsinit oom`: says when the kernel kills for lack of memory.

use core::fmt::Write;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};

use super::options::{Options, of};
use super::running::running;
use super::{Context, Failure, Verb, Words, answer};
use crate::cgroup::Oom;
use crate::error::Context as _;
use crate::packed;
use crate::say;

/// See the help.
pub const VERB: Verb = Verb {
    name: "oom",
    words: Words::None,
    text: packed!(
        "[OPTION…]\n\
                   say when the container runs out of memory\n\
                   Prints a line each time that the kernel kills a process of the container because its\n\
                   memory limit is reached, or with oom_kill_disable stops one, and ends with the container."
    ),
    options: of("root id json"),
    run,
};

fn run(context: Context, options: Options) -> Result<u8, Failure> {
    let container = running(&context, &options)?;
    let mut oom = Oom::watch(&container.groups(context.arena)?)?;
    // Before Linux 5.3 there is none: it is looked at now and then.
    let pidfd = pidfd_open(container.pid, PidfdFlags::empty()).ok();
    let mut count = 0;
    let mut alive = true;
    while alive {
        wait(oom.interest(), pidfd.as_ref()).doing("wait for", "events")?;
        // Asked first: what came before the end is told.
        alive = container.is_alive().doing("look at", "PID 1")?;
        let more = match oom.more() {
            Err(Errno::NODEV) => (0, alive = false).0,
            more => more.doing("read", "the memory events")?,
        };
        for _ in 0..more {
            count += 1;
            let mut out = say::answer();
            // The first error of `out` is told by `answer`.
            let _ = if options.json {
                writeln!(out, "{{\"oom\": {count}}}")
            } else {
                writeln!(out, "out of memory ({count})")
            };
            answer(out)?;
        }
    }
    Ok(0)
}

/// Waits for an event or for the end of the container.
fn wait(oom: PollFd, pidfd: Option<&OwnedFd>) -> rustix::io::Result<()> {
    const SECOND: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
    let result = match pidfd {
        Some(pidfd) => poll(&mut [oom, PollFd::new(pidfd, PollFlags::IN)], None),
        None => poll(&mut [oom], Some(&SECOND)),
    };
    match result {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}
