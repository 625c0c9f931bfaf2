//! `_start`: finds the words that the kernel left on the stack, and calls the `start` of the program.

use nsinit::syscall::cstr::{Env, ThinCStr};

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",  // the outermost frame, for unwinders (System V ABI, 3.4.1)
    "mov rdi, rsp",  // the kernel left argc, argv, envp and auxv here
    "and rsp, -16",  // a call needs the stack aligned
    "call {entry}",
    entry = sym entry,
);
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, #0",
    "mov x30, #0",
    "mov x0, sp",
    "bl {entry}",
    entry = sym entry,
);
#[cfg(target_arch = "riscv64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "mv a0, sp",
    "andi sp, sp, -16",
    "tail {entry}",
    entry = sym entry,
);
#[cfg(target_arch = "arm")]
core::arch::global_asm!(
    ".globl _start",
    ".arm", // the state in which the kernel starts an even address (start_thread(), arch/arm)
    "_start:",
    "mov fp, #0",
    "mov lr, #0",
    "mov r0, sp",
    "bic sp, sp, #7",
    "bl {entry}", // the rest is Thumb: the linker makes it a blx
    entry = sym entry,
);

/// Types of the auxiliary vector's entries (include/uapi/linux/auxvec.h): its end, and the path that was
/// executed.
const AT_NULL: usize = 0;
const AT_EXECFN: usize = 31;

/// From `_start` alone, so once: `sp` points at argc as execve(2) left it.
extern "C" fn entry(sp: *const usize) -> ! {
    // SAFETY: the kernel lays out argc, argc pointers, NULL, the environment's pointers, NULL and the
    // auxiliary vector, pairs of a type and a value, at the initial stack pointer (fs/binfmt_elf.c,
    // create_elf_tables), all valid for the life of the process. They are read here and nowhere else;
    // the value of AT_EXECFN is a C string's address.
    let (args, env, executed) = unsafe {
        let argc = *sp;
        let args = sp.add(1).cast::<Option<ThinCStr>>();
        let env = args.add(argc + 1);
        let mut count = 0;
        while (*env.add(count)).is_some() {
            count += 1;
        }
        let mut pair = env.add(count + 1).cast::<usize>();
        while *pair != AT_NULL && *pair != AT_EXECFN {
            pair = pair.add(2);
        }
        let executed =
            if *pair == AT_EXECFN { *pair.add(1).cast::<Option<ThinCStr>>() } else { None };
        (core::slice::from_raw_parts(args, argc + 1), Env::from_raw(env, count), executed)
    };
    crate::start(args, env, executed, sp as usize)
}
