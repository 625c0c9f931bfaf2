//! A v2 group that systemd has handed over, with all that will be below it: that of a unit with
//! `Delegate=` (systemd.resource-control(5)).

use core::ffi::CStr;

use rustix::fs::{Mode, fgetxattr, mkdir};
use rustix::io::Errno;
use rustix::process::getpid;

use super::file::Dir;
use crate::bytes::{Arena, Short};
use crate::error::{Context, Result};

/// The mark of such a group (systemd's src/core/cgroup.c, cgroup_xattr_apply).
const MARK: &CStr = c"trusted.delegate";

/// Whether the group at `own` is one, and the caller is its only process: then it can be made to give
/// its controllers down by `step_down`.
pub fn is_ours(own: &'static CStr) -> Result<bool> {
    let dir = Dir::open(own)?;
    if !is_delegated(&dir) {
        return Ok(false);
    }
    let mut buf = [0; 32];
    let alone = Short::<16>::new(format_args!("{}", i64::from(getpid().as_raw_pid())));
    // What is longer is a list.
    Ok(dir.read("cgroup.procs", &mut buf).is_ok_and(|list| list == alone.as_str().as_bytes()))
}

fn is_delegated(dir: &Dir) -> bool {
    let mut mark = [0; 8];
    fgetxattr(dir.fd(), MARK, &mut mark).is_ok_and(|len| mark.get(..len) == Some(b"1"))
}

/// Whether the group at `own` is that of a service of systemd's.
pub fn is_service(own: &CStr) -> bool {
    own.to_bytes().ends_with(b".service")
}

/// Moves the caller into a group inside its own: a group that gives controllers to those below it may
/// have no processes itself (cgroup-v2.rst, "No Internal Process Constraint"). systemd takes it away
/// with the unit.
pub fn step_down(own: &'static CStr, arena: &Arena) -> Result<()> {
    let path = arena.concat(&[own.to_bytes(), b"/launcher"]).doing("name a group in", own)?;
    match mkdir(path, Mode::from_raw_mode(0o755)) {
        // Of a launcher that was here before.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno).doing("make control group", path),
    }
    Dir::open(path)?.write("cgroup.procs", b"0").doing("enter", path)
}
