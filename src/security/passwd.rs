//! passwd(5) and group(5) of a root that is hostile: streamed, in bounded memory, whatever their
//! size. A line that is wrong is passed over, unless it is the one that is needed: then the start is
//! refused, as guessing an id would mean guessing rights.

use core::ffi::CStr;

use heapless::Vec;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use super::id::{Groups, Id, in_file};
use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::proc::lines::{Piece, Pieces};

/// Bytes that are read at a time, and the longest field that is looked at.
const BUFFER: usize = 8192;
/// Largest file that is read, in bytes, and the longest time that it may take, in milliseconds: its owner
/// is the container, and the file may be a hole, grow, or lie in a file system of its own making.
pub const SIZE: u64 = 128 << 20;
const TIME: u64 = 30_000;
/// Longest user name, with a NUL (LOGIN_NAME_MAX, limits.h).
pub const NAME: usize = 256;

/// Why a larger one is not read.
pub const TOO_LARGE: &str = "it is larger than 128 MiB";

/// A user's line.
pub struct Entry {
    /// Third field.
    pub uid: u32,
    /// Fourth field.
    pub gid: u32,
    /// Sixth field.
    pub home: &'static CStr,
    /// First field.
    pub name: Vec<u8, NAME>,
}

impl Entry {
    /// First field. `None` where it is empty: the empty list of members must not match it.
    pub fn name(&self) -> Option<&[u8]> {
        Some(self.name.as_slice()).filter(|name| !name.is_empty())
    }
}

/// The first line of `file` for `user`; `None` without one. An error shows `asked`.
pub fn find_user(
    file: BorrowedFd<'_>,
    user: &Id,
    asked: &'static CStr,
    arena: &Arena,
) -> Result<Option<Entry>> {
    const MALFORMED: &str = "its line in the container's /etc/passwd is malformed";
    let refuse = |why| Error::refused("find user", asked, why);
    let mut buf = [0; BUFFER];
    let mut pieces = Pieces::new(file, &mut buf).within(SIZE, TIME);
    let mut entry = Entry { uid: 0, gid: 0, home: c"", name: Vec::new() };
    while let Some(name) = next(&mut pieces, b':')? {
        let mut last = name.last;
        let by_name = user.name().is_some_and(|user| name.whole && name.text == user);
        // A name that does not fit is remembered as overlong: it would be needed for its groups.
        entry.name.clear();
        let overlong = !name.whole || entry.name.extend_from_slice(name.text).is_err();
        let _password = field(&mut pieces, &mut last)?;
        let uid = field(&mut pieces, &mut last)?.and_then(|uid| in_file(uid.text));
        if by_name || (uid.is_some() && uid == user.number()) {
            let gid = field(&mut pieces, &mut last)?.and_then(|gid| in_file(gid.text));
            let (Some(uid), Some(gid)) = (uid, gid) else { return Err(refuse(MALFORMED)) };
            let _comment = field(&mut pieces, &mut last)?;
            let home = field(&mut pieces, &mut last)?.filter(|home| home.whole);
            let home = home.map(|home| home.text).ok_or_else(|| refuse(MALFORMED))?;
            if overlong || home.contains(&0) {
                return Err(refuse(MALFORMED));
            }
            entry.home = arena.concat(&[home]).doing("keep the home directory of", asked)?;
            return Ok(Some(Entry { uid, gid, ..entry }));
        }
        skip_line(&mut pieces, last)?;
    }
    Ok(None)
}

/// What is wanted of a group file, and where it goes.
pub struct Wanted<'a, 'b> {
    /// Groups that have this member are added to `groups`.
    pub member: Option<&'a [u8]>,
    /// The group whose id becomes `gid`.
    pub primary: Option<&'a [u8]>,
    /// Groups to add to `groups` by their names, in the order of their bytes.
    pub others: &'a [&'static CStr],
    /// Which of `others` are settled: not 0.
    pub found: &'a mut [u8],
    /// The id of `primary`.
    pub gid: Option<u32>,
    /// The list that grows.
    pub groups: &'a mut Groups<'b>,
}

impl Wanted<'_, '_> {
    /// Whether `name` is one of `others` that is not settled yet; from now on it is.
    fn is_other(&mut self, name: &[u8]) -> bool {
        let first = self.others.partition_point(|other| other.to_bytes() < name);
        let same = self.others.iter().skip(first).take_while(|other| other.to_bytes() == name);
        let mut new = false;
        for (_, found) in same.zip(self.found.iter_mut().skip(first)) {
            new |= core::mem::replace(found, 1) == 0;
        }
        new
    }
}

/// One pass over `file`. Of two groups with one name the first counts.
pub fn find_groups(file: BorrowedFd<'_>, wanted: &mut Wanted<'_, '_>) -> Result<()> {
    let mut buf = [0; BUFFER];
    let mut pieces = Pieces::new(file, &mut buf).within(SIZE, TIME);
    while let Some(name) = next(&mut pieces, b':')? {
        let mut last = name.last;
        let named = |wanted: &[u8]| name.whole && name.text == wanted;
        let primary = wanted.gid.is_none() && wanted.primary.is_some_and(named);
        let other = name.whole && wanted.is_other(name.text);
        let _password = field(&mut pieces, &mut last)?;
        let gid = field(&mut pieces, &mut last)?.and_then(|gid| in_file(gid.text));
        let member = match wanted.member {
            Some(user) => has_member(&mut pieces, user, &mut last)?,
            None => false,
        };
        if primary || other || member {
            let malformed = "a needed line in the container's /etc/group is malformed";
            let refuse = || Error::refused("find the user's groups", (), malformed);
            let gid = gid.ok_or_else(refuse)?;
            wanted.gid = if primary { Some(gid) } else { wanted.gid };
            if other || member {
                wanted.groups.push(gid)?;
            }
        }
        skip_line(&mut pieces, last)?;
    }
    Ok(())
}

/// Whether `user` is in the rest of the line. It reads no further than it must.
fn has_member(pieces: &mut Pieces, user: &[u8], last: &mut bool) -> Result<bool> {
    while !*last {
        let Some(member) = next(pieces, b',')? else { break };
        *last = member.last;
        if member.whole && member.text == user {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The next field of the line; `None` where the line has ended.
fn field<'a>(pieces: &'a mut Pieces, last: &mut bool) -> Result<Option<Piece<'a>>> {
    if *last {
        return Ok(None);
    }
    let piece = next(pieces, b':')?;
    *last = piece.is_none_or(|piece| piece.last);
    Ok(piece)
}

fn skip_line(pieces: &mut Pieces, last: bool) -> Result<()> {
    if last { Ok(()) } else { next(pieces, b'\n').map(drop) }
}

fn next<'a>(pieces: &'a mut Pieces, delimiter: u8) -> Result<Option<Piece<'a>>> {
    let next = pieces.next(delimiter);
    next.doing("read the container's passwd and group files", ()).map_err(|error| {
        match error.raw() {
            Some(Errno::FBIG) => error.hint(TOO_LARGE),
            Some(Errno::TIMEDOUT) => error.hint("it takes longer than 30 seconds"),
            _ => error,
        }
    })
}
