//! The kernel's log as the place where the output of containers goes.

use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::Place;

on_each_arch!(
    every_line_is_there_with_its_name,
    a_kernel_that_limits_it_is_warned_of_and_holds_nothing_up
);

/// A machine with a container that says more than the kernel takes of one who is not trusted, all of
/// it to the kernel's log; the kernel prints what is of the level "info" and above on the console.
fn machine(place: &Place, arch: Arch) -> Option<Machine> {
    let mut machine = Machine::of(place, arch)?;
    machine.nsinit_is_init();
    machine.boots(
        "onboot",
        "talk",
        "for i in $(seq 40); do echo line-$i; done; head -c 2000 /dev/zero | tr '\\0' y; echo; echo last",
    );
    machine.append += "nsinit.log=kmsg loglevel=7 ";
    Some(machine)
}

/// Lines of the container as the kernel prints them: "[    1.234567] talk: line-1".
fn by_kernel(said: &str) -> Vec<&str> {
    said.lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("] talk: "))
        .map(|(_, text)| text)
        .collect()
}

fn every_line_is_there_with_its_name(arch: Arch) {
    let place = Place::new();
    let Some(machine) = machine(&place, arch) else { return };
    let said = machine.boot();
    let lines = by_kernel(&said);
    let counted: Vec<String> = (1..=40).map(|n| format!("line-{n}")).collect();
    assert!(lines.starts_with(&counted.iter().map(String::as_str).collect::<Vec<_>>()), "{said}");
    // One that is too long for a record of the kernel's has several.
    let lengths: Vec<usize> = lines[40..].iter().map(|line| line.len()).collect();
    assert_eq!(lengths, [800, 800, 400, 4], "{said}");
    // And nowhere else.
    assert!(!said.lines().any(|line| line.starts_with("talk: line")), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

fn a_kernel_that_limits_it_is_warned_of_and_holds_nothing_up(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(&place, arch) else { return };
    // Given there, nobody can change it.
    machine.append += "printk.devkmsg=ratelimit";
    let said = machine.boot();
    assert!(
        said.contains(
            "nsinit: warning: the kernel's log takes ten lines in five seconds and no more"
        ),
        "{said}"
    );
    let lines = by_kernel(&said);
    assert!((5..40).contains(&lines.len()), "{said}");
    assert!(said.contains("reboot: Power down"), "{said}");
}
