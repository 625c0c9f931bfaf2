//! Where a container would see nsinit's own files: in its root, in a bind, in an overlay. There they are
//! hidden, as they decide what root does at the next start; where they can't be, the file is refused.
//!
//! Directories are compared by device and inode, from that of the files upwards: one directory has many
//! paths, by mounts of the host's too.

use core::ffi::CStr;

use heapless::Vec;
use linux_raw_sys::general::MS_RDONLY;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat, statfs};
use rustix::io::Errno;

use crate::beneath::PATH_MAX;
use crate::bytes::{Arena, until_nul};
use crate::error::{Context, Error, Result};
use crate::launch::{CONFIG, Place, path_of};
use crate::plan::check::Finding;
use crate::plan::{HIDDEN, Hidden, Mount, Plan};
use crate::proc::mountinfo;
use crate::proc::process::Identity;
use crate::rootfs::{Escaped, Layer, layers, layers_of};
use crate::state;
use crate::syscall::fd::AsFd;

/// Adds nsinit's own files to what the plan hides. A finding tells of a mount that shows them where they
/// can't be hidden.
pub fn hide(
    plan: &mut Plan,
    place: &mut Place,
    config: Option<&'static CStr>,
    arena: &Arena,
) -> Result<Option<Finding>> {
    let root = plan.rootfs.path.unwrap_or(c".");
    let top = Identity::of(root).doing("open the root file system", root)?;
    let mut own = Own::find(place, config, arena)?;
    let mut refused = own.show(None, top, plan.rootfs.readonly)?;
    if own.hidden.is_empty() && refused.is_none() {
        refused = own.show_by_overlay(root)?;
    }
    if let Some(path) = refused {
        let why = "it lies below a directory of the container, which the container could \
                   exchange: put it outside of the root file system, or at its top";
        return Err(Error::refused("hide", path, why));
    }
    for (n, mount) in plan.rootfs.mounts.iter().enumerate() {
        if let Some((key, why)) = own.show_mount(n, mount)? {
            return Ok(Some(Finding { part: "mounts", index: Some(n), key, text: c"", why }));
        }
    }
    if own.place_shows {
        match own.config_kind {
            None => place.want_stand_in(),
            // The mask would be where it leads.
            Some(FileType::Symlink) => {
                let why =
                    "it is a symbolic link, which can't be hidden from the container: remove it";
                return Err(Error::refused("hide", CONFIG, why));
            }
            Some(_) => {}
        }
    }
    plan.rootfs.hidden = own.hidden;
    Ok(None)
}

/// nsinit's own files, and where they show.
struct Own<'a> {
    dirs: Vec<Dir, 2>,
    /// What the place's container.json is, if there is one: it counts again at the next start, whichever
    /// file is used now.
    config_kind: Option<FileType>,
    /// Whether the place itself shows.
    place_shows: bool,
    hidden: Vec<Hidden, HIDDEN>,
    arena: &'a Arena,
}

/// A directory that has some of them.
struct Dir {
    path: &'static CStr,
    identity: Identity,
    names: Vec<&'static CStr, 3>,
    /// Its path and the directories above it, each with the length of its path, once they were needed.
    above: Option<(&'static CStr, Vec<(Identity, usize), ABOVE>)>,
}

/// Most directories above another.
const ABOVE: usize = 64;

impl<'a> Own<'a> {
    fn find(place: &Place, config: Option<&'static CStr>, arena: &'a Arena) -> Result<Own<'a>> {
        let config_kind = match statat(place.dir(), CONFIG, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                // What stood in for one when a launcher was killed.
                FileType::RegularFile if stat.st_size == 0 => None,
                kind => Some(kind),
            },
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(errno).doing("look at", CONFIG),
        };
        let mut dirs = Vec::<Dir, 2>::new();
        let config = config.map(|config| split(config, arena)).transpose()?;
        let in_place = [state::FILE, CONFIG].map(|name| (place.path(), name));
        for (path, name) in in_place.into_iter().chain(config) {
            let identity = Identity::of(path).doing("look at", path)?;
            // Two directories, three names.
            match dirs.iter_mut().find(|dir| dir.identity == identity) {
                Some(known) if known.names.contains(&name) => {}
                Some(known) => known.names.push(name).unwrap_or(()),
                None => {
                    let names = Vec::from_array([name]);
                    let _ = dirs.push(Dir { path, identity, names, above: None });
                }
            }
        }
        Ok(Own { dirs, config_kind, place_shows: false, hidden: Vec::new(), arena })
    }

    /// Notes what is seen of a directory inside, at a mount or at the root; the path there of a file that
    /// can't be hidden. The name of a mount point can't be changed, but that of a directory above it can,
    /// unless it is read-only: root inside would put another in its place, with files of its own choice.
    fn show(
        &mut self,
        mount: Option<usize>,
        shown: Identity,
        read_only: bool,
    ) -> Result<Option<&'static CStr>> {
        for (n, dir) in self.dirs.iter_mut().enumerate() {
            let Some(below) = dir.below(shown, self.arena)? else { continue };
            self.place_shows |= n == 0;
            for name in &dir.names {
                let path = self.arena.concat(&[below, b"/", name.to_bytes()]);
                let path = path.doing("hide", *name)?;
                if !below.is_empty() && !read_only {
                    return Ok(Some(path));
                }
                let full = |_| Error::refused("hide", path, "nsinit's own files show in 32 places");
                self.hidden.push(Hidden { mount, path }).map_err(full)?;
            }
        }
        Ok(None)
    }

    /// Where the root is an overlay of the host's, what shows in it has another device: its own directories
    /// are looked at.
    fn show_by_overlay(&mut self, root: &'static CStr) -> Result<Option<&'static CStr>> {
        /// include/uapi/linux/magic.h
        const OVERLAYFS_SUPER_MAGIC: u32 = 0x794c_7630;
        const DOING: &str = "look at the root file system's overlay";
        if statfs(root).doing(DOING, root)?.f_type as u32 != OVERLAYFS_SUPER_MAGIC {
            return Ok(None);
        }
        let root = open(root)?;
        let id = mountinfo::id_of(root.as_fd()).doing(DOING, ())?;
        let file = mountinfo::open(c"/proc/self/mountinfo").doing(DOING, ())?;
        let mut lines = mountinfo::Lines::rest(file.as_fd());
        while let Some(mount) = lines.next_mount().doing(DOING, ())? {
            if mount.id == id {
                for (layer, path) in layers_of(mount.super_options.to_bytes()) {
                    let Some(shown) = identity_of(path) else { continue };
                    let refused = self.show(None, shown, layer != Layer::Upper)?;
                    if refused.is_some() {
                        return Ok(refused);
                    }
                }
            }
        }
        Ok(None)
    }

    /// The same of one of the plan's mounts; the key of it that shows what can't be hidden, and why.
    fn show_mount(
        &mut self,
        n: usize,
        mount: &Mount,
    ) -> Result<Option<(&'static str, &'static str)>> {
        const NESTED: &str = "it shows nsinit's own files (container.json, state.json) below a directory \
                              that the container could exchange: mount it read-only, or keep them elsewhere";
        for (layer, path) in layers(mount) {
            let Some(shown) = identity_of(path) else { continue };
            if layer == Layer::Work {
                for dir in &mut self.dirs {
                    if dir.below(shown, self.arena)?.is_some() {
                        let why = "nsinit's own files lie in its work directory, which the kernel empties";
                        return Ok(Some(("data", why)));
                    }
                }
            } else if self.show(Some(n), shown, layer == Layer::Lower)?.is_some() {
                return Ok(Some(("data", NESTED)));
            }
        }
        if mount.fstype != c"bind" {
            return Ok(None);
        }
        let stat = match statat(CWD, mount.source, AtFlags::empty()) {
            // It can't be bound: that is said then.
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            stat => stat.doing("look at the source of a bind,", mount.source)?,
        };
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let source = Identity::from(stat);
        if is_dir {
            let refused = self.show(Some(n), source, mount.flags & MS_RDONLY != 0)?;
            return Ok(refused.map(|_| ("source", NESTED)));
        }
        let is_own = self.dirs.iter().any(|dir| dir.has(source));
        Ok(is_own
            .then_some(("source", "it is one of nsinit's own files, which no container may see")))
    }
}

impl Dir {
    /// The path of this directory below `shown`, if it is the same or above: "" or "/a/b".
    fn below(&mut self, shown: Identity, arena: &Arena) -> Result<Option<&'static [u8]>> {
        if shown == self.identity {
            return Ok(Some(b""));
        }
        let (path, above) = match &self.above {
            Some(above) => above,
            None => self.above.insert(above(self.path, arena)?),
        };
        let found = above.iter().find(|(identity, _)| *identity == shown);
        Ok(found.and_then(|(_, len)| path.to_bytes().get(*len..)))
    }

    fn has(&self, file: Identity) -> bool {
        let Ok(dir) = open(self.path) else { return false };
        let is = |name: &&CStr| {
            let stat = statat(&dir, *name, AtFlags::SYMLINK_NOFOLLOW);
            stat.is_ok_and(|stat| Identity::from(stat) == file)
        };
        self.names.iter().any(is)
    }
}

fn open(path: &'static CStr) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).doing("open the directory", path)
}

/// See `Dir::above`.
fn above(
    path: &'static CStr,
    arena: &Arena,
) -> Result<(&'static CStr, Vec<(Identity, usize), ABOVE>)> {
    let path = path_of(open(path)?.as_fd(), arena)?;
    let mut buf = [0; PATH_MAX];
    let mut above = Vec::new();
    let bytes = path.to_bytes();
    // "/" has length 0: what follows begins with a "/" then, too.
    for len in (0..bytes.len()).rev().filter(|len| bytes.get(*len) == Some(&b'/')) {
        let Some(prefix) = bytes.get(..len.max(1)) else { break };
        buf.fill(0);
        // A path that the kernel gives is shorter than PATH_MAX.
        buf.get_mut(..prefix.len()).unwrap_or(&mut []).copy_from_slice(prefix);
        let name = until_nul(&buf).unwrap_or(c"/");
        let stat = statat(CWD, name, AtFlags::SYMLINK_NOFOLLOW).doing("look above", path)?;
        let deep = |_| Error::refused("look above", path, "more than 64 directories");
        above.push((Identity::from(stat), len)).map_err(deep)?;
    }
    Ok((path, above))
}

/// The directory of an overlay; `None` where it is not there.
fn identity_of(path: Escaped) -> Option<Identity> {
    let mut buf = [0; PATH_MAX];
    Identity::of(path.decode(&mut buf)?).ok()
}

/// A path as its directory and its name.
fn split(path: &'static CStr, arena: &Arena) -> Result<(&'static CStr, &'static CStr)> {
    let bytes = path.to_bytes_with_nul();
    let Some(slash) = bytes.iter().rposition(|byte| *byte == b'/') else {
        return Ok((c".", path));
    };
    let (dir, name) = bytes.split_at(slash + 1);
    let dir = arena.concat(&[dir]).doing("name the directory of", path)?;
    Ok((dir, CStr::from_bytes_with_nul(name).unwrap_or(c"")))
}
