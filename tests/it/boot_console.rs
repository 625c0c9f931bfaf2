//! Consoles: a line that nobody reads holds nothing up, and every active one is written to.

use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::machine::Machine;
use crate::world::Place;

fn fifo(path: &Path) -> File {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: plain system call with a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    // Open at both ends, so that nobody waits for the other.
    File::options().read(true).write(true).open(path).unwrap()
}

#[test]
fn a_stalled_serial_line_does_not_stop_the_machine() {
    let place = Place::new();
    let Some(mut machine) = Machine::new(&place) else { return };
    machine.nsinit_is_init();
    // Everybody writes more than the line, the pipe behind it and our own memory can hold.
    machine.boots("onboot", "loud", "yes 0123456789012345678901234567890 | head -c 300000");
    machine.boots("onboot", "then", "echo the next one");
    machine.rescue(
        "(yes 0123456789012345678901234567890 | head -c 300000) &\n\
        sleep 1; echo GOES ON > /dev/ttyS1; kill $!",
    );
    let stalled = place.dir.join("line");
    let _ends = [fifo(&stalled.with_extension("in")), fifo(&stalled.with_extension("out"))];
    let line = format!("pipe,id=stalled,path={}", stalled.display());
    machine.qemu.extend(
        ["-monitor", "none", "-chardev", &line, "-serial", "chardev:stalled", "-serial", "stdio"]
            .map(str::to_owned),
    );
    // It ends by itself, or the harness ends the test.
    let said = machine.boot();
    assert!(said.contains("GOES ON"), "{said}");
}

#[test]
fn every_active_console_is_written_to() {
    let place = Place::new();
    let Some(mut machine) = Machine::new(&place) else { return };
    machine.nsinit_is_init();
    machine.boots("onboot", "one", "echo WORDS OF ONE");
    // The screen is the main one then, and the serial line the other.
    machine.append += "console=tty0 nsinit.nonsense";
    machine.boots("onshutdown", "last", "sleep 1");
    machine.rescue(
        "trap '' HUP; (until grep -q 'WORDS OF ONE' /dev/vcs1; do usleep 100000; done
        tr -s ' ' < /dev/vcs1 | sed 's/^/SCREEN /' > /dev/ttyS0) &",
    );
    let said = machine.boot();
    let (screen, line): (Vec<&str>, Vec<&str>) =
        said.lines().partition(|line| line.contains("SCREEN "));
    for said in [screen.concat(), line.concat()] {
        assert!(said.contains("nsinit.nonsense: no such option"), "{said}");
        assert!(said.contains("WORDS OF ONE"), "{said}");
    }
}
