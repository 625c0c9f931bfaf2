//! veth(4): a pair, one end on the host as a port of a bridge.

use core::ffi::CStr;

use rustix::io::Errno;

use super::link::{self, Origin};
use super::look::{Nature, Settings};
use super::netlink::Socket;
use super::notes::{How, Link, Links};
use super::{explain, random};
use crate::bytes::{Arena, Short};
use crate::error::{Context, Error, Result};
use crate::plan::{NAME_MAX, Network};
use crate::syscall::netdevice::index;
use crate::syscall::time::sleep;

/// The MAC address of every end on the host, the highest of one interface. A bridge that has no address of
/// its own takes the lowest of its ports', which would change with each container that comes or goes, and
/// those who speak with it would not reach it until they ask anew. The kernel minds it as little as the
/// wire does: what is sent to it is for the bridge in any case.
const MAC: [u8; 6] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];

/// So often a name is tried: a made-up one with another ending, a fixed one until what a container
/// that has just ended left of it is gone, for a fifth of a second.
const TRIES: u32 = 100;

/// Makes one.
#[inline(never)]
pub fn make(
    host: &mut Socket,
    network: &Network,
    mut origin: Origin,
    links: &mut Links,
) -> Result<()> {
    for tries in 1.. {
        let name = match network.host_interface_name {
            Some(name) => name,
            None => made_up(network.veth_prefix.unwrap_or(c"veth"), host.arena)?,
        };
        let (was, nature) = (Settings::default(), Nature::default());
        let mut link =
            Link { how: How::Veth, index: 0, host: name, child: network.name, was, nature };
        // Once for a fixed name: notes need room.
        if tries == 1 || network.host_interface_name.is_none() {
            links.note(&link)?;
        }
        origin.host = Some((name, MAC));
        link::make(&mut host.requests, network, &origin);
        match host.send() {
            Ok(()) => {
                link.index = index(host.fd(), name).doing("find", name)?;
                links.note(&link)?;
                if network.hairpin_mode {
                    link::hairpin(&mut host.requests, link.index, name);
                }
                return host.send();
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
            Err(error) => return Err(explain(error, network, host)),
        }
    }
    Ok(())
}

/// The prefix and seven hexadecimal digits, as of 2014, or as many as there is room for.
fn made_up(prefix: &'static CStr, arena: &Arena) -> Result<&'static CStr> {
    let [.., a, b, c, d] = random();
    let digits = Short::<8>::new(format_args!("{:07x}", u32::from_le_bytes([a, b, c, d & 15])));
    let digits = digits.as_cstr().to_bytes();
    let fitting = digits.get(..NAME_MAX.saturating_sub(prefix.count_bytes())).unwrap_or(digits);
    arena.concat(&[prefix.to_bytes(), fitting]).doing("make up a name after", prefix)
}
