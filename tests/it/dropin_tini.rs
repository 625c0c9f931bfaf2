//! nsinit called as tini: every option, variable, status and line, beside tini itself.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::named::{Check, Expected, MORE, Named, ORPHAN, START, TWO, check, child, who_gets_usr1};
use crate::world::{nsinit, spawn, until};

const NONE: (&str, &str) = ("NONE", "");

const USAGE: &[&str] = &["tini (tini version 0.19.0*)", "Usage: tini [OPTIONS] *", MORE];
const NO_REAPER: &[&str] = &[
    "[WARN  tini (*)] Tini is not running as PID 1 and isn't registered as a child subreaper.",
    "Zombie processes will not be re-parented to Tini, so zombie reaping won't work.",
    "*TINI_SUBREAPER*",
];
const NO_VALUE: &str = "a value is read to its end, and a number has digits";
const NAMES: &str = "signals go by number or name wherever one is asked for";
const FIRST_WORD: &str = "words behind the command are the command's";
const STREAM: &str = "standard output is the command's alone";
const DONE: Expected = Expected { ends: 0, out: &[], err: &[] };

macro_rules! usage_after {
    ($line:literal) => {
        &[$line, "tini (tini version 0.19.0*)", "Usage: tini [OPTIONS] *", MORE]
    };
}

const CHECKS: &[Check] = &[
    check(&["--version"], 0).out(&["tini version 0.19.0*"]),
    check(&["-h"], 0).out(USAGE),
    check(&["-l"], 0).out(&["*icense*", MORE]),
    check(&[], 1).err(USAGE),
    check(&["-s"], 1).err(USAGE),
    check(&["--"], 1).err(USAGE),
    check(&["-s", "--"], 1).err(USAGE),
    check(&["-x", START], 1).err(usage_after!("*/tini: invalid option -- 'x'")),
    check(&["-gx", START], 1).err(usage_after!("*/tini: invalid option -- 'x'")),
    check(&["-R", "A", START], 1).err(usage_after!("*/tini: invalid option -- 'R'")),
    check(&["--subreaper", START], 1).err(usage_after!("*/tini: invalid option -- '-'")),
    check(&["--grace=5s", START], 1).err(usage_after!("*/tini: invalid option -- '-'")),
    check(&["--help", START], 1).err(usage_after!("*/tini: invalid option -- '-'")),
    check(&["--version", START], 1).err(usage_after!("*/tini: invalid option -- '-'")),
    check(&["-s", "--version"], 1).err(usage_after!("*/tini: invalid option -- '-'")),
    check(&["-e"], 1).err(usage_after!("*/tini: option requires an argument -- 'e'")),
    check(&["-gp"], 1).err(usage_after!("*/tini: option requires an argument -- 'p'")),
    check(&["-e", "256", START], 1).err(&["[FATAL tini (*)] Not a valid option for -e: 256"]),
    check(&["-e-1", START], 1).err(&["[FATAL tini (*)] Not a valid option for -e: -1"]),
    check(&["-e", "1x", START], 1).err(&["[FATAL tini (*)] Not a valid option for -e: 1x"]),
    check(&["-e", "4294967296", START], 1)
        .err(&["[FATAL tini (*)] Not a valid option for -e: 4294967296"]),
    check(&["-s", "-e", "", START], 0).but_ours(
        Expected { ends: 1, out: &[], err: &["[FATAL tini (*)] Not a valid option for -e: "] },
        NO_VALUE,
    ),
    check(&["-s", "-e", "+3", START], 0).but_ours(
        Expected { ends: 1, out: &[], err: &["[FATAL tini (*)] Not a valid option for -e: +3"] },
        NO_VALUE,
    ),
    check(&["-p", "SIGFOO", START], 1).err(&["[FATAL tini (*)] Not a valid option for -p: SIGFOO"]),
    check(&["-p", "", START], 1).err(&["[FATAL tini (*)] Not a valid option for -p: "]),
    check(&["-p65", START], 1).err(&["[FATAL tini (*)] Not a valid option for -p: 65"]),
    check(&["-s", "-p", "SIGUSR2", START], 0),
    check(&["-s", "-p", "12", START], 1)
        .err(&["[FATAL tini (*)] Not a valid option for -p: 12"])
        .but_ours(DONE, NAMES),
    check(&["-s", "-p", "SIGRTMIN", START], 1)
        .err(&["[FATAL tini (*)] Not a valid option for -p: SIGRTMIN"])
        .but_ours(DONE, NAMES),
    check(&["-s", "--", "sh", "-c", "exit 0"], 0),
    check(&["-s", "--", "sh", "-c", "exit 7"], 7),
    check(&["-s", "--", "sh", "-c", "exit 255"], 255),
    check(&["-s", "--", "sh", "-c", "kill -9 $$"], 137),
    check(&["-s", "--", "/nonexistent"], 127)
        .err(&["[FATAL tini (*)] exec /nonexistent failed: No such file or directory"]),
    check(&["-s", "--", "no-such-command", "x"], 127)
        .err(&["[FATAL tini (*)] exec no-such-command failed: No such file or directory"]),
    check(&["-s", "--", ""], 127)
        .err(&["[FATAL tini (*)] exec  failed: No such file or directory"]),
    check(&["-s", "--", "/etc/passwd"], 126)
        .err(&["[FATAL tini (*)] exec /etc/passwd failed: Permission denied"]),
    check(&["-s", "--", "/tmp"], 126)
        .err(&["[FATAL tini (*)] exec /tmp failed: Permission denied"]),
    check(&["-s", "--", "/etc/passwd/x"], 1)
        .err(&["[FATAL tini (*)] exec /etc/passwd/x failed: Not a directory"]),
    check(&["/nonexistent"], 127)
        .with("TINI_VERBOSITY", "0")
        .err(&["[FATAL tini (*)] exec /nonexistent failed: No such file or directory"]),
    check(&["-e", "127", "-s", "--", "no-such-command"], 0)
        .err(&["[FATAL tini (*)] exec no-such-command failed: No such file or directory"]),
    check(&["-e", "143", "-s", "--", "sh", "-c", "exit 143"], 0),
    check(&["-e143", "-s", "--", "sh", "-c", "kill $$"], 0),
    check(&["-e", "3", "-e", "255", "-s", "--", "sh", "-c", "exit 3"], 0),
    check(&["-e", "3", "-e", "255", "-s", "--", "sh", "-c", "exit 255"], 0),
    check(&["-e", "3", "-s", "--", "sh", "-c", "exit 4"], 4),
    check(&["-gswe7", "--", "sh", "-c", "exit 7"], 0),
    check(&["true"], 0).err(NO_REAPER),
    check(&["-g", START], 0).err(NO_REAPER),
    check(&["true"], 0).with("TINI_VERBOSITY", "1").err(NO_REAPER),
    check(&["true"], 0).with("TINI_VERBOSITY", "0"),
    check(&["-vvv", "true"], 0).with("TINI_VERBOSITY", "none"),
    check(&["true"], 0).with("TINI_SUBREAPER", ""),
    check(&["-s", "-vv", "true"], 0).with("TINI_VERBOSITY", "1"),
    check(&["-s", "-v", "true"], 0)
        .out(INFO)
        .but_ours(Expected { ends: 0, out: &[], err: INFO }, STREAM),
    check(&["-s", "-v", "sh", "-c", "exit 3"], 1)
        .err(usage_after!("*/tini: invalid option -- 'c'"))
        .but_ours(
            Expected {
                ends: 3,
                out: &[],
                err: &[
                    "[INFO  tini (*)] Spawned child process 'sh' with pid '*'",
                    "[INFO  tini (*)] Main child exited normally (with status '3')",
                ],
            },
            FIRST_WORD,
        ),
    check(&["-s", "--", "echo", "-v", "--", "-x", "--version"], 0).out(&["-v -- -x --version"]),
    check(&["-s", "echo", "-w", "x"], 0)
        .out(&["x"])
        .but_ours(Expected { ends: 0, out: &["-w x"], err: &[] }, FIRST_WORD),
];

const INFO: &[&str] = &[
    "[INFO  tini (*)] Spawned child process 'true' with pid '*'",
    "[INFO  tini (*)] Main child exited normally (with status '0')",
];

#[test]
fn words_statuses_and_lines_are_tinis() {
    let named = Named::new();
    named.all("tini", CHECKS);
    for name in ["tini-static", "docker-init"] {
        named.run(&named.link(name), &["--nonsense"]).ends(1);
    }
}

#[test]
fn g_and_its_variable_send_signals_to_the_group() {
    let named = Named::new();
    for init in named.both("tini") {
        let group = TWO.as_slice();
        let start = |args: &[&str]| named.start(&init, &[args, &["-s", "--"], group].concat());
        assert_eq!(who_gets_usr1(start(&[])), (true, false));
        assert_eq!(who_gets_usr1(start(&["-g"])), (true, true));
        let args = [&["-s", "--"], group].concat();
        let running = named.start_with(&init, ("TINI_KILL_PROCESS_GROUP", ""), &args);
        assert_eq!(who_gets_usr1(running), (true, true));
    }
}

#[test]
fn s_and_its_variable_make_a_subreaper() {
    let named = Named::new();
    for init in named.both("tini") {
        let orphan = [&["-s", "--"], ORPHAN.as_slice()].concat();
        assert_eq!(named.run(&init, &orphan).ok(), "adopted\n");
        let run = named.run_with(&init, ("TINI_SUBREAPER", ""), &orphan[1..]);
        assert_eq!(run.ok(), "adopted\n");
        let run = named.run(&init, &orphan[1..]);
        assert_eq!(run.ends(0), "lost\n");
        run.says(&["isn't registered as a child subreaper"]);
        // One that it was before it was executed is enough.
        let program = init.program.to_str().unwrap();
        let mut command = named.command(std::path::Path::new(program), &orphan[1..]);
        // SAFETY: plain system call.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
                Ok(())
            });
        }
        assert_eq!(spawn(&mut command).end().ok(), "adopted\n");
    }
}

#[test]
fn p_passes_on_a_signal_when_the_parent_dies() {
    let named = Named::new();
    for init in named.both("tini") {
        let mut names = vec!["SIGUSR2"];
        if init.ours {
            names.extend(["USR2", "12", "sigusr2"]);
        }
        for name in names {
            let program = init.program.to_str().unwrap();
            let script = "\"$0\" -sp $1 -- probe signals 12 & wait";
            let mut running =
                spawn(&mut named.command("/bin/sh".as_ref(), &["-c", script, program, name]));
            let out = running.wait_for("ready");
            assert!(!out.contains("signal"), "{out}");
            running.signal(libc::SIGKILL);
            until("the signal has come", || running.out().contains("signal 12 "));
            until("it is gone", || named.place.processes().len() <= 1);
            running.end().ends(137);
        }
    }
}

#[test]
fn w_tells_of_orphans_that_are_reaped() {
    let named = Named::new();
    let orphan = [&["-s", "-w", "--"], ORPHAN.as_slice()].concat();
    for init in named.both("tini") {
        let run = named.run(&init, &orphan);
        assert_eq!(run.ends(0), "adopted\n");
        run.says(&["[WARN  tini (", ")] Reaped zombie process with pid="]);
        assert_eq!(named.run(&init, &[&["-s"], &orphan[2..]].concat()).ok(), "adopted\n");
        // As in tini, 0 is silence.
        let run = named.run_with(&init, ("TINI_VERBOSITY", "0"), &orphan);
        assert_eq!(run.ok(), "adopted\n");
    }
}

#[test]
fn v_and_its_variable_tell_more() {
    let named = Named::new();
    for init in named.both("tini") {
        let told = |variable, args: &[&str]| {
            let args = [args, &["-s", "--"], ORPHAN.as_slice()].concat();
            let run = named.run_with(&init, variable, &args);
            run.ends(0);
            run.out.replace("adopted\n", "") + &run.err
        };
        assert_eq!(told(NONE, &[]), "");
        let more = ["-v", "-vv", "-vvv"].map(|v| told(NONE, &[v]));
        assert!(more[0].contains("Main child exited normally (with status '0')"), "{}", more[0]);
        assert!(more[1].contains("[DEBUG tini ("), "{}", more[1]);
        assert!(more[1].contains("Received SIGCHLD"), "{}", more[1]);
        assert!(more[1].contains("Reaped child with pid: '"), "{}", more[1]);
        assert!(more[1].len() > more[0].len(), "{more:?}");
        assert!(more[2].len() >= more[1].len(), "{more:?}");
        // The variable counts from 1, and has the last word.
        assert_eq!(told(("TINI_VERBOSITY", "1"), &["-vv"]), "");
        assert!(
            told(("TINI_VERBOSITY", "3"), &[]).len() > told(("TINI_VERBOSITY", "2"), &[]).len()
        );
        assert_ne!(told(("TINI_VERBOSITY", "2"), &[]), "");
    }
}

/// What moby's daemon does with the output of `docker-init --version`: since 18.09 it takes version and
/// commit, before it took one of them.
#[test]
fn docker_finds_version_and_commit() {
    let named = Named::new();
    let out = named.run(&named.link("docker-init"), &["--version"]).ok().to_owned();
    let parts: Vec<&str> = out.trim().split(" - ").collect();
    assert_eq!(parts.len(), 2, "{out}");
    let commit: Vec<&str> = parts[1].split('.').collect();
    assert_eq!(commit[0], "git");
    assert_eq!(commit.len(), 2, "{out}");
    assert!(!commit[1].is_empty());
    // The old daemon cuts its own commit, of at least seven letters, to the length of this one.
    assert!(commit[1].len() <= 7, "{out}");
    let version = parts[0].strip_prefix("tini version ").unwrap();
    assert!(version.starts_with("0.19.0"), "{out}");
    assert!(version.contains("nsinit"), "it does not say whose it is: {out}");
}

#[test]
fn the_name_counts_however_it_came_about() {
    let named = Named::new();
    let hard = named.link("x").program.with_file_name("hard");
    fs::create_dir_all(&hard).unwrap();
    for name in ["tini", "tini-static", "docker-init"] {
        let linked = named.link(name);
        named.run(&linked, &["-e", "3", "sh", "-c", "exit 3"]).ends(0);
        let copy = hard.join(name);
        if fs::hard_link(nsinit(), &copy).is_err() {
            fs::copy(nsinit(), &copy).unwrap();
        }
        spawn(&mut named.command(&copy, &["-e", "3", "sh", "-c", "exit 3"])).end().ends(0);
        let mut command: Command = named.command(&nsinit(), &["-e", "3", "sh", "-c", "exit 3"]);
        spawn(command.arg0(format!("/some/where/{name}"))).end().ends(0);
    }
    let mut command = named.command(&nsinit(), &["--", "sh", "-c", "exit 3"]);
    spawn(command.arg0("/dev/init")).end().ends(3);
    for other in ["Tini", "tini2", "mytini", "init"] {
        let mut command = named.command(&nsinit(), &["-e", "3", "sh", "-c", "exit 3"]);
        spawn(command.arg0(other)).end().fails(&["verb"]);
    }
}

#[test]
fn as_process_1_it_reaps_passes_on_and_answers_like_tini() {
    let named = Named::new();
    for init in named.both("tini") {
        let program = init.program.to_str().unwrap();
        let args = ["--fork", "--pid", "--mount-proc", "--kill-child", program, "--"];
        let script = "probe orphans 50; echo ready; exec probe signals 15";
        let command = [&args[..], &["sh", "-c", script]].concat();
        let mut running = spawn(&mut named.command("/usr/bin/unshare".as_ref(), &command));
        running.wait_for("ready\nready");
        let pid_1 = child(running.child.id());
        let only = child(pid_1);
        until("the orphans are reaped", || {
            let path = format!("/proc/{pid_1}/task/{pid_1}/children");
            fs::read_to_string(path).unwrap().trim() == only.to_string()
        });
        for signal in [1, 2, 10, 34, 64, 15] {
            // SAFETY: plain system call; the process waits for it.
            assert_eq!(unsafe { libc::kill(pid_1 as i32, signal) }, 0);
            running.wait_for(&format!("signal {signal} "));
        }
        running.end().ends(0);
    }
}
