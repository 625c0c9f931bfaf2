//! Kernel modules that lie in the image, for what is needed before any container runs: disks, file
//! systems, the power button.

use core::ffi::CStr;

use rustix::fs::{Access, OFlags, access};
use rustix::io::Errno;
use rustix::system::finit_module;

use super::modinfo::{PIECE, depends};
use super::mounts;
use super::names::{self, Names, path};
use crate::bytes::{Arena, Short, Show, split_by};
use crate::error::{Context, Error, Result};
use crate::say;
use crate::syscall::fd::AsFd;

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
    for (name, error) in names.iter().filter_map(|name| Some((name, one(name, arena).err()?))) {
        say::warning(format_args!("{}", error.hint(missing(name, arena))));
    }
}

/// Whether it is loaded now, or never will be, which is said; ENOENT: another one may help.
fn one(name: &CStr, arena: &Arena) -> Result<()> {
    let path = path("/modules/*", name.to_bytes());
    let result = match kind(name) {
        Some(flags) => insert(path.as_cstr(), flags),
        None => Err(Errno::NOEXEC),
    };
    let error = match result {
        Ok(()) | Err(Errno::EXIST) => return Ok(()),
        Err(errno) => {
            let path = arena.concat(&[path.as_cstr().to_bytes()]).doing("name", "a module")?;
            Error::errno("load the module", path, errno)
        }
    };
    let hint = match (kind(name), error.raw()) {
        (_, Some(Errno::NOENT)) => return Err(error),
        (None, _) => "not a module: they are named *.ko",
        (Some(COMPRESSED), Some(Errno::OPNOTSUPP | Errno::INVAL)) => {
            "this kernel does not unpack modules: unpack it before (mkinitramfs does)"
        }
        (_, Some(Errno::NOEXEC)) => "it was built for another kernel",
        _ => "",
    };
    let error = if hint.is_empty() { error } else { error.hint(hint) };
    say::warning(format_args!("{error}"));
    Ok(())
}

/// include/uapi/linux/module.h, Linux 5.17
const COMPRESSED: i32 = 4;

/// The flags of finit_module(2) for a module of this name; `None`: it is none.
fn kind(name: &CStr) -> Option<i32> {
    let name = name.to_bytes();
    let is_packed = |end| name.strip_suffix(end).is_some_and(|name: &[u8]| name.ends_with(b".ko"));
    if name.ends_with(b".ko") {
        return Some(0);
    }
    let ends: [&[u8]; 3] = [b".xz", b".zst", b".gz"];
    ends.into_iter().any(is_packed).then_some(COMPRESSED)
}

fn insert(path: &CStr, flags: i32) -> rustix::io::Result<()> {
    finit_module(&mounts::open(path, OFlags::RDONLY)?, c"", flags)
}

/// Why a symbol that a module needs is not there.
fn missing(name: &CStr, arena: &Arena) -> &'static str {
    const OTHER: &str = "it needs another module, or another kernel";
    let mut buf = [0; PIECE];
    let Ok(file) = mounts::open(path("/modules/*", name.to_bytes()).as_cstr(), OFlags::RDONLY)
    else {
        return OTHER;
    };
    let Some(list) = depends(file.as_fd(), &mut buf) else { return OTHER };
    let mut text = Short::<512>::default();
    for needed in split_by(list, b',').filter(|needed| !needed.is_empty() && !is_loaded(needed)) {
        let comma = if text.as_str().is_empty() { "" } else { ", " };
        // It is cut where there are many.
        text.push(format_args!("{comma}{}", Show(needed)));
    }
    match text.as_str() {
        "" => "it was built for another kernel",
        names => arena.str(format_args!("it needs {names}, not loaded")).unwrap_or(OTHER),
    }
}

/// Whether the kernel has a module; its files may have a dash where it has an underscore.
fn is_loaded(name: &[u8]) -> bool {
    let mut plain = [0; 64];
    for (to, from) in plain.iter_mut().zip(name) {
        *to = if *from == b'-' { b'_' } else { *from };
    }
    let path = path("/sys/module/*", plain.get(..name.len()).unwrap_or(name));
    access(path.as_cstr(), Access::EXISTS).is_ok()
}
