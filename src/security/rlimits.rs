//! Resource limits (prlimit(2)).

use linux_raw_sys::general::RLIMIT_NPROC;
use rustix::io::Errno;

use crate::bytes::Names;
use crate::error::{Error, Object, Result};
use crate::plan::Rlimit;
use crate::syscall::process::{highest, setrlimit};

/// Name of resource n: include/uapi/asm-generic/resource.h, which the architectures that nsinit is
/// built for share.
pub const NAMES: Names = Names(
    "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC \
     RLIMIT_NOFILE RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE \
     RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME",
);
/// How many there are.
pub const COUNT: usize = 16;

/// Sets all of them but RLIMIT_NPROC, of which no more is done than what takes a right. The kernel
/// looks at it in fork(2), and counts the caller: one that only forks and ends would be one too many.
pub fn set(limits: &[Rlimit]) -> Result<()> {
    for limit in limits {
        let (mut soft, hard) = (limit.soft, limit.hard);
        if limit.resource == RLIMIT_NPROC {
            if hard <= highest(RLIMIT_NPROC).map_err(|errno| explain(limit, errno))? {
                continue;
            }
            soft = hard;
        }
        setrlimit(limit.resource, soft, hard).map_err(|errno| explain(limit, errno))?;
    }
    Ok(())
}

/// Sets RLIMIT_NPROC, in the process that is to have it.
pub fn set_processes(limits: &[Rlimit]) -> Result<()> {
    let Some(limit) = limits.iter().rfind(|limit| limit.resource == RLIMIT_NPROC) else {
        return Ok(());
    };
    setrlimit(limit.resource, limit.soft, limit.hard).map_err(|errno| explain(limit, errno))
}

fn explain(limit: &Rlimit, errno: Errno) -> Error {
    let name = NAMES.at(limit.resource as usize);
    let on = name.map_or(Object::Number(i64::from(limit.resource)), Object::Str);
    let error = Error::errno("set resource limit", on, errno);
    match errno {
        Errno::PERM if name == Some("RLIMIT_NOFILE") => {
            error.hint("raising it takes CAP_SYS_RESOURCE, and fs.nr_open is the highest")
        }
        Errno::PERM => error.hint("raising the hard limit takes CAP_SYS_RESOURCE"),
        Errno::INVAL if name.is_none() => error.hint("the kernel has no such resource"),
        Errno::INVAL => error.hint("the soft limit is above the hard limit"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_limit() {
        let set =
            |resource, soft, hard| set(&[Rlimit { resource, soft, hard }]).unwrap_err().to_string();
        assert_eq!(
            set(7, 5, 4),
            "set resource limit RLIMIT_NOFILE: Invalid argument (EINVAL): \
             the soft limit is above the hard limit"
        );
        assert_eq!(
            set(99, 1, 1),
            "set resource limit 99: Invalid argument (EINVAL): the kernel has no such resource"
        );
        // Above fs.nr_open for anybody.
        assert!(
            set(7, 1 << 40, 1 << 40).contains("RLIMIT_NOFILE: Operation not permitted (EPERM)")
        );
        assert_eq!(NAMES.at(linux_raw_sys::general::RLIMIT_NPROC as usize), Some("RLIMIT_NPROC"));
        assert_eq!(NAMES.at(linux_raw_sys::general::RLIMIT_RTTIME as usize), Some("RLIMIT_RTTIME"));
    }
}
