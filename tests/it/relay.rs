//! `exec --relay`: the command has a pipe of its own, and all that it says arrives.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::world::{Place, nameless, spawn};

fn command(place: &Place, words: &[&str]) -> Command {
    std::fs::write(place.root.join("container.json"), place.config.text()).unwrap();
    let mut command = Command::new(&place.program);
    command.current_dir(&place.root).args(["exec", "--relay"]).args(words);
    command.stdin(Stdio::from(nameless()));
    command
}

#[test]
fn the_command_has_a_pipe_and_its_words_and_status_arrive() {
    let place = Place::new();
    let script = "readlink /proc/self/fd/1; readlink /proc/$$/fd/2; echo to-err >&2; exit 4";
    let run = spawn(&mut command(&place, &["/bin/sh", "-c", script])).end();
    run.ends(4);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", run.out);
    assert!(lines[0].starts_with("pipe:") && lines[0] == lines[1], "{}", run.out);
    assert_eq!((lines[2], run.err.as_str()), ("to-err", ""));
}

#[test]
fn a_join_has_one_too() {
    let place = Place::new();
    let mut first = command(&place, &["/bin/sh", "-c", "echo up; sleep 1000"]);
    let mut first = spawn(&mut first);
    first.wait_for("up\n");
    let run = spawn(&mut command(&place, &["/bin/sh", "-c", "readlink /proc/self/fd/1"])).end();
    assert!(run.ok().starts_with("pipe:"), "{}", run.out);
    first.signal(libc::SIGTERM);
    first.end().ends(143);
}

#[test]
fn all_of_it_arrives_however_slow_its_reader_is() {
    let place = Place::new();
    let mut command = command(&place, &["/bin/sh", "-c", "head -c 3000000 /dev/zero"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // The container's part of it has ended long before.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(out.len(), 3_000_000);
}

#[test]
fn who_reads_no_more_of_it_ends_the_command_as_a_pipe_does() {
    let place = Place::new();
    let mut command = command(&place, &["/bin/sh", "-c", "while :; do echo line; done"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(128 + libc::SIGPIPE));
}

#[test]
fn a_signal_ends_the_wait_for_a_reader_that_does_not_read() {
    let place = Place::new();
    let mut command = command(&place, &["/bin/sh", "-c", "head -c 100000 /dev/zero; echo >&2"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    crate::world::until("the container has ended", || {
        let children = format!("/proc/{pid}/task/{pid}/children");
        let state = place.root.join("state.json").exists();
        state && std::fs::read_to_string(children).unwrap_or_default().is_empty()
    });
    // SAFETY: plain system call; the child has not been waited for.
    assert_eq!(unsafe { libc::kill(pid as i32, libc::SIGTERM) }, 0);
    assert!(child.wait().unwrap().success());
}

#[test]
fn with_a_terminal_there_is_no_pipe() {
    let mut place = Place::new();
    place.config.set("tty", "true");
    let run =
        spawn(&mut command(&place, &["--tty", "/bin/sh", "-c", "readlink /proc/self/fd/1"])).end();
    assert!(run.ends(0).starts_with("/dev/"), "{}", run.out);
}
