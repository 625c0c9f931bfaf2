//! The options of all verbs: one table, one parser. They end at the first word that is none.

mod table;

use core::ffi::CStr;

use super::{Verb, init, shown, usage};
use crate::bytes::Arena;
use crate::error::{Context, Result};
use crate::syscall::cstr::{List, ThinCStr};
pub use table::OPTIONS;

/// One option.
pub struct Opt {
    /// Without its dashes.
    pub name: &'static str,
    /// What its value is called; empty for a switch.
    pub value: &'static str,
    /// One line.
    pub help: &'static str,
    set: fn(&mut Options, &'static CStr),
}

/// What was given.
#[derive(Default)]
pub struct Options {
    /// --id names one of the machine's own containers.
    pub booted: bool,
    /// --root: the directory of all containers.
    pub root: Option<&'static CStr>,
    /// --id: the container's directory below it.
    pub id: Option<&'static CStr>,
    /// --config.
    pub config: Option<&'static CStr>,
    /// --rootfs.
    pub rootfs: Option<&'static CStr>,
    /// --nspid.
    pub nspid: Option<&'static CStr>,
    /// --containerjson.
    pub containerjson: Option<&'static CStr>,
    /// --no-init.
    pub no_init: bool,
    /// --ready-fd.
    pub ready_fd: Option<&'static CStr>,
    /// --check.
    pub check: Option<&'static CStr>,
    /// --arch.
    pub arch: Option<&'static CStr>,
    /// --strict.
    pub strict: bool,
    /// --force.
    pub force: bool,
    /// --json.
    pub json: bool,
    /// --new.
    pub new: bool,
    /// --watch, with its seconds or empty.
    pub watch: Option<&'static CStr>,
    /// --wait.
    pub wait: bool,
    /// --systemd.
    pub systemd: bool,
    /// --all.
    pub all: bool,
    /// The one word of a verb that takes one.
    pub word: Option<ThinCStr>,
    /// Those of `nsinit init`.
    pub init: crate::init::Options,
    /// --explain-zombies.
    pub explain_zombies: bool,
    /// Why the value of the option that was just set is wrong.
    fault: Option<&'static str>,
    /// The words after the options, NULL-terminated.
    pub command: List<'static>,
}

/// The letters of some.
pub const SHORT: &[(u8, &str)] = &[
    (b'g', "group"),
    (b's', "subreaper"),
    (b'r', "rewrite"),
    (b'e', "exit-status"),
    (b'p', "parent-death-signal"),
    (b'P', "pause"),
    (b'v', "verbose"),
    (b'w', "warn-on-reap"),
];

/// Parses the words after a verb. `None` where its help is asked for.
pub fn parse(
    verb: &Verb,
    words: List<'static>,
    arena: &Arena,
    options: &mut Options,
) -> Result<bool> {
    let mut rest = words;
    while let [Some(word), after @ ..] = rest {
        let text = word.bytes();
        // "kill TERM", and "kill -9", as kill(1) takes it.
        let short = text.starts_with(b"-") && !text.starts_with(b"--") && text != b"-h";
        if verb.takes_word() && options.word.is_none() && (short || !text.starts_with(b"-")) {
            options.word = Some(*word);
            rest = after;
            continue;
        }
        if !text.starts_with(b"-") || text == b"-" {
            break;
        }
        rest = after;
        match text {
            b"--" => break,
            b"--help" | b"-h" => return Ok(false),
            _ => rest = option(verb, *word, after, options, arena)?,
        }
    }
    if let [Some(word), ..] = rest
        && !verb.takes_command()
    {
        return Err(usage(shown(word.bytes(), arena), "this verb takes options only (try --help)"));
    }
    options.command = rest;
    options.init.argv = rest;
    Ok(true)
}

/// One option, as `--name`, `--name VALUE` or `--name=VALUE`, or letters, as `-vg` or `-rVALUE`; the
/// words after it.
fn option(
    verb: &Verb,
    word: ThinCStr,
    mut after: List<'static>,
    options: &mut Options,
    arena: &Arena,
) -> Result<List<'static>> {
    let wrong = |why| Err(usage(shown(word.bytes(), arena), why));
    let text = word.get().to_bytes_with_nul();
    let mut letters = text.get(1..).unwrap_or(b"");
    let long = letters.strip_prefix(b"-");
    while !matches!(letters, [] | [0]) {
        let (known, value);
        (known, value, letters) = match long {
            Some(name) => by_name(verb, name),
            None => by_letter(verb, letters),
        };
        let Some(known) = known else {
            return wrong("no such option for this verb (try --help)");
        };
        let value = value.and_then(|value| CStr::from_bytes_with_nul(value).ok());
        match (known.value.is_empty(), value, after) {
            (true, Some(_), _) if long.is_some() => {
                return wrong("this option takes no value");
            }
            (true, ..) => (known.set)(options, c""),
            (false, Some(value), _) => {
                (known.set)(options, value);
                letters = b"";
            }
            // A value that may be left out is a number.
            (false, None, rest)
                if known.value.starts_with('[')
                    && !matches!(rest, [Some(word), ..] if word.bytes().first().is_some_and(u8::is_ascii_digit)) =>
            {
                (known.set)(options, c"");
            }
            (false, None, [Some(value), rest @ ..]) => {
                (known.set)(options, value.get());
                after = rest;
            }
            (false, None, _) => {
                let why =
                    arena.str(format_args!("its {} is missing", known.value)).doing("", ())?;
                return wrong(why);
            }
        }
        if let Some(why) = options.fault {
            return wrong(why);
        }
    }
    Ok(after)
}

/// What a word says: the option, the value that is in the same word, the letters that are left.
type Said<'w> = (Option<&'static Opt>, Option<&'w [u8]>, &'w [u8]);

/// "name" or "name=VALUE", and a NUL.
fn by_name<'w>(verb: &Verb, word: &'w [u8]) -> Said<'w> {
    let end = word.iter().position(|byte| *byte == b'=' || *byte == 0).unwrap_or(0);
    let (name, value) = word.split_at(end);
    (named(verb, name), value.strip_prefix(b"="), b"")
}

/// The first of some letters, and what follows it as its value if it takes one.
fn by_letter<'w>(verb: &Verb, letters: &'w [u8]) -> Said<'w> {
    let name = SHORT.iter().find(|(letter, _)| letters.first() == Some(letter));
    let rest = letters.get(1..).unwrap_or(b"");
    let value = Some(rest).filter(|value| value.len() > 1);
    (name.and_then(|(_, name)| named(verb, name.as_bytes())), value, rest)
}

fn named(verb: &Verb, name: &[u8]) -> Option<&'static Opt> {
    OPTIONS
        .iter()
        .find(|option| option.name.as_bytes() == name && verb.options.contains(&option.name))
}
