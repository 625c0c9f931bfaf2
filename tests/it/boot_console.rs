//! Consoles: a line that nobody reads holds nothing up, and every active one is written to.

use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::Place;

on_each_arch!(
    a_stalled_serial_line_does_not_stop_the_machine,
    without_a_console_the_kernels_log_takes_everything,
    every_active_console_is_written_to
);

fn fifo(path: &Path) -> File {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: plain system call with a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    // Open at both ends, so that nobody waits for the other.
    File::options().read(true).write(true).open(path).unwrap()
}

fn a_stalled_serial_line_does_not_stop_the_machine(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    // Everybody writes more than the line, the pipe behind it and our own memory can hold.
    machine.boots("onboot", "loud", "yes 0123456789012345678901234567890 | head -c 300000");
    machine.boots("onboot", "then", "echo the next one");
    machine.console = "console=ttyS0 no_timer_check";
    let (lines, other): (&[&str], _) = match arch {
        Arch::X86_64 => (&["-serial", "chardev:stalled", "-serial", "stdio"], "ttyS1"),
        // A card: of the machine's own line, a PL011, qemu waits for the reader, and all stands still.
        Arch::Aarch64 => {
            (&["-device", "pci-serial,chardev=stalled", "-serial", "stdio"], "ttyAMA0")
        }
    };
    machine.rescue(&format!(
        "(yes 0123456789012345678901234567890 | head -c 300000) &\n\
        sleep 1; echo GOES ON > /dev/{other}; kill $!",
    ));
    let stalled = place.dir.join("line");
    let _ends = [fifo(&stalled.with_extension("in")), fifo(&stalled.with_extension("out"))];
    let line = format!("pipe,id=stalled,path={}", stalled.display());
    machine.qemu.extend(["-monitor", "none", "-chardev", &line].map(str::to_owned));
    machine.qemu.extend(lines.iter().map(|word| word.to_string()));
    // It ends by itself, or the harness ends the test.
    let said = machine.boot();
    assert!(said.contains("GOES ON"), "{said}");
}

fn without_a_console_the_kernels_log_takes_everything(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.console = "console=null";
    if arch == Arch::X86_64 {
        // The other has no screen.
        machine.qemu.extend(["-vga", "none"].map(str::to_owned));
    }
    // More than ten lines in five seconds, which is what the kernel takes of anybody else.
    machine.boots("onboot", "one", "for i in $(seq 40); do echo line-$i; done; exit 3");
    // As the rescue shell it runs before the container, and again when that has failed.
    machine.rescue(&format!(
        "(echo ACTIVE $(cat /sys/class/tty/console/active) END; sleep 0.2; dmesg | sed 's/^/LOG /') > /dev/{}\n\
        [ ! -e /again ] || kill -USR2 1; : > /again",
        arch.console()
    ));
    let said = machine.boot();
    assert!(said.contains("ACTIVE END"), "there is a console:\n{said}");
    for n in 1..=40 {
        assert!(said.contains(&format!("] one: line-{n}\n")), "no line-{n}:\n{said}");
    }
    assert!(said.contains("] one: nsinit: exited with status 3"), "{said}");
    assert!(
        said.contains("] nsinit: an onboot container failed: services will not start"),
        "{said}"
    );
    // Nothing is said on a line that is no console.
    let other = said.lines().find(|line| line.starts_with("one: "));
    assert_eq!(other, None, "{said}");
}

fn every_active_console_is_written_to(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = Machine::of(&place, arch) else { return };
    machine.nsinit_is_init();
    machine.boots("onboot", "one", "echo WORDS OF ONE");
    // The screen is the main one then, and the serial line the other.
    machine.append += "console=tty0 nsinit.nonsense";
    machine.boots("onshutdown", "last", "sleep 1");
    machine.rescue(&format!(
        "trap '' HUP; (until grep -q 'WORDS OF ONE' /dev/vcs1; do usleep 100000; done
        tr -s ' ' < /dev/vcs1 | sed 's/^/SCREEN /' > /dev/{}) &",
        arch.console()
    ));
    let said = machine.boot();
    let (screen, line): (Vec<&str>, Vec<&str>) =
        said.lines().partition(|line| line.contains("SCREEN "));
    for said in [screen.concat(), line.concat()] {
        assert!(said.contains("nsinit.nonsense: unknown option"), "{said}");
        assert!(said.contains("WORDS OF ONE"), "{said}");
    }
}
