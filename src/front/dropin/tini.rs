//! tini 0.19, by its names and docker's: <https://github.com/krallin/tini>, src/tini.c.
//!
//! Not so here: whoever is not PID 1 is a subreaper without -s; the terminal is only given to the
//! command if it was nsinit's; -p takes any signal by name or number.

use core::ffi::CStr;

use super::{Peer, Verdict};
use crate::bytes::number;
use crate::error::Result;
use crate::init::{Options, Subreaper};
use crate::syscall::cstr::Env;

/// What `docker info` looks for (parseInitVersion in moby's daemon/info_unix.go): "tini version ", and
/// behind " - git." a commit, which it shows.
const VERSION: &str =
    concat!("tini version 0.19.0 (nsinit ", env!("CARGO_PKG_VERSION"), ") - git.nsinit");

pub const PEER: Peer = Peer {
    // docker and podman of old put their init at /dev/init; nobody else calls anything so.
    names: "tini tini-static docker-init /dev/init",
    options: "p: s v w g e: l hhelp \0version",
    begin: |_| {},
    finish,
    version: VERSION,
    usage: "usage: tini [OPTION…] [--] COMMAND [ARGUMENT…]
nsinit in the place of tini: runs COMMAND, passes signals on, reaps.
  -e N      status N of the command is answered with 0
  -g        signals go to the command's process group
  -p SIGNAL get, and pass on, SIGNAL when the parent dies
  -s        be a subreaper; without being PID 1 it is one anyway
  -v, -w    tell more; tell of each orphan that is reaped
  -l        license    -h  this text    --version
environment: TINI_SUBREAPER -s, TINI_KILL_PROCESS_GROUP -g, TINI_VERBOSITY=N 1 + the number of -v",
    version_on_stderr: false,
    usage_on_stderr: false,
};

/// A status of the command that is a success.
pub fn expect(options: &mut Options, value: &CStr) -> Verdict {
    let n = number(value.to_bytes(), 10).and_then(|n| usize::try_from(n).ok());
    let status = n.and_then(|n| options.status.get_mut(n));
    *status.ok_or("a status from 0 to 255 is needed")? = 0;
    Ok(())
}

/// tini counts from 1, and is silent at 0; what is no number is 0 to it.
fn finish(options: &mut Options, env: &Env) -> Result<()> {
    if env.get("TINI_SUBREAPER").is_some() {
        options.subreaper = Subreaper::On;
    }
    options.group |= env.get("TINI_KILL_PROCESS_GROUP").is_some();
    if let Some(value) = env.get("TINI_VERBOSITY") {
        let level = number(value.to_bytes(), 10).unwrap_or(0).min(9) as u8;
        options.verbosity = level.saturating_sub(1);
        options.warn_on_reap &= level > 0;
    }
    Ok(())
}
