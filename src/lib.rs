//! nsinit: the library behind the binary. This page is the map; `docs/design.md` says why.
//!
//! A verb of the command line (`front`) reads a configuration (`front::libct`, over `jsonmin`) into a
//! `plan`, which is checked before anything is done. `launch` carries it out: `start` makes a
//! container, `join` enters one; `child` is what runs inside, `attend` what the launcher does
//! meanwhile. They call the rooms, which never import each other: `rootfs`, `net`, `cgroup`,
//! `security`, `tty`, `state`, and `init`, the reaper. Beneath lie `beneath` (files in a hostile root),
//! `proc`, `trust`, `exec` (execve and why it failed), the texts and errors (`bytes`, `inet`, `error`,
//! `errno`, `near`, `say`, `signame`, `step`, `json`, `visible`), and `syscall`, the only `unsafe` here.
//!
//! As the first process of a machine it is `boot` that runs, and starts each container by `exec`.
//!
//! Imports point down only, which a test proves; nothing needs a heap or a libc.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]

pub mod beneath;
pub mod boot;
pub mod bytes;
pub mod cgroup;
pub mod errno;
pub mod error;
pub mod exec;
pub mod front;
pub mod inet;
pub mod init;
pub mod json;
pub mod jsonmin;
pub mod launch;
pub mod near;
pub mod net;
pub mod plan;
pub mod proc;
pub mod rootfs;
pub mod say;
pub mod seccomp;
pub mod security;
pub mod signame;
pub mod state;
pub mod step;
pub mod syscall;
pub mod trust;
pub mod tty;
pub mod visible;

use core::ffi::CStr;
use core::mem::MaybeUninit;

use bytes::Arena;
use plan::Plan;
use syscall::cstr::{Env, List, ThinCStr};

/// Runs nsinit with what `_start` found: the words of the command line, the environment, the path that
/// was executed, memory for strings, and room for the plan.
pub fn run(
    args: List<'static>,
    env: Env,
    executed: Option<ThinCStr>,
    arena: &'static mut [u8],
    plan: &'static mut MaybeUninit<Plan>,
) -> ! {
    let arena = Arena::new(arena);
    take_name(args);
    let context = front::Context { args, env, executed, arena: &arena, plan, signals: None };
    if boot::is_init(args) {
        boot::run(context);
    }
    let status = match front::ready() {
        Ok(()) => front::run(context),
        Err(error) => {
            say::error(format_args!("{error}"));
            error.status()
        }
    };
    syscall::process::exit_group(status)
}

/// The process is called as its command line says: one that was executed from a descriptor is called by the
/// descriptor's number in `ps` and `top`, or "memfd:nsinit" (fs/exec.c, begin_new_exec).
fn take_name(args: List) {
    let Some(Some(path)) = args.first() else { return };
    let name = path.get().to_bytes_with_nul().rsplit(|byte| *byte == b'/').next();
    if let Some(Ok(name)) = name.map(CStr::from_bytes_with_nul) {
        // It is for people's eyes.
        let _ = rustix::thread::set_name(name);
    }
}
