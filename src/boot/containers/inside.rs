//! The inside of an image, for whoever looks into it before it is used.

use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};
use rustix::process::geteuid;

use super::image::{explained, loop_device};
use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;

/// The root of the image that `file` is, mounted read-only and nowhere: it goes with its descriptor, and
/// the loop device with it (fsopen and fsmount, Linux 5.2).
pub fn open(file: &OwnedFd, path: &'static CStr, fstype: &'static CStr) -> Result<OwnedFd> {
    const DOING: &str = "look into the image";
    if !geteuid().is_root() {
        return Err(Error::refused(DOING, path, "only root can"));
    }
    let device = loop_device(file, path)?;
    let source = device.as_ref().map_or(path, |(_, name)| name.as_cstr());
    mounted(source, fstype)
        .doing(DOING, path)
        .map_err(|error| explained(error, "this kernel does not know its file system"))
}

fn mounted(source: &CStr, fstype: &CStr) -> rustix::io::Result<OwnedFd> {
    let fs = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(fs.as_fd(), c"source", source)?;
    fsconfig_set_flag(fs.as_fd(), c"ro")?;
    fsconfig_create(fs.as_fd())?;
    fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NODEV)
}
