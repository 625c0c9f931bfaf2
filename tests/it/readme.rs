//! The README's commands, as somebody would paste them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::world::{Place, nsinit, spawn};

/// The n-th block of commands or output below a heading, without its indent.
fn block(heading: &str, n: usize) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let section = readme.split(&format!("\n## {heading}\n")).nth(1).expect("no such heading");
    let section = section.split("\n## ").next().unwrap().trim_start_matches('\n');
    let mut blocks = section.split("\n\n").filter(|block| block.starts_with("    "));
    let block = blocks.nth(n).expect("no such block");
    block.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

#[test]
fn its_five_lines_can_be_pasted() {
    let place = Place::new();
    let dir = place.host_dir("pasted");
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts"), dir.join("scripts")).unwrap();
    fs::create_dir(dir.join("bin")).unwrap();
    symlink(nsinit(), dir.join("bin/nsinit")).unwrap();
    // Its directory names the container's host and group: no other test's. On a busy host seconds are not enough.
    let mine = |text: String| text.replace("box", &place.name).replace("sleep 5", "sleep 300");
    let commands = mine(block("Five lines", 0));
    assert_eq!(commands.lines().count(), 5, "{commands}");
    let commands = commands.replace("& sleep 1", "& until [ -s tmp/note ]; do sleep 0.1; done");
    let run = spawn(
        Command::new("sh")
            .args(["-c", &format!("{commands}nsinit kill KILL; wait")])
            .current_dir(&dir)
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", dir.join("bin").display()))
            .env("NSINIT_PLACE", &place.name)
            .stdin(Stdio::null()),
    )
    .end();
    let said = run.ok();
    // The process number of a command that joins is whatever is free.
    let same = |text: &str| -> Vec<String> {
        let line = |line: &str| line.trim_start_matches([' ', '3', '4', '5', '6', '7']).to_owned();
        text.lines().map(line).collect()
    };
    assert_eq!(same(said), same(&mine(block("Five lines", 1))));
}
