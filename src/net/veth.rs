//! veth(4): a pair, one end on the host as a port of a bridge.

use core::ffi::CStr;

use rustix::io::Errno;

use super::link::{self, Origin};
use super::look::Settings;
use super::netlink::{Requests, Socket};
use super::notes::{How, Link, Links};
use super::{explain, inside, random};
use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::plan::{NAME_MAX, Network};
use crate::syscall::time::sleep;

/// So often a name is tried: a made-up one with another ending, a fixed one until what a container
/// that has just ended left of it is gone, for a fifth of a second.
const TRIES: u32 = 100;

/// Makes one.
pub fn make(
    host: &mut Socket,
    network: &Network,
    origin: Origin,
    links: &mut Links,
    arena: &Arena,
) -> Result<()> {
    // The highest of MAC addresses: a bridge without one of its own takes that of its lowest port.
    let [_, _, _, a, b, c, d, e] = random();
    let mac = [0xfe, a, b, c, d, e];
    let was = Settings { mac, ..Settings::default() };
    for tries in 1.. {
        let name = match network.host_interface_name {
            Some(name) => name,
            None => made_up(network.veth_prefix.unwrap_or(c"veth"), arena)?,
        };
        let link = Link { how: How::Veth, index: 0, host: name, child: network.name, was };
        // By its MAC address it is known, should it be made and the answer get lost. Once for a fixed
        // name: notes need room.
        if tries == 1 || network.host_interface_name.is_none() {
            links.note(link)?;
        }
        let mut requests = Requests::new();
        link::make(&mut requests, network, &Origin { host: Some((name, mac)), ..origin });
        match host.send(&mut requests, arena) {
            Ok(()) => {
                let index = inside::index(host, name).doing("find", name)?;
                links.note(Link { index, ..link })?;
                return hairpin(host, network, index, name, arena);
            }
            Err(error) if error.raw() == Some(Errno::EXIST) => {
                if tries == TRIES {
                    let error = Error::errno("make interface", name, Errno::EXIST);
                    return Err(error.hint("the host has one of this name already"));
                }
                if network.host_interface_name.is_some() {
                    sleep(2_000_000);
                }
            }
            Err(error) => return Err(explain(error, network, arena)),
        }
    }
    Ok(())
}

fn hairpin(
    host: &mut Socket,
    network: &Network,
    index: u32,
    name: &'static CStr,
    arena: &Arena,
) -> Result<()> {
    let mut requests = Requests::new();
    if network.hairpin_mode {
        link::hairpin(&mut requests, index, name);
    }
    host.send(&mut requests, arena)
}

/// The prefix and seven hexadecimal digits, as of 2014, or as many as there is room for.
fn made_up(prefix: &'static CStr, arena: &Arena) -> Result<&'static CStr> {
    let [_, random @ ..] = random();
    let digits = random.map(|byte| b"0123456789abcdef"[usize::from(byte % 16)]);
    let room = NAME_MAX.saturating_sub(prefix.count_bytes()).min(digits.len());
    arena.concat(&[prefix.to_bytes(), &digits[..room]]).doing("make up a name after", prefix)
}
