//! A program in memory: a file without a name (memfd_create(2)) that nobody can change.

use linux_raw_sys::general::{__NR_munmap, MAP_POPULATE, MAP_SHARED, PROT_READ, PROT_WRITE};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate, memfd_create,
};
use rustix::io::Errno;

use super::arch::syscall;
use super::fd::AsFd;
use super::memory::MMAP;
use super::ret;

/// What a file that can't change any more has.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// A file of `len` bytes, those that `fill` writes over zeroes: sealed, to be executed by its descriptor, which is
/// closed by that.
pub fn program(
    len: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), Errno>,
) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // EINVAL: before Linux 6.3.
    let file = memfd_create(c"nsinit", flags | MemfdFlags::EXEC)
        .or_else(|_| memfd_create(c"nsinit", flags))?;
    ftruncate(file.as_fd(), len as u64)?;
    // All its pages are made at once (MAP_POPULATE), instead of each by a fault.
    let (prot, flags) = (PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE);
    let words = [0, len, prot as usize, flags as usize, file.as_raw_fd() as usize, 0];
    // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
    let at = ret(unsafe { syscall(MMAP, words) })?;
    // SAFETY: `len` bytes, all zeroes, of a file that only this function knows.
    let filled = fill(unsafe { core::slice::from_raw_parts_mut(at as *mut u8, len) });
    // The kernel seals no file that a mapping can write to.
    // SAFETY: the only reference into the mapping is gone.
    ret(unsafe { syscall(__NR_munmap, [at, len, 0, 0, 0, 0]) })?;
    filled?;
    fcntl_add_seals(file.as_fd(), SEALS)?;
    Ok(file)
}

/// Whether a file is such a one.
pub fn is_sealed(file: BorrowedFd) -> bool {
    // EINVAL: it is no file in memory.
    fcntl_get_seals(file).is_ok_and(|have| have.contains(SEALS))
}
