//! What a kernel module says about itself: strings in its section .modinfo (modinfo(8)).

use rustix::fd::BorrowedFd;
use rustix::io::pread;

/// Bytes that are looked at together; a list of dependencies is shorter.
pub const PIECE: usize = 4096;

/// The modules that `module` depends on, with commas; `None`: it does not say, or is compressed.
pub fn depends<'a>(module: BorrowedFd, buf: &'a mut [u8; PIECE]) -> Option<&'a [u8]> {
    const KEY: &[u8] = b"\0depends=";
    let mut at = 0;
    // A key that is cut by the end of a piece is whole in the next.
    let found = loop {
        let n = pread(module, &mut buf[..], at).ok()?;
        let place = buf.get(..n)?.windows(KEY.len()).position(|window| window == KEY);
        match place {
            Some(place) => break at + (place + KEY.len()) as u64,
            None => at += n.checked_sub(KEY.len() - 1).filter(|n| *n > 0)? as u64,
        }
    };
    let n = pread(module, &mut buf[..], found).ok()?;
    let list = buf.get(..n)?;
    list.get(..list.iter().position(|byte| *byte == 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::{AsFd, OwnedFd};

    fn module(bytes: &[u8]) -> OwnedFd {
        let fd = rustix::fs::memfd_create(c"module", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(rustix::io::write(&fd, bytes), Ok(bytes.len()));
        fd
    }

    #[test]
    fn the_list_is_found_wherever_it_lies() {
        let text = b"\0license=GPL\0depends=watchdog,llc\0name=x\0";
        for before in [0, 1, PIECE - 20, PIECE - 12, PIECE - 1, PIECE, 3 * PIECE + 7] {
            let bytes = [&vec![b'x'; before][..], text].concat();
            let file = module(&bytes);
            let found = depends(file.as_fd(), &mut [0; PIECE]).map(<[u8]>::to_vec);
            assert_eq!(found.as_deref(), Some(&b"watchdog,llc"[..]), "{before}");
        }
    }

    #[test]
    fn without_one_there_is_none() {
        for text in [&b""[..], b"\0depends=", b"softdepends=a\0", b"\0depends=cut"] {
            let found = depends(module(text).as_fd(), &mut [0; PIECE]).map(<[u8]>::to_vec);
            assert_eq!(found, None, "{text:?}");
        }
        let file = module(b"\0depends=\0");
        assert_eq!(depends(file.as_fd(), &mut [0; PIECE]), Some(&b""[..]));
    }
}
