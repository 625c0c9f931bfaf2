//! The file systems of the kernel, where every program looks for them.

use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{Access, CWD, Mode, OFlags, access, mkdir, openat, stat, symlink};
use rustix::io::{self, Errno};
use rustix::mount::{MountFlags, mount};

use super::{is_real, names, nodes, root};
use crate::bytes::CNames;
use crate::error::{Context, Result};
use crate::rootfs::doing;
use crate::syscall::cstr::Env;
use crate::syscall::fd::AsFd;

/// One of them.
pub struct Mount {
    /// Mount point, type and options.
    words: CNames,
    flags: MountFlags,
}

const SUID: MountFlags = MountFlags::NOSUID;
const DEV: MountFlags = SUID.union(MountFlags::NODEV);
const EXEC: MountFlags = DEV.union(MountFlags::NOEXEC);

const fn entry(words: &'static str, flags: MountFlags) -> Mount {
    Mount { words: CNames(words), flags }
}

/// What must be there to find the consoles and to read the command line.
pub const FIRST: [Mount; 3] = [
    entry("/proc\0proc\0\0", EXEC),
    entry("/sys\0sysfs\0\0", EXEC),
    entry("/dev\0devtmpfs\0mode=0755\0", SUID),
];

/// What programs expect.
pub const SYSTEM: [Mount; 5] = [
    entry("/dev/pts\0devpts\0gid=5,mode=620,ptmxmode=666\0", SUID.union(MountFlags::NOEXEC)),
    entry("/dev/shm\0tmpfs\0mode=1777\0", DEV),
    entry("/dev/mqueue\0mqueue\0\0", EXEC),
    entry("/run\0tmpfs\0mode=0755,size=20%\0", DEV),
    entry("/tmp\0tmpfs\0mode=1777\0", DEV),
];

/// What only some kernels have: nobody is told where one is missing.
pub const EXTRA: [Mount; 5] = [
    entry("/sys/kernel/security\0securityfs\0\0", EXEC),
    entry("/sys/fs/selinux\0selinuxfs\0\0", SUID.union(MountFlags::NOEXEC)),
    entry("/sys/fs/bpf\0bpf\0mode=0700\0", EXEC),
    entry("/sys/fs/pstore\0pstore\0\0", EXEC),
    entry("/sys/firmware/efi/efivars\0efivarfs\0\0", EXEC),
];

/// What PID 1 writes and listens to. It is a mount of its own, which the launcher takes away inside
/// (launch/child.rs): a container that has /run has none of it, neither the socket nor a directory whose lock it
/// could hold.
pub const PID_1: Mount = entry("/run/nsinit/pid1\0tmpfs\0mode=0700,size=20%\0", EXEC);

/// What programs look for in /dev, and udev makes elsewhere. Without the first nobody could execute a
/// descriptor on Debian's 5.10, neither crun nor nsinit (its TOMOYO looks for the path, it seems).
const LINKS: [(&CStr, &CStr); 4] = [
    (c"/dev/fd", c"/proc/self/fd"),
    (c"/dev/stdin", c"/proc/self/fd/0"),
    (c"/dev/stdout", c"/proc/self/fd/1"),
    (c"/dev/stderr", c"/proc/self/fd/2"),
];

/// Mounts the first three, as a kernel without devtmpfs allows. Whether this is a machine, and what
/// there was no console yet to tell: what the first two say is told when they are tried again.
// What it takes of the stack goes back before the loop.
#[inline(never)]
pub fn first(env: &Env) -> (bool, Result<()>) {
    let [proc, sys, dev] = &FIRST;
    let mut early = Ok(());
    // Told when it is tried again, as the others below.
    let _ = one(proc);
    let is_real = is_real(env);
    // Now, as proc is all that is mounted.
    if is_real && root::is_initramfs() {
        early = root::make_exchangeable();
        let _ = one(proc);
    }
    let _ = one(sys);
    // A container gets no devices of the machine's.
    let mounted = if is_real { one(dev) } else { Ok(()) };
    if access(c"/dev/null", Access::EXISTS).is_err() {
        early = early.and(nodes::make(is_real)).and(mounted);
    }
    for (link, text) in LINKS {
        // Who made /dev may have made them, or may not want anything in it.
        let _ = symlink(text, link);
    }
    (is_real, early)
}

/// Mounts it, unless something is mounted there already.
pub fn one(entry: &Mount) -> Result<()> {
    let Mount { mut words, flags } = *entry;
    let mut word = || words.next().unwrap_or(c"");
    let (point, kind, data) = (word(), word(), word());
    make_dir(point);
    if is_mounted(point) {
        return Ok(());
    }
    mount(kind, point, kind, flags, data).doing(doing(kind), point)
}

/// A directory to mount on. Where it can't be made the mount says so.
pub fn make_dir(path: &CStr) {
    let _ = mkdir(path, Mode::from_raw_mode(0o755));
}

/// Whether a file system of its own is mounted on `point`, as the kernel may have done, or whoever
/// made the container.
pub fn is_mounted(point: &CStr) -> bool {
    let above = open(point, OFlags::PATH)
        .and_then(|dir| rustix::fs::statat(dir.as_fd(), c"..", rustix::fs::AtFlags::empty()));
    matches!((stat(point), above), (Ok(it), Ok(above)) if it.st_dev != above.st_dev)
}

/// Opens a file of the machine's own, never to be inherited.
#[inline(never)]
pub fn open(path: &CStr, flags: OFlags) -> io::Result<OwnedFd> {
    openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// Reads a small file of proc or sysfs. EOVERFLOW where it does not fit.
pub fn read<'a>(path: &CStr, buf: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let file = open(path, OFlags::RDONLY)?;
    let n = rustix::io::read(file.as_fd(), &mut *buf)?;
    buf.get(..n).filter(|text| text.len() < buf.len()).ok_or(Errno::OVERFLOW)
}

/// The same, with `name` in its path.
pub fn read_at<'a>(pattern: &str, name: &[u8], buf: &'a mut [u8]) -> io::Result<&'a [u8]> {
    read(names::path(pattern, name).as_cstr(), buf)
}

/// Writes to a file of proc or sysfs.
pub fn write(path: &CStr, text: &[u8]) -> io::Result<()> {
    let file = open(path, OFlags::WRONLY)?;
    rustix::io::write(file.as_fd(), text).map(drop)
}
