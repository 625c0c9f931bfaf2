//! `nsinit state`: state.json, and whether it is so.

use core::fmt::Write;

use super::options::{Options, of};
use super::{Context, Verb, Words, answer, load};
use crate::error::{Error, Result};
use crate::launch::Place;
use crate::say;

/// See the help.
pub const VERB: Verb = Verb {
    name: "state",
    words: Words::None,
    text: "[OPTION…]\n\
                   print state.json and whether the container runs\n\
                   Prints what state.json says as one JSON object, with \"running\": whether that process is\n\
                   alive. The exit status is 0 if it is, 1 if there is no container or it has ended.",
    options: of("root id json"),
    run,
};

fn run(context: Context, options: &Options) -> Result<u8> {
    let place = Place::open(load::data_path(&context, options)?)?;
    let Some((state, running)) = place.state(context.arena)? else {
        if options.json {
            let mut out = say::answer();
            // The first error of `out` is told by `answer`.
            let _ = out.write_str("{\"running\":false}\n");
            answer(&mut out)?;
        }
        let error = Error::refused("", "state.json", "there is none: no container runs here");
        return if options.json { Ok(1) } else { Err(error.with_status(1)) };
    };
    let mut out = say::answer();
    // As above.
    let _ = state.write(Some(running), &mut out);
    answer(&mut out)?;
    Ok(if running { 0 } else { 1 })
}
