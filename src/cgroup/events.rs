//! Hearing of what happens in a group: that the kernel killed for lack of memory.

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::file::Version;
use super::groups::{Group, Groups};
use super::memory::kills_in;
use super::subsystem::Subsystem;
use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;

/// Out-of-memory events of a container.
pub struct Oom {
    /// v1: an eventfd; v2: memory.events.
    fd: OwnedFd,
    /// v1: memory.oom_control, whose registration ends with its group. v2: none.
    control: Option<OwnedFd>,
    /// v2: what memory.events said last.
    seen: u64,
}

impl Oom {
    /// Watches the memory group of `groups`.
    pub fn watch(groups: &Groups) -> Result<Oom> {
        const DOING: &str = "watch for lack of memory";
        let group = groups.of(Subsystem::Memory);
        let oom = group.map_or(Err(Errno::NOENT), Oom::of);
        if oom.as_ref().err() == Some(&Errno::NOENT) {
            let why = "the container has no control group with the memory controller";
            return Err(Error::refused(DOING, (), why));
        }
        oom.doing(DOING, ())
    }

    fn of(group: &Group) -> rustix::io::Result<Oom> {
        let dir = &group.dir;
        if group.version == Version::V2 {
            let fd = dir.file("memory.events", OFlags::RDONLY)?;
            let mut oom = Oom { fd, control: None, seen: 0 };
            oom.more()?;
            return Ok(oom);
        }
        // Documentation/admin-guide/cgroup-v1/memory.rst, section 10.
        let control = dir.file("memory.oom_control", OFlags::RDONLY)?;
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let pair = (i64::from(fd.as_raw_fd()), i64::from(control.as_raw_fd()));
        dir.write_number("cgroup.event_control", &format_args!("{} {}", pair.0, pair.1))?;
        Ok(Oom { fd, control: Some(control), seen: 0 })
    }

    /// What to poll for.
    pub fn interest(&self) -> PollFd<'_> {
        // A change of a v2 file is an "exceptional condition" (kernfs_generic_poll in fs/kernfs/file.c).
        let flags = if self.control.is_some() { PollFlags::IN } else { PollFlags::PRI };
        PollFd::from_borrowed_fd(self.fd.as_fd(), flags)
    }

    /// How many events there were since the last call. ENODEV: the group is gone.
    pub fn more(&mut self) -> rustix::io::Result<u64> {
        let mut buf = [0; 512];
        let Some(control) = &self.control else {
            let len = rustix::io::pread(self.fd.as_fd(), &mut buf, 0)?;
            let before = self.seen;
            self.seen = kills_in(buf.get(..len).unwrap_or(&[])).unwrap_or(before);
            return Ok(self.seen.saturating_sub(before));
        };
        let mut count = [0; 8];
        match rustix::io::read(self.fd.as_fd(), &mut count[..]) {
            Err(Errno::AGAIN) => return Ok(0),
            result => result?,
        };
        // The removal of the group counts as one, too.
        let gone = rustix::io::pread(control, &mut buf, 0) == Err(Errno::NODEV);
        Ok(u64::from_ne_bytes(count).saturating_sub(gone.into()))
    }
}
