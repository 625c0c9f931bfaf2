//! Where the parts of a plan came from.

use super::{DEVICES, ENVIRONMENT, FEW, MOUNTS, PATHS, Plan};
use crate::jsonmin::Pos;

/// Most marks: one for each list member that `check` may name, and the single keys. Of networks and
/// routes each key has one.
pub const MARKS: usize = MOUNTS + DEVICES + ENVIRONMENT + 2 * PATHS + (4 + 22 + 5) * FEW + 128;

/// Where a front end found a part of the plan.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The part, by the name that `check` uses: container.json's of libcontainer 2.
    pub part: &'static str,
    /// Which one in the plan's list; 0 for what is not in a list.
    pub index: u16,
    /// A key of that one, or "" for the whole.
    pub key: &'static str,
    /// The key in the file, with the key that it lies in, or "".
    pub path: [&'static str; 2],
    /// Which one in the file's list, if it is one.
    pub at: Option<u16>,
    /// The value's place in the file.
    pub pos: Pos,
}

impl Plan {
    /// The last mark of a key of this part, or else of the whole: what a later key overrode does not
    /// count.
    pub fn mark(&self, part: &str, index: usize, key: &str) -> Option<&Mark> {
        let is = |mark: &&Mark| mark.part == part && usize::from(mark.index) == index;
        let mut marks = self.marks.iter().rev();
        let of_key = marks.clone().find(|mark| is(mark) && mark.key == key);
        of_key.or_else(|| marks.find(|mark| is(mark) && mark.key.is_empty()))
    }
}
