//! Kernel modules that lie in the image, for what is needed before any container runs: disks, file
//! systems, the power button.

use core::ffi::CStr;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::system::finit_module;

use super::names;
use crate::bytes::Arena;
use crate::error::Context;
use crate::say;

const DIR: &CStr = c"/modules";

/// Loads the files of /modules in the order of their names; whether one was loaded. One that can't
/// be is warned of: what depends on it says more.
pub fn load(arena: &Arena) -> bool {
    let mut loaded = false;
    // Without the directory there is nothing to load.
    for name in names::sorted(DIR, arena).unwrap_or_default() {
        let path = arena.concat(&[DIR.to_bytes(), b"/", name.to_bytes()]).doing("name", name);
        match path.and_then(|path| one(path).doing("load the module", path)) {
            Ok(()) => loaded = true,
            Err(error) if error.raw() == Some(Errno::EXIST) => {}
            Err(error) => say::warning(format_args!("{error}")),
        }
    }
    loaded
}

fn one(path: &CStr) -> rustix::io::Result<()> {
    /// include/uapi/linux/module.h, Linux 5.17
    const MODULE_INIT_COMPRESSED_FILE: i32 = 4;
    let plain = path.to_bytes().ends_with(b".ko");
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    finit_module(&file, c"", if plain { 0 } else { MODULE_INIT_COMPRESSED_FILE })
}
