"""What a network adds to a start: the same container with lo alone, with a veth on a bridge, and with a veth
that ip(8) makes: by a script (net.sh), whose container joins the namespace that it made."""

import contextlib
import os
import subprocess

from containers import place, sample
from host import NSINIT, SCRIPTS
from pairs import Command, compare_all

BRIDGE = "nsinit-bench"
VETH = {"type": "veth", "bridge": BRIDGE, "veth_prefix": "bench", "address": "198.18.0.2/24",
        "gateway": "198.18.0.1"}
NETNS = {"type": "netns", "ns_path": "/run/netns/nsinit-bench"}
KINDS = [("a veth on a bridge", VETH, []),
         ("the same made with ip", NETNS, [os.path.join(SCRIPTS, "bench.d", "net.sh")]),
         ("lo alone", None, [])]


def ip(words, check=True):
    subprocess.run(["ip", *words.split()], check=check, stderr=None if check else subprocess.DEVNULL)


@contextlib.contextmanager
def bridge():
    ip(f"link add {BRIDGE} type bridge")
    try:
        ip(f"addr add 198.18.0.1/24 dev {BRIDGE}")
        ip(f"link set {BRIDGE} up")
        yield
    finally:
        ip("netns del nsinit-bench", check=False)
        ip(f"link del {BRIDGE}")


def command(name, network, by):
    id = name.replace(" ", "-")
    config = sample(id)
    config["networks"] = [{"type": "loopback"}] + ([network] if network else [])
    return Command(name, [*by, NSINIT, "exec", "/bin/true"], place("place-" + id, config))


def measure(options):
    with bridge():
        ours, *peers = [command(*kind) for kind in KINDS]
        return compare_all(f"a start with {ours.name}", ours, peers, options.rounds)
