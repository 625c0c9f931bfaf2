//! What can't go on, or should not: times that are up, a console and a log that nobody reads, a start that
//! hangs in the kernel.

use std::fs;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::boot_root;
use crate::booted::{System, service};
use crate::config::quote;
use crate::machine::Arch;
use crate::world::{Place, spawn, until};

#[test]
fn who_ends_well_when_its_time_is_up_has_failed() {
    let system = System::new();
    let mut config = service("trap 'exit 0' TERM; while :; do sleep 0.1; done");
    config.set("service.timeout", quote("500ms"));
    system.add("onboot", "1", &config);
    system.script("services", "web", "sleep 1000");
    let mut booted = system.boot();
    booted.says("1: nsinit: exceeded its timeout; stopping it\n");
    booted.says("the machine stays up\n");
    assert_eq!((booted.list("1")[2].as_str(), booted.list("web")[2].as_str()), ("failed", "idle"));
}

#[test]
fn who_is_stopped_by_hand_when_its_time_is_up_stays_so() {
    let system = System::new();
    let mut config = service("trap '' TERM; while :; do sleep 0.1; done");
    config.set("service.timeout", quote("300ms")).set("service.grace", quote("2s"));
    system.add("services", "web", &config);
    let mut booted = system.boot();
    booted.says("exceeded its timeout");
    booted.verb(&["stop", "web"]).ok();
    assert_eq!(booted.list("web")[2], "stopped");
}

#[test]
fn what_is_to_run_at_the_end_runs_then_whoever_has_started_it_before() {
    let system = System::new();
    system.script("services", "web", "sleep 1000");
    for name in ["done", "stopped"] {
        let wait = if name == "done" { "" } else { "sleep 1000" };
        let script = format!("echo RUN; [ -e /again ] && exit; : > /again; {wait}");
        system.script("onshutdown", name, &script);
    }
    let mut booted = system.boot();
    for name in ["done", "stopped"] {
        // It returns when the container has ended, which one of them does not.
        booted.inside(&["sh", "-c", &format!("/mnt/init start {name} &")]).ok();
        booted.says(&format!("{name}: RUN\n"));
    }
    booted.is("done", "ended");
    let said = booted.power_off();
    for name in ["done", "stopped"] {
        assert_eq!(said.matches(&format!("{name}: RUN\n")).count(), 2, "{name} in\n{said}");
    }
}

#[test]
fn a_command_that_never_began_has_not_run() {
    let system = System::new();
    fs::write(system.dir("services", "bad").join("container.json"), "{ nonsense").unwrap();
    let booted = system.boot();
    booted.is("bad", "failed");
    let blame = booted.verb(&["blame", "--json"]);
    let line = blame.ok().split('{').find(|line| line.contains("\"bad\"")).unwrap();
    assert!(line.contains("\"ran_ms\":0,"), "{line}");
}

#[test]
fn a_log_that_is_a_pipe_holds_nobody_up() {
    let mut system = System::new();
    // Whoever has the directory to write to can put one there. What is mounted already stays.
    system.before += "d=/run/nsinit/pid1; mkdir -p $d && mount -t tmpfs own $d && mkdir $d/log && mkfifo $d/log/web;";
    system.script("services", "web", "echo up; sleep 1000");
    let mut booted = system.boot();
    booted.says("web: up\n");
    booted.is("web", "running");
}

#[test]
fn no_containers_log_is_the_older_part_of_anothers() {
    let system = System::new();
    for name in ["web", "web.1"] {
        system.script("services", name, &format!("echo from {name}; sleep 1000"));
    }
    let mut booted = system.boot();
    booted.says("web.1: from web.1\n");
    booted.says("web: from web\n");
    assert_eq!(booted.verb(&["logs", "web"]).ok(), "from web\n");
}

#[test]
fn a_console_that_takes_little_holds_the_end_up_for_seconds_only() {
    let mut system = System::new();
    let fifo = system.place.dir.join("console");
    let path = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    // SAFETY: a C string and a mode.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let mut options = fs::OpenOptions::new();
    let mut console = options.read(true).custom_flags(libc::O_NONBLOCK).open(&fifo).unwrap();
    // It takes 256 bytes as soon as those before are read.
    // SAFETY: it takes integers.
    assert_eq!(unsafe { libc::fcntl(console.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) }, 4096);
    system.words += &format!("2> {}", fifo.display());
    let script = "n=0; while [ $n != 3000 ]; do echo $n-01234567890; n=$((n+1)); done; sleep 1000";
    system.script("services", "talk", script);
    let booted = system.boot();
    let ended = AtomicBool::new(false);
    let took = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(220));
                let _ = console.read(&mut [0; 512]);
            }
        });
        until("all is said", || booted.verb(&["logs", "talk"]).out.contains("2999-"));
        let start = Instant::now();
        booted.power_off();
        ended.store(true, Ordering::Relaxed);
        start.elapsed()
    });
    // At its pace the console takes 39 seconds for all of it.
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn the_network_of_a_launcher_that_must_be_killed_is_taken_back() {
    let mut system = System::new();
    // What is the machine's network here is no other test's.
    system.before +=
        "exec unshare --net /mnt/init nsinit.containers=/mnt/containers nsinit.cgroup=none;";
    let mut config = service("echo up; sleep 1000");
    config.set("service.grace", quote("300ms")).set(
        "networks",
        r#"[{"type": "bridge", "name": "nbr0", "create": true, "address": "10.8.0.1/24"},
            {"type": "veth", "bridge": "nbr0", "veth_prefix": "veth", "address": "10.8.0.2/24"}]"#,
    );
    system.add("services", "web", &config);
    let mut booted = system.boot();
    booted.says("web: up\n");
    let pid = booted.pid.to_string();
    let links = || {
        let mut ip = Command::new("nsenter");
        spawn(ip.args(["-t", &pid, "-n", "ip", "link", "show"])).end().ok().to_owned()
    };
    assert!(links().contains("nbr0"), "{}", links());
    let launcher = booted.list("web")[3].clone();
    booted.inside(&["kill", "-STOP", &launcher]).ok();
    booted.verb(&["stop", "web"]).ok();
    until("the bridge is gone", || !links().contains("nbr0"));
}

#[test]
fn a_start_that_hangs_in_the_kernel_does_not_keep_the_machine_up() {
    let (place, arch) = (Place::new(), Arch::X86_64);
    let disk = boot_root::disk(&place, arch, None);
    let append = "nsinit.grace=1";
    let Some(mut machine) = boot_root::machine(&place, arch, &disk, append) else { return };
    machine.boots("services", "stuck", "echo NOT REACHED");
    let file = machine.root.join("containers/services/stuck/container.json");
    let text = fs::read_to_string(&file).unwrap();
    let service = "{\n  \"service\": {\"overlay\": \"/data/layer\", \"grace\": \"1s\"},";
    fs::write(&file, text.replacen('{', service, 1)).unwrap();
    // Who makes a directory on a frozen file system can't be killed.
    machine.rescue(
        "mkdir /data; mount -t ext4 /dev/vda /data && fsfreeze --freeze /data && echo FROZEN\n\
         trap '' HUP; (sleep 3; kill -USR2 1) >/dev/null 2>&1 &",
    );
    machine.limit = Duration::from_secs(90);
    let said = machine.boot();
    assert!(said.contains("FROZEN"), "{said}");
    assert!(said.contains("stuck: nsinit: can't be killed; going on without its end"), "{said}");
    assert!(said.contains("reboot: Power down"), "{said}");
}
