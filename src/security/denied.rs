//! EACCES of a path: who has no right to what. The kernel says only that it is so.

use core::ffi::CStr;

use rustix::fs::{Access, access};
use rustix::process::getuid;

use crate::beneath::PATH_MAX;
use crate::bytes::{Arena, Show};

/// The first directory along the absolute `path`, its `last` name among them or not, that this process may
/// not search, whose real and effective ids are the same; `None` where there is none.
pub fn explain(path: &CStr, last: bool, arena: &Arena) -> Option<&'static str> {
    let mut buf = [0; PATH_MAX];
    let whole = path.to_bytes();
    let ends = whole.iter().enumerate().filter(|(at, byte)| **byte == b'/' && *at > 0);
    let ends = ends.map(|(at, _)| at).chain(last.then_some(whole.len()));
    for end in [1].into_iter().chain(ends) {
        let part = whole.get(..end).filter(|part| part.starts_with(b"/"))?;
        if is_denied(part, &mut buf)? {
            let (uid, part) = (getuid().as_raw(), Show(part));
            let text = format_args!("user {uid} may not search {part} (chmod o+x, or its owner)");
            return arena.str(text).ok();
        }
    }
    None
}

fn is_denied(part: &[u8], buf: &mut [u8; PATH_MAX]) -> Option<bool> {
    buf.get_mut(..part.len())?.copy_from_slice(part);
    *buf.get_mut(part.len())? = 0;
    let part = CStr::from_bytes_until_nul(buf).ok()?;
    Some(access(part, Access::EXEC_OK) == Err(rustix::io::Errno::ACCESS))
}
