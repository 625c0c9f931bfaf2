//! Who may end the machine: signals of BusyBox and systemd, the names poweroff, reboot and halt, the
//! power button, Ctrl-Alt-Del.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::thread::sleep;
use std::time::Duration;

use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::{Place, Running, spawn, until};

on_each_arch!(
    the_power_button,
    ctrl_alt_del,
    a_shell_on_the_console_holds_nothing_up,
    the_signals_of_busybox,
    the_signals_of_systemd,
    by_name
);

/// The firmware of a machine that is no PC.
const FIRMWARE: &str = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd";

/// A machine with a service that says how it was ended.
fn machine(place: &Place, arch: Arch) -> Option<Machine> {
    let machine = Machine::of(place, arch)?;
    machine.nsinit_is_init();
    machine.boots(
        "services",
        "waits",
        "trap 'echo ENDED IN ORDER; exit 0' TERM; echo READY; : > /ready; while :; do sleep 1 & wait; done",
    );
    Some(machine)
}

fn ends(said: &str, word: &str) {
    assert!(said.contains(&format!("reboot: {word}")), "{said}");
    assert!(said.contains("ENDED IN ORDER"), "{said}");
}

/// Asks the running machine's monitor for something.
fn press(machine: &mut Machine, place: &Place, command: &str) -> Running {
    let (mut running, mut monitor) = machine.boot_until(place, "READY");
    writeln!(monitor, "{command}").unwrap();
    running.wait_for_within("shutdown requested: stopping containers", machine.limit);
    running
}

fn the_power_button(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(&place, arch) else { return };
    machine.module("evdev");
    match arch {
        Arch::X86_64 => machine.module("button"),
        // Only its firmware tells the kernel of ACPI.
        Arch::Aarch64 => machine.qemu.extend(["-bios", FIRMWARE].map(str::to_owned)),
    }
    let run = press(&mut machine, &place, "system_powerdown").end_within(machine.limit);
    ends(&run.out, "Power down");
}

#[test]
fn the_power_button_after_a_keyboard_is_gone() {
    let place = Place::new();
    let Some(mut machine) = machine(&place, Arch::X86_64) else { return };
    for module in ["evdev", "button"] {
        machine.module(module);
    }
    // It has a power key, too.
    machine.rescue("printf serio0 > /sys/bus/serio/drivers/atkbd/unbind && echo GONE");
    let run = press(&mut machine, &place, "system_powerdown").end_within(machine.limit);
    assert!(run.out.contains("GONE"), "{}", run.out);
    ends(&run.out, "Power down");
}

fn a_shell_on_the_console_holds_nothing_up(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.keyboard();
    machine.boots("services", "none", "true");
    machine.append += "nsinit.idle=shell";
    // Where it reads from a terminal, it ignores TERM.
    let (mut running, mut monitor) = machine.boot_until(&place, "/ # ");
    writeln!(monitor, "sendkey ctrl-alt-delete").unwrap();
    running.wait_for_within("rebooting", machine.limit);
    let said = running.end_within(machine.limit).out;
    assert!(said.contains("reboot: Restarting") && !said.contains("killed"), "{said}");
}

#[test]
fn a_shell_that_is_not_there_is_not_announced() {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, Arch::X86_64) else { return };
    machine.nsinit_is_init();
    machine.keyboard();
    machine.boots("services", "none", "true");
    // Before the containers, and after them.
    machine.append += "nsinit.rescue nsinit.idle=shell";
    fs::remove_file(machine.root.join("bin/sh")).unwrap();
    let none = "nsinit: start the shell /bin/sh: No such file or directory (ENOENT)";
    let (mut running, mut monitor) = machine.boot_until(&place, none);
    until("it happens again", || running.out().matches(none).count() == 2);
    writeln!(monitor, "sendkey ctrl-alt-delete").unwrap();
    let said = running.end_within(machine.limit).out;
    assert!(!said.contains("a shell "), "{said}");
    assert!(said.contains("reboot: Restarting"), "{said}");
}

fn ctrl_alt_del(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(&place, arch) else { return };
    machine.keyboard();
    let run = press(&mut machine, &place, "sendkey ctrl-alt-delete").end_within(machine.limit);
    ends(&run.out, "Restarting");
}

#[test]
fn ctrl_alt_del_seven_times_waits_for_nothing() {
    let place = Place::new();
    let Some(mut machine) = machine(&place, Arch::X86_64) else { return };
    machine.keyboard();
    machine.boots("onshutdown", "slow", "echo SLOW; sleep 50");
    let (mut running, mut monitor) = machine.boot_until(&place, "READY");
    writeln!(monitor, "sendkey ctrl-alt-delete 20").unwrap();
    running.wait_for_within("SLOW", machine.limit);
    // Those that fall into one window of two seconds count.
    for _ in 0..16 {
        // It may have ended by then.
        let _ = writeln!(monitor, "sendkey ctrl-alt-delete 20");
        sleep(Duration::from_millis(60));
    }
    let said = running.end_within(Duration::from_secs(25)).out;
    assert!(said.contains("nsinit: resetting now: Ctrl-Alt-Del"), "{said}");
    assert!(said.contains("reboot: Restarting"), "{said}");
}

/// Boots with a script that runs beside the containers.
fn beside(machine: &mut Machine, script: &str) -> String {
    machine.rescue(&format!(
        "trap '' HUP; (until [ -e /containers/services/waits/rootfs/ready ]; do usleep 50000; done; {script}) </dev/null >/dev/console 2>&1 &"
    ));
    machine.boot()
}

fn the_signals_of_busybox(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(&place, arch) else { return };
    ends(&beside(&mut machine, "kill -USR2 1"), "Power down");
    machine.append.clear();
    ends(&beside(&mut machine, "kill -TERM 1"), "Restarting");
}

fn the_signals_of_systemd(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(&place, arch) else { return };
    ends(&beside(&mut machine, "kill -38 1"), "Power down");
    machine.append.clear();
    ends(&beside(&mut machine, "kill -39 1"), "Restarting");
}

fn by_name(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(&place, arch) else { return };
    std::fs::create_dir_all(machine.root.join("sbin")).unwrap();
    symlink("/init", machine.root.join("sbin/reboot")).unwrap();
    ends(&beside(&mut machine, "/sbin/reboot"), "Restarting");
    machine.append.clear();
    ends(&beside(&mut machine, "/bin/nsinit poweroff"), "Power down");
    machine.append.clear();
    machine.rescue(
        "trap '' HUP; (until [ -e /containers/services/waits/rootfs/ready ]; do usleep 50000; done; /bin/nsinit halt) </dev/null >/dev/console 2>&1 &",
    );
    let mut running = spawn(&mut machine.command());
    ends(&running.wait_for_within("System halted", machine.limit), "System halted");
    running.signal(libc::SIGKILL);
    running.end_within(machine.limit);
}
