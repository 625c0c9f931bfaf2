//! mount_setattr(2): attributes of a whole mount tree in one call (Linux 5.12).

use core::ffi::CStr;

use linux_raw_sys::general::{__NR_mount_setattr, AT_EMPTY_PATH, AT_RECURSIVE, mount_attr};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

/// Attributes to set and to clear: MOUNT_ATTR_* bits; `propagation` is one of MS_PRIVATE, MS_SLAVE,
/// MS_SHARED, MS_UNBINDABLE, or 0 to leave it.
#[derive(Clone, Copy, Default)]
pub struct MountAttr {
    /// MOUNT_ATTR_* to set.
    pub set: u64,
    /// MOUNT_ATTR_* to clear.
    pub clear: u64,
    /// Propagation type.
    pub propagation: u64,
}

/// mount_setattr(2) on the mount that `fd` refers to, and on all below it if `recursive`.
/// ENOSYS before Linux 5.12.
pub fn mount_setattr(fd: BorrowedFd<'_>, recursive: bool, attr: MountAttr) -> Result<(), Errno> {
    let attr = mount_attr {
        attr_set: attr.set,
        attr_clr: attr.clear,
        propagation: attr.propagation,
        userns_fd: 0,
    };
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let path: &CStr = c"";
    // SAFETY: a descriptor, an empty C string, and a mount_attr of the size that is passed.
    ret(unsafe {
        syscall(
            __NR_mount_setattr,
            [
                fd.as_raw_fd() as usize,
                path.as_ptr() as usize,
                flags as usize,
                &raw const attr as usize,
                size_of::<mount_attr>(),
                0,
            ],
        )
    })
    .map(drop)
}
