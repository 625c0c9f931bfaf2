//! A process chooses its name, which may hold any byte: none of them hides it, or makes it another.

use std::os::unix::fs::symlink;

use crate::config::quote;
use crate::reaper::{As, children, init, only_child, ready, send, state};
use crate::world::{Place, spawn, until};

/// In /proc/PID/stat it stands as it is: a line that ends too soon, and then one of another process.
const NAME: &str = "a) R 1\n1 (b) Z";
/// The same as nsinit shows it.
const SHOWN: &str = "a) R 1\\n1 (b) Z";

/// A place with a program of that name.
fn place() -> Place {
    let place = Place::new();
    symlink("probe", place.path("/bin").join(NAME)).unwrap();
    place
}

#[test]
fn it_is_listed_and_killed_like_any_other() {
    let place = place();
    let running = place.start(&format!("'/bin/{NAME}' signals 12 & wait; sleep 300"));
    let line = format!(" S /bin/{SHOWN} signals 12\n");
    assert_eq!(place.run(&["ps"]).ok().matches(&line).count(), 1);
    place.run(&["kill", "--all", "12"]).ok();
    running.end().ends(128 + 12);
}

#[test]
fn as_process_1_it_breaks_no_verb() {
    let mut place = place();
    place.config.set("init", quote("exec"));
    place.write_config();
    let program = format!("/bin/{NAME}");
    let mut running = spawn(&mut place.command(&["exec", &program, "signals", "12"]));
    running.wait_for("ready");
    assert!(place.run(&["ps"]).ok().contains("signals 12"));
    assert_eq!(place.join("echo joined").ok(), "joined\n");
    place.run(&["stats"]).ok();
    place.run(&["kill", "12"]).ok();
    running.end().ends(0);
}

#[test]
fn it_gets_no_more_time_than_the_grace_period() {
    let place = place();
    let script = format!("'{NAME}' signals 12 & sleep 0.3; exit 4");
    let args = ["--grace=300ms", "sh", "-c", &script];
    spawn(&mut init(&place, As::Subreaper, &args)).end().ends(4);
    assert!(place.processes().is_empty());
}

#[test]
fn as_an_orphan_it_is_killed_where_orphans_are_not_wanted() {
    let place = place();
    let script = format!("sh -c \"'{NAME}' signals 12 &\"; echo ready; exec sleep 300");
    let args = ["--kill-orphans", "--grace=300ms", "sh", "-c", &script];
    let (running, pid) = ready(&mut init(&place, As::Subreaper, &args), As::Subreaper);
    until("there is an orphan", || children(pid).len() == 2);
    until("the orphan is killed", || children(pid).len() == 1);
    send(pid, libc::SIGTERM);
    running.end().ends(143);
}

#[test]
fn as_a_zombie_it_is_explained_by_its_whole_name() {
    let place = place();
    // A shell would reap it.
    let once = "until grep -q sleep /proc/$PPID/comm; do :; done; exec \"$0\" exit 0";
    let script = format!("sh -c '{once}' \"$0\" & echo ready; exec sleep 300");
    let args = ["sh", "-c", &script, NAME];
    let (running, pid) = ready(&mut init(&place, As::Subreaper, &args), As::Subreaper);
    let command = only_child(pid);
    until("there is a zombie", || {
        children(command).first().is_some_and(|zombie| state(*zombie) == 'Z')
    });
    let run = place.run(&["init", "--explain-zombies", &pid.to_string()]);
    assert!(run.ok().contains(&format!(" ({SHOWN}): its parent {command} (sleep)")), "{}", run.out);
    send(pid, libc::SIGTERM);
    running.end().ends(143);
}
