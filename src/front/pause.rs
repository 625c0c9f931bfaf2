//! `nsinit pause` and `nsinit unpause`: the container stands still, and goes on.

use super::options::{Options, of};
use super::running::with_groups;
use super::{Context, Verb, Words};
use crate::bytes::Arena;
use crate::cgroup::Freezer;
use crate::error::{Error, Result};

/// See the help.
pub const PAUSE: Verb = Verb {
    name: "pause",
    words: Words::None,
    text: "[OPTION…]\n\
                   stop every process of the container\n\
                   Freezes the container and ends when every process of it stands still, wherever it was.\n\
                   None of them can tell or prevent it. Who joins is refused, or waits with exec --wait; a\n\
                   signal waits too, except for kill KILL, which ends a paused container.",
    options: of("root id"),
    run: |context, options| with_freezer(context, options, |freezer, arena| freezer.freeze(arena)),
};

/// See the help.
pub const UNPAUSE: Verb = Verb {
    name: "unpause",
    words: Words::None,
    text: "[OPTION…]\n\
                   let a paused container go on\n\
                   Lets the processes of a paused container go on. One that is not paused stays as it is.",
    options: of("root id"),
    run: |context, options| with_freezer(context, options, |freezer, arena| freezer.thaw(arena)),
};

fn with_freezer(
    context: Context,
    options: &Options,
    act: fn(&Freezer, &Arena) -> Result<()>,
) -> Result<u8> {
    with_groups(&context, options, &mut |_, groups| {
        let none =
            "it has no control group with a freezer: cgroups.name in the configuration makes one";
        let freezer =
            Freezer::of(groups).ok_or_else(|| Error::refused("pause the container", (), none))?;
        act(&freezer, context.arena).map(|()| 0)
    })
}
