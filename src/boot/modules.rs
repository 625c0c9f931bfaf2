//! Kernel modules that lie in the image, for what is needed before any container runs: disks, file
//! systems, the power button.

use core::ffi::CStr;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::system::finit_module;

use super::names::{self, Names};
use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::say;

const DIR: &CStr = c"/modules";

/// Loads the files of /modules, whatever their order: one that needs another is tried again after it.
/// One that can't be loaded is warned of: what depends on it says more.
pub fn load(arena: &Arena) {
    let mut names = Names::new();
    let sorted = names::sorted(DIR, arena, &mut names);
    // Without the directory there is nothing to load.
    if !matches!(sorted, Err(error) if error.raw() == Some(Errno::NOENT)) {
        say::failure(sorted);
    }
    loop {
        let before = names.len();
        names.retain(
            |name| matches!(one(name, arena), Err(error) if error.raw() == Some(Errno::NOENT)),
        );
        if names.len() == before {
            break;
        }
    }
    for error in names.iter().filter_map(|name| one(name, arena).err()) {
        say::warning(format_args!("{}", error.hint("it needs another module, or another kernel")));
    }
}

fn one(name: &CStr, arena: &Arena) -> Result<()> {
    let path = arena.concat(&[DIR.to_bytes(), b"/", name.to_bytes()]).doing("name", "a module")?;
    match insert(path) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno @ Errno::NOENT) => Err(errno).doing("load the module", path),
        Err(errno) => {
            say::warning(format_args!("{}", Error::errno("load the module", path, errno)));
            Ok(())
        }
    }
}

fn insert(path: &CStr) -> rustix::io::Result<()> {
    /// include/uapi/linux/module.h, Linux 5.17
    const MODULE_INIT_COMPRESSED_FILE: i32 = 4;
    let plain = path.to_bytes().ends_with(b".ko");
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    finit_module(&file, c"", if plain { 0 } else { MODULE_INIT_COMPRESSED_FILE })
}
