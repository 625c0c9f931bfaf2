//! The verbs of a booted machine: what its PID 1 is asked for.

use core::ffi::CStr;
use core::fmt::Write;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::options::Options;
use super::{Context, Failure, Verb, answer, usage};
use crate::boot::containers::check::check;
use crate::boot::containers::{LIST, ask, log_path};
use crate::bytes::{Show, number, split_by};
use crate::error::{Context as _, Error};
use crate::say::{self, Output};
use crate::syscall::time::boottime;

const CHANGES: &str = "Asks the machine's PID 1, and waits until it is done. The exit status is 1 if it could not\n\
                       be done.";

/// See the help.
pub const START: Verb = Verb {
    name: "start",
    usage: "NAME",
    summary: "start a container of the booted machine that does not run",
    help: CHANGES,
    options: &[],
    run: change,
};

/// See the help.
pub const STOP: Verb =
    Verb { name: "stop", summary: "stop a container of the booted machine, for good", ..START };

/// See the help.
pub const RESTART: Verb = Verb {
    name: "restart",
    summary: "stop a container of the booted machine and start it again",
    ..START
};

/// See the help.
pub const LIST_VERB: Verb = Verb {
    name: "list",
    usage: "[OPTION…]",
    summary: "list the containers of the booted machine",
    help: "Lists them with what they are for, how they are, the process of their launcher, how they\n\
           ended the last time, how often they were started again, and for how long they have been so.",
    options: &["json"],
    run: list,
};

/// See the help.
pub const BLAME: Verb = Verb {
    name: "blame",
    usage: "[OPTION…]",
    summary: "tell what took how long since the machine was switched on",
    help: "Tells in milliseconds when each container was begun, counted from the kernel's own begin,\n\
           how long it took until its command ran, and how long that ran if it has ended.",
    options: &["json"],
    run: blame,
};

/// See the help.
pub const LOGS: Verb = Verb {
    name: "logs",
    usage: "NAME",
    summary: "print what a container of the booted machine has said",
    help: "Prints the log file of the container, the older part first. There is one unless \"log\" in\n\
           the container's \"service\" leaves \"file\" out.",
    options: &[],
    run: logs,
};

/// See the help.
pub const BOOT: Verb = Verb {
    name: "boot",
    usage: "[--check DIR [--arch ARCH]] [nsinit.OPTION=VALUE…]",
    summary: "be the first process of a machine, or say what would go wrong then",
    help: "As PID 1, which nsinit also is as /init or /sbin/init: mounts what a system needs and runs\n\
           the containers of /containers. With --check, looks at those of DIR, where the machine is\n\
           built: configurations, commands and their interpreters, the names in \"after\". The exit\n\
           status is 1 if something is wrong.",
    options: &["check", "arch"],
    run: boot,
};

/// Machines by the names of their triples, with e_machine of elf(5).
const MACHINES: [(&str, u16); 4] =
    [("x86_64", 62), ("aarch64", 183), ("armv7", 40), ("riscv64", 243)];
/// nsinit's own among them.
const OWN: usize = if cfg!(target_arch = "x86_64") {
    0
} else if cfg!(target_arch = "aarch64") {
    1
} else if cfg!(target_arch = "arm") {
    2
} else {
    3
};

fn boot(context: Context, options: Options) -> Result<u8, Failure> {
    let Some(dir) = options.check else {
        if rustix::process::getpid().is_init() {
            crate::boot::run(context);
        }
        return Err(usage("boot", "only PID 1 can; --check DIR looks at what it would find"));
    };
    let machine = match options.arch {
        None => MACHINES.get(OWN),
        Some(arch) => MACHINES.iter().find(|(name, _)| name.as_bytes() == arch.to_bytes()),
    };
    let machine = machine.ok_or_else(|| usage("--arch", "no such machine (see --help)"))?.1;
    Ok(u8::from(!check(dir, machine, context.plan, context.arena)?))
}

/// The one word of a command line.
fn name(options: &Options) -> Result<&'static CStr, Failure> {
    match options.command {
        [Some(name), None] => Ok(name.get()),
        [Some(_), Some(_), ..] => Err(usage("the names", "one container at a time")),
        _ => Err(usage("a container", "its name is missing (see nsinit list)")),
    }
}

fn change(context: Context, options: Options) -> Result<u8, Failure> {
    let name = name(&options)?;
    let verb = context.args.get(1).copied().flatten().map_or(&b""[..], |word| word.bytes());
    let request = context.arena.concat(&[verb, b" ", name.to_bytes()]).doing("ask for", name)?;
    let mut status = 0;
    ask(request.to_bytes(), &mut |packet| {
        status = packet.first().map_or(1, |digit| digit - b'0');
        if status != 0 {
            let why = packet.get(1..).unwrap_or(&[]);
            say::error(format_args!("{}: {}", Show(name.to_bytes()), Show(why)));
        }
    })?;
    Ok(status)
}

/// Writes a row of its words and, where they are such, numbers.
type Row<'a> = dyn FnMut(&mut Output, &[&str; LIST], &[u64; LIST]) + 'a;

/// Calls `row` with the fields of each container, and writes what it makes of them.
fn rows(json: bool, head: &str, row: &mut Row) -> Result<u8, Failure> {
    let mut out = say::answer();
    // The first error of `out` is told by `answer`.
    let _ = out.write_str(if json { "[" } else { head });
    let mut first = true;
    ask(b"list", &mut |packet| {
        let Some(packet) = packet.strip_prefix(b" ") else { return };
        let mut words = [""; LIST];
        let mut numbers = [0; LIST];
        for ((word, n), text) in words.iter_mut().zip(&mut numbers).zip(split_by(packet, b' ')) {
            *word = core::str::from_utf8(text).unwrap_or("?");
            *n = number(text, 10).unwrap_or(0);
        }
        if json && !core::mem::take(&mut first) {
            let _ = out.write_str(",");
        }
        row(&mut out, &words, &numbers);
    })?;
    let _ = out.write_str(if json { "]\n" } else { "" });
    answer(out)
}

fn list(_: Context, options: Options) -> Result<u8, Failure> {
    const HEAD: &str =
        "NAME                 KIND        STATE       PID     STATUS  RESTARTS  SINCE\n";
    let json = options.json;
    let now = boottime();
    rows(json, HEAD, &mut |out, words, numbers| {
        let [name, kind, state, pid, status, restarts, ..] = words;
        let since = numbers[6..].iter().max().map_or(0, |last| now.saturating_sub(*last) / 1000);
        let _ = match json {
            true => write!(
                out,
                "{{\"name\":\"{name}\",\"kind\":\"{kind}\",\"state\":\"{state}\",\"pid\":{},\
                 \"status\":{},\"restarts\":{restarts},\"since_ms\":{since}}}",
                null(pid),
                null(status),
            ),
            false => writeln!(
                out,
                "{name:20} {kind:11} {state:11} {pid:7} {status:7} {restarts:8}  {}.{} s",
                since / 1000,
                since % 1000 / 100,
            ),
        };
    })
}

/// What is not there, in JSON.
fn null(word: &str) -> &str {
    if word == "-" { "null" } else { word }
}

fn blame(_: Context, options: Options) -> Result<u8, Failure> {
    const HEAD: &str = "BEGUN ms    TO START ms  RAN ms      NAME\n";
    let json = options.json;
    rows(json, HEAD, &mut |out, words, numbers| {
        let [name, kind, ..] = words;
        let [.., forked, began, ended] = numbers;
        let ms = |later: &u64, earlier: &u64| later.saturating_sub(*earlier) / 1000;
        let (begun, start, ran) = (forked / 1000, ms(began, forked), ms(ended, began));
        let _ = match json {
            true => write!(
                out,
                "{{\"name\":\"{name}\",\"kind\":\"{kind}\",\"begun_ms\":{begun},\
                 \"start_ms\":{start},\"ran_ms\":{ran}}}"
            ),
            false => writeln!(out, "{begun:<11} {start:<12} {ran:<11} {kind}/{name}"),
        };
    })
}

fn logs(_: Context, options: Options) -> Result<u8, Failure> {
    let name = name(&options)?;
    let mut out = say::answer();
    let mut found = false;
    for end in [".1", ""] {
        let path = log_path(name.to_str().unwrap_or("?"), end);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = match openat(CWD, path.as_cstr(), flags, Mode::empty()) {
            Err(Errno::NOENT) => continue,
            file => file.doing("open the log of", name)?,
        };
        found = true;
        let mut buf = [0; 4096];
        loop {
            match rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut buf))
                .doing("read the log of", name)?
            {
                0 => break,
                n => out.write_bytes(buf.get(..n).unwrap_or(&[])),
            }
        }
    }
    if !found {
        return Err(Error::refused("print the log of", name, "there is none")
            .with_status(1)
            .into());
    }
    answer(out)
}
