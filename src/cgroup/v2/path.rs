//! Where a v2 group can be, and the controllers that each group gives to those below it.

use core::ffi::CStr;

use rustix::io::Errno;

use super::super::Place;
use super::super::delegated;
use super::super::file::{self, Dir, ends, failed, parent};
use super::super::site::controllers;
use super::super::subsystem::{Subsystem, Subsystems};
use crate::bytes::{Arena, Short, Show};
use crate::error::{Error, Result};
use crate::say;

const CONTROL: &str = "cgroup.subtree_control";

/// What a container is counted by even where it is not limited.
const COUNTED: [Subsystem; 4] =
    [Subsystem::Cpu, Subsystem::Blkio, Subsystem::Memory, Subsystem::Pids];

/// The group below which the container's is made, which gives it its controllers from now on.
///
/// A group with processes can't do that, the top one aside. The caller's own has at least the caller
/// in it. If it was handed over to the caller alone, that goes into a group inside it. Otherwise the
/// container's group is made beside it, below the group above. Where that can't be either, the caller's
/// own will do for what needs no controller.
#[inline(never)]
pub fn base(at: &Place, arena: &Arena) -> Result<&'static CStr> {
    let Err(error) = give(at.base, at, arena) else { return Ok(at.base) };
    let own = at.hierarchy.own == Some(at.base);
    if own && error.raw() == Some(Errno::BUSY) && delegated::is_ours(at.base)? {
        delegated::step_down(at.base, arena)?;
        return give(at.base, at, arena).map(|()| at.base);
    }
    // ENOENT: it is not given the controller itself.
    if matches!(error.raw(), Some(Errno::BUSY | Errno::NOENT))
        && let Some(above) = above(at, arena)?
        && give(above, at, arena).is_ok()
    {
        if own && delegated::is_service(at.base) {
            say::warning(format_args!(
                "the container's control group is not in that of its unit, {}, but beside it: \
                 MemoryMax= and the like of the unit do not hold for it, and its output is not the \
                 unit's (Delegate=yes in the unit, and nothing but nsinit in ExecStart=, puts it inside)",
                Show(at.base.to_bytes())
            ));
        }
        return Ok(above);
    }
    if needed(at).is_empty() { Ok(at.base) } else { Err(explain(error)) }
}

/// The group above the caller's own, as far as it can be seen.
pub fn above(at: &Place, arena: &Arena) -> Result<Option<&'static CStr>> {
    let (own, top) = (at.base.to_bytes(), at.hierarchy.top.to_bytes());
    if own.len() <= top.len() {
        return Ok(None);
    }
    file::above(at.base, parent(own, own.len()), arena).map(Some)
}

/// Has the groups between `base` and the one at `path` pass the controllers on.
#[inline(never)]
pub fn give_down(base: &CStr, path: &'static CStr, at: &Place, arena: &Arena) -> Result<()> {
    let bytes = path.to_bytes();
    for end in ends(bytes, base.to_bytes().len()).filter(|end| *end < bytes.len()) {
        match give(file::above(path, end, arena)?, at, arena) {
            Err(error) if !needed(at).is_empty() => return Err(explain(error)),
            _ => {}
        }
    }
    Ok(())
}

fn explain(error: Error) -> Error {
    match error.raw() {
        Some(Errno::BUSY) => error.hint(
            "a group with processes can't limit the groups below it: start nsinit from another, or \
             name an absolute cgroups.parent",
        ),
        Some(Errno::INVAL) => error.hint("are there real-time processes outside the top group?"),
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {
            error.hint("the caller's group was not delegated to it")
        }
        Some(Errno::OPNOTSUPP) => error.hint("the group is threaded"),
        _ => error,
    }
}

/// The controllers that limit; devices and freezing need none.
fn needed(at: &Place) -> Subsystems {
    at.subsystems.without(Subsystems::of(&[Subsystem::Devices, Subsystem::Freezer]))
}

/// Lets the groups below `dir` have what they are to be limited by, and what can be had of what they
/// are to be counted by.
#[inline(never)]
fn give(group: &'static CStr, at: &Place, arena: &Arena) -> Result<()> {
    let dir = Dir::open(group)?;
    let mut buf = [0; 256];
    let given = dir.read(CONTROL, &mut buf)?;
    let given = Subsystems::parse_v2(given);
    let counted = Subsystems::of(&COUNTED).both(controllers(&dir)?);
    let lacking = needed(at).union(counted).without(given);
    if lacking.is_empty() {
        return Ok(());
    }
    let text = list(lacking);
    let Err(errno) = dir.write(CONTROL, text.as_str().as_bytes()) else { return Ok(()) };
    // One that can't be had, and that nothing needs, does not keep the others away.
    let needed = list(needed(at).without(given));
    if errno != Errno::BUSY && dir.write(CONTROL, needed.as_str().as_bytes()).is_ok() {
        return Ok(());
    }
    Err(failed(dir.path, CONTROL, &text.as_str(), errno, arena))
}

#[inline(never)]
fn list(set: Subsystems) -> Short<96> {
    let mut text = Short::default();
    for name in set.iter().filter_map(Subsystem::name_v2) {
        // All of them fit.
        let _ = text.push(format_args!("+{name} "));
    }
    text
}
