//! The options of all verbs: one table, one parser. They end at the first word that is none.

use core::ffi::CStr;

use super::{Failure, Verb, init, usage};
use crate::bytes::{Arena, Show};
use crate::error::Context;
use crate::init::Subreaper;
use crate::syscall::cstr::{List, ThinCStr};

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

/// All of them.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "root",
        value: "DIR",
        help: "the directory of all containers; with --id",
        set: |o, value| o.root = Some(value),
    },
    Opt {
        name: "id",
        value: "NAME",
        help: "container.json and state.json are in DIR/NAME",
        set: |o, value| o.id = Some(value),
    },
    Opt {
        name: "config",
        value: "FILE",
        help: "the configuration, instead of container.json",
        set: |o, value| o.config = Some(value),
    },
    Opt {
        name: "rootfs",
        value: "DIR",
        help: "the root file system, instead of the file's or of here",
        set: |o, value| o.rootfs = Some(value),
    },
    Opt {
        name: "no-init",
        value: "",
        help: "the command is PID 1, without nsinit as its reaper",
        set: |o, _| o.no_init = true,
    },
    Opt {
        name: "strict",
        value: "",
        help: "an unknown key is an error",
        set: |o, _| o.strict = true,
    },
    Opt {
        name: "ready-fd",
        value: "FD",
        help: "gets a line when the command runs, and is closed",
        set: |o, value| o.ready_fd = Some(value),
    },
    Opt {
        name: "check",
        value: "DIR",
        help: "say what would go wrong with the containers of DIR",
        set: |o, value| o.check = Some(value),
    },
    Opt {
        name: "arch",
        value: "ARCH",
        help: "the machine's: x86_64, aarch64, armv7 or riscv64",
        set: |o, value| o.arch = Some(value),
    },
    Opt {
        name: "new",
        value: "",
        help: "print the configuration to start from",
        set: |o, _| o.new = true,
    },
    Opt { name: "json", value: "", help: "print JSON", set: |o, _| o.json = true },
    Opt {
        name: "watch",
        value: "[SECONDS]",
        help: "print again and again, each second without a number",
        set: |o, value| o.watch = Some(value),
    },
    Opt {
        name: "wait",
        value: "",
        help: "if the container is paused, wait until it goes on",
        set: |o, _| o.wait = true,
    },
    Opt {
        name: "systemd",
        value: "",
        help: "ask systemd for a scope to start in, in cgroups.slice",
        set: |o, _| o.systemd = true,
    },
    Opt {
        name: "all",
        value: "",
        help: "every process of the container",
        set: |o, _| o.all = true,
    },
    Opt {
        name: "force",
        value: "",
        help: "at once, without PID 1: nothing is stopped or unmounted",
        set: |o, _| o.force = true,
    },
    Opt {
        name: "nspid",
        value: "PID",
        help: "the process whose namespaces are entered",
        set: |o, value| o.nspid = Some(value),
    },
    Opt {
        name: "containerjson",
        value: "JSON",
        help: "the configuration itself; /proc shows it to all users",
        set: |o, value| o.containerjson = Some(value),
    },
    Opt {
        name: "group",
        value: "",
        help: "signals go to the command's whole process group",
        set: |o, _| o.init.group = true,
    },
    Opt {
        name: "setsid",
        value: "",
        help: "a session of its own for the command, and nsinit's terminal if that can be given up",
        set: |o, _| o.init.session(),
    },
    Opt {
        name: "rewrite",
        value: "FROM:TO",
        help: "signal FROM goes on as TO, or with 0 not at all; repeatable",
        set: |o, value| o.fault = init::rewrite(&mut o.init, value).err(),
    },
    Opt {
        name: "exit-status",
        value: "N[:M]",
        help: "end with M, or 0, where the command ends with N; repeatable",
        set: |o, value| o.fault = init::exit_status(&mut o.init, value).err(),
    },
    Opt {
        name: "grace",
        value: "TIME",
        help: "what is left at the end gets TERM, and so much later, or at a second TERM, KILL",
        set: |o, value| o.fault = init::grace(&mut o.init, value).err(),
    },
    Opt {
        name: "kill-orphans",
        value: "",
        help: "orphans get TERM, and after --grace, or 5s, KILL; looks once a second",
        set: |o, _| o.init.kill_orphans = true,
    },
    Opt {
        name: "parent-death-signal",
        value: "SIGNAL",
        help: "the signal that comes when nsinit's parent ends",
        set: |o, value| o.fault = init::parent_death_signal(&mut o.init, value).err(),
    },
    Opt {
        name: "subreaper",
        value: "",
        help: "become a subreaper even as PID 1",
        set: |o, _| o.init.subreaper = Subreaper::On,
    },
    Opt {
        name: "no-subreaper",
        value: "",
        help: "never become one: orphans go to another init",
        set: |o, _| o.init.subreaper = Subreaper::Off,
    },
    Opt {
        name: "pause",
        value: "",
        help: "no command: reap until TERM or INT, which end it with 0",
        set: |o, _| o.init.pause = true,
    },
    Opt {
        name: "verbose",
        value: "",
        help: "tell of the command and of signals, twice of every reaped process",
        set: |o, _| o.init.verbosity = o.init.verbosity.saturating_add(1),
    },
    Opt {
        name: "warn-on-reap",
        value: "",
        help: "tell of every orphan that is reaped",
        set: |o, _| o.init.warn_on_reap = true,
    },
    Opt {
        name: "explain-zombies",
        value: "",
        help: "print why there are zombies; a PID may follow, for those below it",
        set: |o, _| o.explain_zombies = true,
    },
];

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
pub fn parse(verb: &Verb, words: List<'static>, arena: &Arena) -> Result<Option<Options>, Failure> {
    let mut options = Options::default();
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
            b"--help" | b"-h" => return Ok(None),
            _ => rest = option(verb, *word, after, &mut options, arena)?,
        }
    }
    if let [Some(word), ..] = rest
        && !verb.takes_command()
    {
        let shown = arena.str(format_args!("{}", Show(word.bytes()))).unwrap_or("this word");
        return Err(usage(shown, "this verb takes options only (try --help)"));
    }
    options.command = rest;
    Ok(Some(options))
}

/// One option, as `--name`, `--name VALUE` or `--name=VALUE`, or letters, as `-vg` or `-rVALUE`; the
/// words after it.
fn option(
    verb: &Verb,
    word: ThinCStr,
    mut after: List<'static>,
    options: &mut Options,
    arena: &Arena,
) -> Result<List<'static>, Failure> {
    let shown = || arena.str(format_args!("{}", Show(word.bytes()))).unwrap_or("this option");
    let text = word.get().to_bytes_with_nul();
    let mut letters = text.get(1..).unwrap_or(b"");
    let long = letters.strip_prefix(b"-");
    while !matches!(letters, [] | [0]) {
        let (known, value) = match long {
            Some(name) => {
                let end = name.iter().position(|byte| *byte == b'=' || *byte == 0).unwrap_or(0);
                let (name, value) = name.split_at(end);
                letters = b"";
                (named(verb, name), value.strip_prefix(b"="))
            }
            None => {
                let name = SHORT.iter().find(|(letter, _)| letters.first() == Some(letter));
                letters = letters.get(1..).unwrap_or(b"");
                let value = Some(letters).filter(|value| value.len() > 1);
                (name.and_then(|(_, name)| named(verb, name.as_bytes())), value)
            }
        };
        let Some(known) = known else {
            return Err(usage(shown(), "no such option for this verb (try --help)"));
        };
        let value = value.and_then(|value| CStr::from_bytes_with_nul(value).ok());
        match (known.value.is_empty(), value, after) {
            (true, Some(_), _) if long.is_some() => {
                return Err(usage(shown(), "this option takes no value"));
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
                return Err(usage(shown(), why));
            }
        }
        if let Some(why) = options.fault {
            return Err(usage(shown(), why));
        }
    }
    Ok(after)
}

fn named(verb: &Verb, name: &[u8]) -> Option<&'static Opt> {
    OPTIONS
        .iter()
        .find(|option| option.name.as_bytes() == name && verb.options.contains(&option.name))
}
