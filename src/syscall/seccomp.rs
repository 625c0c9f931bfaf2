//! seccomp(2): filters on system calls.

use linux_raw_sys::general::{__NR_prctl, __NR_seccomp};
use linux_raw_sys::prctl::PR_SET_SECCOMP;
use linux_raw_sys::ptrace::{
    SECCOMP_MODE_FILTER, SECCOMP_SET_MODE_FILTER, sock_filter, sock_fprog,
};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

/// SECCOMP_SET_MODE_FILTER with these SECCOMP_FILTER_FLAG_*: the filter is in force when this returns, for the
/// calling thread and whatever it executes. EACCES without no_new_privs and without CAP_SYS_ADMIN, EINVAL for a
/// flag that the kernel does not know or a program that it does not take, ENOSYS without CONFIG_SECCOMP.
pub fn set_filter(program: &[sock_filter], flags: u32) -> Result<(), Errno> {
    let program = describe(program)?;
    let (operation, at) = (SECCOMP_SET_MODE_FILTER as usize, &raw const program as usize);
    // SAFETY: `program` is valid for the call, and its pointer for the length that it states.
    ret(unsafe { syscall(__NR_seccomp, [operation, flags as usize, at, 0, 0, 0]) }).map(drop)
}

/// prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER): the same without flags, since Linux 3.5.
pub fn set_only_filter(program: &[sock_filter]) -> Result<(), Errno> {
    let program = describe(program)?;
    let (option, mode) = (PR_SET_SECCOMP as usize, SECCOMP_MODE_FILTER as usize);
    let at = &raw const program as usize;
    // SAFETY: as above.
    ret(unsafe { syscall(__NR_prctl, [option, mode, at, 0, 0, 0]) }).map(drop)
}

/// What the kernel is given; it only reads the instructions.
fn describe(program: &[sock_filter]) -> Result<sock_fprog, Errno> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    Ok(sock_fprog { len, filter: program.as_ptr().cast_mut() })
}
