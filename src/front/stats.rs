//! `nsinit stats`: what the container uses.

use rustix::event::{PollFd, PollFlags};
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::termios::isatty;

use super::options::{Options, of};
use super::running::{wait, with_groups};
use super::watch::Watch;
use super::{Context, Verb, Words, answer, usage};
use crate::bytes::Arena;
use crate::cgroup::{Groups, stats};
use crate::error::Result;
use crate::json::Json;
use crate::launch::Running;
use crate::net::stats::{COUNTERS, Statistics, statistics};
use crate::proc::lines::decimal;
use crate::say;
use crate::syscall::fd::AsFd;
use crate::syscall::fd::stdio;
use crate::syscall::process::NewNamespaces;

/// See the help.
pub const VERB: Verb = Verb {
    name: "stats",
    words: Words::None,
    text: "[OPTION…]\n\
                   print what the container uses\n\
                   Prints as JSON what the container has used: cgroup_stats (cpu_stats, memory_stats,\n\
                   blkio_stats, pids_stats, pressure) and network_stats, by the names of libcontainer. With\n\
                   --watch on a terminal a table is drawn anew each time; elsewhere each time is a line.",
    options: of("root id watch"),
    run,
};

fn run(context: Context, options: &Options) -> Result<u8> {
    let every = match options.watch.map(|text| text.to_bytes()) {
        None => None,
        Some(b"") => Some(1),
        Some(text) => {
            let seconds = decimal(text).filter(|n| (1..=86_400).contains(n));
            Some(seconds.ok_or_else(|| usage("--watch", "expected 1 to 86400 seconds"))?)
        }
    };
    with_groups(&context, options, &mut |container, groups| match every {
        None => line(container, groups, context.arena),
        Some(every) => watch(container, groups, context.arena, every),
    })
}

/// Again and again until the container ends.
fn watch(container: &Running, groups: &Groups, arena: &Arena, every: u64) -> Result<u8> {
    let [_, stdout, _] = stdio();
    let mut table = isatty(stdout).then(Watch::default);
    let pidfd = pidfd_open(container.init.pid, PidfdFlags::empty()).ok();
    let mut end =
        pidfd.as_ref().map(|pidfd| PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN));
    let mut alive = container.init.is_alive()?;
    while alive {
        let shown = match &mut table {
            Some(table) => table.draw(container, groups, arena),
            None => line(container, groups, arena),
        };
        if let Err(error) = shown {
            // It ended meanwhile, with its groups.
            return if matches!(container.init.is_alive(), Ok(false)) { Ok(0) } else { Err(error) };
        }
        alive = wait(container, end.as_mut_slice(), Some(every))?;
    }
    Ok(0)
}

/// One line of JSON (libcontainer container.go, ContainerStats).
fn line(container: &Running, groups: &Groups, arena: &Arena) -> Result<u8> {
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
    answer(&mut out)
}

/// The sums, and the interfaces that they are of.
fn network(container: &Running, arena: &Arena, json: &mut Json) -> Result<()> {
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
    let sums = statistics(container.init.pid, arena, &mut each)?;
    json.close();
    counters(json, &sums);
    json.close();
    Ok(())
}
