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
        asm!("ecall", "bnez a0, 2f", "mv a0, {data}", "jalr {child}", "2:",
            data = in(reg) data, child = in(reg) child, in("a7") nr as usize,
            inout("a0") flags => word, in("a1") 0, in("a2") 0, in("a3") 0, in("a4") 0);
    }
    word
}
