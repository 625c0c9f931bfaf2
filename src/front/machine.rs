//! The verbs of a booted machine: what its PID 1 is asked for.

use core::ffi::CStr;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::options::{Options, of};
use super::{Context, Verb, Words, answer, usage};
use crate::boot::containers::check::check;
use crate::boot::containers::{LOG_PATHS, PACKET, ask};
use crate::boot::names::path;
use crate::bytes::{Short, Show, split_by};
use crate::error::{Context as _, Error, Result};
use crate::say::{self, Output};
use crate::syscall::fd::AsFd;
use crate::visible::{visible, whole};

/// A verb that changes how one of them is.
macro_rules! change {
    ($name:literal, $summary:literal) => {
        Verb {
            name: $name,
            words: Words::Any,
            text: concat!(
                "NAME\n",
                $summary,
                "\nAsks the machine's PID 1, and waits until it is done: for a container of onboot or onshutdown\n\
                 until that has ended. The exit status is 1 if it could not be done, or has failed."
            ),
            options: of(""),
            run: change,
        }
    };
}

/// See the help.
pub const START: Verb =
    change!("start", "start a container of the booted machine that does not run");
/// See the help.
pub const STOP: Verb = change!("stop", "stop a container of the booted machine, for good");
/// See the help.
pub const RESTART: Verb =
    change!("restart", "stop a container of the booted machine and start it again");

/// See the help.
pub const LIST_VERB: Verb = Verb {
    name: "list",
    words: Words::None,
    text: "[OPTION…]\n\
                   list the containers of the booted machine\n\
                   Lists them with what they are for, how they are, the process of their launcher, how they\n\
                   ended the last time, how often they were started again, and for how long they have been so.",
    options: of("json"),
    run: list,
};

/// See the help.
pub const BLAME: Verb = Verb {
    name: "blame",
    words: Words::None,
    text: "[OPTION…]\n\
                   tell what took how long since the machine was switched on\n\
                   Tells in milliseconds when each step of the boot and each container was begun, counted from\n\
                   the kernel's own begin, how long it took until its command ran, and how long that ran if it\n\
                   has ended.",
    options: of("json"),
    run: blame,
};

/// See the help.
pub const LOGS: Verb = Verb {
    name: "logs",
    words: Words::Any,
    text: "NAME\n\
                   print what a container of the booted machine has said\n\
                   Prints the log file of the container, the older part first, with control characters shown (^[).\n\
                   There is one unless \"log\" in the container's \"service\" has no \"file\".",
    options: of(""),
    run: logs,
};

/// See the help.
pub const BOOT: Verb = Verb {
    name: "boot",
    words: Words::Any,
    text: "[--check DIR [--arch ARCH]] [nsinit.OPTION=VALUE…]\n\
                   be the first process of a machine, or say what would go wrong then\n\
                   As PID 1, which nsinit also is as /init or /sbin/init: mounts what a system needs and runs\n\
                   the containers of /containers. With --check, looks at those of DIR, where the machine is\n\
                   built: configurations, commands and their interpreters, working directories, users, the\n\
                   names in \"after\". All that is wrong is told in one run. The exit status is 1 then.",
    options: of("check arch"),
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

fn boot(context: Context, options: &Options) -> Result<u8> {
    let Some(dir) = options.check else {
        if rustix::process::getpid().is_init() {
            crate::boot::run(context);
        }
        return Err(usage("boot", "only PID 1 can; --check DIR looks at what it would find"));
    };
    if let [Some(word), ..] = options.command {
        return Err(usage(
            super::shown(word.bytes(), context.arena),
            "--check takes one directory",
        ));
    }
    let machine = match options.arch {
        None => MACHINES.get(OWN),
        Some(arch) => MACHINES.iter().find(|(name, _)| name.as_bytes() == arch.to_bytes()),
    };
    let machine = machine
        .ok_or_else(|| usage("--arch", "unknown architecture: x86_64, aarch64, armv7 or riscv64"))?
        .1;
    Ok(u8::from(!check(dir, machine, context.plan, context.arena)?))
}

/// The one word of a command line.
fn name(options: &Options) -> Result<&'static CStr> {
    match options.command {
        [Some(name), None] => Ok(name.get()),
        [Some(_), Some(_), ..] => Err(usage("NAME", "only one container at a time")),
        _ => Err(usage("NAME", "missing container name (nsinit list shows them)")),
    }
}

fn change(context: Context, options: &Options) -> Result<u8> {
    let name = name(options)?;
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

fn list(_: Context, options: &Options) -> Result<u8> {
    table(if options.json { b"list json" } else { b"list" })
}

fn blame(_: Context, options: &Options) -> Result<u8> {
    table(if options.json { b"blame json" } else { b"blame" })
}

/// Asks for rows, and writes them.
fn table(request: &[u8]) -> Result<u8> {
    let mut out = say::answer();
    ask(request, &mut |packet| out.write_bytes(packet.get(1..).unwrap_or(&[])))?;
    answer(&mut out)
}

fn logs(_: Context, options: &Options) -> Result<u8> {
    let name = name(options)?;
    let mut out = say::answer();
    let mut found = false;
    for pattern in LOG_PATHS.into_iter().rev() {
        match copy(path(pattern, name.to_bytes()).as_cstr(), &mut out) {
            Ok(()) => found = true,
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::errno("read the log of", name, errno)),
        }
    }
    if found { answer(&mut out) } else { no_log(name) }
}

/// There is no file: whether the container has said nothing, or is none, PID 1 knows.
fn no_log(name: &'static CStr) -> Result<u8> {
    let mut request = Short::<PACKET>::default();
    request.push(format_args!("known {}", Show(name.to_bytes())));
    let mut why = "no container has this name (nsinit list)";
    ask(request.as_str().as_bytes(), &mut |packet| {
        if packet.first() == Some(&b'0') {
            why = "it has written nothing yet, or its \"log\" has no \"file\"";
        }
    })?;
    Err(Error::refused("print the log of", name, why).with_status(1))
}

/// Prints a log: what a container has written is shown, and does not drive the terminal.
fn copy(path: &CStr, out: &mut Output) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = openat(CWD, path, flags, Mode::empty())?;
    let mut buf = [0; 4096];
    let mut len = 0;
    loop {
        let free = buf.get_mut(len..).unwrap_or(&mut []);
        let n = rustix::io::retry_on_intr(|| rustix::io::read(file.as_fd(), &mut *free))?;
        len += n;
        let text = buf.get(..len).unwrap_or(&[]);
        // What is cut at the end of the buffer waits for the rest of it.
        let now = if n == 0 { len } else { whole(text.strip_suffix(b"\r").unwrap_or(text)) };
        lines(text.get(..now).unwrap_or(&[]), out);
        if n == 0 {
            return Ok(());
        }
        buf.copy_within(now..len, 0);
        len -= now;
    }
}

fn lines(text: &[u8], out: &mut Output) {
    let mut lines = split_by(text, b'\n').peekable();
    while let Some(line) = lines.next() {
        let ends = lines.peek().is_some();
        let line = if ends { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        visible(line, &mut |piece| out.write_bytes(piece.as_bytes()));
        if ends {
            out.write_bytes(b"\n");
        }
    }
}
