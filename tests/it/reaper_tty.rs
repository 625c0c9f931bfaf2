//! `nsinit init` on a terminal: job control, keys, the window, a hang-up.

use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use crate::pty::Terminal;
use crate::reaper::{As, children, init, only_child, send, state};
use crate::world::{Place, nsinit, until, value};

/// A session of its own has the terminal only if nsinit can give it up: not as `Pid1` here, where unshare
/// leads the session.
const ALL: [As; 3] = [As::Pid1, As::Leader, As::Subreaper];

/// An interactive shell of the place on a terminal, with `nsinit` on its path.
fn shell(place: &Place) -> (Terminal, Child) {
    fs::hard_link(nsinit(), place.path("/bin/nsinit"))
        .or_else(|_| fs::copy(nsinit(), place.path("/bin/nsinit")).map(drop))
        .unwrap();
    let mut command = Command::new(place.path("/bin/busybox"));
    command.args(["sh", "-i"]).env_clear().env("PATH", place.path("/bin")).env("PS1", "%%");
    command.env("NSINIT_PLACE", &place.name).current_dir(&place.root);
    let mut terminal = Terminal::new(24, 80);
    let child = terminal.spawn(&mut command);
    terminal.expect("%%");
    (terminal, child)
}

fn foreground(shell: &Child) -> Vec<String> {
    crate::reaper::foreground(shell.id())
}

#[test]
fn a_job_stops_and_goes_on_under_a_shell() {
    let place = Place::new();
    for option in ["", "-g ", "--setsid "] {
        let (mut terminal, mut child) = shell(&place);
        let program = if option == "--setsid " { "nsinit" } else { "sleep" };
        terminal.type_in(&format!("nsinit init {option}sleep 321\r"));
        until("it is in the foreground", || foreground(&child) == [program]);
        terminal.type_in("\x1a");
        terminal.expect("Stopped");
        terminal.expect("%%");
        let nsinit = only_child(child.id());
        let sleep = only_child(nsinit);
        assert_eq!((state(nsinit), state(sleep)), ('T', 'T'), "{option}");
        // In the background it goes on without the terminal.
        terminal.type_in("bg\r");
        until("both go on", || (state(nsinit), state(sleep)) == ('S', 'S'));
        assert_eq!(foreground(&child), ["busybox"]);
        terminal.type_in("kill -TSTP %1\r");
        until("both stop", || (state(nsinit), state(sleep)) == ('T', 'T'));
        terminal.type_in("fg\r");
        until("it is in the foreground", || foreground(&child) == [program]);
        terminal.type_in("\x03");
        terminal.expect("%%");
        terminal.type_in("echo sta''tus $?\r");
        terminal.expect("status 130");
        terminal.type_in("exit\r");
        terminal.end(&mut child);
        fs::remove_file(place.path("/bin/nsinit")).unwrap();
    }
}

/// Its process takes signals already, and is nsinit still.
#[test]
fn a_key_before_the_command_is_executed_stops_the_job() {
    let place = Place::new();
    let (mut terminal, mut child) = shell(&place);
    let by = "/usr/bin/strace -DD -f -qq -o /dev/null -e trace=rt_sigprocmask --seccomp-bpf \
              -e inject=rt_sigprocmask:delay_exit=1000000:when=1";
    terminal.type_in(&format!("{by} nsinit init sleep 321\r"));
    until("the command is on its way", || {
        let all = children(child.id()).into_iter().flat_map(children);
        all.into_iter().any(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.starts_with("Name:\tnsinit\n") && value(&status, "SigBlk") == "0000000000000000"
        })
    });
    terminal.type_in("\x1a");
    terminal.expect("Stopped");
    terminal.expect("%%");
    terminal.type_in("fg\r");
    until("it is in the foreground", || foreground(&child) == ["sleep"]);
    terminal.type_in("\x03");
    terminal.expect("%%");
    terminal.type_in("exit 130\r");
    assert_eq!(terminal.end(&mut child), 130);
}

#[test]
fn a_background_job_that_reads_is_stopped_and_gets_the_terminal_with_fg() {
    let place = Place::new();
    let (mut terminal, mut child) = shell(&place);
    terminal.type_in("nsinit init head -n 1 &\r");
    terminal.expect("%%");
    until("it is stopped", || state(only_child(child.id())) == 'T');
    assert_eq!(foreground(&child), ["busybox"], "the terminal is the shell's");
    terminal.type_in("fg\r");
    until("it has the terminal", || foreground(&child) == ["head"]);
    terminal.type_in("word\r");
    terminal.expect("word");
    terminal.expect("word");
    terminal.expect("%%");
    terminal.type_in("exit\r");
    terminal.end(&mut child);
}

/// Starts the words after it as a job in the foreground, and once the job's command has taken the
/// terminal, makes the job the foreground again, as a shell does that starts a pipeline.
const SHELL_WITH_A_PIPELINE: &str = r#"
import os, signal, sys, time
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while os.getpgid(job) != job or os.tcgetpgrp(0) in (job, os.getpid()):
    time.sleep(0.002)
os.tcsetpgrp(0, job)
print("taken back", flush=True)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(job, os.WUNTRACED)[1] & 0xffff))
"#;

#[test]
fn a_command_gets_the_terminal_again_that_a_pipelines_start_took_from_it() {
    let place = Place::new();
    let mut terminal = Terminal::new(24, 80);
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", SHELL_WITH_A_PIPELINE]).arg(nsinit()).args(["init", "sh", "-c"]);
    command.arg("sleep 0.2; read word; echo \"got $word\"; exit 6");
    let mut child = terminal.spawn(command.env("NSINIT_PLACE", &place.name));
    terminal.expect("taken back");
    terminal.type_in("this\r");
    terminal.expect("got this");
    assert_eq!(terminal.end(&mut child), 6);
}

#[test]
fn a_pipeline_stops_as_one_job() {
    let place = Place::new();
    let (mut terminal, mut child) = shell(&place);
    terminal.type_in("sh -c 'nsinit init sleep 321; echo en''d' | cat\r");
    // The shell makes the job the foreground once more when it starts the pipeline's second process.
    until("it runs", || foreground(&child).iter().any(|name| name == "sleep" || name == "nsinit"));
    terminal.type_in("\x1a");
    terminal.expect("Stopped");
    terminal.type_in("fg\r");
    until("it is in the foreground again", || foreground(&child) == ["sleep"]);
    terminal.type_in("\x03");
    terminal.expect("end");
    terminal.type_in("exit\r");
    terminal.end(&mut child);
}

#[test]
fn job_control_works_in_an_interactive_shell_under_it() {
    let place = Place::new();
    for what in ALL {
        for option in ["-g", "--setsid"] {
            if what == As::Pid1 && option == "--setsid" {
                continue;
            }
            let mut terminal = Terminal::new(24, 80);
            let mut command = init(&place, what, &[option, "sh", "-i"]);
            let mut child = terminal.spawn(command.env("PS1", "%%"));
            terminal.expect("%%");
            terminal.type_in("sleep 321\r");
            terminal.expect("sleep 321");
            let named = |name| {
                let pids = place.processes();
                let comm = |pid| fs::read_to_string(format!("/proc/{pid}/comm"));
                pids.into_iter().find(|pid| comm(*pid).is_ok_and(|comm| comm == name))
            };
            until("sleep runs", || named("sleep\n").is_some());
            if what != As::Subreaper {
                // Process 1 never stops with its command, and so does without the terminal.
                let held = fs::read_dir(format!("/proc/{}/fd", only_child(child.id()))).unwrap();
                assert_eq!(held.count(), 1, "{what:?} {option}");
            }
            std::thread::sleep(Duration::from_millis(50));
            terminal.type_in("\x1a");
            terminal.expect("Stopped");
            assert!(!terminal.output().contains("job control"), "{}", terminal.output());
            terminal.type_in("fg\r");
            until("sleep goes on", || named("sleep\n").is_some_and(|pid| state(pid) == 'S'));
            std::thread::sleep(Duration::from_millis(50));
            terminal.type_in("\x03");
            terminal.type_in("echo ba''ck\r");
            terminal.expect("back\r\n");
            terminal.type_in("exit 12\r");
            assert_eq!(terminal.end(&mut child), 12, "{what:?} {option}");
        }
    }
}

#[test]
fn a_key_reaches_a_plain_command_once() {
    let place = Place::new();
    for what in ALL {
        for options in [&[][..], &["-g"], &["--setsid"]] {
            if what == As::Pid1 && options == ["--setsid"] {
                continue;
            }
            let mut terminal = Terminal::new(24, 80);
            let args = [options, &["probe", "signals", "12"]].concat();
            let mut child = terminal.spawn(&mut init(&place, what, &args));
            terminal.expect("ready");
            terminal.type_in("\x03");
            terminal.expect("signal 2 ");
            terminal.type_in("\x1c");
            terminal.expect("signal 3 ");
            terminal.resize(50, 132);
            terminal.expect("signal 28 ");
            std::thread::sleep(Duration::from_millis(50));
            let shown = terminal.output();
            assert!(!shown.contains("signal "), "{what:?} {options:?}: {shown}");
            let pid = child.id();
            send(if what == As::Subreaper { pid } else { only_child(pid) }, 12);
            assert_eq!(terminal.end(&mut child), 0);
        }
    }
}

#[test]
fn the_window_has_its_size_and_is_followed() {
    let place = Place::new();
    for what in ALL {
        let mut terminal = Terminal::new(43, 117);
        let mut child = terminal.spawn(&mut init(&place, what, &["probe", "winsize", "1"]));
        terminal.expect("size 43 117");
        terminal.resize(50, 132);
        terminal.expect("size 50 132");
        assert_eq!(terminal.end(&mut child), 0);
    }
}

#[test]
fn a_session_of_its_own_has_the_terminal_and_no_hang_up() {
    let place = Place::new();
    let mut terminal = Terminal::new(24, 80);
    let mut child =
        terminal.spawn(&mut init(&place, As::Subreaper, &["--setsid", "probe", "attributes"]));
    assert_eq!(terminal.end(&mut child), 0, "{}", terminal.output());
    let shown = terminal.output().replace('\r', "");
    let value = |key| crate::world::value(&shown, key).to_owned();
    assert_eq!(value("tty"), "ok", "{shown}");
    assert_eq!((value("sid"), value("pgid")), (value("pid"), value("pid")), "{shown}");
    assert!(!shown.contains("blocked") && !shown.contains("ignored"), "{shown}");
}

#[test]
fn a_hang_up_reaches_the_command() {
    let place = Place::new();
    // As Pid1 unshare leads the session, gets it and kills its child.
    for what in [As::Leader, As::Subreaper] {
        for options in [&[][..], &["--setsid"]] {
            let file = place.path("/tmp/hung");
            let script = format!(
                "trap 'echo up > {}; exit 3' HUP; echo ready; while :; do sleep 0.02; done",
                file.display()
            );
            let mut terminal = Terminal::new(24, 80);
            let args = [options, &["sh", "-c", &script]].concat();
            let mut child = terminal.spawn(&mut init(&place, what, &args));
            terminal.expect("ready");
            drop(terminal);
            until("the hang-up arrived", || file.exists());
            let status = child.wait().unwrap();
            assert!(status.code().is_none_or(|code| code == 3), "{what:?} {status}");
            fs::remove_file(&file).unwrap();
        }
    }
}

/// Whoever goes on in nsinit's own group can read from the terminal again.
#[test]
fn at_the_end_the_terminal_is_given_back() {
    let place = Place::new();
    let mut terminal = Terminal::new(24, 80);
    let script = format!("{} init true; read x; echo got $x", nsinit().display());
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script]).env("NSINIT_PLACE", &place.name);
    let mut child = terminal.spawn(&mut command);
    terminal.type_in("word\r");
    terminal.expect("got word");
    assert_eq!(terminal.end(&mut child), 0);
}
