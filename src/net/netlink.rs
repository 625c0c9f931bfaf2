//! rtnetlink(7): requests put together in a fixed buffer, and the kernel's answers to them.

use heapless::Vec;
use linux_raw_sys::net::SOL_NETLINK;
use linux_raw_sys::netlink::{
    NETLINK_EXT_ACK, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_REQUEST, NLMSG_ERROR,
};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use crate::bytes::{Arena, Show, split_by};
use crate::error::{Context, Error, Object, Result};
use crate::syscall::socket::setsockopt;

/// Longest request. The longest that a container needs, a veth pair with all its attributes, is a
/// few hundred bytes.
const REQUEST: usize = 1024;
/// Longest answer: a refused request in full, and the kernel's words about it.
const ANSWER: usize = REQUEST + 1024;
/// sizeof(struct nlmsghdr): length, type, flags, sequence number, port.
const HEADER: usize = 16;
/// sizeof(struct nlattr): length, type.
const ATTRIBUTE: usize = 4;

/// A request. What does not fit is noted, and refused when it is sent: a length field that
/// overflowed would let one value pass for several attributes (CVE-2021-43784).
pub struct Request {
    bytes: Vec<u8, REQUEST>,
    fits: bool,
}

/// A nest that is open: its attributes follow.
#[must_use]
pub struct Nest(usize);

impl Request {
    /// A request of type `kind` (RTM_*) with NLM_F_* `flags`, to be acknowledged, and the structure
    /// that this type begins with (struct ifinfomsg, ifaddrmsg, rtmsg).
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Request {
        let mut request = Request { bytes: Vec::new(), fits: true };
        let flags = flags | (NLM_F_REQUEST | NLM_F_ACK) as u16;
        // Length and sequence number are filled in when it is sent; port 0 is the kernel's.
        request.put(&[0; 4]);
        request.put(&kind.to_ne_bytes());
        request.put(&flags.to_ne_bytes());
        request.put(&[0; 8]);
        request.put(fixed);
        request.pad();
        request
    }

    /// Appends an attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        let nest = self.begin(kind);
        self.put(value);
        self.end(nest);
        self.pad();
    }

    /// Opens an attribute that consists of attributes (IFLA_LINKINFO, VETH_INFO_PEER).
    pub fn begin(&mut self, kind: u16) -> Nest {
        let nest = Nest(self.bytes.len());
        self.put(&[0; 2]);
        self.put(&kind.to_ne_bytes());
        nest
    }

    /// Closes it: its length is known now.
    pub fn end(&mut self, nest: Nest) {
        let len = u16::try_from(self.bytes.len().saturating_sub(nest.0));
        let field = self.bytes.get_mut(nest.0..nest.0 + 2);
        match (len, field) {
            (Ok(len), Some(field)) => field.copy_from_slice(&len.to_ne_bytes()),
            _ => self.fits = false,
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.fits &= self.bytes.extend_from_slice(bytes).is_ok();
    }

    /// Everything begins at a multiple of four (NLMSG_ALIGN, NLA_ALIGN).
    fn pad(&mut self) {
        let len = self.bytes.len().next_multiple_of(4);
        self.fits &= self.bytes.resize_default(len).is_ok();
    }

    /// The bytes to send.
    fn finish(&mut self, sequence: u32) -> rustix::io::Result<&[u8]> {
        let len = self.bytes.len() as u32;
        for (at, value) in [(0, len), (8, sequence)] {
            let field = self.bytes.get_mut(at..at + 4).ok_or(Errno::MSGSIZE)?;
            field.copy_from_slice(&value.to_ne_bytes());
        }
        if self.fits { Ok(&self.bytes) } else { Err(Errno::MSGSIZE) }
    }
}

/// A connection to the kernel's network configuration, in the network namespace of whoever opened
/// it.
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    /// Opens one.
    pub fn open() -> Result<Socket> {
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        // Protocol 0 is NETLINK_ROUTE.
        let fd = socket_with(family, kind, SocketFlags::CLOEXEC, None);
        let fd = fd.doing("open a netlink socket", ())?;
        // The kernel's words are a courtesy of Linux 4.12: errors come without them before.
        let _ = setsockopt(fd.as_fd(), SOL_NETLINK, NETLINK_EXT_ACK, 1);
        Ok(Socket { fd, sequence: 0 })
    }

    /// Sends `request` and waits for the kernel to have done it.
    pub fn ask(
        &mut self,
        mut request: Request,
        doing: &'static str,
        on: Object,
        arena: &Arena,
    ) -> Result<()> {
        self.sequence += 1;
        let bytes = request.finish(self.sequence).doing(doing, on)?;
        retry_on_intr(|| send(&self.fd, bytes, SendFlags::empty())).doing(doing, on)?;
        let mut buf = [0; ANSWER];
        loop {
            let received = retry_on_intr(|| recv(&self.fd, &mut buf, RecvFlags::TRUNC));
            let (_, len) = received.doing(doing, on)?;
            let answer = buf.get(..len).ok_or(Errno::MSGSIZE).doing(doing, on)?;
            match find_answer(answer, self.sequence) {
                None => {}
                Some(Answer { errno: 0, .. }) => return Ok(()),
                Some(answer) => return Err(answer.error(doing, on, arena)),
            }
        }
    }
}

/// The kernel's verdict on a request.
#[derive(PartialEq, Eq, Debug)]
struct Answer<'a> {
    errno: i32,
    words: &'a [u8],
}

impl Answer<'_> {
    fn error(&self, doing: &'static str, on: Object, arena: &Arena) -> Error {
        let errno = Errno::from_raw_os_error(self.errno);
        let error = Error::errno(doing, on, errno);
        let words = arena.str(format_args!("{}", Show(self.words)));
        match words {
            Ok(words) if !words.is_empty() => error.hint(words),
            _ => error,
        }
    }
}

/// Finds the verdict on request `sequence` among the messages of `datagram`; others are answers to
/// nobody, such as what is left over from a request that failed.
fn find_answer(mut datagram: &[u8], sequence: u32) -> Option<Answer<'_>> {
    loop {
        let len = u32_at(datagram, 0)? as usize;
        let message = datagram.get(..len).filter(|message| message.len() >= HEADER)?;
        if u16_at(message, 4)? == NLMSG_ERROR as u16 && u32_at(message, 8)? == sequence {
            let errno = 0i32.wrapping_sub_unsigned(u32_at(message, HEADER)?);
            return Some(Answer { errno, words: words(message).unwrap_or(b"") });
        }
        datagram = datagram.get(len.next_multiple_of(4)..)?;
    }
}

/// NLMSGERR_ATTR_MSG of an error message: behind the errno and the request, of which there may be
/// only the header (NLM_F_CAPPED).
fn words(message: &[u8]) -> Option<&[u8]> {
    const NLMSGERR_ATTR_MSG: u16 = 1;
    let flags = u32::from(u16_at(message, 6)?);
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let request = HEADER + 4;
    let capped = flags & NLM_F_CAPPED != 0;
    let len = if capped { HEADER } else { u32_at(message, request)? as usize };
    let mut rest = message.get(request.checked_add(len)?.next_multiple_of(4)..)?;
    loop {
        let len = usize::from(u16_at(rest, 0)?);
        let value = rest.get(ATTRIBUTE..len)?;
        if u16_at(rest, 2)? == NLMSGERR_ATTR_MSG {
            return split_by(value, 0).next();
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_length_and_is_aligned() {
        let mut request = Request::new(16, 0x400, &[1; 16]);
        request.attribute(3, b"eth0\0");
        let info = request.begin(18);
        request.attribute(1, b"veth");
        request.end(info);
        let bytes = request.finish(7).unwrap();
        let parts = [
            &56u32.to_ne_bytes()[..],
            &16u16.to_ne_bytes(),
            &0x405u16.to_ne_bytes(),
            &7u32.to_ne_bytes(),
            &[0; 4],
            &[1; 16],
            &9u16.to_ne_bytes(),
            &3u16.to_ne_bytes(),
            b"eth0\0\0\0\0",
            &12u16.to_ne_bytes(),
            &18u16.to_ne_bytes(),
            &8u16.to_ne_bytes(),
            &1u16.to_ne_bytes(),
            b"veth",
        ];
        assert_eq!(bytes, parts.concat());
    }

    #[test]
    fn what_does_not_fit_is_never_sent() {
        let room = REQUEST - HEADER - ATTRIBUTE;
        let mut request = Request::new(16, 0, &[]);
        request.attribute(1, &vec![0; room]);
        assert_eq!(request.finish(1).map(<[u8]>::len), Ok(REQUEST));
        for len in [room + 1, 70_000] {
            let mut request = Request::new(16, 0, &[]);
            request.attribute(1, &vec![0; len]);
            request.attribute(2, b"more");
            assert_eq!(request.finish(1), Err(Errno::MSGSIZE));
        }
    }

    fn message(kind: u16, flags: u32, sequence: u32, payload: &[u8]) -> std::vec::Vec<u8> {
        let len = (HEADER + payload.len()) as u32;
        let header = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &(flags as u16).to_ne_bytes()];
        [&header.concat(), &sequence.to_ne_bytes()[..], &[0; 4], payload].concat()
    }

    #[test]
    fn the_right_answer_is_found_and_read() {
        let refused = |flags, rest: &[u8]| {
            message(2, flags, 5, &[&(-17i32).to_ne_bytes()[..], rest].concat())
        };
        let request = message(16, 0, 5, &[1; 8]);
        let text = [&10u16.to_ne_bytes()[..], &1u16.to_ne_bytes(), b"taken\0\0\0"].concat();
        let offset = [&8u16.to_ne_bytes()[..], &2u16.to_ne_bytes(), &[0; 4]].concat();
        let full = refused(NLM_F_ACK_TLVS, &[&request[..], &offset, &text].concat());
        let taken = Answer { errno: 17, words: b"taken" };
        assert_eq!(find_answer(&full, 5), Some(taken));
        let capped = NLM_F_ACK_TLVS | NLM_F_CAPPED;
        let short = refused(capped, &[&request[..HEADER], &text].concat());
        assert_eq!(find_answer(&short, 5), Some(Answer { errno: 17, words: b"taken" }));
        let silent = refused(NLM_F_CAPPED, &request[..HEADER]);
        assert_eq!(find_answer(&silent, 5), Some(Answer { errno: 17, words: b"" }));
        assert_eq!(find_answer(&silent, 6), None);
        let good = message(2, 0, 6, &[&[0; 4], &request[..HEADER]].concat());
        let both = [message(16, 0, 6, b"abc"), vec![0], silent, good].concat();
        assert_eq!(find_answer(&both, 6), Some(Answer { errno: 0, words: b"" }));
    }

    #[test]
    fn no_answer_makes_it_read_beyond_its_end() {
        let request = message(16, 0, 5, &[1; 8]);
        let payload = [&(-1i32).to_ne_bytes()[..], &request, &[10, 0, 1, 0, 65]].concat();
        let whole = message(2, NLM_F_ACK_TLVS, 5, &payload);
        for end in 0..whole.len() {
            let mut cut = whole[..end].to_vec();
            find_answer(&cut, 5);
            // The same with a length that agrees, and with one that does not.
            for len in [end as u32, 0, 1, u32::MAX] {
                if end >= 4 {
                    cut[..4].copy_from_slice(&len.to_ne_bytes());
                    find_answer(&cut, 5);
                }
            }
        }
    }
}
