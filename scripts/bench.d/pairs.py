"""Commands by the clock: nsinit and one peer alternate, with nothing in between."""

import os
import shutil
import statistics
import subprocess
import time

from host import leave_out, show

ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}
# So often each runs before it counts: files are cached, the CPU is awake.
WARM = 5


class Failed(Exception):
    """A command ended with another status than it should."""


class Command:
    """A command and the directory it runs in."""

    def __init__(self, name, args, cwd="/"):
        self.name, self.args, self.cwd = name, args, cwd
        self.program = shutil.which(args[0]) or args[0]

    def why_not(self):
        """Why it can't run here; None if it can."""
        try:
            run = subprocess.run(self.args, cwd=self.cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            return error.strerror
        if run.returncode == 0:
            return None
        return (run.stderr.strip().splitlines() or [f"it ended with status {run.returncode}"])[-1]

    def once(self):
        """Milliseconds by the clock and on a CPU. Nothing here may sleep: a wait with a timeout, as that of
        Python's subprocess, looks again after 0.5, 1.5, 3.5 milliseconds, and that is what it measures."""
        os.chdir(self.cwd)
        null = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
        begin = time.perf_counter_ns()
        pid = os.posix_spawn(self.program, self.args, ENVIRONMENT, file_actions=null)
        _, status, usage = os.wait4(pid, 0)
        end = time.perf_counter_ns()
        if status != 0:
            raise Failed(f"it ended with status {os.waitstatus_to_exitcode(status)}")
        return (end - begin) / 1e6, (usage.ru_utime + usage.ru_stime) * 1e3


def alternate(ours, theirs, rounds):
    """The times of both, as lists of pairs."""
    for _ in range(min(WARM, rounds)):
        ours.once()
        theirs.once()
    return [(ours.once(), theirs.once()) for _ in range(rounds)]


def compare(ours, theirs, rounds):
    """What both take, and how much of the peer's time nsinit does."""
    pairs = alternate(ours, theirs, rounds)
    found = {"nsinit_ratio": statistics.median(a[0] / b[0] for a, b in pairs)}
    for key, n in (("nsinit", 0), ("peer", 1)):
        walls = [pair[n][0] for pair in pairs]
        found[key] = {"median_ms": statistics.median(walls), "min_ms": min(walls),
                      "cpu_ms": statistics.mean(pair[n][1] for pair in pairs)}
    found["nsinit_ratio_of_minima"] = found["nsinit"]["min_ms"] / found["peer"]["min_ms"]
    return found


def able(commands):
    """Those that can run; for each other a line."""
    for command in commands:
        why = command.why_not()
        if why is None:
            yield command
        else:
            leave_out(command.name, why)


def compare_all(title, ours, peers, rounds):
    """A table of nsinit beside each peer that can run."""
    found, why = {}, ours.why_not()
    if why:
        raise SystemExit(f"scripts/bench: {' '.join(ours.args)}: {why}")
    for peer in able(peers):
        try:
            found[peer.name] = compare(ours, peer, rounds)
        except Failed as why:
            leave_out(peer.name, why)
    rows = []
    for name, it in found.items():
        figures = [it[who][key] for key in ("median_ms", "min_ms") for who in ("peer", "nsinit")]
        ratios = [it["nsinit_ratio"], it["nsinit_ratio_of_minima"]]
        rows.append((name, *(f"{figure:.2f}" for figure in figures + ratios)))
    show(f"{title}, ms ({rounds} rounds, pair by pair)",
         ("beside", "its median", "nsinit's", "its minimum", "nsinit's", "nsinit takes of it", "of its minimum"), rows)
    return found
