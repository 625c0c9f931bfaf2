//! What the limit of memory has killed.

use core::ffi::CStr;

use rustix::fs::{Mode, OFlags, Stat, XattrFlags, fgetxattr, fsetxattr, fstat, openat};
use rustix::io::read;

use super::file::Version;
use super::groups::{Group, Groups};
use super::processes::for_each_group;
use super::subsystem::Subsystem;
use crate::bytes::{Arena, number, split_by};
use crate::syscall::fd::AsFd;

/// The attribute of a group in which whoever joined leaves what `kills` said at the end of a command
/// that was killed, and has been told: the container's own end, later, has another reason. No process
/// of the container can see it (xattr(7), "Trusted extended attributes").
const TOLD: &CStr = c"trusted.nsinit.oom";

/// Says how many processes of these groups the kernel has killed since `before`, which is what `kills`
/// said, and at which limit; `None` if it was none. Without `before` only a group that nobody had before
/// tells, and only of what has not been told.
pub fn out_of_memory(groups: &Groups, before: Option<u64>, arena: &Arena) -> Option<&'static str> {
    /// v1's number where there is no limit is some pages less than this (mm/page_counter.c).
    const UNLIMITED: u64 = 1 << 62;
    let group = groups.of(Subsystem::Memory)?;
    let before = before.or_else(|| {
        let mut told = [0; 8];
        // Mostly there is none.
        let _ = fgetxattr(group.dir.fd(), TOLD, &mut told);
        group.fresh.then_some(u64::from_ne_bytes(told))
    })?;
    let count = kills(groups)?.checked_sub(before).filter(|count| *count > 0)?;
    let (_, file) = files(group);
    let mut buf = [0; 32];
    let limit = group.dir.read(file, &mut buf).ok().and_then(|text| number(text, 10));
    let killed = if count == 1 { "process was killed" } else { "processes were killed" };
    let text = match limit.filter(|limit| *limit < UNLIMITED) {
        Some(limit) => {
            arena.str(format_args!("out of memory: {count} {killed} at the limit of {limit} bytes"))
        }
        None => arena.str(format_args!(
            "out of memory: {count} {killed}, at the limit of a group above this one"
        )),
    };
    text.ok()
}

/// Notes that all kills so far have been told, if there were some since `before`.
pub fn note_told(groups: &Groups, before: u64) {
    let (now, group) = (kills(groups), groups.of(Subsystem::Memory));
    if let (Some(now), Some(group)) = (now.filter(|now| *now > before), group) {
        // Without it they are told once more.
        let _ = fsetxattr(group.dir.fd(), TOLD, &now.to_ne_bytes(), XattrFlags::empty());
    }
}

/// How many processes the kernel has killed in them for lack of memory: the line "oom_kill N", since
/// Linux 4.13. v2 counts those of the groups inside too, v1 does not.
pub fn kills(groups: &Groups) -> Option<u64> {
    let group = groups.of(Subsystem::Memory)?;
    let (file, _) = files(group);
    let mut buf = [0; 512];
    let own = kills_in(group.dir.read(file, &mut buf).ok()?)?;
    // The directory's own two links, and one for each directory in it.
    let has_inside = |stat: Stat| stat.st_nlink > 2;
    if group.version == Version::V2 || !fstat(group.dir.fd()).is_ok_and(has_inside) {
        return Some(own);
    }
    let mut all = 0;
    // What can't be read any more is gone.
    let _ = for_each_group(group.dir.path, &mut |_, _, dir| {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let read = openat(dir, c"memory.oom_control", flags, Mode::empty())
            .and_then(|file| read(file.as_fd(), &mut buf[..]));
        all += read.ok().and_then(|len| kills_in(buf.get(..len)?)).unwrap_or(0);
        Ok(true)
    });
    Some(all)
}

/// The files of what was killed, and of the limit.
fn files(group: &Group) -> (&'static str, &'static str) {
    match group.version {
        Version::V1 => ("memory.oom_control", "memory.limit_in_bytes"),
        Version::V2 => ("memory.events", "memory.max"),
    }
}

/// The same, from the text of that file.
#[inline(never)]
pub fn kills_in(text: &[u8]) -> Option<u64> {
    let count = split_by(text, b'\n').find_map(|line| line.strip_prefix(b"oom_kill "))?;
    number(count, 10)
}
