//! `nsinit init`: the reaper as anybody's init.

use core::ffi::CStr;

use rustix::process::Pid;

use super::options::{Options, of};
use super::{Context, Verb, Words};
use crate::bytes::{number, split_by};
use crate::error::{Error, Result};
use crate::init;
use crate::signame;

/// See the help.
pub const VERB: Verb = Verb {
    name: "init",
    words: Words::Any,
    text: "[OPTION…] [--] COMMAND [ARGUMENT…]\n\
                   run a command as PID 1 would have to: reap, pass signals on, end with its status\n\
                   Runs COMMAND, passes every signal but CHLD on to it, reaps what becomes an orphan, and ends\n\
                   with its status. Where it is not PID 1 it becomes a subreaper. The command has a process\n\
                   group of its own, with the terminal if nsinit had it, and stops and goes on with nsinit as\n\
                   one job. A text without a #! line is run by /bin/sh. Signals are named as for kill(1), or\n\
                   are numbers. Standard error stays open, all else that was inherited is the command's alone.",
    options: of(
        "group setsid rewrite exit-status grace kill-orphans parent-death-signal subreaper \
                 no-subreaper pause verbose warn-on-reap explain-zombies",
    ),
    run,
};

fn run(context: Context, options: &Options) -> Result<u8> {
    if options.explain_zombies {
        return explain(options);
    }
    begin(&options.init, context)
}

/// Begins what was asked for; this returns only if nothing was started.
pub fn begin(asked: &init::Options, context: Context) -> Result<u8> {
    let Context { env, arena, signals, .. } = context;
    let signals = signals.map_or_else(init::take_signals, Ok)?;
    let given = !matches!(asked.argv, [] | [None]);
    if given == asked.pause {
        let why = if given { "takes no command with --pause" } else { "no command was given" };
        return Err(Error::refused("", "init", why));
    }
    Err(init::run(asked, env, signals, arena))
}

/// `--explain-zombies [PID]`.
fn explain(options: &Options) -> Result<u8> {
    let wrong =
        || Error::refused("", "--explain-zombies", "at most the number of a process follows");
    let pid = match options.command {
        [] | [None] => None,
        [Some(word), None] => {
            let pid = number(word.bytes(), 10).and_then(|n| i32::try_from(n).ok());
            Some(pid.and_then(Pid::from_raw).ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    };
    init::explain(pid)
}

/// What a setter of the option table says of a value: it is well, or why not.
pub type Verdict = core::result::Result<(), &'static str>;

/// --rewrite FROM:TO.
pub fn rewrite(options: &mut init::Options, value: &CStr) -> Verdict {
    let (from, to) = pair(value).ok_or("FROM:TO has one colon")?;
    let to = if to == b"0" { 0 } else { signame::parse(to).ok_or(NO_SIGNAL)? };
    options.rewrite(signame::parse(from).ok_or(NO_SIGNAL)?, to)
}

const NO_SIGNAL: &str = "no such signal";

/// --parent-death-signal SIGNAL.
pub fn parent_death_signal(options: &mut init::Options, value: &CStr) -> Verdict {
    options.parent_death_signal = signame::parse(value.to_bytes()).ok_or(NO_SIGNAL)?;
    Ok(())
}

/// `--exit-status N[:M]`.
pub fn exit_status(options: &mut init::Options, value: &CStr) -> Verdict {
    let (from, to) = pair(value).unwrap_or((value.to_bytes(), b"0"));
    let status = |text| number(text, 10).and_then(|n| u8::try_from(n).ok());
    let (from, to) = status(from).zip(status(to)).ok_or("a status is a number from 0 to 255")?;
    options.status[usize::from(from)] = to;
    Ok(())
}

/// --grace TIME.
pub fn grace(options: &mut init::Options, value: &CStr) -> Verdict {
    const WHY: &str = "a time is a number with ms, s, m or h, below 24 days";
    let text = value.to_bytes();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (n, unit) = text.split_at(digits);
    let factor = match unit {
        b"ms" => 1,
        b"" | b"s" => 1000,
        b"m" => 60_000,
        b"h" => 3_600_000,
        _ => return Err(WHY),
    };
    let ms = number(n, 10).and_then(|n| n.checked_mul(factor)).filter(|ms| *ms < 1 << 31);
    options.grace = ms.ok_or(WHY)? as u32;
    Ok(())
}

fn pair(value: &CStr) -> Option<(&[u8], &[u8])> {
    let mut parts = split_by(value.to_bytes(), b':');
    let pair = (parts.next()?, parts.next()?);
    parts.next().is_none().then_some(pair)
}
