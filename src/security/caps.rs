//! Capabilities: their names, and giving up all but those that are kept (capabilities(7)).

use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities};

use crate::bytes::Names;
use crate::error::{Context, Error, Object, Result};
use crate::proc::process::Identity;
use crate::syscall::cred::{CapSets, capset, is_ambient};
use crate::syscall::process::{Prctl, prctl};

/// Name of capability n (include/uapi/linux/capability.h).
pub const NAMES: Names = Names(
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID \
     CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST \
     CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO \
     CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE \
     CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE \
     CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM \
     CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE",
);
/// How many have a name: to Linux 5.9, and none was added since.
pub const COUNT: usize = 41;

/// CAP_KILL.
pub const KILL: u32 = 5;

/// Capability `n` as the object of an error: its name, or its number where it has none here.
pub fn object(n: u32) -> Object {
    NAMES.at(n as usize).map_or(Object::Number(i64::from(n)), Object::Str)
}

/// A bit mask can say no more than 64.
const MOST: u32 = u64::BITS;

/// Refuses to keep what the caller does not have itself: an execve could not give it back, so the
/// workload would silently get less than was asked for.
pub fn check(keep: u64) -> Result<()> {
    let own = capabilities(None).doing("read the capabilities of nsinit", ())?.permitted.bits();
    let Some(n) = (0..MOST).find(|n| keep & !own & 1 << n != 0) else { return Ok(()) };
    let error = match prctl(Prctl::CapbsetRead, n) {
        Ok(_) => Error::errno("keep capability", object(n), Errno::PERM)
            .hint("nsinit was started without it"),
        Err(errno) => Error::errno("keep capability", object(n), errno)
            .hint("the kernel does not have this capability"),
    };
    Err(error)
}

/// Drops every capability that the kernel has, but for those in `keep`, from the bounding set: no
/// execve in this process or its children gives them back, whatever the file says. Bits that nsinit
/// has no name for are dropped too: the kernel, not the table, knows the last one. `had`: what may be in
/// it now.
pub fn bound(had: u64, keep: u64) -> Result<()> {
    for n in (0..MOST).filter(|n| had & !keep & 1 << n != 0) {
        match prctl(Prctl::CapbsetDrop, n) {
            Ok(_) => {}
            // Beyond the last capability (security/commoncap.c, cap_prctl_drop).
            Err(Errno::INVAL) => break,
            Err(errno) => {
                return Err(Error::errno("drop from the bounding set", object(n), errno)
                    .hint("it takes CAP_SETPCAP"));
            }
        }
    }
    Ok(())
}

/// Leaves exactly `keep` permitted and effective and nothing inheritable: an inheritable capability
/// would meet the file capabilities of whatever runs later. An empty inheritable set empties the
/// ambient set with it (security/commoncap.c, cap_capset), so that needs no call of its own.
pub fn limit(keep: u64) -> Result<()> {
    put(keep, keep)
}

/// Whether the program's file has given this process capabilities: an execve as another user than root
/// leaves no others than the ambient ones (capabilities(7)).
pub fn from_file() -> Result<bool> {
    if geteuid().is_root() {
        return Ok(false);
    }
    let own = capabilities(None).doing("read the capabilities of nsinit", ())?.permitted.bits();
    // An error is a kernel without ambient capabilities.
    Ok((0..MOST).any(|n| own & 1 << n != 0 && !matches!(is_ambient(n), Ok(true))))
}

/// Refuses what the caller has no right to begin: it would be refused by the kernel at some step, with no
/// more words than EPERM.
pub fn check_admin() -> Result<()> {
    let own = capabilities(None).doing("read the capabilities of nsinit", ())?.effective;
    if own.contains(CapabilitySet::SYS_ADMIN) {
        return Ok(());
    }
    let why =
        "it needs root (sudo): CAP_SYS_ADMIN is missing, and user namespaces are not supported yet";
    Err(Error::errno("start or join a container", (), Errno::PERM).hint(why))
}

/// Whether this is another user namespace than the machine's first, where root has no rights on the host.
pub fn in_user_namespace() -> bool {
    /// PROC_USER_INIT_INO in include/linux/proc_ns.h.
    const FIRST: u64 = 0xefff_fffd;
    Identity::of(c"/proc/self/ns/user").is_ok_and(|own| own.inode != FIRST)
}

/// Has only those of `keep` in effect until they are taken up again; what to take up.
pub fn lay_down(keep: u64) -> Result<u64> {
    let own = capabilities(None).doing("read the capabilities of nsinit", ())?.permitted.bits();
    put(own & keep, own)?;
    Ok(own)
}

/// Has all of these in effect again.
pub fn take_up(own: u64) -> Result<()> {
    put(own, own)
}

fn put(effective: u64, permitted: u64) -> Result<()> {
    capset(CapSets { effective, permitted, inheritable: 0 }).doing("set capabilities", ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeping_what_is_not_there_is_refused_by_name() {
        assert!(check(0).is_ok());
        let error = check(1 << 63).unwrap_err().to_string();
        assert!(
            error.contains("keep capability 63: Invalid argument (EINVAL): the kernel"),
            "{error}"
        );
        let own = capabilities(None).unwrap().permitted.bits();
        assert!(check(own).is_ok());
        for n in (0..COUNT).filter(|n| own & 1 << n == 0) {
            let error = check(own | 1 << n).unwrap_err().to_string();
            let want = format!(
                "keep capability {}: Operation not permitted (EPERM)",
                NAMES.at(n).unwrap()
            );
            assert!(error.starts_with(&want), "{error}");
        }
    }
}
