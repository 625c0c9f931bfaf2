"""Memory of a container's PID 1 and of its launcher, and the smallest limit under which one starts."""

import json
import os
import subprocess
import time

from containers import PLACE, place, sample, write
from host import NSINIT, memory_of, show
from pairs import ENVIRONMENT


def measure(_options):
    place("place")
    found = {"at rest": at_rest()}
    show("a container that sleeps, kB", ("", "resident", "anonymous"),
         [(k, v["resident"], v["anonymous"]) for k, v in found["at rest"].items()])
    if os.path.exists("/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        found["smallest limit, KiB"] = smallest_limit()
        print(f"\nsmallest memory limit under which a container starts: {found['smallest limit, KiB']} KiB")
    return found


def at_rest():
    launcher = subprocess.Popen([NSINIT, "exec", "/bin/sleep", "99"], cwd=PLACE, env=ENVIRONMENT,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        with open(os.path.join(PLACE, "state.json"), encoding="utf-8") as f:
            init = json.load(f)["init_pid"]
        return {"PID 1": memory_of(init), "launcher": memory_of(launcher.pid)}
    finally:
        launcher.terminate()
        launcher.wait()


def smallest_limit():
    """The smallest cgroups.memory, in KiB, with which 5 of 5 starts succeed; None without a limit."""
    config = sample("nsinit")

    def starts(kib):
        config["cgroups"]["memory"] = kib * 1024
        write(os.path.join(PLACE, "container.json"), config)
        return all(subprocess.run([NSINIT, "exec", "/bin/true"], cwd=PLACE, env=ENVIRONMENT,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
                   for _ in range(5))

    low, high = 0, 4096
    try:
        if not starts(high):
            return None
        while high - low > 4:
            middle = (low + high) // 2 // 4 * 4
            low, high = (low, middle) if starts(middle) else (middle, high)
        return high
    finally:
        place("place")
