//! The tests of limits, and of the verbs that control groups are behind, again, in a virtual machine whose kernel has version 2 alone: the test
//! program itself runs in there, one test after the other.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::machine::Machine;
use crate::world::{Place, programs};

/// The tests that run inside, by the beginnings of their names.
const TESTS: [&str; 6] =
    ["cgroup_limits::", "pause::", "oom::", "stats::a_limit", "stats::the_names", "ps::every"];

#[test]
fn limits_hold_on_a_host_with_version_2_alone() {
    let place = Place::new();
    let Some(mut machine) = Machine::new(&place) else { return };
    machine.module("loop");
    machine.qemu.extend(["-smp".into(), "2".into()]);
    machine.limit = Duration::from_secs(400);
    let program = std::env::current_exe().unwrap();
    machine.host_program(&program);
    // What it looks for at the places where it was built.
    let probes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/probe");
    for dir in [&programs(), &probes] {
        let inside = machine.root.join(dir.strip_prefix("/").unwrap());
        fs::create_dir_all(&inside).unwrap();
        for entry in fs::read_dir(dir).unwrap().flatten() {
            fs::copy(entry.path(), inside.join(entry.file_name())).unwrap();
        }
    }
    let said = machine.script(&format!(
        "mount -t cgroup2 cgroup2 /sys/fs/cgroup\n\
         export NSINIT=/bin/nsinit RUST_BACKTRACE=0\n\
         touch {}/*\n\
         for t in $(for b in {tests}; do {it} --list $b; done | sed -n 's/: test$//p'); do\n\
         if {it} --exact $t --test-threads 1 --nocapture > /out 2>&1; then\n\
         echo \"PASSED $t\"; grep SKIPPED /out\n\
         else echo \"FAILED $t\"; cat /out; fi\ndone",
        programs().display(),
        tests = TESTS.join(" "),
        it = program.display(),
    ));
    println!("{said}");
    let count = |word: &str| said.lines().filter(|line| line.starts_with(word)).count();
    assert!(count("PASSED ") >= 30, "{said}");
    assert_eq!((count("FAILED "), count("SKIPPED")), (0, 0), "{said}");
}
