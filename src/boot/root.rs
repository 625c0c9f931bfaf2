//! The root of the machine: an initramfs made fit for containers, or left for the real root.

use core::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, access, openat, statat, statfs, unlinkat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind_recursive, mount_move, unmount};
use rustix::process::{chdir, chroot, fchdir, pivot_root};

use super::cmdline::FOR_EVER;
use super::crash::WAITED;
use super::device;
use super::names::Path;
use super::{Machine, mounts, names, nodes, power, shutdown, superblock};
use crate::bytes::{Arena, Short, Show, split_by};
use crate::error::{Context, Error, Result};
use crate::proc::mountinfo::{self, Lines};
use crate::say;
use crate::syscall::cstr::{List, ThinCStr};
use crate::syscall::fd::AsFd;
use crate::syscall::process::execve;
use crate::syscall::signal::{SigSet, sigprocmask};
use crate::syscall::time::monotonic;

/// include/uapi/linux/magic.h
const RAMFS_MAGIC: u32 = 0x8584_58f6;
const TMPFS_MAGIC: u32 = 0x0102_1994;

/// Whether "/" is an initramfs.
pub fn is_initramfs() -> bool {
    // The field's type differs between architectures; every magic number is 32 bits.
    statfs(c"/").is_ok_and(|fs| matches!(fs.f_type as u32, RAMFS_MAGIC | TMPFS_MAGIC))
}

/// Gives an initramfs a root that pivot_root(2) can exchange, once and for all that run here.
///
/// Before Linux 7.0 the initramfs is the lowest mount of all, and has no parent on which another
/// could take its place. A bind of it on itself has. Nothing is copied: it is the same files. proc is
/// the only thing that is mounted yet; it is taken away, so that no second one stays below the new
/// root, out of reach, and lifts the kernel's rule for user namespaces (mount_too_revealing() in
/// fs/namespace.c).
pub fn make_exchangeable() -> Result<()> {
    const DOING: &str = "make the initramfs a root that can be exchanged:";
    const MOUNT: &CStr = c"/proc";
    if has_parent().unwrap_or(true) {
        return Ok(());
    }
    // What is busy stays: then there are two.
    let _ = unmount(MOUNT, UnmountFlags::DETACH);
    mount_bind_recursive(c"/", MOUNT).doing(DOING, "bind it")?;
    chdir(MOUNT).doing(DOING, "enter it")?;
    move_here().doing(DOING, "move it")
}

/// The mount that is the working directory becomes the root, on top of the old one.
fn move_here() -> rustix::io::Result<()> {
    mount_move(c".", c"/")?;
    chroot(c".")?;
    chdir(c"/")
}

/// Whether the mount at "/" is mounted on another.
fn has_parent() -> rustix::io::Result<bool> {
    let file = mountinfo::open(c"/proc/self/mountinfo")?;
    let mut lines = Lines::new(file.as_fd())?;
    while let Some(mount) = lines.next_mount()? {
        if mount.point == c"/" {
            return Ok(mount.id != mount.parent);
        }
    }
    Ok(true)
}

const SYSROOT: &CStr = c"/sysroot";
/// Milliseconds between two looks for a root: disks are found in the background.
const PAUSE: u32 = 20;

/// Leaves the initramfs for the root that the command line names, and executes its init. Returns
/// where our own containers are to run there.
pub fn enter(machine: &Machine, spec: &'static CStr) -> Result<()> {
    let device = wait_for(machine, spec)?;
    mount_root(machine, spec, device.as_cstr())?;
    for point in [c"dev", c"proc", c"sys"] {
        let path = |dir: &CStr| machine.arena.concat(&[dir.to_bytes(), b"/", point.to_bytes()]);
        let (from, to) = (path(c"").doing("name", point)?, path(SYSROOT).doing("name", point)?);
        if let Err(error) = mount_move(from, to).doing("move a mount to", to) {
            // The real root has no such directory: it does without.
            say::warning(format_args!("{error}"));
            let _ = unmount(from, UnmountFlags::DETACH);
        }
    }
    let old =
        openat(CWD, c"/", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .doing("open", "the initramfs")?;
    chdir(SYSROOT).doing("change directory to", SYSROOT)?;
    // The old root is stacked on the new one (pivot_root(2), NOTES).
    match pivot_root(c".", c".") {
        Ok(()) => {
            fchdir(old.as_fd()).doing("change directory to", "the initramfs")?;
            empty(old.as_fd(), 0);
            unmount(c".", UnmountFlags::DETACH).doing("unmount", "the initramfs")?;
            chdir(c"/").doing("change directory to", "/")?;
        }
        Err(_) => {
            move_here().doing("move to / the root", spec)?;
            empty(old.as_fd(), 0);
        }
    }
    execute(machine)
}

/// The path of the device, once it is there.
fn wait_for(machine: &Machine, spec: &'static CStr) -> Result<Path> {
    let seconds = machine.cmdline.rootwait;
    let for_ever = seconds == FOR_EVER;
    let end = monotonic() + u64::from(seconds) * 1000;
    let mut told = false;
    loop {
        if let Some(path) = device::find(spec.to_bytes()) {
            return Ok(path);
        }
        nodes::fill();
        if for_ever && !told {
            let spec = Show(spec.to_bytes());
            say::warning(format_args!("root={spec}: no such device yet; waiting for it"));
        }
        told = true;
        if !for_ever && monotonic() > end {
            return Err(Error::refused("find the root", spec, there_are(machine.arena)));
        }
        // Nothing runs yet, and nothing is written to: it ends at once.
        if let Some(action) = power::wait(Some(PAUSE)) {
            shutdown::now(action);
        }
    }
}

/// That none is what was asked for, and which there are.
fn there_are(arena: &Arena) -> &'static str {
    const NONE: &str = "no block device at all: put the module of its driver into modules/";
    let mut names = Short::<512>::default();
    device::each(&mut |name| {
        // It is cut where there are many.
        names.push(format_args!(" {}", Show(name)));
    });
    let text = format_args!("no device of that name, label or UUID; there are{}", names.as_str());
    match names.as_str() {
        "" => NONE,
        _ => arena.str(text).unwrap_or(NONE),
    }
}

fn mount_root(machine: &Machine, spec: &'static CStr, device: &CStr) -> Result<()> {
    let cmdline = &machine.cmdline;
    mounts::make_dir(SYSROOT);
    let flags = if cmdline.rw { MountFlags::empty() } else { MountFlags::RDONLY };
    let data = cmdline.rootflags.unwrap_or(c"");
    let found = device::open(device).and_then(|device| superblock::kind(device.as_fd()));
    let doing = "mount the root file system";
    let mut result = Err(Errno::NODEV);
    match (cmdline.rootfstype, found) {
        (Some(list), _) => {
            for kind in split_by(list.to_bytes(), b',') {
                let kind = machine.arena.concat(&[kind]).doing(doing, spec)?;
                result = result.or_else(|first| {
                    // Of a type that the kernel knows it says more.
                    let next = mount(device, SYSROOT, kind, flags, data);
                    next.map_err(|errno| if errno == Errno::NODEV { first } else { errno })
                });
            }
        }
        (None, Some(kind)) => result = mount(device, SYSROOT, kind, flags, data),
        (None, None) => {
            let why = "no file system that nsinit knows is on it (rootfstype= may name its type)";
            return Err(Error::refused(doing, spec, why));
        }
    }
    result.doing(doing, spec).map_err(|error| match error.raw() {
        // The latter where a module that the file system needs is missing: ext4 without crc32c, for one.
        Some(Errno::NODEV | Errno::NOENT) => error.hint(
            "the kernel has no such file system, or lacks what it needs (modules in /modules?)",
        ),
        _ => error,
    })
}

/// How deep the directories of an initramfs are followed.
const DEPTH: u32 = 64;

/// Deletes what is in `dir`, and below it on the same file system: the memory of an initramfs is free
/// when its files are.
fn empty(dir: BorrowedFd, depth: u32) {
    let Ok(device) = rustix::fs::fstat(dir).map(|stat| stat.st_dev) else { return };
    // What can't be deleted stays in memory: nothing to do about it.
    let _ = names::each_in(dir, &mut |dir, name| {
        if unlinkat(dir, name, AtFlags::empty()).is_err() && depth < DEPTH {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let same =
                statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|it| it.st_dev == device);
            if same && let Ok(below) = openat(dir, name, flags, Mode::empty()) {
                empty(below.as_fd(), depth + 1);
                let _ = unlinkat(dir, name, AtFlags::REMOVEDIR);
            }
        }
    });
}

/// Where an init is looked for (kernel_init() in the kernel's init/main.c).
const INITS: [&CStr; 3] = [c"/sbin/init", c"/etc/init", c"/bin/init"];

fn execute(machine: &Machine) -> Result<()> {
    let cmdline = &machine.cmdline;
    let found = INITS.into_iter().find(|path| access(*path, Access::EXEC_OK).is_ok());
    let init = match (cmdline.init, cmdline.containers, found) {
        (Some(init), _, _) | (None, None, Some(init)) => init,
        (None, Some(_), _) => return Ok(()),
        (None, None, None) if access(c"/containers", Access::EXISTS).is_ok() => return Ok(()),
        (None, None, None) => {
            let why = "it has neither /sbin/init nor /containers";
            return Err(Error::refused("start", "the real root", why));
        }
    };
    let mut words = heapless::Vec::<Option<ThinCStr>, 64>::new();
    // The kernel gives an init at most 32 words (MAX_INIT_ARGS in init/main.c).
    let _ = words.push(Some(init.into()));
    let _ = words.extend_from_slice(machine.args.get(1..).unwrap_or(&[None]));
    machine.consoles.make_blocking();
    sigprocmask(SigSet::EMPTY).doing("unblock signals", ())?;
    let argv: List = &words;
    let errno = execve(init, argv, machine.env.list());
    // Whoever waits for the shell that follows waits for them.
    sigprocmask(WAITED).doing("block signals", ())?;
    Err(Error::errno("execute", init, errno))
}
