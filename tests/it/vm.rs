//! In a virtual machine, where nsinit runs from an initramfs: the root of a kernel's first process
//! can't be pivoted away the usual way.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::config::Config;
use crate::world::{Place, lay_out, nameless, nsinit, skip, spawn};

/// Where scripts/vm-kernel has put the kernel.
fn kernel() -> Option<PathBuf> {
    let dir = std::env::var_os("NSINIT_VM").map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("../vm"));
    let kernel = dir.join("vmlinuz");
    let qemu = Command::new("qemu-system-x86_64").arg("--version").output().is_ok();
    (kernel.exists() && qemu && cfg!(target_arch = "x86_64")).then_some(kernel)
}

/// Boots an initramfs of BusyBox, nsinit and this script as /init; what it said on its console.
fn boot(place: &Place, kernel: &Path, config: &Config, script: &str) -> String {
    let initramfs = place.dir.join("initramfs");
    lay_out(&initramfs);
    for link in ["poweroff", "sh"] {
        let _ = symlink("busybox", initramfs.join("bin").join(link));
    }
    fs::copy(nsinit(), initramfs.join("bin/nsinit")).unwrap();
    let container = initramfs.join("container");
    lay_out(&container);
    fs::write(container.join("container.json"), config.text()).unwrap();
    let init = initramfs.join("init");
    let text = format!(
        "#!/bin/sh\nexport PATH=/bin\nmount -t proc proc /proc\nmount -t sysfs sys /sys\n\
         mount -t devtmpfs dev /dev\n{script}\necho MACHINE ENDS\npoweroff -f\n"
    );
    fs::write(&init, text).unwrap();
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).unwrap();

    let image = place.dir.join("initramfs.cpio");
    let pack = Command::new("sh")
        .args(["-c", "find . | cpio -o -H newc --quiet > ../initramfs.cpio"])
        .current_dir(&initramfs)
        .status()
        .unwrap();
    assert!(pack.success(), "apt-get install cpio");
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-accel", "tcg", "-m", "512", "-nographic", "-no-reboot", "-kernel"])
        .arg(kernel)
        .arg("-initrd")
        .arg(&image)
        .args(["-append", "console=ttyS0 panic=-1 quiet"])
        .stdin(Stdio::from(nameless()));
    let run = spawn(&mut qemu).end();
    let said = run.out.replace('\r', "");
    assert!(said.contains("MACHINE ENDS"), "{said}\n{}", run.err);
    said
}

fn machine_config() -> Config {
    let mut config = Config::new("container");
    // The stock kernel's controllers are all of version 2, which is not mounted here.
    config.unset("cgroups");
    config
}

#[test]
fn from_an_initramfs_it_pivots_all_the_same() {
    let Some(kernel) = kernel() else { return skip("no kernel or no qemu: scripts/vm-kernel") };
    let place = Place::new();
    let script = "cd /container\n\
        nsinit exec /bin/sh -c 'hostname; echo inside $$; ls /container /init; ls /; cut -d\" \" -f5 /proc/self/mountinfo; exit 5'\n\
        echo STATUS $?\n\
        ls /container/state.json; cut -d' ' -f5 /proc/self/mountinfo | sort | tr '\\n' ' '; echo";
    let said = boot(&place, &kernel, &machine_config(), script);
    assert!(said.contains("koye\ninside "), "{said}");
    assert!(said.contains("STATUS 5"), "{said}");
    assert!(said.contains("ls: /init: No such file"), "the machine's root is still there:\n{said}");
    assert!(said.contains("/container/state.json: No such file"), "{said}");
    let host = said.lines().find(|l| l.contains("/proc ") && l.contains("/sys ")).unwrap_or(&said);
    assert!(!host.contains("/container"), "mounts are left on the machine: {host}");
}

#[test]
fn from_an_initramfs_it_joins_and_dies_whole() {
    let Some(kernel) = kernel() else { return skip("no kernel or no qemu: scripts/vm-kernel") };
    let place = Place::new();
    let script = "cd /container\n\
        nsinit exec /bin/sh -c 'echo one > /tmp/note; sleep 300' &\n\
        until [ -s /container/tmp/note ]; do usleep 20000; done\n\
        nsinit exec /bin/sh -c 'cat /tmp/note; hostname; exit 6'\n\
        echo JOINED $?\n\
        kill -TERM $!; wait $!; echo ENDED $?; ps -o args | grep -c '[s]leep 300'";
    let said = boot(&place, &kernel, &machine_config(), script);
    assert!(said.contains("one\nkoye\nJOINED 6"), "{said}");
    assert!(said.contains("ENDED 143\n0\n"), "{said}");
}

#[test]
fn with_every_capability_and_a_stock_kernel() {
    let Some(kernel) = kernel() else { return skip("no kernel or no qemu: scripts/vm-kernel") };
    let place = Place::new();
    let mut config = machine_config();
    config.set("capabilities", crate::config::strings(&["SYS_RESOURCE", "SYS_ADMIN", "KILL"]));
    config.set("rlimits", r#"[{"type": 7, "hard": 900000, "soft": 900000}]"#);
    config.set("namespaces.NEWCGROUP", "true").set("namespaces.NEWTIME", "true");
    let said = boot(
        &place,
        &kernel,
        &config,
        "cd /container; nsinit exec /bin/sh -c 'ulimit -n; grep CapEff /proc/self/status'; echo STATUS $?",
    );
    assert!(said.contains("900000\nCapEff:\t0000000001200020\nSTATUS 0"), "{said}");
}
