//! tini 0.19, by its names and docker's: <https://github.com/krallin/tini>, src/tini.c.
//!
//! Not so here: whoever is not PID 1 is a subreaper without -s; the terminal is only given to the
//! command if it was nsinit's; -p takes any signal by name or number.

use core::ffi::CStr;

use super::{Act, Opt, Peer, Variable, Verdict, Wish, init};
use crate::bytes::number;
use crate::init::Subreaper;
use crate::packed;

/// What `docker info` looks for (parseInitVersion in moby's daemon/info_unix.go): "tini version ", and
/// behind " - git." a commit, which it shows.
const VERSION: &str =
    concat!("tini version 0.19.0 (nsinit ", env!("CARGO_PKG_VERSION"), ") - git.nsinit");

pub const PEER: Peer = Peer {
    // docker and podman of old put their init at /dev/init; nobody else calls anything so.
    names: &["tini", "tini-static", "docker-init", "/dev/init"],
    options: &[
        Opt {
            letter: b'p',
            word: "",
            act: Act::Value(|w, value| init::parent_death_signal(w.options, value)),
        },
        Opt { letter: b's', word: "", act: Act::Switch(|w| w.options.subreaper = Subreaper::On) },
        Opt {
            letter: b'v',
            word: "",
            act: Act::Switch(|w| w.options.verbosity = w.options.verbosity.saturating_add(1)),
        },
        Opt { letter: b'w', word: "", act: Act::Switch(|w| w.options.warn_on_reap = true) },
        Opt { letter: b'g', word: "", act: Act::Switch(|w| w.options.group = true) },
        Opt { letter: b'e', word: "", act: Act::Value(expect) },
        Opt { letter: b'l', word: "", act: Act::License },
        Opt { letter: b'h', word: "help", act: Act::Usage },
        Opt { letter: 0, word: "version", act: Act::Version },
    ],
    variables: &[
        Variable { name: "TINI_SUBREAPER", set: |w, _| w.options.subreaper = Subreaper::On },
        Variable { name: "TINI_KILL_PROCESS_GROUP", set: |w, _| w.options.group = true },
        Variable { name: "TINI_VERBOSITY", set: verbosity },
    ],
    begin: |_| {},
    finish: |_| {},
    version: VERSION,
    usage: packed!(
        "usage: tini [OPTION…] [--] COMMAND [ARGUMENT…]
nsinit in the place of tini: runs COMMAND, passes signals on, reaps.
  -e N      status N of the command is answered with 0
  -g        signals go to the command's process group
  -p SIGNAL get, and pass on, SIGNAL when the parent dies
  -s        be a subreaper; without being PID 1 it is one anyway
  -v, -w    tell more; tell of each orphan that is reaped
  -l        license    -h  this text    --version
environment: TINI_SUBREAPER -s, TINI_KILL_PROCESS_GROUP -g, TINI_VERBOSITY=N 1 + the number of -v"
    ),
    version_on_stderr: false,
    usage_on_stderr: false,
};

/// A status of the command that is a success.
fn expect(wish: &mut Wish, value: &CStr) -> Verdict {
    let n = number(value.to_bytes(), 10).and_then(|n| usize::try_from(n).ok());
    let status = n.and_then(|n| wish.options.status.get_mut(n));
    *status.ok_or("a status from 0 to 255 is needed")? = 0;
    Ok(())
}

/// tini counts from 1, and is silent at 0; what is no number is 0 to it.
fn verbosity(wish: &mut Wish, value: &[u8]) {
    let level = number(value, 10).unwrap_or(0).min(9) as u8;
    wish.options.verbosity = level.saturating_sub(1);
    wish.options.warn_on_reap &= level > 0;
}
