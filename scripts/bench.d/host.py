"""What all parts of the bench need of the host: paths, packages, a mount namespace of its own, tables."""

import contextlib
import ctypes
import glob
import os
import re
import shutil
import subprocess
import sys

SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOP = os.path.dirname(SCRIPTS)
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", os.path.join(TOP, "target")))
WORK = os.path.join(TARGET, "bench")
NSINIT = os.path.abspath(os.environ.get("NSINIT", os.path.join(TARGET, "release", "nsinit")))
# Control groups and containers of this run begin with this.
GROUP = f"nsinit-bench-{os.getpid()}"
# Without these nothing can be measured; a peer that is not there is only left out.
TOOLS = "iproute2 strace gcc libc6-dev".split()
PEERS = "crun runc bubblewrap tini dumb-init catatonit".split()

CLONE_NEWNS = 0x00020000  # include/uapi/linux/sched.h


def script(name, *words):
    subprocess.run([os.path.join(SCRIPTS, name), *words], check=True)


def prepare():
    if os.geteuid() != 0:
        sys.exit("scripts/bench: run it as root")
    script("apt-install", *TOOLS)
    # One that can't be installed keeps the others neither from that nor from being measured.
    if not install(*PEERS):
        for peer in PEERS:
            install(peer)
    if "NSINIT" not in os.environ:
        path = os.environ["PATH"] + ":" + os.path.expanduser("~/.cargo/bin")
        subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=TOP, env={**os.environ, "PATH": path}, check=True)
    os.makedirs(WORK, exist_ok=True)
    own_mounts()


def install(*peers):
    run = subprocess.run([os.path.join(SCRIPTS, "apt-install"), *peers], check=False, capture_output=True)
    return run.returncode == 0


def own_mounts():
    """A mount namespace for the bench and all that it starts, which goes with it. On a hybrid host it lacks
    the hierarchy of version 2: crun refuses to start where that has controllers left, and so all have groups
    in the same hierarchies."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        sys.exit(f"scripts/bench: make a mount namespace: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    if os.path.ismount("/sys/fs/cgroup/unified"):
        subprocess.run(["umount", "/sys/fs/cgroup/unified"], check=True)


def remove_groups():
    for hierarchy in ("", "*/"):
        for top in glob.glob(f"/sys/fs/cgroup/{hierarchy}{GROUP}*"):
            for directory, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)


def compile_c(name, *options):
    """The program of a source file beside this one."""
    source = next(path for path in glob.glob(os.path.join(SCRIPTS, "bench.d", name + ".*")) if path[-2:] in (".c", ".S"))
    program = os.path.join(WORK, name)
    subprocess.run(["cc", "-static", "-O2", *options, "-o", program, source], check=True)
    return program


def first_line(*args):
    try:
        out = subprocess.run(args, capture_output=True, text=True, check=False)
        return (out.stdout or out.stderr).splitlines()[0].strip()
    except (OSError, IndexError):
        return "?"


def versions(options):
    found = {"kernel": os.uname().release.split("-")[0], "CPUs": os.cpu_count(),
             "nsinit": first_line(NSINIT, "--version"), "rustc": first_line("rustc", "--version")}
    for peer in PEERS:
        query = ["dpkg-query", "-W", "-f", "${Version}", peer]
        found[peer] = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    if options.crun:
        found["crun of --crun"] = first_line(options.crun, "--version")
    return found


def memory_of(pid):
    """Kilobytes: all that is resident, and what is the process's own of that."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        text = f.read()
    value = lambda key: int(re.search(rf"^{key}: +(\d+) kB", text, re.M)[1])
    return {"resident": value("Rss"), "anonymous": value("Anonymous")}


def leave_out(name, why):
    print(f"left out: {name}: {why}")


def show(title, head, rows):
    """A table, as Markdown has it."""
    print(f"\n{title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def copy_of(path, to):
    """A fresh copy of a directory."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(path, to, symlinks=True)
