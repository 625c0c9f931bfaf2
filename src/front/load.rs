//! From the words of the command line to a checked plan: which files, which root, which command.

use core::ffi::CStr;

use linux_raw_sys::general::SIGKILL;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::Context;
use super::failure::{in_file, tell};
use super::libct::{self, Fault};
use super::options::Options;
use crate::bytes::{Arena, Show};
use crate::error::{Context as _, Error};
use crate::launch::CONFIG;
use crate::plan::check::{Finding, check};
use crate::plan::unbuilt::unbuilt;
use crate::plan::{Init, Kind, Plan};
use crate::seccomp;
use crate::syscall::fd::AsFd;
use crate::trust;

/// Largest configuration.
pub const CONFIG_MAX: usize = 1 << 20;

/// The data path: `--root DIR --id NAME`, or `data_path` in the environment, or here.
pub fn data_path(context: &Context, options: &Options) -> Result<&'static CStr, Error> {
    match (options.root, options.id) {
        (Some(root), Some(id)) => {
            let bytes = id.to_bytes();
            if bytes.is_empty() || bytes.starts_with(b".") || bytes.contains(&b'/') {
                let why = "expected a name without \"/\", not starting with \".\"";
                return Err(Error::refused("use the id", id, why));
            }
            context.arena.concat(&[root.to_bytes(), b"/", bytes]).doing("name the data path", id)
        }
        // Empty it says nothing, as in 2014.
        (None, None) => match context.env.get("data_path").filter(|path| !path.is_empty()) {
            Some(path) => context.arena.concat(&[path.to_bytes()]).doing("keep", "data_path"),
            None => Ok(c"."),
        },
        (Some(_), None) => Err(Error::refused("use", "--root", "--id is missing")),
        (None, Some(_)) => Err(Error::refused(
            "use",
            "--id",
            "--root is missing, and no container of this name was booted",
        )),
    }
}

/// What the machine's PID 1 keeps of each container: NAME/dir leads to its directory, NAME/rootfs to
/// its root, and state.json is there.
pub const RUN: &CStr = c"/run/nsinit";

/// `--id NAME` alone, on a machine that nsinit has booted: the container of that name.
pub fn booted(options: &mut Options, arena: &Arena) -> Result<(), Error> {
    let (Some(id), None, None, None) = (options.id, options.root, options.config, options.rootfs)
    else {
        return Ok(());
    };
    if id.to_bytes().contains(&b'/') {
        return Ok(());
    }
    let below = |name: &[u8]| {
        arena.concat(&[RUN.to_bytes(), b"/", id.to_bytes(), name]).doing("name the container", id)
    };
    // Relative paths in container.json are relative to it.
    if rustix::process::chdir(below(b"/dir")?).is_ok() {
        options.booted = true;
        options.root = Some(RUN);
        options.config = Some(CONFIG);
        let rootfs = below(b"/rootfs")?;
        // One without a mount namespace of its own has none.
        if statat(CWD, rootfs, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            options.rootfs = Some(rootfs);
        }
    }
    Ok(())
}

/// The path of the configuration.
pub fn config_path(
    options: &Options,
    data_path: &'static CStr,
    arena: &Arena,
) -> Result<&'static CStr, Error> {
    match options.config {
        Some(path) => Ok(path),
        None if data_path == c"." => Ok(CONFIG),
        None => arena
            .concat(&[data_path.to_bytes(), b"/", CONFIG.to_bytes()])
            .doing("name the configuration in", data_path),
    }
}

/// Reads and checks the configuration at `path` into the plan, with what the options say. All its faults
/// are told but the last, which is the result.
pub fn plan(
    plan: &mut Plan,
    path: &'static CStr,
    options: &Options,
    arena: &Arena,
) -> Result<(), Error> {
    let name = arena.str(format_args!("{}", Show(path.to_bytes()))).doing("name", path)?;
    fill(plan, read(path, arena)?, Source { name, path: Some(path), starts: true }, options, arena)
}

/// The same of a configuration that comes through a descriptor, with the text that was read from it.
pub fn plan_of_given(
    plan: &mut Plan,
    text: &'static mut [u8],
    options: &Options,
    arena: &Arena,
) -> Result<(), Error> {
    let name = "standard input";
    fill(plan, text, Source { name, path: None, starts: true }, options, arena)
}

/// Where a configuration comes from.
struct Source {
    /// What it is called in messages.
    name: &'static str,
    /// Its file, to show the line of a fault.
    path: Option<&'static CStr>,
    /// Whether a container may be started by it.
    starts: bool,
}

/// The same for a configuration that is given as text, for a command in namespaces that are there
/// already: it need not say which.
pub fn plan_of_text(
    plan: &mut Plan,
    text: &CStr,
    options: &Options,
    arena: &Arena,
) -> Result<(), Error> {
    const NAME: &str = "--containerjson";
    let bytes = text.to_bytes();
    let copy = arena.take(bytes.len()).doing("keep", NAME)?;
    copy.copy_from_slice(bytes);
    fill(plan, copy, Source { name: NAME, path: None, starts: false }, options, arena)
}

fn fill(
    plan: &mut Plan,
    text: &'static mut [u8],
    Source { name, path, starts }: Source,
    options: &Options,
    arena: &Arena,
) -> Result<(), Error> {
    let mut last = None;
    let mut found = |fault: Fault| {
        if let Some(earlier) = last {
            tell(earlier, arena);
        }
        last = Some(path.map_or(fault.error, |path| in_file(fault, path)));
    };
    libct::parse(text, name, plan, arena, options.strict, &mut found);
    if plan.whole {
        if starts {
            libct::check_isolation(plan, name, &mut found);
        }
        apply(plan, options);
        let compiled = seccomp::prepare(&mut plan.process);
        let mut found = |finding| found(libct::place(plan, name, finding, arena));
        check(plan, &mut found);
        if let Err(why) = compiled {
            found(Finding { part: "seccomp", index: None, key: "", text: c"", why });
        }
        unbuilt(plan, &mut found);
    }
    last.map_or(Ok(()), Err)
}

fn apply(plan: &mut Plan, options: &Options) {
    if let Some(rootfs) = options.rootfs {
        plan.rootfs.path = Some(rootfs);
    }
    if options.no_init || !plan.namespaces.is_new(Kind::Pid) {
        plan.init = Init::Become;
    }
    if matches!(options.command, [Some(_), ..]) {
        plan.process.argv = options.command;
    }
    if plan.process.parent_death_signal == 0 {
        plan.process.parent_death_signal = SIGKILL;
    }
}

/// A part of the plan that can't be, with its place in the file.
pub fn finding(
    plan: &Plan,
    path: &'static CStr,
    finding: Finding,
    arena: &Arena,
) -> Result<Error, Error> {
    let name = arena.str(format_args!("{}", Show(path.to_bytes()))).doing("name", path)?;
    Ok(in_file(libct::place(plan, name, finding, arena), path))
}

/// A command must come from somewhere.
pub fn has_command(plan: &Plan) -> Result<(), Error> {
    if plan.process.argv.is_empty() && plan.process.command.is_empty() {
        let why = "nothing to run: give a command, or set \"command\" in container.json";
        return Err(Error::refused("", (), why));
    }
    Ok(())
}

/// Reads the file at `path`, which must be one to be trusted.
pub fn read(path: &'static CStr, arena: &Arena) -> Result<&'static mut [u8], Error> {
    let buf = arena.take_all();
    match read_into(path, buf) {
        Ok(len) => {
            let (text, rest) = buf.split_at_mut(len);
            arena.put_back(rest);
            Ok(text)
        }
        Err(error) => {
            arena.put_back(buf);
            Err(error)
        }
    }
}

/// The same, to where there is room for it; how much it is.
pub fn read_into(path: &'static CStr, buf: &mut [u8]) -> Result<usize, Error> {
    let file = open(path)?;
    trust::check(file.as_fd(), path)?;
    read_all(file.as_fd(), path, buf)
}

/// Reads the configuration that comes through a descriptor, if --config says so: standard input, or what
/// `<(COMMAND)` of a shell gives. Who has started nsinit has opened it, and is believed as the command line
/// is.
pub fn given(options: &Options, arena: &Arena) -> Result<Option<&'static mut [u8]>, Error> {
    let is = |path: &[u8]| path == b"-" || path == b"/dev/stdin" || path.starts_with(b"/dev/fd/");
    let Some(path) = options.config.filter(|path| is(path.to_bytes())) else { return Ok(None) };
    let file = if path == c"-" { c"/dev/stdin" } else { path };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(CWD, file, flags, Mode::empty()).doing("open", path)?;
    let buf = arena.take_all();
    let len = read_all(file.as_fd(), path, buf);
    let (text, rest) = buf.split_at_mut(len.unwrap_or(0));
    arena.put_back(rest);
    len.map(|_| Some(text))
}

fn read_all(file: BorrowedFd, path: &'static CStr, buf: &mut [u8]) -> Result<usize, Error> {
    let mut len = 0;
    loop {
        if len == buf.len() || len > CONFIG_MAX {
            let why = "it is larger than 1 MiB (1048576 bytes)";
            return Err(Error::refused("read", path, why));
        }
        match rustix::io::read(file, &mut buf[len..]) {
            Ok(0) => return Ok(len),
            Ok(n) => len += n,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).doing("read", path),
        }
    }
}

/// NONBLOCK: a FIFO of that name must not hang nsinit before it is refused. A link is followed only
/// where the user names the file: one in a data path may have been made inside the container.
fn open(path: &'static CStr) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    match openat(CWD, path, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            let own =
                path.to_bytes().rsplit(|byte| *byte == b'/').next() == Some(CONFIG.to_bytes());
            let why = match own {
                true => {
                    "there is no such file; \"nsinit config --new > container.json\" makes one to start from"
                }
                false => "there is no such file",
            };
            Err(Error::refused("open", path, why))
        }
        Err(errno @ Errno::LOOP) => {
            Err(Error::errno("open", path, errno).hint("a symbolic link is not followed"))
        }
        file => file.doing("open", path),
    }
}
