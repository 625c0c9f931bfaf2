//! The memory routines that the compiler may call (a freestanding program owes it these).
//!
//! Plain loops would be compiled into calls to themselves, so x86-64 uses its string instructions
//! and the others read and write through `volatile`, which the optimiser leaves alone.

use core::ffi::c_char;

#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(dest: *mut u8, src: *const u8, n: usize) -> *mut u8 {
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
unsafe extern "C" fn memset(dest: *mut u8, byte: i32, n: usize) -> *mut u8 {
    // SAFETY: the caller passes n writable bytes at dest; DF is clear by the ABI.
    unsafe {
        core::arch::asm!("rep stosb", inout("rcx") n => _, inout("rdi") dest => _,
            in("al") byte as u8, options(nostack, preserves_flags));
    }
    dest
}

#[cfg(not(target_arch = "x86_64"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(dest: *mut u8, src: *const u8, n: usize) -> *mut u8 {
    const WORD: usize = size_of::<usize>();
    let mut i = 0;
    // SAFETY: every access lies inside the n bytes that the caller passes; words are used only
    // where both pointers are aligned to one.
    unsafe {
        if (dest as usize | src as usize) % WORD == 0 {
            while i + WORD <= n {
                dest.add(i).cast::<usize>().write_volatile(src.add(i).cast::<usize>().read());
                i += WORD;
            }
        }
        while i < n {
            dest.add(i).write_volatile(src.add(i).read());
            i += 1;
        }
    }
    dest
}

#[cfg(not(target_arch = "x86_64"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(dest: *mut u8, byte: i32, n: usize) -> *mut u8 {
    for i in 0..n {
        // SAFETY: i < n, and the caller passes n writable bytes.
        unsafe { dest.add(i).write_volatile(byte as u8) };
    }
    dest
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(dest: *mut u8, src: *const u8, n: usize) -> *mut u8 {
    if (dest as usize).wrapping_sub(src as usize) >= n {
        // SAFETY: a forward copy is right where dest lies before src or beyond its end; the bounds
        // are the caller's.
        return unsafe { memcpy(dest, src, n) };
    }
    for i in (0..n).rev() {
        // SAFETY: i < n, and the caller passes n bytes at both.
        unsafe { dest.add(i).write_volatile(src.add(i).read_volatile()) };
    }
    dest
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    for i in 0..n {
        // SAFETY: i < n, and the caller passes n readable bytes at both.
        let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
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
