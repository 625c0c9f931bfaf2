//! The place of what `plan::check` finds.

use core::fmt;

use super::Fault;
use super::path::Quoted;
use crate::bytes::Arena;
use crate::error::Error;
use crate::plan::Plan;
use crate::plan::check::Finding;
use crate::plan::mark::Mark;

/// Where a finding of `check` lies, as a fault with file, line, column and key; without a place
/// for what did not come from the file.
pub fn place(plan: &Plan, name: &'static str, finding: Finding, arena: &Arena) -> Fault {
    let mark = plan.mark(finding.part, finding.index.unwrap_or(0)).or_else(|| {
        // An older name of it, a key that stands for others, or one that asks for what is missing.
        let others = match finding.part {
            "rootfs" => ["root_fs", ""],
            "readonlyfs" => ["readonly_fs", ""],
            "mask_paths" | "readonly_paths" => ["restrict_sys", "restrictions"],
            "uid_mappings" | "gid_mappings" => ["namespaces", ""],
            _ => return None,
        };
        others.into_iter().find_map(|part| plan.mark(part, 0))
    });
    let key = Sub(finding.key);
    let index = finding.index.unwrap_or(0);
    // What holds without its key, as the default devices do, is where its section is.
    let section = finding.part.split_once('.').and_then(|(section, _)| plan.mark(section, 0));
    let place = plan.place_of_key(finding.part, index, finding.key);
    let place = place.or(mark.or(section).map(|mark| mark.pos));
    let pos = place.unwrap_or_default();
    let on = match mark {
        Some(Mark { path: [above, own], at, .. }) => {
            let dot = if above.is_empty() { "" } else { "." };
            match at {
                Some(n) => arena.str(format_args!("{name}:{pos}: {above}{dot}{own}[{n}]{key}")),
                None => arena.str(format_args!("{name}:{pos}: {above}{dot}{own}{key}")),
            }
        }
        None if section.is_some() => arena.str(format_args!("{name}:{pos}: {}{key}", finding.part)),
        None => arena.str(format_args!("{}{key}", finding.part)),
    };
    let why = match finding.text.is_empty() {
        true => finding.why,
        false => arena
            .str(format_args!("{} {}", Quoted(finding.text), finding.why))
            .unwrap_or(finding.why),
    };
    Fault { error: Error::refused("", on.unwrap_or(finding.part), why), pos }
}

/// A key below, with its dot.
struct Sub(&'static str);

impl fmt::Display for Sub {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ".{}", self.0) }
    }
}
