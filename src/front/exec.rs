//! `nsinit exec`: starts the container of a place, or joins it.

use core::ffi::CStr;

use linux_raw_sys::general::MS_RDONLY;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::termios::isatty;

use super::hide::hide;
use super::options::{Options, of};
use super::{Context, Verb, Words, blank, load, usage};
use crate::bytes::Show;
use crate::error::{Context as _, Result};
use crate::init::{self, Signals};
use crate::launch::{self, Launch, Locate, Place, Relay, seal};
use crate::plan::{Kind, Plan};
use crate::proc::lines::decimal;
use crate::proc::process::Identity;
use crate::say;
use crate::security::Original;
use crate::syscall;
use crate::trust;
use crate::tty::Stdio;

/// See the help.
pub const VERB: Verb = Verb {
    name: "exec",
    words: Words::Any,
    text: "[OPTION…] [--] [COMMAND [ARGUMENT…]]\n\
                   start the container of this directory and run a command in it, or join it\n\
                   Starts the container that container.json describes, with the current directory as its\n\
                   root file system unless the file or --rootfs names another, and runs COMMAND in it. If\n\
                   it runs already, COMMAND joins it. Without COMMAND the file's \"command\" is run.\n\
                   With \"tty\" in the file it has a terminal of its own, where nsinit has one: where\n\
                   standard input, output or error is redirected, it has none.\n\
                   When PID 1 ends, everything inside ends. state.json tells that it runs.",
    options: of("root id config rootfs no-init tty no-tty strict wait systemd relay ready-fd"),
    run,
};

fn run(context: Context, options: &Options) -> Result<u8> {
    // First of all: it executes nsinit anew.
    let seal = seal::seal(context.args, &context.env, context.executed)?;
    // While signals still end nsinit: a pipe may never end.
    let given = load::given(options, context.arena)?;
    let original = take_over()?;
    log_to(&context)?;
    let data_path = load::data_path(&context, options)?;
    let config = load::config_path(options, data_path, context.arena)?;
    let file = Some(config).filter(|_| given.is_none());
    let Context { env, arena, plan, .. } = context;
    let plan = blank(plan);
    match given {
        Some(text) => load::plan_of_given(plan, text, options, arena)?,
        None => load::plan(plan, config, options, arena)?,
    }
    plan.process.tty = wants_terminal(plan, options);
    load::has_command(plan)?;
    let ready = options.ready_fd.map(ready_fd).transpose()?;
    let mut place = Place::open(data_path)?;
    if plan.namespaces.is_new(Kind::Mount)
        && let Some(finding) = hide(plan, &mut place, file, arena)?
    {
        return Err(load::finding(plan, config, finding, arena)?);
    }
    if plan.rootfs.mounts.iter().any(|m| m.fstype == c"cgroup" && m.flags & MS_RDONLY == 0) {
        say::warning(format_args!("{CGROUP_MOUNT}"));
    }
    let hidden = !plan.rootfs.hidden.is_empty();
    let identity = |file: &'static CStr| Identity::of(file).doing("look at", file);
    let before = file.map(identity).transpose()?;
    let (wait, systemd) = (options.wait, options.systemd);
    let (stdio, env, finding, warning) = (stdio(), Some(env), None, None);
    let named = Some((config, load::finding as Locate));
    // PID 1's own child says when it is ready.
    let kept = options.id.filter(|_| options.booted && ready.is_none());
    let follows = false;
    // A pseudo-terminal is the launcher's to copy as it is.
    let wants_relay = options.relay && !plan.process.tty;
    let relay = wants_relay.then(Relay::new).transpose()?;
    let mut launch = Launch {
        plan,
        arena,
        stdio,
        original,
        env,
        seal,
        wait,
        systemd,
        kept,
        named,
        finding,
        warning,
        follows,
        ready,
        relay,
    };
    let result = launch::exec(&mut launch, &place);
    if let Some(relay) = launch.relay.take() {
        relay.give_up();
    }
    if hidden && file.is_some_and(|file| Identity::of(file).ok() != before) {
        say::warning(format_args!("{}: {REPLACED}", Show(config.to_bytes())));
    }
    if let Some(warning) = launch.warning {
        let (Ok(text) | Err(text)) = load::finding(launch.plan, config, warning, arena);
        say::warning(format_args!("{text}"));
    }
    match (result, launch.finding) {
        (Err(_), Some(finding)) => Err(load::finding(launch.plan, config, finding, arena)?),
        (result, _) => result,
    }
}

/// Whether the command gets a terminal: as the command line says, or where the configuration asks for one
/// and the caller has one. Who redirects a standard descriptor wants the bytes as they are: a terminal
/// would make CR LF of each line's end, show what is typed, and take both outputs for one.
pub fn wants_terminal(plan: &Plan, options: &Options) -> bool {
    options.tty.unwrap_or(plan.process.tty && syscall::fd::stdio().into_iter().all(isatty))
}

/// Not a standard one: the command has those.
fn ready_fd(number: &CStr) -> Result<u32> {
    let fd = decimal(number.to_bytes()).and_then(|fd| u32::try_from(fd).ok());
    fd.filter(|fd| *fd > 2)
        .ok_or_else(|| usage("--ready-fd", "expected the number of a descriptor above 2"))
}

const CGROUP_MOUNT: &str = "a mount of type cgroup is read-only, whatever its flags say: the container could \
                            lift its own limits by it";

/// A new file in the old one's place takes the mask with it: the kernel unmounts what was on it in
/// every namespace (detach_mounts in fs/namespace.c).
const REPLACED: &str = "it was replaced while the container ran, and from then on the container \
                        could write to it: read it before the next start";

/// Makes nsinit what the rest counts on, whatever its caller was. Every signal is blocked, so that none is
/// lost from here on: the launcher waits for them, PID 1 waits for them, and the command gets the mask
/// back that nsinit was started with. A caller that ignores SIGCHLD would make the kernel throw exit
/// statuses away. The file mode creation mask is not given back: the command has the one that every
/// libcontainer gave it, and what nsinit makes has the modes that it asks for.
pub fn take_over() -> Result<Original> {
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let Signals { mask, sigchld } = init::take_signals()?;
    let program = Identity::of(c"/proc/self/exe").doing("look at", "/proc/self/exe")?;
    Ok(Original { mask, sigchld, program: Some(program) })
}

/// `log=FILE` in the environment: messages are added to that file too.
pub fn log_to(context: &Context) -> Result<()> {
    let Some(path) = context.env.get("log") else { return Ok(()) };
    let path = context.arena.concat(&[path.to_bytes()]).doing("keep", "log")?;
    say::log_to(trust::open_to_append(path)?);
    Ok(())
}

/// The caller's standard descriptors.
pub fn stdio() -> Stdio {
    let [input, output, _] = syscall::fd::stdio();
    Stdio { input, output }
}

/// A program that is started without one of its standard descriptors would open its own files in
/// their place, and write messages into them: /dev/null takes it.
pub fn fill_stdio() -> Result<()> {
    for fd in syscall::fd::stdio() {
        if rustix::io::fcntl_getfd(fd) == Err(Errno::BADF) {
            let null =
                open(c"/dev/null", OFlags::RDWR, Mode::empty()).doing("open", "/dev/null")?;
            // open(2) takes the lowest number that is free: this one, and it stays open for good.
            core::mem::forget(null);
        }
    }
    Ok(())
}
