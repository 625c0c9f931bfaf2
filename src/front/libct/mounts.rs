//! Mounts: those of libcontainer 1 (a type, and "writable"), those of 2 (a device, and the kernel's
//! flags), and those that 1 made without being asked.

use core::ffi::CStr;

use linux_raw_sys::general::{
    MS_BIND, MS_MOVE, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT,
    MS_SLAVE, MS_STRICTATIME,
};

use super::names::{MOUNT_FLAGS, PROPAGATION};
use super::path::Quoted;
use super::read::{File, Read};
use super::settle::List;
use super::table::{Keys, Slot, keys};
use crate::bytes::CNames;
use crate::jsonmin::Pos;
use crate::plan::{MOUNTS, Mount, MountCommands, Relabel};

/// A mount as the file has it.
#[derive(Clone, Copy)]
pub(super) struct MountEntry {
    source: Option<&'static CStr>,
    destination: Option<&'static CStr>,
    kind: Option<&'static CStr>,
    writable: bool,
    private: bool,
    slave: bool,
    device: Option<&'static CStr>,
    flags: Option<u32>,
    data: Option<&'static CStr>,
    relabel: Relabel,
    commands: MountCommands,
}

impl MountEntry {
    pub const EMPTY: MountEntry = MountEntry {
        source: None,
        destination: None,
        kind: None,
        writable: false,
        private: false,
        slave: false,
        device: None,
        flags: None,
        data: None,
        relabel: Relabel::No,
        commands: MountCommands { before: false, after: false },
    };
}

pub(super) const MOUNT: &Keys = &keys!(
    [
        all("source", |f| Slot::Text(&mut f.mount.source)),
        all("destination", |f| Slot::Text(&mut f.mount.destination)),
        v1("type", |f| Slot::Text(&mut f.mount.kind)),
        v1("writable", |f| Slot::Flag(&mut f.mount.writable)),
        v1("private", |f| Slot::Flag(&mut f.mount.private)),
        v1("slave", |f| Slot::Flag(&mut f.mount.slave)),
        v2("device", |f| Slot::Text(&mut f.mount.device)),
        v2("data", |f| Slot::Text(&mut f.mount.data)),
    ],
    [
        all("relabel", |f| f.relabel()),
        v2("flags", |f| f.mount_flags()),
        v2("premount_cmds", |f| {
            f.mount.commands.before = false;
            f.list(|f| f.object(COMMAND).map(|()| f.mount.commands.before = true))
        }),
        v2("postmount_cmds", |f| {
            f.mount.commands.after = false;
            f.list(|f| f.object(COMMAND).map(|()| f.mount.commands.after = true))
        }),
    ]
);

/// A command around a mount: its types are checked, but nsinit runs no such thing.
pub(super) const COMMAND: &Keys = &keys!(
    [],
    [
        all("path", |f| f.text().map(drop)),
        all("args", |f| f.list(|f| f.text().map(drop))),
        all("env", |f| f.list(|f| f.text().map(drop))),
        all("dir", |f| f.text().map(drop)),
    ]
);

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
        let MountEntry { kind, device, flags, .. } = self.mount;
        let (fstype, flags, propagation) = match (device, flags, kind) {
            (None, None, Some(kind)) if kind == c"devtmpfs" => {
                // libcontainer 1 looked at binds (and later tmpfs) alone; its own sample has this one.
                let why = "a mount of type devtmpfs was never made, and is not now";
                self.warn_at(pos, format_args!("{why}"));
                return Ok(());
            }
            (None, None, kind) => self.mount_v1(kind, pos)?,
            (None, Some(_), _) => {
                let why = format_args!("a mount with flags needs one");
                return Err(self.fault_of("device", pos, why));
            }
            (Some(device), flags, _) => self.mount_v2(device, flags.unwrap_or(0), pos)?,
        };
        let MountEntry { source, destination, data, relabel, commands, .. } = self.mount;
        if fstype == c"bind" && source.is_none() {
            return Err(self.fault_of("source", pos, format_args!("a bind needs one")));
        }
        let Some(destination) = destination else {
            return Err(self.fault_of("destination", pos, format_args!("a mount needs one")));
        };
        let target = absolute(self, destination)?;
        self.mark("mounts", self.plan.rootfs.mounts.len(), pos);
        let (source, data) = (source.unwrap_or(c""), data.unwrap_or(c""));
        let mount = Mount { source, target, fstype, flags, propagation, data, relabel, commands };
        self.push_mount(mount)
    }

    fn push_mount(&mut self, mount: Mount) -> Read {
        let pushed = self.plan.rootfs.mounts.push(mount);
        pushed.map_err(|_| self.full(MOUNTS - IMPLICIT.len(), "mounts"))
    }

    /// A bind with all below it, read-only unless it says otherwise; or a tmpfs.
    fn mount_v1(
        &mut self,
        kind: Option<&'static CStr>,
        pos: Pos,
    ) -> Read<(&'static CStr, u32, u32)> {
        let bind = match kind.map(CStr::to_bytes) {
            None | Some(b"bind") => true,
            Some(b"tmpfs") => false,
            _ => {
                let why = format_args!("{} is neither bind nor tmpfs", Quoted(kind.unwrap_or(c"")));
                return Err(self.fault_of("type", pos, why));
            }
        };
        if kind.is_none() {
            self.kept.untyped_mount.get_or_insert(pos);
        }
        let entry = &mut self.mount;
        let how = if entry.private {
            MS_PRIVATE
        } else if entry.slave {
            MS_SLAVE
        } else {
            0
        };
        let read_only = if entry.writable { 0 } else { MS_RDONLY };
        if bind {
            return Ok((c"bind", MS_REC | read_only, spread(how, MS_REC)));
        }
        entry.source = Some(c"tmpfs");
        Ok((c"tmpfs", NOTHING, spread(how, 0)))
    }

    /// A file system by its type, or a bind, with the kernel's flags.
    fn mount_v2(
        &mut self,
        device: &'static CStr,
        given: u32,
        pos: Pos,
    ) -> Read<(&'static CStr, u32, u32)> {
        let bind = device == c"bind";
        if given & MS_BIND != 0 && !bind {
            let why = format_args!("MS_BIND, but the device is {}", Quoted(device));
            return Err(self.fault_of("flags", pos, why));
        }
        let rec = given & MS_REC;
        let flags = given & MOUNT_FLAGS | if bind { rec } else { 0 };
        Ok((device, flags, spread(given & PROPAGATION, rec)))
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

/// How a mount spreads, with all below it perhaps; 0 leaves it.
fn spread(how: u32, rec: u32) -> u32 {
    if how == 0 { 0 } else { how | rec }
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
