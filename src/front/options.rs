//! The options of all verbs: one table, one parser. They end at the first word that is none.

use core::ffi::CStr;

use super::{Failure, Verb, usage};
use crate::bytes::{Arena, Show};
use crate::error::Context;
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
    Opt {
        name: "force",
        value: "",
        help: "at once, without PID 1: nothing is stopped or unmounted",
        set: |o, _| o.force = true,
    },
    Opt { name: "json", value: "", help: "one JSON object", set: |o, _| o.json = true },
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
];

/// Parses the words after a verb. `None` where its help is asked for.
pub fn parse(verb: &Verb, words: List<'static>, arena: &Arena) -> Result<Option<Options>, Failure> {
    let mut options = Options::default();
    let mut rest = words;
    while let [Some(word), after @ ..] = rest {
        let text = word.bytes();
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

/// One option, as `--name`, `--name VALUE` or `--name=VALUE`; the words after it.
fn option(
    verb: &Verb,
    word: ThinCStr,
    after: List<'static>,
    options: &mut Options,
    arena: &Arena,
) -> Result<List<'static>, Failure> {
    let shown = || arena.str(format_args!("{}", Show(word.bytes()))).unwrap_or("this option");
    let text = word.get().to_bytes_with_nul();
    let name = text.strip_prefix(b"--").unwrap_or(b"");
    let end = name.iter().position(|byte| *byte == b'=' || *byte == 0).unwrap_or(0);
    let (name, value) = name.split_at(end);
    let known = OPTIONS
        .iter()
        .find(|option| option.name.as_bytes() == name && verb.options.contains(&option.name));
    let Some(known) = known else {
        return Err(usage(shown(), "no such option for this verb (try --help)"));
    };
    let value = value.strip_prefix(b"=").and_then(|value| CStr::from_bytes_with_nul(value).ok());
    match (known.value.is_empty(), value, after) {
        (true, None, _) => (known.set)(options, c""),
        (true, Some(_), _) => return Err(usage(shown(), "this option takes no value")),
        (false, Some(value), _) => (known.set)(options, value),
        (false, None, [Some(value), after @ ..]) => {
            (known.set)(options, value.get());
            return Ok(after);
        }
        (false, None, _) => {
            let why = arena.str(format_args!("its {} is missing", known.value)).doing("", ())?;
            return Err(usage(shown(), why));
        }
    }
    Ok(after)
}
