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
        asm!("syscall", "test rax, rax", "jnz 2f", "mov rdi, {data}", "call {child}", "2:",
            data = in(reg) data, child = in(reg) child,
            inout("rax") nr as usize => word, in("rdi") flags, in("rsi") 0, in("rdx") 0,
            in("r10") 0, in("r8") 0, out("rcx") _, out("r11") _);
    }
    word
}
