//! Errno names and texts: what strerror(3) and strerrorname_np(3) would say.

use core::fmt;

use linux_raw_sys::errno as e;
use rustix::io::Errno;

use crate::packed::Packed;

/// Shows an errno as "text (NAME)".
pub struct Text(pub Errno);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let number = self.0.raw_os_error();
        let row = NUMBERS.iter().position(|known| i32::from(*known) == number);
        let mut lines = LINES.lines().skip(row.unwrap_or(NUMBERS.len()) * 2);
        match (lines.next(), lines.next()) {
            (Some(text), Some(name)) => write!(f, "{text} ({name})"),
            _ => write!(f, "errno {}", i64::from(number)),
        }
    }
}

/// The table: a byte a number, and one text with two lines an errno, which together take a sixth of
/// what pairs of strings would. Numbers differ between architectures: they are the kernel headers'
/// own. Those of STREAMS, XENIX, shared libraries, robust mutexes and the like
/// are left out: no call of nsinit gives them.
macro_rules! table {
    ($($name:ident $text:literal)*) => {
        const NUMBERS: &[u8] = &[$(e::$name as u8),*];
        /// A line with the text and one with the name for each.
        pub const LINES: Packed = packed!(concat!($($text, "\n", stringify!($name), "\n"),*));
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
        assert_eq!(NUMBERS.len() * 2 + 1, LINES.lines().count());
        assert_eq!(Text(Errno::from_raw_os_error(4000)).to_string(), "errno 4000");
    }
}
