//! Services of a machine that nsinit has booted.

use std::fs;

use crate::config::{CAPABILITIES, Config, strings};
use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::Place;

on_each_arch!(
    services_start_are_asked_for_and_stop_before_the_machine_does,
    a_crash_loop_costs_next_to_nothing_and_pid_1_stays_small,
    a_second_failure_brings_no_second_shell,
    images_need_no_more_than_their_modules
);

/// A machine with nsinit as /init, and a service on it that is in no container: it runs `script`
/// with the machine's own files.
fn machine(place: &Place, arch: Arch, script: &str) -> Option<Machine> {
    let machine = Machine::of(place, arch)?;
    machine.nsinit_is_init();
    let dir = machine.root.join("containers/services/zz-host");
    fs::create_dir_all(&dir).unwrap();
    machine.program("script", &format!("#!/bin/sh\nexport PATH=/bin\n{script}\n"));
    let mut config = Config::empty();
    config.set("command.args", strings(&["/script"])).set("environment", strings(&["PATH=/bin"]));
    let capabilities =
        ["SYS_ADMIN", "SYS_PTRACE", "SYS_CHROOT", "DAC_OVERRIDE", "SETUID", "SETGID"];
    config.set("capabilities", strings(&[&CAPABILITIES[..], &capabilities].concat()));
    config.set("namespaces", "[]").set("service.restart", "\"no\"");
    fs::write(dir.join("container.json"), config.text()).unwrap();
    Some(machine)
}

fn services_start_are_asked_for_and_stop_before_the_machine_does(arch: Arch) {
    let place = Place::new();
    let Some(machine) = machine(
        &place,
        arch,
        "until nsinit list | grep -q 'web .*running'; do usleep 20000; done\n\
         nsinit list; nsinit exec --id web cat /note; nsinit logs 010-first\n\
         nsinit restart web && nsinit list --json && nsinit blame && nsinit poweroff\nsleep 100",
    ) else {
        return;
    };
    machine.boots("onboot", "010-first", "echo FIRST");
    machine.boots(
        "services",
        "web",
        "echo UP > /note; trap 'echo BYE; exit 0' TERM; while :; do usleep 50000; done",
    );
    machine.boots("onshutdown", "last", "echo LAST");
    let said = machine.boot();
    assert!(said.contains("010-first: FIRST\n"), "{said}");
    for line in
        ["zz-host: 010-first            onboot      ended", "zz-host: UP\n", "zz-host: FIRST\n"]
    {
        assert!(said.contains(line), "no {line:?} in:\n{said}");
    }
    assert!(
        said.contains("\"name\":\"web\",\"kind\":\"services\",\"state\":\"running\""),
        "{said}"
    );
    let end = said.split("\"restarts\":1").nth(1).unwrap_or_else(|| panic!("{said}"));
    let at = |word: &str| end.find(word).unwrap_or_else(|| panic!("no {word:?} in:\n{said}"));
    assert!(
        at("web: BYE") < at("last: LAST") && at("last: LAST") < at("reboot: Power down"),
        "{said}"
    );
}

fn a_crash_loop_costs_next_to_nothing_and_pid_1_stays_small(arch: Arch) {
    let place = Place::new();
    // After the first second, jiffies of PID 1 and of all that it has waited for.
    let Some(machine) = machine(
        &place,
        arch,
        "sleep 3; a=$(cut -d' ' -f14-17 /proc/1/stat); sleep 5; b=$(cut -d' ' -f14-17 /proc/1/stat)\n\
         echo TICKS $a $b END; grep VmRSS /proc/1/status; nsinit list; nsinit poweroff; sleep 100",
    ) else {
        return;
    };
    machine.boots("services", "crash", "exit 3");
    let said = machine.boot();
    let ticks = said.split("TICKS ").nth(1).unwrap_or_else(|| panic!("{said}"));
    let ticks: Vec<u32> = ticks.split_whitespace().map_while(|n| n.parse().ok()).collect();
    let [before, after] = [&ticks[..4], &ticks[4..8]].map(|t| t.iter().sum::<u32>());
    // A hundred ticks are a second. A loop without pauses would take them all; what is not the guest's
    // fault is counted, too, where the host is busy. services_crash.rs measures what it really costs.
    assert!(after - before < 250, "{ticks:?}");
    let resident = said.split("VmRSS:").nth(1).unwrap();
    let resident: u32 = resident.split_whitespace().next().unwrap().parse().unwrap();
    println!("resident: {resident} kB");
    assert!(resident <= 150, "{resident} kB");
    assert!(said.contains("crash: nsinit: exited with status 3; restarting in 3200 ms"), "{said}");
}

fn a_second_failure_brings_no_second_shell(arch: Arch) {
    let place = Place::new();
    let Some(machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.boots("onboot", "first", "exit 3");
    fs::remove_file(machine.root.join("bin/sh")).unwrap();
    let script = "nsinit start first\nsleep 1\nnsinit list\nkill -USR2 1";
    let shell = format!("#!/bin/busybox sh\nexport PATH=/bin\necho A SHELL\n{script}\n");
    machine.program("bin/sh", &shell);
    let said = machine.boot();
    assert_eq!(said.matches("first: nsinit: exited with status 3").count(), 2, "{said}");
    assert_eq!(said.matches("A SHELL").count(), 1, "{said}");
}

fn images_need_no_more_than_their_modules(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(
        &place,
        arch,
        "until nsinit logs image | grep -q DONE; do usleep 20000; done; nsinit poweroff; sleep 100",
    ) else {
        return;
    };
    for module in ["loop", "squashfs", "overlay"] {
        machine.module(module);
    }
    machine.boots("services", "image", "echo x > /note && echo DONE $(cat /note); sleep 100");
    let dir = machine.root.join("containers/services/image");
    let made = std::process::Command::new("mksquashfs")
        .args([dir.join("rootfs"), dir.join("rootfs.squashfs")])
        .args(["-quiet", "-no-progress"])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return crate::world::skip("no mksquashfs: squashfs-tools");
    }
    fs::remove_dir_all(dir.join("rootfs")).unwrap();
    let text = fs::read_to_string(dir.join("container.json")).unwrap();
    let text = text.replace("\"rootfs\": \"rootfs\",\n", "");
    let text = text.replacen('{', "{\n  \"service\": {\"overlay\": \"tmpfs\"},", 1);
    fs::write(dir.join("container.json"), text).unwrap();
    let said = machine.boot();
    assert!(said.contains("image: DONE x\n"), "{said}");
    assert!(said.contains("reboot: Power down"), "{said}");
}
