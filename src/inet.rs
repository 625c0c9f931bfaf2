//! Internet addresses as text (RFC 4291, 2.2; inet_pton(3)), in a third of the code of `core::net`'s
//! reader.

use core::ffi::CStr;

use rustix::net::AddressFamily;

use crate::bytes::{number, split_by};

/// An address in network order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ip {
    /// "172.17.0.2"
    V4([u8; 4]),
    /// "fe80::1", "::ffff:172.17.0.2"
    V6([u8; 16]),
}

impl Ip {
    /// The address that `text` is, if it is one.
    pub fn parse(text: &[u8]) -> Option<Ip> {
        match text.contains(&b':') {
            true => v6(text).map(Ip::V6),
            false => v4(text).map(Ip::V4),
        }
    }

    /// An address and the length of its network's prefix: "172.17.0.2/16".
    pub fn parse_with_prefix(text: &[u8]) -> Option<(Ip, u8)> {
        let slash = text.iter().position(|byte| *byte == b'/')?;
        let (address, prefix) = text.split_at(slash);
        let ip = Ip::parse(address)?;
        let most = if ip.is_v4() { 32 } else { 128 };
        let prefix = number(prefix.get(1..)?, 10).filter(|prefix| *prefix <= most)?;
        Some((ip, prefix as u8))
    }

    /// Whether it is one of four bytes.
    pub fn is_v4(self) -> bool {
        matches!(self, Ip::V4(_))
    }

    /// Its bytes in network order, as the kernel takes them.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Ip::V4(bytes) => bytes,
            Ip::V6(bytes) => bytes,
        }
    }

    /// AF_INET or AF_INET6.
    pub fn family(self) -> u8 {
        let family = if self.is_v4() { AddressFamily::INET } else { AddressFamily::INET6 };
        family.as_raw() as u8
    }
}

/// An address, or a network, as a configuration has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The address; of a network, without the bits beyond the prefix.
    pub ip: Ip,
    /// How many bits are the network's; all of them, where no prefix is given.
    pub prefix: u8,
    /// How it is written.
    pub text: &'static CStr,
}

impl Address {
    /// The network that the address is in.
    #[inline(never)]
    pub fn network(mut self) -> Address {
        let bytes: &mut [u8] = match &mut self.ip {
            Ip::V4(bytes) => bytes,
            Ip::V6(bytes) => bytes,
        };
        for (n, byte) in (0u8..).zip(bytes) {
            let ours = self.prefix.saturating_sub(n * 8).min(8);
            *byte &= !(0xff_u16 >> ours) as u8;
        }
        self
    }

    /// Whether `ip` is in the network of this address.
    #[inline(never)]
    pub fn has(&self, ip: &Ip) -> bool {
        let other = Address { ip: *ip, ..*self };
        self.network().ip == other.network().ip
    }
}

/// Four numbers. One with a 0 before it is refused: to some programs it is octal.
fn v4(text: &[u8]) -> Option<[u8; 4]> {
    let mut out = [0; 4];
    let mut parts = split_by(text, b'.');
    for byte in &mut out {
        let part = parts.next()?;
        let n = number(part, 10).filter(|_| part.len() == 1 || !part.starts_with(b"0"))?;
        *byte = n.try_into().ok()?;
    }
    parts.next().is_none().then_some(out)
}

/// Eight groups; "::" stands for one group of zeros or more.
fn v6(text: &[u8]) -> Option<[u8; 16]> {
    let mut out = [0; 16];
    let Some(gap) = text.windows(2).position(|pair| pair == b"::") else {
        return (groups(text, &mut out)? == out.len()).then_some(out);
    };
    let mut end = [0; 16];
    let before = text.get(..gap).filter(|before| !before.contains(&b'.'))?;
    let before = groups(before, &mut out)?;
    let after = groups(text.get(gap + 2..)?, &mut end)?;
    if before + after > out.len() - 2 {
        return None;
    }
    for (to, from) in out.iter_mut().rev().zip(end.iter().take(after).rev()) {
        *to = *from;
    }
    Some(out)
}

/// The bytes of the groups in `text`, which may be none; an IPv4 address can be the last two.
fn groups(text: &[u8], out: &mut [u8]) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut len = 0;
    let mut last = false;
    for group in split_by(text, b':') {
        let (bytes, n) = match group.contains(&b'.') {
            _ if last => return None,
            true => (v4(group)?, 4),
            false => {
                let n = number(group, 16).filter(|_| group.len() <= 4)?;
                (((n as u32) << 16).to_be_bytes(), 2)
            }
        };
        last = n == 4;
        for (to, from) in out.get_mut(len..len + n)?.iter_mut().zip(bytes) {
            *to = from;
        }
        len += n;
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    /// The standard library's verdict.
    fn std_ip(text: &str) -> Option<Ip> {
        text.parse().ok().map(|ip| match ip {
            IpAddr::V4(ip) => Ip::V4(ip.octets()),
            IpAddr::V6(ip) => Ip::V6(ip.octets()),
        })
    }

    #[test]
    fn addresses_are_what_the_standard_library_takes_them_for() {
        for text in [
            "0.0.0.0",
            "172.17.0.101",
            "255.255.255.255",
            "256.1.1.1",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.4 ",
            "",
            ":",
            "::",
            ":::",
            "::1",
            "1::",
            "fe80::1",
            "2001:db8:0:1:1:1:1:1",
            "2001:DB8::A",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1::2::3",
            "1:::2",
            "1:",
            ":1",
            "12345::",
            "::g",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "::1.2.3.4:5",
            "::1.2.3",
            "1.2.3.4::",
            "1:1.2.3.4::",
        ] {
            assert_eq!(Ip::parse(text.as_bytes()), std_ip(text), "{text}");
        }
    }

    #[test]
    fn a_network_is_its_own_bits() {
        let address = |text: &'static CStr| {
            let (ip, prefix) = Ip::parse_with_prefix(text.to_bytes()).unwrap();
            Address { ip, prefix, text }
        };
        let network = |text| address(text).network().ip;
        assert_eq!(network(c"10.1.2.3/8"), Ip::V4([10, 0, 0, 0]));
        assert_eq!(network(c"10.1.2.255/25"), Ip::V4([10, 1, 2, 128]));
        assert_eq!(network(c"10.1.2.3/32"), Ip::V4([10, 1, 2, 3]));
        assert_eq!(network(c"10.1.2.3/0"), Ip::V4([0; 4]));
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&[0xfe, 0x80]);
        assert_eq!(network(c"febf::1/10"), Ip::V6(bytes));
        assert_eq!(network(c"fd00::1/128"), Ip::parse(b"fd00::1").unwrap());
        let has = |text, ip: &str| address(text).has(&Ip::parse(ip.as_bytes()).unwrap());
        assert!(has(c"10.0.0.2/8", "10.255.0.1") && !has(c"10.0.0.2/8", "11.0.0.1"));
        assert!(has(c"10.0.0.2/31", "10.0.0.3") && !has(c"10.0.0.2/31", "10.0.0.4"));
        assert!(has(c"fd00::2/127", "fd00::3") && !has(c"fd00::2/127", "fd00::4"));
        assert!(has(c"0.0.0.0/0", "9.9.9.9") && !has(c"0.0.0.0/0", "::1"));
    }

    #[test]
    fn prefixes_are_no_longer_than_the_address() {
        let prefix = |text: &str| Ip::parse_with_prefix(text.as_bytes()).map(|(_, prefix)| prefix);
        assert_eq!(prefix("172.17.0.101/16"), Some(16));
        assert_eq!(prefix("1.2.3.4/32"), Some(32));
        assert_eq!(prefix("::/128"), Some(128));
        for bad in
            ["1.2.3.4", "1.2.3.4/33", "::/129", "1.2.3.4/+1", "1.2.3.4/", "/8", "1.2.3.4/8/8"]
        {
            assert_eq!(prefix(bad), None, "{bad}");
        }
    }
}
