//! `tty: true` where the caller has a terminal, and `--tty`: a terminal of the container's own. And
//! without: none at all.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::pty::Terminal;
use crate::trace::have_strace;
use crate::world::{Place, child_of_ours, skip, spawn, until};

fn place_with_tty() -> Place {
    let mut place = Place::new();
    place.config.set("tty", "true");
    place.write_config();
    place
}

#[test]
fn the_command_has_a_terminal_of_its_own() {
    let place = place_with_tty();
    let mut terminal = Terminal::new(24, 80);
    let script = "tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo three; stat -c %t /dev/console; \
        echo hi > /dev/tty; echo out > /dev/stdout; ls /dev/pts";
    let status = terminal.run(&mut place.command(&["exec", "/bin/sh", "-c", script]));
    let shown = terminal.output();
    assert_eq!(status, 0, "{shown}");
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    // The console is the same terminal, of the container's own devpts: major 136.
    let names: Vec<&str> = lines[5..].iter().flat_map(|line| line.split_whitespace()).collect();
    assert_eq!(&lines[..5], ["/dev/pts/0", "three", "88", "hi", "out"], "{shown}");
    assert_eq!(names, ["0", "ptmx"], "{shown}");
}

#[test]
fn the_window_has_its_size_before_the_command_starts() {
    let place = place_with_tty();
    let mut terminal = Terminal::new(43, 117);
    let status = terminal.run(&mut place.command(&["exec", "/bin/probe", "winsize", "0"]));
    assert_eq!(status, 0);
    assert_eq!(terminal.output().trim_end(), "size 43 117");
}

fn follows_the_window(command: &mut Command) {
    let mut terminal = Terminal::new(24, 80);
    let mut child = terminal.spawn(command);
    terminal.expect("size 24 80");
    terminal.resize(50, 132);
    terminal.expect("size 50 132");
    assert_eq!(terminal.end(&mut child), 0);
}

const WINDOW: [&str; 4] = ["exec", "/bin/probe", "winsize", "1"];

#[test]
fn the_window_is_followed() {
    follows_the_window(&mut place_with_tty().command(&WINDOW));
}

#[test]
fn a_new_window_is_there_when_the_command_hears_of_it() {
    if !have_strace() {
        return skip("no strace");
    }
    // However long nsinit takes after it has passed a signal on.
    let slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=kill:delay_exit=300000"];
    follows_the_window(&mut place_with_tty().wrapped(&slow, &WINDOW));
}

#[test]
fn raw_mode_is_set_and_restored_however_it_ends() {
    let place = place_with_tty();
    for signal in [0, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        let mut terminal = Terminal::new(24, 80);
        let before = terminal.modes();
        // Not a shell: it would pass over some of them.
        let program = "BEGIN { print \"ready\"; fflush(); getline x; exit 3 }";
        let mut child = terminal.spawn(&mut place.command(&["exec", "/bin/awk", program]));
        terminal.expect("ready");
        assert!(terminal.is_raw(), "not raw while it runs");
        if signal == 0 {
            terminal.type_in("\r");
        } else {
            // SAFETY: plain system call; the child is not reaped yet.
            unsafe { libc::kill(child.id() as i32, signal) };
        }
        let status = terminal.end(&mut child);
        assert_eq!(status, if signal == 0 { 3 } else { 128 + signal }, "{}", terminal.output());
        assert_eq!(terminal.modes(), before, "signal {signal}");
    }
}

#[test]
fn raw_mode_is_restored_when_the_container_is_killed_and_when_it_cannot_start() {
    let place = place_with_tty();
    let mut terminal = Terminal::new(24, 80);
    let before = terminal.modes();
    let script = "echo ready; sleep 300";
    let mut child = terminal.spawn(&mut place.command(&["exec", "/bin/sh", "-c", script]));
    terminal.expect("ready");
    // SAFETY: plain system call.
    unsafe { libc::kill(place.init_pid() as i32, libc::SIGKILL) };
    assert_eq!(terminal.end(&mut child), 137);
    assert_eq!(terminal.modes(), before);

    assert_eq!(terminal.run(&mut place.command(&["exec", "/no/such/thing"])), 127);
    assert_eq!(terminal.modes(), before);
    // The message is readable: a line feed alone would make a staircase.
    assert!(terminal.output().contains("/no/such/thing"));
    assert!(terminal.output().contains("\r\n"));
}

#[test]
fn keys_signal_the_containers_foreground_not_the_launcher() {
    let place = place_with_tty();
    let mut terminal = Terminal::new(24, 80);
    let script = "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done";
    let mut child = terminal.spawn(&mut place.command(&["exec", "/bin/sh", "-c", script]));
    terminal.expect("ready");
    terminal.type_in("\x03");
    terminal.expect("interrupted");
    assert_eq!(terminal.end(&mut child), 9);
}

#[test]
fn job_control_works_in_the_shell() {
    let place = place_with_tty();
    let mut terminal = Terminal::new(24, 80);
    let mut child = terminal.spawn(&mut place.command(&["exec", "/bin/sh"]));
    terminal.type_in("PS1='%%'; echo sta''rted\r");
    terminal.expect("started\r\n");
    assert!(!terminal.output().contains("job control"), "{}", terminal.output());
    terminal.expect("%%");
    terminal.type_in("sleep 321\r");
    terminal.expect("sleep 321");
    until("sleep runs", || place.run(&["exec", "/bin/pidof", "sleep"]).status == 0);
    terminal.type_in("\x1a");
    terminal.expect("Stopped");
    terminal.type_in("jobs; fg\r");
    terminal.expect("sleep 321");
    std::thread::sleep(std::time::Duration::from_millis(200));
    terminal.type_in("\x03");
    terminal.type_in("echo ba''ck\r");
    terminal.expect("back\r\n");
    terminal.type_in("exit 12\r");
    assert_eq!(terminal.end(&mut child), 12);
}

#[test]
fn a_joiner_has_a_terminal_of_its_own_too() {
    let place = place_with_tty();
    let mut first = Terminal::new(24, 80);
    let mut child =
        first.spawn(&mut place.command(&["exec", "/bin/sh", "-c", "echo ready; read x"]));
    first.expect("ready");
    let mut second = Terminal::new(31, 99);
    let script = "[ -t 0 ] && echo terminal; stty size; tty; echo hi > /dev/tty; exit 4";
    let before = second.modes();
    let status = second.run(&mut place.command(&["exec", "/bin/sh", "-c", script]));
    let shown = second.output();
    assert_eq!(status, 4, "{shown}");
    assert!(shown.contains("terminal\r\n31 99\r\n/dev/pts/1\r\n"), "{shown}");
    assert!(shown.contains("hi\r\n"), "{shown}");
    assert_eq!(second.modes(), before);
    assert!(!first.output().contains("hi"));
    first.type_in("\r");
    assert_eq!(first.end(&mut child), 0);
}

#[test]
fn all_output_arrives_before_the_end() {
    let place = place_with_tty();
    let mut terminal = Terminal::new(24, 80);
    let status = terminal.run(&mut place.command(&["exec", "/bin/sh", "-c", "seq 20000; exit 2"]));
    assert_eq!(status, 2);
    let shown = terminal.output();
    assert_eq!(shown.lines().count(), 20000);
    assert!(shown.ends_with("20000\r\n"));
}

#[test]
fn with_tty_but_no_terminal_outside_output_still_arrives() {
    let place = Place::new();
    place.write_config();
    let run = place.run(&["exec", "--tty", "/bin/sh", "-c", "[ -t 1 ] && echo inside; exit 5"]);
    assert_eq!(run.ends(5), "inside\r\n");
}

#[test]
fn piped_input_reaches_the_terminal_and_its_end_ends_it() {
    let run = Place::new().exec_with_input(
        &["-t", "/bin/sh", "-c", "while read l; do echo got $l; done; echo end"],
        "one\ntwo\n",
    );
    let text = run.ends(0).replace('\r', "");
    assert!(
        text.contains("got one\n") && text.contains("got two\n") && text.ends_with("end\n"),
        "{text}"
    );
}

#[test]
fn pipes_stay_clean_whatever_the_file_says() {
    let mut place = Place::new();
    place.config.set("tty", "true");
    assert_eq!(place.exec(&["/bin/echo", "hi"]).ok(), "hi\n");
    let text = "no newline\x04 \x03at the end";
    assert_eq!(place.exec_with_input(&["/bin/cat"], text).ok(), text);
    // One of the three is enough: what it is redirected to gets what was meant for it alone.
    let file = place.dir.join("errors");
    let script = format!(
        "'{}' exec /bin/sh -c 'echo out; echo err >&2' 2> '{}'",
        place.program.display(),
        file.display()
    );
    let mut command = place.wrapped(&["/bin/sh", "-c", &script], &[] as &[&str]);
    let mut terminal = Terminal::new(24, 80);
    assert_eq!(terminal.run(&mut command), 0);
    assert_eq!(terminal.output(), "out\r\n");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "err\n");
}

#[test]
fn the_command_line_has_the_last_word_on_the_terminal() {
    let place = place_with_tty();
    let mut terminal = Terminal::new(24, 80);
    let script = "tty < /dev/tty; ls /dev/console";
    for no in ["--no-tty", "-T"] {
        assert_ne!(terminal.run(&mut place.command(&["exec", no, "/bin/sh", "-c", script])), 0);
    }
    // A container that was started without one is joined with one.
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    let mut terminal = Terminal::new(31, 99);
    let script = "[ -t 0 ] && stty size; echo hi > /dev/tty; trap 'echo interrupted; exit 6' INT; echo up; \
                  while :; do sleep 0.05; done";
    let mut child = terminal.spawn(&mut place.command(&["exec", "-t", "/bin/sh", "-c", script]));
    terminal.expect("31 99\r\nhi\r\nup\r\n");
    terminal.type_in("\x03");
    terminal.expect("interrupted");
    assert_eq!(terminal.end(&mut child), 6);
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn a_terminal_is_opened_in_nothing_but_a_devpts() {
    let place = Place::new();
    let mut config = crate::config::Config::empty();
    config.set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}]"#);
    config.set("environment", r#"["PATH=/bin"]"#).set("capabilities", r#"["MKNOD"]"#);
    config.set(
        "mounts",
        r#"[{"source": "proc", "destination": "/proc", "device": "proc"},
            {"source": "tmpfs", "destination": "/dev", "device": "tmpfs"}]"#,
    );
    place.write_text(&config.text());
    let warning =
        "warning: the container has no devpts on /dev/pts: its terminal is one of the host's";
    let run =
        place.run(&["exec", "-t", "/bin/sh", "-c", "[ -t 0 ] && echo terminal > /dev/console"]);
    assert_eq!(run.ends(0), "terminal\r\n");
    run.says(&[warning]);
    // A pipe that hangs whoever opens it, and a node that would lead elsewhere.
    let script =
        "mkdir /dev/pts; mkfifo /dev/pts/ptmx /dev/pts/go; echo ready; read x < /dev/pts/go";
    let mut command = place.command(&["exec", "/bin/sh", "-c", script]);
    let mut first = spawn(&mut command);
    first.wait_for("ready");
    for node in [
        "",
        "rm /dev/pts/ptmx; mknod /dev/pts/ptmx c 5 2",
        "rm /dev/pts/ptmx; ln -s /dev/null /dev/pts/ptmx",
    ] {
        place.run(&["exec", "/bin/sh", "-c", node]).ends(0);
        let run = place.run(&["exec", "-t", "/bin/sh", "-c", "[ -t 0 ] && echo joined"]);
        assert_eq!(run.ends(0), "joined\r\n", "{node}");
        run.says(&[warning]);
    }
    place.run(&["exec", "/bin/sh", "-c", "echo > /dev/pts/go"]).ends(0);
    first.end().ends(0);
}

/// The launcher sleeps: on a busy machine too, one that polls without end is never seen so.
fn sleeps(launcher: u32) {
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{launcher}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.as_bytes()[0]
    };
    let mut asleep = 0;
    until("the launcher sleeps", || {
        asleep = if state() == b'S' { asleep + 1 } else { 0 };
        asleep > 100
    });
}

#[test]
fn the_launcher_sleeps_when_its_input_has_ended() {
    let place = Place::new();
    place.write_config();
    let script = "trap 'exit 3' TERM; echo ready; while :; do read x || sleep 0.05; done";
    let mut command = place.command(&["exec", "--tty", "/bin/sh", "-c", script]);
    let (mine, theirs) = std::io::pipe().unwrap();
    drop(theirs);
    let mut running = spawn(command.stdin(mine));
    running.wait_for("ready");
    sleeps(running.child.id());
    running.signal(libc::SIGTERM);
    running.end().ends(3);
}

#[test]
fn a_command_that_closes_its_terminal_may_open_it_again() {
    let place = Place::new();
    place.write_config();
    let script = "exec 3< /tmp/go 0<&- 1<&- 2<&-; read x <&3; echo again > /dev/console; exit 3";
    place.sh("mkfifo /tmp/go").ok();
    let mut running = spawn(&mut place.command(&["exec", "--tty", "/bin/sh", "-c", script]));
    // It opens once the command does: from then on nobody has the terminal open.
    let mut go = std::fs::OpenOptions::new().write(true).open(place.path("/tmp/go")).unwrap();
    sleeps(running.child.id());
    std::io::Write::write_all(&mut go, b"\n").unwrap();
    running.wait_for("again");
    assert_eq!(running.end().ends(3), "again\r\n");
}

#[test]
fn who_writes_to_the_terminal_after_the_end_is_not_waited_for() {
    let mut place = Place::new();
    place.config.set("namespaces.NEWPID", "false");
    place.write_config();
    // The shell's end hangs the terminal up: it is opened again for each line.
    let flood = "trap '' HUP; while :; do echo flood; done > /dev/console 2> /dev/null";
    let script = format!("(while :; do ({flood}); done) & sleep 0.3; exit 3");
    place.run(&["exec", "--tty", "/bin/sh", "-c", &script]).ends(3);
}

#[test]
fn a_reader_that_stands_still_holds_nobody_up_who_asks_for_the_end() {
    let place = Place::new();
    place.write_config();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = place.command(&["exec", "--tty", "/bin/sh", "-c", "seq 100000"]);
    let mut child = child_of_ours(command.stdout(writer));
    drop(command);
    until("the launcher has ended", || {
        // SAFETY: plain system call; the child is not reaped yet.
        unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
        std::thread::sleep(std::time::Duration::from_millis(20));
        child.try_wait().unwrap().is_some()
    });
    drop(reader);
}

#[test]
fn without_tty_the_callers_terminal_is_out_of_reach() {
    let place = Place::new();
    place.write_config();
    let mut terminal = Terminal::new(24, 80);
    let status = terminal.run(&mut place.command(&["exec", "/bin/probe", "tiocsti"]));
    let shown = terminal.output();
    assert_eq!(status, 0, "{shown}");
    for fd in 0..3 {
        for request in ["TIOCSTI", "TIOCLINUX", "TIOCSCTTY"] {
            let line = format!("{request} {fd} ");
            let at = shown.find(&line).unwrap_or_else(|| panic!("{shown}"));
            assert!(!shown[at + line.len()..].starts_with("ok"), "{line}worked:\n{shown}");
        }
    }
    let status = terminal.run(&mut place.command(&["exec", "/bin/sh", "-c", "echo x > /dev/tty"]));
    assert_ne!(status, 0);
}

#[test]
fn a_joiner_without_tty_cannot_reach_it_either() {
    let place = Place::new();
    let first = place.start("echo ready; sleep 300");
    let mut terminal = Terminal::new(24, 80);
    let status = terminal.run(&mut place.command(&["exec", "/bin/probe", "tiocsti"]));
    let shown = terminal.output();
    assert_eq!(status, 0, "{shown}");
    assert!(!shown.contains(" ok"), "{shown}");
    first.signal(libc::SIGTERM);
    first.end();
}

#[test]
fn a_key_typed_before_the_command_is_ready_is_not_lost() {
    let place = place_with_tty();
    let mut terminal = Terminal::new(24, 80);
    let mut child =
        terminal.spawn(&mut place.command(&["exec", "/bin/sh", "-c", "read x; echo got $x"]));
    terminal.type_in("early\n");
    terminal.expect("got early");
    assert_eq!(terminal.end(&mut child), 0);
}

#[test]
fn in_the_background_it_does_not_touch_the_terminal() {
    let place = Place::new();
    place.write_config();
    let terminal = Terminal::new(24, 80);
    let before = terminal.modes();
    let mut command = place.command(&["exec", "/bin/echo", "out"]);
    // SAFETY: setsid is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        });
    }
    assert_eq!(spawn(&mut command).end().ok(), "out\n");
    assert_eq!(terminal.modes(), before);
}
