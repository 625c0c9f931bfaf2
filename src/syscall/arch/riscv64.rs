//! 64-bit RISC-V (syscall(2), "Architecture calling conventions").

use core::arch::asm;

/// # Safety
/// The arguments must be what the call `nr` takes; what they point at must be valid for it.
#[inline(always)]
pub unsafe fn syscall(nr: u32, args: [usize; 6]) -> usize {
    let word;
    // SAFETY: the caller vouches for the arguments; the kernel clobbers a0 only.
    unsafe {
        asm!("ecall", in("a7") nr as usize, inlateout("a0") args[0] => word,
            in("a1") args[1], in("a2") args[2], in("a3") args[3], in("a4") args[4],
            in("a5") args[5], options(nostack));
    }
    word
}
