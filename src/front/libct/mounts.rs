//! Mounts: those of libcontainer 1 (a type, and "writable"), those of 2 (a device, and the kernel's
//! flags), and those that 1 made without being asked.

use core::ffi::CStr;

use linux_raw_sys::general::{
    MS_BIND, MS_MOVE, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT,
    MS_SLAVE, MS_STRICTATIME,
};

use super::names::{MOUNT_FLAGS, PROPAGATION};
use super::path::Quoted;
use super::read::{File, Key, Read, all, v1, v2};
use super::settle::List;
use crate::bytes::CNames;
use crate::jsonmin::Pos;
use crate::plan::{MOUNTS, Mount, MountCommands, Relabel};

/// A mount as the file has it.
#[derive(Clone, Copy)]
pub(super) struct MountEntry {
    source: &'static CStr,
    destination: &'static CStr,
    kind: &'static CStr,
    writable: bool,
    private: bool,
    slave: bool,
    device: &'static CStr,
    flags: Option<u32>,
    data: &'static CStr,
    relabel: Relabel,
    commands: MountCommands,
}

impl MountEntry {
    pub const EMPTY: MountEntry = MountEntry {
        source: c"",
        destination: c"",
        kind: c"",
        writable: false,
        private: false,
        slave: false,
        device: c"",
        flags: None,
        data: c"",
        relabel: Relabel::No,
        commands: MountCommands { before: false, after: false },
    };
}

pub(super) const MOUNT: &[Key] = &[
    all("source", |f| f.text().map(|s| f.mount.source = s)),
    all("destination", |f| f.text().map(|s| f.mount.destination = s)),
    all("relabel", |f| f.relabel()),
    v1("type", |f| f.text().map(|s| f.mount.kind = s)),
    v1("writable", |f| f.flag().map(|on| f.mount.writable = on)),
    v1("private", |f| f.flag().map(|on| f.mount.private = on)),
    v1("slave", |f| f.flag().map(|on| f.mount.slave = on)),
    v2("device", |f| f.text().map(|s| f.mount.device = s)),
    v2("flags", |f| f.mount_flags()),
    v2("data", |f| f.text().map(|s| f.mount.data = s)),
    v2("premount_cmds", |f| {
        f.mount.commands.before = false;
        f.list(|f| f.object(COMMAND).map(|()| f.mount.commands.before = true))
    }),
    v2("postmount_cmds", |f| {
        f.mount.commands.after = false;
        f.list(|f| f.object(COMMAND).map(|()| f.mount.commands.after = true))
    }),
];

/// A command around a mount: its types are checked, but nsinit runs no such thing.
pub(super) const COMMAND: &[Key] = &[
    all("path", |f| f.text().map(drop)),
    all("args", |f| f.list(|f| f.text().map(drop))),
    all("env", |f| f.list(|f| f.text().map(drop))),
    all("dir", |f| f.text().map(drop)),
];

const NOTHING: u32 = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/// What libcontainer 1 mounted by itself, in this order (mount/init.go, newSystemMounts): source, mount
/// point, type and options, and the flags.
const IMPLICIT: [(CNames, u32); 6] = [
    (CNames("proc\0/proc\0proc\0\0"), NOTHING),
    (CNames("tmpfs\0/dev\0tmpfs\0mode=755\0"), MS_NOSUID | MS_STRICTATIME),
    (CNames("shm\0/dev/shm\0tmpfs\0mode=1777,size=65536k\0"), NOTHING),
    (CNames("mqueue\0/dev/mqueue\0mqueue\0\0"), NOTHING),
    (
        CNames("devpts\0/dev/pts\0devpts\0newinstance,ptmxmode=0666,mode=620,gid=5\0"),
        MS_NOSUID | MS_NOEXEC,
    ),
    (CNames("sysfs\0/sys\0sysfs\0\0"), NOTHING),
];

impl File<'_> {
    pub fn mounts(&mut self) -> Read {
        if self.claim(List::Mounts)? {
            self.plan.rootfs.mounts.clear();
        }
        self.list(|f| f.mount())
    }

    fn mount(&mut self) -> Read {
        self.mount = MountEntry::EMPTY;
        let pos = self.json.next_pos();
        self.object(MOUNT)?;
        let entry = self.mount;
        let mount = if !entry.device.is_empty() || entry.flags.is_some() {
            self.mount_v2(entry, pos)?
        } else if entry.kind == c"devtmpfs" {
            // libcontainer 1 looked at binds (and later tmpfs) alone; its own sample has this one.
            let why = "a mount of type devtmpfs was never made, and is not now";
            self.warn_at(pos, format_args!("{why}"));
            return Ok(());
        } else {
            self.mount_v1(entry, pos)?
        };
        if entry.destination.is_empty() {
            return Err(self.fault_of("destination", pos, format_args!("a mount needs one")));
        }
        self.mark("mounts", self.plan.rootfs.mounts.len(), pos);
        self.plan
            .rootfs
            .mounts
            .push(mount)
            .map_err(|_| self.full(MOUNTS - IMPLICIT.len(), "mounts"))
    }

    /// A bind with all below it, read-only unless it says otherwise; or a tmpfs.
    fn mount_v1(&mut self, entry: MountEntry, pos: Pos) -> Read<Mount> {
        let bind = match entry.kind.to_bytes() {
            b"" | b"bind" => true,
            b"tmpfs" => false,
            _ => {
                return Err(self.fault_of(
                    "type",
                    pos,
                    format_args!("{} is neither bind nor tmpfs", Quoted(entry.kind)),
                ));
            }
        };
        if entry.kind.is_empty() {
            self.kept.untyped_mount.get_or_insert(pos);
        }
        if bind && entry.source.is_empty() {
            return Err(self.fault_of("source", pos, format_args!("a bind needs one")));
        }
        let how = if entry.private {
            MS_PRIVATE
        } else if entry.slave {
            MS_SLAVE
        } else {
            0
        };
        let rec = if bind { MS_REC } else { 0 };
        let read_only = if entry.writable { 0 } else { MS_RDONLY };
        Ok(Mount {
            source: if bind { entry.source } else { c"tmpfs" },
            target: absolute(self, entry.destination)?,
            fstype: if bind { c"bind" } else { c"tmpfs" },
            flags: if bind { rec | read_only } else { NOTHING },
            propagation: if how == 0 { 0 } else { how | rec },
            data: entry.data,
            relabel: entry.relabel,
            commands: entry.commands,
        })
    }

    /// A file system by its type, or a bind, with the kernel's flags.
    fn mount_v2(&mut self, entry: MountEntry, pos: Pos) -> Read<Mount> {
        let given = entry.flags.unwrap_or(0);
        let bind = entry.device == c"bind";
        if entry.device.is_empty() {
            return Err(self.fault_of("device", pos, format_args!("a mount with flags needs one")));
        }
        if given & MS_BIND != 0 && !bind {
            return Err(self.fault_of(
                "flags",
                pos,
                format_args!("MS_BIND, but the device is {}", Quoted(entry.device)),
            ));
        }
        if bind && entry.source.is_empty() {
            return Err(self.fault_of("source", pos, format_args!("a bind needs one")));
        }
        let (how, rec) = (given & PROPAGATION, given & MS_REC);
        Ok(Mount {
            source: entry.source,
            target: absolute(self, entry.destination)?,
            fstype: entry.device,
            flags: given & MOUNT_FLAGS | if bind { rec } else { 0 },
            propagation: if how == 0 { 0 } else { how | rec },
            data: entry.data,
            relabel: entry.relabel,
            commands: entry.commands,
        })
    }

    fn mount_flags(&mut self) -> Read {
        let flags = self.u32()?;
        if flags & (MS_REMOUNT | MS_MOVE) != 0 {
            return Err(self.fault("MS_REMOUNT and MS_MOVE are not for a new mount"));
        }
        let unknown = flags & !(MOUNT_FLAGS | PROPAGATION | MS_BIND | MS_REC);
        if unknown != 0 {
            return Err(self.composed(format_args!("no mount flags: {unknown:#x}")));
        }
        if (flags & PROPAGATION).count_ones() > 1 {
            return Err(
                self.fault("more than one of MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE")
            );
        }
        self.mount.flags = Some(flags);
        Ok(())
    }

    fn relabel(&mut self) -> Read {
        self.mount.relabel = match self.text()?.to_bytes() {
            b"" => Relabel::No,
            b"z" => Relabel::Shared,
            b"Z" => Relabel::Private,
            _ => return Err(self.fault("expected \"z\" (shared) or \"Z\" (private)")),
        };
        Ok(())
    }

    /// Puts the mounts of 2014 before those of the file. mqueue, which came with 1.4, is left out
    /// where it would be the host's.
    pub fn implicit_mounts(&mut self, mqueue: bool, sys_read_only: bool) -> Read {
        let mounts = &mut self.plan.rootfs.mounts;
        let mut added = 0;
        for (mut words, mut flags) in IMPLICIT {
            let mut word = || words.next().unwrap_or(c"");
            let (source, target, fstype, data) = (word(), word(), word(), word());
            if fstype == c"mqueue" && !mqueue {
                continue;
            }
            if fstype == c"sysfs" && sys_read_only {
                flags |= MS_RDONLY;
            }
            let (relabel, commands) = (Relabel::No, MountCommands::default());
            let mount =
                Mount { source, target, fstype, flags, propagation: 0, data, relabel, commands };
            if mounts.insert(added, mount).is_err() {
                return Err(self.full(MOUNTS - IMPLICIT.len(), "mounts"));
            }
            added += 1;
        }
        for mark in self.plan.marks.iter_mut().filter(|mark| mark.part == "mounts") {
            mark.index += added as u16;
        }
        Ok(())
    }
}

/// The path with a "/" before it: libcontainer joined what it was given to the root.
pub(super) fn absolute(file: &mut File, path: &'static CStr) -> Read<&'static CStr> {
    if path.is_empty() || path.to_bytes().starts_with(b"/") {
        return Ok(path);
    }
    file.arena
        .concat(&[b"/", path.to_bytes()])
        .map_err(|_| file.fault("no memory for texts is left"))
}
