//! The process of a container between PID 1's fork and the launcher: it reads container.json, tells
//! PID 1 what that says, waits for its turn, prepares the root file system and becomes
//! `nsinit exec`. Whatever is wrong with the file or its root hits this process alone.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{chdir, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::image;
use super::unit::{Kind, Set, Unit, record};
use crate::bytes::Arena;
use crate::error::{Context as _, Error, STATUS_NSINIT};
use crate::front::options::Options;
use crate::front::{blank, libct, load, tell};
use crate::plan::Plan;
use crate::plan::check::Finding;
use crate::syscall::cstr::ThinCStr;
use crate::syscall::fd::AsFd;
use crate::syscall::memory::bytes_of;
use crate::syscall::process::{execve, exit_group};
use crate::syscall::signal::{SigSet, sigprocmask};

/// What it needs to know.
pub struct Child<'a> {
    /// The directory of its kind's directory.
    pub containers: &'static CStr,
    /// Its name and kind.
    pub name: &'static CStr,
    /// See there.
    pub kind: Kind,
    /// All of them: names in `after` are looked up.
    pub units: &'a [Unit],
    /// The launcher's way to say something, and to pass on what the container says.
    pub output: BorrowedFd<'a>,
    /// Where its output goes if its file does not say.
    pub log: u32,
    /// To PID 1.
    pub talk: OwnedFd,
    /// Memory for its plan.
    pub plan: &'a mut MaybeUninit<Plan>,
    /// Memory for its strings.
    pub arena: &'a Arena,
}

/// Runs it.
pub fn run(child: Child) -> ! {
    let arena = child.arena;
    let status = match become_launcher(child) {
        Ok(never) => match never {},
        Err(error) => tell(error, arena),
    };
    exit_group(if status == 0 { STATUS_NSINIT } else { status })
}

fn become_launcher(child: Child) -> Result<core::convert::Infallible, Error> {
    let Child { containers, name, kind, units, output, log, talk, plan, arena } = child;
    sigprocmask(SigSet::EMPTY).doing("unblock signals", ())?;
    standard(output).doing("make standard input and output", ())?;
    setsid().doing("make a session", ())?;
    let dir = directory(containers, kind, name, arena)?;
    chdir(dir).doing("change directory to", dir)?;
    let plan = blank(plan);
    read(plan, CONFIG, arena)?;
    if plan.mark("log", 0).is_none() {
        plan.service.keep.log = log;
    }
    let (after, _) = after(plan, units, (kind, name), CONFIG, arena);
    // PID 1 is there as long as this process.
    rustix::io::write(talk.as_fd(), bytes_of(&mut record(after, &plan.service.keep)))
        .doing("tell the settings", ())?;
    let mut go = [0];
    match rustix::io::retry_on_intr(|| rustix::io::read(talk.as_fd(), &mut go[..])) {
        Ok(1) => {}
        // It is not wanted any more.
        _ => exit_group(STATUS_NSINIT),
    }
    image::prepare(dir, name, plan, arena)?;
    fcntl_setfd(talk.as_fd(), FdFlags::empty()).doing("keep the socket", ())?;
    let ready = arena.cstr(format_args!("{}", talk.as_raw_fd())).doing("name the socket", ())?;
    let argv = [
        Some(c"nsinit".into()),
        Some(c"exec".into()),
        Some(c"--id".into()),
        Some(name.into()),
        Some(c"--relay".into()),
        Some(c"--ready-fd".into()),
        Some(ready.into()),
        None::<ThinCStr>,
    ];
    let errno = execve(c"/proc/self/exe", &argv, &[None]);
    Err(Error::errno("execute", "/proc/self/exe", errno))
}

/// The directory of a container.
pub fn directory(
    containers: &CStr,
    kind: Kind,
    name: &CStr,
    arena: &Arena,
) -> Result<&'static CStr, Error> {
    join(arena, &[containers.to_bytes(), b"/", kind.dir().as_bytes(), b"/", name.to_bytes()])
}

/// A path, put together.
#[inline(never)]
pub fn join(arena: &Arena, parts: &[&[u8]]) -> Result<&'static CStr, Error> {
    arena.concat(parts).doing("keep a path", ())
}

/// Its file, in the working directory.
const CONFIG: &CStr = c"container.json";

/// Fills the empty plan from the file at `path`. All its faults are told but the last, which is the result.
pub fn read(plan: &mut Plan, path: &'static CStr, arena: &Arena) -> Result<(), Error> {
    let read = load::plan(plan, path, &Options::default(), arena);
    if !plan.whole || plan.is_faulty("command") || load::has_command(plan).is_ok() {
        return read;
    }
    if let Err(fault) = read {
        tell(fault, arena);
    }
    Err(Error::refused("use", path, "no \"command\" in it"))
}

/// The names in "after" as a set, and whether all can be waited for: others are said.
pub fn after(
    plan: &Plan,
    units: &[Unit],
    (kind, own): (Kind, &CStr),
    path: &'static CStr,
    arena: &Arena,
) -> (Set, bool) {
    let mut set = 0;
    let mut known = true;
    for (n, name) in plan.service.after.iter().enumerate() {
        let found = units.iter().enumerate().find(|(_, unit)| unit.name == *name);
        match found.map(|(at, unit)| (at, unit.kind)) {
            // It has had its turn.
            Some((_, other)) if other < kind => {}
            // Those that are no services run in the order of their names, whatever they say.
            Some((at, other)) if other == kind && (kind == Kind::Service || *name < own) => {
                set |= 1 << at;
            }
            found => {
                known = false;
                let why = match found {
                    None => "no such container",
                    Some(_) => "its turn comes later",
                };
                let finding = Finding { part: "after", index: Some(n), key: "", why, text: c"" };
                let file = path.to_str().unwrap_or("container.json");
                // It is not the end of it.
                tell(libct::place(plan, file, finding, arena).error, arena);
            }
        }
    }
    (set, known)
}

/// Nothing to read, and PID 1 to write to. /dev/null may not exist: a pipe without a writer is as
/// good.
fn standard(output: BorrowedFd) -> rustix::io::Result<()> {
    let (nothing, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    drop(writer);
    dup2_stdin(nothing.as_fd())?;
    dup2_stdout(output.as_fd())?;
    dup2_stderr(output.as_fd())
}
