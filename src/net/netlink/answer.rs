//! The kernel's answers: messages, and attributes within.

use linux_raw_sys::netlink::{NLM_F_ACK_TLVS, NLM_F_CAPPED};

use super::{ATTRIBUTE, HEADER, u16_at, u32_at};
use crate::bytes::split_by;

/// A message: struct nlmsghdr, and what it heads.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// RTM_*, NLMSG_ERROR, NLMSG_DONE.
    pub kind: u16,
    /// The number of the request that it answers.
    pub(super) sequence: u32,
    flags: u16,
    /// All after the header.
    pub payload: &'a [u8],
}

/// The first message of `datagram`, and the others.
pub(super) fn split(datagram: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let len = u32_at(datagram, 0)? as usize;
    let payload = datagram.get(HEADER..len)?;
    let (kind, flags) = (u16_at(datagram, 4)?, u16_at(datagram, 6)?);
    let message = Message { kind, flags, sequence: u32_at(datagram, 8)?, payload };
    Some((message, datagram.get(len.next_multiple_of(4)..).unwrap_or(&[])))
}

impl<'a> Message<'a> {
    /// The errno of NLMSG_ERROR or NLMSG_DONE, which begin with its negative.
    pub(super) fn errno(&self) -> i32 {
        0i32.wrapping_sub_unsigned(u32_at(self.payload, 0).unwrap_or(0))
    }

    /// The kernel's words (NLMSGERR_ATTR_MSG): behind the errno and, in NLMSG_ERROR, the request, of
    /// which there may be only the header (NLM_F_CAPPED).
    pub(super) fn words(&self) -> Option<&'a [u8]> {
        const NLMSGERR_ATTR_MSG: u16 = 1;
        let flags = u32::from(self.flags);
        if flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let capped = flags & NLM_F_CAPPED != 0;
        let len = if capped { HEADER } else { u32_at(self.payload, 4)? as usize };
        let rest = self.payload.get(len.checked_add(4)?.next_multiple_of(4)..)?;
        split_by(find(rest, NLMSGERR_ATTR_MSG)?, 0).next()
    }
}

/// The value of the attribute `wanted` among `attributes`.
pub fn find(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    /// NLA_F_NESTED and NLA_F_NET_BYTEORDER (include/uapi/linux/netlink.h).
    const NLA_FLAGS: u16 = 0xc000;
    let mut rest = attributes;
    loop {
        let len = usize::from(u16_at(rest, 0)?);
        let value = rest.get(ATTRIBUTE..len)?;
        if u16_at(rest, 2)? & !NLA_FLAGS == wanted {
            return Some(value);
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
}
