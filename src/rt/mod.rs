//! The start-up room of the binary: what a libc's crt1.o, its memory routines and its allocator
//! would have brought. It calls the library once and knows nothing of what nsinit does.

mod mem;
mod panic;

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use nsinit::plan::Plan;
use nsinit::syscall::cstr::{Env, ThinCStr};
use nsinit::syscall::memory;

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

/// Bytes of the arena: container.json (1 MiB, decoded in place), a second text (its copy for the
/// error line, or `--containerjson`), and the strings that nsinit composes. Pages that nothing
/// writes to do not exist.
const ARENA: usize = 4 << 20;

/// The large static buffers, side by side and on pages of their own, so that PID 1 can give them all
/// back at once.
#[repr(align(4096))]
struct Statics {
    arena: [u8; ARENA],
    /// Filled in by the verbs that have one: a Plan is a megabyte, and initialised it would be one in
    /// the file.
    plan: MaybeUninit<Plan>,
}

// The section is put behind the small statics (discard.ld), which then share a page with the data.
#[unsafe(link_section = ".bss.large")]
static mut STATICS: Statics = Statics { arena: [0; ARENA], plan: MaybeUninit::uninit() };
static TAKEN: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    // The linker's names for the start of the program and the end of its code (ld(1), end(3)).
    static __executable_start: u8;
    static etext: u8;
}

/// From `_start`: `sp` points at argc as execve(2) left it.
extern "C" fn entry(sp: *const usize) -> ! {
    assert!(!TAKEN.swap(true, Ordering::Relaxed));
    // SAFETY: the kernel lays out argc, argc pointers, NULL, the environment's pointers and NULL
    // at the initial stack pointer (fs/binfmt_elf.c, create_elf_tables), all valid for the life of
    // the process. They are read here and nowhere else.
    let (args, env) = unsafe {
        let argc = *sp;
        let args = sp.add(1).cast::<Option<ThinCStr>>();
        let env = args.add(argc + 1);
        let mut count = 0;
        while (*env.add(count)).is_some() {
            count += 1;
        }
        (core::slice::from_raw_parts(args, argc + 1), Env::from_raw(env, count))
    };
    let start = (&raw const __executable_start) as usize;
    let program = (start, (&raw const etext) as usize - start);
    memory::register(((&raw const STATICS) as usize, size_of::<Statics>()), program, sp as usize);
    let statics = &raw mut STATICS;
    // SAFETY: `entry` runs once (TAKEN), in the only thread, so this is the only reference.
    let Statics { arena, plan } = unsafe { &mut *statics };
    nsinit::run(args, env, arena, plan)
}
