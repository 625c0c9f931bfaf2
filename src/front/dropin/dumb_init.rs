//! dumb-init 1.2.5, and -l and names of signals from its later sources:
//! <https://github.com/Yelp/dumb-init>, dumb-init.c.
//!
//! Not so here: signals above 31 go on too; KILL, STOP and CHLD, which nobody can catch or which are
//! never passed on, can't be rewritten.

use super::{Act, Opt, Peer, Variable, Wish, signal};
use crate::bytes::split_by;
use crate::init::{Placement, Stop};
use crate::syscall::signal::{STOP, TERM, TSTP, TTIN, TTOU};

pub const PEER: Peer = Peer {
    names: &["dumb-init"],
    options: &[
        Opt { letter: b'c', word: "single-child", act: Act::Switch(|w| w.single = true) },
        Opt { letter: b'r', word: "rewrite", act: Act::Value(rewrite) },
        Opt { letter: b'v', word: "verbose", act: Act::Switch(|w| w.options.verbosity = 2) },
        Opt { letter: b'h', word: "help", act: Act::Usage },
        Opt { letter: b'V', word: "version", act: Act::Version },
    ],
    variables: &[
        Variable {
            name: "DUMB_INIT_DEBUG",
            set: |w, value| {
                if value == b"1" {
                    w.options.verbosity = 2
                }
            },
        },
        Variable {
            name: "DUMB_INIT_SETSID",
            set: |w, value| {
                if value == b"0" {
                    w.single = true
                }
            },
        },
    ],
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

/// SIGNAL:REPLACEMENT
fn rewrite(wish: &mut Wish, value: &[u8]) -> Result<(), &'static str> {
    let mut parts = split_by(value, b':');
    let (Some(from), Some(to), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err("two signals with a colon between them are needed");
    };
    let to = if to == b"0" { 0 } else { signal(to)? };
    let from = signal(from)?;
    wish.options.rewrite(from, to)?;
    wish.rewritten = wish.rewritten.with(from.into());
    Ok(())
}

/// In a session nobody could continue what the terminal's stop signals stop, so that the kernel drops
/// them: STOP takes their place, unless something else was asked for.
fn finish(wish: &mut Wish) {
    let Wish { options, single, rewritten, .. } = wish;
    options.stop = Stop::Always;
    if *single {
        options.placement = Placement::Stay;
        return;
    }
    options.placement = Placement::Session;
    options.group = true;
    options.end_signal = TERM as u8;
    for n in [TSTP, TTIN, TTOU] {
        if !rewritten.has(n) {
            options.rewrite[n as usize] = STOP as u8;
        }
    }
}
