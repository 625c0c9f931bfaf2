//! Capabilities by number, and supplementary groups: capset(2), prctl(2), setgroups(2).

use linux_raw_sys::general::{
    __NR_capset, __NR_prctl, __user_cap_data_struct, __user_cap_header_struct,
    _LINUX_CAPABILITY_VERSION_3,
};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

/// A process's three capability sets: bit n is capability n (include/uapi/linux/capability.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CapSets {
    /// What checks are made against.
    pub effective: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// What an execve may pass on.
    pub inheritable: u64,
}

/// capset(2) for the calling process.
pub fn capset(sets: CapSets) -> Result<(), Errno> {
    let header = __user_cap_header_struct { version: _LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let half = |shift: u32| __user_cap_data_struct {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    let (header, data) = (&raw const header as usize, data.as_ptr() as usize);
    // SAFETY: version 3 takes a header and two data elements.
    ret(unsafe { syscall(__NR_capset, [header, data, 0, 0, 0, 0]) }).map(drop)
}

/// prctl(PR_CAP_AMBIENT_IS_SET): whether capability `n` is in the ambient set. EINVAL before Linux 4.3.
pub fn is_ambient(n: u32) -> Result<bool, Errno> {
    /// include/uapi/linux/prctl.h
    const PR_CAP_AMBIENT: usize = 47;
    const PR_CAP_AMBIENT_IS_SET: usize = 1;
    let args = [PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, n as usize, 0, 0, 0];
    // SAFETY: it takes integers.
    ret(unsafe { syscall(__NR_prctl, args) }).map(|set| set == 1)
}

/// setgroups(2): the supplementary groups, at most NGROUPS_MAX.
pub fn setgroups(gids: &[u32]) -> Result<(), Errno> {
    // On ARM the plain call takes 16-bit ids.
    #[cfg(target_arch = "arm")]
    const NR: u32 = linux_raw_sys::general::__NR_setgroups32;
    #[cfg(not(target_arch = "arm"))]
    const NR: u32 = linux_raw_sys::general::__NR_setgroups;
    // SAFETY: the kernel reads gids.len() ids of a valid slice.
    ret(unsafe { syscall(NR, [gids.len(), gids.as_ptr() as usize, 0, 0, 0, 0]) }).map(drop)
}
