//! Kernel modules of the image: why one can't be loaded is said with what helps.

use std::fs;

use crate::machine::Machine;
use crate::world::Place;

#[test]
fn what_a_module_lacks_is_named() {
    let place = Place::new();
    let Some(mut machine) = Machine::new(&place) else { return };
    machine.nsinit_is_init();
    machine.module("softdog");
    let dir = machine.root.join("modules");
    fs::remove_file(dir.join("watchdog.ko")).unwrap();
    fs::write(dir.join("packed.ko.xz"), "nonsense").unwrap();
    fs::write(dir.join("other.ko"), "nonsense").unwrap();
    fs::write(dir.join("README"), "").unwrap();
    machine.only("echo UP");
    let said = machine.boot();
    for (module, why) in [
        ("softdog.ko", "No such file or directory (ENOENT): it needs watchdog, not loaded"),
        ("other.ko", "Exec format error (ENOEXEC): it was built for another kernel"),
        ("README", "Exec format error (ENOEXEC): not a module: they are named *.ko"),
    ] {
        let whole = format!("nsinit: warning: load the module /modules/{module}: {why}\n");
        assert!(said.contains(&whole), "no {whole:?} in:\n{said}");
    }
    let packed = said.lines().find(|line| line.contains("/modules/packed.ko.xz: "));
    let packed = packed.unwrap_or_else(|| panic!("{said}"));
    assert!(
        packed.ends_with(
            ": this kernel does not unpack modules: unpack it before (mkinitramfs does)"
        ),
        "{said}"
    );
    assert!(said.contains("UP\n"), "{said}");
}
