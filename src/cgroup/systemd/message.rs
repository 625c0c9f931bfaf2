//! D-Bus messages in fixed memory (the D-Bus specification, "Type system" and "Message protocol"):
//! little-endian on every machine, which each message says of itself.

/// Longest message that is written or read: what a scope of 8192 CPUs takes. What systemd says of a job
/// is much less.
pub const SIZE: usize = 4096;
/// Bytes of a header before its fields.
const FIXED: usize = 16;

/// Types of messages: why a call failed.
pub const ERROR: u8 = 3;
/// A signal.
pub const SIGNAL: u8 = 4;

/// Codes of header fields.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// The path, the interface, the method, who is asked, and the types of the arguments, if there are any.
pub type Call = [&'static str; 5];

/// A method call without its arguments, put together when nsinit is built: of this length.
pub const fn call<const LEN: usize>(call: Call) -> [u8; LEN] {
    const FIELDS: [[u8; 2]; 5] =
        [[PATH, b'o'], [INTERFACE, b's'], [MEMBER, b's'], [DESTINATION, b's'], [SIGNATURE, b'g']];
    let mut out = [0; LEN];
    // Little-endian, a method call, no flags, version 1; the length of the body and the serial number
    // come later.
    (out[0], out[1], out[3]) = (b'l', 1, 1);
    let (mut at, mut field) = (FIXED, 0);
    while field < FIELDS.len() && !call[field].is_empty() {
        let [code, kind] = FIELDS[field];
        let text = call[field].as_bytes();
        at = at.next_multiple_of(8);
        (out[at], out[at + 1], out[at + 2]) = (code, 1, kind);
        // The length of a signature is one byte, of a string four.
        (out[at + 4], at) = (text.len() as u8, at + if kind == b'g' { 5 } else { 8 });
        let mut n = 0;
        while n < text.len() {
            out[at + n] = text[n];
            n += 1;
        }
        at += text.len() + 1;
        field += 1;
    }
    out[12] = (at - FIXED) as u8;
    assert!(at.next_multiple_of(8) == LEN);
    out
}

/// A message that is put together. One that does not fit has `None` as its bytes.
pub struct Writer {
    bytes: [u8; SIZE],
    len: usize,
    body: usize,
}

impl Writer {
    /// What `call` has put together; its arguments are next.
    pub fn call(call: &[u8], serial: u32) -> Writer {
        let mut out = Writer { bytes: [0; SIZE], len: 0, body: call.len() };
        out.push(call);
        out.patch(8, serial);
        out
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
        }
        self.len = end;
    }

    /// Zeros up to a multiple of `n`.
    pub fn align(&mut self, n: usize) {
        self.len = self.len.next_multiple_of(n);
    }

    /// A number of 32 bits.
    pub fn u32(&mut self, n: u32) {
        self.align(4);
        self.push(&n.to_le_bytes());
    }

    /// A number of 64 bits.
    pub fn u64(&mut self, n: u64) {
        self.align(8);
        self.push(&n.to_le_bytes());
    }

    /// A string, or the path of an object.
    pub fn string(&mut self, text: &[u8]) {
        self.bytes(text);
        self.push(b"\0");
    }

    /// An array of bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u32(bytes.len() as u32);
        self.push(bytes);
    }

    /// A property, of which the value comes next: its name, and the type of that.
    pub fn property(&mut self, name: &[u8], kind: &str) {
        self.align(8);
        self.string(name);
        self.push(&[kind.len() as u8]);
        self.push(kind.as_bytes());
        self.push(b"\0");
    }

    /// Begins an array whose elements are aligned to `n`; what `end` takes.
    pub fn array(&mut self, n: usize) -> usize {
        self.u32(0);
        let at = self.len;
        self.align(n);
        at
    }

    /// Ends it: its length does not count what aligns its first element.
    pub fn end(&mut self, array: usize, n: usize) {
        let len = self.len.saturating_sub(array.next_multiple_of(n)) as u32;
        self.patch(array - 4, len);
    }

    fn patch(&mut self, at: usize, n: u32) {
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&n.to_le_bytes());
        }
    }

    /// The whole message; `None` if it is longer than `SIZE`.
    pub fn finish(&mut self) -> Option<&[u8]> {
        self.patch(4, (self.len - self.body) as u32);
        self.bytes.get(..self.len)
    }
}

/// A message that was received.
pub struct Message<'a> {
    /// ERROR, SIGNAL, …
    pub kind: u8,
    /// The serial number of the call that it answers; 0 for none.
    pub reply: u32,
    /// The signal's name.
    pub member: &'a [u8],
    /// What it says.
    pub body: Reader<'a>,
}

/// The length of the message whose first bytes these are; `None` while there are too few.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize);
    let (body, fields) = (number(4)?, number(12)?);
    Some(FIXED.saturating_add(fields).next_multiple_of(8).saturating_add(body))
}

/// Takes a whole message apart. `None`: it is not what the specification says, or big-endian.
pub fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let (order, kind) = (*bytes.first()?, *bytes.get(1)?);
    let mut header = Reader { bytes, at: 12 };
    let end = FIXED + header.u32()? as usize;
    let mut message = Message { kind, reply: 0, member: b"", body: Reader { bytes, at: 0 } };
    while header.at < end {
        header.align(8);
        let code = header.byte()?;
        match header.signature()? {
            b"u" if code == REPLY_SERIAL => message.reply = header.u32()?,
            b"u" => drop(header.u32()?),
            b"g" => drop(header.signature()?),
            _ if code == MEMBER => message.member = header.string()?,
            _ => drop(header.string()?),
        }
    }
    message.body.at = end.next_multiple_of(8);
    (order == b'l').then_some(message)
}

/// Reads values one by one.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn align(&mut self, n: usize) {
        self.at = self.at.next_multiple_of(n);
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A number of 32 bits.
    pub fn u32(&mut self) -> Option<u32> {
        self.align(4);
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    /// A string, or the path of an object.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()? as usize;
        self.text(len)
    }

    fn signature(&mut self) -> Option<&'a [u8]> {
        let len = self.byte()?.into();
        self.text(len)
    }

    fn text(&mut self, len: usize) -> Option<&'a [u8]> {
        let text = self.take(len)?;
        self.take(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::HELLO;
    use super::*;

    #[test]
    fn hello_byte_for_byte() {
        // As libdbus sends it, but for the order of the fields, which is free.
        let mut want = b"l\x01\0\x01\0\0\0\0\x01\0\0\0\x6d\0\0\0".to_vec();
        want.extend(b"\x01\x01o\0\x15\0\0\0/org/freedesktop/DBus\0\0\0");
        want.extend(b"\x02\x01s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0");
        want.extend(b"\x03\x01s\0\x05\0\0\0Hello\0\0\0");
        want.extend(b"\x06\x01s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0");
        let mut message = Writer::call(&HELLO, 1);
        assert_eq!(message.finish(), Some(&want[..]));
        assert_eq!(length(&want), Some(want.len()));
        assert_eq!(length(&want[..15]), None);
    }

    #[test]
    fn an_array_does_not_count_what_aligns_its_first_element() {
        let mut message = Writer::call(&HELLO, 2);
        let array = message.array(8);
        message.property(b"A", "t");
        message.u64(u64::MAX);
        message.end(array, 8);
        let bytes = message.finish().unwrap().to_vec();
        let body = &bytes[bytes.len() - 32..];
        assert_eq!(&body[..8], b"\x18\0\0\0\0\0\0\0");
        assert_eq!(
            &body[8..],
            b"\x01\0\0\0A\0\x01t\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"
        );
        assert_eq!(bytes[4], 32);
    }

    #[test]
    fn what_was_written_is_read_and_nothing_shorter() {
        const CALL: [u8; 88] = call(["/a", "b", "Member", "c", "us"]);
        let mut message = Writer::call(&CALL, 3);
        message.u32(7);
        message.string(b"seven");
        let bytes = message.finish().unwrap().to_vec();
        let mut got = parse(&bytes).unwrap();
        assert_eq!((got.kind, got.reply, got.member), (1, 0, &b"Member"[..]));
        assert_eq!(
            (got.body.u32(), got.body.string(), got.body.u32()),
            (Some(7), Some(&b"seven"[..]), None)
        );
        for len in 0..bytes.len() {
            if let Some(mut got) = parse(&bytes[..len]) {
                assert!(got.body.u32().is_none() || got.body.string().is_none(), "{len}");
            }
        }
        let mut big = bytes.clone();
        big[0] = b'B';
        assert!(parse(&big).is_none());
    }

    #[test]
    fn any_bytes_at_all_are_no_panic() {
        let mut message = Writer::call(&HELLO, 4);
        let bytes = message.finish().unwrap().to_vec();
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                let _ = (length(&bytes), parse(&bytes).map(|mut m| m.body.string().is_some()));
            }
        }
    }

    #[test]
    fn one_that_does_not_fit_is_none() {
        let mut message = Writer::call(&HELLO, 5);
        message.string("x".repeat(SIZE).as_bytes());
        assert_eq!(message.finish(), None);
    }
}
