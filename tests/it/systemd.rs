//! Scopes of systemd: a machine whose first process is Debian's systemd, with its bus or before there
//! is one, on version 2 and on the hybrid hierarchy of older hosts.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use crate::config::{Config, quote, strings};
use crate::machine::{Arch, Machine};
use crate::on_each_arch;
use crate::world::{Place, skip, spawn};

on_each_arch!(
    a_scope_from_the_bus_on_version_2,
    a_container_lies_in_the_group_that_was_delegated_to_its_unit,
    a_scope_from_systemd_itself_on_a_hybrid_host_without_a_bus
);

const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// A machine of systemd's, with a container whose limits are to be found.
fn machine(place: &Place, arch: Arch, bus: bool) -> Option<Machine> {
    let programs = [SYSTEMD, "/usr/bin/systemctl", "/usr/bin/dbus-daemon"];
    if programs.iter().any(|program| !arch.host(Path::new(program)).exists()) {
        skip("no systemd: apt-get install systemd dbus");
        return None;
    }
    let mut machine = Machine::of(place, arch)?;
    programs.iter().for_each(|program| machine.host_program(Path::new(program)));
    let file = |path: &str, text: &str| {
        let path = machine.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let mut passwd = fs::read_to_string(machine.root.join("etc/passwd")).unwrap();
    passwd += "messagebus:x:100:100::/:/bin/false\n";
    file("etc/passwd", &passwd);
    file("etc/group", "root:x:0:\nmessagebus:x:100:\n");
    file("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    for copy in ["system.conf", "system.d/org.freedesktop.systemd1.conf"] {
        let path = format!("usr/share/dbus-1/{copy}");
        file(&path, &fs::read_to_string(format!("/{path}")).unwrap());
    }
    let unit = |name: &str, text: &str| self::unit(&machine, name, text);
    unit("dbus.socket", "[Socket]\nListenStream=/run/dbus/system_bus_socket\n");
    unit(
        "dbus.service",
        "Requires=dbus.socket\n[Service]\nType=notify\nExecStart=/usr/bin/dbus-daemon --system \
         --address=systemd: --nofork --nopidfile --systemd-activation\n",
    );
    let bus = if bus { "Requires=dbus.service\nAfter=dbus.service\n" } else { "" };
    unit("default.target", "Requires=check.service\nAfter=check.service\n");
    unit(
        "check.service",
        &format!(
            "{bus}[Service]\nType=oneshot\nStandardOutput=tty\nStandardError=tty\n\
             TTYPath=/dev/{}\nEnvironment=PATH=/bin:/usr/bin\nExecStart=/bin/sh /check\n",
            arch.console()
        ),
    );
    let mut config = Config::new("leaf");
    config
        .set("cgroups.slice", quote("machine-some.slice"))
        .set("cgroups.memory", "33554432")
        .set("cgroups.memory_reservation", "16777216")
        .set("cgroups.memory_swap", "50331648")
        .set("cgroups.cpu_shares", "512")
        .set("cgroups.cpu_quota", "20000")
        .set("cgroups.cpu_period", "50000")
        .set("cgroups.cpuset_cpus", quote("0"))
        .set("cgroups.cpuset_mems", quote("0"))
        .set("cgroups.blkio_weight", "500")
        .set("cgroups.pids_limit", "77");
    machine.container("container", &config);
    // As little memory as can be: the launcher, which is in the scope, must not be held to it.
    let mut small = Config::new("small");
    machine.container("small", small.set("cgroups.memory", "131072"));
    // One without groups of its own.
    machine.container("bare", config.unset("cgroups"));
    machine.append = format!("rdinit={SYSTEMD} systemd.show_status=0 systemd.log_target=null ");
    machine.limit = Duration::from_secs(100);
    Some(machine)
}

/// Lays out a unit of systemd's.
fn unit(machine: &Machine, name: &str, text: &str) {
    let dir = machine.root.join("etc/systemd/system");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(name), format!("[Unit]\nDefaultDependencies=no\n{text}")).unwrap();
}

/// What the machine says of one start and one join.
fn said(machine: &Machine) -> String {
    machine.program(
        "check",
        "cd /container\n\
         nsinit exec /bin/sh -c 'cat /proc/self/cgroup | sed \"s/^/inside /\"; touch /up; sleep 300' &\n\
         until [ -e up ]; do usleep 50000; done\n\
         unit=$(systemctl list-units --plain --no-legend --type=scope | sed -n 's/^\\(nsinit[^ ]*\\).*/\\1/p')\n\
         echo unit $unit\n\
         for when in before after; do\n\
         systemctl show $unit | sed \"s/^/$when /\"\n\
         for file in memory.max memory.limit_in_bytes cpu.max cpu.cfs_quota_us cpu.shares cpu.weight pids.max; do\n\
         find /sys/fs/cgroup -path '*nsinit-leaf*' -name $file | while read path; do\n\
         case $path in */leaf/$file) of=group;; *.scope/$file) of=scope;; *) continue;; esac\n\
         echo $when $of $file $(cat $path); done; done\n\
         [ $when = after ] || systemctl daemon-reload; done\n\
         nsinit exec /bin/cat /proc/self/cgroup | sed 's/^/joined /'\n\
         nsinit stats | grep -o '\"cgroup_stats\"'\n\
         nsinit kill; wait\n\
         while systemctl list-units --plain --no-legend --type=scope | grep -q ^nsinit; do usleep 50000; done\n\
         echo left $(find /sys/fs/cgroup -name 'nsinit-*' -o -name leaf)\n\
         sed -i 's/machine-some.slice/no slice.slice/' container.json; nsinit exec /bin/true\n\
         echo refused $?\n\
         sed -i '/slice/s/\"slice\": \"no slice.slice\", //' container.json\n\
         nsinit exec --systemd /bin/cat /proc/self/cgroup | sed 's/^/plain /'\n\
         cd /bare\n\
         nsinit exec --systemd /bin/sh -c 'cat /proc/self/cgroup | sed \"s/^/first /\"; touch /up; sleep 300' &\n\
         until [ -e up ]; do usleep 50000; done\n\
         nsinit exec /bin/cat /proc/self/cgroup | sed 's/^/second /'\n\
         nsinit kill; wait\n\
         cd /small; nsinit exec --systemd /bin/nothing; echo SMALL $?\n\
         nsinit exec --systemd /bin/probe memory 1024; echo TOO MUCH $?\n\
         echo MACHINE ENDS; poweroff -f\n",
    );
    let said = machine.boot();
    assert!(said.contains("MACHINE ENDS"), "{said}");
    said
}

/// What every machine says alike.
#[track_caller]
fn check(said: &str) {
    for words in [
        "unit nsinit-leaf-",
        "before Delegate=yes",
        "before Slice=machine-some.slice",
        "before ActiveState=active",
        "after ActiveState=active",
        "\"cgroup_stats\"",
        "nsinit: ask systemd for a scope",
        "refused 125",
        "SMALL 42",
        "TOO MUCH 137",
        "at the limit of 131072 bytes",
    ] {
        assert!(said.contains(words), "no {words:?} in\n{said}");
    }
    assert!(said.lines().any(|line| line.trim_end() == "left"), "{said}");
    let all = |word: &str| {
        let lines = said.lines().filter_map(|line| line.strip_prefix(word));
        lines.filter(|line| line.contains("/nsinit-container-")).collect::<Vec<_>>()
    };
    assert!(!all("first ").is_empty(), "{said}");
    assert_eq!(all("first "), all("second "), "{said}");
}

/// What systemd knows of the limits, and what counts in the scope and in the container's group, before and
/// after it has read all its units anew.
#[track_caller]
fn check_limits(said: &str, known: &[&str]) {
    for words in known {
        for when in ["before", "after"] {
            let line = format!("{when} {words}");
            assert!(said.lines().any(|said| said == line), "no {line:?} in\n{said}");
        }
    }
}

/// The groups that lines with this word at their start name, without the number of the hierarchy.
fn groups<'a>(said: &'a str, word: &str, list: &str) -> Vec<&'a str> {
    let lines = said.lines().filter_map(|line| line.strip_prefix(word)?.trim().split_once(':'));
    lines.filter_map(|(_, rest)| rest.strip_prefix(list)?.strip_prefix(':')).collect()
}

fn a_scope_from_the_bus_on_version_2(arch: Arch) {
    let place = Place::new();
    let Some(machine) = machine(&place, arch, true) else { return };
    let said = said(&machine);
    check(&said);
    check_limits(
        &said,
        &[
            // 16 MiB more, for the launcher, and a task.
            "MemoryMax=50331648",
            "MemoryLow=16777216",
            "MemorySwapMax=16777216",
            "CPUWeight=59",
            "CPUQuotaPerSecUSec=400ms",
            "CPUQuotaPeriodUSec=50ms",
            "AllowedCPUs=0",
            "AllowedMemoryNodes=0",
            "IOWeight=4950",
            "TasksMax=78",
            "scope memory.max 50331648",
            "scope cpu.max 20000 50000",
            "scope cpu.weight 59",
            "scope pids.max 78",
            "group memory.max 33554432",
            "group cpu.max 20000 50000",
            "group cpu.weight 59",
            "group pids.max 77",
        ],
    );
    let start = "/machine.slice/machine-some.slice/nsinit-leaf-";
    for word in ["inside ", "joined "] {
        let groups = groups(&said, word, "");
        assert_eq!(groups.len(), 1, "{said}");
        let scope = groups[0].strip_suffix("/nsinit-test/leaf").unwrap_or_else(|| panic!("{said}"));
        assert!(scope.starts_with(start) && scope.ends_with(".scope"), "{said}");
    }
    let plain = groups(&said, "plain ", "");
    assert!(plain[0].starts_with("/system.slice/nsinit-leaf-"), "{said}");
}

/// The unit's limits hold for the container, its output is the unit's, and it goes with it.
fn a_container_lies_in_the_group_that_was_delegated_to_its_unit(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(&place, arch, true) else { return };
    let journal = ["/usr/lib/systemd/systemd-journald", "/usr/bin/journalctl"];
    if journal.iter().any(|program| !arch.host(Path::new(program)).exists()) {
        skip("no systemd-journald");
        return;
    }
    journal.iter().for_each(|program| machine.host_program(Path::new(program)));
    unit(
        &machine,
        "systemd-journald.socket",
        "[Socket]\nListenDatagram=/run/systemd/journal/socket\n\
         ListenStream=/run/systemd/journal/stdout\nPassCredentials=yes\nPassSecurity=yes\n",
    );
    unit(
        &machine,
        "systemd-journald.service",
        "Requires=systemd-journald.socket\nAfter=systemd-journald.socket\n[Service]\nType=notify\n\
         Sockets=systemd-journald.socket\nExecStart=/usr/lib/systemd/systemd-journald\n\
         StandardOutput=null\n",
    );
    let service = |name: &str, more: &str| {
        let text = format!(
            "Requires=systemd-journald.service\nAfter=systemd-journald.service\n[Service]\n\
             WorkingDirectory=/{name}\nExecStart=/bin/nsinit exec\nKillMode=mixed\n\
             MemoryMax=48M\nMemorySwapMax=0\nEnvironment=PATH=/bin\n{more}"
        );
        unit(&machine, &format!("{name}.service"), &text);
        let script = "trap 'echo asked to stop; exit 0' TERM; probe memory 102400; \
            echo probe ended with $?; touch /up; while :; do usleep 20000; done";
        let mut config = Config::new(name);
        config.set("command", format!("{{\"args\": {}}}", strings(&["/bin/sh", "-c", script])));
        machine.container(name, &config);
    };
    service("inside", "Delegate=yes\n");
    service("beside", "");
    machine.program(
        "check",
        "for name in inside beside; do\n\
         systemctl start $name; until [ -e /$name/up ]; do usleep 50000; done\n\
         nsinit stats --root / --id $name > /dev/null && echo STATS\n\
         pid=$(sed 's/.*\"init_pid\":\\([0-9]*\\).*/\\1/' /$name/state.json)\n\
         echo \"$name group $(sed 's/^0:://' /proc/$pid/cgroup)\"\n\
         rm /$name/up; systemctl restart $name; until [ -e /$name/up ]; do usleep 50000; done\n\
         systemctl stop $name; echo \"$name ended $(systemctl show -P Result $name)\"\n\
         journalctl --sync; journalctl -q -o cat -u $name | sed \"s/^/$name said /\"\n\
         done\n\
         echo left $(find /sys/fs/cgroup -name nsinit-test -o -name inside.service -o -name beside.service)\n\
         echo MACHINE ENDS; poweroff -f\n",
    );
    machine.limit = Duration::from_secs(150);
    let said = machine.boot();
    for line in [
        "inside group /system.slice/inside.service/nsinit-test/inside",
        "inside said probe ended with 137",
        "inside said asked to stop",
        "inside ended success",
        "beside group /system.slice/nsinit-test/beside",
        "beside ended success",
        "left",
    ] {
        assert!(said.lines().any(|said| said.trim_end() == line), "no {line:?} in\n{said}");
    }
    // Without the line in its unit it is told what that would change.
    let warning = "beside said nsinit: warning: the container's control group is not in that of its unit, \
        /sys/fs/cgroup/system.slice/beside.service, but beside it";
    assert!(said.contains(warning) && !said.contains("beside said probe"), "{said}");
    assert!(!said.contains("inside said nsinit"), "{said}");
}

fn a_scope_from_systemd_itself_on_a_hybrid_host_without_a_bus(arch: Arch) {
    let place = Place::new();
    let Some(mut machine) = machine(&place, arch, false) else { return };
    if !machine.has_version_1() {
        return;
    }
    machine.append += "systemd.unified_cgroup_hierarchy=0 ";
    let said = said(&machine);
    check(&said);
    check_limits(
        &said,
        &[
            "MemoryLimit=50331648",
            "CPUShares=512",
            "CPUQuotaPerSecUSec=400ms",
            "BlockIOWeight=500",
            "TasksMax=78",
            "scope memory.limit_in_bytes 50331648",
            "scope cpu.cfs_quota_us 20000",
            "scope cpu.shares 512",
            "scope pids.max 78",
            "group memory.limit_in_bytes 33554432",
            "group cpu.cfs_quota_us 20000",
            "group cpu.shares 512",
            "group pids.max 77",
        ],
    );
    // systemd's own hierarchy, and that of version 2, in which it looks for processes.
    for list in ["name=systemd", ""] {
        let inside = groups(&said, "inside ", list);
        assert_eq!(inside.len(), 1, "{said}");
        let scope = "/machine.slice/machine-some.slice/nsinit-leaf-";
        assert!(inside[0].starts_with(scope), "{said}");
        assert_eq!(groups(&said, "joined ", list), inside, "{said}");
    }
    let memory = groups(&said, "inside ", "memory");
    assert!(memory[0].ends_with("/nsinit-test/leaf"), "{said}");
}

#[test]
fn without_systemd_the_slice_is_left_out_and_the_option_refused() {
    if Path::new("/run/systemd/private").exists() {
        // The machine's own systemd: the other tests have one.
        return;
    }
    let mut place = Place::new();
    place.config.set("cgroups.slice", quote("machine.slice"));
    let run = place.exec(&["/bin/true"]);
    run.ends(0);
    run.says(&["cgroups.slice: systemd does not run here: left out"]);
    place.exec(&["--systemd", "/bin/true"]).fails(&["connect to /run/", "ENOENT"]);
    // What no group of this host could keep is told before systemd is asked for one.
    place.config.set("cgroups.cpuset_cpus", quote("0-777")).set("cgroups.kernel_memory", "4096");
    place.config.set("cgroups.memory", "33554432");
    let run = place.exec(&["--systemd", "/bin/true"]);
    run.fails(&["nsinit: container.json:3:", "cgroups.cpuset_cpus: this host has 0"]);
    assert!(!run.err.contains("connect"), "{}", run.err);
    place.config.set("cgroups.slice", quote("machine"));
    place.exec(&["/bin/true"]).fails(&["cgroups.slice: expected the name of a slice"]);
}

/// A message of D-Bus: type, the call that it answers or 0, the signal's name, and what it says.
fn message(kind: u8, reply: u32, member: &str, texts: &[&str]) -> Vec<u8> {
    fn pad(bytes: &mut Vec<u8>, n: usize) {
        bytes.resize(bytes.len().next_multiple_of(n), 0);
    }
    fn text(bytes: &mut Vec<u8>, text: &str) {
        pad(bytes, 4);
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    let (mut fields, mut body) = (Vec::new(), Vec::new());
    if reply != 0 {
        fields.extend(b"\x05\x01u\0");
        fields.extend(reply.to_le_bytes());
    }
    if !member.is_empty() {
        pad(&mut fields, 8);
        fields.extend(b"\x03\x01s\0");
        text(&mut fields, member);
        // The number of the job.
        body.extend([7, 0, 0, 0]);
    }
    texts.iter().for_each(|words| text(&mut body, words));
    let mut bytes = vec![b'l', kind, 0, 1];
    for n in [body.len() as u32, 1, fields.len() as u32] {
        bytes.extend(n.to_le_bytes());
    }
    bytes.extend(fields);
    pad(&mut bytes, 8);
    bytes.extend(body);
    bytes
}

/// Stands for a systemd that refuses a scope with limits, as one that is too old for a property does.
/// How many properties each call had that it would not know.
fn old_systemd(listener: &UnixListener) -> Vec<usize> {
    let (mut peer, _) = listener.accept().unwrap();
    let mut take = |wanted: &dyn Fn(&[u8]) -> bool| {
        let (mut got, mut buf) = (Vec::new(), [0; 4096]);
        while !wanted(&got) {
            let n = peer.read(&mut buf).unwrap();
            assert!(n > 0, "{}", String::from_utf8_lossy(&got));
            got.extend(&buf[..n]);
        }
        (got, peer.try_clone().unwrap())
    };
    let (_, mut peer) = take(&|got| got.ends_with(b"\r\n"));
    peer.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n").unwrap();
    let call = |got: &[u8]| {
        // What begins the connection comes before the first.
        let start = got.windows(2).position(|pair| pair == b"l\x01");
        start.map(|start| got[start..].to_vec())
    };
    let whole = |got: &[u8]| {
        call(got).is_some_and(|call| {
            let n = |at: usize| u32::from_le_bytes(call[at..at + 4].try_into().unwrap()) as usize;
            call.len() >= 16 && call.len() >= (16 + n(12)).next_multiple_of(8) + n(4)
        })
    };
    let mut unknown = Vec::new();
    for serial in [1, 2] {
        let call = call(&take(&whole).0).unwrap();
        let words = String::from_utf8_lossy(&call);
        unknown.push(["MemoryLimit", "MemoryMax"].iter().filter(|p| words.contains(**p)).count());
        let unit = words.split_once("nsinit-").unwrap().1.split('\0').next().unwrap();
        let answers = match serial {
            1 => vec![message(3, 1, "", &["Cannot set property X, or unknown property."])],
            _ => vec![
                message(4, 0, "JobRemoved", &["/job/7", &format!("nsinit-{unit}"), "done"]),
                message(2, serial, "", &["/job/7"]),
            ],
        };
        answers.iter().for_each(|answer| peer.write_all(answer).unwrap());
    }
    unknown
}

#[test]
fn a_systemd_that_does_not_know_the_limits_gives_a_scope_all_the_same() {
    let mut place = Place::new();
    place.config.set("cgroups.memory", "33554432");
    place.write_config();
    let run = place.host_dir("run");
    fs::create_dir_all(run.join("systemd/system")).unwrap();
    let listener = UnixListener::bind(run.join("systemd/private")).unwrap();
    let script = format!("mount --bind {} /run && exec \"$@\"", run.display());
    let by = ["unshare", "-m", "sh", "-c", &script, "sh"];
    let launcher = spawn(&mut place.wrapped(&by, &["exec", "--systemd", "/bin/nothing"]));
    assert_eq!(old_systemd(&listener), [1, 0]);
    let run = launcher.end();
    run.ends(42);
    run.says(&["Cannot set property X, or unknown property.: it is not told the limits"]);
}
