"""Starts, joins, and fifty starts at once, beside the other launchers."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time

from containers import PLACE, ROOT, bubblewrap, bundle, place, sample, write
from host import GROUP, NSINIT, WORK, compile_c, first_line, leave_out, script, show
from pairs import ENVIRONMENT, Command, compare_all

TRUE = ["/bin/true"]
SLEEP = ["/bin/sleep", "9999"]


def runtimes(options):
    """The OCI runtimes: a name with its version, and the program."""
    found = []
    for name, program in (("crun", "crun"), ("crun", options.crun), ("runc", "runc")):
        if not program:
            continue
        if shutil.which(program):
            version = re.search(r"version (\S+)", first_line(program, "--version"))
            found.append((f"{name} {version[1] if version else '?'}", program))
        else:
            leave_out(program, "there is no such program")
    return found


def hierarchies():
    """The version 1 hierarchies in which nsinit makes groups, by their directories: those with controllers."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        mounts = [line.split() for line in f]
    return [mount[1] for mount in mounts if mount[2] == "cgroup" and "name=" not in mount[3]]


def start(options):
    script("rootfs", ROOT)
    place("place")
    ours = Command("nsinit", [NSINIT, "exec", *TRUE], PLACE)
    peers, found = [], hierarchies()
    if found:
        floor = compile_c("floor")
        peers.append(Command("a straight line of C", [floor, ROOT, f"{GROUP}-floor", ",".join(found), *TRUE]))
    else:
        leave_out("a straight line of C", "it knows control groups of version 1 alone")
    for name, program in runtimes(options):
        id = name.replace(" ", "-")
        peers.append(Command(name, [program, "run", "--bundle", bundle(id, TRUE), f"{GROUP}-{id}"]))
    if shutil.which("bwrap"):
        peers.append(Command("bubblewrap", bubblewrap(TRUE)))
    else:
        leave_out("bubblewrap", "it is not installed")
    times = compare_all("start", ours, peers, options.rounds)
    calls = {command.name: system_calls(command) for command in [ours, *peers] if command.name in {"nsinit", *times}}
    show("system calls of a start, the command's own included", ("", "calls"), calls.items())
    sizes = {command.name: os.stat(os.path.realpath(command.program)).st_size
             for command in [ours, *peers] if command.name in calls}
    show("program, bytes", ("", "size"), [(name, f"{size:,}") for name, size in sizes.items()])
    return {"times": times, "system calls": calls, "sizes": sizes}


def system_calls(command):
    log = os.path.join(WORK, "strace")
    subprocess.run(["strace", "-fcqq", "-o", log, "--signal=none", command.program, *command.args[1:]],
                   cwd=command.cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=False)
    with open(log, encoding="ascii") as f:
        # "100.00 SECONDS MICROSECONDS CALLS ERRORS total", without ERRORS if there were none.
        return int(f.read().splitlines()[-1].split()[3])


def join(options):
    script("rootfs", ROOT)
    place("place")
    with contextlib.ExitStack() as stack:
        run(stack, Command("nsinit", [NSINIT, "exec", *SLEEP], PLACE), lambda: None)
        peers = []
        for name, program in runtimes(options):
            id = f"{GROUP}-join-" + name.replace(" ", "-")
            sleeper = Command(name, [program, "run", "--bundle", bundle("join-" + name.replace(" ", "-"), SLEEP), id])
            run(stack, sleeper, lambda program=program, id=id: subprocess.run([program, "kill", id, "KILL"], check=False))
            peers.append(Command(name, [program, "exec", id, *TRUE]))
        time.sleep(1)
        return compare_all("join", Command("nsinit", [NSINIT, "exec", *TRUE], PLACE), peers, options.rounds)


def run(stack, command, end):
    """Starts it for as long as the stack lasts. One that does not start can't be joined, which is told then."""
    try:
        process = subprocess.Popen(command.args, cwd=command.cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        return

    def stop():
        end()
        process.send_signal(signal.SIGTERM)
        process.wait()

    stack.callback(stop)


COUNT = 50


def at_once(options):
    """Fifty containers, each of its own file and groups, on one root file system. Beside crun alone: fifty of
    runc take a minute."""
    crowd = compile_c("crowd")
    script("rootfs", ROOT)
    places = os.path.join(WORK, "crowd-places")
    for n in range(COUNT):
        os.makedirs(f"{places}/{n}", exist_ok=True)
        write(f"{places}/{n}/container.json", {**sample(f"crowd-{n}"), "rootfs": ROOT})
    commands = [Command("nsinit", [NSINIT, "exec", "--root", places, "--id", "@", *TRUE])]
    for name, program in runtimes(options):
        if not name.startswith("crun"):
            continue
        id = name.replace(" ", "-") + "-"
        for n in range(COUNT):
            path = bundle(f"{id}{n}", TRUE)
        path = path.removesuffix(str(COUNT - 1)) + "@"
        commands.append(Command(name, [program, "run", "--bundle", path, f"{GROUP}-{id}@"]))
    for command in commands:
        command.args = [crowd, str(COUNT), *command.args]
        command.program = crowd
    ours, *peers = commands
    return compare_all(f"{COUNT} starts at once, on two CPUs", ours, peers, max(options.rounds // 10, 5))
