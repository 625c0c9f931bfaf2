//! Where the parts of a plan came from.

use super::{DEVICES, ENVIRONMENT, FEW, MOUNTS, PATHS, Plan};
use crate::jsonmin::Pos;

/// Most marks: one for each list member that `check` may name, the single keys, and faults.
pub const MARKS: usize = MOUNTS + DEVICES + ENVIRONMENT + 2 * PATHS + 5 * FEW + 256;
/// Most marks of keys. Of others the place is that of their list member.
pub const KEY_MARKS: usize = 16 * FEW;

/// The part that a mark names where a front end has found a fault: nothing of the plan.
pub const FAULTY: &str = "faulty";

/// Where a front end found a part of the plan.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The part, by the name that `check` uses: container.json's of libcontainer 2.
    pub part: &'static str,
    /// Which one in the plan's list; 0 for what is not in a list.
    pub index: u16,
    /// The key in the file, with the key that it lies in, or "".
    pub path: [&'static str; 2],
    /// Which one in the file's list, if it is one.
    pub at: Option<u16>,
    /// The value's place in the file.
    pub pos: Pos,
}

/// Where a front end found a key of a network or a route.
#[derive(Clone, Copy, Debug)]
pub struct KeyMark {
    /// The list, as in `Mark`.
    pub part: &'static str,
    /// Which one in the plan's list.
    pub index: u16,
    /// The key.
    pub key: &'static str,
    /// The value's place in the file.
    pub pos: Pos,
}

impl Plan {
    /// The last mark of this part: what a later key overrode does not count.
    pub fn mark(&self, part: &str, index: usize) -> Option<&Mark> {
        // Those of `cgroups` go by their keys alone.
        let is = |mark: &Mark| match part.strip_prefix("cgroups.") {
            Some(key) => mark.part == key && mark.path[0] == "cgroups",
            None => mark.part == part,
        };
        self.marks.iter().rev().find(|mark| is(mark) && usize::from(mark.index) == index)
    }

    /// Whether the value of this key of the file has a fault somewhere: what the plan has of it, or has
    /// not, means nothing.
    pub fn is_faulty(&self, key: &str) -> bool {
        self.marks.iter().any(|mark| mark.part == FAULTY && mark.path.contains(&key))
    }

    /// The place of the value of a key of this part, if that was noted.
    pub fn place_of_key(&self, part: &str, index: usize, key: &str) -> Option<Pos> {
        let is = |mark: &&KeyMark| {
            mark.part == part && usize::from(mark.index) == index && mark.key == key
        };
        self.key_marks.iter().rev().find(is).map(|mark| mark.pos)
    }
}
