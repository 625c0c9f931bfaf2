"""What its control groups add to a start: on this host, and in a machine that has version 2 alone. The
machine is emulated: of its times only the ratio says anything."""

import os
import re
import shutil
import statistics
import subprocess

from containers import PLACE, place, sample
from host import NSINIT, TARGET, WORK, copy_of, show
from pairs import Command, alternate

# In turn again; /proc/uptime counts hundredths of a second, which twenty starts make good.
SCRIPT = """#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for round in 1 2 3 4 5 6 7; do for place in with without; do
cd /$place; read begin rest < /proc/uptime
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do nsinit exec /bin/true || echo FAILED; done
read end rest < /proc/uptime; echo "$place $begin $end"
done; done
busybox poweroff -f
"""


def measure(options):
    place("place")
    config = sample("bare")
    del config["cgroups"]
    bare = place("place-bare", config)
    words = [NSINIT, "exec", "/bin/true"]
    pairs = alternate(Command("with", words, PLACE), Command("without", words, bare), options.rounds)
    added = statistics.median(a[0] - b[0] for a, b in pairs)
    ratio = statistics.median(a[0] / b[0] for a, b in pairs)
    found = {"added_ms": added, "ratio": ratio}
    rows = [("this host", f"{added:.2f}", f"{ratio:.2f}")]
    v2 = version_2(bare)
    if v2:
        found["v2_ratio"] = v2
        rows.append(("a machine with version 2", "", f"{v2:.2f}"))
    show(f"start: what control groups add, ms ({options.rounds} rounds, pair by pair)", ("", "added", "with / without"), rows)
    return found


def version_2(bare):
    """The ratio of starts with and without control groups in a virtual machine; None without one."""
    kernel = os.path.join(TARGET, "vm", "vmlinuz")
    if not (os.path.exists(kernel) and shutil.which("qemu-system-x86_64") and shutil.which("cpio")):
        print("left out: a machine with version 2: it takes QEMU, cpio and scripts/vm-kernel's kernel (--boot gets them)")
        return None
    machine = os.path.join(WORK, "machine")
    copy_of(bare, machine)
    for name, path in (("with", PLACE), ("without", bare)):
        shutil.copytree(path, os.path.join(machine, name), symlinks=True)
    shutil.copy(NSINIT, os.path.join(machine, "bin", "nsinit"))
    with open(os.path.join(machine, "init"), "w", encoding="ascii") as f:
        f.write(SCRIPT)
    os.chmod(os.path.join(machine, "init"), 0o755)
    image = machine + ".cpio"
    subprocess.run(["sh", "-c", f"find . | cpio -o -H newc --quiet > {image}"], cwd=machine, check=True)
    run = subprocess.run(["qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-smp", "2", "-nographic", "-nic", "none",
                          "-no-reboot", "-kernel", kernel, "-initrd", image, "-append", "console=ttyS0 panic=-1 quiet"],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    if "FAILED" in run.stdout:
        raise SystemExit(f"scripts/bench: a start in the machine failed:\n{run.stdout}")
    walls = {"with": [], "without": []}
    for name, begin, end in re.findall(r"^(with|without) ([0-9.]+) ([0-9.]+)\s*$", run.stdout, re.M):
        walls[name].append(float(end) - float(begin))
    return statistics.median(a / b for a, b in zip(walls["with"], walls["without"]))
