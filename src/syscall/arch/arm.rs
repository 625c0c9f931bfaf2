//! 32-bit ARM, EABI (syscall(2), "Architecture calling conventions").

use core::arch::asm;

/// # Safety
/// The arguments must be what the call `nr` takes; what they point at must be valid for it.
#[inline(always)]
pub unsafe fn syscall(nr: u32, args: [usize; 6]) -> usize {
    let word;
    // SAFETY: the caller vouches for the arguments; the kernel clobbers r0 only. r7 may be the
    // frame pointer, which asm! refuses as an operand, so it is saved by hand.
    unsafe {
        asm!("mov {saved}, r7", "mov r7, {nr}", "svc 0", "mov r7, {saved}",
            saved = out(reg) _, nr = in(reg) nr, inlateout("r0") args[0] => word,
            in("r1") args[1], in("r2") args[2], in("r3") args[3], in("r4") args[4],
            in("r5") args[5], options(nostack));
    }
    word
}
