//! The walk, name by name: for kernels without openat2(2), and for making what is missing.
//!
//! The kernel is never given more than one name, and never follows a link: a link's text is put in
//! front of what is left to walk. For ".." the names so far are walked again from the root: the
//! kernel's own ".." would lead out of the root where the directory was moved meanwhile.

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{self, Errno};

use crate::bytes::{split_by, until_nul};
use crate::syscall::fd::AsFd;

/// Longest path, with its NUL (include/uapi/linux/limits.h); that of an expanded path too.
pub const PATH_MAX: usize = 4096;
/// Most links in one path (MAXSYMLINKS, include/linux/namei.h).
const LINKS: u32 = 40;
/// How often a name that changes under the walk is looked at again.
const RACES: u32 = 128;

const DIR: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

/// A name of a path and its NUL (NAME_MAX is 255).
pub const NAME: usize = 256;

/// What the last name is to be.
#[derive(Clone, Copy)]
pub enum Last {
    /// There; opened with these flags.
    Open(OFlags),
    /// A directory, made where it is missing.
    Dir(Mode),
    /// A file, made where it is missing.
    File(Mode),
}

/// Where the walk is.
struct Walk<'a> {
    root: BorrowedFd<'a>,
    /// The directory that the names so far lead to; `None` is the root.
    at: Option<OwnedFd>,
    /// Those names, each with a "/" behind it: real directories all.
    done: [u8; PATH_MAX],
    done_len: usize,
    /// What is left: todo[todo_start..].
    todo: [u8; PATH_MAX],
    todo_start: usize,
    links: u32,
    races: u32,
}

/// The directory `path`, made where it is missing. The usual path has neither links nor "..": it
/// needs no memory to speak of, of which PID 1 would keep every page.
pub fn dir(root: BorrowedFd, path: &[u8], mode: Mode) -> io::Result<OwnedFd> {
    if path.len() >= PATH_MAX {
        return Err(Errno::NAMETOOLONG);
    }
    let mut at: Option<OwnedFd> = None;
    for text in split_by(path, b'/') {
        let mut buf = [0; NAME];
        match text {
            b"" | b"." => continue,
            b".." => return walk(root, path, Last::Dir(mode)),
            _ => {}
        }
        let name = name(text, &mut buf)?;
        let here = at.as_ref().map_or(root, |at| at.as_fd());
        let open = || rustix::fs::openat(here, name, DIR | OFlags::CLOEXEC, Mode::empty());
        let next = match open() {
            Err(Errno::NOENT) => rustix::fs::mkdirat(here, name, mode).and_then(|()| open()),
            result => result,
        };
        at = match next {
            Ok(fd) => Some(fd),
            // A link, or somebody else makes and removes: with all care, from the start.
            Err(Errno::NOTDIR | Errno::EXIST | Errno::NOENT) => {
                return walk(root, path, Last::Dir(mode));
            }
            Err(errno) => return Err(errno),
        };
    }
    match at {
        Some(fd) => Ok(fd),
        None => walk(root, path, Last::Dir(mode)),
    }
}

/// One name as a C string.
pub fn name<'b>(text: &[u8], buf: &'b mut [u8; NAME]) -> io::Result<&'b CStr> {
    // One byte stays 0.
    *buf = [0; NAME];
    let room = buf.get_mut(..text.len()).filter(|room| room.len() < NAME);
    room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(text);
    until_nul(buf).ok_or(Errno::NAMETOOLONG)
}

/// Walks `path` from `root`. EAGAIN where others change the tree faster than it can be walked.
#[inline(never)] // its buffers must not be in its callers' frames
pub fn walk(root: BorrowedFd, path: &[u8], last: Last) -> io::Result<OwnedFd> {
    let mut walk = Walk {
        root,
        at: None,
        done: [0; PATH_MAX],
        done_len: 0,
        todo: [0; PATH_MAX],
        todo_start: PATH_MAX,
        links: 0,
        races: 0,
    };
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    walk.put(path)?;
    let mut buf = [0; NAME];
    while let Some(name) = walk.next_name(&mut buf)? {
        if name == c".." {
            walk.up()?;
        } else if !walk.is_last() {
            walk.down(name, last)?;
        } else if let Some(fd) = walk.last(name, last)? {
            return Ok(fd);
        }
    }
    // The path ended in "..", in the root, or in a link to either.
    let flags = match last {
        Last::Open(flags) => flags,
        Last::Dir(_) => DIR,
        Last::File(_) => return Err(Errno::ISDIR),
    };
    rustix::fs::openat(walk.here(), c".", flags | OFlags::CLOEXEC, Mode::empty())
}

impl Walk<'_> {
    fn here(&self) -> BorrowedFd<'_> {
        self.at.as_ref().map_or(self.root, |at| at.as_fd())
    }

    /// Puts `text` in front of what is left.
    fn put(&mut self, text: &[u8]) -> io::Result<()> {
        let start = self.todo_start.checked_sub(text.len()).ok_or(Errno::NAMETOOLONG)?;
        let room = self.todo.get_mut(start..self.todo_start).ok_or(Errno::NAMETOOLONG)?;
        room.copy_from_slice(text);
        self.todo_start = start;
        Ok(())
    }

    fn left(&self) -> &[u8] {
        self.todo.get(self.todo_start..).unwrap_or(&[])
    }

    /// Takes the next name off what is left; "." and empty ones are passed over.
    fn next_name<'b>(&mut self, buf: &'b mut [u8; NAME]) -> io::Result<Option<&'b CStr>> {
        loop {
            let left = self.left();
            let len = left.iter().position(|&b| b == b'/').unwrap_or(left.len());
            let (text, rest) = left.split_at(len);
            if !matches!(text, b"" | b".") {
                let name = name(text, buf)?;
                self.todo_start = PATH_MAX - rest.len();
                return Ok(Some(name));
            }
            if rest.is_empty() {
                return Ok(None);
            }
            self.todo_start = PATH_MAX - rest.len() + 1;
        }
    }

    /// Whether no name is left.
    fn is_last(&self) -> bool {
        split_by(self.left(), b'/').all(|name| matches!(name, b"" | b"."))
    }

    /// Into the directory `name`, or its link's text in front of what is left.
    fn down(&mut self, name: &CStr, last: Last) -> io::Result<()> {
        loop {
            match self.open(name, DIR) {
                Ok(dir) => return self.enter(name, dir),
                Err(Errno::NOENT) => match last {
                    Last::Open(_) => return Err(Errno::NOENT),
                    Last::Dir(mode) => self.make_dir(name, mode)?,
                    Last::File(_) => self.make_dir(name, Mode::from_raw_mode(0o755))?,
                },
                // A link says ENOTDIR too.
                Err(Errno::NOTDIR) => {
                    if self.expand(name)? {
                        return Ok(());
                    }
                }
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The last name: its descriptor, or `None` where a link's text is now left to walk.
    fn last(&mut self, name: &CStr, last: Last) -> io::Result<Option<OwnedFd>> {
        let (flags, follow) = match last {
            Last::Dir(_) => {
                self.down(name, last)?;
                // A link: walk on. A directory: `walk` opens it, as nothing is left.
                return Ok(None);
            }
            Last::File(_) => (OFlags::PATH, true),
            Last::Open(flags) => (flags, !flags.contains(OFlags::NOFOLLOW)),
        };
        let slash = !self.left().is_empty();
        let flags = flags | if slash { OFlags::DIRECTORY } else { OFlags::empty() };
        // With a slash behind it, even O_NOFOLLOW follows (path_resolution(7)).
        let follow = follow || slash;
        loop {
            match self.open(name, flags | OFlags::NOFOLLOW) {
                Ok(fd) if follow && kind(&fd)? == FileType::Symlink => {}
                Ok(fd) => return Ok(Some(fd)),
                Err(Errno::NOENT) => {
                    let Last::File(mode) = last else { return Err(Errno::NOENT) };
                    self.make_file(name, mode)?;
                    continue;
                }
                Err(Errno::NOTDIR | Errno::LOOP) if follow => {}
                Err(errno) => return Err(errno),
            }
            if self.expand(name)? {
                return Ok(None);
            }
        }
    }

    fn open(&self, name: &CStr, flags: OFlags) -> io::Result<OwnedFd> {
        rustix::fs::openat(self.here(), name, flags | OFlags::CLOEXEC, Mode::empty())
    }

    fn make_dir(&mut self, name: &CStr, mode: Mode) -> io::Result<()> {
        self.raced()?;
        match rustix::fs::mkdirat(self.here(), name, mode) {
            Err(Errno::EXIST) => Ok(()),
            result => result,
        }
    }

    fn make_file(&mut self, name: &CStr, mode: Mode) -> io::Result<()> {
        self.raced()?;
        match rustix::fs::mknodat(self.here(), name, FileType::RegularFile, mode, 0) {
            Err(Errno::EXIST) => Ok(()),
            result => result,
        }
    }

    fn enter(&mut self, name: &CStr, dir: OwnedFd) -> io::Result<()> {
        let name = name.to_bytes();
        let end = self.done_len + name.len() + 1;
        let room = self.done.get_mut(self.done_len..end).ok_or(Errno::NAMETOOLONG)?;
        let (text, slash) = room.split_at_mut(name.len());
        text.copy_from_slice(name);
        slash.fill(b'/');
        self.done_len = end;
        self.at = Some(dir);
        Ok(())
    }

    /// Out of the last name, but not out of the root.
    fn up(&mut self) -> io::Result<()> {
        let names = self.done.get(..self.done_len.saturating_sub(1)).unwrap_or(&[]);
        let keep = names.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        self.done_len = keep;
        self.at = None;
        let mut buf = [0; NAME];
        let mut from = 0;
        while let Some(names) = self.done.get(from..keep).filter(|names| !names.is_empty()) {
            let len = names.iter().position(|&b| b == b'/').unwrap_or(names.len());
            let (text, _) = names.split_at(len);
            let name = name(text, &mut buf)?;
            // It was a directory before: whatever it is now, it was changed.
            self.at = Some(self.open(name, DIR).map_err(|_| Errno::AGAIN)?);
            from += len + 1;
        }
        Ok(())
    }

    /// Replaces `name`, which could not be opened as a directory, by its link's text. False where
    /// it is one by now, or gone: look again. ENOTDIR where it is something else.
    fn expand(&mut self, name: &CStr) -> io::Result<bool> {
        // One descriptor for both questions: the name may mean another file a moment later.
        let link = match self.open(name, OFlags::PATH | OFlags::NOFOLLOW) {
            Err(Errno::NOENT) => return self.raced().map(|()| false),
            result => result?,
        };
        match kind(&link)? {
            FileType::Symlink => {}
            FileType::Directory => return self.raced().map(|()| false),
            _ => return Err(Errno::NOTDIR),
        }
        self.links += 1;
        if self.links > LINKS || self.is_magic(&link)? {
            return Err(Errno::LOOP);
        }
        if !self.left().is_empty() {
            self.put(b"/")?;
        }
        // The free part of `todo` takes the text; then it moves to the front of what is left.
        let free = self.todo.get_mut(..self.todo_start).ok_or(Errno::NAMETOOLONG)?;
        let room = free.len();
        let len = rustix::fs::readlinkat_raw(link.as_fd(), c"", &mut *free)?;
        // A full buffer may hold a cut text.
        if len >= room {
            return Err(Errno::NAMETOOLONG);
        }
        let absolute = free.first() == Some(&b'/');
        free.copy_within(..len, room - len);
        self.todo_start = room - len;
        if absolute {
            self.at = None;
            self.done_len = 0;
        }
        Ok(true)
    }

    /// Whether a link here is one of those in proc that lead somewhere by themselves, whatever their
    /// text says: all but the links in proc's own root directory (self, mounts, net).
    fn is_magic(&self, link: &OwnedFd) -> io::Result<bool> {
        // PROC_ROOT_INO is 1 (include/linux/proc_ns.h).
        Ok(rustix::fs::fstatfs(link)?.f_type == rustix::fs::PROC_SUPER_MAGIC
            && rustix::fs::fstat(self.here())?.st_ino != 1)
    }

    fn raced(&mut self) -> io::Result<()> {
        self.races += 1;
        if self.races > RACES { Err(Errno::AGAIN) } else { Ok(()) }
    }
}

/// What kind of file an O_PATH descriptor is.
fn kind(fd: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}
