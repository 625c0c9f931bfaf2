//! What lies in /dev: nodes, links, the console. All by one descriptor, opened when the mounts are
//! done, as /dev of an image may be a link to a directory of the host (CVE-2026-41579,
//! CVE-2026-47766).

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid, makedev};
use rustix::io::{self, Errno};

use super::attach;
use super::change::Change;
use super::{DEVPTS_SUPER_MAGIC, PROC_SUPER_MAGIC, Root, SYSFS_MAGIC, TMPFS_MAGIC, magic};
use crate::beneath::{self, NAME};
use crate::bytes::{CNames, Short};
use crate::error::{Context, Error, Object, Result};
use crate::plan::{Device, DeviceKind};
use crate::proc::fd_path;
use crate::syscall::fd::AsFd;

const DEV: &CStr = c"/dev";
const CONSOLE: &str = "/dev/console";

/// Links that every libcontainer made: name, text.
const LINKS: CNames = CNames(
    "fd\0/proc/self/fd\0stdin\0/proc/self/fd/0\0stdout\0/proc/self/fd/1\0stderr\0/proc/self/fd/2\0\
     core\0/proc/kcore\0ptmx\0pts/ptmx\0",
);
/// Where the kernel has it (CONFIG_PROC_KCORE), "core" links to it.
const KCORE: &CStr = c"/proc/kcore";

/// /dev of the container.
pub struct Dev {
    fd: OwnedFd,
    whose: Whose,
}

/// Who else has a right to what is in /dev.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    /// Nobody: the plan mounts a tmpfs there.
    Ours,
    /// The rootfs: it is a directory of it.
    Rootfs,
    /// Some directory of the host, or a devtmpfs, is mounted there: what is in it stays.
    Others,
}

impl Root<'_> {
    /// Makes the device nodes. One that is there already and is the same device is kept as it is.
    pub fn devices(&self) -> Result<()> {
        for device in &self.plan.devices {
            let mut buf = [0; NAME];
            if let Some(name) = name_in_dev(device.path) {
                let dev = self.dev()?;
                make(dev.fd.as_fd(), name, device, dev.whose == Whose::Ours)?;
            } else {
                let (dir, name) = beneath::split(self.fd(), device.path, &mut buf)
                    .doing("make the directory of the device", device.path)?;
                make(dir.as_fd(), name, device, false)
                    .map_err(|error| not_here(error, dir.as_fd()))?;
            }
        }
        Ok(())
    }

    /// Makes the links of /dev, where the plan wants them.
    pub fn links(&self) -> Result<()> {
        if !self.plan.dev_links {
            return Ok(());
        }
        let dev = self.dev()?;
        let mut links = LINKS;
        while let (Some(name), Some(text)) = (links.next(), links.next()) {
            if text == KCORE && rustix::fs::access(KCORE, rustix::fs::Access::EXISTS).is_err() {
                continue;
            }
            // Every name here is text.
            let on = (DEV, name.to_str().unwrap_or(""));
            link(dev, name, text).doing("link", on)?;
        }
        Ok(())
    }

    /// Puts the terminal on /dev/console. `console` is a detached mount of the slave
    /// (open_tree(OPEN_TREE_CLONE), made in the launcher's mount namespace), or, before Linux 5.2,
    /// the slave itself, opened in the host's /dev/pts.
    pub fn console(&self, console: BorrowedFd) -> Result<()> {
        let dev = self.dev()?;
        let slave = rustix::fs::fstat(console).doing("look at the terminal for", CONSOLE)?;
        let is_slave = is_char(&slave)
            // Majors 136 to 143 are Unix98 slaves (Documentation/admin-guide/devices.txt).
            && matches!(rustix::fs::major(slave.st_rdev), 136..=143)
            && magic(console).doing("look at the terminal for", CONSOLE)? == DEVPTS_SUPER_MAGIC;
        if !is_slave {
            return Err(Error::refused("mount on", CONSOLE, "this is no pseudo-terminal"));
        }
        let target = self.console_file(dev)?;
        match attach::move_to(console, target.as_fd()) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {}
            result => return result.doing("mount the terminal on", CONSOLE),
        }
        // Not a mount of its own: find the same file in this namespace, and bind that.
        let hint = "without open_tree(2), the terminal has to be in /dev/pts";
        let number = i64::from(rustix::fs::minor(slave.st_rdev));
        let name = Short::<16>::new(format_args!("{number}"));
        let path = Short::<32>::new(format_args!("/dev/pts/{number}"));
        let same = |source: OwnedFd| {
            let found = rustix::fs::fstat(source.as_fd())?;
            let same = (found.st_dev, found.st_ino) == (slave.st_dev, slave.st_ino);
            if same { Ok(source) } else { Err(Errno::NOENT) }
        };
        let own = self.devpts().and_then(|dir| open_here(dir.as_fd(), name.as_cstr()));
        let hosts = |_| open_here(rustix::fs::CWD, path.as_cstr()).and_then(same);
        let source = own.and_then(same).or_else(hosts);
        let bound = source
            .and_then(|source| attach::bind(source.as_fd(), target.as_fd(), false, Change::NONE));
        bound
            .map(drop)
            .map_err(|errno| Error::errno("mount the terminal on", CONSOLE, errno).hint(hint))
    }

    /// The directory in which the container has its pseudo-terminals.
    pub fn devpts(&self) -> io::Result<OwnedFd> {
        beneath::open(self.fd(), c"/dev/pts", OFlags::PATH | OFlags::DIRECTORY)
    }

    /// The file that the terminal is mounted on: a fresh one, or what is there if it is a plain file
    /// or a device; never a link (CVE-2015-3627, CVE-2025-52565).
    fn console_file(&self, dev: &Dev) -> Result<OwnedFd> {
        let mode = Mode::from_raw_mode(0o600);
        match rustix::fs::mknodat(dev.fd.as_fd(), c"console", FileType::RegularFile, mode, 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(read_only(errno, "make", CONSOLE)),
        }
        let target = open_here(dev.fd.as_fd(), c"console").doing("open", CONSOLE)?;
        let stat = rustix::fs::fstat(target.as_fd()).doing("look at", CONSOLE)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::CharacterDevice => Ok(target),
            _ => Err(Error::refused("mount on", CONSOLE, "it is neither a file nor a device")),
        }
    }

    /// /dev, opened once.
    fn dev(&self) -> Result<&Dev> {
        match self.dev.get() {
            Some(dev) => Ok(dev),
            None => {
                let dev = self.open_dev()?;
                Ok(self.dev.get_or_init(|| dev))
            }
        }
    }

    fn open_dev(&self) -> Result<Dev> {
        let fd = match beneath::create_dir_here(self.fd(), DEV, Mode::from_raw_mode(0o755)) {
            Err(Errno::NOTDIR) => {
                return Err(Error::refused("use", DEV, "it is a symbolic link or no directory"));
            }
            result => result.doing("open", DEV)?,
        };
        // The last one is on top.
        let mount = self.plan.mounts.iter().rfind(|m| beneath::is_exactly(m.target, b"dev"));
        let whose = match mount {
            None => Whose::Rootfs,
            Some(mount) if mount.fstype == c"tmpfs" => Whose::Ours,
            Some(_) => Whose::Others,
        };
        // Between the mount and this the directory may have been exchanged.
        if whose == Whose::Ours && magic(fd.as_fd()).doing("look at", DEV)? != TMPFS_MAGIC {
            return Err(Error::refused("use", DEV, "it is not the tmpfs that was mounted there"));
        }
        Ok(Dev { fd, whose })
    }
}

/// The name of a path right below /dev, if it is one.
fn name_in_dev(path: &CStr) -> Option<&CStr> {
    let name = path.to_bytes_with_nul().strip_prefix(b"/dev/")?;
    let name = CStr::from_bytes_with_nul(name).ok()?;
    let bytes = name.to_bytes();
    (!bytes.contains(&b'/') && !matches!(bytes, b"" | b"." | b"..")).then_some(name)
}

/// Makes one node in `dir`.
fn make(dir: BorrowedFd, name: &CStr, device: &Device, ours: bool) -> Result<()> {
    let mode = Mode::from_raw_mode(device.mode & 0o7777);
    let rdev = match device.kind {
        DeviceKind::Fifo => 0,
        _ => makedev(device.major, device.minor),
    };
    match rustix::fs::mknodat(dir, name, file_type(device.kind), mode, rdev) {
        // On a fresh tmpfs, with umask 0, it is root's and has its mode. Elsewhere a directory can
        // pass on its group and its default access control list.
        Ok(()) if ours && device.uid == 0 && device.gid == 0 => Ok(()),
        Ok(()) => own(dir, name, device).doing("set owner and mode of the device", device.path),
        Err(Errno::EXIST) => keep(dir, name, device),
        Err(errno) => Err(read_only(errno, "make the device", device.path)),
    }
}

/// Accepts what is there if it is that device.
fn keep(dir: BorrowedFd, name: &CStr, device: &Device) -> Result<()> {
    let found = open_here(dir, name).doing("look at the device", device.path)?;
    if is_device(&found, device).doing("look at the device", device.path)? {
        return Ok(());
    }
    Err(Error::refused("make the device", device.path, "something else is there"))
}

fn is_device(found: &OwnedFd, device: &Device) -> io::Result<bool> {
    let stat = rustix::fs::fstat(found)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let same =
        device.kind == DeviceKind::Fifo || stat.st_rdev == makedev(device.major, device.minor);
    Ok(kind == file_type(device.kind) && same)
}

fn own(dir: BorrowedFd, name: &CStr, device: &Device) -> io::Result<()> {
    let node = open_here(dir, name)?;
    if !is_device(&node, device)? {
        return Err(Errno::EXIST);
    }
    let (uid, gid) = (Uid::from_raw_unchecked(device.uid), Gid::from_raw_unchecked(device.gid));
    rustix::fs::chownat(node.as_fd(), c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    // Before Linux 6.6 nothing changes the mode of an O_PATH descriptor but its name in /proc.
    let mode = Mode::from_raw_mode(device.mode & 0o7777);
    rustix::fs::chmod(fd_path(node.as_fd()).as_cstr(), mode)
}

fn file_type(kind: DeviceKind) -> FileType {
    match kind {
        DeviceKind::Char => FileType::CharacterDevice,
        DeviceKind::Block => FileType::BlockDevice,
        DeviceKind::Fifo => FileType::Fifo,
    }
}

fn is_char(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
}

/// Whether it is the null device, 1:3.
pub fn is_null(stat: &Stat) -> bool {
    is_char(stat) && stat.st_rdev == makedev(1, 3)
}

/// Makes a link. What is in its place goes, as in 2014, unless it is a directory or another's.
fn link(dev: &Dev, name: &CStr, text: &CStr) -> io::Result<()> {
    match rustix::fs::symlinkat(text, dev.fd.as_fd(), name) {
        Err(Errno::EXIST) => {}
        // A /dev of others that lacks it, and is read-only: theirs to decide.
        Err(Errno::ROFS) if dev.whose == Whose::Others => return Ok(()),
        result => return result,
    }
    let mut buf = [0; 32];
    match rustix::fs::readlinkat_raw(dev.fd.as_fd(), name, &mut buf[..]) {
        Ok(len) if buf.get(..len) == Some(text.to_bytes()) => return Ok(()),
        // Not a link.
        Ok(_) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno),
    }
    if dev.whose == Whose::Others {
        return Ok(());
    }
    rustix::fs::unlinkat(dev.fd.as_fd(), name, AtFlags::empty())?;
    rustix::fs::symlinkat(text, dev.fd.as_fd(), name)
}

fn open_here(dir: BorrowedFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// In a devpts and the like an EPERM is no want of a capability (mknod(2)).
fn not_here(error: Error, dir: BorrowedFd) -> Error {
    let takes_nodes =
        !matches!(magic(dir), Ok(DEVPTS_SUPER_MAGIC | PROC_SUPER_MAGIC | SYSFS_MAGIC));
    match error.raw() {
        Some(Errno::PERM) if !takes_nodes => {
            error.hint("the file system there takes no device nodes")
        }
        _ => error,
    }
}

/// The error of making a node.
fn read_only(errno: Errno, doing: &'static str, on: impl Into<Object>) -> Error {
    let error = Error::errno(doing, on, errno);
    match errno {
        Errno::ROFS => error.hint("it is missing, and lies in a read-only mount"),
        Errno::PERM => error.hint("CAP_MKNOD is missing"),
        Errno::NOTDIR => error.hint("a directory on its path is a file"),
        _ => error,
    }
}
