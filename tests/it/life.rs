//! A container's life: it starts, ends, and takes everything with it.

use std::fs;
use std::time::Duration;

use crate::config::quote;
use crate::trace::have_strace;
use crate::world::{Place, cgroups, spawn, until};

#[test]
fn the_command_runs_and_its_output_arrives() {
    let place = Place::new();
    assert_eq!(place.exec(&["/bin/echo", "hello", "two words", ""]).ok(), "hello two words \n");
}

#[test]
fn the_exit_status_is_the_commands() {
    let place = Place::new();
    for status in [0, 1, 7, 124, 125, 200, 255] {
        place.sh(&format!("exit {status}")).ends(status);
    }
}

#[test]
fn a_command_that_a_signal_killed_gives_128_and_the_signal() {
    let place = Place::new();
    for signal in [1, 2, 6, 9, 11, 15, 34] {
        place.exec(&["/bin/probe", "die", &signal.to_string()]).ends(128 + signal);
    }
}

#[test]
fn a_command_that_is_not_there_gives_127() {
    let place = Place::new();
    let run = place.exec(&["no-such-command"]);
    run.ends(127);
    run.says(&["nsinit: ", "no-such-command", "not found"]);
    let run = place.exec(&["/bin/no-such-command"]);
    run.ends(127);
    run.says(&["/bin/no-such-command"]);
}

#[test]
fn a_command_that_is_not_executable_gives_126() {
    let place = Place::new();
    fs::write(place.path("/tmp/data"), "not a program").unwrap();
    let run = place.exec(&["/tmp/data"]);
    run.ends(126);
    run.says(&["/tmp/data", "EACCES"]);
    place.exec(&["/tmp"]).ends(126);
}

#[test]
fn a_missing_interpreter_is_told_from_a_missing_command() {
    let place = Place::new();
    let script = place.path("/tmp/script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    set_executable(&script);
    let run = place.exec(&["/tmp/script"]);
    assert!(run.status == 126 || run.status == 127, "{}", run.status);
    run.says(&["/tmp/script", "interpreter"]);
}

#[test]
fn the_command_is_looked_up_in_the_containers_path() {
    let place = Place::new();
    fs::create_dir(place.path("/opt")).unwrap();
    let script = place.path("/opt/only-here");
    fs::write(&script, "#!/bin/sh\necho found\n").unwrap();
    set_executable(&script);
    let mut place = place;
    place.config.set("environment", r#"["PATH=/nowhere:/opt:/bin"]"#);
    assert_eq!(place.exec(&["only-here"]).ok(), "found\n");
}

#[test]
fn without_a_command_the_files_own_runs() {
    let mut place = Place::new();
    place.config.set("command", r#"{"args": ["/bin/echo", "from the file"]}"#);
    assert_eq!(place.exec(&[]).ok(), "from the file\n");
    assert_eq!(place.exec(&["/bin/echo", "given"]).ok(), "given\n");
}

#[test]
fn without_any_command_it_says_so() {
    let place = Place::new();
    let run = place.exec(&[]);
    assert_ne!(run.status, 0);
    run.says(&["command"]);
}

#[test]
fn standard_input_reaches_the_command() {
    let place = Place::new();
    assert_eq!(
        place.exec_with_input(&["/bin/cat"], "line one\nline two\n").ok(),
        "line one\nline two\n"
    );
}

#[test]
fn standard_error_is_the_callers() {
    let place = Place::new();
    let run = place.sh("echo out; echo err >&2");
    run.ends(0);
    assert_eq!((run.out.as_str(), run.err.as_str()), ("out\n", "err\n"));
}

#[test]
fn closed_standard_descriptors_do_no_harm() {
    use std::os::unix::process::CommandExt;
    let place = Place::new();
    place.write_config();
    let mut command = place.command(&["exec", "/bin/probe", "fds"]);
    // SAFETY: close is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::close(0);
            libc::close(2);
            Ok(())
        });
    }
    let run = spawn(&mut command).end();
    run.ends(0);
    // Whatever 0 and 2 are now: nothing of the host's, and no descriptor of nsinit's.
    for line in run.out.lines().filter(|l| l.starts_with("0 ") || l.starts_with("2 ")) {
        assert!(line.ends_with(" /dev/null") || line.contains("/null"), "{line}");
    }
}

#[test]
fn when_the_first_process_dies_everything_inside_dies() {
    let place = Place::new();
    let mut running =
        place.start("sleep 300 & setsid sleep 301 & echo ready; read forever; sleep 302");
    let _ = running.wait_for("ready");
    let inside = place.processes();
    assert!(inside.len() >= 4, "{inside:?}");
    // SAFETY: plain system call.
    unsafe { libc::kill(place.init_pid() as i32, libc::SIGKILL) };
    let run = running.end();
    assert_eq!(run.status, 137, "{}", run.err);
    assert!(place.state().is_none(), "state.json is still there");
    assert_eq!(place.remains(), Vec::<String>::new());
}

#[test]
fn when_the_command_ends_its_background_processes_end() {
    let place = Place::new();
    place.sh("sleep 300 & setsid sleep 300 & exit 3").ends(3);
    assert_eq!(place.remains(), Vec::<String>::new());
}

#[test]
fn a_sigkilled_launcher_leaves_no_running_container() {
    let place = Place::new();
    for _ in 0..5 {
        let running = place.start("echo ready; sleep 300");
        place.kill_launcher(running);
        // The state and the cgroups are stale now: the next one sees to them.
        assert_eq!(place.sh("echo again").ends(0), "again\n");
        assert_eq!(place.remains(), Vec::<String>::new());
    }
}

#[test]
fn the_launcher_killed_at_any_moment_leaves_nothing_running() {
    let place = Place::new();
    place.write_config();
    for i in 0..60u64 {
        let running = spawn(&mut place.command(&["exec", "/bin/sleep", "300"]));
        std::thread::sleep(Duration::from_micros(150 * i));
        place.kill_launcher(running);
    }
    place.sh("exit 9").ends(9);
}

#[test]
fn a_hup_from_a_vanished_terminal_reaches_the_command() {
    let place = Place::new();
    let running =
        place.start("trap 'echo got HUP; exit 4' HUP; echo ready; while :; do sleep 0.05; done");
    running.signal(libc::SIGHUP);
    assert_eq!(running.end().ends(4), "ready\ngot HUP\n");
}

#[test]
fn no_init_makes_the_command_process_1() {
    let place = Place::new();
    place.write_config();
    let run = place.run(&["exec", "--no-init", "/bin/probe", "attributes"]);
    assert_eq!(run.value("pid"), "1");
    run.ok();
    for status in [0, 7, 255] {
        let script = format!("exit {status}");
        place.run(&["exec", "--no-init", "/bin/sh", "-c", &script]).ends(status);
    }
    place.run(&["exec", "--no-init", "nothing-there"]).ends(127);
}

#[test]
fn the_files_init_key_makes_the_command_process_1() {
    let mut place = Place::new();
    place.config.set("init", quote("exec"));
    assert_eq!(place.exec(&["/bin/sh", "-c", "echo $$"]).ok(), "1\n");
    place.config.set("init", quote("reap"));
    let run = place.exec(&["/bin/sh", "-c", "echo $$"]);
    if run.status == 0 {
        assert_ne!(run.out, "1\n");
    } else {
        run.fails(&["container.json:", "init"]);
    }
    place.config.set("init", quote("sometimes"));
    place.exec(&["/bin/true"]).fails(&["container.json:", "init"]);
}

#[test]
fn a_command_as_process_1_dies_with_its_launcher() {
    let place = Place::new();
    place.write_config();
    let script = "echo ready; sleep 300; :";
    let mut running = spawn(&mut place.command(&["exec", "--no-init", "/bin/sh", "-c", script]));
    running.wait_for("ready");
    place.kill_launcher(running);
    place.sh("exit 0").ends(0);
}

#[test]
fn nothing_is_left_and_nothing_is_written_to_the_root() {
    let place = Place::new();
    place.write_config();
    let before = crate::world::fingerprint(&place.root);
    place.run(&["exec", "/bin/true"]).ok();
    let after = crate::world::fingerprint(&place.root);
    // Mount points may be made; what was there is as it was.
    for line in &before {
        let name = line.split(' ').next().unwrap();
        let now = after.iter().find(|l| l.split(' ').next() == Some(name));
        if !line.starts_with(&format!("{} ", place.root.display())) {
            assert_eq!(Some(line), now);
        }
    }
    assert_eq!(cgroups(&place.name), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_stopped_container_ends_when_its_launcher_is_told_to() {
    let place = Place::new();
    let running = place.start("echo ready; kill -STOP $$; sleep 300");
    until("it is stopped", || {
        place.processes().iter().any(|p| {
            fs::read_to_string(format!("/proc/{p}/stat")).is_ok_and(|s| s.contains(") T "))
        })
    });
    running.signal(libc::SIGTERM);
    // TERM is pending in a stopped process: CONT, forwarded, lets it act.
    running.signal(libc::SIGCONT);
    assert_eq!(running.end().status, 143);
}

#[test]
fn a_stop_of_a_command_that_its_parent_traces_is_no_end() {
    let place = Place::new();
    let container = place.start("echo ready; sleep 300");
    let other = Place::new();
    other.write_config();
    for mut running in [
        spawn(&mut other.command(&["exec", "--no-init", "/bin/probe", "traceme"])),
        spawn(&mut place.command(&["exec", "/bin/probe", "traceme"])),
    ] {
        running.wait_for("ready");
        let launcher = running.child.id();
        let children = || {
            let path = format!("/proc/{launcher}/task/{launcher}/children");
            let children = fs::read_to_string(path).unwrap_or_default();
            let stats = children.split_whitespace().map(|p| format!("/proc/{p}/stat"));
            stats.filter_map(|p| fs::read_to_string(p).ok()).collect::<Vec<_>>()
        };
        until("it is stopped, and traced by nobody", || {
            children().iter().any(|stat| stat.contains(") T "))
        });
        assert_eq!(running.child.try_wait().unwrap(), None);
        running.signal(libc::SIGCONT);
        assert_eq!(running.end().ends(0), "ready\n");
    }
    container.signal(libc::SIGTERM);
    container.end();
}

#[test]
fn what_a_command_makes_its_own_siblings_is_reaped() {
    let place = Place::new();
    let container = place.start("echo ready; sleep 300");
    let mut joined = spawn(&mut place.command(&["exec", "/bin/probe", "siblings-and-wait", "5"]));
    joined.wait_for("ready");
    let launcher = joined.child.id();
    let path = format!("/proc/{launcher}/task/{launcher}/children");
    until("none is left but the command", || {
        fs::read_to_string(&path).unwrap().split_whitespace().count() == 1
    });
    joined.signal(libc::SIGTERM);
    joined.end().ends(143);
    container.signal(libc::SIGTERM);
    container.end();
}

#[test]
fn strace_is_here_for_the_tests_that_need_it() {
    assert!(have_strace(), "apt-get install strace");
}

fn set_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
