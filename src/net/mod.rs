//! The network of a container.

pub mod netlink;
pub mod stats;

use crate::bytes::Arena;
use crate::error::{Object, Result};
use netlink::{Request, Socket};

/// include/uapi/linux/rtnetlink.h
const RTM_NEWLINK: u16 = 16;
/// include/uapi/linux/if.h
const IFF_UP: u32 = 1;
/// The loopback interface is the first of every network namespace (include/net/flow.h).
const LOOPBACK_IFINDEX: i32 = 1;

/// Brings the loopback interface of the caller's network namespace up. With that the kernel gives it
/// 127.0.0.1 and ::1.
pub fn loopback_up(arena: &Arena) -> Result<()> {
    let request = Request::new(RTM_NEWLINK, 0, &link(LOOPBACK_IFINDEX, IFF_UP, IFF_UP));
    Socket::open()?.ask(request, "bring up", Object::Str("lo"), arena)
}

/// struct ifinfomsg: of interface `index`, the flags in `change` become those in `flags`.
fn link(index: i32, flags: u32, change: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    let fields = [index.to_ne_bytes(), flags.to_ne_bytes(), change.to_ne_bytes()];
    // Family, padding and type stay 0.
    for (to, from) in bytes.chunks_exact_mut(4).skip(1).zip(fields) {
        to.copy_from_slice(&from);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscall::process::{Fork, NewNamespaces, exit_group, fork};
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, Ipv4Addr, SocketAddrV4, SocketType, connect, socket};
    use rustix::process::{WaitOptions, waitpid};

    /// The status of a process in a new network namespace.
    fn inside(body: impl FnOnce() -> u8) -> i32 {
        match fork(NewNamespaces::NEWNET).unwrap() {
            Fork::Child => exit_group(body()),
            Fork::Parent(pid) => {
                let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
                status.exit_status().unwrap()
            }
        }
    }

    fn reach_loopback() -> rustix::io::Result<()> {
        let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9))
    }

    #[test]
    fn loopback_works_once_it_is_up() {
        let arena = Arena::new(vec![0; 4096].leak());
        let status = inside(|| {
            let before = reach_loopback() == Err(Errno::NETUNREACH);
            let up = loopback_up(&arena).is_ok() && loopback_up(&arena).is_ok();
            u8::from(before) | u8::from(up) << 1 | u8::from(reach_loopback().is_ok()) << 2
        });
        assert_eq!(status, 7);
    }

    #[test]
    fn a_refusal_has_the_words_of_the_kernel() {
        let arena = Arena::new(vec![0; 4096].leak());
        let mut socket = Socket::open().unwrap();
        let absent = Request::new(RTM_NEWLINK, 0, &link(0x7fff_fff0, IFF_UP, IFF_UP));
        let error = socket.ask(absent, "bring up", Object::Str("x"), &arena).unwrap_err();
        assert_eq!(error.to_string(), "bring up x: No such device (ENODEV)");
        let mut new = Request::new(RTM_NEWLINK, 0x400, &link(0, 0, 0));
        let info = new.begin(18);
        new.attribute(1, b"no-such-kind\0");
        new.end(info);
        let error = socket.ask(new, "make", Object::Str("x"), &arena).unwrap_err();
        let want = "make x: Operation not supported (EOPNOTSUPP): Unknown device type";
        assert_eq!(error.to_string(), want);
    }
}
