//! The command's environment.

use core::ffi::CStr;

use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::exec::value;
use crate::plan::Process;

/// Adds HOME where the file does not set it, and the NULL that ends the list.
pub fn complete(process: &mut Process, home: &'static CStr, arena: &Arena) -> Result<()> {
    const DOING: &str = "add HOME to the environment";
    let full = |_| Error::refused(DOING, (), "it has more than 8192 entries");
    if value(&process.env, b"HOME").is_none() {
        let entry = arena.concat(&[b"HOME=", home.to_bytes()]).doing("set HOME to", home)?;
        process.env.push(Some(entry.into())).map_err(full)?;
    }
    process.env.push(None).map_err(full)
}
