//! Each file of sample_configs runs, in the place of its own name.

use std::fs;

use crate::cli::{rename_cgroup, sample};
use crate::world::Place;

/// The sample's container.json with a cgroup of the test's own.
fn place_of(name: &str) -> Place {
    let place = Place::new();
    let text = fs::read_to_string(sample(name)).unwrap();
    let text = if text.contains("\"cgroups\"") { rename_cgroup(&text, &place.name) } else { text };
    place.write_text(&text);
    place
}

fn lines(place: &Place, script: &str) -> Vec<String> {
    let run = place.run(&["exec", "/bin/sh", "-c", script]);
    run.ends(0).replace('\r', "").lines().map(str::to_owned).collect()
}

#[test]
fn minimal_runs() {
    let place = place_of("minimal.json");
    let found = lines(&place, "for n in ipc mnt net pid uts; do readlink /proc/self/ns/$n; done");
    for (kind, line) in ["ipc", "mnt", "net", "pid", "uts"].iter().zip(&found) {
        let host = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_ne!(line, host.to_str().unwrap());
    }
    assert_eq!(found.len(), 5);
}

#[test]
fn minimal_v2_means_the_same() {
    let script = "hostname; id -u; grep ^Cap /proc/self/status; cut -d' ' -f5 /proc/self/mountinfo | sort; \
        ls /dev; env | sort; sed 's/.*nsinit-[0-9-]*$//' /proc/self/cgroup";
    let first = lines(&place_of("minimal.json"), script);
    let second = lines(&place_of("minimal-v2.json"), script);
    assert_eq!(first, second);
}

#[test]
fn host_pid_sees_the_hosts_processes() {
    let place = place_of("host-pid.json");
    let found = lines(&place, "readlink /proc/self/ns/pid; ls /proc | grep -c '^[0-9]'");
    assert_eq!(found[0], fs::read_link("/proc/self/ns/pid").unwrap().to_str().unwrap());
}

#[test]
fn read_only_cannot_be_written() {
    let place = place_of("read-only.json");
    let found = lines(
        &place,
        "touch /new 2>/dev/null && echo wrote; touch /etc/new 2>/dev/null && echo wrote; echo end",
    );
    assert_eq!(found, ["end"]);
}

#[test]
fn every_sample_is_understood_without_a_warning() {
    let mut n = 0;
    for entry in fs::read_dir(sample("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let place = Place::new();
        place.write_text(&fs::read_to_string(&path).unwrap());
        let run = place.run(&["config"]);
        run.ends(0);
        assert_eq!(run.err, "", "{}", path.display());
        n += 1;
    }
    assert!(n >= 4);
}
