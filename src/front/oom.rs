//! `nsinit oom`: says when the kernel kills for lack of memory.

use core::fmt::Write;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};

use super::options::{Options, of};
use super::running::{wait, with_groups};
use super::{Context, Verb, Words, answer};
use crate::cgroup::Oom;
use crate::error::{Context as _, Result};
use crate::say;
use crate::syscall::fd::AsFd;

/// See the help.
pub const VERB: Verb = Verb {
    name: "oom",
    words: Words::None,
    text: "[OPTION…]\n\
                   say when the container runs out of memory\n\
                   Prints a line each time that the kernel kills a process of the container because its\n\
                   memory limit is reached, or with oom_kill_disable stops one, and ends with the container.",
    options: of("root id json"),
    run,
};

fn run(context: Context, options: &Options) -> Result<u8> {
    with_groups(&context, options, &mut |container, groups| {
        let mut oom = Oom::watch(groups)?;
        // Before Linux 5.3 there is none: it is looked at now and then.
        let pidfd = pidfd_open(container.init.pid, PidfdFlags::empty()).ok();
        let mut count = 0;
        let mut alive = true;
        while alive {
            // Asked first: what came before the end is told.
            alive = match &pidfd {
                Some(pidfd) => {
                    let end = PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN);
                    wait(container, &mut [oom.interest(), end], None)?
                }
                None => wait(container, &mut [oom.interest()], Some(1))?,
            };
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
                answer(&mut out)?;
            }
        }
        Ok(0)
    })
}
