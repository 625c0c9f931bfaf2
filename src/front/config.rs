//! `nsinit config`: the configuration as nsinit understands it, or one to start from.

use core::fmt::Write;

use super::options::{Options, of};
use super::{Context, Verb, Words, answer, blank, libct, load};
use crate::error::Result;
use crate::say;

/// See the help.
pub const VERB: Verb = Verb {
    name: "config",
    words: Words::None,
    text: "[OPTION…]\n\
                   check container.json and print it as understood, or a new one\n\
                   Prints the configuration as nsinit understands it, as JSON with every default written\n\
                   out, or all its faults. With --new, prints the built-in one: nsinit config --new > container.json",
    options: of("root id config rootfs no-init strict new"),
    run,
};

fn run(context: Context, options: &Options) -> Result<u8> {
    let mut out = say::answer();
    if options.new {
        // The first error of `out` is told by `answer`.
        let _ = write!(out, "{}", libct::MINIMAL);
        return answer(&mut out);
    }
    let data_path = load::data_path(&context, options)?;
    let config = load::config_path(options, data_path, context.arena)?;
    let plan = blank(context.plan);
    load::plan(plan, config, options, load::Use::Print, context.arena)?;
    // As above.
    let _ = libct::print(plan, &mut out);
    answer(&mut out)
}
