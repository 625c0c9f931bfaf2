//! nsinit as the first process of a machine, or of a container that is one in small: `/init` of an
//! initramfs, `/sbin/init` of an installed root. It mounts what a system needs, opens the consoles,
//! changes to the real root where one is named, and then runs the containers until somebody asks for
//! the end.
//!
//! `containers` is what runs in between; all else is in the order in which it is called here.

pub mod ask;
mod cgroups;
pub mod cmdline;
mod console;
pub mod containers;
pub mod crash;
mod device;
mod modinfo;
mod modules;
mod mounts;
pub mod names;
mod nodes;
pub mod power;
pub mod rescue;
mod root;
pub mod shutdown;
mod superblock;
pub mod watchdog;

use core::mem::MaybeUninit;

use heapless::Vec;
use rustix::process::getpid;
use rustix::system::{RebootCommand, reboot, sethostname};

use crate::bytes::{Arena, is_among, split_by};
use crate::error::{Context as _, Result};
use crate::front::Context;
use crate::plan::Plan;
use crate::proc::process::Identity;
use crate::say;
use crate::syscall::cstr::{Env, List};
use crate::syscall::signal::{CHLD, Disposition, sigaction, sigprocmask};
use crate::syscall::time::boottime;
use cmdline::Cmdline;
use console::Consoles;
use power::Buttons;

/// What the first process has for as long as it runs. What is small comes first: near the beginning it
/// is reached by short instructions.
#[repr(C)]
pub struct Machine<'a> {
    /// Memory for strings that stay for good.
    pub arena: &'a Arena,
    /// Whether this is a machine, and not a container: what is done to the kernel is done to all.
    pub is_real: bool,
    /// The words that nsinit was started with.
    pub args: List<'static>,
    /// The environment that nsinit was started with.
    pub env: Env,
    /// Memory for a plan.
    pub plan: &'static mut MaybeUninit<Plan>,
    /// The power buttons.
    pub buttons: Buttons,
    /// Every active console, none of which a write blocks on.
    pub consoles: Consoles,
    /// What the kernel's command line says.
    pub cmdline: Cmdline,
    /// The steps of the boot, each with the time of its end in microseconds since the kernel began.
    pub marks: Vec<(&'static str, u64), MARKS>,
}

/// Most steps that are noted.
pub const MARKS: usize = 8;

impl Machine<'_> {
    /// A step is done, for `nsinit blame`.
    fn mark(&mut self, step: &'static str) {
        // There are fewer.
        let _ = self.marks.push((step, boottime()));
    }
}

/// What may end a machine, or be done with one that has nothing to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Off.
    PowerOff,
    /// From the start.
    Reboot,
    /// Stopped, with the power on.
    Halt,
    /// The kernel that kexec(8) has loaded.
    Kexec,
    /// A shell on the console.
    Shell,
    /// Nothing: wait.
    Stay,
}

/// Whether nsinit is to be the first process of a machine: it has its number, and its name or no
/// word that says anything else. In a container it is PID 1 as well, with a verb.
pub fn is_init(args: List) -> bool {
    let mut words = args.iter().flatten().map(|word| word.bytes());
    let name = words.next().unwrap_or(b"");
    let base = split_by(name, b'/').last().unwrap_or(name);
    getpid().is_init() && (is_among(b"init linuxrc", b' ', base) || words.next().is_none())
}

/// Boots, runs the containers, and ends the machine.
pub fn run(context: Context) -> ! {
    let Context { args, env, arena, plan, .. } = context;
    let mut marks = Vec::new();
    // There is room.
    let _ = marks.push(("kernel", boottime()));
    // Not even the descriptors are there for certain: the consoles come first.
    let (is_real, early) = mounts::first(&env);
    let consoles = if is_real { Consoles::open() } else { Consoles::inherited() };
    let cmdline = Cmdline::read(is_real, args, arena);
    crash::arm(&cmdline);
    let buttons = Buttons::default();
    let mut machine =
        Machine { cmdline, consoles, buttons, is_real, args, env, arena, plan, marks };
    machine.mark("console");
    let action = match prepare(&mut machine, early) {
        Err(error) => {
            say::error(format_args!("{error}"));
            rescue::shell(&machine).unwrap_or(machine.cmdline.panic)
        }
        Ok(()) => wanted(&machine).unwrap_or_else(|| containers::run(&mut machine)),
    };
    shutdown::end(&mut machine, action)
}

/// The shell before the first container.
fn wanted(machine: &Machine) -> Option<Action> {
    if machine.cmdline.rescue { rescue::shell(machine) } else { None }
}

/// Everything before the first container. What a machine can do without is warned of.
// What it takes of the stack goes back before the loop.
#[inline(never)]
fn prepare(machine: &mut Machine, early: Result<()>) -> Result<()> {
    // All signals wait for the loop, but those that a fault of our own raises.
    sigprocmask(crash::WAITED).doing("block signals", ())?;
    sigaction(CHLD, Disposition::Default).doing("reset SIGCHLD", ())?;
    let warn = |result: Result<()>| {
        if let Err(error) = result {
            say::warning(format_args!("{error}"));
        }
    };
    warn(early);
    let [proc, sys, _] = &mounts::FIRST;
    warn(mounts::one(proc));
    warn(mounts::one(sys));
    if machine.is_real {
        // Ctrl-Alt-Del is a signal to PID 1, and no reset.
        warn(reboot(RebootCommand::CadOff).doing("ask for Ctrl-Alt-Del", ()));
        modules::load(machine.arena);
        nodes::fill();
        machine.mark("modules");
        if let Some(spec) = machine.cmdline.root
            && root::is_initramfs()
        {
            root::enter(machine, spec)?;
            machine.mark("root");
        }
    }
    mounts::SYSTEM.iter().for_each(|entry| warn(mounts::one(entry)));
    machine.mark("mounts");
    warn(cgroups::make(machine.cmdline.cgroup, machine.is_real));
    warn(crate::net::loopback_up(machine.arena));
    if let Some(name) = machine.cmdline.hostname {
        warn(sethostname(name.to_bytes()).doing("set the host name to", name));
    }
    if machine.is_real {
        // As their comment says.
        mounts::EXTRA.iter().for_each(|entry| _ = mounts::one(entry));
        machine.buttons = Buttons::open();
        // Last: from here on somebody must kick it.
        warn(watchdog::arm(machine.cmdline.watchdog));
    }
    machine.mark("devices");
    Ok(())
}

/// A container has another PID namespace than the machine, whose is always the same
/// (include/linux/proc_ns.h), or says what it is, as they all do.
fn is_real(env: &Env) -> bool {
    /// PROC_PID_INIT_INO
    const FIRST: u64 = 0xefff_fffc;
    let first = Identity::of(c"/proc/self/ns/pid").map_or(true, |it| it.inode == FIRST);
    first && env.get("container").is_none()
}
