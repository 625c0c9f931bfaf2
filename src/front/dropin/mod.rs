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
use super::{Context, answer, shown, usage};
use crate::bytes::split_by;
use crate::error::Result;
use crate::init::{Options, Placement, Subreaper, take_signals};
use crate::say;
use crate::syscall::cstr::{Env, List, ThinCStr};

mod catatonit;
mod dumb_init;
mod tini;

/// Another init.
pub struct Peer {
    /// The names of its program, and paths where engines put it under a name that says nothing.
    names: &'static str,
    /// Its options, a word each: the letter (NUL stands for none), ":" if it takes a value, and the long
    /// name if there is one. `set` says what they do.
    options: &'static str,
    /// What it does unless it is asked otherwise.
    begin: fn(&mut Options),
    /// What follows from its environment variables, and from all that was asked.
    finish: fn(&mut Options, &Env) -> Result<()>,
    /// Its answer to --version, with nsinit's own.
    version: &'static str,
    /// Its answer to -h.
    usage: &'static str,
    /// Its answers are on standard error, which is part of what callers rely on.
    version_on_stderr: bool,
    usage_on_stderr: bool,
}

const PEERS: [&Peer; 3] = [&tini::PEER, &dumb_init::PEER, &catatonit::PEER];

/// The init that nsinit is called as, by the first word of the command line.
pub fn called_as(word: Option<ThinCStr>) -> Option<&'static Peer> {
    let path = word?.bytes();
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    PEERS.into_iter().find(|peer| {
        split_by(peer.names.as_bytes(), b' ').any(|known| known == name || known == path)
    })
}

/// Does what the words and variables ask of `peer`; the exit status.
pub fn run(peer: &'static Peer, mut context: Context) -> Result<u8> {
    // First of all: to PID 1 a signal that it has not blocked is lost.
    context.signals = Some(take_signals()?);
    let options = &mut Options::default();
    (peer.begin)(options);
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
        let asked = take(peer, word.get(), &mut rest, options);
        match asked.map_err(|why| usage(shown(word.bytes(), context.arena), why))? {
            None => {}
            Some(question) => return tell(peer, question),
        }
    }
    options.argv = rest;
    (peer.finish)(options, &context.env)?;
    init::begin(options, context)
}

/// One word, which may be followed by a value in the `rest`. The letter of a question, if it is one.
fn take(
    peer: &Peer,
    word: &'static CStr,
    rest: &mut List<'static>,
    options: &mut Options,
) -> core::result::Result<Option<u8>, &'static str> {
    let mut letters = word.to_bytes_with_nul().get(1..).unwrap_or(b"");
    let long = letters.strip_prefix(b"-");
    while let [first, after @ ..] = letters
        && *first != 0
    {
        // What is in the word behind the option, with the NUL at its end, may be its value.
        let ((letter, name), value);
        ((letter, name), value, letters) = match long {
            Some(long) => {
                let end = long.iter().position(|byte| matches!(*byte, b'=' | 0)).unwrap_or(0);
                let (name, value) = long.split_at(end);
                ((0, name), value.strip_prefix(b"="), &b""[..])
            }
            None => ((*first, &b""[..]), Some(after).filter(|text| text.len() > 1), after),
        };
        let option = find(peer, letter, name)?;
        let value = match (option.takes_value, value, *rest) {
            (false, Some(_), _) if long.is_some() => return Err("this option takes no value"),
            (false, ..) => c"",
            (true, Some(value), _) => {
                letters = b"";
                CStr::from_bytes_with_nul(value).unwrap_or(c"")
            }
            (true, None, [Some(next), after @ ..]) => {
                *rest = after;
                next.get()
            }
            (true, None, _) => return Err("its value is missing"),
        };
        if matches!(option.letter, b'h' | b'l' | b'L' | b'V' | 0) {
            return Ok(Some(option.letter));
        }
        set(options, option.letter, value)?;
    }
    Ok(None)
}

/// An option, as the list says it.
struct Opt {
    letter: u8,
    takes_value: bool,
}

/// The option of this letter; or with a name that of this name, or the only one that begins so: no name
/// begins another (see the tests).
fn find(peer: &Peer, letter: u8, name: &[u8]) -> core::result::Result<Opt, &'static str> {
    let mut found = Err("no such option (try -h)");
    for text in split_by(peer.options.as_bytes(), b' ') {
        let (own, word) = text.split_first().unwrap_or((&0, b""));
        let (own, value) = (*own, word.strip_prefix(b":"));
        let word = value.unwrap_or(word);
        if if name.is_empty() { own == letter } else { word.starts_with(name) } {
            let option = Opt { letter: own, takes_value: value.is_some() };
            found = found.map_or(Ok(option), |_| Err("more than one option begins so"));
        }
    }
    found
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
#[inline(never)] // its frame is a page
fn tell(peer: &Peer, question: u8) -> Result<u8> {
    let (text, on_stderr) = match question {
        b'V' | 0 => (&peer.version as &dyn Display, peer.version_on_stderr),
        b'l' | b'L' => (&"nsinit: Apache License, version 2.0" as _, false),
        _ => (&peer.usage as _, peer.usage_on_stderr),
    };
    let mut out = if on_stderr { say::remark() } else { say::answer() };
    // The first error of `out` is told by its `flush`.
    let _ = writeln!(out, "{text}");
    answer(&mut out)
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

    /// What nobody can see from outside: who is not PID 1 is a subreaper anyway.
    #[test]
    fn a_subreaper_is_asked_for_by_option_and_by_variable() {
        let mut options = Options::default();
        assert_eq!(take(&tini::PEER, c"-s", &mut &[None][..], &mut options), Ok(None));
        assert_eq!(options.subreaper, Subreaper::On);
        options.subreaper = Subreaper::Auto;
        let env = Env::of(Vec::leak(vec![Some(c"TINI_SUBREAPER=".into()), None]));
        assert!((tini::PEER.finish)(&mut options, &env).is_ok());
        assert_eq!(options.subreaper, Subreaper::On);
    }

    #[test]
    fn every_option_and_variable_is_told_and_none_twice() {
        for peer in PEERS {
            let usage = peer.usage.to_string();
            let mut seen = Vec::new();
            let words = peer.options.split(' ').map(|text| {
                let (letter, word) = text.split_at(1);
                (letter, word.strip_prefix(':').unwrap_or(word))
            });
            for (letter, word) in words.clone() {
                let mut names = Vec::new();
                let begun = words.clone().filter(|(_, other)| other.starts_with(word));
                assert!(word.is_empty() || begun.count() == 1, "{}: {word}", peer.names);
                names.extend((letter != "\0").then(|| format!("-{letter}")));
                // Every peer takes --help as a favour.
                names.extend((!["", "help"].contains(&word)).then(|| format!("--{word}")));
                for name in &names {
                    assert!(usage.contains(name.as_str()), "{}: {name}", peer.names);
                    assert!(!seen.contains(name), "{}: {name} twice", peer.names);
                }
                assert!(!names.is_empty());
                seen.extend(names);
            }
            assert!(peer.version.contains(concat!("nsinit ", env!("CARGO_PKG_VERSION"))));
        }
    }
}
