//! nsinit in the place of another init. Called by that program's name it takes that program's
//! options and environment variables, ends with its statuses, and says what scripts and people look for
//! in its words.
//!
//! A file per program has its table and its words; `getopt` reads the words of the command line.

use core::ffi::CStr;
use core::fmt::{self, Display, Write};

use super::init::{self, Verdict};
use super::{Context, answer};
use crate::bytes::{Show, split_by};
use crate::errno::Plain;
use crate::error::{Error, Result};
use crate::init::{Manner, Options, Placement, Subreaper, run as run_init, take_signals};
use crate::say;
use crate::syscall::cstr::{Env, List, ThinCStr};

mod catatonit;
mod dumb_init;
mod getopt;
mod tini;

use getopt::take;

/// What all three end with when they are asked wrongly, or fail themselves.
const FAILED: u8 = 1;

/// Another init.
pub struct Peer {
    /// The names of its program, and paths where engines put it under a name that says nothing.
    names: &'static str,
    /// Its options, a word each: the letter, ":" if it takes a value, and the long name if there is one.
    /// `set` says what they do.
    options: &'static str,
    /// It has no long options but --version as its only word.
    lone_version: bool,
    /// What it does unless it is asked otherwise.
    begin: fn(&mut Options, &Env) -> core::result::Result<(), Wrong>,
    /// What follows from its environment variables, and from all that was asked.
    finish: fn(&mut Options, &Env),
    /// How it speaks once it was asked rightly.
    manner: Manner,
    /// What it says, beside getopt's own line, when it was asked wrongly; with the first word of the command
    /// line.
    refuse: fn(&CStr, &Wrong),
    /// Its answer to --version.
    version: &'static str,
    /// Its answer to -h.
    help: &'static str,
    /// Its answers are on standard error, which is part of what callers rely on.
    version_on_stderr: bool,
    help_on_stderr: bool,
}

static PEERS: [&Peer; 3] = [&tini::PEER, &dumb_init::PEER, &catatonit::PEER];

/// What is wrong with the words, or the environment.
pub enum Wrong {
    /// An option that it has not, or not so: getopt's line.
    Option(getopt::Fault),
    /// A value that its option can't have.
    Value { letter: u8, value: Show<'static>, why: &'static str },
    /// No command.
    NoCommand,
    /// A variable that must not be set.
    Reserved(&'static str),
}

/// The init that nsinit is called as, by the first word of the command line.
pub fn called_as(word: Option<ThinCStr>) -> Option<&'static Peer> {
    let path = word?.bytes();
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    PEERS.into_iter().find(|peer| {
        split_by(peer.names.as_bytes(), b' ').any(|known| known == name || known == path)
    })
}

/// Does what the words and variables ask of `peer`; the exit status.
pub fn run(peer: &'static Peer, context: Context) -> u8 {
    // First of all: to PID 1 a signal that it has not blocked is lost.
    let signals = match take_signals() {
        Ok(signals) => signals,
        Err(error) => return failed(error),
    };
    let options = &mut Options { manner: &peer.manner, ..Options::default() };
    match asked(peer, &context, options) {
        Ok(None) => failed(run_init(options, context.env, signals, context.arena)),
        Ok(Some(question)) => tell(peer, question).unwrap_or_else(failed),
        Err(wrong) => {
            let name = context.args.first().copied().flatten().map_or(c"", |word| word.get());
            if let Wrong::Option(fault) = &wrong {
                say::line(format_args!("{}: {fault}", Show(name.to_bytes())));
            }
            (peer.refuse)(name, &wrong);
            FAILED
        }
    }
}

/// nsinit's own failure, in its own words.
fn failed(error: Error) -> u8 {
    say::error(format_args!("{error}"));
    FAILED
}

/// Fills the options; the letter of a question, if one was asked. Options end at the first word that is none,
/// as with getopt's "+", so that nothing is taken from the command (peers that are built with glibc go on
/// looking behind it).
fn asked(
    peer: &'static Peer,
    context: &Context,
    options: &mut Options,
) -> core::result::Result<Option<u8>, Wrong> {
    (peer.begin)(options, &context.env)?;
    let mut rest: List<'static> = context.args.get(1..).unwrap_or(&[None]);
    if peer.lone_version && matches!(rest, [Some(word), None] if word.bytes() == b"--version") {
        return Ok(Some(b'V'));
    }
    while let [Some(word), after @ ..] = rest {
        let [b'-', inside @ .., _] = word.get().to_bytes_with_nul() else { break };
        if inside.is_empty() {
            break;
        }
        rest = after;
        if inside == b"-" {
            break;
        }
        if let Some(question) = take(peer, word.get(), &mut rest, options)? {
            return Ok(Some(question));
        }
    }
    options.argv = rest;
    (peer.finish)(options, &context.env);
    let given = !matches!(options.argv, [] | [None]);
    if given || options.pause { Ok(None) } else { Err(Wrong::NoCommand) }
}

/// What the options of all of them do: no two mean different things by a letter.
fn set(options: &mut Options, letter: u8, value: &CStr) -> Verdict {
    match letter {
        b'c' => options.placement = Placement::Stay,
        b'e' => return tini::expect(options, value),
        b'g' => options.group = true,
        b'p' => return init::parent_death_signal(options, value),
        b'P' => options.pause = true,
        b'r' => return init::rewrite(options, value),
        b's' => options.subreaper = Subreaper::On,
        b'v' => options.verbosity = options.verbosity.saturating_add(1),
        b'w' => options.warn_on_reap = true,
        _ => {}
    }
    Ok(())
}

/// Answers a question.
fn tell(peer: &Peer, question: u8) -> Result<u8> {
    match question {
        b'V' => print(peer.version, peer.version_on_stderr),
        b'l' | b'L' => print("nsinit: Apache License, version 2.0", false),
        _ => print(peer.help, peer.help_on_stderr),
    }
}

/// Prints a text and a newline.
fn print(text: &str, on_stderr: bool) -> Result<u8> {
    let mut out = if on_stderr { say::remark() } else { say::answer() };
    // The first error of `out` is told by its `flush`.
    let _ = writeln!(out, "{text}");
    answer(&mut out)
}

/// The command's own word, as a peer names it.
struct Command<'a>(&'a Options);

impl Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let word = self.0.argv.first().copied().flatten();
        Show(word.map_or(b"", |word| word.bytes())).fmt(f)
    }
}

/// Why the command can't be executed, as strerror(3) has it.
fn reason(error: Error) -> Plain {
    Plain(error.raw().unwrap_or(rustix::io::Errno::NOENT))
}

/// Says what nsinit knows beyond that, if it does: on a line of its own, as scripts know the first.
fn add_hint(error: Error, say: &dyn Fn(&str)) {
    let hint = error.words();
    if !hint.is_empty() {
        say(hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_with_and_without_a_directory() {
        let peer = |word: &'static CStr| {
            called_as(Some(word.into())).map(|peer| peer.names.split(' ').next().unwrap())
        };
        assert_eq!(peer(c"tini"), Some("tini"));
        assert_eq!(peer(c"/sbin/docker-init"), Some("tini"));
        assert_eq!(peer(c"./dumb-init"), Some("dumb-init"));
        assert_eq!(peer(c"/run/podman-init"), Some("catatonit"));
        assert_eq!(peer(c"/dev/init"), Some("tini"));
        for other in [c"init", c"/sbin/init", c"/run/dev/init", c"tini/", c"", c"nsinit"] {
            assert_eq!(peer(other), None, "{other:?}");
        }
        assert!(called_as(None).is_none());
    }

    #[test]
    fn every_option_is_in_the_help_and_none_twice() {
        for peer in PEERS {
            let mut seen = Vec::new();
            let words = peer.options.split(' ').map(|text| {
                let (letter, word) = text.split_at(1);
                (letter, word.strip_prefix(':').unwrap_or(word))
            });
            for (letter, word) in words.clone() {
                let mut names = vec![format!("-{letter}")];
                let begun = words.clone().filter(|(_, other)| other.starts_with(word));
                assert!(word.is_empty() || begun.count() == 1, "{}: {word}", peer.names);
                names.extend((!word.is_empty()).then(|| format!("--{word}")));
                for name in &names {
                    assert!(peer.help.contains(name.as_str()), "{}: {name}", peer.names);
                    assert!(!seen.contains(name), "{}: {name} twice", peer.names);
                }
                seen.extend(names);
            }
            assert!(peer.help.contains(concat!("nsinit ", env!("CARGO_PKG_VERSION"))));
        }
    }
}
