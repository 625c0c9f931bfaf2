//! The walk, name by name: for kernels without openat2(2), and for making what is missing.
//!
//! The kernel is never given more than one name, and never follows a link: a link's text is put in
//! front of what is left to walk. For ".." the names so far are walked again from the root: the
//! kernel's own ".." would lead out of the root where the directory was moved meanwhile.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{self, Errno};

/// Longest path, with its NUL (include/uapi/linux/limits.h); that of an expanded path too.
pub const PATH_MAX: usize = 4096;
/// Most links in one path (MAXSYMLINKS, include/linux/namei.h).
const LINKS: u32 = 40;
/// How often a name that changes under the walk is looked at again.
const RACES: u32 = 128;

const DIR: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

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

/// Walks `path` from `root`. EAGAIN where others change the tree faster than it can be walked.
pub fn walk(root: BorrowedFd, path: &CStr, last: Last) -> io::Result<OwnedFd> {
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
    walk.put(path.to_bytes())?;
    let mut buf = [0; 256];
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
    fn next_name<'b>(&mut self, buf: &'b mut [u8; 256]) -> io::Result<Option<&'b CStr>> {
        loop {
            let left = self.left();
            let len = left.iter().position(|&b| b == b'/').unwrap_or(left.len());
            let (name, rest) = left.split_at(len);
            if !matches!(name, b"" | b".") {
                *buf = [0; 256];
                let room = buf.get_mut(..len).filter(|room| room.len() < 256);
                room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
                self.todo_start = PATH_MAX - rest.len();
                return CStr::from_bytes_until_nul(buf).map(Some).map_err(|_| Errno::INVAL);
            }
            if rest.is_empty() {
                return Ok(None);
            }
            self.todo_start = PATH_MAX - rest.len() + 1;
        }
    }

    /// Whether no name is left.
    fn is_last(&self) -> bool {
        self.left().split(|&b| b == b'/').all(|name| matches!(name, b"" | b"."))
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
        let done = self.done;
        let mut buf = [0; 256];
        for name in done.get(..keep).unwrap_or(&[]).split(|&b| b == b'/') {
            if name.is_empty() {
                continue;
            }
            buf.fill(0);
            buf.get_mut(..name.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
            let name = CStr::from_bytes_until_nul(&buf).map_err(|_| Errno::NAMETOOLONG)?;
            // It was a directory before: whatever it is now, it was changed.
            self.at = Some(self.open(name, DIR).map_err(|_| Errno::AGAIN)?);
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
        let mut buf = [0; PATH_MAX];
        let len = rustix::fs::readlinkat_raw(&link, c"", &mut buf[..])?;
        self.links += 1;
        if self.links > LINKS {
            return Err(Errno::LOOP);
        }
        // A full buffer may be a cut text.
        let text = buf.get(..len).filter(|_| len < PATH_MAX).ok_or(Errno::NAMETOOLONG)?;
        let absolute = text.first() == Some(&b'/');
        if !self.left().is_empty() {
            self.put(b"/")?;
        }
        self.put(text)?;
        if absolute {
            self.at = None;
            self.done_len = 0;
        }
        Ok(true)
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
