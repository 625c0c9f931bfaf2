//! 64-bit ARM (syscall(2), "Architecture calling conventions").

use core::arch::asm;

/// # Safety
/// The arguments must be what the call `nr` takes; what they point at must be valid for it.
#[inline(always)]
pub unsafe fn syscall(nr: u32, args: [usize; 6]) -> usize {
    let word;
    // SAFETY: the caller vouches for the arguments; the kernel clobbers x0 only.
    unsafe {
        asm!("svc 0", in("x8") nr as usize, inlateout("x0") args[0] => word,
            in("x1") args[1], in("x2") args[2], in("x3") args[3], in("x4") args[4],
            in("x5") args[5], options(nostack));
    }
    word
}
