//! Addresses: what nsinit takes for one, the standard library takes for the same one.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use nsinit::inet::{Address, Ip};

fuzz_target!(|text: &[u8]| {
    let theirs = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    let theirs = theirs.map(|ip| match ip {
        IpAddr::V4(ip) => Ip::V4(ip.octets()),
        IpAddr::V6(ip) => Ip::V6(ip.octets()),
    });
    let ours = Ip::parse(text);
    assert_eq!(ours, theirs);
    let Some(ip) = ours else { return };
    for prefix in 0..=ip.bytes().len() as u8 * 8 {
        let with = [text, b"/", prefix.to_string().as_bytes()].concat();
        assert_eq!(Ip::parse_with_prefix(&with), Some((ip, prefix)));
        let network = Address { ip, prefix, text: c"" }.network();
        assert!(network.has(&ip) && network.network() == network);
    }
});
