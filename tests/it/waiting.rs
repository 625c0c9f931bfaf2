//! What the launcher holds while the command runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::world::{Place, nsinit, until};

#[test]
fn the_mount_that_the_program_runs_from_is_let_go_of() {
    let place = Place::new();
    let running = place.start("echo ready; exec sleep 99");
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let program = identity(&nsinit());
    let fds = fs::read_dir(format!("/proc/{}/fd", running.child.id())).unwrap();
    let fds: Vec<_> = fds.map(|fd| fd.unwrap().path()).collect();
    assert!(fds.len() > 3, "{fds:?}");
    for fd in fds {
        assert_ne!(identity(&fd), program, "{fd:?}");
    }
    running.signal(libc::SIGTERM);
    running.end().ends(128 + libc::SIGTERM);
}

#[test]
fn a_long_wait_needs_no_pages_of_the_program() {
    let place = Place::new();
    let running = place.start("echo ready; exec sleep 99");
    let pid = running.child.id();
    let program = fs::metadata(nsinit()).unwrap().ino().to_string();
    let is_program =
        |mapping: &&String| mapping.split_whitespace().nth(4) == Some(program.as_str());
    // The kernel maps 64 kB and more at once around an instruction, and the file has several times that.
    until("the launcher rests", || {
        let (mut size, mut resident) = (0, 0);
        for mapping in mappings(pid).iter().filter(is_program) {
            size += kilobytes(mapping, "Size:");
            resident += kilobytes(mapping, "Rss:");
        }
        assert!(size > 200, "the program is not mapped");
        resident < size * 2 / 3
    });
    running.signal(libc::SIGTERM);
    running.end().ends(128 + libc::SIGTERM);
}

/// The entries of smaps, each with the line of its mapping.
fn mappings(pid: u32) -> Vec<String> {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let mut all = Vec::new();
    for line in smaps.lines() {
        if line.split_whitespace().next().is_some_and(|word| word.contains('-')) {
            all.push(String::new());
        }
        if let Some(last) = all.last_mut() {
            *last += line;
            *last += "\n";
        }
    }
    all
}

fn kilobytes(mapping: &str, key: &str) -> u64 {
    let line = mapping.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
