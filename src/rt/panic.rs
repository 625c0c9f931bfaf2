//! A panic is a fault in nsinit itself: end with its own status.

use core::panic::PanicInfo;

/// Where it was and why is told by builds with debug assertions alone: the places and messages of
/// all panics that the compiler could not rule out are 6 kB of the program.
#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let where_and_why = format_args!("internal error: {info}");
    let that = format_args!("internal error (a debug build tells where)");
    let words = if cfg!(debug_assertions) { where_and_why } else { that };
    // As the first process of a machine it does not come back.
    nsinit::boot::crash::ended(words);
    nsinit::say::error(words);
    nsinit::syscall::process::exit_group(nsinit::error::STATUS_NSINIT)
}
