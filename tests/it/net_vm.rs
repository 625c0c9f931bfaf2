//! Types of network whose modules this machine's kernel lacks, in a virtual machine that has them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::cli::sample;
use crate::config::Config;
use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::Place;

on_each_arch!(
    a_vlan_hears_its_own_network_alone,
    a_dummy_has_all_that_it_is_given,
    ipvlans_share_the_mac_address_of_their_parent,
    a_network_card_comes_back_even_if_the_launcher_is_killed,
    a_stock_kernel_s_bridge_veth_and_macvlan,
    the_samples_of_these_types_run,
    a_missing_module_is_named,
    a_kernel_without_ipv6_is_named
);

/// A machine with these modules and the host's `ip`; its scripts begin with a look at the network.
fn machine(place: &Place, arch: Arch, modules: &[&str]) -> Option<Machine> {
    let mut machine = Machine::of(place, arch)?;
    machine.limit = Duration::from_secs(120);
    for module in modules {
        machine.module(module);
    }
    machine.host_program(Path::new("/usr/sbin/ip"));
    machine.program(
        "bin/state",
        "#!/bin/sh\nIP=/usr/sbin/ip\n$IP -d link; $IP addr; $IP route show table all; $IP -6 route show table all\n",
    );
    machine.program(
        "bin/wait_for",
        "#!/bin/sh\nn=0; until [ \"$@\" ] || [ $n = 100 ]; do n=$((n + 1)); usleep 50000; done\n",
    );
    Some(machine)
}

/// Lays out a container at /NAME with one network, called after it.
fn container(machine: &Machine, name: &str, network: &str) {
    let mut config = Config::new(name);
    // The stock kernel's controllers are all of version 2, which is not mounted here.
    config.unset("cgroups");
    config.set("networks", format!(r#"[{{"type": "loopback"}}, {{{network}}}]"#));
    machine.container(name, &config);
}

/// Words of a script: two ends of a cable, m0 and m1, with no addresses of the kernel's own.
const CABLE: &str = "ip() { /usr/sbin/ip \"$@\"; }
ip link add m0 type veth peer name m1
up() {
    ip link set $1 addrgenmode none; ip link set $1 up; n=0
    until ip link show $1 | grep -q 'state UP' && ip -6 route show table all dev $1 | grep -q ff00
    do usleep 50000; n=$((n + 1)); [ $n -lt 100 ] || break; done
}
ip link set m1 addrgenmode none; ip link set m1 up; up m0; up m1
";

fn a_vlan_hears_its_own_network_alone(arch: Arch) {
    let place = Place::new();
    let Some(machine) = machine(&place, arch, &["veth", "8021q"]) else { return };
    for id in [7, 8] {
        container(
            &machine,
            &format!("v{id}"),
            &format!(
                r#""type": "vlan", "parent": "m0", "id": {id}, "name": "lan", "mtu": 1400,
                "mac_address": "02:00:00:00:00:0{id}", "address": "10.7.7.2/24",
                "gateway": "10.7.7.1", "ipv6_address": "fd07::2/64""#
            ),
        );
    }
    let said = machine.script(&format!(
        "{CABLE}
        ip link add link m1 name m1.7 type vlan id 7
        up m1.7
        ip addr add 10.7.7.1/24 dev m1.7; ip addr add fd07::1/64 dev m1.7 nodad
        state > /before
        cd /v7; nsinit exec /bin/sh -c 'ip addr show lan; ip route; cat /proc/net/vlan/lan
            busybox ping -c 1 -W 5 10.7.7.1; busybox ping -c 1 -W 5 fd07::1' && echo SEVEN
        state > /after; cmp /before /after && echo SAME
        cd /v8; nsinit exec /bin/sh -c 'busybox ping -c 1 -W 1 10.7.7.1 || echo EIGHT'
        cd /v7; n=0; while [ $n -lt 10 ]; do nsinit exec /bin/true || break; n=$((n + 1)); done
        echo TIMES $n; state > /after; cmp /before /after && echo STILL"
    ));
    for words in ["lan@", "mtu 1400", "02:00:00:00:00:07", "VID: 7", "default via 10.7.7.1 dev lan"]
    {
        assert!(said.contains(words), "{words}:\n{said}");
    }
    for words in ["SEVEN", "SAME", "EIGHT", "TIMES 10", "STILL"] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
}

fn a_dummy_has_all_that_it_is_given(arch: Arch) {
    let place = Place::new();
    let Some(machine) = machine(&place, arch, &["dummy"]) else { return };
    container(
        &machine,
        "d",
        r#""type": "dummy", "mtu": 9000, "txqueuelen": 77, "mac_address": "02:00:00:00:00:0d",
            "address": "10.7.7.2/24", "gateway": "10.7.7.1", "ipv6_address": "fd07::2/64",
            "ipv6_gateway": "fd07::1""#,
    );
    let said = machine.script(
        "state > /before; cd /d
        nsinit exec /bin/sh -c 'ip addr show eth0; cat /sys/class/net/eth0/tx_queue_len; ip route
            ip -6 route; busybox ping -c 1 -W 5 10.7.7.2; busybox ping -c 1 -W 5 fd07::2' && echo WELL
        state > /after; cmp /before /after && echo SAME",
    );
    for words in [
        "mtu 9000",
        "\n77\n",
        "02:00:00:00:00:0d",
        "inet 10.7.7.2/24",
        "default via 10.7.7.1 dev eth0",
        "default via fd07::1 dev eth0",
        "WELL",
        "SAME",
    ] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
}

fn ipvlans_share_the_mac_address_of_their_parent(arch: Arch) {
    let place = Place::new();
    let Some(machine) = machine(&place, arch, &["veth", "ipvlan"]) else { return };
    for mode in ["l2", "l3", "l3s"] {
        for n in [2, 3] {
            let network = format!(
                r#""type": "ipvlan", "parent": "m0", "mode": "{mode}", "address": "10.7.7.{n}/24""#
            );
            container(&machine, &format!("{mode}-{n}"), &network);
        }
    }
    let said = machine.script(&format!(
        "{CABLE}
        state > /before
        for mode in l2 l3 l3s; do
            cd /$mode-2; nsinit exec /bin/sh -c 'echo > /tmp/up; sleep 100' &
            wait_for -e /$mode-2/tmp/up
            cd /$mode-3; nsinit exec /bin/sh -c 'busybox ping -c 1 -W 5 10.7.7.2 > /dev/null && echo answer
                cat /sys/class/net/eth0/address' > /said
            echo $(cat /said) = answer $(cat /sys/class/net/m0/address)
            kill -TERM $!; wait $!
            state > /after; cmp /before /after && echo SAME $mode
        done"
    ));
    for mode in ["l2", "l3", "l3s"] {
        assert!(said.contains(&format!("SAME {mode}\n")), "{mode}:\n{said}");
    }
    let equal =
        said.lines().filter_map(|line| line.split_once(" = ")).filter(|(a, b)| a.ends_with(b));
    assert_eq!(equal.count(), 3, "{said}");
}

fn a_network_card_comes_back_even_if_the_launcher_is_killed(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(&place, arch, &["virtio_pci", "virtio_net"]) else { return };
    machine.qemu.extend(
        ["-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,mac=52:54:00:00:00:01"]
            .map(str::to_owned),
    );
    container(
        &machine,
        "p",
        r#""type": "phys", "host_interface_name": "eth0", "name": "wan", "address": "10.0.2.15/24",
            "gateway": "10.0.2.2", "mtu": 1300, "txqueuelen": 5"#,
    );
    let said = machine.script(
        "here() { grep -l 52:54:00:00:00:01 /sys/class/net/*/address | cut -d/ -f5; }
        how() { cd /sys/class/net/eth0; cat mtu tx_queue_len flags; cd /p; }
        /usr/sbin/ip link set eth0 mtu 1400 txqueuelen 77 up
        echo FIRST $(here) $(how); cd /p
        nsinit exec /bin/sh -c 'busybox ping -c 1 -W 5 10.0.2.2 && cat /sys/class/net/wan/address'
        echo ENDED $(here) $(how)
        nsinit exec /bin/sh -c 'echo > /tmp/up; sleep 100' &
        wait_for -e /p/tmp/up
        echo GONE $(here) .; kill -KILL $!; wait $!
        n=0; until [ \"$(here)\" ] || [ $n = 100 ]; do n=$((n + 1)); usleep 50000; done
        n=0; until /usr/sbin/ip link show eth0 up | grep -q UP || [ $n = 100 ]; do n=$((n + 1)); usleep 50000; done
        echo BACK $(here) $(how)",
    );
    let how = "eth0 1400 77 0x1003";
    let lines = ["FIRST", "ENDED", "BACK"].map(|word| format!("{word} {how}"));
    for words in lines.iter().map(String::as_str).chain(["1 packets received", "GONE .\n"]) {
        assert!(said.contains(words), "{words:?}:\n{said}");
    }
}

fn a_stock_kernel_s_bridge_veth_and_macvlan(arch: Arch) {
    let place = Place::new();
    let modules = ["veth", "bridge", "macvlan", "macvtap"];
    let Some(machine) = machine(&place, arch, &modules) else { return };
    container(
        &machine,
        "b",
        r#""type": "bridge", "name": "nbr0", "create": true, "address": "10.8.0.1/24"}, {"type": "veth",
            "bridge": "nbr0", "veth_prefix": "veth", "address": "10.8.0.2/24", "hairpin_mode": true"#,
    );
    container(&machine, "m", r#""type": "macvlan", "parent": "m0", "address": "10.9.0.2/24""#);
    container(&machine, "t", r#""type": "macvtap", "parent": "m0", "mode": "vepa""#);
    let said = machine.script(&format!(
        "{CABLE}
        ip addr add 10.9.0.1/24 dev m1; state > /before
        cd /b; nsinit exec /bin/sh -c 'busybox ping -c 1 -W 5 10.8.0.1' && echo VETH
        cd /m; nsinit exec /bin/sh -c 'busybox ping -c 1 -W 5 10.9.0.1' && echo MACVLAN
        cd /t; nsinit exec /bin/sh -c 'ls /sys/class/net/eth0/macvtap' && echo MACVTAP
        state > /after; cmp /before /after && echo SAME
        cd /b; nsinit exec /bin/sh -c 'echo > /tmp/up; sleep 100' & wait_for -e /b/tmp/up
        ip link show nbr0 && echo THERE; kill -KILL $!; wait $!
        n=0; while ip link show nbr0 2> /dev/null && [ $n -lt 100 ]; do n=$((n + 1)); usleep 50000; done
        state > /after; cmp /before /after && echo STILL"
    ));
    for words in ["VETH", "MACVLAN", "MACVTAP", "SAME", "THERE", "STILL"] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
}

fn the_samples_of_these_types_run(arch: Arch) {
    let place = Place::new();
    let Some(machine) = machine(&place, arch, &["veth", "8021q", "ipvlan", "dummy"]) else {
        return;
    };
    for name in ["vlan", "ipvlan", "dummy"] {
        let text = fs::read_to_string(sample(&format!("{name}.json"))).unwrap();
        let mut config = Config::new(name);
        config.unset("cgroups");
        let networks = text.split_once("\"networks\": ").unwrap().1.split_once("]").unwrap().0;
        config.set("networks", format!("{networks}]"));
        machine.container(name, &config);
    }
    let said = machine.script(
        &(CABLE.replace("m0", "eth0").replace("m1", "far0")
            + "ip link add link far0 name far7 type vlan id 7; ip link set far7 up
            ip addr add 10.10.0.1/24 dev far7; ip addr add 10.11.0.1/24 dev far0
            cd /vlan; nsinit exec /bin/sh -c 'busybox ping -c 1 -W 5 10.10.0.1' && echo VLAN
            cd /ipvlan; nsinit exec /bin/sh -c 'busybox ping -c 1 -W 5 10.11.0.1' && echo IPVLAN
            cd /dummy; nsinit exec /bin/sh -c 'busybox ping -c 1 -W 5 fd12::2' && echo DUMMY"),
    );
    for words in ["VLAN\n", "IPVLAN\n", "DUMMY\n"] {
        assert!(said.contains(words), "{words:?}:\n{said}");
    }
}

fn a_missing_module_is_named(arch: Arch) {
    let place = Place::new();
    let Some(machine) = machine(&place, arch, &["dummy"]) else { return };
    let cases = [
        ("veth", "veth", r#", "bridge": "card", "veth_prefix": "v""#),
        ("bridge", "bridge", r#", "name": "b", "create": true"#),
        ("macvlan", "macvlan", r#", "parent": "card""#),
        ("macvtap", "macvtap", r#", "parent": "card""#),
        ("ipvlan", "ipvlan", r#", "parent": "card""#),
        ("vlan", "8021q", r#", "parent": "card", "id": 7"#),
    ];
    let mut script = "/usr/sbin/ip link add card type dummy; state > /before\n".to_owned();
    for (kind, _, rest) in cases {
        container(&machine, kind, &format!(r#""type": "{kind}"{rest}"#));
        script += &format!("cd /{kind}; nsinit exec /bin/echo RAN; echo STATUS $?\n");
    }
    let said = machine.script(&(script + "state > /after; cmp /before /after && echo SAME"));
    for (_, module, _) in cases {
        let words = format!("the kernel has no {module} module (modprobe {module})");
        assert!(said.contains(&words), "{words}:\n{said}");
    }
    assert!(said.contains("SAME") && !said.contains("RAN"), "{said}");
    assert_eq!(said.matches("STATUS 125").count(), cases.len(), "{said}");
}

fn a_kernel_without_ipv6_is_named(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(&place, arch, &["dummy"]) else { return };
    machine.append = "ipv6.disable=1".to_owned();
    container(&machine, "four", r#""type": "dummy", "address": "10.7.7.2/24""#);
    container(&machine, "six", r#""type": "dummy", "ipv6_address": "fd07::2/64""#);
    let said = machine.script(
        "cd /four; nsinit exec /bin/true; echo STATUS $?
        cd /six; nsinit exec /bin/echo RAN; echo STATUS $?",
    );
    let words = "networks[1]: add address fd07::2/64: Operation not supported (EOPNOTSUPP): this kernel has \
        no IPv6";
    assert!(said.contains("STATUS 0\n") && said.contains(words), "{said}");
    assert!(said.contains("STATUS 125\n") && !said.contains("RAN"), "{said}");
}
