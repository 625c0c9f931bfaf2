//! Errno names and texts: what strerror(3) and strerrorname_np(3) would say.

use core::fmt;

use linux_raw_sys::errno as e;
use rustix::io::Errno;

/// Shows an errno as "text (NAME)".
pub struct Text(pub Errno);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let number = self.0.raw_os_error();
        match ROWS.iter().find(|(known, ..)| i64::from(*known) == i64::from(number)) {
            Some((_, name, text)) => write!(f, "{text} ({name})"),
            None => write!(f, "errno {}", i64::from(number)),
        }
    }
}

/// Shows an errno as "text" alone, as other programs do.
pub struct Plain(pub Errno);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let number = self.0.raw_os_error();
        match ROWS.iter().find(|(known, ..)| i64::from(*known) == i64::from(number)) {
            Some((.., text)) => f.write_str(text),
            None => write!(f, "errno {}", i64::from(number)),
        }
    }
}

/// A row for each: number, name, text. Numbers differ between architectures: they are the kernel
/// headers' own. Those of STREAMS, XENIX, shared libraries, robust mutexes and the like are not here:
/// no call of nsinit gives them.
macro_rules! table {
    ($($name:ident $text:literal)*) => {
        const ROWS: &[(u32, &str, &str)] = &[$((e::$name, stringify!($name), $text)),*];
    };
}

table! {
    EPERM "Operation not permitted"
    ENOENT "No such file or directory"
    ESRCH "No such process"
    EINTR "Interrupted system call"
    EIO "Input/output error"
    ENXIO "No such device or address"
    E2BIG "Argument list too long"
    ENOEXEC "Exec format error"
    EBADF "Bad file descriptor"
    ECHILD "No child processes"
    EAGAIN "Resource temporarily unavailable"
    ENOMEM "Cannot allocate memory"
    EACCES "Permission denied"
    EFAULT "Bad address"
    EBUSY "Device or resource busy"
    EEXIST "File exists"
    EXDEV "Invalid cross-device link"
    ENODEV "No such device"
    ENOTDIR "Not a directory"
    EISDIR "Is a directory"
    EINVAL "Invalid argument"
    ENFILE "Too many open files in system"
    EMFILE "Too many open files"
    ENOTTY "Inappropriate ioctl for device"
    ETXTBSY "Text file busy"
    EFBIG "File too large"
    ENOSPC "No space left on device"
    ESPIPE "Illegal seek"
    EROFS "Read-only file system"
    EMLINK "Too many links"
    EPIPE "Broken pipe"
    ERANGE "Numerical result out of range"
    ENAMETOOLONG "File name too long"
    ENOLCK "No locks available"
    ENOSYS "Function not implemented"
    ENOTEMPTY "Directory not empty"
    ELOOP "Too many levels of symbolic links"
    ENOMSG "No message of desired type"
    EIDRM "Identifier removed"
    ENODATA "No data available"
    ETIME "Timer expired"
    EPROTO "Protocol error"
    EBADMSG "Bad message"
    EOVERFLOW "Value too large for defined data type"
    ERESTART "Interrupted system call should be restarted"
    EUSERS "Too many users"
    ENOTSOCK "Socket operation on non-socket"
    EDESTADDRREQ "Destination address required"
    EMSGSIZE "Message too long"
    EPROTOTYPE "Protocol wrong type for socket"
    ENOPROTOOPT "Protocol not available"
    EPROTONOSUPPORT "Protocol not supported"
    EOPNOTSUPP "Operation not supported"
    EAFNOSUPPORT "Address family not supported by protocol"
    EADDRINUSE "Address already in use"
    EADDRNOTAVAIL "Cannot assign requested address"
    ENETDOWN "Network is down"
    ENETUNREACH "Network is unreachable"
    ENETRESET "Network dropped connection on reset"
    ECONNABORTED "Software caused connection abort"
    ECONNRESET "Connection reset by peer"
    ENOBUFS "No buffer space available"
    EISCONN "Transport endpoint is already connected"
    ENOTCONN "Transport endpoint is not connected"
    ESHUTDOWN "Cannot send after transport endpoint shutdown"
    ETIMEDOUT "Connection timed out"
    ECONNREFUSED "Connection refused"
    EHOSTUNREACH "No route to host"
    ESTALE "Stale file handle"
    EUCLEAN "Structure needs cleaning"
    EDQUOT "Disk quota exceeded"
    ENOMEDIUM "No medium found"
    ENOKEY "Required key not available"
    EKEYEXPIRED "Key has expired"
    EKEYREVOKED "Key has been revoked"
    EKEYREJECTED "Key was rejected by service"
    EHWPOISON "Memory page has hardware error"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_name() {
        assert_eq!(Text(Errno::NOENT).to_string(), "No such file or directory (ENOENT)");
        assert_eq!(Text(Errno::HWPOISON).to_string(), "Memory page has hardware error (EHWPOISON)");
        assert_eq!(Text(Errno::from_raw_os_error(4000)).to_string(), "errno 4000");
    }
}
