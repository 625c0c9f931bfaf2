//! The start-up room of the binary: what a libc's crt1.o, its memory routines and its allocator
//! would have brought. It calls the library once and knows nothing of what nsinit does.

mod mem;
mod panic;
mod start;
mod unwind;

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use nsinit::plan::Plan;
use nsinit::syscall::cstr::{Env, List, ThinCStr};
use nsinit::syscall::memory;

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

/// From `entry`: the words of the command line, the environment, the path that was executed, and where the
/// stack began.
pub fn start(args: List<'static>, env: Env, executed: Option<ThinCStr>, stack_top: usize) -> ! {
    assert!(!TAKEN.swap(true, Ordering::Relaxed));
    let start = (&raw const __executable_start) as usize;
    let program = (start, (&raw const etext) as usize - start);
    memory::register(((&raw const STATICS) as usize, size_of::<Statics>()), program, stack_top);
    let statics = &raw mut STATICS;
    // SAFETY: this runs once (TAKEN), in the only thread, so this is the only reference.
    let Statics { arena, plan } = unsafe { &mut *statics };
    nsinit::run(args, env, executed, arena, plan)
}
