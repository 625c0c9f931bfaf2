//! Requests, put together in a fixed buffer.

use heapless::Vec;
use linux_raw_sys::netlink::{NLM_F_ACK, NLM_F_REQUEST};
use rustix::io::Errno;

use super::super::uapi::IFF_UP;
use super::{HEADER, set_u32};
use crate::error::Object;

/// Bytes of all requests that are sent at once. The longest of them, a veth pair with everything, has
/// about 250.
pub const ROOM: usize = 2048;
/// Most requests that are sent at once.
pub const COUNT: usize = 12;

/// Some requests, which the kernel answers in this order. What does not fit is noted, and refused
/// when they are sent: a length field that overflowed would let one value pass for several attributes
/// (CVE-2021-43784).
#[derive(Default)]
pub struct Requests {
    bytes: Vec<u8, ROOM>,
    pub(super) tasks: Vec<Task, COUNT>,
    last: usize,
    overflow: bool,
}

/// What a request is for, in case that it is refused.
#[derive(Clone, Copy, Default)]
pub struct Task {
    pub doing: &'static str,
    pub on: Object,
}

/// A nest that is open: its attributes follow.
#[must_use]
pub struct Nest(usize);

/// sizeof(struct ifinfomsg): family, padding, type, index, flags, and which of these are meant.
pub const LINK: usize = 16;

impl Requests {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.tasks.clear();
        (self.last, self.overflow) = (0, false);
    }

    /// Begins a request about the link `index`, or a new one (0).
    pub fn link(
        &mut self,
        request: (u16, u16),
        index: u32,
        doing: &'static str,
        on: impl Into<Object>,
    ) {
        self.add(request, &[0; LINK], doing, on);
        self.field(4, index);
    }

    /// Has the link of the last request brought up (IFF_UP) or down (0).
    pub fn flags(&mut self, flags: u32) {
        self.field(8, flags);
        self.field(12, IFF_UP);
    }

    fn field(&mut self, at: usize, value: u32) {
        self.overflow |= set_u32(&mut self.bytes, self.last + HEADER + at, value).is_none();
    }

    /// Begins a request of type `kind` (RTM_*) with NLM_F_* `flags`, and the structure that this type
    /// begins with (struct ifinfomsg, ifaddrmsg, rtmsg). Its attributes follow.
    pub fn add(
        &mut self,
        request: (u16, u16),
        fixed: &[u8],
        doing: &'static str,
        on: impl Into<Object>,
    ) {
        self.open(request, fixed, Task { doing, on: on.into() });
    }

    fn open(&mut self, (kind, flags): (u16, u16), fixed: &[u8], task: Task) {
        self.close();
        self.last = self.bytes.len();
        self.overflow |= self.tasks.push(task).is_err();
        // Length, flags and sequence number are completed later; port 0 is the kernel's.
        self.put(&[0; 4]);
        self.put(&kind.to_ne_bytes());
        self.put(&(flags | NLM_F_REQUEST as u16).to_ne_bytes());
        self.put(&[0; 8]);
        self.put(fixed);
        self.pad();
    }

    /// Appends an attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        let nest = self.begin(kind);
        self.put(value);
        self.end(nest);
    }

    /// Opens an attribute that consists of attributes (IFLA_LINKINFO).
    pub fn begin(&mut self, kind: u16) -> Nest {
        self.begin_with(kind, &[])
    }

    /// The same with a structure before them (VETH_INFO_PEER).
    pub fn begin_with(&mut self, kind: u16, fixed: &[u8]) -> Nest {
        let nest = Nest(self.bytes.len());
        self.put(&[0; 2]);
        self.put(&kind.to_ne_bytes());
        self.put(fixed);
        nest
    }

    /// Closes it: its length is known now.
    pub fn end(&mut self, nest: Nest) {
        let len = u16::try_from(self.bytes.len().saturating_sub(nest.0));
        let field = self.bytes.get_mut(nest.0..nest.0 + 2);
        match (len, field) {
            (Ok(len), Some(field)) => field.copy_from_slice(&len.to_ne_bytes()),
            _ => self.overflow = true,
        }
        self.pad();
    }

    fn put(&mut self, bytes: &[u8]) {
        self.overflow |= self.bytes.extend_from_slice(bytes).is_err();
    }

    /// Everything begins at a multiple of four (NLMSG_ALIGN, NLA_ALIGN).
    fn pad(&mut self) {
        let len = self.bytes.len().next_multiple_of(4);
        self.overflow |= self.bytes.resize_default(len).is_err();
    }

    /// The length of the last request is known now.
    fn close(&mut self) {
        let len = self.bytes.len().saturating_sub(self.last) as u32;
        if len != 0 {
            self.overflow |= set_u32(&mut self.bytes, self.last, len).is_none();
        }
    }

    /// The bytes to send: the first request has the number `sequence`, the others those after it. Only
    /// the last asks for an answer; refused ones are answered in any case.
    pub(super) fn finish(&mut self, sequence: u32) -> rustix::io::Result<&[u8]> {
        self.close();
        let flags =
            self.bytes.get_mut(self.last + 6).filter(|_| !self.overflow).ok_or(Errno::MSGSIZE)?;
        *flags |= NLM_F_ACK as u8;
        let (mut at, mut sequence) = (0, sequence);
        while let Some(len) = super::u32_at(&self.bytes, at) {
            set_u32(&mut self.bytes, at + HEADER - 8, sequence).ok_or(Errno::MSGSIZE)?;
            at += len as usize;
            sequence = sequence.wrapping_add(1);
        }
        Ok(&self.bytes)
    }
}
