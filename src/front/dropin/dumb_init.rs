//! dumb-init 1.2.5: <https://github.com/Yelp/dumb-init>, dumb-init.c.
//!
//! Not so here: signals above 31 go on too, and -r takes names; KILL, STOP and CHLD, which nobody can
//! catch or which are never passed on, can't be rewritten. A hang-up is only kept back if giving up the
//! terminal has caused it.

use core::ffi::CStr;
use core::fmt::Display;

use super::{Command, Peer, Wrong, add_hint, reason};
use crate::bytes::Show;
use crate::init::{Event, Manner, Options, Placement, Stop, Subreaper, not_passed};
use crate::say;
use crate::syscall::cstr::Env;
use crate::syscall::signal::{STOP, TERM, TSTP, TTIN, TTOU};

pub static PEER: Peer = Peer {
    names: "dumb-init",
    options: "csingle-child r:rewrite vverbose hhelp Vversion",
    lone_version: false,
    begin,
    finish,
    // Whatever it is that keeps it from being executed.
    manner: Manner { tell, status: |_| 2 },
    refuse,
    version: "dumb-init v1.2.5",
    help: concat!(
        "dumb-init v1.2.5
Usage: dumb-init [option] command [[arg] ...]

nsinit ",
        env!("CARGO_PKG_VERSION"),
        " as dumb-init: runs a command in a session of its own, passes signals on, reaps.

   -c, --single-child   No session: signals go to the command alone.
   -r, --rewrite s:r    Signal s goes on as r, by number or name; 0 drops it.
                        Repeatable.
   -v, --verbose        Tell of each signal and each process that ends.
   -h, --help           This text.
   -V, --version        The version.

Environment: DUMB_INIT_DEBUG=1 is -v, DUMB_INIT_SETSID=0 is -c."
    ),
    version_on_stderr: true,
    help_on_stderr: true,
};

/// The terminal's stop signals.
const STOPS: [u32; 3] = [TSTP, TTIN, TTOU];
/// No signal's number: what -r has not touched.
const UNTOUCHED: u8 = u8::MAX;

fn begin(options: &mut Options, _: &Env) -> Result<(), Wrong> {
    options.placement = Placement::Session;
    options.stop = Stop::AfterSignal;
    options.subreaper = Subreaper::Off;
    for n in STOPS {
        options.rewrite[n as usize] = UNTOUCHED;
    }
    Ok(())
}

/// In a session nobody could continue what the terminal's stop signals stop, so that the kernel drops
/// them: STOP takes their place, unless something else was asked for.
fn finish(options: &mut Options, env: &Env) {
    if env.get("DUMB_INIT_SETSID") == Some(c"0") {
        options.placement = Placement::Stay;
    }
    if options.verbosity > 0 || env.get("DUMB_INIT_DEBUG") == Some(c"1") {
        options.verbosity = 2;
    }
    let session = options.placement == Placement::Session;
    if session {
        options.group = true;
        options.end_signal = TERM as u8;
    }
    for n in STOPS {
        let to = &mut options.rewrite[n as usize];
        if *to == UNTOUCHED {
            *to = if session { STOP } else { n } as u8;
        }
    }
}

fn refuse(name: &CStr, wrong: &Wrong) {
    let name = Show(name.to_bytes());
    match wrong {
        Wrong::Value { why, .. } => {
            say::line(format_args!(
                "Usage: -r option takes <signum>:<signum>, numbers or names, or 0 behind the colon: {why}.\n\
                 This option can be specified multiple times.\nUse --help for full usage."
            ));
        }
        Wrong::NoCommand => say::line(format_args!(
            "Usage: {name} [option] program [args]\nTry {name} --help for full usage."
        )),
        _ => {}
    }
}

fn tell(options: &Options, event: Event) {
    match event {
        Event::Failed(error) => {
            say(format_args!("{}: {}", Command(options), reason(error)));
            add_hint(error, &|hint| say(hint));
        }
        Event::Passed(n, _, Err(errno)) => not_passed(n, errno),
        _ if options.verbosity > 0 => tell_more(event),
        _ => {}
    }
}

fn tell_more(event: Event) {
    match event {
        Event::HandOff(n) => say(format_args!("Ignoring tty hand-off signal {n}.")),
        Event::Session => say("setsid complete."),
        Event::Started(pid) => {
            say(format_args!("Child spawned with PID {}.", i64::from(pid.as_raw_pid())));
        }
        Event::Received(n) => say(format_args!("Received signal {n}.")),
        Event::Passed(n, 0, _) => {
            say(format_args!("Not forwarding signal {n} to children (ignored)."));
        }
        Event::Passed(n, to, _) => {
            if n != to {
                say(format_args!("Translating signal {n} to {to}."));
            }
            say(format_args!("Forwarded signal {to} to children."));
        }
        Event::Suspends => say("Suspending self due to TTY signal."),
        Event::Reaped(pid, word, _) => {
            let pid = i64::from(pid.as_raw_pid());
            match word & 0x7f {
                0 => {
                    let status = i64::from(word as u16 >> 8);
                    say(format_args!("A child with PID {pid} exited with exit status {status}."));
                }
                n => say(format_args!("A child with PID {pid} was terminated by signal {n}.")),
            }
        }
        Event::Ends(status) => {
            say(format_args!("Child exited with status {}. Goodbye.", i64::from(status)));
        }
        Event::NoReaper | Event::Failed(_) => {}
    }
}

fn say(text: impl Display) {
    say::line(format_args!("[dumb-init] {text}"));
}
