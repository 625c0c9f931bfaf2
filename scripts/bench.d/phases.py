"""Where the time of a start goes: every process of it on one time line, traced by the kernel itself (tracefs,
docs.kernel.org/trace/events.html), which costs a thousandth of a millisecond a call where strace costs tens.

A line of the table is a stretch of one process: either one call that lasts, sleeps, or makes or ends a process,
or all the short ones between two of those. Of the traced starts the one with the median duration is shown.
"""

import collections
import contextlib
import os
import re
import statistics
import subprocess

from containers import PLACE, place
from host import GROUP, NSINIT, WORK, show
from pairs import ENVIRONMENT

# A call that lasts or sleeps so long, in milliseconds, is a line of its own.
LONG, ASLEEP = 0.15, 0.03
# Where a process begins, ends, becomes another, or may wait for another.
CUTS = {"execve", "execveat", "clone", "clone3", "fork", "vfork", "exit_group", "unshare", "setns"}
EVENTS = ["raw_syscalls", "sched/sched_switch", "sched/sched_process_fork"]

LINE = re.compile(r"^\s*(?P<comm>.*)-(?P<pid>\d+)\s+\[\d+\]\s+\S+\s+(?P<time>[\d.]+): (?P<event>\w+): (?P<rest>.*)$")
SWITCH = re.compile(r"prev_pid=(\d+) .*prev_state=(\S+) ==> .*next_pid=(\d+)")
FORK = re.compile(r"child_pid=(\d+)")

Call = collections.namedtuple("Call", "name begin end asleep")
Stretch = collections.namedtuple("Stretch", "process begin end asleep what")


def put(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


@contextlib.contextmanager
def tracing():
    """A trace buffer of the bench's own: other users of the kernel's tracing are not disturbed."""
    top = os.path.join(WORK, "tracing")
    os.makedirs(top, exist_ok=True)
    subprocess.run(["mount", "-t", "tracefs", "tracefs", top], check=True)
    buffer = os.path.join(top, "instances", GROUP)
    os.makedirs(buffer, exist_ok=True)
    try:
        put(os.path.join(buffer, "tracing_on"), "0")
        put(os.path.join(buffer, "trace_clock"), "mono")
        put(os.path.join(buffer, "buffer_size_kb"), "4096")
        # Forked processes are traced, too.
        put(os.path.join(buffer, "options/event-fork"), "1")
        for event in EVENTS:
            put(os.path.join(buffer, "events", event, "enable"), "1")
        yield buffer
    finally:
        os.rmdir(buffer)
        subprocess.run(["umount", top], check=True)


def trace(buffer):
    """The lines of one start."""
    put(os.path.join(buffer, "trace"), "")
    # A shell is small: what the kernel takes for the execve of a large process would be in the figures.
    script = f"echo $$ > {buffer}/set_event_pid; echo 1 > {buffer}/tracing_on; exec {NSINIT} exec /bin/true"
    with subprocess.Popen(["sh", "-c", script], cwd=PLACE, env=ENVIRONMENT, stdin=subprocess.DEVNULL) as start:
        pass
    put(os.path.join(buffer, "tracing_on"), "0")
    if start.returncode != 0:
        raise SystemExit("scripts/bench: a traced start failed")
    with open(os.path.join(buffer, "trace"), encoding="utf-8", errors="replace") as f:
        return start.pid, f.read().splitlines()


def names():
    """The system calls' names by their numbers, as the C compiler has them."""
    text = subprocess.run(["cc", "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", "/dev/null"],
                          capture_output=True, text=True, check=True).stdout
    return {number: name for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.M)}


class Process:
    """What one process has done."""

    def __init__(self, number, begin):
        self.number, self.calls = number, []
        self.since, self.name = begin, None
        self.left, self.slept, self.waited = None, 0, 0

    def enter(self, name, now):
        # What it slept on its way back from the last call: files are closed there, pages read.
        if self.slept >= ASLEEP:
            self.calls.append(Call("on the way back from that", self.since, now, self.slept))
        self.since, self.name, self.slept = now, name, 0

    def leave(self, now):
        if self.name:
            self.calls.append(Call(self.name, self.since, now, self.slept))
            self.since, self.name, self.slept = now, None, 0

    def switch_out(self, state, now):
        # Dead: the call that it ended in took until now.
        if state[0] in "XZ":
            self.leave(now)
        self.left = (now, state)

    def switch_in(self, now):
        if self.left:
            since, state = self.left
            # One that could go on waits for a CPU: that is the machine's doing, not the launcher's.
            if state.startswith("R"):
                self.waited += now - since
            else:
                self.slept += now - since
            self.left = None


def read(first, lines, known):
    """The processes of a trace, by the lines; times are milliseconds since the first execve."""
    processes, start = {}, None
    for line in lines:
        match = LINE.match(line)
        if not match:
            continue
        now, pid, event, rest = float(match["time"]) * 1e3, int(match["pid"]), match["event"], match["rest"]
        number = rest.split()[1] if event.startswith("sys_") else None
        if start is None:
            if event != "sys_enter" or known.get(number) != "execve":
                continue
            start = now
            processes[first] = Process(1, 0)
        now -= start
        process = processes.get(pid)
        if event == "sched_switch":
            out, state, next_pid = SWITCH.search(rest).groups()
            if int(out) in processes:
                processes[int(out)].switch_out(state, now)
            if int(next_pid) in processes:
                processes[int(next_pid)].switch_in(now)
        elif process and event == "sched_process_fork":
            processes[int(FORK.search(rest)[1])] = Process(len(processes) + 1, now)
        elif process and event == "sys_enter":
            process.enter(known.get(number, number), now)
        elif process and event == "sys_exit":
            process.leave(now)
    return list(processes.values())


def stretches(process):
    """The calls of a process put together."""
    found, short = [], []

    def flush():
        if short:
            kinds = collections.Counter()
            for call in short:
                kinds[call.name] += 1
            most = ", ".join(name if n == 1 else f"{n} {name}" for name, n in kinds.most_common(4))
            more = len(kinds) - 4
            what = most + (f", {more} other kinds" if more > 0 else "")
            found.append(Stretch(process.number, short[0].begin, short[-1].end, sum(c.asleep for c in short), what))
            short.clear()

    for call in process.calls:
        if call.name in CUTS or call.end - call.begin >= LONG or call.asleep >= ASLEEP:
            flush()
            found.append(Stretch(process.number, call.begin, call.end, call.asleep, call.name))
        else:
            short.append(call)
    flush()
    return found


def measure(options):
    place("place")
    known, traces = names(), []
    with tracing() as buffer:
        for _ in range(max(options.rounds // 10, 11)):
            traces.append(read(*trace(buffer), known))
    end = lambda processes: max(process.calls[-1].end for process in processes)
    traces.sort(key=end)
    shown = traces[len(traces) // 2]
    lines = sorted((line for process in shown for line in stretches(process)), key=lambda line: line.begin)
    waited = sum(process.waited for process in shown)
    show(f"phases of a start, ms since its first execve (the median of {len(traces)}: {end(shown):.2f}, of which "
         f"{waited:.2f} waiting for a CPU; traced)", ("from", "to", "takes", "asleep", "process", "what"),
         [(f"{line.begin:.2f}", f"{line.end:.2f}", f"{line.end - line.begin:.2f}",
           f"{line.asleep:.2f}" if line.asleep >= 0.005 else "", line.process, line.what) for line in lines])
    return {"median_ms": statistics.median(map(end, traces)), "min_ms": end(traces[0]), "waiting_for_a_CPU_ms": waited,
            "lines": [line._asdict() for line in lines]}
