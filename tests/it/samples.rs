//! Each file of sample_configs runs, in the place of its own name.

use std::fs;

use crate::cli::{rename_cgroup, sample};
use crate::hostnet::HostNet;
use crate::world::{Place, spawn};

/// The sample's container.json with a cgroup of the test's own.
fn place_of(name: &str) -> Place {
    let place = Place::new();
    let text = fs::read_to_string(sample(name)).unwrap();
    let text = if text.contains("\"cgroups\"") { rename_cgroup(&text, &place.name) } else { text };
    place.write_text(&text);
    place
}

fn lines(place: &Place, script: &str) -> Vec<String> {
    let run = place.run(&["exec", "/bin/sh", "-c", script]);
    run.ends(0).replace('\r', "").lines().map(str::to_owned).collect()
}

#[test]
fn minimal_runs() {
    let place = place_of("minimal.json");
    let found = lines(&place, "for n in ipc mnt net pid uts; do readlink /proc/self/ns/$n; done");
    for (kind, line) in ["ipc", "mnt", "net", "pid", "uts"].iter().zip(&found) {
        let host = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_ne!(line, host.to_str().unwrap());
    }
    assert_eq!(found.len(), 5);
}

#[test]
fn minimal_v2_means_the_same() {
    let script = "hostname; id -u; grep ^Cap /proc/self/status; cut -d' ' -f5 /proc/self/mountinfo | sort; \
        ls /dev; env | sort; sed 's/.*nsinit-[0-9-]*$//' /proc/self/cgroup";
    let first = lines(&place_of("minimal.json"), script);
    let second = lines(&place_of("minimal-v2.json"), script);
    assert_eq!(first, second);
}

#[test]
fn host_pid_sees_the_hosts_processes() {
    let place = place_of("host-pid.json");
    let found = lines(&place, "readlink /proc/self/ns/pid; ls /proc | grep -c '^[0-9]'");
    assert_eq!(found[0], fs::read_link("/proc/self/ns/pid").unwrap().to_str().unwrap());
}

#[test]
fn read_only_cannot_be_written() {
    let place = place_of("read-only.json");
    let found = lines(
        &place,
        "touch /new 2>/dev/null && echo wrote; touch /etc/new 2>/dev/null && echo wrote; echo end",
    );
    assert_eq!(found, ["end"]);
}

/// The sample's output for a script, on this network of the host, which is as before afterwards.
#[track_caller]
fn on_net(net: &HostNet, place: &Place, script: &str) -> String {
    let before = net.state();
    let run = spawn(&mut net.command(place, &["exec", "/bin/sh", "-c", script])).end();
    let out = run.ends(0).replace('\r', "");
    net.is_still(&before);
    out
}

const PING: &str = "busybox ping -c 1 -W 5";

#[test]
fn attach_to_bridge_reaches_its_gateways() {
    let net = HostNet::with_bridge();
    let place = place_of("attach_to_bridge.json");
    let script = format!("{PING} 10.7.0.1 && {PING} fd07::1 && ip route && ip -6 route");
    let out = on_net(&net, &place, &script);
    assert!(out.contains("default via 10.7.0.1 dev eth0"), "{out}");
    assert!(out.contains("default via fd07::1 dev eth0"), "{out}");
}

#[test]
fn bridge_makes_its_bridge() {
    let place = place_of("bridge.json");
    on_net(&HostNet::new(), &place, &format!("{PING} 10.8.0.1 && {PING} fd08::1"));
}

#[test]
fn macvlan_and_macvtap_are_on_their_parent() {
    let net = HostNet::new();
    net.cable("eth0", "far0");
    net.ip("addr add 10.9.0.1/24 dev far0");
    let place = place_of("macvlan.json");
    let out = on_net(&net, &place, &format!("{PING} 10.9.0.1 && ip link show eth0"));
    assert!(out.contains("02:00:0a:09:00:02"), "{out}");
    let out = on_net(&net, &place_of("macvtap.json"), "ls /sys/class/net/tap0/macvtap");
    assert!(out.starts_with("tap"), "{out}");
}

#[test]
fn phys_has_the_interface_while_it_runs() {
    let net = HostNet::new();
    net.cable("eth1", "far1");
    net.ip("addr add 10.13.0.1/24 dev far1");
    let place = place_of("phys.json");
    let mut command = net.command(&place, &["exec", "/bin/sh", "-c", &format!("{PING} 10.13.0.1")]);
    spawn(&mut command).end().ends(0);
    assert!(net.links().contains(&"eth1".to_owned()));
}

#[test]
fn netns_is_in_the_namespace_that_it_names() {
    let (net, blue) = (HostNet::new(), HostNet::with_bridge());
    let place = place_of("netns.json");
    let text = fs::read_to_string(place.path("container.json")).unwrap();
    place.write_text(&text.replace("/run/netns/blue", blue.path()));
    let out = on_net(&net, &place, "ip addr show br0");
    assert!(out.contains("inet 10.7.0.1/24"), "{out}");
}

#[test]
fn routes_choose_their_source_address() {
    let net = HostNet::with_bridge();
    net.ip("link add br1 type bridge");
    net.ip("link set br1 addrgenmode none address 02:00:00:00:14:01 up");
    let place = place_of("route_source_address_selection.json");
    let run = net.command(&place, &["exec", "/bin/sh", "-c", "ip route get 10.99.1.1; ip route"]);
    let out = spawn(&mut { run }).end().ends(0).replace('\r', "");
    let words: Vec<&str> = out.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        words,
        "10.99.1.1 via 10.14.0.1 dev eth1 src 10.7.0.2".split(' ').collect::<Vec<_>>()
    );
    assert!(out.contains("192.0.2.0/24 via 192.0.2.1 dev eth1 onlink"), "{out}");
}

#[test]
fn every_sample_is_understood_without_a_warning() {
    let mut n = 0;
    for entry in fs::read_dir(sample("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let place = Place::new();
        place.write_text(&fs::read_to_string(&path).unwrap());
        let run = place.run(&["config"]);
        run.ends(0);
        assert_eq!(run.err, "", "{}", path.display());
        n += 1;
    }
    assert!(n >= 14);
}
