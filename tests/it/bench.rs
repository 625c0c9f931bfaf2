//! `scripts/bench`, whose figures nobody can assert: that it measures, and what it does with a peer that
//! can't run.

use std::process::Command;
use std::{env, fs, process};

use crate::world::nsinit;

#[test]
fn a_peer_that_cannot_run_is_left_out_with_a_line() {
    let dir = env::temp_dir().join(format!("nsinit-bench-{}", process::id()));
    let figures = dir.join("figures.json");
    let run = bench(&["--start", "--rounds", "1", "--crun", "/bin/false", "--json"])
        .arg(&figures)
        .env("CARGO_TARGET_DIR", &dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{run:?}");
    assert!(said.contains("\nleft out: crun ?: it ended with status 1\n"), "{said}");
    let figures = fs::read_to_string(figures).unwrap();
    assert!(figures.contains("\"nsinit_ratio\""), "{figures}");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn it_says_what_it_can_measure() {
    let run = bench(&["--help"]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{run:?}");
    assert!(said.contains("--phases") && said.contains("--crun FILE"), "{said}");
}

fn bench(words: &[&str]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/bench"));
    command.args(words).env("NSINIT", nsinit());
    command
}
