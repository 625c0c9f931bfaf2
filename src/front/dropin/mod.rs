//! nsinit in the place of another init. Called by that program's name it takes that program's
//! options and environment variables, and answers `--version` in the form that engines look for.
//!
//! A file per program has its table. What is here reads words as getopt_long(3) does with "+":
//! switches in one word (`-gvv`), a value in the same word or the next, unambiguous beginnings of
//! long names. Options end at the first word that is none, so that nothing is taken from the command
//! (peers that are built with glibc go on looking behind it).

use core::fmt::Write;

use super::{Context, Failure, answer, init, usage};
use crate::bytes::{Arena, Show};
use crate::init::{Options, take_signals};
use crate::say;
use crate::signame;
use crate::syscall::cstr::{List, ThinCStr};
use crate::syscall::signal::SigSet;

mod catatonit;
mod dumb_init;
mod tini;

/// Another init.
pub struct Peer {
    /// The names of its program, and paths where engines put it under a name that says nothing.
    names: &'static [&'static str],
    options: &'static [Opt],
    variables: &'static [Variable],
    /// What it does besides, once all is read.
    finish: fn(&mut Wish),
    /// Its answer to --version, up to nsinit's own.
    version: &'static str,
    /// Its answer to -h.
    usage: &'static str,
    /// Its answers are on standard error, which is part of what callers rely on.
    version_on_stderr: bool,
    usage_on_stderr: bool,
}

/// An option by letter, by word, or both: 0 and "" stand for none.
struct Opt {
    letter: u8,
    word: &'static str,
    act: Act,
}

/// What an option does.
enum Act {
    Switch(fn(&mut Wish)),
    Value(fn(&mut Wish, &[u8]) -> Result<(), &'static str>),
    Usage,
    Version,
    License,
}

/// An environment variable, and what its value does.
struct Variable {
    name: &'static str,
    set: fn(&mut Wish, &[u8]),
}

/// What has been asked for so far.
struct Wish<'a> {
    options: &'a mut Options,
    /// dumb-init: no session.
    single: bool,
    /// Signals that -r has named.
    rewritten: SigSet,
    /// Why a variable is refused.
    fault: Option<&'static str>,
}

const PEERS: [&Peer; 3] = [&tini::PEER, &dumb_init::PEER, &catatonit::PEER];

/// The init that nsinit is called as, by the first word of the command line.
pub fn called_as(word: Option<ThinCStr>) -> Option<&'static Peer> {
    let path = word?.bytes();
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    PEERS.into_iter().find(|peer| {
        peer.names.iter().any(|known| known.as_bytes() == name || known.as_bytes() == path)
    })
}

/// Does what the words and variables ask of `peer`; the exit status.
pub fn run(peer: &'static Peer, mut context: Context) -> Result<u8, Failure> {
    // First of all: to PID 1 a signal that it has not blocked is lost.
    context.signals = Some(take_signals()?);
    let mut options = Options::default();
    let wish =
        &mut Wish { options: &mut options, single: false, rewritten: SigSet::EMPTY, fault: None };
    let words = context.args.get(1..).unwrap_or(&[None]);
    if let Some(question) = read(peer, words, wish, context.arena)? {
        return tell(peer, question);
    }
    for variable in peer.variables {
        if let Some(value) = context.env.get(variable.name) {
            (variable.set)(wish, value.to_bytes());
            if let Some(why) = wish.fault {
                return Err(usage(variable.name, why));
            }
        }
    }
    (peer.finish)(wish);
    init::begin(&options, context)
}

/// Reads the options; what follows is the command. The first question, if there is one.
fn read(
    peer: &'static Peer,
    words: List<'static>,
    wish: &mut Wish,
    arena: &Arena,
) -> Result<Option<&'static Act>, Failure> {
    let mut rest = words;
    while let [Some(word), after @ ..] = rest {
        let [b'-', inside @ ..] = word.bytes() else { break };
        if inside.is_empty() {
            break;
        }
        rest = after;
        if inside == b"-" {
            break;
        }
        let next = after.first().copied().flatten();
        match take(peer, inside, next, wish) {
            Ok(Taken::Switch | Taken::Value) => {}
            Ok(Taken::Next) => rest = after.get(1..).unwrap_or(&[None]),
            Ok(Taken::Question(act)) => return Ok(Some(act)),
            Err(why) => {
                let word = arena.str(format_args!("{}", Show(word.bytes())));
                return Err(usage(word.unwrap_or("this option"), why));
            }
        }
    }
    wish.options.argv = rest;
    Ok(None)
}

/// What an option was, and so where the reading goes on.
enum Taken {
    Switch,
    /// Its value ended the word.
    Value,
    /// Its value was the next word.
    Next,
    Question(&'static Act),
}

/// One word, without its first dash.
fn take(
    peer: &'static Peer,
    inside: &[u8],
    next: Option<ThinCStr>,
    wish: &mut Wish,
) -> Result<Taken, &'static str> {
    if let Some(long) = inside.strip_prefix(b"-") {
        let end = long.iter().position(|byte| *byte == b'=').unwrap_or(long.len());
        let (name, value) = long.split_at(end);
        let value = value.strip_prefix(b"=");
        let option = by_word(peer, name)?;
        return match (&option.act, value) {
            (Act::Value(_), _) | (_, None) => act(option, value, next, wish),
            (_, Some(_)) => Err("this option takes no value"),
        };
    }
    let mut letters = inside;
    while let [letter, rest @ ..] = letters {
        letters = rest;
        let mut options = peer.options.iter();
        let option = options.find(|option| option.letter == *letter).ok_or(UNKNOWN)?;
        let value = Some(rest).filter(|rest| !rest.is_empty());
        match act(option, value, next, wish)? {
            Taken::Switch => {}
            taken => return Ok(taken),
        }
    }
    Ok(Taken::Switch)
}

const UNKNOWN: &str = "no such option (try -h)";

/// The option of this name, or the only one that begins so.
fn by_word(peer: &'static Peer, name: &[u8]) -> Result<&'static Opt, &'static str> {
    let mut found = Err(UNKNOWN);
    for option in peer.options.iter().filter(|option| option.word.as_bytes().starts_with(name)) {
        if option.word.len() == name.len() {
            return Ok(option);
        }
        found = if found.is_ok() { Err("more than one option begins so") } else { Ok(option) };
    }
    found
}

fn act(
    option: &'static Opt,
    value: Option<&[u8]>,
    next: Option<ThinCStr>,
    wish: &mut Wish,
) -> Result<Taken, &'static str> {
    match (&option.act, value, next) {
        (Act::Switch(set), _, _) => {
            set(wish);
            Ok(Taken::Switch)
        }
        (Act::Value(set), Some(value), _) => set(wish, value).map(|()| Taken::Value),
        (Act::Value(set), None, Some(next)) => set(wish, next.bytes()).map(|()| Taken::Next),
        (Act::Value(_), None, None) => Err("its value is missing"),
        (question, _, _) => Ok(Taken::Question(question)),
    }
}

/// The signal of this number or name.
fn signal(text: &[u8]) -> Result<u8, &'static str> {
    signame::parse(text).ok_or("there is no such signal")
}

/// Answers a question.
fn tell(peer: &Peer, question: &Act) -> Result<u8, Failure> {
    let (text, on_stderr) = match question {
        Act::Version => (peer.version, peer.version_on_stderr),
        Act::License => ("nsinit: Apache License, version 2.0", false),
        _ => (peer.usage, peer.usage_on_stderr),
    };
    let mut out = if on_stderr { say::remark() } else { say::answer() };
    // The first error of `out` is told by its `flush`.
    let _ = writeln!(out, "{text}");
    answer(out)
}
