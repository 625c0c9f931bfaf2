//! The unwinder, which is never called: `panic = "abort"`. But the precompiled core library refers to it.

#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    nsinit::syscall::process::exit_group(nsinit::error::STATUS_NSINIT)
}

// ARM's unwinder tables name these routines; nothing calls them.
#[cfg(target_arch = "arm")]
#[unsafe(no_mangle)]
extern "C" fn __aeabi_unwind_cpp_pr0() {}

#[cfg(target_arch = "arm")]
#[unsafe(no_mangle)]
extern "C" fn __aeabi_unwind_cpp_pr1() {}
