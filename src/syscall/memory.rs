//! Memory: a page that two processes share, giving back pages that are no longer needed, and bytes
//! as numbers.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

use linux_raw_sys::general::{
    __NR_madvise, MADV_DONTFORK, MADV_DONTNEED, MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE,
};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

/// Bytes of a shared page: a page on every architecture that nsinit is built for.
pub const PAGE: usize = 4096;

/// The number of mmap(2), whose offset is in pages where it is called mmap2.
#[cfg(target_arch = "arm")]
pub(super) const MMAP: u32 = linux_raw_sys::general::__NR_mmap2;
#[cfg(not(target_arch = "arm"))]
pub(super) const MMAP: u32 = linux_raw_sys::general::__NR_mmap;

/// Words of a shared page.
pub type Words = [AtomicU32; PAGE / size_of::<u32>()];

/// A page of zeroes that this process shares with those that it forks (mmap, MAP_SHARED).
pub fn shared_page() -> Result<&'static [AtomicU8; PAGE], Errno> {
    // SAFETY: a fresh mapping of PAGE bytes that is never unmapped; atomics may be shared between
    // processes as between threads.
    map_shared().map(|at| unsafe { &*(at as *const [AtomicU8; PAGE]) })
}

/// The same, as words.
pub fn shared_words() -> Result<&'static Words, Errno> {
    // SAFETY: as above, and a page is aligned for words.
    map_shared().map(|at| unsafe { &*(at as *const Words) })
}

fn map_shared() -> Result<usize, Errno> {
    let (prot, flags) = ((PROT_READ | PROT_WRITE) as usize, (MAP_SHARED | MAP_ANONYMOUS) as usize);
    // SAFETY: an anonymous mapping at an address of the kernel's choice disturbs nothing.
    ret(unsafe { syscall(MMAP, [0, PAGE, prot, flags, usize::MAX, 0]) })
}

/// madvise(MADV_DONTFORK) on a page of `shared_words`: what is forked from here on does not have it, and
/// must not use it.
pub(super) fn dont_fork(page: &Words) -> Result<(), Errno> {
    let args = [page.as_ptr() as usize, PAGE, MADV_DONTFORK as usize, 0, 0, 0];
    // SAFETY: it changes nothing for this process; the doc states the duty of the caller.
    ret(unsafe { syscall(__NR_madvise, args) }).map(drop)
}

/// A range of addresses.
struct Range {
    start: AtomicUsize,
    len: AtomicUsize,
}

impl Range {
    const fn empty() -> Range {
        Range { start: AtomicUsize::new(0), len: AtomicUsize::new(0) }
    }

    fn set(&self, start: usize, len: usize) {
        self.start.store(start, Ordering::Relaxed);
        self.len.store(len, Ordering::Relaxed);
    }

    #[inline(always)]
    fn dont_need(&self) {
        dont_need(self.start.load(Ordering::Relaxed), self.len.load(Ordering::Relaxed));
    }
}

static BUFFERS: Range = Range::empty();
static PROGRAM: Range = Range::empty();
/// Where the stack began: above it are the words of the command line and the environment.
static STACK_TOP: AtomicUsize = AtomicUsize::new(0);

/// Tells `give_back` where the large static buffers are, and the read-only part of the program:
/// addresses and lengths, from `src/rt`; and where the stack began.
pub fn register(buffers: (usize, usize), program: (usize, usize), stack_top: usize) {
    STACK_TOP.store(stack_top, Ordering::Relaxed);
    BUFFERS.set(buffers.0, buffers.1);
    PROGRAM.set(program.0, program.1);
}

/// Gives back the memory of the static buffers and of the stack below this call (madvise(2),
/// MADV_DONTNEED).
///
/// For PID 1, which from here on only waits: plan and strings read as zeroes afterwards, and it has
/// no use for them. An error means that memory stays in use: nothing to do about it.
pub fn give_back() {
    /// More than nsinit's stack ever takes.
    const STACK: usize = 512 << 10;
    let here = 0u8;
    let stack = &raw const here as usize - PAGE;
    BUFFERS.dont_need();
    dont_need(stack - STACK, STACK);
}

/// Before a wait that may be long, of a process that goes on afterwards: gives back the stack below
/// the caller, and the program's pages until they are needed. Only for a function that is not inlined
/// and has nothing large in its frame; inlined itself, so that the wait touches no other part of the
/// program.
#[inline(always)]
pub(super) fn rest() {
    /// What a busy moment may have used.
    const STACK: usize = 256 << 10;
    let here = 0u8;
    let stack = &raw const here as usize - PAGE;
    dont_need(stack - STACK, STACK);
    PROGRAM.dont_need();
}

/// Gives back the frames of all callers beyond that of `keep`, and lets go of the program's own
/// pages, which come back from the page cache as they are needed. Only a function that never returns
/// may call it, before a long wait, and of what callers lent it `keep` alone, in its direct caller's
/// frame; inlined, so that the wait touches no other part of the program.
#[inline(always)]
pub fn give_back_callers<T>(keep: &T) {
    /// More than the frame of whoever calls this, or has `keep` in its own.
    const FRAME: usize = 1024;
    let here = 0u8;
    let above = (&raw const here as usize).max(&raw const *keep as usize + size_of::<T>()) + FRAME;
    dont_need(above, STACK_TOP.load(Ordering::Relaxed).saturating_sub(above));
    PROGRAM.dont_need();
}

/// madvise(MADV_DONTNEED) on the whole pages inside the range.
#[inline(always)]
pub(super) fn dont_need(start: usize, len: usize) {
    let end = start.saturating_add(len) & !(PAGE - 1);
    let start = start.saturating_add(PAGE - 1) & !(PAGE - 1);
    if start < end {
        // SAFETY: the static buffers, which hold plain data of which zeroes are a valid value, and
        // that the caller has done with; stack below every live frame, or of frames that are never
        // returned to; the erased environment; and pages of the file that nobody can have written
        // to, which the kernel reads again.
        unsafe { syscall(__NR_madvise, [start, end - start, MADV_DONTNEED as usize, 0, 0, 0]) };
    }
}

/// These words as bytes, in the machine's order.
pub fn bytes_of(words: &mut [u32]) -> &mut [u8] {
    // SAFETY: a u32 is four bytes, and every four bytes are a u32.
    unsafe { words.align_to_mut().1 }
}

/// The 32-bit words that lie inside `bytes`: an array of numbers out of the arena. Up to three bytes
/// at each end are lost to alignment.
pub fn words(bytes: &'static mut [u8]) -> &'static mut [u32] {
    // SAFETY: every bit pattern is a u32, every u32 is four bytes, and `bytes` is given up for it.
    unsafe { bytes.align_to_mut().1 }
}
