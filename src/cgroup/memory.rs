//! Whether the limit of memory has killed.

use super::file::Version;
use super::groups::{Group, Groups};
use super::subsystem::Subsystem;
use crate::bytes::{Arena, Show, number, split_by};

/// Names the limit that a process of these groups was killed for; `None` if none was. A group that
/// others had before may have had its kills before.
pub fn out_of_memory(groups: &Groups, arena: &Arena) -> Option<&'static str> {
    let group = groups.of(Subsystem::Memory).filter(|group| group.fresh)?;
    let (file, events) = match group.version {
        Version::V1 => ("memory.limit_in_bytes", "memory.oom_control"),
        Version::V2 => ("memory.max", "memory.events"),
    };
    (kills(group, events)? > 0).then_some(())?;
    let mut buf = [0; 32];
    let limit = Show(group.dir.read(file, &mut buf).ok()?);
    let dir = Show(group.dir.path.to_bytes());
    arena.str(format_args!("out of memory: {dir}/{file} is {limit}")).ok()
}

/// The line "oom_kill N", since Linux 4.13.
fn kills(group: &Group, file: &str) -> Option<u64> {
    let mut buf = [0; 512];
    let text = group.dir.read(file, &mut buf).ok()?;
    let count = split_by(text, b'\n').find_map(|line| line.strip_prefix(b"oom_kill "))?;
    number(count, 10)
}
