//! Whether the limit of memory has killed.

use super::file::Version;
use super::groups::Groups;
use super::subsystem::Subsystem;
use crate::bytes::{Arena, Show, number, split_by};

/// Names the limit that a process of these groups was killed for since `before`, which is what `kills`
/// said; `None` if none was. Without one only a group that nobody had before tells.
pub fn out_of_memory(groups: &Groups, before: Option<u64>, arena: &Arena) -> Option<&'static str> {
    let group = groups.of(Subsystem::Memory)?;
    let before = before.or(group.fresh.then_some(0))?;
    (kills(groups)? > before).then_some(())?;
    let file = match group.version {
        Version::V1 => "memory.limit_in_bytes",
        Version::V2 => "memory.max",
    };
    let mut buf = [0; 32];
    let limit = Show(group.dir.read(file, &mut buf).ok()?);
    let dir = Show(group.dir.path.to_bytes());
    arena.str(format_args!("out of memory: {dir}/{file} is {limit}")).ok()
}

/// How many processes the kernel has killed for it: the line "oom_kill N", since Linux 4.13.
pub fn kills(groups: &Groups) -> Option<u64> {
    let group = groups.of(Subsystem::Memory)?;
    let file = match group.version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    let mut buf = [0; 512];
    let text = group.dir.read(file, &mut buf).ok()?;
    let count = split_by(text, b'\n').find_map(|line| line.strip_prefix(b"oom_kill "))?;
    number(count, 10)
}
