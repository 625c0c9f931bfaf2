//! nsinit called as dumb-init: every option, variable, status and line, beside dumb-init itself.

use crate::named::{
    Check, Expected, Init, MORE, Named, ORPHAN, START, TWO, check, child, state, who_gets_usr1,
};
use crate::pty::Terminal;
use crate::reaper::foreground;
use crate::world::until;

/// The options and the variable, in each of their forms, that keep the command in the caller's session.
const SINGLE: [(&str, &str, &[&str]); 4] = [
    ("NONE", "", &["-c"]),
    ("NONE", "", &["--single-child"]),
    ("NONE", "", &["--single"]),
    ("DUMB_INIT_SETSID", "0", &[]),
];

const HELP: &[&str] = &["dumb-init v1.2.5", "Usage: * [option] command [[arg] ...]", "", MORE];
const USAGE: &[&str] =
    &["Usage: */dumb-init [option] program [args]", "Try */dumb-init --help for full usage."];
const REWRITE: &[&str] = &[
    "Usage: -r option takes <signum>:<signum>*",
    "This option can be specified multiple times.",
    "Use --help for full usage.",
];
const SUPERSET: &str = "signals go by number or name wherever one is asked for, realtime ones too";
const NO_EFFECT: &str = "what has no effect in dumb-init is refused";
const WHOLE: &str = "a value is read to its end";
const DONE: Expected = Expected { ends: 0, out: &[], err: &[] };
const REFUSED: Expected = Expected { ends: 1, out: &[], err: REWRITE };

const CHECKS: &[Check] = &[
    check(&["-V"], 0).err(&["dumb-init v1.2.5"]),
    check(&["--version"], 0).err(&["dumb-init v1.2.5"]),
    check(&["--vers"], 0).err(&["dumb-init v1.2.5"]),
    check(&["-h"], 0).err(HELP),
    check(&["--help"], 0).err(HELP),
    check(&["--he"], 0).err(HELP),
    check(&[], 1).err(USAGE),
    check(&["-c"], 1).err(USAGE),
    check(&["--"], 1).err(USAGE),
    check(&["-x", START], 1).err(&["*/dumb-init: invalid option -- 'x'"]),
    check(&["-cx", START], 1).err(&["*/dumb-init: invalid option -- 'x'"]),
    check(&["--nothing", START], 1).err(&["*/dumb-init: unrecognized option '--nothing'"]),
    check(&["--nothing=1", START], 1).err(&["*/dumb-init: unrecognized option '--nothing=1'"]),
    check(&["--ver", START], 1).err(&[
        "*/dumb-init: option '--ver' is ambiguous; possibilities: '--verbose' '--version'",
    ]),
    check(&["--single-child=1", START], 1)
        .err(&["*/dumb-init: option '--single-child' doesn't allow an argument"]),
    check(&["-r"], 1).err(&["*/dumb-init: option requires an argument -- 'r'"]),
    check(&["--rewrite"], 1).err(&["*/dumb-init: option '--rewrite' requires an argument"]),
    check(&["--rewr"], 1).err(&["*/dumb-init: option '--rewrite' requires an argument"]),
    check(&["-r", "", START], 1).err(REWRITE),
    check(&["-r", "15", START], 1).err(REWRITE),
    check(&["-r15::12", START], 1).err(REWRITE),
    check(&["-r", ":3", START], 1).err(REWRITE),
    check(&["-r", "15:", START], 1).err(REWRITE),
    check(&["--rewrite=herp:derp", START], 1).err(REWRITE),
    check(&["-r", "15:12", "-r", "0", START], 1).err(REWRITE),
    check(&["-r", "0:3", START], 1).err(REWRITE),
    check(&["-r", "65:3", START], 1).err(REWRITE),
    check(&["-r", "15:65", START], 1).err(REWRITE),
    check(&["-r", "15:3:1", START], 0).but_ours(REFUSED, WHOLE),
    check(&["-r", "9:3", START], 0).but_ours(REFUSED, NO_EFFECT),
    check(&["-r", "19:3", START], 0).but_ours(REFUSED, NO_EFFECT),
    check(&["-r", "17:3", START], 0).but_ours(REFUSED, NO_EFFECT),
    check(&["-r", "TERM:INT", START], 1).err(REWRITE).but_ours(DONE, SUPERSET),
    check(&["-r", "1:32", START], 1).err(REWRITE).but_ours(DONE, SUPERSET),
    check(&["sh", "-c", "exit 0"], 0),
    check(&["sh", "-c", "exit 7"], 7),
    check(&["-c", "--", "sh", "-c", "exit 255"], 255),
    check(&["sh", "-c", "kill -9 $$"], 137),
    check(&["-c", "sh", "-c", "kill $$"], 143),
    check(&["/nonexistent"], 2).err(&["[dumb-init] /nonexistent: No such file or directory"]),
    check(&["-c", "--", "no-such-command", "x"], 2)
        .err(&["[dumb-init] no-such-command: No such file or directory"]),
    check(&[""], 2).err(&["[dumb-init] : No such file or directory"]),
    check(&["-", START], 2).err(&["[dumb-init] -: No such file or directory"]),
    check(&["/etc/passwd"], 2).err(&["[dumb-init] /etc/passwd: Permission denied"]),
    check(&["/tmp"], 2).err(&["[dumb-init] /tmp: Permission denied"]),
    check(&["/etc/passwd/x"], 2).err(&["[dumb-init] /etc/passwd/x: Not a directory"]),
    check(&[START], 0).with("DUMB_INIT_DEBUG", "0"),
    check(&["echo", "-V", "--", "-c"], 0).out(&["-V -- -c"]),
    check(&["-vc", "true"], 0).err(&SINGLE_TRUE_DUMB).but_ours(
        Expected { ends: 0, out: &[], err: &SINGLE_TRUE },
        "nothing is sent to the command once it has ended, which the line after it says that dumb-init does",
    ),
];

const SINGLE_TRUE: [&str; 4] = [
    "[dumb-init] Child spawned with PID *.",
    "[dumb-init] Received signal 17.",
    "[dumb-init] A child with PID * exited with exit status 0.",
    "[dumb-init] Child exited with status 0. Goodbye.",
];
const SINGLE_TRUE_DUMB: [&str; 5] = [
    SINGLE_TRUE[0],
    SINGLE_TRUE[1],
    SINGLE_TRUE[2],
    "[dumb-init] Forwarded signal 15 to children.",
    SINGLE_TRUE[3],
];

#[test]
fn words_statuses_and_lines_are_dumb_inits() {
    Named::new().all("dumb-init", CHECKS);
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
        for (args, arrives) in [
            (&["-r", "20:10"][..], 10),
            (&["-r", "20:20"], 20),
            (&["-c"], 20),
            (&["-c", "-r", "20:10"], 10),
        ] {
            let args = [args, &["probe", "signals", "15"]].concat();
            let mut running = named.start(&init, &args);
            running.signal(libc::SIGTSTP);
            running.wait_for(&format!("signal {arrives} "));
            // Whatever its command makes of it.
            until("it is stopped", || state(running.child.id()) == 'T');
            running.signal(libc::SIGCONT);
            running.wait_for("signal 18 ");
            running.signal(libc::SIGTERM);
            running.end().ends(0);
        }
    }
}

#[test]
fn orphans_are_not_adopted() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        assert_eq!(named.run(&init, &ORPHAN).ok(), "lost\n");
    }
}

/// By option or by variable, in its words.
#[test]
fn v_and_its_variable_tell_what_happens() {
    let named = Named::new();
    let script = "trap : USR1 HUP INT; echo ready; while :; do sleep 0.05; done";
    for init in named.both("dumb-init") {
        for (variable, value, args) in [
            ("NONE", "", &["-v"][..]),
            ("NONE", "", &["--verbose"]),
            ("NONE", "", &["--verb"]),
            ("DUMB_INIT_DEBUG", "1", &[]),
        ] {
            let args = [args, &["-r", "10:1", "-r2:0", "sh", "-c", script]].concat();
            let mut running = named.start_with(&init, (variable, value), &args);
            let said = |running: &mut crate::world::Running, words: &str| {
                let line = format!("[dumb-init] {words}\n");
                until(words, || running.err().contains(&line));
            };
            said(&mut running, "setsid complete.");
            let command = child(running.child.id());
            said(&mut running, &format!("Child spawned with PID {command}."));
            running.signal(libc::SIGUSR1);
            said(&mut running, "Received signal 10.");
            said(&mut running, "Translating signal 10 to 1.");
            said(&mut running, "Forwarded signal 1 to children.");
            running.signal(libc::SIGTSTP);
            said(&mut running, "Forwarded signal 19 to children.");
            said(&mut running, "Suspending self due to TTY signal.");
            until("it is stopped", || state(running.child.id()) == 'T');
            running.signal(libc::SIGCONT);
            said(&mut running, "Forwarded signal 18 to children.");
            running.signal(libc::SIGTERM);
            said(&mut running, &format!("A child with PID {command} was terminated by signal 15."));
            let run = running.end();
            run.ends(143);
            run.says(&[
                "[dumb-init] Received signal 17.\n",
                "[dumb-init] Child exited with status 143. Goodbye.\n",
            ]);
        }
    }
}

/// Those that the kernel sends for it do not reach the command, later ones do.
#[test]
fn the_first_hup_and_cont_after_giving_up_the_terminal_are_kept() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        let mut terminal = Terminal::new(24, 80);
        let args = ["-v", "probe", "signals", "12"];
        let mut it = terminal.spawn(&mut named.command(&init.program, &args));
        let pid = it.id() as i32;
        let shows = |terminal: &mut Terminal, words: &[&str]| {
            until(words[0], || {
                let shown = terminal.output();
                words.iter().all(|word| shown.contains(word))
            });
        };
        let kept = [1, 18].map(|n| format!("[dumb-init] Ignoring tty hand-off signal {n}.\r\n"));
        shows(&mut terminal, &["ready\r\n", &kept[0], &kept[1]]);
        assert!(!terminal.output().contains("signal 1 "));
        // SAFETY: plain system call, to a process that the test waits for.
        let send = |signal| assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        send(libc::SIGHUP);
        shows(&mut terminal, &["signal 1 "]);
        send(libc::SIGUSR2);
        assert_eq!(terminal.end(&mut it), 0);
        assert!(!terminal.output().contains("signal 18 code"), "{}", terminal.output());
    }
}

/// Standard input is what the session of its own is given: if that is no terminal, nobody gives one up.
#[test]
fn the_terminal_stays_where_standard_input_is_none() {
    let named = Named::new();
    for init in named.both("dumb-init") {
        let mut terminal = Terminal::new(24, 80);
        let script = "\"$0\" sh -c 'probe attributes' </dev/null; exec probe attributes";
        let args = ["-c", script, init.program.to_str().unwrap()];
        let shell = std::path::Path::new("/bin/sh");
        assert_eq!(terminal.run(&mut named.command(shell, &args)), 0);
        let shown = terminal.output();
        assert_eq!(shown.matches("tty ENXIO").count(), 1, "{shown}");
        assert_eq!(shown.matches("tty ok").count(), 1, "{shown}");
        let script = "exec \"$0\" sh -c 'probe attributes' </dev/null";
        let args = ["-c", script, init.program.to_str().unwrap()];
        let mut terminal = Terminal::new(24, 80);
        assert_eq!(terminal.run(&mut named.command(shell, &args)), 0, "no hang-up");
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
