//! Why a process is still a zombie: who would have to reap it, and what keeps it from that.

use core::fmt::Write;

use rustix::process::Pid;

use crate::bytes::{Short, Show};
use crate::error::{Context, Result};
use crate::proc::lines::decimal;
use crate::proc::process::{self, Stat, all, descends, lines, text};
use crate::say;

const PROC: &str = "/proc";

/// Prints every zombie and why it is one; of those below `ancestor` only, if there is one.
pub fn explain(ancestor: Option<Pid>) -> Result<u8> {
    if let Some(pid) = ancestor {
        process::stat(PROC, pid).doing("look at process", pid)?;
    }
    let mut out = say::answer();
    let (mut none, mut unread) = (true, Ok(()));
    let all = all(PROC, &mut |pid, stat| {
        if stat.state != b'Z' {
            return;
        }
        match ancestor.map_or(Ok(true), |above| descends(PROC, stat, above)) {
            Ok(true) => {
                none = false;
                // The first error of `out` is told by its `flush`.
                let _ = zombie(&mut out, pid, stat);
            }
            Ok(false) => {}
            Err(errno) => unread = Err(errno),
        }
    });
    if none {
        let _ = out.write_str("no zombies\n");
    }
    out.flush().doing("write", "to standard output")?;
    all.and(unread).doing("find processes in", PROC)?;
    Ok(0)
}

/// Writes who it is and why it is one: a line.
pub fn zombie(out: &mut dyn Write, pid: Pid, stat: &Stat) -> core::fmt::Result {
    name(out, "", pid)?;
    out.write_str(": ")?;
    if stat.threads > 1 {
        return threads(out, pid, stat.threads - 1);
    }
    // A tracer reaps first (wait_consider_task in kernel/exit.c).
    let tracer = field(pid, b"TracerPid:").filter(|tracer| *tracer > 0).map(|pid| pid as i32);
    if let Some(tracer) = tracer.and_then(Pid::from_raw) {
        name(out, "it is traced by ", tracer)?;
        return out.write_str(", which has not waited for it or let it go\n");
    }
    let Some(parent) = Pid::from_raw(stat.parent) else {
        return out
            .write_str("its parent is outside of this PID namespace, and has not waited for it\n");
    };
    name(out, "its parent ", parent)?;
    out.write_str(match process::stat(PROC, parent).map(|stat| stat.state) {
        Err(_) => " has just ended: look again\n",
        Ok(b'T') => " is stopped: SIGCONT continues it\n",
        Ok(b't') => " is stopped by its tracer\n",
        Ok(b'D') => " waits for the kernel (state D), and can't reap it meanwhile\n",
        Ok(_) => " lives and has not waited for it; init gets it when that parent ends\n",
    })
}

/// The main thread has ended alone: only when all have is the process reaped.
fn threads(out: &mut dyn Write, pid: Pid, others: u32) -> core::fmt::Result {
    write!(out, "its main thread has ended, others ({others}) have not:")?;
    let tasks = Short::<32>::new(format_args!("/proc/{}/task", i64::from(pid.as_raw_pid())));
    // That it can't be read means that it has ended by now.
    let _ = all(tasks.as_str(), &mut |thread, stat| {
        if thread != pid {
            let state = char::from(stat.state);
            let why = if state == 'D' { " (it waits for the kernel)" } else { "" };
            let thread = i64::from(thread.as_raw_pid());
            let _ = write!(out, " thread {thread} is in state {state}{why}");
        }
    });
    out.write_str("\n")
}

/// "123 (sh)".
fn name(out: &mut dyn Write, before: &str, pid: Pid) -> core::fmt::Result {
    write!(out, "{before}{} (", i64::from(pid.as_raw_pid()))?;
    // It has ended meanwhile if that can't be read. The kernel ends the name with a newline, which it may
    // have inside, too.
    if let Ok(name) = text(PROC, pid, "comm", &mut [0; 128]) {
        write!(out, "{}", Show(name.strip_suffix(b"\n").unwrap_or(name)))?;
    }
    out.write_str(")")
}

/// The number on the line of /proc/PID/status that begins with `key`.
fn field(pid: Pid, key: &[u8]) -> Option<u64> {
    let mut found = None;
    let read = lines(PROC, pid, "status", &mut [0; 2048], &mut |line| {
        let value = line.strip_prefix(key);
        found = value.and_then(|value| decimal(value.trim_ascii()));
        value.is_none()
    });
    read.ok().and(found)
}
