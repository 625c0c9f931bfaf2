//! x86-64 (syscall(2), "Architecture calling conventions").

use core::arch::asm;

/// # Safety
/// The arguments must be what the call `nr` takes; what they point at must be valid for it.
#[inline(always)]
pub unsafe fn syscall(nr: u32, args: [usize; 6]) -> usize {
    let word;
    // SAFETY: the caller vouches for the arguments; the kernel clobbers rcx and r11 only.
    unsafe {
        asm!("syscall", inlateout("rax") nr as usize => word,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    word
}
