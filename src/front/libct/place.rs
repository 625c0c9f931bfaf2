//! The place of what `plan::check` finds.

use core::fmt;

use super::Fault;
use crate::bytes::Arena;
use crate::error::Error;
use crate::jsonmin::Pos;
use crate::plan::Plan;
use crate::plan::check::Finding;
use crate::plan::mark::Mark;

/// Where a finding of `check` lies, as a fault with file, line, column and key; without a place
/// for what did not come from the file.
pub fn place(plan: &Plan, name: &'static str, finding: Finding, arena: &Arena) -> Fault {
    let mark = plan.mark(finding.part, finding.index.unwrap_or(0), finding.key).or_else(|| {
        // A key that stands for others, or that asks for one which is missing.
        match finding.part {
            "mask_paths" | "readonly_paths" => plan.mark("restrict_sys", 0, ""),
            "uid_mappings" | "gid_mappings" => plan.mark("namespaces", 0, ""),
            _ => None,
        }
    });
    let key = Sub(finding.key);
    let on = match mark {
        Some(Mark { path: [above, own], at, pos, .. }) => {
            let dot = if above.is_empty() { "" } else { "." };
            match at {
                Some(n) => arena.str(format_args!("{name}:{pos}: {above}{dot}{own}[{n}]{key}")),
                None => arena.str(format_args!("{name}:{pos}: {above}{dot}{own}{key}")),
            }
        }
        None => arena.str(format_args!("{}{key}", finding.part)),
    };
    let error = Error::refused("", on.unwrap_or(finding.part), finding.why);
    Fault { error, pos: mark.map_or(Pos::default(), |mark| mark.pos) }
}

/// A key below, with its dot.
struct Sub(&'static str);

impl fmt::Display for Sub {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ".{}", self.0) }
    }
}
