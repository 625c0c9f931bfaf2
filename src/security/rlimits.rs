//! Resource limits (prlimit(2)).

use rustix::io::Errno;

use crate::bytes::Names;
use crate::error::{Error, Object, Result};
use crate::plan::Rlimit;
use crate::syscall::process::setrlimit;

/// Name of resource n: include/uapi/asm-generic/resource.h, which the architectures that nsinit is
/// built for share.
pub const NAMES: Names = Names(
    "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC \
     RLIMIT_NOFILE RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE \
     RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME",
);
/// How many there are.
pub const COUNT: usize = 16;

/// Sets all of them.
pub fn set(limits: &[Rlimit]) -> Result<()> {
    for limit in limits {
        setrlimit(limit.resource, limit.soft, limit.hard).map_err(|errno| explain(limit, errno))?;
    }
    Ok(())
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
