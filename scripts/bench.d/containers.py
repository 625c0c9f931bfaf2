"""One container for all launchers: that of sample_configs/minimal.json, without its terminal."""

import json
import os

from host import GROUP, TOP, WORK, script

SAMPLE = os.path.join(TOP, "sample_configs", "minimal.json")
ROOT = os.path.join(WORK, "root")  # the peers' root file system
PLACE = os.path.join(WORK, "place")  # nsinit's: its container.json lies in it

HIDDEN_FILES = ["/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug"]
HIDDEN_DIRECTORIES = ["/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware",
                      "/sys/devices/virtual/powercap"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def sample(name):
    """The file for a container whose groups are called by `name`, one level below the top."""
    with open(SAMPLE, encoding="utf-8") as f:
        config = json.load(f)
    config["tty"] = False
    config["cgroups"].update(parent="/", name=f"{GROUP}-{name}")
    return config


def write(path, config):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f, indent=4)
    os.chmod(path, 0o600)


def place(name, config=None):
    """A directory with a root file system and the container.json of a container."""
    path = os.path.join(WORK, name)
    script("rootfs", path)
    write(os.path.join(path, "container.json"), config or sample(name))
    return path


def bundle(name, args):
    """The same as an OCI bundle; its root is the peers'."""
    path = os.path.join(WORK, "bundles", name)
    os.makedirs(path, exist_ok=True)
    write(os.path.join(path, "config.json"), oci(name, args))
    return path


def oci(name, args):
    config = sample(name)
    capabilities = ["CAP_" + word for word in config["capabilities"]]
    flags = ["nosuid", "noexec", "nodev"]

    def mount(kind, destination, options, source=None):
        return {"type": kind, "destination": destination, "source": source or kind, "options": options}

    def rule(device):
        kind = chr(device["type"])
        number = {k: device[k + "_number"] for k in ("major", "minor") if device.get(k + "_number", 0) != -1}
        return {"allow": True, "type": kind, "access": device["cgroup_permissions"], **number}

    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": config["environment"] + ["HOME=/root"],
            "cwd": "/",
            "capabilities": {k: capabilities for k in ("bounding", "effective", "permitted")},
        },
        "root": {"path": ROOT},
        "hostname": config["hostname"],
        "mounts": [
            mount("proc", "/proc", flags),
            mount("tmpfs", "/dev", ["nosuid", "strictatime", "mode=755"]),
            mount("tmpfs", "/dev/shm", flags + ["mode=1777", "size=65536k"], "shm"),
            mount("devpts", "/dev/pts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("mqueue", "/dev/mqueue", flags),
            mount("sysfs", "/sys", flags + ["ro"]),
        ],
        "linux": {
            "cgroupsPath": f"/{GROUP}-{name}",
            "resources": {
                "devices": [{"allow": False, "access": "rwm"}]
                + [rule(d) for d in config["cgroups"]["allowed_devices"]]
            },
            "namespaces": [{"type": t} for t in ("ipc", "network", "mount", "pid", "uts")],
            "maskedPaths": HIDDEN_FILES + HIDDEN_DIRECTORIES,
            "readonlyPaths": READ_ONLY,
        },
    }


def bubblewrap(command):
    config = sample("bubblewrap")
    args = ["bwrap", "--unshare-ipc", "--unshare-net", "--unshare-pid", "--unshare-uts",
            "--hostname", config["hostname"], "--bind", ROOT, "/", "--proc", "/proc", "--dev", "/dev",
            "--mqueue", "/dev/mqueue", "--ro-bind", "/sys", "/sys", "--clearenv", "--new-session",
            "--die-with-parent", "--cap-drop", "ALL"]
    for name in config["capabilities"]:
        args += ["--cap-add", "CAP_" + name]
    for entry in config["environment"]:
        args += ["--setenv", *entry.split("=", 1)]
    for path in HIDDEN_FILES:
        if os.path.exists(path):
            args += ["--ro-bind", "/dev/null", path]
    for path in HIDDEN_DIRECTORIES:
        if os.path.isdir(path):
            args += ["--tmpfs", path, "--remount-ro", path]
    return args + ["--"] + command
