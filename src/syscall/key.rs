//! keyctl(2): the session keyring.

use linux_raw_sys::general::__NR_keyctl;
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

/// keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL): a new, anonymous session keyring, so that the keys of
/// the caller's session stay out of reach. ENOSYS on a kernel without CONFIG_KEYS.
pub fn join_session_keyring() -> Result<(), Errno> {
    /// include/uapi/linux/keyctl.h
    const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
    // SAFETY: a NULL name asks for an anonymous keyring.
    ret(unsafe { syscall(__NR_keyctl, [KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0, 0]) }).map(drop)
}
