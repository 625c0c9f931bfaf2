//! Each test is a thread in network namespaces of its own: unshare(2) takes one thread along.

use std::ffi::CStr;
use std::process::Command;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, Ipv4Addr, SocketAddrV4, SocketType, connect, socket};

use super::link::GROUP;
use super::*;
use crate::inet::{Address, Ip};
use crate::plan::Route;
use crate::syscall::namespace::{setns, unshare};
use crate::syscall::process::NewNamespaces;

/// Into a new network namespace.
fn new_namespace() -> OwnedFd {
    unshare(NewNamespaces::NEWNET).unwrap();
    rustix::fs::open("/proc/thread-self/ns/net", OFlags::RDONLY, Mode::empty()).unwrap()
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

/// A bridge that is made, and a port of it.
fn plan() -> Box<Plan> {
    let mut plan = Box::new(Plan::new());
    let bridge = Network {
        create: true,
        address: address(c"10.1.0.1/24"),
        ..Network::new(NetworkKind::Bridge, c"brt")
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
        ..Network::new(NetworkKind::Veth, c"eth0")
    };
    plan.networks.push(bridge).unwrap();
    plan.networks.push(veth).unwrap();
    plan
}

/// In a namespace that lives on: nothing goes by itself. Nobody reads the notes.
fn connect_in(made: &mut Made, plan: &Plan, namespace: BorrowedFd) -> Result<()> {
    let mut outlive = || Ok(rustix::fs::open("/dev/null", OFlags::WRONLY, Mode::empty()).unwrap());
    super::connect(made, plan, Site { namespace, joined: true }, &mut outlive)
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
        interface_name: Some(c"eth0"),
        on_link: false,
    };
    plan.routes.push(route).unwrap();
    let mut made = Made::new(&arena);
    connect_in(&mut made, &plan, inside.as_fd()).unwrap();
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
    let moved =
        Network { host_interface_name: Some(c"p1"), ..Network::new(NetworkKind::Phys, c"eth1") };
    plan.networks.push(moved).unwrap();
    let macvlan =
        Network { parent: Some(c"lo"), mode: 4, ..Network::new(NetworkKind::Macvlan, c"eth2") };
    plan.networks.push(macvlan).unwrap();
    let mut made = Made::new(&arena);
    let error = connect_in(&mut made, &plan, inside.as_fd()).unwrap_err().to_string();
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
fn routes_before_one_that_has_no_interface_are_not_sent_later() {
    new_namespace();
    let arena = arena();
    loopback_up(&arena).unwrap();
    let mut plan = Box::new(Plan::new());
    for (destination, interface) in [(c"10.2.0.0/16", c"lo"), (c"10.3.0.0/16", c"none")] {
        let (destination, interface_name) = (address(destination), Some(interface));
        plan.routes.push(Route { destination, interface_name, ..Route::NOTHING }).unwrap();
    }
    let (mut socket, mut at) = (Socket::open(&arena).unwrap(), None);
    let error = inside::routes(&mut socket, &plan, &mut at).unwrap_err().to_string();
    assert_eq!(error, "add a route by interface none: No such device (ENODEV)");
    assert_eq!(at, Some(("routes", 1, "")));
    socket.send().unwrap();
    assert!(!ip("route show table all").contains("10.2"), "it was sent after all");
}

#[test]
fn a_bridge_stays_while_it_has_a_port_and_only_nsinits_own_is_removed() {
    let inside = new_namespace();
    let _host = new_namespace();
    let arena = arena();
    let make = || {
        let mut made = Made::new(&arena);
        connect_in(&mut made, &plan(), inside.as_fd()).unwrap();
        made
    };
    let first = make();
    let mut second = Made::new(&arena);
    let mut other = plan();
    other.networks[1].name = c"eth1";
    other.networks[1].address = address(c"10.1.0.3/24");
    other.networks[1].gateway = None;
    other.networks[1].ipv6_address = None;
    connect_in(&mut second, &other, inside.as_fd()).unwrap();
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
    connect_in(&mut made, &plan(), inside.as_fd()).unwrap();
    let name = made.veths().next().unwrap().0.to_str().unwrap();
    std::mem::forget(made);
    ip("link add other type veth peer name other1");
    remove_stale(&std::ffi::CString::new(format!("gone,other,{name}")).unwrap(), &arena).unwrap();
    let left = ip("link");
    assert!(!left.contains(name) && left.contains("other@"), "{left}");
}

#[test]
fn the_statistics_are_those_of_the_namespace_of_the_process() {
    let host = new_namespace();
    ip("link add p0 type veth peer name p1");
    // A process whose namespace this thread is not in.
    let mut keeper = Command::new("unshare").args(["--net", "sleep", "60"]).spawn().unwrap();
    let namespace = format!("/proc/{}/ns/net", keeper.id());
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    while std::fs::read_link(&namespace).unwrap() == own {
        std::thread::yield_now();
    }
    for words in ["p1 netns KEEPER name eth0 mtu 1400", "p0 mtu 1400 up"] {
        ip(&format!("link set {words}").replace("KEEPER", &keeper.id().to_string()));
    }
    let inside =
        rustix::fs::open(namespace.as_str(), rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())
            .unwrap();
    setns(inside.as_fd(), NewNamespaces::NEWNET).unwrap();
    ip("link set lo up");
    ip("link set eth0 up");
    ip("addr add 10.1.0.2/24 dev eth0");
    ip("route add 224.0.0.0/4 dev eth0");
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    for to in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(224, 0, 0, 77)] {
        let to = SocketAddrV4::new(to, 9);
        rustix::net::sendto(&socket, &[0; 1000], rustix::net::SendFlags::empty(), &to).unwrap();
    }
    setns(host.as_fd(), NewNamespaces::NEWNET).unwrap();
    let mut all = Vec::new();
    let pid = rustix::process::Pid::from_raw(keeper.id() as i32).unwrap();
    let mut each = |name: &str, statistics: &stats::Statistics| {
        all.push((name.to_owned(), *statistics));
    };
    let sums = stats::statistics(pid, &arena(), &mut each).unwrap();
    assert_eq!(all, [("eth0".to_owned(), sums)]);
    // The datagram with its headers; what the kernel sends by itself is small.
    assert!(sums[4] >= 1042 && sums[5] >= 1 && sums[0] < 1042, "{sums:?}");
    let here = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    assert_eq!(here, own, "it came back");
    keeper.kill().unwrap();
    keeper.wait().unwrap();
}
