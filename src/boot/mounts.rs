//! The file systems of the kernel, where every program looks for them.

use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{Access, CWD, Mode, OFlags, access, mkdir, openat, stat};
use rustix::io::{self, Errno};
use rustix::mount::{MountFlags, mount};

use super::{is_real, names, nodes, root};
use crate::error::{Context, Result};
use crate::rootfs::doing;
use crate::syscall::cstr::Env;

/// One of them.
pub struct Mount {
    point: &'static CStr,
    kind: &'static CStr,
    flags: MountFlags,
    data: &'static CStr,
}

const SUID: MountFlags = MountFlags::NOSUID;
const DEV: MountFlags = SUID.union(MountFlags::NODEV);
const EXEC: MountFlags = DEV.union(MountFlags::NOEXEC);

const fn entry(
    point: &'static CStr,
    kind: &'static CStr,
    flags: MountFlags,
    data: &'static CStr,
) -> Mount {
    Mount { point, kind, flags, data }
}

/// What must be there to find the consoles and to read the command line.
pub const FIRST: [Mount; 3] = [
    entry(c"/proc", c"proc", EXEC, c""),
    entry(c"/sys", c"sysfs", EXEC, c""),
    entry(c"/dev", c"devtmpfs", SUID, c"mode=0755"),
];

/// What programs expect.
pub const SYSTEM: [Mount; 5] = [
    entry(c"/dev/pts", c"devpts", SUID.union(MountFlags::NOEXEC), c"gid=5,mode=620,ptmxmode=666"),
    entry(c"/dev/shm", c"tmpfs", DEV, c"mode=1777"),
    entry(c"/dev/mqueue", c"mqueue", EXEC, c""),
    entry(c"/run", c"tmpfs", DEV, c"mode=0755,size=20%"),
    entry(c"/tmp", c"tmpfs", DEV, c"mode=1777"),
];

/// What only some kernels have: nobody is told where one is missing.
pub const EXTRA: [Mount; 5] = [
    entry(c"/sys/kernel/security", c"securityfs", EXEC, c""),
    entry(c"/sys/fs/selinux", c"selinuxfs", SUID.union(MountFlags::NOEXEC), c""),
    entry(c"/sys/fs/bpf", c"bpf", EXEC, c"mode=0700"),
    entry(c"/sys/fs/pstore", c"pstore", EXEC, c""),
    entry(c"/sys/firmware/efi/efivars", c"efivarfs", EXEC, c""),
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
    (is_real, early)
}

/// Mounts it, unless something is mounted there already.
pub fn one(entry: &Mount) -> Result<()> {
    let Mount { point, kind, flags, data } = *entry;
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
        .and_then(|dir| rustix::fs::statat(&dir, c"..", rustix::fs::AtFlags::empty()));
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
    let n = rustix::io::read(&file, &mut *buf)?;
    buf.get(..n).filter(|text| text.len() < buf.len()).ok_or(Errno::OVERFLOW)
}

/// The same, with `name` in its path.
pub fn read_at<'a>(pattern: &str, name: &[u8], buf: &'a mut [u8]) -> io::Result<&'a [u8]> {
    read(names::path(pattern, name).as_cstr(), buf)
}

/// Writes to a file of proc or sysfs.
pub fn write(path: &CStr, text: &[u8]) -> io::Result<()> {
    let file = open(path, OFlags::WRONLY)?;
    rustix::io::write(&file, text).map(drop)
}
