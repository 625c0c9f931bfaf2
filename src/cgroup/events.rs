//! Hearing of what happens in a group: that the kernel killed for lack of memory.

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::file::Version;
use super::groups::Groups;
use super::subsystem::Subsystem;
use crate::bytes::{Short, split_by};
use crate::error::{Context, Error, Object, Result};
use crate::proc::lines::decimal;

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
        const NONE: &str = "the container has no control group with the memory controller";
        let refused = || Error::refused("watch for lack of memory", (), NONE);
        let group = groups.of(Subsystem::Memory).ok_or_else(refused)?;
        let file = |name, flags| {
            let on = Object::Beneath(group.dir.path, name);
            let file = group.dir.file(name, flags);
            if file.as_ref().err() == Some(&Errno::NOENT) {
                Err(refused())
            } else {
                file.doing("open", on)
            }
        };
        if group.version == Version::V2 {
            let mut oom =
                Oom { fd: file("memory.events", OFlags::RDONLY)?, control: None, seen: 0 };
            oom.more().doing("read", "memory.events")?;
            return Ok(oom);
        }
        // Documentation/admin-guide/cgroup-v1/memory.rst, section 10.
        let control = file("memory.oom_control", OFlags::RDONLY)?;
        let events = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .doing("make an eventfd", ())?;
        let pair = (i64::from(events.as_raw_fd()), i64::from(control.as_raw_fd()));
        let line = Short::<48>::new(format_args!("{} {}", pair.0, pair.1));
        let register = file("cgroup.event_control", OFlags::WRONLY)?;
        rustix::io::write(&register, line.as_str().as_bytes())
            .doing("register for", "memory.oom_control")?;
        Ok(Oom { fd: events, control: Some(control), seen: 0 })
    }

    /// What to poll for.
    pub fn interest(&self) -> PollFd<'_> {
        // A change of a v2 file is an "exceptional condition" (kernfs_generic_poll in fs/kernfs/file.c).
        let flags = if self.control.is_some() { PollFlags::IN } else { PollFlags::PRI };
        PollFd::new(&self.fd, flags)
    }

    /// How many events there were since the last call. ENODEV: the group is gone.
    pub fn more(&mut self) -> rustix::io::Result<u64> {
        let mut buf = [0; 512];
        let Some(control) = &self.control else {
            let len = rustix::io::pread(&self.fd, &mut buf, 0)?;
            let mut lines = split_by(buf.get(..len).unwrap_or(&[]), b'\n');
            let kills = lines.find_map(|line| decimal(line.strip_prefix(b"oom_kill ")?));
            let before = self.seen;
            self.seen = kills.unwrap_or(before);
            return Ok(self.seen.saturating_sub(before));
        };
        let mut count = [0; 8];
        match rustix::io::read(&self.fd, &mut count) {
            Err(Errno::AGAIN) => return Ok(0),
            result => result?,
        };
        // The removal of the group counts as one, too.
        let gone = rustix::io::pread(control, &mut buf, 0) == Err(Errno::NODEV);
        Ok(u64::from_ne_bytes(count).saturating_sub(gone.into()))
    }
}
