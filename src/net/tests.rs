//! Each test is a thread in network namespaces of its own: unshare(2) takes one thread along.

use std::ffi::CStr;
use std::process::Command;

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, Ipv4Addr, SocketAddrV4, SocketType, connect, socket};

use super::link::GROUP;
use super::*;
use crate::inet::{Address, Ip};
use crate::plan::Route;
use crate::syscall::namespace::unshare;

/// Into a new network namespace.
fn new_namespace() -> OwnedFd {
    unshare(NewNamespaces::NEWNET).unwrap();
    Host::open().unwrap().namespace
}

fn arena() -> Arena {
    Arena::new(vec![0; 1 << 16].leak())
}

fn ip(words: &str) -> String {
    let out = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(out.status.success(), "ip {words}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// The links, addresses and routes of the caller's namespace.
fn state() -> String {
    ip("-d link") + &ip("addr") + &ip("route show table all") + &ip("-6 route show table all")
}

fn address(text: &'static CStr) -> Option<Address> {
    let (ip, prefix) = Ip::parse_with_prefix(text.to_bytes()).unwrap();
    Some(Address { ip, prefix, text })
}

fn network(kind: NetworkKind, name: &'static CStr) -> Network {
    Network {
        kind,
        name,
        bridge: None,
        veth_prefix: None,
        host_interface_name: None,
        parent: None,
        mac_address: None,
        address: None,
        gateway: None,
        ipv6_address: None,
        ipv6_gateway: None,
        on_link: false,
        mtu: 0,
        txqueuelen: 0,
        hairpin_mode: false,
        create: false,
        id: 0,
        mode: 0,
    }
}

/// A bridge that is made, and a port of it.
fn plan() -> Box<Plan> {
    let mut plan = Box::new(Plan::new());
    let bridge = Network {
        create: true,
        address: address(c"10.1.0.1/24"),
        ..network(NetworkKind::Bridge, c"brt")
    };
    let veth = Network {
        bridge: Some(c"brt"),
        veth_prefix: Some(c"v"),
        address: address(c"10.1.0.2/24"),
        gateway: address(c"10.1.0.1/32"),
        ipv6_address: address(c"fd01::2/64"),
        mtu: 1400,
        txqueuelen: 9,
        mac_address: Some([2, 0, 0, 0, 0, 5]),
        ..network(NetworkKind::Veth, c"eth0")
    };
    plan.networks.push(bridge).unwrap();
    plan.networks.push(veth).unwrap();
    plan
}

fn reach_loopback() -> rustix::io::Result<()> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9))
}

#[test]
fn loopback_works_once_it_is_up() {
    new_namespace();
    assert_eq!(reach_loopback(), Err(Errno::NETUNREACH));
    loopback_up(&arena()).unwrap();
    loopback_up(&arena()).unwrap();
    assert_eq!(reach_loopback(), Ok(()));
}

#[test]
fn what_is_made_is_as_planned_and_goes_without_a_trace() {
    let inside = new_namespace();
    let host = new_namespace();
    let (before, arena) = (state(), arena());
    let mut plan = plan();
    let route = Route {
        destination: address(c"10.2.0.0/16"),
        source: address(c"10.1.0.2/32"),
        gateway: None,
        interface_name: None,
        on_link: false,
    };
    plan.routes.push(route).unwrap();
    // Joined: the namespace lives on, and nothing goes by itself.
    let mut made = Made::new(&arena);
    super::connect(&mut made, &plan, inside.as_fd(), true).unwrap();
    let (name, child) = made.veths().next().unwrap();
    assert_eq!(child, c"eth0");
    let name = name.to_str().unwrap();
    assert!(name.len() == 8 && name.starts_with('v'), "{name}");
    let link = ip(&format!("-d link show {name}"));
    for word in ["mtu 1400", "master brt", "qlen 9", "group 28275", "link/ether fe:", ",UP,"] {
        assert!(link.contains(word), "no {word:?} in {link}");
    }
    assert!(ip("addr show brt").contains("inet 10.1.0.1/24"));
    setns(inside.as_fd(), NewNamespaces::NEWNET).unwrap();
    let text = ip("addr show eth0");
    let words =
        ["mtu 1400", "qlen 9", "02:00:00:00:00:05", "10.1.0.2/24", "fd01::2/64 scope global nodad"];
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    assert!(!text.contains("tentative") || text.matches("tentative").count() == 1, "{text}");
    let routes = ip("route");
    assert!(routes.contains("default via 10.1.0.1 dev eth0"), "{routes}");
    assert!(routes.contains("10.2.0.0/16 dev eth0 scope link src 10.1.0.2"), "{routes}");
    setns(host.as_fd(), NewNamespaces::NEWNET).unwrap();
    made.take_back().unwrap();
    assert_eq!(state(), before);
}

#[test]
fn a_failure_half_way_takes_back_what_was_made() {
    let inside = new_namespace();
    let empty = state();
    let host = new_namespace();
    ip("link add p0 type veth peer name p1");
    let (before, arena) = (ip("link"), arena());
    let mut plan = plan();
    let moved = Network { host_interface_name: Some(c"p1"), ..network(NetworkKind::Phys, c"eth1") };
    plan.networks.push(moved).unwrap();
    let macvlan =
        Network { parent: Some(c"lo"), mode: 4, ..network(NetworkKind::Macvlan, c"eth2") };
    plan.networks.push(macvlan).unwrap();
    let mut made = Made::new(&arena);
    let error = super::connect(&mut made, &plan, inside.as_fd(), true).unwrap_err().to_string();
    let want = "make interface eth2: Invalid argument (EINVAL)";
    assert_eq!(error, want);
    assert!(ip("link").contains("brt:") && !ip("link").contains("p1@p0:"));
    drop(made);
    // What was moved comes back last, and down as it was.
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text
            .lines()
            .map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned())
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&ip("link")), sorted(&before));
    setns(inside.as_fd(), NewNamespaces::NEWNET).unwrap();
    assert_eq!(state(), empty);
    setns(host.as_fd(), NewNamespaces::NEWNET).unwrap();
}

#[test]
fn a_bridge_stays_while_it_has_a_port_and_only_nsinits_own_is_removed() {
    let inside = new_namespace();
    let _host = new_namespace();
    let arena = arena();
    let make = || {
        let mut made = Made::new(&arena);
        super::connect(&mut made, &plan(), inside.as_fd(), true).unwrap();
        made
    };
    let first = make();
    let mut second = Made::new(&arena);
    let mut other = plan();
    other.networks[1].name = c"eth1";
    other.networks[1].address = address(c"10.1.0.3/24");
    other.networks[1].gateway = None;
    other.networks[1].ipv6_address = None;
    super::connect(&mut second, &other, inside.as_fd(), true).unwrap();
    drop(first);
    assert!(ip("link").contains("brt:"));
    drop(second);
    assert!(!ip("link").contains("brt:"));
    ip("link add brt type bridge");
    ip("link set brt up");
    drop(make());
    assert!(ip("link").contains("brt:"));
    assert!(!ip("addr show brt").contains("10.1.0.1"), "it got an address that is not its own");
    ip(&format!("link set brt group {GROUP}"));
    drop(make());
    assert!(!ip("link").contains("brt:"));
}

#[test]
fn a_veth_that_a_killed_launcher_left_goes_and_nothing_else_does() {
    let inside = new_namespace();
    let _host = new_namespace();
    let arena = arena();
    let mut made = Made::new(&arena);
    super::connect(&mut made, &plan(), inside.as_fd(), true).unwrap();
    let name = made.veths().next().unwrap().0.to_str().unwrap();
    std::mem::forget(made);
    ip("link add other type veth peer name other1");
    remove_stale(&format!("gone,other,{name}"), &arena).unwrap();
    let left = ip("link");
    assert!(!left.contains(name) && left.contains("other@"), "{left}");
}

#[test]
fn the_counters_are_those_of_the_namespace() {
    let inside = new_namespace();
    ip("link set lo up");
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
    rustix::net::sendto(&socket, &[0; 100], rustix::net::SendFlags::empty(), &to).unwrap();
    let here = new_namespace();
    let mut all = Vec::new();
    let mut seen = |name: &CStr, counts| all.push((name.to_owned(), counts));
    stats::read(inside.as_fd(), &arena(), &mut seen).unwrap();
    let (_, counts) = all.iter().find(|(name, _)| name.as_c_str() == c"lo").unwrap();
    // The datagram with its headers, and the answer that nobody listens.
    assert!(counts[0] >= 128 && counts[1] >= 1 && counts[..2] == counts[4..6], "{counts:?}");
    let own = Host::open().unwrap().namespace;
    let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).unwrap().st_ino;
    assert_eq!(inode(&own), inode(&here));
}
