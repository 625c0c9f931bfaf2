//! nsinit called as dumb-init: every option and variable, by its effect, beside dumb-init itself.

use crate::named::{Init, Named, TWO, child, state, who_gets_usr1};
use crate::pty::Terminal;
use crate::reaper::foreground;
use crate::world::until;

const NONE: (&str, &str) = ("NONE", "");

/// The options and the variable, in each of their forms, that keep the command in the caller's session.
const SINGLE: [(&str, &str, &[&str]); 4] = [
    ("NONE", "", &["-c"]),
    ("NONE", "", &["--single-child"]),
    ("NONE", "", &["--single"]),
    ("DUMB_INIT_SETSID", "0", &[]),
];

#[test]
fn the_commands_end_is_its_status() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        for (script, status) in
            [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137)]
        {
            named.run(&init, &["sh", "-c", script]).ends(status);
            named.run(&init, &["-c", "--", "sh", "-c", script]).ends(status);
        }
        // dumb-init answers both with 2.
        named.run(&init, &["/nonexistent"]).ends(if init.ours { 127 } else { 2 });
        named.run(&init, &["/etc/passwd"]).ends(if init.ours { 126 } else { 2 });
    }
}

#[test]
fn the_command_has_a_session_unless_single() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        let run = named.run(&init, &["probe", "attributes"]);
        assert_eq!(run.value("sid"), run.value("pid"));
        let run = named.run_with(&init, ("DUMB_INIT_SETSID", "1"), &["probe", "attributes"]);
        assert_eq!(run.value("sid"), run.value("pid"));
        for (variable, value, args) in SINGLE {
            let args = [args, &["probe", "attributes"]].concat();
            let run = named.run_with(&init, (variable, value), &args);
            assert_ne!(run.value("sid"), run.value("pid"));
            assert_ne!(run.value("pgid"), run.value("pid"));
        }
    }
}

#[test]
fn signals_go_to_the_group_unless_single() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        assert_eq!(who_gets_usr1(named.start(&init, &TWO)), (true, true));
        for (variable, value, args) in SINGLE {
            let args = [args, TWO.as_slice()].concat();
            let running = named.start_with(&init, (variable, value), &args);
            assert_eq!(who_gets_usr1(running), (true, false));
        }
    }
}

#[test]
fn what_is_left_of_the_group_gets_term_at_the_end_unless_single() {
    let left = "sh -c 'trap \"echo term; exit\" TERM; echo ready; for i in $(seq 40); do sleep 0.02; done; echo late' &
                sleep 0.2; exit 6";
    let named = Named::new();
    for init in named.both("dumb-init") {
        for (args, end) in [(&[][..], "term"), (&["-c"], "late"), (&["-r", "15:0"], "late")] {
            let args = [args, &["sh", "-c", left]].concat();
            let mut running = named.start(&init, &args);
            until("the command has ended", || running.child.try_wait().unwrap().is_some());
            until("what was left has ended", || named.place.processes().is_empty());
            let out = running.out();
            assert!(out.contains(end), "{args:?}: {out}");
            assert_eq!(out.lines().count(), 2, "{out}");
            running.end().ends(6);
        }
    }
}

/// Sends the init these signals, one by one, and proves what arrives.
#[track_caller]
fn arrives(named: &Named, init: &Init, options: &[&str], pairs: &[(i32, i32)]) {
    // The last one ends it: it must not be rewritten.
    let args = [options, &["--", "probe", "signals", "12"]].concat();
    let mut running = named.start(init, &args);
    let mut expected = "ready\n".to_owned();
    for (sent, received) in pairs {
        running.signal(*sent);
        if *received != 0 {
            running.wait_for(&format!("{expected}signal {received} "));
            expected = running.out();
        }
    }
    running.signal(12);
    let run = running.end();
    let out = run.ends(0);
    assert!(out.starts_with(&format!("{expected}signal 12 ")), "{options:?}: {out}");
}

#[test]
fn r_rewrites_and_drops() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        arrives(&named, &init, &[], &[(15, 15), (1, 1), (28, 28)]);
        arrives(&named, &init, &["-r", "15:3"], &[(15, 3), (1, 1)]);
        arrives(&named, &init, &["-r15:3"], &[(15, 3)]);
        arrives(&named, &init, &["--rewrite", "15:3"], &[(15, 3)]);
        arrives(&named, &init, &["--rewrite=15:3"], &[(15, 3)]);
        arrives(&named, &init, &["--rewr", "15:3"], &[(15, 3)]);
        arrives(&named, &init, &["-r", "15:0", "-r", "1:10"], &[(15, 0), (1, 10)]);
        // The last one counts.
        arrives(&named, &init, &["-r", "15:3", "-r", "15:1"], &[(15, 1)]);
        arrives(&named, &init, &["-cr", "15:3"], &[(15, 3)]);
        if init.ours {
            arrives(&named, &init, &["-r", "TERM:SIGINT"], &[(15, 2)]);
            arrives(&named, &init, &["-r", "usr1:RTMIN+6"], &[(10, 40)]);
        }
    }
}

/// The init is stopped by each of the terminal's stop signals, and so is its command, by STOP.
#[test]
fn the_terminals_stop_signals_stop_command_and_init() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
            let running = named.start(&init, &["sh", "-c", "sleep 60 & echo ready; wait; exit 3"]);
            let (pid, command) = (running.child.id(), child(running.child.id()));
            running.signal(signal);
            until("both are stopped", || (state(pid), state(command)) == ('T', 'T'));
            running.signal(libc::SIGCONT);
            until("both go on", || state(pid) == 'S' && state(command) == 'S');
            running.signal(libc::SIGTERM);
            assert_eq!(running.end().status, 143);
        }
    }
}

#[test]
fn the_terminals_stop_signals_are_rewritten_as_asked() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        for (args, arrives) in [(&["-r", "20:10"][..], 10), (&["-r", "20:20"], 20), (&["-c"], 20)] {
            let args = [args, &["probe", "signals", "15"]].concat();
            let mut running = named.start(&init, &args);
            running.signal(libc::SIGTSTP);
            running.wait_for(&format!("signal {arrives} "));
            // dumb-init itself stops whatever its command does.
            if !init.ours {
                until("it is stopped", || state(running.child.id()) == 'T');
            }
            running.signal(libc::SIGCONT);
            running.signal(libc::SIGTERM);
            running.end().ends(0);
        }
    }
}

#[test]
fn v_and_its_variable_tell_what_happens() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        let told = |variable, args: &[&str]| {
            let run = named.run_with(&init, variable, &[args, &["true"]].concat());
            assert_eq!(run.ends(0), "");
            run.err
        };
        for (variable, args) in [
            (NONE, &["-v"][..]),
            (NONE, &["--verbose"]),
            (NONE, &["--verb"]),
            (NONE, &["-cv"]),
            (("DUMB_INIT_DEBUG", "1"), &[]),
        ] {
            let text = told(variable, args).to_lowercase();
            assert!(text.contains("pid") || text.contains("process"), "{args:?}: {text}");
        }
        assert_eq!(told(NONE, &[]), "");
        assert_eq!(told(("DUMB_INIT_DEBUG", "0"), &[]), "");
        assert_eq!(told(("DUMB_INIT_DEBUG", "yes"), &[]), "");
    }
}

#[test]
fn its_questions_are_answered_with_0_on_standard_error() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        for (questions, word) in [
            (["-h", "--help", "--he"], "--rewrite"),
            (["-V", "--version", "--vers"], "dumb-init v1.2.5"),
        ] {
            for question in questions {
                let run = named.run(&init, &[question]);
                assert_eq!(run.ends(0), "");
                assert!(run.err.contains(word), "{question}: {}", run.err);
            }
        }
    }
    let dumb_init = named.link("dumb-init");
    assert!(named.run(&dumb_init, &["-V"]).err.contains("nsinit"));
    let help = named.run(&dumb_init, &["-h"]).err;
    for word in
        ["-c, --single-child", "-r, --rewrite", "-v, --verbose", "-h, --help", "-V, --version"]
    {
        assert!(help.contains(word), "{word}");
    }
    for variable in ["DUMB_INIT_DEBUG", "DUMB_INIT_SETSID"] {
        assert!(help.contains(variable), "{variable}");
    }
}

#[test]
fn what_dumb_init_does_not_know_is_refused_and_nothing_started() {
    let named = Named::new();
    let dumb_init = named.link("dumb-init");
    for (args, word) in [
        (&["-x"][..], "no such option"),
        (&["-cx"], "no such option"),
        (&["--nothing"], "no such option"),
        (&["--ver"], "more than one option"),
        (&["--single-child=1"], "takes no value"),
        (&["-r", "15"], "FROM:TO has one colon"),
        (&["-r", "15:3:1"], "FROM:TO has one colon"),
        (&["-r", ""], "FROM:TO has one colon"),
        (&["-r", "15:"], "no such signal"),
        (&["-r", ":3"], "no such signal"),
        (&["-r", "0:3"], "no such signal"),
        (&["-r", "65:3"], "no such signal"),
        (&["-r", "15:65"], "no such signal"),
        (&["-r", "TERM:NOSUCH"], "no such signal"),
        (&["-r", "9:3"], "KILL"),
        (&["-r", "STOP:3"], "STOP"),
        (&["-r", "17:3"], "CHLD"),
    ] {
        named.refuses(&dumb_init, NONE, args, &[word, args[0]]);
    }
    named.run(&dumb_init, &["-r"]).fails(&["-r", "missing"]);
    named.run(&dumb_init, &["--rewrite"]).fails(&["--rewrite", "missing"]);
    for args in [&[][..], &["-c"], &["--"]] {
        named.run(&dumb_init, args).fails(&["command"]);
    }
}

#[test]
fn words_after_the_command_are_the_commands() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        assert_eq!(named.run(&init, &["echo", "-V", "--", "-c"]).ok(), "-V -- -c\n");
    }
}

/// Job control of the shell under it needs the terminal to be the session's.
#[test]
fn the_session_has_the_terminal() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        for args in [&[][..], &["-c"]] {
            let args = [args, &["probe", "attributes"]].concat();
            let mut terminal = Terminal::new(24, 80);
            assert_eq!(terminal.run(&mut named.command(&init.program, &args)), 0);
            let out = terminal.output();
            assert!(out.contains("tty ok"), "{args:?}: {out}");
        }
        let mut terminal = Terminal::new(24, 80);
        let mut shell = terminal.spawn(&mut named.command(&init.program, &["sh", "-i"]));
        terminal.type_in("echo $((6*7))\n");
        terminal.expect("42");
        terminal.type_in("sleep 60\n");
        until("sleep is the foreground", || foreground(child(shell.id())) == ["sleep"]);
        terminal.type_in("\x1a");
        terminal.type_in("echo stat$((1))us\n");
        terminal.expect("stat1us");
        terminal.type_in("kill %1; fg; exit 5\n");
        assert_eq!(terminal.end(&mut shell), 5);
    }
}
