//! dumb-init 1.2.5: <https://github.com/Yelp/dumb-init>, dumb-init.c.
//!
//! Not so here: signals above 31 go on too, and -r takes names; KILL, STOP and CHLD, which nobody can
//! catch or which are never passed on, can't be rewritten.

use super::Peer;
use crate::error::Result;
use crate::init::{Options, Placement, Stop};
use crate::syscall::cstr::Env;
use crate::syscall::signal::{STOP, TERM, TSTP, TTIN, TTOU};

pub const PEER: Peer = Peer {
    names: "dumb-init",
    options: "csingle-child r:rewrite vverbose hhelp Vversion",
    begin,
    finish,
    version: concat!("dumb-init v1.2.5 (nsinit ", env!("CARGO_PKG_VERSION"), ")"),
    usage: "usage: dumb-init [OPTION…] [--] COMMAND [ARGUMENT…]
nsinit in the place of dumb-init: runs COMMAND in a session of its own, passes signals on, reaps.
  -c, --single-child  no session: signals go to COMMAND alone
  -r, --rewrite S:R   signal S goes on as R, by number or name; 0 drops it
  -v, --verbose       tell of each signal and each process that ends
  -h, --help, -V, --version
environment: DUMB_INIT_DEBUG=1 -v, DUMB_INIT_SETSID=0 -c",
    version_on_stderr: true,
    usage_on_stderr: true,
};

/// The terminal's stop signals.
const STOPS: [u32; 3] = [TSTP, TTIN, TTOU];
/// No signal's number: what -r has not touched.
const UNTOUCHED: u8 = u8::MAX;

fn begin(options: &mut Options) {
    options.placement = Placement::Session;
    options.stop = Stop::Always;
    for n in STOPS {
        options.rewrite[n as usize] = UNTOUCHED;
    }
}

/// In a session nobody could continue what the terminal's stop signals stop, so that the kernel drops
/// them: STOP takes their place, unless something else was asked for.
fn finish(options: &mut Options, env: &Env) -> Result<()> {
    if env.get("DUMB_INIT_SETSID") == Some(c"0") {
        options.placement = Placement::Stay;
    }
    if options.verbosity > 0 || env.get("DUMB_INIT_DEBUG") == Some(c"1") {
        options.verbosity = 2;
    }
    let session = options.placement == Placement::Session;
    if session {
        options.group = true;
        options.end_signal = TERM as u8;
    }
    for n in STOPS {
        let to = &mut options.rewrite[n as usize];
        if *to == UNTOUCHED {
            *to = if session { STOP } else { n } as u8;
        }
    }
    Ok(())
}
