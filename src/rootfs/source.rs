//! Paths of the host that the plan names: sources of binds, directories of overlays.
//!
//! A directory of the container, or one that it shares with others, can have a link in it that leads to
//! any place of the host. So what lies in the root is opened beneath it, and elsewhere a link is only
//! followed where root alone could have made it.

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat_raw, statat};
use rustix::io::{self, Errno};
use rustix::process::geteuid;

use super::Root;
use super::layers::{Layer, layers};
use crate::beneath::{self, NAME, PATH_MAX, c_name};
use crate::bytes::{Split, split_by, until_nul};
use crate::error::Error;
use crate::plan::Mount;
use crate::proc::process::Identity;
use crate::syscall::fd::AsFd;
use crate::trust;

/// Most links that lead to links.
const DEPTH: u32 = 8;
/// Most directories above another.
const ABOVE: usize = 64;

impl Root<'_> {
    /// Opens (O_PATH) `path`, which counts from the launcher's working directory. ELOOP: a link that is
    /// not followed. EXDEV: ".." after a directory of the container.
    pub(super) fn source(&self, path: &CStr) -> io::Result<OwnedFd> {
        let cwd = self.cwd.as_fd();
        match trust::open_without_links(cwd, path, OFlags::PATH, Mode::empty()) {
            Err(Errno::LOOP) => self.follow(cwd, path.to_bytes(), 0),
            result => result,
        }
    }

    /// The same with links on the way.
    fn follow(&self, at: BorrowedFd, path: &[u8], depth: u32) -> io::Result<OwnedFd> {
        if depth > DEPTH {
            return Err(Errno::LOOP);
        }
        let start = if path.first() == Some(&b'/') { c"/" } else { c"." };
        let mut here = open(at, start)?;
        let mut names = split_by(path, b'/');
        let mut buf = [0; NAME];
        while let Some(name) = names.next() {
            if matches!(name, b"" | b".") {
                continue;
            }
            if name != b".." && self.is_root(&fstat(&here)?) {
                return self.beneath(name, names);
            }
            let next = open(here.as_fd(), c_name(name, &mut buf)?)?;
            here = match kind(&fstat(&next)?) {
                FileType::Symlink => {
                    if !self.may_follow(here.as_fd(), next.as_fd())? {
                        return Err(Errno::LOOP);
                    }
                    let mut text = [0; PATH_MAX];
                    let len = readlinkat_raw(&next, c"", &mut text[..])?;
                    self.follow(here.as_fd(), text.get(..len).unwrap_or(&[]), depth + 1)?
                }
                _ => next,
            };
        }
        Ok(here)
    }

    /// Whether this is the container's root.
    pub(super) fn is_root(&self, stat: &Stat) -> bool {
        (stat.st_dev, stat.st_ino) == (self.stat.st_dev, self.stat.st_ino)
    }

    /// What is left of a path that has come to the container's root: its links are the container's.
    fn beneath(&self, name: &[u8], names: Split) -> io::Result<OwnedFd> {
        let rest = names.rest().unwrap_or(&[]);
        if split_by(rest, b'/').any(|name| name == b"..") {
            return Err(Errno::XDEV);
        }
        let mut path = [0; PATH_MAX];
        let mut at = 0;
        for part in [name, b"/", rest] {
            // One byte stays 0.
            let room = path.get_mut(at..at + part.len()).filter(|_| at + part.len() < PATH_MAX);
            room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(part);
            at += part.len();
        }
        let path = until_nul(&path).ok_or(Errno::NAMETOOLONG)?;
        beneath::open(self.host.as_fd(), path, OFlags::PATH)
    }

    /// Whether root alone could have made `link` in `dir`.
    fn may_follow(&self, dir: BorrowedFd, link: BorrowedFd) -> io::Result<bool> {
        const STICKY: u32 = 0o1000;
        let ours = |stat: &Stat| stat.st_uid == 0 || stat.st_uid == geteuid().as_raw();
        let (above, link) = (fstat(dir)?, fstat(link)?);
        let closed = above.st_mode & 0o022 == 0 || above.st_mode & STICKY != 0;
        Ok(ours(&above) && ours(&link) && closed && !self.is_shared(dir)?)
    }

    /// Whether a directory lies in the container's root, or in one that this plan lets it write to: root
    /// inside makes links that are root's.
    fn is_shared(&self, dir: BorrowedFd) -> io::Result<bool> {
        let mut above = heapless::Vec::<Identity, ABOVE>::new();
        let mut here = open(dir, c".")?;
        loop {
            let identity = Identity::from(fstat(&here)?);
            if above.last() == Some(&identity) {
                break;
            }
            above.push(identity).map_err(|_| Errno::NAMETOOLONG)?;
            here = open(here.as_fd(), c"..")?;
        }
        let among = |stat: Stat| above.contains(&Identity::from(stat));
        let shows = |path: &CStr| statat(self.cwd.as_fd(), path, AtFlags::empty()).is_ok_and(among);
        Ok(among(self.stat) || self.plan.mounts.iter().any(|mount| writes_to(mount, &shows)))
    }
}

/// Whether the container can write to a directory by this mount for which `shows` is true.
fn writes_to(mount: &Mount, shows: &dyn Fn(&CStr) -> bool) -> bool {
    if mount.fstype == c"bind" {
        return mount.flags & linux_raw_sys::general::MS_RDONLY == 0 && shows(mount.source);
    }
    let mut path = [0; PATH_MAX];
    layers(mount)
        .any(|(layer, text)| layer == Layer::Upper && text.decode(&mut path).is_some_and(shows))
}

/// The error of a path of the host.
pub fn no_source(doing: &'static str, on: &'static CStr, errno: Errno) -> Error {
    let error = Error::errno(doing, on, errno);
    match errno {
        Errno::LOOP => error.hint(
            "a symbolic link on the way could have been made by the container, or by somebody other \
             than root: name the file itself",
        ),
        Errno::XDEV => error.hint("\"..\" after a directory of the container"),
        Errno::NOENT => error.hint("make it first, or take the mount out of the file"),
        _ => error,
    }
}

fn open(at: BorrowedFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}
