//! What the compiler and its own library may call: a program without a libc owes them these, with the
//! signatures of C (newer compilers compare them).
//!
//! Plain loops would be compiled into calls to themselves, so x86-64 uses its string instructions
//! and the others read and write through `volatile`, which the optimiser leaves alone.

use core::ffi::{c_char, c_int, c_void};

#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(dest: *mut c_void, src: *const c_void, n: usize) -> *mut c_void {
    // SAFETY: the caller passes n readable bytes at src and n writable ones at dest; DF is clear
    // by the ABI.
    unsafe {
        core::arch::asm!("rep movsb", inout("rcx") n => _, inout("rdi") dest => _,
            inout("rsi") src => _, options(nostack, preserves_flags));
    }
    dest
}

#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(dest: *mut c_void, byte: c_int, n: usize) -> *mut c_void {
    // SAFETY: the caller passes n writable bytes at dest; DF is clear by the ABI.
    unsafe {
        core::arch::asm!("rep stosb", inout("rcx") n => _, inout("rdi") dest => _,
            in("al") byte as u8, options(nostack, preserves_flags));
    }
    dest
}

#[cfg(not(target_arch = "x86_64"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(dest: *mut c_void, src: *const c_void, n: usize) -> *mut c_void {
    const WORD: usize = size_of::<usize>();
    let (to, from) = (dest.cast::<u8>(), src.cast::<u8>());
    let mut i = 0;
    // SAFETY: every access lies inside the n bytes that the caller passes; words are used only
    // where both pointers are aligned to one.
    unsafe {
        if (dest as usize | src as usize) % WORD == 0 {
            while i + WORD <= n {
                to.add(i).cast::<usize>().write_volatile(from.add(i).cast::<usize>().read());
                i += WORD;
            }
        }
        while i < n {
            to.add(i).write_volatile(from.add(i).read());
            i += 1;
        }
    }
    dest
}

#[cfg(not(target_arch = "x86_64"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(dest: *mut c_void, byte: c_int, n: usize) -> *mut c_void {
    for i in 0..n {
        // SAFETY: i < n, and the caller passes n writable bytes.
        unsafe { dest.cast::<u8>().add(i).write_volatile(byte as u8) };
    }
    dest
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(dest: *mut c_void, src: *const c_void, n: usize) -> *mut c_void {
    if (dest as usize).wrapping_sub(src as usize) >= n {
        // SAFETY: a forward copy is right where dest lies before src or beyond its end; the bounds
        // are the caller's.
        return unsafe { memcpy(dest, src, n) };
    }
    let (to, from) = (dest.cast::<u8>(), src.cast::<u8>());
    for i in (0..n).rev() {
        // SAFETY: i < n, and the caller passes n bytes at both.
        unsafe { to.add(i).write_volatile(from.add(i).read_volatile()) };
    }
    dest
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const c_void, b: *const c_void, n: usize) -> c_int {
    let (a, b) = (a.cast::<u8>(), b.cast::<u8>());
    for i in 0..n {
        // SAFETY: i < n, and the caller passes n readable bytes at both.
        let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if x != y {
            return c_int::from(x) - c_int::from(y);
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const c_void, b: *const c_void, n: usize) -> c_int {
    // SAFETY: the same contract as memcmp.
    unsafe { memcmp(a, b, n) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(s: *const c_char) -> usize {
    let mut n = 0;
    // SAFETY: the caller passes a NUL-terminated string; every byte before the NUL is inside it.
    while unsafe { s.add(n).read_volatile() } != 0 {
        n += 1;
    }
    n
}

/// The compiler's library for aarch64 has a constructor that asks which atomic instructions the processor has
/// (compiler-rt, cpu_model/aarch64.c). src/rt runs no constructors, so this is linked and never called, and those
/// of ARMv8.0 are used.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
extern "C" fn getauxval(_kind: core::ffi::c_ulong) -> core::ffi::c_ulong {
    0
}
