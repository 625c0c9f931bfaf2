//! What the user meets: the verbs, their options and their help. A verb turns words and files into a
//! plan and has it carried out; `libct` is the front end for container.json.

pub mod libct;

mod config;
mod dropin;
mod exec;
mod failure;
mod hide;
mod init;
mod kill;
pub mod load;
mod machine;
mod nsenter;
mod oom;
pub mod options;
mod pause;
mod ps;
mod running;
mod state;
mod stats;
mod watch;

use core::fmt::Write;
use core::mem::MaybeUninit;

use crate::boot;
use crate::bytes::{Arena, Show};
use crate::error::{Error, Result};
use crate::init::{Signals, take_signals};
use crate::near::nearest;
use crate::plan::Plan;
use crate::say;
use crate::security::caps;
use crate::syscall::cstr::{Env, List, ThinCStr};
pub use failure::tell;
pub use options::Options;
use options::Set;

/// What a verb works with.
pub struct Context<'a> {
    /// The words of the command line, with the program's name.
    pub args: List<'static>,
    /// The environment.
    pub env: Env,
    /// The path that was executed, as the kernel tells it (AT_EXECFN, getauxval(3)).
    pub executed: Option<ThinCStr>,
    /// Memory for strings.
    pub arena: &'a Arena,
    /// Where the plan will be (`blank`).
    pub plan: &'static mut MaybeUninit<Plan>,
    /// The caller's signals, where they are blocked already.
    pub signals: Option<Signals>,
}

/// A verb. The one definition feeds the parser, the list of verbs and the verb's own help.
pub struct Verb {
    /// Its word.
    pub name: &'static str,
    /// What may follow its options.
    pub words: Words,
    /// Its help. The first line is what may follow the verb, the second one its line in the list of
    /// verbs.
    pub text: &'static str,
    /// The options that it takes.
    pub options: Set,
    /// Carries it out; the exit status.
    pub run: fn(Context, &Options) -> Result<u8>,
}

/// What may follow the options of a verb.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Nothing.
    None,
    /// One word, which may as well stand among the options.
    One,
    /// A command, or the like.
    Any,
}

const VERBS: &[Verb] = &[
    exec::VERB,
    state::VERB,
    ps::VERB,
    kill::VERB,
    pause::PAUSE,
    pause::UNPAUSE,
    stats::VERB,
    oom::VERB,
    config::VERB,
    nsenter::VERB,
    init::VERB,
    machine::LIST_VERB,
    machine::LOGS,
    machine::START,
    machine::STOP,
    machine::RESTART,
    machine::BLAME,
    machine::BOOT,
    boot::ask::POWEROFF,
    boot::ask::REBOOT,
    boot::ask::HALT,
];
/// So many of them, the last, are names of programs too.
const PROGRAMS: usize = 3;

/// What the verbs are called elsewhere.
const OTHERS: &[(&str, &str)] = &[
    ("run", "exec"),
    ("enter", "exec"),
    ("join", "exec"),
    ("spec", "config --new"),
    ("resume", "unpause"),
    ("version", "--version"),
    ("-V", "--version"),
    ("-v", "--version"),
];

/// What asks for help instead of a verb.
const ASKS_HELP: [&[u8]; 3] = [b"--help", b"-h", b"help"];

/// The verb of this name among these.
fn verb(verbs: &'static [Verb], name: &[u8]) -> Option<&'static Verb> {
    verbs.iter().find(|verb| verb.name.as_bytes() == name)
}

/// What must be so before anything is done: nobody lends nsinit rights that its caller does not
/// have (who decides what it reads, by arguments and environment), and the standard descriptors are
/// open.
pub fn ready() -> Result<()> {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    if getuid() != geteuid() || getgid() != getegid() {
        let why = "nsinit must not be set-user-ID or set-group-ID";
        return Err(Error::refused("start", (), why));
    }
    if caps::from_file()? {
        let why = "nsinit must not have capabilities of its file (setcap -r takes them away)";
        return Err(Error::refused("start", (), why));
    }
    exec::fill_stdio()
}

/// Carries out what the command line says; the exit status.
pub fn run(context: Context) -> u8 {
    let arena = context.arena;
    let first = context.args.first().copied().flatten();
    if let Some(peer) = dropin::called_as(first) {
        return dropin::run(peer, context);
    }
    let name = first.map_or(b"".as_slice(), |word| word.bytes());
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    if let Some(verb) = verb(&VERBS[VERBS.len() - PROGRAMS..], name) {
        return run_verb(verb, context, 1).unwrap_or_else(|error| tell(error, arena));
    }
    let mut words = context.args.iter().flatten().skip(1);
    let result = match words.next().map(|word| word.bytes()) {
        None => Err(Error::refused("", (), "no verb was given (try nsinit --help)")),
        Some(word) if ASKS_HELP.contains(&word) => help(),
        Some(word) if word == b"--version" => version(),
        Some(word) => match verb(VERBS, word) {
            Some(verb) => run_verb(verb, context, 2),
            None => Err(usage(shown(word, arena), unknown(word, arena))),
        },
    };
    result.unwrap_or_else(|error| tell(error, arena))
}

/// What is said of a word that is no verb.
fn unknown(word: &[u8], arena: &Arena) -> &'static str {
    let known = || OTHERS.iter().find(|(other, _)| other.as_bytes() == word).map(|(_, verb)| *verb);
    let why = match nearest(word, VERBS.iter().map(|verb| verb.name)).or_else(known) {
        Some(meant) => arena.str(format_args!("unknown verb: did you mean {meant}?")),
        None if word.contains(&b'/') => {
            arena.str(format_args!("unknown verb: to run it, nsinit init -- {}", Show(word)))
        }
        None => Ok("unknown verb (try nsinit --help)"),
    };
    why.unwrap_or("unknown verb")
}

/// Runs the verb, whose options begin with word `first`.
fn run_verb(verb: &'static Verb, mut context: Context, first: usize) -> Result<u8> {
    // First of all: to PID 1 a signal that it has not blocked is lost.
    if verb.name == init::VERB.name {
        context.signals = Some(take_signals()?);
    }
    let words = context.args.get(first..).unwrap_or(&[None]);
    let mut options = Options::default();
    if !options::parse(verb, words, context.arena, &mut options)? {
        return verb_help(verb);
    }
    load::booted(&mut options, context.arena)?;
    (verb.run)(context, &options)
}

/// An empty plan. Only for those who fill it: it touches a page in each of its parts.
#[inline(never)]
pub fn blank(plan: &mut MaybeUninit<Plan>) -> &mut Plan {
    plan.write(Plan::new())
}

/// A word of the command line in a message.
fn shown(word: &[u8], arena: &Arena) -> &'static str {
    arena.str(format_args!("{}", Show(word))).unwrap_or("this word")
}

/// nsinit was asked wrongly.
fn usage(on: &'static str, why: &'static str) -> Error {
    Error::refused("", on, why)
}

/// Ends an answer on standard output: one that could not be written is a failure.
fn answer(out: &mut say::Output) -> Result<u8> {
    match out.flush() {
        Ok(()) => Ok(0),
        Err(errno) => Err(Error::errno("write", "to standard output", errno)),
    }
}

#[inline(never)] // a page of stack
fn version() -> Result<u8> {
    let mut out = say::answer();
    // The first error of `out` is told by its `flush`.
    let _ = writeln!(out, "nsinit version {}", env!("CARGO_PKG_VERSION"));
    answer(&mut out)
}

#[inline(never)] // a page of stack
fn help() -> Result<u8> {
    let mut out = say::answer();
    // As above.
    let _ = out.write_str(
        "nsinit - put a process into a Linux container\n\
         \n\
         usage: nsinit VERB [OPTION…] [--] [COMMAND [ARGUMENT…]]\n\
         \n\
         verbs:\n",
    );
    for verb in VERBS {
        let summary = verb.text.lines().nth(1).unwrap_or("");
        let _ = writeln!(out, "  {:9}{summary}", verb.name);
    }
    let _ = out.write_str(
        "\n\
         nsinit VERB --help tells more. nsinit --version prints the version.\n\
         \n\
         environment:\n\
         \x20 data_path=DIR   where container.json and state.json are, instead of here\n\
         \x20 log=FILE        messages are added to this file too\n\
         \n\
         exit status: the command's own; 128 + n if signal n killed it; 127 if it was not\n\
         found, 126 if it could not be executed, 125 if nsinit failed or was asked wrongly.\n",
    );
    answer(&mut out)
}

#[inline(never)] // a page of stack
fn verb_help(verb: &Verb) -> Result<u8> {
    let mut out = say::answer();
    // As above.
    for (n, line) in verb.text.lines().enumerate() {
        let _ = match n {
            0 => writeln!(out, "usage: nsinit {} {line}\n", verb.name),
            1 => Ok(()),
            _ => writeln!(out, "{line}"),
        };
    }
    let _ = out.write_str("\noptions:\n");
    let rows = options::rows().zip(options::HELP.lines()).enumerate();
    for (_, (row, help)) in rows.filter(|(n, _)| verb.options.has(*n)) {
        let dash = if row.value.is_empty() { "" } else { " " };
        let width = 28usize.saturating_sub(row.name.len() + dash.len() + row.value.len());
        let (name, value) = (Show(row.name), Show(row.value));
        let _ = match row.letter {
            [letter] => write!(out, "  -{}, ", char::from(*letter)),
            _ => out.write_str("      "),
        };
        let _ = writeln!(out, "--{name}{dash}{value}{:width$}{help}", "");
    }
    let _ = writeln!(out, "      --help{:24}this text", "");
    answer(&mut out)
}
