//! catatonit 0.2.1, by its names and podman's: <https://github.com/openSUSE/catatonit>, catatonit.c.
//!
//! Not so here: TSTP, TTIN and TTOU that somebody sends go on like all others, and the command does
//! not begin with them blocked.

use core::ffi::CStr;
use core::fmt::Display;

use rustix::process::getpid;

use super::{Command, Peer, Wrong, add_hint, reason};
use crate::init::{Event, Manner, Options, not_passed};
use crate::say;
use crate::syscall::cstr::Env;

pub static PEER: Peer = Peer {
    names: "catatonit podman-init",
    options: "g P L h Vversion",
    lone_version: false,
    begin,
    finish,
    // Whatever it is that keeps it from being executed.
    manner: Manner { tell, status: |_| 1 },
    refuse,
    // Docker's form: podman does not ask, but whoever gives it to docker as init-path has it checked.
    version: concat!("tini version 0.2.1_catatonit (nsinit ", env!("CARGO_PKG_VERSION"), ")"),
    help: concat!(
        "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]

nsinit ",
        env!("CARGO_PKG_VERSION"),
        " as catatonit: runs a program, passes signals on, reaps.

  -g             Signals go to the program's process group.
  -P             No program: reap, and end with TERM or INT.
  -L             The license.
  -h             This text.
  -V, --version  The version.

Environment: CATATONIT_DEBUG tells of the program and of each process that ends."
    ),
    version_on_stderr: false,
    help_on_stderr: true,
};

fn begin(_: &mut Options, env: &Env) -> Result<(), Wrong> {
    match env.get("CATATONIT_LOG") {
        Some(_) => Err(Wrong::Reserved("CATATONIT_LOG")),
        None => Ok(()),
    }
}

/// Images have been built around the fact that -P does not care what follows it.
fn finish(options: &mut Options, env: &Env) {
    if env.get("CATATONIT_DEBUG").is_some() {
        options.verbosity = 2;
    }
    if options.pause && !matches!(options.argv, [None, ..] | []) {
        say::warning(format_args!("-P: the command is not run"));
        options.argv = &[None];
    }
}

fn refuse(_: &CStr, wrong: &Wrong) {
    match wrong {
        Wrong::Reserved(name) => {
            return say("ERROR", format_args!("{name} is reserved for future use"));
        }
        Wrong::NoCommand => say("ERROR", "missing program name"),
        _ => {}
    }
    say::line(format_args!("{}", PEER.help.lines().next().unwrap_or("")));
}

fn tell(options: &Options, event: Event) {
    match event {
        Event::Failed(error) => {
            say("ERROR", format_args!("failed to exec pid1: {}", reason(error)));
            add_hint(error, &|hint| say("ERROR", hint));
        }
        Event::Passed(n, _, Err(errno)) => not_passed(n, errno),
        Event::Started(pid) if options.verbosity > 0 => {
            let pid = i64::from(pid.as_raw_pid());
            say("DEBUG", format_args!("pid1 ({pid}) spawned: {}", Command(options)));
        }
        Event::Reaped(pid, word, false) if options.verbosity > 0 => {
            let pid = i64::from(pid.as_raw_pid());
            match word & 0x7f {
                0 => {
                    let code = i64::from(word as u16 >> 8);
                    say("DEBUG", format_args!("child process {pid} exited with code {code}"));
                }
                n => say("DEBUG", format_args!("child process {pid} exited due to signal {n}")),
            }
        }
        _ => {}
    }
}

fn say(level: &str, text: impl Display) {
    let pid = i64::from(getpid().as_raw_pid());
    say::line(format_args!("{level} (catatonit:{pid}): {text}"));
}
