//! The way down to a group: the directories, and the controllers that each gives to the next.

use core::ffi::CStr;

use rustix::fs::mkdirat;
use rustix::io::{self, Errno};

use super::super::file::{Dir, Path, failed, parent};
use super::super::remove::MARKED;
use super::super::site::controllers;
use super::super::subsystem::{Subsystem, Subsystems};
use super::super::{Place, VANISH, place};
use crate::bytes::{Arena, Short};
use crate::error::{Context, Error, Result};
use crate::plan::Cgroup;

const CONTROL: &str = "cgroup.subtree_control";

/// What a container is counted by even where it is not limited.
const COUNTED: [Subsystem; 4] =
    [Subsystem::Cpu, Subsystem::Blkio, Subsystem::Memory, Subsystem::Pids];

/// Makes the group; its directory, and whether it was made now.
///
/// A group with processes can't give controllers to those below it, the top one aside. The caller's
/// own group has at least the caller in it: then the container's group is made beside it, below the
/// group above.
pub fn make(at: &Place, plan: &Cgroup, arena: &Arena) -> Result<(Dir, bool)> {
    let first = below(at.base, at.subsystems, plan, arena);
    let busy = |error: &Error| error.raw() == Some(Errno::BUSY);
    match (first, beside(at, arena)?) {
        (Err(error), Some(base)) if busy(&error) => {
            match below(base, at.subsystems, plan, arena) {
                // Nothing above is the caller's to change. What needs no controller can be had.
                Err(_) if needed(at.subsystems).is_empty() => bare(at.base, plan, arena),
                result => {
                    result.map_err(|second| if busy(&second) { second } else { explain(error) })
                }
            }
        }
        (Err(error), None) if busy(&error) && needed(at.subsystems).is_empty() => {
            bare(at.base, plan, arena)
        }
        (result, _) => result.map_err(explain),
    }
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

/// The group above the caller's own, if that is not the top one and the plan counts from it.
fn beside(at: &Place, arena: &Arena) -> Result<Option<&'static CStr>> {
    let (base, top) = (at.base.to_bytes(), at.hierarchy.top.to_bytes());
    if base.len() <= top.len() {
        return Ok(None);
    }
    let above = base.get(..parent(base, base.len())).unwrap_or(top);
    arena.concat(&[above]).doing("name the group above", at.base).map(Some)
}

/// The controllers of a set, without what needs none.
fn needed(subsystems: Subsystems) -> Subsystems {
    subsystems.without(Subsystems::of(&[Subsystem::Devices, Subsystem::Freezer]))
}

/// Makes the directories below `base` one after the other, once the one above gives the controllers.
fn below(
    base: &'static CStr,
    limited: Subsystems,
    plan: &Cgroup,
    arena: &Arena,
) -> Result<(Dir, bool)> {
    let available = controllers(base)?;
    let needed = needed(limited);
    let wanted = needed.union(Subsystems::of(&COUNTED).both(available));
    walk(base, plan, arena, &|dir| give(dir, wanted, needed, arena))
}

/// The same without controllers.
fn bare(base: &'static CStr, plan: &Cgroup, arena: &Arena) -> Result<(Dir, bool)> {
    walk(base, plan, arena, &|_| Ok(()))
}

fn walk(
    base: &'static CStr,
    plan: &Cgroup,
    arena: &Arena,
    each: &dyn Fn(&Dir) -> Result<()>,
) -> Result<(Dir, bool)> {
    const DOING: &str = "make control group";
    let path = place(base, plan, arena)?;
    let bytes = path.to_bytes();
    let mut tries = VANISH;
    'anew: loop {
        let (mut end, mut fresh) = (base.to_bytes().len(), false);
        let mut dir = Dir::open(base).doing("open control group", base)?;
        while end < bytes.len() {
            each(&dir)?;
            let next = bytes.get(end + 1..).and_then(|rest| rest.iter().position(|&b| b == b'/'));
            let start = end + 1;
            end = next.map_or(bytes.len(), |n| start + n);
            match step(&dir, path, start, end) {
                // Other containers that share a parent remove it when they end.
                Err(Errno::NOENT | Errno::NODEV) if tries > 0 => {
                    tries -= 1;
                    continue 'anew;
                }
                next => (dir, fresh) = next.doing(DOING, path)?,
            }
        }
        return Ok((dir, fresh));
    }
}

/// One directory down; whether it was made now.
fn step(dir: &Dir, path: &'static CStr, start: usize, end: usize) -> io::Result<(Dir, bool)> {
    let name = Path::new(path.to_bytes().get(start..end).unwrap_or(b""))?;
    let fresh = match mkdirat(dir.fd(), name.as_cstr(), MARKED) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno),
    };
    Ok((Dir::above(path, end)?, fresh))
}

/// Lets the groups below `dir` have what they are to be limited or counted by.
fn give(dir: &Dir, wanted: Subsystems, needed: Subsystems, arena: &Arena) -> Result<()> {
    let mut buf = [0; 256];
    let given = match dir.read(CONTROL, &mut buf) {
        Err(Errno::NOENT | Errno::NODEV) => return Ok(()),
        given => Subsystems::parse_v2(given.doing("read the controllers below", dir.path)?),
    };
    let lacking = wanted.without(given);
    if lacking.is_empty() {
        return Ok(());
    }
    match write(dir, lacking) {
        (_, Ok(())) => Ok(()),
        (text, Err(errno)) => {
            // One that can't be had, and that nothing needs, does not keep the others away.
            let needed = needed.without(given);
            if errno != Errno::BUSY && (needed.is_empty() || write(dir, needed).1.is_ok()) {
                return Ok(());
            }
            Err(failed(dir.path, CONTROL, text.as_str().as_bytes(), errno, arena))
        }
    }
}

fn write(dir: &Dir, set: Subsystems) -> (Short<96>, io::Result<()>) {
    let mut text = Short::<96>::default();
    for name in set.iter().filter_map(Subsystem::name_v2) {
        // All of them fit.
        let _ = text.push(format_args!("+{name} "));
    }
    let result = dir.write(CONTROL, text.as_str().trim_end().as_bytes());
    (text, result)
}
