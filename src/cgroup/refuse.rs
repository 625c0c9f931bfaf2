//! Keys that can't be carried out: refused, with their place in the file, or left out with a warning.

use crate::error::{Error, Object, Result};
use crate::plan::Cgroup;
use crate::plan::check::Finding;
use crate::say;

/// Refuses a key.
#[cold]
#[inline(never)]
pub fn refused(key: &'static str, why: &'static str) -> Error {
    Error::refused("", key, why)
}

/// The key that was refused.
pub fn key_of(error: Error) -> Option<Finding> {
    match error.on() {
        Object::Str(part) if part.starts_with("cgroups.") => {
            Some(Finding { part, index: None, key: "", text: c"", why: error.words() })
        }
        _ => None,
    }
}

/// Says that a key has no effect.
#[inline(never)]
pub fn left_out(key: &str) {
    say::warning(format_args!("{key}: not supported by this host's control groups: ignored"));
}

/// kernel_memory.
pub const KERNEL_MEMORY: &str = "cgroups.kernel_memory";

/// The limit of memory counts the kernel's too, so that one stands in for the other: without it,
/// kernel_memory can't be left out.
pub fn limits_kernel_memory(plan: &Cgroup) -> Result<()> {
    let limited = plan.memory.is_some_and(|limit| limit > 0);
    if !limited && plan.kernel_memory > Some(0) {
        let why = "this kernel limits it with all other memory: give a cgroups.memory";
        return Err(refused(KERNEL_MEMORY, why));
    }
    Ok(())
}
