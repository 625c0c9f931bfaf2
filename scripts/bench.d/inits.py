"""What an init costs, beside tini, dumb-init and catatonit: to start, to be there, to reap."""

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import time

from host import NSINIT, compile_c, leave_out, memory_of, show


def inits():
    """The inits that are there, and how each is asked to reap whatever is started below it."""
    found = {"nsinit": [NSINIT, "init", "--"]}
    for name, options in (("tini", ["-s", "--"]), ("dumb-init", []), ("catatonit", ["--"])):
        path = shutil.which(name)
        if path:
            found[name] = [path, *options]
        else:
            leave_out(name, "it is not installed")
    return found


def starts(all_inits, tool, nothing, rounds):
    """What an init adds to a program that does nothing: the median of the differences, round by round."""
    words = [tool, "start", str(rounds), nothing]
    for command in all_inits.values():
        words += [";", *command, nothing]
    run = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    lines = [[int(word) / 1e6 for word in line.split()] for line in run.stdout.splitlines()]
    found = {"without an init": {"median_ms": statistics.median(line[0] for line in lines), "added_ms": 0}}
    for i, name in enumerate(all_inits, 1):
        found[name] = {"median_ms": statistics.median(line[i] for line in lines),
                       "added_ms": statistics.median(line[i] - line[0] for line in lines)}
    return found


@contextlib.contextmanager
def as_process_1(command):
    """An init as PID 1 of a PID namespace; its pid out here."""
    outside = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *command],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        with open(f"/proc/{outside.pid}/task/{outside.pid}/children", encoding="ascii") as f:
            yield int(f.read().split()[0])
    finally:
        outside.kill()
        outside.wait()


def wake_ups(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return sum(int(n) for n in re.findall(r"voluntary_ctxt_switches:\s+(\d+)", f.read()))


def rest(all_inits):
    """Memory of the inits with one child, and how often they wake up in ten seconds of nothing."""
    with contextlib.ExitStack() as stack:
        pids = {name: stack.enter_context(as_process_1([*command, "/bin/sleep", "99"]))
                for name, command in all_inits.items()}
        found = {name: memory_of(pid) for name, pid in pids.items()}
        before = {name: wake_ups(pid) for name, pid in pids.items()}
        time.sleep(10)
        for name, pid in pids.items():
            found[name]["wake_ups"] = wake_ups(pid) - before[name]
    return found


def storms(all_inits, tool, rounds):
    """Milliseconds to reap 10,000 orphans that end up with an init at once, as PID 1: by the clock, and
    on a CPU."""
    walls = {name: [] for name in all_inits}
    cpus = {name: [] for name in all_inits}
    order = list(all_inits.items())
    for _ in range(rounds):
        order.append(order.pop(0))
        for name, command in order:
            run = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *command, tool, "storm", "10000"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
            wall, cpu = run.stdout.split()
            walls[name].append(int(wall) / 1e6)
            cpus[name].append(int(cpu) / 1e6)
    return {name: {"median_ms": statistics.median(times), "min_ms": min(times),
                   "cpu_ms": statistics.median(cpus[name]),
                   "nsinit_ratio": statistics.median(a / b for a, b in zip(cpus["nsinit"], cpus[name]))}
            for name, times in walls.items()}


def measure(options):
    tool, nothing = compile_c("init"), compile_c("nothing", "-nostdlib")
    os.chdir("/")
    all_inits, rounds = inits(), options.rounds * 3
    found = {"start": starts(all_inits, tool, nothing, rounds), "rest": rest(all_inits),
             "storm": storms(all_inits, tool, max(options.rounds // 15, 4))}
    show(f"init: a program that does nothing, ms ({rounds} rounds, in turn)", ("", "median", "added"),
         [(k, f"{v['median_ms']:.3f}", f"{v['added_ms']:.3f}") for k, v in found["start"].items()])
    show("init: PID 1 with one child, kB", ("", "resident", "anonymous", "wake-ups in 10 s"),
         [(k, v["resident"], v["anonymous"], v["wake_ups"]) for k, v in found["rest"].items()])
    show("init: until 10,000 orphans are reaped, ms", ("", "median", "minimum", "on a CPU", "nsinit takes of that"),
         [(k, f"{v['median_ms']:.1f}", f"{v['min_ms']:.1f}", f"{v['cpu_ms']:.1f}", f"{v['nsinit_ratio']:.2f}")
          for k, v in found["storm"].items()])
    return found
