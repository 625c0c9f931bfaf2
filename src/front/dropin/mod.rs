//! nsinit in the place of another init. Called by that program's name it takes that program's
//! options and environment variables, and answers `--version` in the form that engines look for.
//!
//! A file per program has its table. What is here reads words as getopt_long(3) does with "+":
//! switches in one word (`-gvv`), a value in the same word or the next, unambiguous beginnings of
//! long names. Options end at the first word that is none, so that nothing is taken from the command
//! (peers that are built with glibc go on looking behind it).

use core::ffi::CStr;
use core::fmt::{Display, Write};

use super::init::{self, Verdict};
use super::{Context, Failure, answer, usage};
use crate::bytes::Show;
use crate::init::{Options, take_signals};
use crate::packed::Packed;
use crate::say;
use crate::syscall::cstr::{List, ThinCStr};

mod catatonit;
mod dumb_init;
mod tini;

/// Another init.
pub struct Peer {
    /// The names of its program, and paths where engines put it under a name that says nothing.
    names: &'static [&'static str],
    options: &'static [Opt],
    variables: &'static [Variable],
    /// What it does unless it is asked otherwise.
    begin: fn(&mut Wish),
    /// What follows from all that was asked.
    finish: fn(&mut Wish),
    /// Its answer to --version, with nsinit's own.
    version: &'static str,
    /// Its answer to -h.
    usage: Packed,
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
    /// It takes a value. That is the rest of a word or a word, and so ends with a NUL.
    Value(fn(&mut Wish, &CStr) -> Verdict),
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
    let wish = &mut Wish { options: &mut options, single: false, fault: None };
    (peer.begin)(wish);
    if let Some(question) = read(peer, wish, &context)? {
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
    wish: &mut Wish,
    context: &Context,
) -> Result<Option<&'static Act>, Failure> {
    let mut rest: List<'static> = context.args.get(1..).unwrap_or(&[None]);
    while let [Some(word), after @ ..] = rest {
        let [b'-', inside @ .., _] = word.get().to_bytes_with_nul() else { break };
        if inside.is_empty() {
            break;
        }
        rest = after;
        if inside == b"-" {
            break;
        }
        let next = after.first().copied().flatten();
        match take(peer, word.get(), next, wish) {
            Ok(Taken::Switch | Taken::Value) => {}
            Ok(Taken::Next) => rest = after.get(1..).unwrap_or(&[None]),
            Ok(Taken::Question(act)) => return Ok(Some(act)),
            Err(why) => {
                let word = context.arena.str(format_args!("{}", Show(word.bytes())));
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

/// One word.
fn take(
    peer: &'static Peer,
    word: &'static CStr,
    next: Option<ThinCStr>,
    wish: &mut Wish,
) -> Result<Taken, &'static str> {
    let text = word.to_bytes_with_nul();
    if let Some(long) = text.strip_prefix(b"--") {
        let end = long.iter().position(|byte| matches!(*byte, b'=' | 0)).unwrap_or(0);
        let (name, value) = long.split_at(end);
        let value = value.strip_prefix(b"=");
        let option = by_word(peer, name)?;
        return match (&option.act, value) {
            (Act::Value(_), _) | (_, None) => act(option, value, next, wish),
            (_, Some(_)) => Err("this option takes no value"),
        };
    }
    let mut letters = text.get(1..).unwrap_or(b"");
    while let [letter, rest @ ..] = letters
        && *letter != 0
    {
        letters = rest;
        let mut options = peer.options.iter();
        let option = options.find(|option| option.letter == *letter).ok_or(UNKNOWN)?;
        let value = Some(rest).filter(|rest| rest.len() > 1);
        match act(option, value, next, wish)? {
            Taken::Switch => {}
            taken => return Ok(taken),
        }
    }
    Ok(Taken::Switch)
}

const UNKNOWN: &str = "no such option (try -h)";

/// The option of this name, or the only one that begins so: no name begins another (see the tests).
fn by_word(peer: &'static Peer, name: &[u8]) -> Result<&'static Opt, &'static str> {
    let mut found = Err(UNKNOWN);
    let words = peer.options.iter().filter(|option| !option.word.is_empty());
    for option in words.filter(|option| option.word.as_bytes().starts_with(name)) {
        found = if found.is_ok() { Err("more than one option begins so") } else { Ok(option) };
    }
    found
}

/// An option with the value in its word, which ends with a NUL, or else the next word.
fn act(
    option: &'static Opt,
    value: Option<&[u8]>,
    next: Option<ThinCStr>,
    wish: &mut Wish,
) -> Result<Taken, &'static str> {
    match &option.act {
        Act::Switch(set) => {
            set(wish);
            Ok(Taken::Switch)
        }
        Act::Value(set) => match (value, next) {
            (Some(value), _) => {
                let value = CStr::from_bytes_with_nul(value).unwrap_or(c"");
                set(wish, value).map(|()| Taken::Value)
            }
            (None, Some(next)) => set(wish, next.get()).map(|()| Taken::Next),
            (None, None) => Err("its value is missing"),
        },
        question => Ok(Taken::Question(question)),
    }
}

/// Answers a question.
#[inline(never)] // its frame is a page
fn tell(peer: &Peer, question: &Act) -> Result<u8, Failure> {
    let (text, on_stderr) = match question {
        Act::Version => (&peer.version as &dyn Display, peer.version_on_stderr),
        Act::License => (&"nsinit: Apache License, version 2.0" as _, false),
        _ => (&peer.usage as _, peer.usage_on_stderr),
    };
    let mut out = if on_stderr { say::remark() } else { say::answer() };
    // The first error of `out` is told by its `flush`.
    let _ = writeln!(out, "{text}");
    answer(out)
}

#[cfg(test)]
pub fn usages() -> impl Iterator<Item = Packed> {
    PEERS.into_iter().map(|peer| peer.usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_with_and_without_a_directory() {
        let peer = |word: &'static CStr| called_as(Some(word.into())).map(|peer| peer.names[0]);
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

    /// What nobody can see from outside: who is not PID 1 is a subreaper anyway.
    #[test]
    fn a_subreaper_is_asked_for_by_option_and_by_variable() {
        use crate::init::Subreaper;
        let mut options = Options::default();
        let wish = &mut Wish { options: &mut options, single: false, fault: None };
        assert!(take(&tini::PEER, c"-s", None, wish).is_ok());
        assert_eq!(wish.options.subreaper, Subreaper::On);
        wish.options.subreaper = Subreaper::Auto;
        let name = "TINI_SUBREAPER";
        let variable = tini::PEER.variables.iter().find(|variable| variable.name == name).unwrap();
        (variable.set)(wish, b"");
        assert_eq!(wish.options.subreaper, Subreaper::On);
    }

    #[test]
    fn every_option_and_variable_is_told_and_none_twice() {
        for peer in PEERS {
            let usage = peer.usage.to_string();
            let mut seen = Vec::new();
            for Opt { letter, word, .. } in peer.options {
                let mut names = Vec::new();
                let begun = peer.options.iter().filter(|other| other.word.starts_with(word));
                assert!(word.is_empty() || begun.count() == 1, "{}: {word}", peer.names[0]);
                names.extend((*letter != 0).then(|| format!("-{}", char::from(*letter))));
                // Every peer takes --help as a favour.
                names.extend((!["", "help"].contains(word)).then(|| format!("--{word}")));
                for name in &names {
                    assert!(usage.contains(name.as_str()), "{}: {name}", peer.names[0]);
                    assert!(!seen.contains(name), "{}: {name} twice", peer.names[0]);
                }
                assert!(!names.is_empty());
                seen.extend(names);
            }
            for variable in peer.variables.iter().filter(|v| v.name != "CATATONIT_LOG") {
                assert!(usage.contains(variable.name), "{}", variable.name);
            }
            assert!(peer.version.contains(concat!("nsinit ", env!("CARGO_PKG_VERSION"))));
        }
    }
}
