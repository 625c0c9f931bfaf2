//! What a container has on the host, as it is made: a list, and the same in a pipe for a process that
//! takes it back if the launcher is killed.

use core::ffi::CStr;

use heapless::Vec;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::{Errno, read, retry_on_intr, write};

use super::look::{ADDRESS, NAME, Nature, Settings};
use crate::bytes::{Arena, until_nul};
use crate::error::{Context, Error, Result};
use crate::plan::FEW;
use crate::syscall::fd::AsFd;
use crate::syscall::memory::bytes_of;

/// A link, and how it goes.
#[derive(Clone, Copy)]
pub struct Link {
    pub how: How,
    /// On the host of a veth, else inside; 0 until it is known: the container can change the name.
    pub index: u32,
    /// Its name on the host; where it has none there, the one that it is made under.
    pub host: &'static CStr,
    /// Its name inside: one of a kind. A bridge has none.
    pub child: &'static CStr,
    /// How it was before it was moved.
    pub was: Settings,
    /// What it was.
    pub nature: Nature,
}

/// How a link goes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum How {
    /// With the namespace, or deleted on the host.
    Veth,
    /// Deleted inside.
    Inside,
    /// Moved back.
    Moved,
    /// Deleted if it is nsinit's and nobody uses it.
    Bridge,
}

impl How {
    const ALL: [How; 4] = [How::Veth, How::Inside, How::Moved, How::Bridge];

    /// Whether a socket inside takes it back.
    pub fn needs_inside(self) -> bool {
        matches!(self, How::Inside | How::Moved)
    }
}

/// An interface and a bridge for each network.
const LINKS: usize = 2 * FEW;

/// The links of a container.
#[derive(Default)]
pub struct Links {
    pub list: Vec<Link, LINKS>,
    /// Where they are noted, if somebody reads it.
    pub pipe: Option<OwnedFd>,
}

/// The words of a note: how, index, mtu, txqueuelen, up; the MAC address, the names, and what it is. It is
/// shorter than PIPE_BUF (pipe(7)), so that there are no halves.
const WORDS: usize = (NATURE + NAME + ADDRESS) / 4;
// Where the bytes behind the first words begin.
const MAC: usize = 5 * 4;
const NAMES: usize = 7 * 4;
const NATURE: usize = NAMES + 2 * NAME;

impl Links {
    /// Has a process read the notes from now on, if none does: `outlive` returns the end of its pipe.
    #[inline(never)]
    pub fn outlive(&mut self, outlive: &mut dyn FnMut() -> Result<OwnedFd>) -> Result<()> {
        if self.pipe.is_none() {
            self.pipe = Some(outlive()?);
        }
        Ok(())
    }

    /// Adds a bridge that is used.
    #[inline(never)]
    pub fn note_bridge(&mut self, name: &'static CStr) -> Result<()> {
        let (was, nature) = (Settings::default(), Nature::default());
        self.note(&Link { how: How::Bridge, index: 0, host: name, child: c"", was, nature })
    }

    /// Adds a link, before it is made, or what has become known of it.
    pub fn note(&mut self, link: &Link) -> Result<()> {
        self.set(link)?;
        let Some(pipe) = &self.pipe else { return Ok(()) };
        let was = &link.was;
        let mut words = [0; WORDS];
        words[..5].copy_from_slice(&[link.how as u32, link.index, was.mtu, was.txqueuelen, was.up]);
        let bytes = bytes_of(&mut words);
        bytes[MAC..][..6].copy_from_slice(&was.mac);
        let Nature { kind, address } = &link.nature;
        for (at, part) in [
            (NAMES, link.host.to_bytes()),
            (NAMES + NAME, link.child.to_bytes()),
            (NATURE, kind),
            (NATURE + NAME, address),
        ] {
            if let Some(to) = bytes.get_mut(at..at + part.len()) {
                to.copy_from_slice(part);
            }
        }
        retry_on_intr(|| write(pipe.as_fd(), bytes)).doing("note interface", link.host).map(drop)
    }

    fn set(&mut self, link: &Link) -> Result<()> {
        let same = |old: &&mut Link| {
            old.how == link.how
                && old.child == link.child
                && (old.how != How::Bridge || old.host == link.host)
        };
        match self.list.iter_mut().find(same) {
            Some(old) => *old = *link,
            None => {
                let full = |_| Error::refused("note interface", link.host, "too many");
                self.list.push(*link).map_err(full)?;
            }
        }
        Ok(())
    }

    /// Those that were noted, once nobody can note any more.
    pub fn read(pipe: BorrowedFd, arena: &Arena) -> Result<Links> {
        let mut links = Links::default();
        let mut words = [0; WORDS];
        while retry_on_intr(|| read(pipe.as_fd(), bytes_of(&mut words))).doing("read notes", ())?
            != 0
        {
            let [how, index, mtu, txqueuelen, up, ..] = words;
            let bytes = bytes_of(&mut words);
            let how = How::ALL.get(how as usize).ok_or(Errno::INVAL).doing("read notes", ())?;
            let mac = bytes[MAC..][..6].try_into().unwrap_or_default();
            let name = |at: usize| {
                let name = bytes.get(at..at + NAME).and_then(until_nul).unwrap_or(c"");
                arena.concat(&[name.to_bytes()]).doing("read notes", ())
            };
            let (host, child) = (name(NAMES)?, name(NAMES + NAME)?);
            let (kind, address) = bytes[NATURE..].split_at(NAME);
            let nature = Nature {
                kind: kind.try_into().unwrap_or_default(),
                address: address.try_into().unwrap_or_default(),
            };
            let was = Settings { mtu, txqueuelen, up, mac };
            links.set(&Link { how: *how, index, host, child, was, nature })?;
        }
        Ok(links)
    }
}
