//! Interfaces by name and by number (netdevice(7)): rustix has the names as text, on the stack.

use core::ffi::CStr;

use linux_raw_sys::general::__NR_ioctl;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

// include/uapi/linux/sockios.h
const SIOCGIFNAME: usize = 0x8910;
const SIOCGIFINDEX: usize = 0x8933;

/// struct ifreq: the name, and what is asked about it.
#[repr(C)]
struct Request {
    name: [u8; 16],
    index: u32,
    rest: [u8; 20],
}

fn ask(socket: BorrowedFd, request: usize, ifreq: &mut Request) -> Result<(), Errno> {
    let args = [socket.as_raw_fd() as usize, request, &raw mut *ifreq as usize, 0, 0, 0];
    // SAFETY: the kernel reads and writes one struct ifreq, which is 40 bytes or less everywhere.
    ret(unsafe { syscall(__NR_ioctl, args) }).map(drop)
}

/// The index of the interface of this name in the socket's namespace. ENODEV: there is none.
pub fn index(socket: BorrowedFd, name: &CStr) -> Result<u32, Errno> {
    let mut ifreq = Request { name: [0; 16], index: 0, rest: [0; 20] };
    let name = name.to_bytes_with_nul();
    ifreq.name.get_mut(..name.len()).ok_or(Errno::NODEV)?.copy_from_slice(name);
    ask(socket, SIOCGIFINDEX, &mut ifreq)?;
    Ok(ifreq.index)
}

/// Whether there is one of this index. ENODEV: there is not.
pub fn look(socket: BorrowedFd, index: u32) -> Result<(), Errno> {
    ask(socket, SIOCGIFNAME, &mut Request { name: [0; 16], index, rest: [0; 20] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;
    use rustix::net::{AddressFamily, SocketType, socket};

    #[test]
    fn the_loopback_interface_is_found_and_no_other_is_taken_for_it() {
        let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
        let lo = index(socket.as_fd(), c"lo").unwrap();
        assert_eq!(look(socket.as_fd(), lo), Ok(()));
        assert_eq!(look(socket.as_fd(), 0x7fff_fff0), Err(Errno::NODEV));
        for name in [c"lo0nope", c"sixteen_letters_", c"l", c""] {
            assert_eq!(index(socket.as_fd(), name), Err(Errno::NODEV), "{name:?}");
        }
    }
}
