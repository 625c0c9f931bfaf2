//! The network of a container, by rtnetlink alone.
//!
//! `Made::connect` is the launcher's: it makes each link in the container's network namespace, where
//! nothing of it has ever been on the host, and gives it addresses and routes there by a socket that
//! was opened inside, while the container's first process builds the root. What has to be on the host
//! (a veth's other end, a bridge) goes again when `Made` does.
//!
//! If the launcher is killed, the kernel takes away what goes with the namespace: links, and the other
//! ends of veths. Where that is not all (a bridge that nsinit made, an interface that was moved in, a
//! namespace that others keep), every link is noted in a pipe before it is made, and a process that
//! outlives the launcher reads the notes and takes back what they say.

mod bridge;
mod inside;
mod link;
mod lock;
mod look;
mod made;
pub mod netlink;
mod notes;
mod phys;
pub mod stats;
mod uapi;
mod veth;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use self::link::Origin;
use self::lock::Lock;
use self::look::{Nature, Seen, Settings, find, origin};
pub use self::made::{Made, remove_stale, take_over};
use self::netlink::Socket;
use self::notes::{How, Link, Links};
use self::uapi::*;
use crate::bytes::{Arena, Show};
use crate::error::{Context, Error, Result};
use crate::plan::{Kind, Network, NetworkKind, Plan, Source};
use crate::syscall::fd::AsFd;
use crate::syscall::netdevice::index;

/// As the plan's marks call the list.
const NETWORKS: &str = "networks";
/// The loopback interface is the first of every network namespace (include/net/flow.h).
const LOOPBACK_IFINDEX: u32 = 1;

/// Why a veth has no port.
const NO_BRIDGE: &str = "is not a bridge";

/// Brings the loopback interface of the caller's network namespace up. With that the kernel gives it
/// 127.0.0.1 and ::1.
pub fn loopback_up(arena: &Arena) -> Result<()> {
    loopback(&mut Socket::open(arena)?)
}

fn loopback(socket: &mut Socket) -> Result<()> {
    socket.requests.link((RTM_NEWLINK, 0), LOOPBACK_IFINDEX, "bring up", c"lo");
    socket.requests.flags(IFF_UP);
    socket.send()
}

/// Whether `connect` has anything to do.
pub fn is_needed(plan: &Plan) -> bool {
    let joined = matches!(plan.namespaces.get(Kind::Net), Source::Join(_));
    let more = |network: &Network| network.kind != NetworkKind::Loopback;
    joined || !plan.routes.is_empty() || plan.networks.iter().any(more)
}

/// Where a container's network is made.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The network namespace.
    pub namespace: BorrowedFd<'a>,
    /// It was there before the container and stays, so that what is made in it has to be taken back.
    pub joined: bool,
}

impl Site<'_> {
    /// Whether something inside has to be taken back.
    pub fn keeps(&self, plan: &Plan) -> bool {
        self.joined || plan.networks.iter().any(|network| network.kind == NetworkKind::Phys)
    }
}

/// Makes what the plan lists. Before the first thing that would not go by itself if this process
/// were killed, `outlive` is called: it has a process read the notes in the pipe of which it returns the end.
#[inline(never)]
pub fn connect(
    made: &mut Made,
    plan: &Plan,
    site: Site,
    outlive: &mut dyn FnMut() -> Result<OwnedFd>,
) -> Result<()> {
    made.open(Some(site.namespace)).map_err(|error| wrong_namespace(error, plan))?;
    let (Some(host), Some(inside)) = (&mut made.host, &mut made.inside) else { return Ok(()) };
    (made.at, made.kept) = (None, site.keeps(plan));
    let lock = Lock::take(host.namespace.as_fd())?;
    let entries = || plan.networks.iter().enumerate();
    let bridges = || entries().filter(|(_, network)| network.kind == NetworkKind::Bridge);
    let links = || entries().filter(|(_, network)| is_link(network));
    let lasting = site.keeps(plan) && links().next().is_some();
    if lasting || bridges().any(|(_, bridge)| bridge.create) {
        made.links.outlive(outlive)?;
    }
    for (n, network) in bridges() {
        mark(&mut made.at, n, "");
        made.links.note_bridge(network.name)?;
        bridge::ensure(&mut host.socket, network)?;
    }
    for (n, network) in links() {
        mark(&mut made.at, n, "name");
        // Whatever has its name later was made here.
        if index(inside.fd(), network.name).is_ok() {
            let error = Error::errno("make interface", network.name, Errno::EXIST);
            return Err(error.hint("there is one of this name already"));
        }
        let (key, name) = origin(network);
        mark(&mut made.at, n, key);
        let mut from = Seen::default();
        find(&mut host.socket, network, name, &mut from)?;
        mark(&mut made.at, n, "");
        if from.is_bridge
            && from.is_ours()
            && let Some(bridge) = network.bridge
        {
            // It may be the last that uses it, whoever made it.
            made.links.outlive(outlive)?;
            made.links.note_bridge(bridge)?;
        }
        // What goes with the namespace needs no more; but that takes the kernel a while, in which
        // the next container could not have the same id or MAC address on the same parent.
        let tracked = site.joined || network.parent.is_some() || network.kind != NetworkKind::Dummy;
        let mut none = Links::default();
        let links = if tracked { &mut made.links } else { &mut none };
        let result = make(&mut host.socket, inside, network, (site.namespace, &from), links);
        if result.is_err_and(|error| error.words().ends_with(NO_BRIDGE)) {
            mark(&mut made.at, n, key);
        }
        result?;
    }
    // From here on what has a port is in use.
    drop(lock);
    for (n, network) in links() {
        mark(&mut made.at, n, "");
        let index = inside::configure(inside, network)?;
        let moved = |link: &&Link| link.how == How::Moved && link.child == network.name;
        if let Some(moved) = made.links.list.iter().find(moved) {
            let moved = Link { index, ..*moved };
            made.links.note(&moved)?;
        }
    }
    // The container's process does so as well, but may not have come to it; a route can lead there.
    if plan.networks.iter().any(|network| network.kind == NetworkKind::Loopback) {
        loopback(inside)?;
    }
    inside::routes(inside, plan, &mut made.at)?;
    made.at = None;
    // A socket keeps its namespace.
    if !made.links.list.iter().any(|link| link.how.needs_inside()) {
        made.inside = None;
    }
    Ok(())
}

/// Notes the network that is being made, and which of its keys.
#[inline(never)]
fn mark(at: &mut Option<(&'static str, usize, &'static str)>, n: usize, key: &'static str) {
    *at = Some((NETWORKS, n, key));
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

/// Makes one link, and notes it in `links`: before it is made, as the answer may get lost.
#[inline(never)]
fn make(
    host: &mut Socket,
    inside: &mut Socket,
    network: &Network,
    (namespace, from): (BorrowedFd, &Seen),
    links: &mut Links,
) -> Result<()> {
    let mut origin = Origin { namespace, index: from.index, name: network.name, host: None };
    let mut link = Link {
        how: How::Inside,
        index: 0,
        host: network.host_interface_name.unwrap_or(c""),
        child: network.name,
        was: Settings::default(),
        nature: Nature::default(),
    };
    match network.kind {
        NetworkKind::Veth => return veth::make(host, network, origin, links),
        NetworkKind::Phys => {
            (link.how, link.was, link.nature) = (How::Moved, from.settings, from.nature);
        }
        _ => {
            // In Linux 6.1 (no more in 6.18) a new link must not be called like one of the sender's
            // namespace, wherever it goes: eth0 could not be made on a host that has one.
            let pid = rustix::process::getpid().as_raw_pid();
            link.host = host.arena.cstr(format_args!("ns{pid}")).doing("name", network.name)?;
            origin.name = link.host;
        }
    };
    links.note(&link)?;
    link::make(&mut host.requests, network, &origin);
    host.send().map_err(|error| explain(error, network, host))?;
    if link.how == How::Inside {
        link.index = index(inside.fd(), link.host).doing("find interface", network.name)?;
        links.note(&link)?;
        let requests = &mut inside.requests;
        requests.link((RTM_NEWLINK, 0), link.index, "name interface", network.name);
        requests.attribute(IFLA_IFNAME, network.name.to_bytes_with_nul());
        inside.send()?;
    }
    Ok(())
}

/// What the kernel means by EOPNOTSUPP: mostly that it lacks a module, which it does not name.
fn explain(error: Error, network: &Network, socket: &Socket) -> Error {
    let module = match network.kind {
        NetworkKind::Vlan => c"8021q",
        kind => kind.name(),
    };
    let module = module.to_str().unwrap_or("");
    let why = format_args!("the kernel has no {module} module (modprobe {module})");
    let words = error.words();
    match error.raw() {
        Some(Errno::OPNOTSUPP) if words.is_empty() && network.bridge.is_some() => {
            let bridge = Show(network.bridge.unwrap_or(c"").to_bytes());
            let why = socket.arena.str(format_args!("\"{bridge}\" {NO_BRIDGE}"));
            error.hint(why.unwrap_or(NO_BRIDGE))
        }
        Some(Errno::OPNOTSUPP) if words.is_empty() || words == "Unknown device type" => {
            socket.arena.str(why).map_or(error, |why| error.hint(why))
        }
        // Drivers have no words for it.
        Some(Errno::INVAL) if words.is_empty() && network.mtu != 0 => {
            error.hint("does it take such an mtu?")
        }
        _ => error,
    }
}

/// A MAC address for a bridge: local, and of one interface.
fn random_mac() -> [u8; 6] {
    let [_, _, _, a, b, c, d, e] = random();
    [0xfe, a, b, c, d, e]
}

/// Bytes that are nobody else's, as good as surely.
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

#[cfg(test)]
mod tests;
