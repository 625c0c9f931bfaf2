//! What a container has on the host goes with it when its launcher is killed, too: a process that
//! outlives the launcher sees to that, and nobody notices it otherwise.

use std::fs;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use crate::config::quote;
use crate::hostnet::HostNet;
use crate::net_types::{on_bridge, place_with};
use crate::world::{Place, Running, spawn, until};

const STAY: &str = "echo ready; sleep 300";

/// The process that outlives the launcher, if there is one.
fn survivor(place: &Place) -> Option<u32> {
    let named = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "nsinit-network\n")
    };
    place.processes().into_iter().find(named)
}

/// The next start removes the state.json that a killed launcher has left.
pub fn next(net: &HostNet, place: &Place) {
    net.sh(place, "true").ends(0);
}

#[test]
fn a_bridge_goes_with_its_last_user_when_launchers_are_killed() {
    let net = HostNet::new();
    let before = net.state();
    let (one, two) = (on_bridge(2), on_bridge(3));
    for _ in 0..5 {
        let running = net.start(&one, STAY);
        one.kill_launcher(running);
        net.is_still(&before);
    }
    // One of two, then the other; then one that ends in peace.
    for second_is_killed in [true, false] {
        let (first, second) = (net.start(&one, STAY), net.start(&two, STAY));
        one.kill_launcher(first);
        assert!(net.ip("addr show nbr0").contains("10.8.0.1/24"));
        if second_is_killed {
            two.kill_launcher(second);
        } else {
            second.signal(libc::SIGTERM);
            second.end();
        }
        net.is_still(&before);
    }
    next(&net, &one);
}

#[test]
fn both_users_of_a_bridge_at_the_same_moment() {
    let net = HostNet::new();
    let before = net.state();
    let (one, two) = (on_bridge(2), on_bridge(3));
    for round in 0..12 {
        let (first, second) = (net.start(&one, STAY), net.start(&two, STAY));
        let last = if round % 2 == 0 { libc::SIGKILL } else { libc::SIGTERM };
        first.signal(libc::SIGKILL);
        second.signal(last);
        first.end();
        second.end();
        let gone = || one.processes().is_empty() && two.processes().is_empty();
        until("the containers are gone", gone);
        net.is_still(&before);
    }
    next(&net, &one);
    next(&net, &two);
}

#[test]
fn twenty_launchers_killed_at_once() {
    let net = HostNet::new();
    let before = net.state();
    let places: Vec<Place> = (2..22).map(on_bridge).collect();
    let running: Vec<Running> = places.iter().map(|place| net.start(place, STAY)).collect();
    running.iter().for_each(|running| running.signal(libc::SIGKILL));
    running.into_iter().for_each(|running| drop(running.end()));
    until("the containers are gone", || places.iter().all(|place| place.processes().is_empty()));
    net.is_still(&before);
    places.iter().for_each(|place| next(&net, place));
    net.is_still(&before);
}

/// Whoever made the bridge is gone: what is on it without an entry for it is its last user.
#[test]
fn a_bridge_goes_with_a_user_that_has_no_entry_for_it() {
    let net = HostNet::new();
    let before = net.state();
    let veth = r#""type": "veth", "bridge": "nbr0", "veth_prefix": "v""#;
    let (maker, user) = (on_bridge(2), place_with(&[veth]));
    for kill in [false, true] {
        let first = net.start(&maker, STAY);
        let second = net.start(&user, STAY);
        first.signal(libc::SIGTERM);
        first.end();
        assert!(net.links().contains(&"nbr0".to_owned()));
        if kill {
            user.kill_launcher(second);
        } else {
            second.signal(libc::SIGTERM);
            second.end();
        }
        net.is_still(&before);
    }
    user.clean();
}

#[test]
fn what_is_made_in_a_joined_namespace_goes_when_the_launcher_is_killed() {
    let net = HostNet::with_bridge();
    net.cable("m0", "m1");
    let other = HostNet::new();
    let before = (net.state(), other.state());
    let netns = format!(r#""type": "netns", "ns_path": {}"#, quote(other.path()));
    let place = place_with(&[
        &netns,
        r#""type": "veth", "bridge": "br0", "veth_prefix": "v", "name": "inner""#,
        r#""type": "macvlan", "parent": "m0", "name": "mac""#,
    ]);
    let running = net.start(&place, STAY);
    assert!(other.ip("link").contains("inner@") && other.ip("link").contains("mac@"));
    place.kill_launcher(running);
    net.is_still(&before.0);
    other.is_still(&before.1);
    next(&net, &place);
}

#[test]
fn an_interface_of_the_host_is_given_back_as_it_was() {
    let net = HostNet::with_cable();
    // With the kernel's own way of IPv6, which it comes back with.
    net.ip("link set m0 addrgenmode eui64");
    net.ip("link set m0 mtu 1450 txqueuelen 77 address 02:00:00:00:00:77");
    let before = net.ip("-d link show m0");
    let mut place = place_with(&[r#""type": "phys", "host_interface_name": "m0", "name": "wan",
        "mtu": 1300, "txqueuelen": 5, "mac_address": "02:00:00:00:00:01""#]);
    // The container can call it what it wants.
    place.config.set("capabilities", crate::config::strings(&["NET_ADMIN"]));
    let script = "ip link set wan down; ip link set wan name mine; \
        ip link set mine address 02:00:00:00:00:02 mtu 1280; echo ready; sleep 300";
    for kill in [false, true] {
        let running = net.start(&place, script);
        assert!(!net.links().contains(&"m0".to_owned()));
        if kill {
            place.kill_launcher(running);
        } else {
            running.signal(libc::SIGTERM);
            running.end();
        }
        until("m0 has a carrier", || net.ip("link show m0").contains("state UP"));
        assert_eq!(net.ip("-d link show m0"), before, "{kill}");
    }
    // One that was down comes back down.
    net.ip("link set m0 down");
    next(&net, &place);
    let m0 = net.ip("link show m0");
    for words in ["<BROADCAST,MULTICAST>", "mtu 1450", "02:00:00:00:00:77", "qlen 77"] {
        assert!(m0.contains(words), "{words}: {m0}");
    }
}

/// It is in a session of its own before there is anything to take back.
#[test]
fn the_launcher_s_process_group_is_killed_at_any_moment() {
    let net = HostNet::new();
    let before = net.state();
    let place = on_bridge(2);
    place.write_config();
    for round in 0..30 {
        let running = spawn(net.command(&place, &["exec", "/bin/sh", "-c", STAY]).process_group(0));
        if round % 2 == 0 {
            until("the bridge is there", || net.links().contains(&"nbr0".to_owned()));
        } else {
            std::thread::sleep(Duration::from_millis(round));
        }
        // SAFETY: plain system call; the child has not been waited for, so the group is its own.
        assert_eq!(unsafe { libc::kill(-(running.child.id() as i32), libc::SIGKILL) }, 0);
        running.end();
        until("the container is gone", || place.processes().is_empty());
        net.is_still(&before);
    }
    next(&net, &place);
}

#[test]
fn the_process_that_outlives_the_launcher_keeps_nothing_of_its_callers() {
    let net = HostNet::new();
    let place = on_bridge(2);
    place.write_config();
    let mut command = net.command(&place, &["exec", "/bin/sh", "-c", STAY]);
    // SAFETY: plain system call between fork and execve.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        })
    };
    let mut running = spawn(&mut command);
    running.wait_for("ready");
    let launcher = running.child.id();
    let pid = survivor(&place).expect("there is none");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Its parent, its group and its session (proc_pid_stat(5), fields 4 to 6).
    let own = pid.to_string();
    assert_eq!(fields[1..4], [&launcher.to_string(), &own, &own]);
    let link = |what: &str| fs::read_link(format!("/proc/{pid}/{what}")).unwrap();
    assert_eq!(link("cwd").to_str(), Some("/"));
    assert_eq!(link("ns/pid"), fs::read_link("/proc/self/ns/pid").unwrap());
    assert_eq!(link("ns/mnt"), fs::read_link("/proc/self/ns/mnt").unwrap());
    for fd in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let target = fs::read_link(fd.unwrap().path()).unwrap();
        assert!(target.to_str().unwrap().starts_with("pipe:"), "{target:?}");
    }
    // All that the launcher's group gets, it does not.
    // SAFETY: plain system call; the child has not been waited for, so the group is its own.
    assert_eq!(unsafe { libc::kill(-(launcher as i32), libc::SIGKILL) }, 0);
    running.end();
    until("the container is gone", || place.processes().is_empty());
    assert_eq!(net.links(), ["lo"]);
    next(&net, &place);
}

/// With nothing that would be left there is no such process, and with it none is left.
#[test]
fn it_is_there_only_where_it_is_needed() {
    let net = HostNet::with_bridge();
    let plain = crate::net_veth::on_bridge(2);
    let running = net.start(&plain, STAY);
    assert_eq!(survivor(&plain), None);
    running.signal(libc::SIGTERM);
    running.end();
    let place = on_bridge(2);
    let running = net.start(&place, STAY);
    let pid = survivor(&place).unwrap();
    running.signal(libc::SIGTERM);
    running.end();
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
    assert!(place.processes().is_empty());
}

/// A PID namespace that the container's processes join is none for the launcher's own.
#[test]
fn it_is_never_in_a_pid_namespace_that_is_joined() {
    let net = HostNet::new();
    let before = net.state();
    let first = Place::new();
    let running = first.start(STAY);
    let path = format!("/proc/{}/ns/pid", first.init_pid());
    let mut place = on_bridge(2);
    place.config.unset("namespaces").unset("mount_config").set(
        "namespaces",
        format!(
            r#"[{{"type": "NEWPID", "path": {}}}, {{"type": "NEWNS"}}, {{"type": "NEWNET"}}]"#,
            quote(&path)
        ),
    );
    place.config.unset("hostname");
    let second = net.start(&place, STAY);
    let pid = survivor(&place).unwrap();
    let namespace = fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    assert_eq!(namespace, fs::read_link("/proc/self/ns/pid").unwrap());
    assert_ne!(namespace, fs::read_link(&path).unwrap());
    place.kill_launcher(second);
    net.is_still(&before);
    running.signal(libc::SIGTERM);
    running.end();
    place.clean();
}
