//! `nsinit stats`: what the container uses.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::termios::isatty;

use super::options::{Options, of};
use super::running::running;
use super::watch::Watch;
use super::{Context, Failure, Verb, Words, answer, usage};
use crate::bytes::Arena;
use crate::cgroup::{Groups, stats};
use crate::error::{Context as _, Error};
use crate::json::Json;
use crate::launch::Running;
use crate::net::stats::{COUNTERS, Statistics, statistics};
use crate::packed;
use crate::proc::lines::decimal;
use crate::say;
use crate::syscall::fd::stdio;
use crate::syscall::process::NewNamespaces;

/// See the help.
pub const VERB: Verb = Verb {
    name: "stats",
    words: Words::None,
    text: packed!(
        "[OPTION…]\n\
                   print what the container uses\n\
                   Prints as JSON what the container has used: cgroup_stats (cpu_stats, memory_stats,\n\
                   blkio_stats, pids_stats, pressure) and network_stats, by the names of libcontainer. With\n\
                   --watch on a terminal a table is drawn anew each time; elsewhere each time is a line."
    ),
    options: of("root id watch"),
    run,
};

fn run(context: Context, options: Options) -> Result<u8, Failure> {
    let every = match options.watch.map(|text| text.to_bytes()) {
        None => None,
        Some(b"") => Some(1),
        Some(text) => {
            let seconds = decimal(text).filter(|n| (1..=86_400).contains(n));
            Some(seconds.ok_or_else(|| usage("--watch", "expected 1 to 86400 seconds"))?)
        }
    };
    let container = running(&context, &options)?;
    let groups = container.groups(context.arena)?;
    let Some(every) = every else { return line(&container, &groups, context.arena).map(|()| 0) };
    let [_, stdout, _] = stdio();
    let mut table = isatty(stdout).then(Watch::default);
    let pidfd = pidfd_open(container.pid, PidfdFlags::empty()).ok();
    while container.is_alive().doing("look at", "PID 1")? {
        let shown = match &mut table {
            Some(table) => table.draw(&container, &groups, context.arena),
            None => line(&container, &groups, context.arena),
        };
        match shown {
            // It ended meanwhile, with its groups.
            Err(_) if container.is_alive() == Ok(false) => break,
            shown => shown?,
        }
        wait(every, pidfd.as_ref()).doing("wait", ())?;
    }
    Ok(0)
}

/// Waits so many seconds, or until the container ends.
fn wait(seconds: u64, pidfd: Option<&OwnedFd>) -> rustix::io::Result<()> {
    let time = Timespec { tv_sec: seconds as _, tv_nsec: 0 };
    let result = match pidfd {
        Some(pidfd) => poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&time)),
        None => poll(&mut [], Some(&time)),
    };
    match result {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// One line of JSON (libcontainer container.go, ContainerStats).
fn line(container: &Running, groups: &Groups, arena: &Arena) -> Result<(), Failure> {
    let sample = stats::sample(groups)?;
    let mut out = say::answer();
    let mut json = Json::line(&mut out);
    json.open('{', false);
    if container.apart.contains(NewNamespaces::NEWNET) {
        network(container, arena, &mut json)?;
    }
    json.begin("cgroup_stats", '{');
    stats::write(groups, &sample, &mut json)?;
    json.close();
    json.close();
    // The first error of `out` is told by `answer`.
    let _ = json.end();
    answer(out).map(drop)
}

/// The sums, and the interfaces that they are of.
fn network(container: &Running, arena: &Arena, json: &mut Json) -> Result<(), Error> {
    let counters = |json: &mut Json, statistics: &Statistics| {
        for (name, n) in COUNTERS.iter().zip(statistics) {
            json.unsigned(name, *n);
        }
    };
    json.begin("network_stats", '{');
    json.begin("interfaces", '[');
    let mut each = |name: &str, statistics: &Statistics| {
        json.open('{', false);
        json.key("name");
        json.bytes(&[name.as_bytes()]);
        counters(json, statistics);
        json.close();
    };
    let sums = statistics(container.pid, arena, &mut each)?;
    json.close();
    counters(json, &sums);
    json.close();
    Ok(())
}
