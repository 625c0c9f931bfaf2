//! Whether the limit of memory has killed.

use core::ffi::CStr;

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};

use super::file::Version;
use super::groups::Groups;
use super::subsystem::Subsystem;
use crate::bytes::{Arena, Show, number, split_by};

/// The attribute of a group in which whoever joined leaves what `kills` said at the end of a command
/// that was killed, and has been told: the container's own end, later, has another reason. No process
/// of the container can see it (xattr(7), "Trusted extended attributes").
const TOLD: &CStr = c"trusted.nsinit.oom";

/// Names the limit that a process of these groups was killed for since `before`, which is what `kills`
/// said; `None` if none was. Without one only a group that nobody had before tells, and only of what
/// has not been told.
pub fn out_of_memory(groups: &Groups, before: Option<u64>, arena: &Arena) -> Option<&'static str> {
    let group = groups.of(Subsystem::Memory)?;
    let before = before.or_else(|| {
        let mut told = [0; 8];
        // Mostly there is none.
        let _ = fgetxattr(group.dir.fd(), TOLD, &mut told);
        group.fresh.then_some(u64::from_ne_bytes(told))
    })?;
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

/// Notes that all kills so far have been told, if there were some since `before`.
pub fn note_told(groups: &Groups, before: u64) {
    let (now, group) = (kills(groups), groups.of(Subsystem::Memory));
    if let (Some(now), Some(group)) = (now.filter(|now| *now > before), group) {
        // Without it they are told once more.
        let _ = fsetxattr(group.dir.fd(), TOLD, &now.to_ne_bytes(), XattrFlags::empty());
    }
}

/// How many processes the kernel has killed for it: the line "oom_kill N", since Linux 4.13.
pub fn kills(groups: &Groups) -> Option<u64> {
    let group = groups.of(Subsystem::Memory)?;
    let file = match group.version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    let mut buf = [0; 512];
    kills_in(group.dir.read(file, &mut buf).ok()?)
}

/// The same, from the text of that file.
#[inline(never)]
pub fn kills_in(text: &[u8]) -> Option<u64> {
    let count = split_by(text, b'\n').find_map(|line| line.strip_prefix(b"oom_kill "))?;
    number(count, 10)
}
