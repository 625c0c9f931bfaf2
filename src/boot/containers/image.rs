//! The root file system of a container, made ready in /run/nsinit/NAME: a directory as it is, an image
//! mounted read-only through a loop device, either of them perhaps with a writable layer above. It is
//! made once; a container that is started again finds what it has written.

use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, mkdir, mknodat, stat, statat, symlink, unlinkat,
};
use rustix::io::{Errno, pread};
use rustix::mount::{MountFlags, mount};

use super::child::join;
use crate::boot::mounts::{is_mounted, open};
use crate::boot::names::Path;
use crate::boot::superblock;
use crate::bytes::{Arena, CNames, is_among};
use crate::error::{Context, Error, Result};
use crate::front::load::RUN;
use crate::plan::{Kind, Plan};
use crate::syscall::fd::AsFd;
use crate::syscall::loopdev;

/// Where a directory without a word about it has its root: nsinit's names, and LinuxKit's for a root
/// that is meant to be written to.
pub const NAMES: CNames =
    CNames("rootfs\0lower\0rootfs.img\0rootfs.squashfs\0rootfs.ext4\0rootfs.erofs\0");

/// How a root is given.
pub struct Base {
    /// Its path, relative to the container's directory.
    pub path: &'static CStr,
    /// An image, and not a directory.
    pub image: bool,
    /// LinuxKit's name for what must be written to.
    pub writable: bool,
}

/// Finds it: the working directory is the container's.
pub fn base(plan: &Plan) -> Result<Base> {
    let found = match plan.rootfs.path {
        Some(path) => Some((path, stat(path).doing("open the root file system", path)?)),
        None => NAMES.into_iter().find_map(|name| Some((name, stat(name).ok()?))),
    };
    let Some((path, found)) = found else {
        let why = "neither a directory rootfs/ nor an image rootfs.img is there";
        return Err(Error::refused("find the root file system", (), why));
    };
    let image = match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => false,
        FileType::RegularFile | FileType::BlockDevice => true,
        _ => {
            let why = "neither a directory nor an image";
            return Err(Error::refused("use as root file system", path, why));
        }
    };
    Ok(Base { path, image, writable: path == c"lower" && plan.rootfs.path.is_none() })
}

/// Makes everything ready for `nsinit exec --id NAME`.
pub fn prepare(dir: &'static CStr, name: &'static CStr, plan: &Plan, arena: &Arena) -> Result<()> {
    let own = |end: &[u8]| join(arena, &[RUN.to_bytes(), b"/", name.to_bytes(), end]);
    let rootfs = own(b"/rootfs")?;
    make(own(b"")?)?;
    link(dir, own(b"/dir")?)?;
    // Without a mount namespace of its own it is in the machine's.
    if !plan.namespaces.is_new(Kind::Mount) || is_ready(rootfs) {
        return Ok(());
    }
    let base = base(plan)?;
    let layer = plan.service.overlay.or(base.writable.then_some(c"tmpfs"));
    let below = if layer.is_some() { own(b"/lower")? } else { rootfs };
    if base.image {
        make(below)?;
        // By an earlier start that got no further.
        if !is_mounted(below) {
            mount_image(base.path, below)?;
        }
    } else {
        let parts: &[&[u8]] = match base.path.to_bytes() {
            path @ [b'/', ..] => &[path],
            path => &[dir.to_bytes(), b"/", path],
        };
        link(join(arena, parts)?, below)?;
    }
    match layer {
        None => Ok(()),
        Some(mut layer) => {
            if layer == c"tmpfs" {
                layer = own(b"/layer")?;
                tmpfs(layer, plan.service.overlay_size, arena)?;
            }
            overlay(below, layer, rootfs, arena)
        }
    }
}

/// A link to it, or a mount on it: made by an earlier start.
fn is_ready(rootfs: &CStr) -> bool {
    let it = statat(CWD, rootfs, AtFlags::SYMLINK_NOFOLLOW);
    let is_link = |it: Stat| FileType::from_raw_mode(it.st_mode) == FileType::Symlink;
    it.is_ok_and(is_link) || is_mounted(rootfs)
}

fn make(path: &'static CStr) -> Result<()> {
    match mkdir(path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno).doing("make the directory", path),
    }
}

fn link(to: &'static CStr, path: &'static CStr) -> Result<()> {
    match unlinkat(CWD, path, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => symlink(to, path).doing("make the link", path),
        Err(errno) => Err(errno).doing("remove", path),
    }
}

/// Mounts an image, read-only.
fn mount_image(path: &'static CStr, on: &'static CStr) -> Result<()> {
    let file = open(path, OFlags::RDONLY).doing("open the image", path)?;
    let fstype = fstype(&file).doing("read the image", path)?.ok_or_else(|| {
        Error::refused("mount the image", path, "neither squashfs nor ext4 nor erofs")
    })?;
    // The device lives as long as somebody has it open: the mount has.
    let device = loop_device(&file, path)?;
    let source = device.as_ref().map_or(path, |(_, name)| name.as_cstr());
    let flags = MountFlags::RDONLY | MountFlags::NODEV;
    mount(source, on, fstype, flags, None).doing("mount the image", path).map_err(|error| {
        explained(
            error,
            match fstype.to_bytes() {
                b"squashfs" => "this kernel has no squashfs: put its module into modules/",
                b"erofs" => "this kernel has no erofs: put its module into modules/",
                _ => "this kernel has no ext4: put its module into modules/",
            },
        )
    })
}

/// With what the kernel means, where an image could not be mounted; `unknown` where it does not know the
/// file system.
pub fn explained(error: Error, unknown: &'static str) -> Error {
    match error.raw() {
        Some(Errno::NODEV) => error.hint(unknown),
        Some(Errno::INVAL) => error.hint("damaged, or of a kind that this kernel does not know"),
        _ => error,
    }
}

/// The type of an image by its magic number. `None`: none of those.
pub fn fstype(file: &OwnedFd) -> rustix::io::Result<Option<&'static CStr>> {
    // One that can't be read has no type, and this is why.
    pread(file, &mut [0], 0)?;
    let kind = superblock::kind(file.as_fd());
    Ok(kind.filter(|kind| is_among(b"squashfs ext4 erofs", b' ', kind.to_bytes())))
}

/// A loop device that shows the image `file`, with its path; none for one that is a device itself.
#[inline(never)]
pub fn loop_device(file: &OwnedFd, path: &'static CStr) -> Result<Option<(OwnedFd, Path)>> {
    let is_file = rustix::fs::fstat(file)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    if !is_file {
        return Ok(None);
    }
    const CONTROL: &CStr = c"/dev/loop-control";
    let control = node(CONTROL, FileType::CharacterDevice, (10, 237)).map_err(|errno| {
        let error = Error::errno("open", CONTROL, errno);
        error.hint("images need loop devices: put the module loop into modules/")
    })?;
    // Others may take the one that is free.
    for _ in 0..16 {
        let n = loopdev::free(control.as_fd()).doing("find a loop device for", path)?;
        let name = Path::new(format_args!("/dev/loop{n}"));
        let device = node(name.as_cstr(), FileType::BlockDevice, (7, n))
            .doing("open a loop device for", path)?;
        match loopdev::configure(device.as_fd(), file.as_fd()) {
            Ok(()) => return Ok(Some((device, name))),
            Err(Errno::BUSY) => {}
            Err(errno) => return Err(errno).doing("set up a loop device for", path),
        }
    }
    Err(Error::errno("set up a loop device for", path, Errno::BUSY))
}

/// Opens a device node, made where /dev is not the kernel's own.
fn node(path: &CStr, kind: FileType, (major, minor): (u32, u32)) -> rustix::io::Result<OwnedFd> {
    match open(path, OFlags::RDWR) {
        Err(Errno::NOENT) => {
            mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, rustix::fs::makedev(major, minor))?;
            open(path, OFlags::RDWR)
        }
        // A module that is not there.
        file => file,
    }
}

/// A tmpfs to write to.
fn tmpfs(on: &'static CStr, size: Option<&'static CStr>, arena: &Arena) -> Result<()> {
    let data = match size {
        Some(size) => join(arena, &[b"mode=0755,size=", size.to_bytes()])?,
        None => c"mode=0755",
    };
    make(on)?;
    // As above.
    if is_mounted(on) {
        return Ok(());
    }
    mount(c"tmpfs", on, c"tmpfs", MountFlags::NODEV, Some(data)).doing("mount tmpfs on", on)
}

/// `layer` above `lower`, on `on`.
fn overlay(
    lower: &'static CStr,
    layer: &'static CStr,
    on: &'static CStr,
    arena: &Arena,
) -> Result<()> {
    let within = |name: &[u8]| join(arena, &[layer.to_bytes(), name]);
    let (upper, work) = (within(b"/upper")?, within(b"/work")?);
    for dir in [on, layer, upper, work] {
        make(dir)?;
    }
    let data = [
        b"lowerdir=" as &[u8],
        lower.to_bytes(),
        b",upperdir=",
        upper.to_bytes(),
        b",workdir=",
        work.to_bytes(),
    ];
    let data = join(arena, &data)?;
    // What the root of an overlay is for others to see is what the upper directory is.
    let mode = stat(lower).doing("look at", lower)?.st_mode;
    rustix::fs::chmod(upper, Mode::from_raw_mode(mode)).doing("change the mode of", upper)?;
    mount(c"overlay", on, c"overlay", MountFlags::empty(), Some(data))
        .doing("mount overlay on", on)
        .map_err(|error| match error.raw() {
            Some(Errno::NODEV) => {
                error.hint("this kernel has no overlay: put its module into modules/")
            }
            _ => error,
        })
}
