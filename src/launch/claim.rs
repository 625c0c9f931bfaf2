//! Who may start a container in a place, or end it: whoever has the lock of state.json.
//!
//! It is a lock of the file itself, which root alone can open; its directory is open to others, and
//! flock(2) asks for no right to write. Whoever starts a container makes state.json.tmp, locks that,
//! writes it and renames it: the lock goes along. It is exclusive while the container is made and taken
//! away. While it runs the lock is shared, for as long as the launcher lives: so that everybody knows
//! that it does, whichever namespaces he looks from.

use core::cell::Cell;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, openat, renameat, statat,
    unlinkat,
};
use rustix::io::{self, Errno};
use rustix::process::geteuid;

use super::place::Place;
use super::wait::Pauses;
use crate::bytes::{Arena, Short};
use crate::error::{Context, Error, Result};
use crate::say;
use crate::state::{self, FILE, State, TEMPORARY};
use crate::syscall::fd::AsFd;
use crate::syscall::time::monotonic_nanoseconds;

/// How long anybody waits for the lock, in milliseconds. A container that can see state.json may hold it,
/// too: a wait without end would let it hold others up.
pub const LOCKED: u64 = 20_000;
/// What is said then.
pub const HELD: &str = "another process has held its lock for 20 seconds";

/// The right to a place, from before there is a state.json until there is none again.
pub struct Claim<'a> {
    place: &'a Place,
    /// state.json.tmp, and once it is saved state.json.
    file: OwnedFd,
    /// What of it is there to be removed.
    there: There,
    /// Whether the place's own container.json is an empty one that was made with it.
    stands_in: bool,
    /// Whether the lock was another's for a moment.
    lost: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Temporary,
    Saved,
    Nothing,
}

impl<'a> Claim<'a> {
    /// Tries to be the first in a place where no state.json was a moment ago; `None` if another is.
    pub fn begin(place: &'a Place) -> Result<Option<Claim<'a>>> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = match openat(place.dir(), TEMPORARY, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => return take_away_leftover(place).map(|()| None),
            file => file.doing("create", TEMPORARY)?,
        };
        let mut claim = Claim {
            place,
            file,
            there: There::Temporary,
            stands_in: false,
            lost: Cell::new(false),
        };
        // Whoever has opened it in between takes it for a leftover: it is his to remove.
        if !lock(claim.file.as_fd(), FlockOperation::NonBlockingLockExclusive)?
            || is_removed(&claim.file)?
        {
            claim.there = There::Nothing;
            return Ok(None);
        }
        match statat(place.dir(), FILE, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(Some(claim)),
            Err(errno) => Err(errno).doing("look at", FILE),
            // Somebody has started since the look.
            Ok(_) => Ok(None),
        }
    }

    /// Writes state.json, and an empty container.json where none may be made from inside. It is hidden from
    /// the container by then if it is written again: a new file would come out from under the mask.
    pub fn save(&mut self, state: &State, arena: &Arena) -> Result<()> {
        if self.there == There::Saved {
            return state::rewrite(&self.file, state, arena);
        }
        state::write(&self.file, state, arena)?;
        self.stands_in = self.place.stand_in()?;
        renameat(self.place.dir(), TEMPORARY, self.place.dir(), FILE).doing("write", FILE)?;
        self.there = There::Saved;
        Ok(())
    }

    /// The container runs: who comes may join it.
    pub fn share(&self) -> Result<()> {
        if self.acquire(FlockOperation::NonBlockingLockShared, LOCKED)? {
            return Ok(());
        }
        Err(Error::refused("lock", FILE, HELD))
    }

    /// The container has ended: keeps others from joining it, within so many milliseconds. While it
    /// waits, another may find the container dead, and take the place (`is_ours`).
    pub fn alone(&self, milliseconds: u64) -> Result<bool> {
        self.acquire(FlockOperation::NonBlockingLockExclusive, milliseconds)
    }

    fn acquire(&self, how: FlockOperation, milliseconds: u64) -> Result<bool> {
        let mut pauses = Pauses::new();
        while !lock(self.file.as_fd(), how)? {
            // flock(2): who asks for another kind in vain has none any more.
            self.lost.set(true);
            if pauses.waited() >= milliseconds {
                return Ok(false);
            }
            pauses.pause();
        }
        Ok(true)
    }

    /// Whether the place is still this launcher's: another one that gets the lock when PID 1 is dead already
    /// cleans up, and may start anew.
    pub fn is_ours(&self) -> Result<bool> {
        Ok(!self.lost.get() || !is_removed(&self.file)?)
    }

    /// Removes state.json: the place is free.
    pub fn remove(&mut self) -> Result<()> {
        if core::mem::take(&mut self.stands_in) {
            self.place.remove_stand_in()?;
        }
        let name = match core::mem::replace(&mut self.there, There::Nothing) {
            There::Temporary => TEMPORARY,
            There::Saved => FILE,
            There::Nothing => return Ok(()),
        };
        // By another launcher, or by a container that may unmount what hides it.
        if is_removed(&self.file)? {
            return Ok(());
        }
        unlinkat(self.place.dir(), name, AtFlags::empty()).doing("remove", name)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            say::warning(format_args!("{error}"));
        }
    }
}

/// Takes the lock of this kind, if no other has it.
pub fn lock(file: BorrowedFd, how: FlockOperation) -> Result<bool> {
    match flock(file, how) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(errno) => Err(errno).doing("lock", FILE),
    }
}

/// Whether the file has no name any more.
pub fn is_removed(file: &OwnedFd) -> Result<bool> {
    Ok(fstat(file).doing("look at", FILE)?.st_nlink == 0)
}

/// Takes away a state.json.tmp that nobody who starts a container holds: a launcher that was killed left it,
/// or it was planted in the root file system, as whatever kind of file.
fn take_away_leftover(place: &Place) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(place.dir(), TEMPORARY, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        file => file.ok(),
    };
    let is_own = |stat: &Stat| {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let owner = stat.st_uid;
        kind == FileType::RegularFile && (owner == 0 || owner == geteuid().as_raw())
    };
    if let Some(file) = &file
        && is_own(&fstat(file).doing("look at", TEMPORARY)?)
        && (!lock(file.as_fd(), FlockOperation::NonBlockingLockExclusive)? || is_removed(file)?)
    {
        return Ok(());
    }
    match remove_whatever(place.dir()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno).doing("remove the old", TEMPORARY),
    }
}

/// A directory that is not empty gets another name: what is in it may be without end.
fn remove_whatever(dir: BorrowedFd) -> io::Result<()> {
    match unlinkat(dir, TEMPORARY, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        result => return result,
    }
    match unlinkat(dir, TEMPORARY, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        result => return result,
    }
    let other = Short::<48>::new(format_args!("state.json.old-{}", monotonic_nanoseconds()));
    renameat(dir, TEMPORARY, dir, other.as_cstr())?;
    say::warning(format_args!("state.json.tmp was a directory: it is {} now", other.as_str()));
    Ok(())
}
