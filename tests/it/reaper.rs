//! `nsinit init`: how the tests of the reaper run it, as process 1 and as a subreaper.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::world::{Place, Running, spawn, until, value};

/// What nsinit is when it runs as init.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum As {
    /// Process 1 of a PID namespace.
    Pid1,
    /// A process like any other.
    Subreaper,
    /// Process 1, and leader of the session that the terminal belongs to, as in a container.
    Leader,
}

pub const BOTH: [As; 2] = [As::Pid1, As::Subreaper];

/// `nsinit init ARGS` in a place, with its programs on the path.
pub fn init(place: &Place, what: As, args: &[&str]) -> Command {
    let args = [&["init"], args].concat();
    let by: &[&str] = match what {
        As::Pid1 => &["/usr/bin/unshare", "--fork", "--pid", "--mount-proc", "--kill-child"],
        As::Leader => &[
            "/usr/bin/unshare",
            "--fork",
            "--pid",
            "--mount-proc",
            "--kill-child",
            "/usr/bin/setsid",
            "-c",
        ],
        As::Subreaper => &[],
    };
    let mut command = place.wrapped(by, &args);
    command.env("PATH", format!("{}:/usr/bin:/bin", place.path("/bin").display()));
    // The C library's posix_spawn, by which the test was started itself, leaves its own two realtime
    // signals ignored, and its sigaction won't touch them.
    // SAFETY: plain system calls, with a zeroed action larger than the kernel's.
    unsafe {
        command.pre_exec(|| {
            for n in [32, 33] {
                let default = [0u64; 8];
                let none = std::ptr::null_mut::<u64>();
                libc::syscall(libc::SYS_rt_sigaction, n, &default, none, 8);
            }
            Ok(())
        })
    };
    command
}

/// Runs it until it prints "ready"; it, and the pid of nsinit.
#[track_caller]
pub fn ready(command: &mut Command, what: As) -> (Running, u32) {
    let mut running = spawn(command);
    running.wait_for("ready");
    let pid = running.child.id();
    let pid = if what == As::Subreaper { pid } else { only_child(pid) };
    (running, pid)
}

/// The one child of a process.
#[track_caller]
pub fn only_child(pid: u32) -> u32 {
    let all = children(pid);
    assert_eq!(all.len(), 1, "children of {pid}: {all:?}");
    all[0]
}

pub fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

pub fn status(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap()
}

/// Whether it waits for signals.
pub fn waits(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap().contains("sigtimedwait")
}

/// Its state: S, T, Z, …
pub fn state(pid: u32) -> char {
    value(&status(pid), "State").chars().next().unwrap()
}

pub fn send(pid: u32, signal: i32) {
    // SAFETY: plain system call, to a process that the test has started and not waited for.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0, "signal {signal} to {pid}");
}

/// Waits until no child of `init` is left but one.
#[track_caller]
pub fn settled(init: u32) {
    until("only the command is left", || children(init).len() == 1);
}

/// The name of each process in the foreground group of the terminal of process `of`.
pub fn foreground(of: u32) -> Vec<String> {
    let field = |stat: &str, n: usize| -> Option<String> {
        stat.rsplit(") ").next()?.split(' ').nth(n).map(str::to_owned)
    };
    let group = |pid: u32, n| {
        fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| field(&stat, n))
    };
    let tpgid = group(of, 5);
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| tpgid.is_some() && group(*pid, 2) == tpgid)
        .map(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default())
        .map(|comm| comm.trim().to_owned())
        .collect()
}
