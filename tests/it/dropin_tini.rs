//! nsinit called as tini: every option and variable, by its effect, beside tini itself.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::named::{Named, ORPHAN, TWO, child, who_gets_usr1};
use crate::world::{nsinit, spawn, until};

const NONE: (&str, &str) = ("NONE", "");

#[test]
fn the_commands_end_is_its_status() {
    let named = Named::new();
    for init in named.both("tini") {
        for (script, status) in
            [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137)]
        {
            named.run(&init, &["-s", "--", "sh", "-c", script]).ends(status);
        }
        named.run(&init, &["-s", "--", "/nonexistent"]).ends(127);
        named.run(&init, &["-s", "--", "/etc/passwd"]).ends(126);
    }
}

#[test]
fn e_makes_a_status_a_success() {
    let named = Named::new();
    for init in named.both("tini") {
        for (args, status, becomes) in [
            (&["-e", "143"][..], 143, 0),
            (&["-e143"], 143, 0),
            (&["-e", "3", "-e", "255"], 3, 0),
            (&["-e", "3", "-e", "255"], 255, 0),
            (&["-e", "3"], 4, 4),
            (&["-e", "0"], 0, 0),
            (&["-gwe7"], 7, 0),
        ] {
            let script = format!("exit {status}");
            let run = named.run(&init, &[args, &["-s", "--", "sh", "-c", &script]].concat());
            run.ends(becomes);
        }
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
fn s_and_its_variable_make_a_subreaper_which_nsinit_is_anyway() {
    let named = Named::new();
    for init in named.both("tini") {
        let orphan = [&["-s", "--"], ORPHAN.as_slice()].concat();
        assert_eq!(named.run(&init, &orphan).ends(0), "adopted\n");
        let run = named.run_with(&init, ("TINI_SUBREAPER", ""), &orphan[1..]);
        assert_eq!(run.ends(0), "adopted\n");
        let run = named.run(&init, &orphan[1..]);
        assert_eq!(run.ends(0), if init.ours { "adopted\n" } else { "lost\n" });
        assert_eq!(run.err.is_empty(), init.ours, "{}", run.err);
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
        assert!(run.err.to_lowercase().contains("reap"), "{}", run.err);
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
        assert!(more[0].contains("pid") || more[0].contains("process"), "{}", more[0]);
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

#[test]
fn its_questions_are_answered_with_0_on_standard_output() {
    let named = Named::new();
    for init in named.both("tini") {
        for (question, word) in
            [("-h", "-e"), ("-l", "icense"), ("--version", "tini version 0.19.0")]
        {
            let run = named.run(&init, &[question]);
            assert!(run.ok().contains(word), "{question}: {}", run.out);
            assert!(run.out.ends_with('\n'));
        }
    }
    let help = named.run(&named.link("tini"), &["-h"]).out;
    for option in ["-e", "-g", "-p", "-s", "-v", "-w", "-l", "-h", "--version"] {
        assert!(help.contains(option), "{option}");
    }
    for variable in ["TINI_SUBREAPER", "TINI_KILL_PROCESS_GROUP", "TINI_VERBOSITY"] {
        assert!(help.contains(variable), "{variable}");
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
fn what_tini_does_not_know_is_refused_and_nothing_started() {
    let named = Named::new();
    let tini = named.link("tini");
    for (args, word) in [
        (&["-x"][..], "no such option"),
        (&["-gx"], "no such option"),
        (&["-R", "A"], "no such option"),
        (&["--subreaper"], "no such option"),
        (&["--grace=5s"], "no such option"),
        (&["--=x"], "option"),
        (&["-e", "256"], "0 to 255"),
        (&["-e", "4294967296"], "0 to 255"),
        (&["-e", "-1"], "0 to 255"),
        (&["-e", ""], "0 to 255"),
        (&["-e", "1x"], "0 to 255"),
        (&["-p", "SIGFOO"], "no such signal"),
        (&["-p", "65"], "no such signal"),
        (&["-p", ""], "no such signal"),
    ] {
        named.refuses(&tini, NONE, args, &[word, args[0]]);
    }
    named.run(&tini, &["-e"]).fails(&["-e", "missing"]);
    for args in [&[][..], &["-s"], &["--"], &["-s", "--"]] {
        named.run(&tini, args).fails(&["command"]);
    }
    named.run(&tini, &["--", ""]).ends(127);
}

/// Unlike tini with glibc, like tini with musl.
#[test]
fn words_after_the_command_are_the_commands() {
    let named = Named::new();
    let tini = named.link("tini");
    assert_eq!(named.run(&tini, &["echo", "-v", "-g", "--", "-x"]).ok(), "-v -g -- -x\n");
    assert_eq!(named.run(&tini, &["--", "echo", "x", "--version"]).ok(), "x --version\n");
    named.run(&tini, &["sh", "-c", "exit 9"]).ends(9);
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
