//! dumb-init 1.2.5: <https://github.com/Yelp/dumb-init>, dumb-init.c.
//!
//! Not so here: signals above 31 go on too, and -r takes names; KILL, STOP and CHLD, which nobody can
//! catch or which are never passed on, can't be rewritten.

use super::{Act, Opt, Peer, Variable, Wish, init};
use crate::init::{Placement, Stop};
use crate::packed;
use crate::syscall::signal::{STOP, TERM, TSTP, TTIN, TTOU};

pub const PEER: Peer = Peer {
    names: &["dumb-init"],
    options: &[
        Opt { letter: b'c', word: "single-child", act: Act::Switch(|w| w.single = true) },
        Opt {
            letter: b'r',
            word: "rewrite",
            act: Act::Value(|w, value| init::rewrite(w.options, value)),
        },
        Opt { letter: b'v', word: "verbose", act: Act::Switch(|w| w.options.verbosity = 2) },
        Opt { letter: b'h', word: "help", act: Act::Usage },
        Opt { letter: b'V', word: "version", act: Act::Version },
    ],
    variables: &[
        Variable {
            name: "DUMB_INIT_DEBUG",
            set: |w, value| {
                if value == b"1" {
                    w.options.verbosity = 2;
                }
            },
        },
        Variable { name: "DUMB_INIT_SETSID", set: |w, value| w.single |= value == b"0" },
    ],
    begin,
    finish,
    version: concat!("dumb-init v1.2.5 (nsinit ", env!("CARGO_PKG_VERSION"), ")"),
    usage: packed!(
        "usage: dumb-init [OPTION…] [--] COMMAND [ARGUMENT…]
nsinit in the place of dumb-init: runs COMMAND in a session of its own, passes signals on, reaps.
  -c, --single-child  no session: signals go to COMMAND alone
  -r, --rewrite S:R   signal S goes on as R, by number or name; 0 drops it
  -v, --verbose       tell of each signal and each process that ends
  -h, --help, -V, --version
environment: DUMB_INIT_DEBUG=1 -v, DUMB_INIT_SETSID=0 -c"
    ),
    version_on_stderr: true,
    usage_on_stderr: true,
};

/// The terminal's stop signals.
const STOPS: [u32; 3] = [TSTP, TTIN, TTOU];
/// No signal's number: what -r has not touched.
const UNTOUCHED: u8 = u8::MAX;

fn begin(wish: &mut Wish) {
    wish.options.stop = Stop::Always;
    for n in STOPS {
        wish.options.rewrite[n as usize] = UNTOUCHED;
    }
}

/// In a session nobody could continue what the terminal's stop signals stop, so that the kernel drops
/// them: STOP takes their place, unless something else was asked for.
fn finish(wish: &mut Wish) {
    let Wish { options, single, .. } = wish;
    if *single {
        options.placement = Placement::Stay;
    } else {
        options.placement = Placement::Session;
        options.group = true;
        options.end_signal = TERM as u8;
    }
    for n in STOPS {
        let to = &mut options.rewrite[n as usize];
        if *to == UNTOUCHED {
            *to = if *single { n as u8 } else { STOP as u8 };
        }
    }
}
