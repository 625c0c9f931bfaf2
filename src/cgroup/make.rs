//! Naming and making the directory of a group.

use core::ffi::CStr;

use heapless::Vec;
use rustix::fs::mkdir;
use rustix::io::Errno;

use super::file::{PATH_MAX, above, parent};
use super::refuse::refused;
use super::remove;
use crate::bytes::{Arena, split_by};
use crate::error::{Context, Result};
use crate::plan::Cgroup;

/// How often a group, or a parent, may vanish before it is opened: other containers that share it
/// remove it when they end.
pub const VANISH: usize = 16;

/// Why a name can't be had.
pub const TAKEN: &str = "the kernel has a file of that name in every group";
/// Why a parent can't be had.
pub const TOO_LONG: &str = "the group's path is longer than 4095 bytes";

/// `base`/parent/name, without empty parts and ".".
#[inline(never)]
pub fn place(
    base: &'static CStr,
    plan: &Cgroup,
    key: &'static str,
    arena: &Arena,
) -> Result<&'static CStr> {
    let mut path = Vec::<u8, PATH_MAX>::new();
    let mut put = |part: &[u8]| path.extend_from_slice(part).map_err(|_| refused(key, TOO_LONG));
    put(base.to_bytes())?;
    for text in [plan.parent, plan.name] {
        for part in split_by(text.unwrap_or(c"").to_bytes(), b'/') {
            if !part.is_empty() && part != b"." {
                put(b"/")?;
                put(part)?;
            }
        }
    }
    arena.concat(&[&path]).doing("name control group", base)
}

/// mkdir -p. The first try is for the usual case, that only the last directory is missing. One that
/// vanishes on the way was a parent of other containers' groups, and the last of them removed it.
/// Returns whether the last directory is fresh: made now, with its parent's settings.
#[inline(never)]
pub fn make(path: &'static CStr, arena: &Arena) -> Result<bool> {
    let bytes = path.to_bytes();
    let (mut end, mut tries) = (bytes.len(), VANISH + bytes.len());
    loop {
        let fresh = match mkdir(above(path, end, arena)?, remove::MARKED) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(Errno::NOENT) if end > 0 && tries > 0 => {
                (end, tries) = (parent(bytes, end), tries - 1);
                continue;
            }
            Err(errno) => return Err(errno).doing("make control group", path),
        };
        if end == bytes.len() {
            return Ok(fresh);
        }
        let next = bytes.get(end + 1..).and_then(|rest| rest.iter().position(|&b| b == b'/'));
        end = next.map_or(bytes.len(), |n| end + 1 + n);
    }
}
