//! The end of the machine: no process is left, then no file system that can be written to, then the
//! kernel is told (reboot(2)).

use core::ffi::CStr;

use linux_raw_sys::general::{SIGCONT, SIGHUP, SIGKILL, SIGTERM};
use rustix::fs::sync;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};
use rustix::process::Pid;
use rustix::system::{RebootCommand, reboot};

use super::{Action, Machine, power, watchdog};
use crate::bytes::{Arena, is_among};
use crate::error::Context;
use crate::proc::mountinfo::{self, Lines};
use crate::say;
use crate::syscall::fd::AsFd;
use crate::syscall::process::{Fork, NewNamespaces, exit_group, fork, wait_any};
use crate::syscall::signal::kill_all;
use crate::syscall::time::monotonic;

/// Milliseconds that SIGKILL may take: a process that does not die in that time waits for a device, and would for
/// ever.
const KILL: u32 = 2000;
/// Milliseconds that a disk may take to write what is left, with the watchdog kicked.
const SYNC: u32 = 600_000;
/// How often the mounts are gone through while some can still be taken away.
const PASSES: u32 = 8;

/// Ends everything, and does `action` to the machine.
pub fn end(machine: &mut Machine, action: Action) -> ! {
    let words = match action {
        Action::PowerOff => "powering off",
        Action::Halt => "halting",
        Action::Kexec => "starting the next kernel",
        _ => "rebooting",
    };
    say::error(format_args!("{words}"));
    let grace = machine.cmdline.grace.saturating_mul(1000);
    // A shell at its terminal ignores TERM, but not HUP; a stopped process takes them only once it goes
    // on.
    if !all_end(&[SIGTERM, SIGHUP, SIGCONT], grace) {
        say::warning(format_args!("not all processes ended in time; killing them"));
        all_end(&[SIGKILL], KILL);
    }
    if machine.is_real {
        write_back(SYNC);
        unmount_all(machine.arena);
    }
    now(action);
    // In a PID namespace whose owner may not even end that: PID 1 ends, and all with it.
    exit_group(0)
}

/// Resets the machine, as somebody will not wait: what hangs has two seconds to write what is left.
pub fn at_once() {
    say::error(format_args!("resetting now: Ctrl-Alt-Del was pressed seven times"));
    write_back(KILL);
    // Where it is refused, the end takes its time.
    let _ = reboot(RebootCommand::Restart);
}

/// sync(2), in a process of its own: it may take longer than the watchdog waits.
fn write_back(limit: u32) {
    match fork(NewNamespaces::empty()) {
        Ok(Fork::Child) => {
            sync();
            exit_group(0)
        }
        Ok(Fork::Parent(pid)) => _ = await_end(Some(pid), limit),
        Err(_) => sync(),
    }
}

/// Sends `signals` to every process and waits until all have ended, at most for `limit` milliseconds: whether
/// they have.
fn all_end(signals: &[u32], limit: u32) -> bool {
    for n in signals {
        // ESRCH: there is none.
        let _ = kill_all(*n);
    }
    await_end(None, limit)
}

/// Waits until `pid` has ended, or all have: PID 1 is at last everybody's parent, so that ECHILD means that
/// nobody is left.
#[inline(never)]
fn await_end(pid: Option<Pid>, limit: u32) -> bool {
    let end = monotonic() + u64::from(limit);
    let pause = watchdog::interval().map_or(u64::MAX, u64::from);
    loop {
        watchdog::kick();
        loop {
            match wait_any(false) {
                Ok(Some((ended, _))) if Some(ended) == pid => return true,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return true,
            }
        }
        match end.checked_sub(monotonic()) {
            None | Some(0) => return false,
            // SIGCHLD ends the wait, or any other signal: then once more.
            Some(rest) => _ = power::wait(Some(rest.min(pause) as u32)),
        }
    }
}

/// Unmounts what can be, the youngest mounts first, and makes the rest read-only.
fn unmount_all(arena: &Arena) {
    for _ in 0..PASSES {
        if each(arena, &mut |point| unmount(point, UnmountFlags::NOFOLLOW)) == 0 {
            break;
        }
    }
    each(arena, &mut |point| mount_remount(point, MountFlags::RDONLY, c""));
    if let Err(error) = mount_remount(c"/", MountFlags::RDONLY, c"").doing("make read-only", c"/")
        // The root of an initramfs can't be, and holds nothing.
        && error.raw() != Some(Errno::INVAL)
    {
        say::warning(format_args!("{error}"));
    }
}

/// Calls `f` with the mount points that matter, the last first; how often it worked.
fn each(arena: &Arena, f: &mut dyn FnMut(&CStr) -> rustix::io::Result<()>) -> u32 {
    let mut points = heapless::Vec::<&CStr, 256>::new();
    let Ok(file) = mountinfo::open(c"/proc/self/mountinfo") else { return 0 };
    let Ok(mut lines) = Lines::new(file.as_fd()) else { return 0 };
    while let Ok(Some(mount)) = lines.next_mount() {
        // proc is needed to the last, and a mount of the kernel's own files holds no data.
        let kept = b"proc sysfs devtmpfs rootfs";
        if !is_among(kept, b' ', mount.fstype.to_bytes())
            && mount.point != c"/"
            && let Ok(point) = arena.concat(&[mount.point.to_bytes()])
        {
            if points.is_full() {
                points.remove(0);
            }
            // There is room now.
            let _ = points.push(point);
        }
    }
    points.iter().rev().filter(|point| f(point).is_ok()).count() as u32
}

/// reboot(2), without more ado; why not, where it returns. In a PID namespace it ends that alone
/// (pid_namespaces(7)).
pub fn now(action: Action) -> Option<Errno> {
    sync();
    if action == Action::Halt {
        watchdog::disarm();
    }
    let command = match action {
        Action::PowerOff => RebootCommand::PowerOff,
        Action::Halt => RebootCommand::Halt,
        Action::Kexec => RebootCommand::Kexec,
        _ => RebootCommand::Restart,
    };
    let result = match reboot(command) {
        // No kernel is loaded: the ordinary way round.
        Err(_) if action == Action::Kexec => reboot(RebootCommand::Restart),
        result => result,
    };
    result.err()
}
