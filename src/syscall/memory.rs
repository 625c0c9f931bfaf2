//! Memory: a page that two processes share, giving back pages that are no longer needed, and bytes
//! as numbers.

use core::sync::atomic::AtomicU8;

use linux_raw_sys::general::{
    __NR_madvise, MADV_DONTNEED, MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE,
};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

/// Bytes of a shared page: a page on every architecture that nsinit is built for.
pub const PAGE: usize = 4096;

/// A page of zeroes that this process shares with those that it forks (mmap, MAP_SHARED).
pub fn shared_page() -> Result<&'static [AtomicU8; PAGE], Errno> {
    #[cfg(target_arch = "arm")]
    const NR: u32 = linux_raw_sys::general::__NR_mmap2;
    #[cfg(not(target_arch = "arm"))]
    const NR: u32 = linux_raw_sys::general::__NR_mmap;
    let (prot, flags) = ((PROT_READ | PROT_WRITE) as usize, (MAP_SHARED | MAP_ANONYMOUS) as usize);
    // SAFETY: an anonymous mapping at an address of the kernel's choice disturbs nothing.
    let at = ret(unsafe { syscall(NR, [0, PAGE, prot, flags, usize::MAX, 0]) })?;
    // SAFETY: a fresh mapping of PAGE bytes that is never unmapped; atomics may be shared between
    // processes as between threads.
    Ok(unsafe { &*(at as *const [AtomicU8; PAGE]) })
}

/// madvise(MADV_DONTNEED) on the whole pages inside `bytes`: their content becomes zero, their
/// memory goes back. For static memory whose content nobody needs any more.
pub fn give_back(bytes: &'static mut [u8]) {
    let start = (bytes.as_ptr() as usize).next_multiple_of(PAGE);
    let end = (bytes.as_ptr() as usize + bytes.len()) & !(PAGE - 1);
    if start < end {
        // SAFETY: the pages lie inside `bytes`, which nobody can refer to any more. An error means
        // that the memory stays: nothing to do about it.
        unsafe { syscall(__NR_madvise, [start, end - start, MADV_DONTNEED as usize, 0, 0, 0]) };
    }
}

/// The 32-bit words that lie inside `bytes`: an array of numbers out of the arena. Up to three bytes
/// at each end are lost to alignment.
pub fn words(bytes: &'static mut [u8]) -> &'static mut [u32] {
    // SAFETY: every bit pattern is a u32, every u32 is four bytes, and `bytes` is given up for it.
    unsafe { bytes.align_to_mut().1 }
}
