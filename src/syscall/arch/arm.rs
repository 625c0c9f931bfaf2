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

/// clone(2) with `flags` and the caller's own stack; in the new process calls `child` with `data`.
///
/// # Safety
/// `flags` must hold CLONE_VM and CLONE_VFORK: the caller stands still while the new process uses the
/// stack below it. `child` must be sound with `data` until then.
#[inline(always)]
pub unsafe fn vfork(nr: u32, flags: usize, child: extern "C" fn(usize) -> !, data: usize) -> usize {
    let word;
    // SAFETY: no word of this frame is written to by the new process: it goes on below, as a function
    // that is called from here, and never comes back. It has its own registers.
    unsafe {
        asm!("mov {saved}, r7", "mov r7, {nr}", "svc 0", "mov r7, {saved}", "cmp r0, #0", "bne 2f",
            "mov r0, {data}", "blx {child}", "2:",
            saved = out(reg) _, nr = in(reg) nr, data = in(reg) data, child = in(reg) child,
            inout("r0") flags => word, in("r1") 0, in("r2") 0, in("r3") 0, in("r4") 0);
    }
    word
}
