//! catatonit 0.2.1, by its names and podman's: <https://github.com/openSUSE/catatonit>, catatonit.c.
//!
//! Not so here: TSTP, TTIN and TTOU that somebody sends go on like all others, and the command does
//! not begin with them blocked.

use super::{Peer, usage};
use crate::error::Result;
use crate::init::Options;
use crate::say;
use crate::syscall::cstr::Env;

pub const PEER: Peer = Peer {
    names: "catatonit podman-init",
    options: "g P L hhelp Vversion",
    begin: |_| {},
    finish,
    // Docker's form: podman does not ask, but whoever gives it to docker as init-path has it checked.
    version: concat!("tini version 0.2.1_catatonit (nsinit ", env!("CARGO_PKG_VERSION"), ")"),
    usage: "usage: catatonit [OPTION…] [--] COMMAND [ARGUMENT…]
nsinit in the place of catatonit: runs COMMAND, passes signals on, reaps.
  -g  signals go to the command's process group
  -P  no command: reap, and end with TERM or INT
  -L  license    -h  this text    -V, --version
environment: CATATONIT_DEBUG tell of each signal and each process that ends",
    version_on_stderr: false,
    usage_on_stderr: true,
};

/// Images have been built around the fact that -P does not care what follows it.
fn finish(options: &mut Options, env: &Env) -> Result<()> {
    const RESERVED: &str = "CATATONIT_LOG";
    if env.get(RESERVED).is_some() {
        return Err(usage(RESERVED, "catatonit reserves it"));
    }
    if env.get("CATATONIT_DEBUG").is_some() {
        options.verbosity = 2;
    }
    if options.pause && !matches!(options.argv, [None, ..] | []) {
        say::warning(format_args!("-P: the command is not run"));
        options.argv = &[None];
    }
    Ok(())
}
