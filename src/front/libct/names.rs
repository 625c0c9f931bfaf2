//! Names of kernel things, as container.json has them.

use linux_raw_sys::general as k;

use crate::plan::Kind;

/// Capabilities by number (include/uapi/linux/capability.h, to 40, Linux 5.9).
pub(super) const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// All that this table knows.
pub(super) const ALL_CAPABILITIES: u64 = (1 << CAPABILITIES.len()) - 1;

/// The number of a capability, with or without CAP_, in any case.
pub(super) fn capability(name: &[u8]) -> Option<u32> {
    number(&CAPABILITIES, b"CAP_", name)
}

/// Resource limits by number, that of x86, ARM and RISC-V (include/uapi/asm-generic/resource.h).
const RLIMITS: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// How many resource limits there are.
pub(super) const RLIMIT_COUNT: i64 = RLIMITS.len() as i64;

/// The number of a resource limit, with or without RLIMIT_, in any case.
pub(super) fn rlimit(name: &[u8]) -> Option<u32> {
    number(&RLIMITS, b"RLIMIT_", name)
}

/// The place in `table` of `name`, with or without `prefix`, in any case.
fn number(table: &[&str], prefix: &[u8], name: &[u8]) -> Option<u32> {
    let rest = match name.split_at_checked(prefix.len()) {
        Some((first, rest)) if first.eq_ignore_ascii_case(prefix) => rest,
        _ => name,
    };
    let found = table.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(rest));
    found.map(|n| n as u32)
}

/// A namespace by libcontainer's name, or by the OCI's.
pub(super) fn namespace(name: &[u8]) -> Option<Kind> {
    let oci: &[u8] = match name {
        b"network" => b"net",
        b"mount" => b"mnt",
        name => name,
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
        assert_eq!(capability(b"CAP_"), None);
        assert_eq!(capability(b""), None);
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
