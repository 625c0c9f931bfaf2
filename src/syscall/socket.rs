//! setsockopt(2) and getsockopt(2) for the options that rustix does not know; packets with descriptors, of one kind
//! (unix(7), SCM_RIGHTS), for which rustix has a reader of every kind and of every address.

use linux_raw_sys::general::{__NR_getsockopt, __NR_recvmsg, __NR_sendmsg, __NR_setsockopt};
use linux_raw_sys::net::{
    MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_NOSIGNAL, SCM_RIGHTS, SO_PEERCRED, SO_PEERPIDFD, SOL_SOCKET,
    cmsghdr, msghdr,
};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, IoSlice, IoSliceMut};

use super::arch::syscall;
use super::ret;

/// setsockopt(2) of an option whose value is an int.
pub fn setsockopt(fd: BorrowedFd<'_>, level: u32, option: u32, value: u32) -> Result<(), Errno> {
    let (fd, at, len) = (fd.as_raw_fd() as usize, &raw const value as usize, size_of::<u32>());
    // SAFETY: the kernel reads `len` bytes of `value`; options with a longer value refuse it.
    ret(unsafe { syscall(__NR_setsockopt, [fd, level as usize, option as usize, at, len, 0]) })
        .map(drop)
}

/// getsockopt(2) into `value`; how many bytes of it were written.
fn getsockopt(fd: BorrowedFd<'_>, option: u32, value: &mut [u32]) -> Result<usize, Errno> {
    let mut len = size_of_val(value) as u32;
    let (fd, at, len_at) =
        (fd.as_raw_fd() as usize, value.as_mut_ptr() as usize, &raw mut len as usize);
    // SAFETY: the kernel writes at most `len` bytes to `value`, and how many those were to `len`.
    ret(unsafe {
        syscall(__NR_getsockopt, [fd, SOL_SOCKET as usize, option as usize, at, len_at, 0])
    })?;
    Ok(len as usize)
}

/// Process and user of whoever has connected (SO_PEERCRED, unix(7)), as this process's namespaces number
/// them; 0 for a process that has no number here.
pub fn peer(fd: BorrowedFd<'_>) -> Result<(i32, u32), Errno> {
    // struct ucred: pid, uid, gid
    let mut credentials = [0; 3];
    match getsockopt(fd, SO_PEERCRED, &mut credentials)? {
        12 => Ok((credentials[0] as i32, credentials[1])),
        _ => Err(Errno::INVAL),
    }
}

/// A pidfd of whoever has connected (SO_PEERPIDFD, Linux 6.5). ENOPROTOOPT before that.
pub fn peer_pidfd(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let mut pidfd = [0];
    getsockopt(fd, SO_PEERPIDFD, &mut pidfd)?;
    // SAFETY: the kernel has just made this descriptor, close-on-exec as all of its kind.
    Ok(unsafe { OwnedFd::from_raw_fd(pidfd[0] as i32) })
}

/// Most descriptors in one packet.
pub const FDS: usize = 16;

/// A control message as it lies in memory (cmsg(3)): its header's size is a multiple of its
/// alignment, so the descriptors follow without a gap.
#[repr(C)]
struct Rights {
    header: cmsghdr,
    fds: [RawFd; FDS],
}

impl Rights {
    /// With the header of `count` descriptors.
    fn of(count: usize) -> Rights {
        let header = cmsghdr {
            cmsg_len: size_of::<cmsghdr>() + count * size_of::<RawFd>(),
            cmsg_level: SOL_SOCKET as _,
            cmsg_type: SCM_RIGHTS as _,
        };
        Rights { header, fds: [-1; FDS] }
    }
}

/// A message of these parts, and of so much of `rights`.
fn message(parts: usize, count: usize, rights: &mut Rights, len: usize) -> msghdr {
    msghdr {
        msg_name: core::ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: parts as *mut _,
        msg_iovlen: count,
        msg_control: (&raw mut *rights).cast(),
        msg_controllen: len,
        msg_flags: 0,
    }
}

/// sendmsg(2), with at most `FDS` descriptors; EPIPE where nobody reads. E2BIG: there are more.
pub fn send(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
) -> Result<(), Errno> {
    let mut rights = Rights::of(fds.len());
    for (to, fd) in rights.fds.get_mut(..fds.len()).ok_or(Errno::TOOBIG)?.iter_mut().zip(fds) {
        *to = fd.as_raw_fd();
    }
    let len = if fds.is_empty() { 0 } else { rights.header.cmsg_len };
    let message = message(parts.as_ptr() as usize, parts.len(), &mut rights, len);
    let at = &raw const message as usize;
    // SAFETY: the kernel reads the parts (IoSlice is an iovec) and `len` bytes of `rights`.
    ret(unsafe {
        syscall(__NR_sendmsg, [socket.as_raw_fd() as usize, at, MSG_NOSIGNAL as usize, 0, 0, 0])
    })
    .map(drop)
}

/// recvmsg(2) of one packet into `buf`; its descriptors, close-on-exec, go to `take`. EMFILE: the
/// kernel could not install them all.
pub fn receive(
    socket: BorrowedFd<'_>,
    buf: &mut [u8],
    take: &mut dyn FnMut(OwnedFd),
) -> Result<usize, Errno> {
    let mut rights = Rights::of(0);
    let parts = [IoSliceMut::new(buf)];
    let mut message = message(parts.as_ptr() as usize, 1, &mut rights, size_of::<Rights>());
    let at = &raw mut message as usize;
    // SAFETY: the kernel writes to `buf` (IoSliceMut is an iovec), to `message` and to as much of
    // `rights` as there is.
    let n = ret(unsafe {
        syscall(__NR_recvmsg, [socket.as_raw_fd() as usize, at, MSG_CMSG_CLOEXEC as usize, 0, 0, 0])
    })?;
    // Nothing but SCM_RIGHTS arrives at a socket that did not ask for more.
    if message.msg_controllen != 0 {
        let bytes = rights.header.cmsg_len.saturating_sub(size_of::<cmsghdr>());
        for fd in rights.fds.iter().take(bytes / size_of::<RawFd>()) {
            // SAFETY: the kernel has just made this descriptor for whoever receives the packet.
            take(unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    if message.msg_flags & MSG_CTRUNC != 0 { Err(Errno::MFILE) } else { Ok(n) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    #[test]
    fn the_other_end_is_known() {
        let flags = SocketFlags::CLOEXEC;
        let (a, _b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        let (pid, uid) = peer(a.as_fd()).unwrap();
        assert_eq!(pid, std::process::id() as i32);
        assert_eq!(uid, rustix::process::geteuid().as_raw());
        // Before Linux 6.5 there is none.
        if let Ok(pidfd) = peer_pidfd(a.as_fd()) {
            use rustix::fd::AsRawFd;
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()));
            assert!(info.unwrap().contains(&format!("Pid:\t{pid}\n")));
        }
    }

    #[test]
    fn descriptors_arrive_as_many_as_were_sent_and_close_on_exec() {
        let flags = SocketFlags::CLOEXEC;
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        for count in [0, 1, FDS] {
            let sent = vec![a.as_fd(); count];
            send(a.as_fd(), &[IoSlice::new(b"g"), IoSlice::new(b"o")], &sent).unwrap();
            let (mut buf, mut fds) = ([0; 8], Vec::new());
            assert_eq!(receive(b.as_fd(), &mut buf, &mut |fd| fds.push(fd)), Ok(2));
            assert_eq!((&buf[..2], fds.len()), (&b"go"[..], count));
            for fd in fds {
                assert!(
                    rustix::io::fcntl_getfd(&fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC)
                );
                assert_eq!(
                    rustix::fs::fstat(&fd).unwrap().st_ino,
                    rustix::fs::fstat(&a).unwrap().st_ino
                );
            }
        }
        assert_eq!(send(a.as_fd(), &[], &[a.as_fd(); FDS + 1]), Err(Errno::TOOBIG));
        drop(b);
        assert_eq!(send(a.as_fd(), &[IoSlice::new(b"x")], &[]), Err(Errno::PIPE));
    }
}
