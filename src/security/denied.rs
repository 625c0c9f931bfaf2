//! EACCES of a path: who has no right to what. The kernel says only that it is so.

use core::ffi::CStr;

use rustix::fs::{Access, access};
use rustix::process::getuid;

use crate::beneath::PATH_MAX;
use crate::bytes::{Arena, Show};

/// The first on the way along the absolute `path` that this process, real and effective ids alike, may
/// not search, or may not execute where it is the last; `None` where there is none.
pub fn explain(path: &CStr, arena: &Arena) -> Option<&'static str> {
    let uid = getuid().as_raw();
    let mut buf = [0; PATH_MAX];
    let whole = path.to_bytes();
    let ends = whole.iter().enumerate().filter(|(at, byte)| **byte == b'/' && *at > 0);
    let ends = [1].into_iter().chain(ends.map(|(at, _)| at));
    for end in ends {
        let part = whole.get(..end).filter(|part| part.starts_with(b"/"))?;
        if is_denied(part, &mut buf)? {
            let text = arena.str(format_args!(
                "user {uid} may not search {} (chmod o+x, or its owner)",
                Show(part)
            ));
            return text.ok();
        }
    }
    let text = format_args!("user {uid} has no right to execute it (chmod o+x, or its owner)");
    if is_denied(whole, &mut buf)? { arena.str(text).ok() } else { None }
}

fn is_denied(part: &[u8], buf: &mut [u8; PATH_MAX]) -> Option<bool> {
    buf.get_mut(..part.len())?.copy_from_slice(part);
    *buf.get_mut(part.len())? = 0;
    let part = CStr::from_bytes_until_nul(buf).ok()?;
    Some(access(part, Access::EXEC_OK) == Err(rustix::io::Errno::ACCESS))
}
