//! The network of a container, by rtnetlink alone.
//!
//! `Made::connect` is the launcher's: it makes each link in the container's network namespace, where
//! nothing of it has ever been on the host, and gives it addresses and routes there by a socket that
//! was opened inside, while the container's first process builds the root. What has to be on the host
//! (a veth's other end, a bridge) goes again when `Made` does.
//!
//! If the launcher is killed, the kernel takes away what goes with the namespace: links, the other
//! ends of veths, and it gives a network card back to the host. A bridge stays until the next user of
//! it ends.

mod bridge;
mod inside;
mod link;
mod made;
pub mod netlink;
pub mod stats;
mod uapi;
mod veth;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::thread::{NanosleepRelativeResult, Timespec, nanosleep};

use self::bridge::Lock;
use self::link::{Origin, info};
use self::made::{Host, Link, Links};
pub use self::made::{Made, remove_stale};
use self::netlink::{Requests, Socket};
use self::uapi::*;
use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::plan::{Kind, Network, NetworkKind, Plan, Source};
use crate::syscall::namespace::setns;
use crate::syscall::process::NewNamespaces;

/// The loopback interface is the first of every network namespace (include/net/flow.h).
const LOOPBACK_IFINDEX: u32 = 1;

/// Brings the loopback interface of the caller's network namespace up. With that the kernel gives it
/// 127.0.0.1 and ::1.
pub fn loopback_up(arena: &Arena) -> Result<()> {
    let mut requests = Requests::new();
    requests.add((RTM_NEWLINK, 0), &info(LOOPBACK_IFINDEX, IFF_UP, IFF_UP), "bring up", "lo");
    Socket::open()?.send(&mut requests, arena)
}

/// Whether `connect` has anything to do.
pub fn is_needed(plan: &Plan) -> bool {
    !plan.routes.is_empty() || plan.networks.iter().any(|net| net.kind != NetworkKind::Loopback)
}

/// Makes what the plan lists, in the network namespace `namespace`. `joined`: that was there before
/// the container and stays, so that what is made in it has to be taken back.
pub fn connect(made: &mut Made, plan: &Plan, namespace: BorrowedFd, joined: bool) -> Result<()> {
    let arena = made.arena;
    let host = made.host.insert(Host::open()?);
    let inside = open_in(namespace, host.namespace.as_fd());
    let inside = made.inside.insert(inside.map_err(|error| wrong_namespace(error, plan))?);
    let lock = Lock::take(host.namespace.as_fd())?;
    for network in plan.networks.iter().filter(|network| network.kind == NetworkKind::Bridge) {
        // As many fit as there are networks.
        let _ = made.bridges.push(network.name);
        bridge::ensure(&mut host.socket, network, arena)?;
    }
    let links = || plan.networks.iter().filter(|network| is_link(network));
    for network in links() {
        // Whatever has its name later was made here.
        if inside::index(inside, network.name).is_ok() {
            let error = Error::errno("make interface", network.name, Errno::EXIST);
            return Err(error.hint("there is one of this name already"));
        }
        // What goes with the namespace needs no more; but that takes the kernel a while, in which
        // the next container could not have the same id or MAC address on the same parent.
        let tracked = joined || network.parent.is_some() || network.kind != NetworkKind::Dummy;
        let mut none = Links::new();
        let links = if tracked { &mut made.links } else { &mut none };
        make(&mut host.socket, inside, network, namespace, links, arena)?;
    }
    // From here on what has a port is in use.
    drop(lock);
    for network in links() {
        let found = inside::configure(inside, network, arena)?;
        for link in &mut made.links {
            if let Link::Moved { index, child, .. } = link
                && *child == network.name
            {
                *index = found;
            }
        }
    }
    inside::routes(inside, plan, arena)?;
    // A socket keeps its namespace.
    if !made.links.iter().any(Link::needs_inside) {
        made.inside = None;
    }
    Ok(())
}

/// Whether it is a link in the container, beside lo.
fn is_link(network: &Network) -> bool {
    !matches!(network.kind, NetworkKind::Loopback | NetworkKind::Bridge)
}

/// A namespace that the file names can be of another kind, or none at all.
fn wrong_namespace(error: Error, plan: &Plan) -> Error {
    match (error.raw(), plan.namespaces.get(Kind::Net)) {
        (Some(errno @ Errno::INVAL), Source::Join(path)) => {
            Error::errno("join", path, errno).hint("it is no network namespace")
        }
        _ => error,
    }
}

/// A socket in another network namespace; `here` is the caller's own.
fn open_in(namespace: BorrowedFd, here: BorrowedFd) -> Result<Socket> {
    let enter = |namespace| setns(namespace, NewNamespaces::NEWNET);
    enter(namespace).doing("enter the container's network namespace", ())?;
    let socket = Socket::open();
    enter(here).doing("return to the host's network namespace", ())?;
    socket
}

/// Makes one link, and notes it in `links`: before it is made, as the answer may get lost.
fn make(
    host: &mut Socket,
    inside: &mut Socket,
    network: &Network,
    namespace: BorrowedFd,
    links: &mut Links,
    arena: &Arena,
) -> Result<()> {
    let missing = "make the bridge, or list it as a network of its own with \"create\": true";
    let from = match network.kind {
        NetworkKind::Phys => network.host_interface_name,
        NetworkKind::Veth => network.bridge,
        _ => network.parent,
    };
    let index = match from {
        Some(name) => {
            let index = inside::index(host, name).doing("find the host's interface", name);
            index.map_err(|error| match (error.raw(), network.kind) {
                (Some(Errno::NODEV), NetworkKind::Veth) => error.hint(missing),
                _ => error,
            })?
        }
        None => 0,
    };
    let mut origin = Origin { namespace, index, name: network.name, host: None };
    let link = match (network.kind, from) {
        (NetworkKind::Veth, _) => return veth::make(host, network, origin, links, arena),
        (NetworkKind::Phys, Some(host)) => Link::Moved { index: 0, host, child: network.name },
        _ => {
            // In Linux 6.1 (no more in 6.18) a new link must not be called like one of the sender's
            // namespace, wherever it goes: eth0 could not be made on a host that has one.
            let pid = rustix::process::getpid().as_raw_pid();
            let name = arena.cstr(format_args!("ns{pid}")).doing("name", network.name)?;
            origin.name = name;
            Link::Inside { index: 0, name }
        }
    };
    // As many fit as there are networks.
    let _ = links.push(link);
    let mut requests = Requests::new();
    link::make(&mut requests, network, &origin);
    host.send(&mut requests, arena).map_err(|error| explain(error, network, arena))?;
    if let Link::Inside { name, .. } = link {
        let index = inside::index(inside, name).doing("find interface", network.name)?;
        if let Some(last) = links.last_mut() {
            *last = Link::Inside { index, name };
        }
        let mut requests = Requests::new();
        requests.add((RTM_NEWLINK, 0), &info(index, 0, 0), "name interface", network.name);
        requests.attribute(IFLA_IFNAME, network.name.to_bytes_with_nul());
        inside.send(&mut requests, arena)?;
    }
    Ok(())
}

/// What the kernel means by EOPNOTSUPP: mostly that it lacks a module, which it does not name.
fn explain(error: Error, network: &Network, arena: &Arena) -> Error {
    let module = match network.kind {
        NetworkKind::Vlan => c"8021q",
        kind => kind.name(),
    };
    let module = module.to_str().unwrap_or("");
    let why = format_args!("the kernel has no {module} module (modprobe {module})");
    match (error.raw(), error.words(), network.bridge) {
        (Some(Errno::OPNOTSUPP), "", Some(_)) => {
            error.hint("what it shall be a port of is no bridge")
        }
        (Some(Errno::OPNOTSUPP), "" | "Unknown device type", _) => {
            arena.str(why).map_or(error, |why| error.hint(why))
        }
        // Drivers have no words for it.
        (Some(Errno::INVAL), "", _) if network.mtu != 0 => error.hint("does it take such an mtu?"),
        _ => error,
    }
}

/// Six bytes that are nobody else's.
fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    // Early in a machine's life the kernel has none to give yet. Names that are taken are tried anew
    // in any case, and nothing here is a secret.
    if getrandom(&mut bytes, GetRandomFlags::NONBLOCK).is_err() {
        let pid = rustix::process::getpid().as_raw_pid() as u64;
        bytes = pid.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    }
    bytes
}

fn pause(nanoseconds: i64) {
    let mut time = Timespec { tv_sec: 0, tv_nsec: nanoseconds as _ };
    while let NanosleepRelativeResult::Interrupted(rest) = nanosleep(&time) {
        time = rest;
    }
}

#[cfg(test)]
mod tests;
