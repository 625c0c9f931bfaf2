//! nsinit, compressed: a file that puts the program into memory, where nobody can change it, and executes
//! that. `scripts/release` makes it.
#![no_std]
#![no_main]

#[path = "rt/start.rs"]
mod _start;
#[path = "rt/mem.rs"]
mod mem;
#[path = "rt/panic.rs"]
mod panic;
#[path = "rt/unwind.rs"]
mod unwind;

use core::convert::Infallible;

use nsinit::error::{Error, Result, STATUS_NSINIT};
use nsinit::packed::Text;
use nsinit::syscall::cstr::{Env, List};
use nsinit::syscall::fd::AsFd;
use nsinit::syscall::memfd;
use nsinit::syscall::process::{execveat, exit_group};
use nsinit::{lz4, say, t};
use rustix::io::Errno;

/// The program, as `lz4` has compressed it.
const PROGRAM: lz4::Block = lz4::block(include_bytes!(env!("NSINIT_LZ4"))).unwrap();

/// What to do where the kernel has no memory for files, or does not let it be executed.
const ELSE: Text = t!("the file of nsinit that is not compressed needs no such thing");

fn start(args: List<'static>, env: Env, _: usize) -> ! {
    let Err(error) = execute(args, &env);
    say::error(format_args!("{error}"));
    exit_group(STATUS_NSINIT)
}

fn execute(args: List, env: &Env) -> Result<Infallible> {
    let unpack = |out: &mut [u8]| PROGRAM.decompress(out).ok_or(Errno::BADMSG);
    let file = memfd::program(PROGRAM.len, unpack).map_err(|errno| {
        let whole = errno != Errno::BADMSG;
        let hint = if whole { ELSE } else { t!("this file is damaged") };
        Error::errno(t!("unpack nsinit into memory"), (), errno).hint(hint)
    })?;
    let errno = execveat(file.as_fd(), args, env.list());
    Err(Error::errno(t!("execute nsinit from memory"), (), errno).hint(ELSE))
}
