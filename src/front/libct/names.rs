//! Names of kernel things, as container.json has them.

use core::ffi::CStr;

use linux_raw_sys::general as k;

use crate::bytes::{Names, same_in_any_case};
use crate::plan::Kind;
use crate::security::{caps, rlimits};

/// "CAP_" and "RLIMIT_": a file may leave them out.
const CAP: usize = 4;
const RLIMIT: usize = 7;

/// All capabilities that have a name.
pub(super) const ALL_CAPABILITIES: u64 = (1 << caps::COUNT) - 1;

/// The capabilities of a mask, without "CAP_".
pub(super) fn capabilities(mask: u64) -> impl Iterator<Item = &'static str> + Clone {
    let chosen = move |row: &(usize, &str)| mask & 1 << row.0 != 0;
    caps::NAMES.enumerate().filter(chosen).filter_map(|(_, name)| name.get(CAP..))
}

/// A name that may be meant for a capability, without "CAP_".
pub(super) fn short(name: &'static CStr) -> &'static CStr {
    let short = name.to_bytes_with_nul().strip_prefix(b"CAP_");
    short.and_then(|name| CStr::from_bytes_with_nul(name).ok()).unwrap_or(name)
}

/// The number of a capability, with or without CAP_, in any case.
pub(super) fn capability(name: &[u8]) -> Option<u32> {
    number(caps::NAMES, CAP, name)
}

/// How many resource limits there are.
pub(super) const RLIMIT_COUNT: i64 = rlimits::COUNT as i64;

/// All resource limits, without "RLIMIT_".
pub(super) fn rlimits() -> impl Iterator<Item = &'static str> + Clone {
    rlimits::NAMES.filter_map(|name| name.get(RLIMIT..))
}

/// The number of a resource limit, with or without RLIMIT_, in any case.
pub(super) fn rlimit(name: &[u8]) -> Option<u32> {
    number(rlimits::NAMES, RLIMIT, name)
}

/// The place in `table` of `name`, with or without the first `prefix` bytes, in any case.
fn number(mut table: Names, prefix: usize, name: &[u8]) -> Option<u32> {
    let is = |known: &str| {
        let known = known.as_bytes();
        let short = known.get(prefix..).unwrap_or(known);
        same_in_any_case(known, name) || same_in_any_case(short, name)
    };
    table.position(is).map(|n| n as u32)
}

/// A namespace by libcontainer's name, or by the OCI's.
pub(super) fn namespace(name: &[u8]) -> Option<Kind> {
    let oci = if name == b"network" {
        b"net"
    } else if name == b"mount" {
        b"mnt"
    } else {
        name
    };
    let matches = |kind: &Kind| kind.name().as_bytes() == name || kind.file().to_bytes() == oci;
    Kind::ALL.into_iter().find(matches)
}

/// Bits of `flags` of a v2 mount that change how it spreads.
pub(super) const PROPAGATION: u32 = k::MS_PRIVATE | k::MS_SLAVE | k::MS_SHARED | k::MS_UNBINDABLE;

/// Bits of `flags` that a new mount can have (include/uapi/linux/mount.h).
pub(super) const MOUNT_FLAGS: u32 = k::MS_RDONLY
    | k::MS_NOSUID
    | k::MS_NODEV
    | k::MS_NOEXEC
    | k::MS_SYNCHRONOUS
    | k::MS_MANDLOCK
    | k::MS_DIRSYNC
    | k::MS_NOSYMFOLLOW
    | k::MS_NOATIME
    | k::MS_NODIRATIME
    | k::MS_SILENT
    | k::MS_POSIXACL
    | k::MS_RELATIME
    | k::MS_I_VERSION
    | k::MS_STRICTATIME
    | k::MS_LAZYTIME;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_prefix_in_any_case() {
        assert_eq!(capability(b"CHOWN"), Some(k::CAP_CHOWN));
        assert_eq!(capability(b"cap_sys_admin"), Some(k::CAP_SYS_ADMIN));
        assert_eq!(capability(b"CHECKPOINT_RESTORE"), Some(k::CAP_CHECKPOINT_RESTORE));
        for (n, name) in caps::NAMES.enumerate() {
            assert_eq!(capability(name.as_bytes()), Some(n as u32));
            assert_eq!(capability(name[CAP..].to_lowercase().as_bytes()), Some(n as u32));
        }
        assert_eq!((caps::NAMES.count(), caps::COUNT as u32 - 1), (caps::COUNT, k::CAP_LAST_CAP));
        assert_eq!(rlimits::NAMES.count(), rlimits::COUNT);
        for unknown in ["", "CAP_", "CAP", "CAP_KIL", "KILLX", "CAP_CAP_KILL"] {
            assert_eq!(capability(unknown.as_bytes()), None, "{unknown:?}");
        }
        assert_eq!(rlimit(b"RLIMIT_NOFILE"), Some(k::RLIMIT_NOFILE));
        assert_eq!(rlimit(b"rttime"), Some(k::RLIMIT_RTTIME));
        assert_eq!(rlimit(b"files"), None);
    }

    #[test]
    fn every_namespace_in_both_vocabularies() {
        let names = [
            ("NEWUSER", "user", Kind::User),
            ("NEWCGROUP", "cgroup", Kind::Cgroup),
            ("NEWIPC", "ipc", Kind::Ipc),
            ("NEWUTS", "uts", Kind::Uts),
            ("NEWNET", "network", Kind::Net),
            ("NEWPID", "pid", Kind::Pid),
            ("NEWTIME", "time", Kind::Time),
            ("NEWNS", "mount", Kind::Mount),
        ];
        for (ours, oci, kind) in names {
            assert_eq!(namespace(ours.as_bytes()), Some(kind));
            assert_eq!(namespace(oci.as_bytes()), Some(kind));
        }
        assert_eq!(namespace(b"NEWMOUNT"), None);
    }
}
