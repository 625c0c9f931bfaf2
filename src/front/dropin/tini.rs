//! tini 0.19, by its names and docker's: <https://github.com/krallin/tini>, src/tini.c.
//!
//! Not so here: the terminal is only given to the command if it was nsinit's; -p takes any signal by name or
//! number; what -v adds goes to standard error, as standard output is the command's alone.

use core::ffi::CStr;
use core::fmt::Display;

use rustix::io::Errno;
use rustix::process::getpid;

use super::{Command, Peer, Verdict, Wrong, add_hint, reason};
use crate::bytes::number;
use crate::error::{Error, STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND};
use crate::init::{Event, Manner, Options, Subreaper, not_passed};
use crate::say;
use crate::signame::Name;
use crate::syscall::cstr::Env;

/// What `docker info` looks for (parseInitVersion in moby's daemon/info_unix.go): "tini version ", and
/// behind " - git." a commit, which it shows.
const VERSION: &str =
    concat!("tini version 0.19.0 (nsinit ", env!("CARGO_PKG_VERSION"), ") - git.nsinit");

pub static PEER: Peer = Peer {
    // docker and podman of old put their init at /dev/init; nobody else calls anything so.
    names: "tini tini-static docker-init /dev/init",
    options: "p: s v w g e: l h",
    lone_version: true,
    begin,
    finish,
    manner: Manner { tell, status },
    refuse,
    version: VERSION,
    help: concat!(
        "tini (tini version 0.19.0, by nsinit ",
        env!("CARGO_PKG_VERSION"),
        ")
Usage: tini [OPTIONS] [--] PROGRAM [ARGS] | --version

Runs PROGRAM, passes signals on to it, reaps, and ends with its status.

  --version  the version, if it is the only word
  -h         this text
  -s         become a subreaper
  -p SIGNAL  get SIGNAL when the parent dies, and pass it on
  -v         tell more; up to three times
  -w         warn of each orphan that is reaped
  -g         signals go to the process group of PROGRAM
  -e N       end with 0 where PROGRAM ends with N (0 to 255); repeatable
  -l         the license

Environment: TINI_SUBREAPER is -s, TINI_KILL_PROCESS_GROUP is -g,
TINI_VERBOSITY=N counts 1 and each -v; 0 is silence"
    ),
    version_on_stderr: false,
    help_on_stderr: false,
};

fn begin(options: &mut Options, _: &Env) -> Result<(), Wrong> {
    options.subreaper = Subreaper::Off;
    Ok(())
}

/// A status of the command that is a success.
pub fn expect(options: &mut Options, value: &CStr) -> Verdict {
    let n = number(value.to_bytes(), 10).and_then(|n| usize::try_from(n).ok());
    let status = n.and_then(|n| options.status.get_mut(n));
    *status.ok_or("a status from 0 to 255 is needed")? = 0;
    Ok(())
}

/// tini counts from 1, and is silent at 0; what does not begin with a number is 0 to it.
fn finish(options: &mut Options, env: &Env) {
    if env.get("TINI_SUBREAPER").is_some() {
        options.subreaper = Subreaper::On;
    }
    options.group |= env.get("TINI_KILL_PROCESS_GROUP").is_some();
    options.warn_no_reaper = options.subreaper == Subreaper::Off;
    if let Some(value) = env.get("TINI_VERBOSITY") {
        let value = value.to_bytes().trim_ascii_start();
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let level = value.get(..digits).and_then(|digits| number(digits, 10)).unwrap_or(0);
        options.verbosity = level.min(9).saturating_sub(1) as u8;
        options.warn_on_reap &= level > 0;
        options.warn_no_reaper &= level > 0;
    }
}

/// Which errno makes which.
fn status(error: Error) -> u8 {
    match error.raw() {
        Some(Errno::NOENT) | None => STATUS_NOT_FOUND,
        Some(Errno::ACCESS) => STATUS_NOT_EXECUTABLE,
        Some(_) => 1,
    }
}

fn refuse(_: &CStr, wrong: &Wrong) {
    match wrong {
        Wrong::Value { letter, value, .. } => {
            let letter = char::from(*letter);
            say("FATAL", format_args!("Not a valid option for -{letter}: {value}"));
        }
        _ => say::line(format_args!("{}", PEER.help)),
    }
}

fn tell(options: &Options, event: Event) {
    match event {
        Event::Failed(error) => {
            say("FATAL", format_args!("exec {} failed: {}", Command(options), reason(error)));
            add_hint(error, &|hint| say("FATAL", hint));
        }
        Event::NoReaper => say(
            "WARN ",
            format_args!(
                "Tini is not running as PID 1 and isn't registered as a child subreaper.\n\
                 Zombie processes will not be re-parented to Tini, so zombie reaping won't work.\n\
                 Start it with -s or with TINI_SUBREAPER set, or as PID 1."
            ),
        ),
        Event::Passed(n, _, Err(errno)) => not_passed(n, errno),
        Event::Started(pid) if options.verbosity > 0 => {
            let pid = i64::from(pid.as_raw_pid());
            say(
                "INFO ",
                format_args!("Spawned child process '{}' with pid '{pid}'", Command(options)),
            );
        }
        Event::Received(n) if options.verbosity > 1 => match n {
            crate::syscall::signal::CHLD => say("DEBUG", format_args!("Received SIGCHLD")),
            _ => say("DEBUG", format_args!("Passing signal: '{}'", Name(n))),
        },
        Event::Reaped(pid, word, is_main) => {
            let pid = i64::from(pid.as_raw_pid());
            if options.verbosity > 1 {
                say("DEBUG", format_args!("Reaped child with pid: '{pid}'"));
            }
            if is_main && options.verbosity > 0 {
                main_has_ended(word);
            }
            if !is_main && options.warn_on_reap {
                say("WARN ", format_args!("Reaped zombie process with pid={pid}"));
            }
        }
        _ => {}
    }
}

fn main_has_ended(word: u32) {
    match word & 0x7f {
        0 => {
            let status = i64::from(word as u16 >> 8);
            say("INFO ", format_args!("Main child exited normally (with status '{status}')"));
        }
        n => {
            say("INFO ", format_args!("Main child exited with signal (with signal '{}')", Name(n)))
        }
    }
}

fn say(level: &str, text: impl Display) {
    let pid = i64::from(getpid().as_raw_pid());
    say::line(format_args!("[{level} tini ({pid})] {text}"));
}
