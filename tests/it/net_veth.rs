//! Containers on a bridge: they reach each other and the host.

use std::process::Command;

use crate::hostnet::HostNet;
use crate::world::{Place, spawn};

/// A place with one veth on br0 (`HostNet::with_bridge`), its address the n-th there.
pub fn on_bridge(n: u8) -> Place {
    with(&format!(
        r#"{{"type": "veth", "bridge": "br0", "veth_prefix": "veth", "address": "10.7.0.{n}/24",
        "gateway": "10.7.0.1", "ipv6_address": "fd07::{n}/64", "ipv6_gateway": "fd07::1"}}"#
    ))
}

/// A place with these networks beside the loopback.
fn with(networks: &str) -> Place {
    let mut place = Place::new();
    place.config.set("networks", format!(r#"[{{"type": "loopback"}}, {networks}]"#));
    place
}

const STAY: &str = "echo ready; sleep 300";

#[test]
fn two_containers_reach_each_other_and_the_host_at_once() {
    let net = HostNet::with_bridge();
    let before = net.state();
    let (first, second) = (on_bridge(2), on_bridge(3));
    let serve = "busybox seq 300000 > /tmp/numbers; busybox httpd -p 7000 -h /tmp; \
        busybox md5sum < /tmp/numbers; echo ready; sleep 300";
    let mut running = net.start(&first, serve);
    // Neither waits: an address that were looked for first would not be there for a second.
    let script = "for a in 10.7.0.2 fd07::2 10.7.0.1 fd07::1; do \
        busybox ping -c 1 -W 5 $a > /dev/null && echo $a; done; \
        busybox wget -q -O - http://10.7.0.2:7000/numbers | busybox md5sum; \
        busybox wget -q -O - http://[fd07::2]:7000/numbers | busybox md5sum";
    let run = net.sh(&second, script);
    let sum = running.out().replace("ready\n", "");
    assert!(sum.len() > 32, "{sum}");
    let answers = "10.7.0.2\nfd07::2\n10.7.0.1\nfd07::1\n";
    assert_eq!(run.ok(), format!("{answers}{sum}{sum}"));
    running.signal(libc::SIGTERM);
    running.end();
    net.is_still(&before);
}

#[test]
fn state_json_names_the_ends_and_a_joined_command_sees_the_inner_ones() {
    let net = HostNet::with_bridge();
    let place = with(
        r#"{"type": "veth", "bridge": "br0", "veth_prefix": "abcdefghijk", "address": "10.7.0.2/24"},
        {"type": "veth", "bridge": "br0", "host_interface_name": "out", "name": "in",
         "mac_address": "02:00:00:00:00:09", "hairpin_mode": true, "mtu": 1300, "txqueuelen": 55}"#,
    );
    let before = net.state();
    let running = net.start(&place, STAY);
    let state = place.state().unwrap();
    let host = state.split(r#""veth_host":""#).nth(1).unwrap().split('"').next().unwrap();
    let (made_up, fixed) = host.split_once(',').unwrap();
    assert!(made_up.starts_with("abcdefghijk") && made_up.len() == 15, "{host}");
    assert_eq!(fixed, "out");
    assert!(state.contains(r#""veth_child":"eth0,in""#), "{state}");
    for name in [made_up, fixed] {
        let link = net.ip(&format!("-d link show {name}"));
        for word in ["master br0", "group 28275", "link/ether fe:ff:ff:ff:ff:ff", ",UP"] {
            assert!(link.contains(word), "no {word:?} in {link}");
        }
    }
    let link = net.ip("-d link show out");
    for word in ["hairpin on", "mtu 1300", "qlen 55"] {
        assert!(link.contains(word), "no {word:?} in {link}");
    }
    assert!(net.ip(&format!("-d link show {made_up}")).contains("hairpin off"));
    let script = "ip -o link show in; busybox ping -c 1 -W 5 10.7.0.1 > /dev/null && echo answer";
    let run = spawn(&mut net.command(&place, &["exec", "/bin/sh", "-c", script])).end();
    let out = run.ok();
    for word in ["mtu 1300", "qlen 55", "02:00:00:00:00:09", "\nanswer\n"] {
        assert!(out.contains(word), "no {word:?} in {out}");
    }
    running.signal(libc::SIGTERM);
    running.end();
    net.is_still(&before);
}

#[test]
fn the_container_holds_nothing_of_the_hosts_network() {
    let net = HostNet::with_bridge();
    let mut place = on_bridge(2);
    // Enough to look into every process that is there.
    let capabilities = ["SYS_PTRACE", "DAC_OVERRIDE", "NET_ADMIN", "SYS_ADMIN"];
    place.config.set("capabilities", crate::config::strings(&capabilities));
    let script = "echo own $(readlink /proc/self/ns/net); for p in /proc/[0-9]*; do \
        echo \"$p $(readlink $p/ns/net) $(ls -l $p/fd 2>&1 | grep -c -e net: -e NETLINK -e socket)\"; \
        done; echo ready; sleep 300";
    let mut running = net.start(&place, script);
    let out = running.out();
    let own = crate::world::value(&out, "own").to_owned();
    let host = std::fs::read_link(net.path()).unwrap();
    assert_ne!(own, host.to_str().unwrap());
    let lines: Vec<&str> = out.lines().filter(|line| line.starts_with("/proc/")).collect();
    assert!(lines.len() >= 2, "{out}");
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        // A process of the script's own may have ended meanwhile.
        assert!(words[1..] == [own.as_str(), "0"] || words[1].is_empty(), "{line}\n{out}");
    }
    // The launcher holds nothing of the container's either: the namespace goes with its processes.
    let fds = format!("/proc/{}/fd", running.child.id());
    let inside = std::fs::read_link(format!("/proc/{}/ns/net", place.init_pid())).unwrap();
    for fd in std::fs::read_dir(fds).unwrap() {
        assert_ne!(std::fs::read_link(fd.unwrap().path()).unwrap(), inside);
    }
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_name_that_the_host_has_is_refused_and_another_is_made_up() {
    let net = HostNet::with_bridge();
    let before = net.state();
    let taken = with(
        r#"{"type": "veth", "bridge": "br0", "veth_prefix": "veth"},
        {"type": "veth", "bridge": "br0", "host_interface_name": "p1"}"#,
    );
    let words = ["make interface p1: File exists (EEXIST): the host has one of this name already"];
    net.sh(&taken, "true").fails(&words);
    net.is_still(&before);
    // With four digits left there are 65,536 names; of sixteen prefixes' first no two are alike.
    let many: Vec<String> = (0..16)
        .map(|_| r#"{"type": "veth", "bridge": "br0", "veth_prefix": "abcdefghijk"}"#.to_owned())
        .collect();
    let run = net.sh(&with(&many.join(", ")), "ip -o link | wc -l");
    assert_eq!(run.ok(), "17\n");
    net.is_still(&before);
}

#[test]
fn a_fixed_name_is_free_again_as_soon_as_nsinit_has_ended() {
    let net = HostNet::with_bridge();
    let place = with(r#"{"type": "veth", "bridge": "br0", "host_interface_name": "out"}"#);
    for _ in 0..20 {
        net.sh(&place, "true").ok();
        assert!(!net.links().contains(&"out".to_owned()));
    }
    // And where the launcher was killed.
    for _ in 0..5 {
        let running = net.start(&place, STAY);
        running.signal(libc::SIGKILL);
        running.end();
        let run = net.sh(&place, "ip -o link | wc -l");
        assert_eq!(run.ends(0), "2\n");
        run.says(&[""]);
    }
}

/// A bridge has the least MTU of its ports, and without 1,280 bytes no IPv6.
#[test]
fn a_small_mtu_takes_no_address_from_the_bridge() {
    let net = HostNet::with_bridge();
    let before = net.state();
    let place =
        with(r#"{"type": "veth", "bridge": "br0", "host_interface_name": "out", "mtu": 576}"#);
    let running = net.start(&place, "ip -o link show eth0; echo ready; sleep 300");
    assert!(net.ip("link show out").contains("mtu 1280"));
    assert!(net.ip("addr show br0").contains("fd07::1/64"));
    running.signal(libc::SIGTERM);
    assert!(running.end().out.contains("mtu 576"));
    net.is_still(&before);
}

/// A bridge that nobody has given an address has that of its lowest port, and who speaks with it finds it
/// no more when that changes.
#[test]
fn a_plain_bridge_keeps_its_address_while_containers_come_and_go() {
    let net = HostNet::new();
    net.ip("link add br0 type bridge");
    net.ip("addr add 10.7.0.1/24 dev br0");
    net.ip("link set br0 up");
    let address = || {
        let link = net.ip("link show br0");
        link.split_once("link/ether ").unwrap().1.split(' ').next().unwrap().to_owned()
    };
    let first = on_bridge(2);
    let running = net.start(&first, STAY);
    let before = address();
    let script =
        "busybox ping -c 1 -W 5 10.7.0.1 > /dev/null && echo answer; echo ready; sleep 300";
    let places: Vec<Place> = (3..15).map(on_bridge).collect();
    let start = |place| {
        let mut other = net.start(place, script);
        assert_eq!((other.out().as_str(), address()), ("answer\nready\n", before.clone()));
        other
    };
    let others: Vec<_> = places.iter().map(start).collect();
    for other in others {
        other.signal(libc::SIGTERM);
        other.end();
        assert_eq!(address(), before);
    }
    running.signal(libc::SIGTERM);
    running.end();
}

/// The lock under which bridges are made is none that everybody can take.
#[test]
fn another_user_in_the_host_s_network_holds_nobody_up() {
    let net = HostNet::new();
    let inside = format!("--net={}", net.path());
    let place = with(
        r#"{"type": "bridge", "name": "nbr0", "create": true, "address": "10.8.0.1/24"},
        {"type": "veth", "bridge": "nbr0", "veth_prefix": "v"}"#,
    );
    net.sh(&place, "true").ok();
    let script = "exec 8< /proc/self/ns/net; flock 8; (exec 9< /run/nsinit.lock) && flock 9; \
        echo locked; sleep 300";
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut command = Command::new("nsenter");
    let mut holder = spawn(command.arg(&inside).args(nobody).args(["sh", "-c", script]));
    holder.wait_for("locked");
    assert!(holder.err().contains("/run/nsinit.lock: Permission denied"), "{}", holder.err());
    // The wait for a lock that is held ends in an error.
    net.sh(&place, "true").ok();
}

#[test]
fn what_can_t_be_made_is_told_in_the_kernels_words_and_leaves_nothing() {
    let net = HostNet::with_bridge();
    let before = net.state();
    let veth = |more: &str| {
        format!(
            r#"{{"type": "veth", "bridge": "br0", "veth_prefix": "v", "address": "10.7.0.2/24"{more}}}"#
        )
    };
    let fails = |networks: &str, words: &[&str]| {
        let networks = format!("{}, {networks}", veth(""));
        net.sh(&with(&networks), "true").fails(words);
        net.is_still(&before);
    };
    fails(
        r#"{"type": "veth", "bridge": "nope", "veth_prefix": "v"}"#,
        &["find the host's interface nope: No such device (ENODEV): make the bridge, or list it"],
    );
    fails(
        r#"{"type": "veth", "bridge": "p1", "veth_prefix": "v"}"#,
        &[
            "networks[2].bridge: make interface eth1: Operation not supported (EOPNOTSUPP): ",
            "\"p1\" is not a bridge",
        ],
    );
    fails(
        r#"{"type": "bridge", "name": "p1", "create": true}"#,
        &["use bridge p1: it is not a bridge"],
    );
    fails(
        r#"{"type": "bridge", "name": "nope"}"#,
        &["use bridge nope: No such device (ENODEV): make it, or add \"create\": true"],
    );
    fails(
        r#"{"type": "macvlan", "parent": "nope"}"#,
        &["find the host's interface nope: No such device (ENODEV): the host has br0, p1, p0"],
    );
    fails(
        r#"{"type": "macvlan", "parent": "lo"}"#,
        &["make interface eth1: Invalid argument (EINVAL)"],
    );
    // A file can ask for what only the kernel knows to be wrong.
    let mut place = on_bridge(2);
    place.config.set("routes", r#"[{"destination": "10.50.0.0/16", "gateway": "10.7.0.255"}]"#);
    let words = "add route 10.50.0.0/16: Invalid argument (EINVAL): Nexthop has invalid gateway";
    net.sh(&place, "true").fails(&[words]);
    net.is_still(&before);
    // Of many, the one is named: that which the gateway has made already does not count.
    let mut routes = vec![r#"{"gateway": "10.7.0.1"}"#.to_owned()];
    routes.extend((0..12).map(|n| {
        let last = if n == 10 { 255 } else { 1 };
        format!(r#"{{"destination": "10.{}.0.0/16", "gateway": "10.7.0.{last}"}}"#, 50 + n)
    }));
    place.config.set("routes", format!("[{}]", routes.join(", ")));
    net.sh(&place, "true").fails(&["routes[11]: add route 10.60.0.0/16: Invalid argument"]);
    net.is_still(&before);
}
