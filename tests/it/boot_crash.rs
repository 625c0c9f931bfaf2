//! PID 1 fails by its own fault: it says why, and does what the command line says.

use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::{Place, spawn};

on_each_arch!(it_says_why_and_reboots, or_halts, or_gives_a_shell);

fn it_says_why_and_reboots(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.rescue("kill -SEGV 1; sleep 20; echo STILL THERE");
    let said = machine.boot();
    assert!(said.contains("PID 1 has crashed: SIGSEGV, which a process has sent"), "{said}");
    assert!(said.contains("reboot: Restarting"), "{said}");
    assert!(!said.contains("STILL THERE") && !said.contains("Kernel panic"), "{said}");
}

fn or_halts(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.append += "nsinit.panic=halt";
    machine.rescue("kill -BUS 1; sleep 20; echo STILL THERE");
    let mut running = spawn(&mut machine.command());
    let said = running.wait_for_within("reboot: System halted", machine.limit);
    assert!(said.contains("PID 1 has crashed: SIGBUS"), "{said}");
    running.signal(libc::SIGKILL);
    running.end_within(machine.limit);
}

fn or_gives_a_shell(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.append += "nsinit.panic=shell";
    machine.rescue("kill -ILL 1; sleep 20");
    std::fs::remove_file(machine.root.join("bin/sh")).unwrap();
    machine.program(
        "bin/sh",
        "#!/bin/busybox sh\n[ $# = 0 ] || exec /bin/busybox sh \"$@\"\n/bin/echo RESCUED\n",
    );
    let said = machine.boot();
    let crash = said.find("PID 1 has crashed: SIGILL").expect(&said);
    assert!(said[crash..].contains("RESCUED"), "{said}");
    assert!(said.contains("reboot: Restarting"), "{said}");
}
