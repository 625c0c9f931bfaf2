//! catatonit 0.2.1, by its names and podman's: <https://github.com/openSUSE/catatonit>, catatonit.c.
//!
//! Not so here: TSTP, TTIN and TTOU that somebody sends go on like all others, and the command does
//! not begin with them blocked.

use super::{Act, Opt, Peer, Variable, Wish};
use crate::packed;
use crate::say;

pub const PEER: Peer = Peer {
    names: &["catatonit", "podman-init"],
    options: &[
        Opt { letter: b'g', word: "", act: Act::Switch(|w| w.options.group = true) },
        Opt { letter: b'P', word: "", act: Act::Switch(|w| w.options.pause = true) },
        Opt { letter: b'L', word: "", act: Act::License },
        Opt { letter: b'h', word: "help", act: Act::Usage },
        Opt { letter: b'V', word: "version", act: Act::Version },
    ],
    variables: &[
        Variable { name: "CATATONIT_DEBUG", set: |w, _| w.options.verbosity = 2 },
        Variable { name: "CATATONIT_LOG", set: |w, _| w.fault = Some("catatonit reserves it") },
    ],
    begin: |_| {},
    finish,
    // Docker's form: podman does not ask, but whoever gives it to docker as init-path has it checked.
    version: concat!("tini version 0.2.1_catatonit (nsinit ", env!("CARGO_PKG_VERSION"), ")"),
    usage: packed!(
        "usage: catatonit [OPTION…] [--] COMMAND [ARGUMENT…]
nsinit in the place of catatonit: runs COMMAND, passes signals on, reaps.
  -g  signals go to the command's process group
  -P  no command: reap, and end with TERM or INT
  -L  license    -h  this text    -V, --version
environment: CATATONIT_DEBUG tell of each signal and each process that ends"
    ),
    version_on_stderr: false,
    usage_on_stderr: true,
};

/// Images have been built around the fact that -P does not care what follows it.
fn finish(wish: &mut Wish) {
    if wish.options.pause && !matches!(wish.options.argv, [None, ..] | []) {
        say::warning(format_args!("-P: the command is not run"));
        wish.options.argv = &[None];
    }
}
