//! The place of what `plan::check` finds.

use core::fmt;

use super::Fault;
use super::path::Quoted;
use crate::bytes::Arena;
use crate::error::Error;
use crate::jsonmin::Pos;
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
    let index = finding.index.unwrap_or(0);
    // What holds without its key, as the default devices do, is where its section is.
    let section = finding.part.split_once('.').and_then(|(section, _)| plan.mark(section, 0));
    let place = plan.place_of_key(finding.part, index, finding.key);
    let place = place.or(mark.or(section).map(|mark| mark.pos));
    let pos = place.unwrap_or_default();
    let words = Words { name: place.map(|_| name), pos, mark, finding };
    let on = arena.str(format_args!("{words}")).unwrap_or(finding.part);
    let why = match finding.text.is_empty() {
        true => finding.why,
        false => {
            let why = format_args!("{} {}", Quoted(finding.text), finding.why);
            arena.str(why).unwrap_or(finding.why)
        }
    };
    Fault { error: Error::refused("", on, why), pos }
}

/// What a finding is about, in the words of a message.
struct Words<'a> {
    name: Option<&'static str>,
    pos: Pos,
    mark: Option<&'a Mark>,
    finding: Finding,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let Some(name) = self.name {
            write!(f, "{name}:{}: ", self.pos)?;
        }
        let Finding { part, key, .. } = self.finding;
        match self.mark {
            Some(Mark { path: [above, own], at, .. }) => {
                f.write_str(above)?;
                f.write_str(if above.is_empty() { "" } else { "." })?;
                f.write_str(own)?;
                if let Some(n) = at {
                    write!(f, "[{n}]")?;
                }
            }
            None => f.write_str(part)?,
        }
        f.write_str(if key.is_empty() { "" } else { "." })?;
        f.write_str(key)
    }
}
