//! The examples of docs/services.md, as they are written, on a machine.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::config::Config;
use crate::machine::Machine;
use crate::world::{Place, spawn, until};

/// The examples that are configurations, in their order.
fn examples() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/services.md");
    let text = fs::read_to_string(path).unwrap();
    let (mut all, mut one) = (Vec::new(), String::new());
    for line in text.lines() {
        match line.strip_prefix("    ") {
            Some(code) => one += &format!("{code}\n"),
            None if one.starts_with('{') => all.push(std::mem::take(&mut one)),
            None => one.clear(),
        }
    }
    all
}

#[test]
fn the_shell_joins_another_container_and_the_clock_is_set() {
    let place = Place::new();
    let Some(mut machine) = Machine::new(&place) else { return };
    machine.nsinit_is_init();
    let [shell, clock] = &examples()[..] else { panic!("there are two examples") };
    machine.module("overlay");
    for (name, text) in [("shell", shell), ("clock", clock)] {
        machine.boots("services", name, "");
        let file = machine.root.join(format!("containers/services/{name}/container.json"));
        fs::write(file, text).unwrap();
    }
    machine.program(
        "containers/services/clock/rootfs/usr/sbin/ntpd",
        "#!/bin/sh\nread pid rest < /proc/self/stat && date -s 2030-01-01 && : > /note && \
         echo SET $(date +%Y) by $1 as $pid\nsleep 1000\n",
    );
    let mut config = Config::empty();
    config.set("command.args", crate::config::strings(&["/bin/sleep", "1000"]));
    config.set("namespaces", "[]").set("environment", r#"["PATH=/bin"]"#);
    machine.container("containers/services/network", &config);
    machine.boots("services", "web", "echo secret > /note; sleep 1000");
    // The shell's line; the machine's own words go to another.
    let line = place.dir.join("line");
    let chardev = format!("socket,id=line,path={},server=on,wait=off", line.display());
    machine.qemu.extend(
        ["-monitor", "none", "-chardev", &chardev, "-serial", "chardev:line", "-serial", "stdio"]
            .map(str::to_owned),
    );
    machine.console = "console=ttyS1 no_timer_check";
    let mut running = spawn(&mut machine.command());
    let said = running.wait_for_within("clock: SET 2030 by -n", machine.limit);
    assert!(!said.contains("shell: "), "{said}");
    let mut line = UnixStream::connect(line).unwrap();
    line.set_nonblocking(true).unwrap();
    line.write_all(b"\nnsinit list; nsinit exec --id web /bin/cat /note; nsinit poweroff\n")
        .unwrap();
    let mut heard = String::new();
    until("the shell has answered", || {
        let mut buf = [0; 4096];
        let n = line.read(&mut buf).unwrap_or(0);
        heard += &String::from_utf8_lossy(&buf[..n]);
        heard.contains("secret\r\n")
    });
    assert!(heard.contains("clock                services    running"), "{heard}");
    let run = running.end_within(machine.limit);
    assert!(run.out.contains("reboot: Power down"), "{}\n{heard}", run.out);
}
