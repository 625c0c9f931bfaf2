//! What differs between a bind and its source, for mount_setattr(2) and for a remount.

use linux_raw_sys::general::{
    MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_STRICTATIME, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID,
    MS_NOSYMFOLLOW, MS_RDONLY, MS_RELATIME, MS_STRICTATIME,
};
use rustix::fs::StatVfsMountFlags;

use crate::syscall::mount::MountAttr;

/// What is different in a bind from its source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOSYMFOLLOW, MS_NODIRATIME, and one of
    /// MS_NOATIME, MS_RELATIME, MS_STRICTATIME: flags of a mount, on all submounts too. Others are
    /// of the file system, and no bind can change them.
    pub flags: u32,
    /// MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE, perhaps with MS_REC; 0 leaves it.
    pub propagation: u32,
}

/// The flags of a mount that are only set, never cleared, by a `Change`, as MS_* and MOUNT_ATTR_*.
const SET: [(u32, u32); 6] = [
    (MS_RDONLY, MOUNT_ATTR_RDONLY),
    (MS_NOSUID, MOUNT_ATTR_NOSUID),
    (MS_NODEV, MOUNT_ATTR_NODEV),
    (MS_NOEXEC, MOUNT_ATTR_NOEXEC),
    (MS_NODIRATIME, MOUNT_ATTR_NODIRATIME),
    (MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
];
/// The three that exclude each other. MOUNT_ATTR_RELATIME is 0.
const ATIME: [(u32, u32); 3] =
    [(MS_NOATIME, MOUNT_ATTR_NOATIME), (MS_STRICTATIME, MOUNT_ATTR_STRICTATIME), (MS_RELATIME, 0)];

impl Change {
    /// A plain bind.
    pub const NONE: Change = Change { flags: 0, propagation: 0 };

    /// Those of the flags that say something about a bind.
    pub fn wanted(self) -> u32 {
        SET.iter().chain(&ATIME).fold(0, |all, (ms, _)| all | self.flags & ms)
    }

    /// As mount_setattr(2) takes it.
    pub fn attr(self) -> MountAttr {
        let mut attr = MountAttr::default();
        for (ms, bit) in SET {
            attr.set |= if self.flags & ms != 0 { u64::from(bit) } else { 0 };
        }
        for (ms, value) in ATIME {
            if self.flags & ms != 0 {
                attr.set |= u64::from(value);
                attr.clear = u64::from(MOUNT_ATTR__ATIME);
                break;
            }
        }
        attr
    }

    /// As a remount takes it: what the mount has, which a user namespace may have locked, and what
    /// is wanted.
    pub fn remount(self, has: StatVfsMountFlags) -> u32 {
        let atime = MS_NOATIME | MS_STRICTATIME | MS_RELATIME;
        let wanted = self.wanted();
        let has = mount_flags(has);
        if wanted & atime != 0 { has & !atime | wanted } else { has | wanted }
    }
}

/// The MS_* flags that a mount has.
pub fn mount_flags(has: StatVfsMountFlags) -> u32 {
    /// ST_NOSYMFOLLOW (include/linux/statfs.h), which rustix does not name.
    const NOSYMFOLLOW: StatVfsMountFlags = StatVfsMountFlags::from_bits_retain(0x2000);
    const SAME: [(StatVfsMountFlags, u32); 8] = [
        (StatVfsMountFlags::RDONLY, MS_RDONLY),
        (StatVfsMountFlags::NOSUID, MS_NOSUID),
        (StatVfsMountFlags::NODEV, MS_NODEV),
        (StatVfsMountFlags::NOEXEC, MS_NOEXEC),
        (StatVfsMountFlags::NODIRATIME, MS_NODIRATIME),
        (StatVfsMountFlags::NOATIME, MS_NOATIME),
        (StatVfsMountFlags::RELATIME, MS_RELATIME),
        (NOSYMFOLLOW, MS_NOSYMFOLLOW),
    ];
    let flags = SAME.iter().fold(0, |all, (st, ms)| all | if has.contains(*st) { *ms } else { 0 });
    // Neither of the two is strictatime, and a remount that says nothing would make it relatime.
    if flags & (MS_NOATIME | MS_RELATIME) == 0 { flags | MS_STRICTATIME } else { flags }
}

#[cfg(test)]
mod tests {
    use linux_raw_sys::general::{MS_BIND, MS_REC};

    use super::*;

    #[test]
    fn flags_become_attributes() {
        let attr = |flags| {
            let attr = Change { flags, propagation: 0 }.attr();
            (attr.set, attr.clear)
        };
        assert_eq!(attr(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC), (0xf, 0));
        assert_eq!(attr(MS_NOATIME | MS_NODIRATIME), (0x90, 0x70));
        assert_eq!(attr(MS_STRICTATIME), (0x20, 0x70));
        assert_eq!(attr(MS_RELATIME), (0, 0x70));
        assert_eq!(attr(MS_REC | MS_BIND), (0, 0));
    }

    #[test]
    fn a_remount_keeps_what_the_mount_has() {
        let has = StatVfsMountFlags::NOSUID | StatVfsMountFlags::NOATIME;
        let remount = |flags| Change { flags, propagation: 0 }.remount(has);
        assert_eq!(remount(MS_RDONLY), MS_RDONLY | MS_NOSUID | MS_NOATIME);
        assert_eq!(remount(MS_RELATIME), MS_NOSUID | MS_RELATIME);
        assert_eq!(mount_flags(StatVfsMountFlags::empty()), MS_STRICTATIME);
    }
}
