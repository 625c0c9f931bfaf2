//! The options of all verbs: one table, one parser. They end at the first word that is none.

mod table;

use core::ffi::CStr;

use super::{ASKS_HELP, Verb, Words, init, shown, usage};
use crate::bytes::{Arena, Show, is_among, split_by};
use crate::error::{Context, Result};
use crate::near::nearest;
use crate::syscall::cstr::{List, ThinCStr};
pub use table::HELP;
use table::{LINES, NAMES, SETTERS, Setter};

/// Some of the options: a bit for each row of the table.
#[derive(Clone, Copy)]
pub struct Set(u64);

impl Set {
    /// Whether the option in this row is one of them.
    pub fn has(self, row: usize) -> bool {
        self.0 >> row & 1 != 0
    }
}

/// The options of these names, which have a space between them.
pub const fn of(names: &str) -> Set {
    let (mut set, mut rest) = (0, names.as_bytes());
    while !rest.is_empty() {
        let mut row = 0;
        rest = loop {
            if let Some(rest) = after(rest, NAMES[row].as_bytes()) {
                break rest;
            }
            row += 1;
        };
        set |= 1 << row;
    }
    Set(set)
}

/// What follows the first word of `words`, if that is `word`.
const fn after<'a>(words: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    match (words, word) {
        ([a, words @ ..], [b, word @ ..]) if *a == *b => after(words, word),
        ([b' ', words @ ..] | words @ [], []) => Some(words),
        _ => None,
    }
}

/// What the table says of an option.
pub struct Row {
    /// In its words a letter, or nothing.
    pub letter: &'static [u8],
    /// Without its dashes.
    pub name: &'static [u8],
    /// What its value is called; empty for a switch.
    pub value: &'static [u8],
}

/// All options, in the order of their bits.
pub fn rows() -> impl Iterator<Item = Row> {
    split_by(LINES.as_bytes(), b'\n').map(|line| {
        let mut words = split_by(line, b' ');
        let mut word = || words.next().unwrap_or(b"");
        Row { letter: word(), name: word(), value: word() }
    })
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
    /// --tty, or --no-tty.
    pub tty: Option<bool>,
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
    /// Print the filter.
    pub seccomp: bool,
    /// --new.
    pub new: bool,
    /// --watch, with its seconds or empty.
    pub watch: Option<&'static CStr>,
    /// --wait.
    pub wait: bool,
    /// --systemd.
    pub systemd: bool,
    /// --relay.
    pub relay: bool,
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
        if verb.words == Words::One && options.word.is_none() && (short || !text.starts_with(b"-"))
        {
            options.word = Some(*word);
            rest = after;
            continue;
        }
        if !text.starts_with(b"-") || text == b"-" {
            break;
        }
        rest = after;
        if text == b"--" {
            break;
        }
        if ASKS_HELP.contains(&text) {
            return Ok(false);
        }
        rest = option(verb, *word, after, options, arena)?;
    }
    if let [Some(word), ..] = rest
        && verb.words != Words::Any
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
        let (known, value, first);
        first = letters.get(..1).unwrap_or(b"");
        (known, value, letters) = match long {
            Some(name) => by_name(verb, name),
            None => by_letter(verb, letters),
        };
        let Some((set, called)) = known else {
            return wrong(unknown(verb, long.unwrap_or(first), arena)?);
        };
        let value = value.and_then(|value| CStr::from_bytes_with_nul(value).ok());
        match (called.is_empty(), value, after) {
            (true, Some(_), _) if long.is_some() => {
                return wrong("this option takes no value");
            }
            (true, ..) => set(options, c""),
            (false, Some(value), _) => {
                set(options, value);
                letters = b"";
            }
            // A value that may be left out is a number.
            (false, None, rest)
                if called.starts_with(b"[")
                    && !matches!(rest, [Some(word), ..] if word.bytes().first().is_some_and(u8::is_ascii_digit)) =>
            {
                set(options, c"");
            }
            (false, None, [Some(value), rest @ ..]) => {
                set(options, value.get());
                after = rest;
            }
            (false, None, _) => {
                return wrong(arena.str(format_args!("missing {}", Show(called))).doing("", ())?);
            }
        }
        if let Some(why) = options.fault {
            return wrong(why);
        }
    }
    Ok(after)
}

/// What other launchers have as options of the command, and what nsinit has instead.
const ELSEWHERE: [(&str, &str); 8] = [
    ("i interactive", "standard input goes to the command in any case"),
    ("e env", "set \"environment\" in container.json"),
    ("u user", "set \"user\" in container.json"),
    ("w workdir cwd", "set \"working_dir\" in container.json"),
    ("v volume bind mount", "set \"mounts\" in container.json"),
    ("m memory", "set \"memory\" of \"cgroups\" in container.json"),
    ("hostname", "set \"hostname\" in container.json"),
    ("d detach", "put nsinit into the background: nsinit exec ... &"),
];

/// What is said of an option that the verb does not have, by its letter or its name.
fn unknown(verb: &Verb, name: &[u8], arena: &Arena) -> Result<&'static str> {
    let name = name.strip_suffix(b"\0").unwrap_or(name);
    let name = split_by(name, b'=').next().unwrap_or(name);
    let elsewhere = |row: &&(&str, &str)| is_among(row.0.as_bytes(), b' ', name);
    if let Some((_, instead)) = ELSEWHERE.iter().find(elsewhere).filter(|_| verb.name == "exec") {
        return arena.str(format_args!("unknown option: {instead}")).doing("", ());
    }
    let own = rows().enumerate().filter(|(n, _)| verb.options.has(*n));
    let own = own.filter_map(|(_, row)| str::from_utf8(row.name).ok());
    match nearest(name, own) {
        Some(meant) => arena.str(format_args!("unknown option: did you mean --{meant}?")),
        None => arena.str(format_args!("unknown option (try nsinit {} --help)", verb.name)),
    }
    .doing("", ())
}

/// An option that the verb takes: what it does, and what its value is called.
type Known = (Setter, &'static [u8]);

/// What a word says: the option, the value that is in the same word, the letters that are left.
type Said<'w> = (Option<Known>, Option<&'w [u8]>, &'w [u8]);

/// "name" or "name=VALUE", and a NUL.
fn by_name<'w>(verb: &Verb, word: &'w [u8]) -> Said<'w> {
    let end = word.iter().position(|byte| *byte == b'=' || *byte == 0).unwrap_or(0);
    let (name, value) = word.split_at(end);
    (known(verb, |row| row.name == name), value.strip_prefix(b"="), b"")
}

/// The first of some letters, and what follows it as its value if it takes one.
fn by_letter<'w>(verb: &Verb, letters: &'w [u8]) -> Said<'w> {
    let rest = letters.get(1..).unwrap_or(b"");
    let value = Some(rest).filter(|value| value.len() > 1);
    (known(verb, |row| letters.get(..1) == Some(row.letter)), value, rest)
}

fn known(verb: &Verb, is: impl Fn(&Row) -> bool) -> Option<Known> {
    let mut rows = rows().zip(SETTERS).enumerate();
    let found = rows.find(|(n, (row, _))| verb.options.has(*n) && is(row));
    found.map(|(_, (row, set))| (*set, row.value))
}
