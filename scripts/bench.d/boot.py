"""A machine that boots into one container, from an initramfs: nsinit as /init, and BusyBox's init with a
shell script and crun. Both in QEMU, which lets a nanosecond go by for each instruction: the figures are the
same on a busy host."""

import gzip
import os
import re
import shutil
import statistics
import subprocess

from host import NSINIT, SCRIPTS, TARGET, WORK, leave_out, script, show

# What the container says: seconds since power-on, as the kernel's own messages have them.
SAYS = "read up rest < /proc/uptime; echo RUNS $up"
PLACE = """{"rootfs": "rootfs", "hostname": "bench", "tty": false, "restrict_sys": true,
"environment": ["PATH=/bin"], "networks": [{"type": "loopback"}],
"namespaces": {"NEWIPC": true, "NEWNET": true, "NEWNS": true, "NEWPID": true, "NEWUTS": true},
"command": {"args": ["/bin/sh", "-c", "%s"]}}"""
MOUNTS = """mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /dev/mqueue /run /tmp
mount -t devpts pts /dev/pts; mount -t tmpfs shm /dev/shm; mount -t mqueue mqueue /dev/mqueue
mount -t tmpfs run /run; mount -t tmpfs tmp /tmp; mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
"""


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def pack(root, image):
    command = 'find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc --quiet > "$1"'
    subprocess.run(["sh", "-c", command, "sh", image], cwd=root, check=True)
    with open(image, "rb") as f:
        data = f.read()
    return {"bytes": len(data), "compressed": len(gzip.compress(data, 9))}


def static_busybox():
    run = subprocess.run([os.path.join(SCRIPTS, "static-busybox")], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def small_root(root):
    """The container's root file system: BusyBox alone, the same for both."""
    for name in ("bin", "proc", "sys", "dev"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    shutil.copy(static_busybox(), os.path.join(root, "bin", "busybox"))
    for applet in ("sh", "sleep"):
        os.symlink("busybox", os.path.join(root, "bin", applet))


def ours(work, nsinit, kind, script, name):
    root = os.path.join(work, "boot-" + name)
    shutil.rmtree(root, ignore_errors=True)
    place = os.path.join(root, "containers", kind, "one")
    small_root(os.path.join(place, "rootfs"))
    write(os.path.join(place, "container.json"), PLACE % script)
    shutil.copy(nsinit, os.path.join(root, "init"))
    return root


def theirs(work):
    root = os.path.join(work, "boot-crun")
    shutil.rmtree(root, ignore_errors=True)
    for name in ("proc", "sys", "dev", "bin", "sbin", "etc", "bundle"):
        os.makedirs(os.path.join(root, name))
    shutil.copy(static_busybox(), os.path.join(root, "bin", "busybox"))
    for applet in ("sh", "mount", "mkdir", "ip", "poweroff"):
        os.symlink("busybox", os.path.join(root, "bin", applet))
    os.symlink("bin/busybox", os.path.join(root, "init"))
    crun = shutil.which("crun")
    listed = subprocess.run(["ldd", crun], capture_output=True, text=True, check=True).stdout
    for path in [crun, *re.findall(r"(/\S+)", listed)]:
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        shutil.copy(path, root + path)
    small_root(os.path.join(root, "bundle", "rootfs"))
    subprocess.run([crun, "spec"], cwd=os.path.join(root, "bundle"), check=True)
    spec = os.path.join(root, "bundle", "config.json")
    with open(spec, encoding="utf-8") as f:
        text = f.read().replace('"terminal": true', '"terminal": false')
    write(spec, re.sub(r'"args": \[[^]]*\]', '"args": ["/bin/sh", "-c", "%s"]' % SAYS, text))
    write(os.path.join(root, "etc", "inittab"), "::sysinit:/etc/rc\n")
    # An initramfs can't be pivoted away without help: crun is told so.
    run = f"cd /bundle; {crun} run --no-pivot one; poweroff -f\n"
    write(os.path.join(root, "etc", "rc"), f"#!/bin/sh\nexport PATH=/bin\n{MOUNTS}{run}", 0o755)
    return root


def boot(vm, image, append=""):
    command = ["qemu-system-x86_64", "-accel", "tcg", "-icount", "shift=0,sleep=off", "-m", "256", "-nographic", "-nic", "none", "-no-reboot",
               "-kernel", os.path.join(vm, "vmlinuz"), "-initrd", image,
               "-append", f"console=ttyS0 panic=-1 loglevel=7 no_timer_check {append}"]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=True)
    return run.stdout.decode(errors="replace")


def seconds_to_container(said):
    handed_over = float(re.search(r"\[ *([\d.]+)\] Run /init as init process", said)[1])
    return float(re.search(r"RUNS ([\d.]+)", said)[1]) - handed_over


def memory_of_process_1(work, vm, nsinit):
    """With a service that runs: asked by a shell of the machine that was there before."""
    root = ours(work, nsinit, "services", "sleep 60", "memory")
    shutil.copytree(os.path.join(root, "containers/services/one/rootfs/bin"), os.path.join(root, "bin"), symlinks=True)
    for applet in ("cat", "kill"):
        os.symlink("busybox", os.path.join(root, "bin", applet))
    write(os.path.join(root, "script"), "#!/bin/sh\nexport PATH=/bin\ntrap '' HUP\n"
          "(sleep 5; cat /proc/1/smaps_rollup > /dev/ttyS0; kill -USR2 1) &\n", 0o755)
    image = os.path.join(work, "boot-memory.cpio")
    pack(root, image)
    said = boot(vm, image, "nsinit.shell=/script")
    value = lambda key: int(re.search(rf"^{key}: +(\d+) kB", said, re.M)[1])
    return {"resident": value("Rss"), "anonymous": value("Anonymous")}


def figures(vm, rounds):
    """Sizes, times and memory, by name."""
    roots = [("nsinit", ours(WORK, NSINIT, "onboot", SAYS, "nsinit"))]
    if shutil.which("crun"):
        roots.append(("BusyBox init, crun", theirs(WORK)))
    else:
        leave_out("BusyBox init, crun", "it is not installed")
    images, found = {}, {"image": {}, "first container": {}}
    for name, root in roots:
        images[name] = os.path.join(WORK, os.path.basename(root) + ".cpio")
        found["image"][name] = pack(root, images[name])
    times = {name: [] for name in images}
    for _ in range(rounds):
        for name, image in images.items():
            times[name].append(seconds_to_container(boot(vm, image)))
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(times["nsinit"], values))
        found["first container"][name] = {"median_ms": statistics.median(values) * 1000,
                                          "min_ms": min(values) * 1000, "nsinit_ratio": ratio}
    found["process 1"] = memory_of_process_1(WORK, vm, NSINIT)
    return found


def measure(options):
    vm = os.path.join(TARGET, "vm")
    try:
        script("apt-install", "qemu-system-x86", "cpio")
        script("vm-kernel", vm)
    except subprocess.CalledProcessError:
        leave_out("boot", "it takes QEMU, cpio and a kernel")
        return None
    found = figures(vm, max(options.rounds // 30, 3))
    show("boot: an initramfs with one BusyBox container, bytes", ("", "plain", "gzip -9"),
         [(k, f"{v['bytes']:,}", f"{v['compressed']:,}") for k, v in found["image"].items()])
    show("boot: from the kernel's hand-over to the container, ms of a machine that takes 1 ns for an instruction",
         ("", "median", "minimum", "nsinit takes of it"),
         [(k, f"{v['median_ms']:.1f}", f"{v['min_ms']:.1f}", f"{v['nsinit_ratio']:.2f}")
          for k, v in found["first container"].items()])
    show("boot: PID 1 with one service, kB", ("", "resident", "anonymous"),
         [("nsinit", found["process 1"]["resident"], found["process 1"]["anonymous"])])
    return found
