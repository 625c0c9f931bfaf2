//! `nsinit ps`: who runs inside, and who should reap what no longer does.

use std::fs;

use crate::cli::valid_json;
use crate::config::quote;
use crate::world::{Place, spawn, until};

/// The lines of `nsinit ps` without the heading, as words.
#[track_caller]
fn table(place: &Place) -> Vec<Vec<String>> {
    let run = place.run(&["ps"]);
    let mut lines = run.ok().lines();
    let heading: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(heading, ["PID", "INSIDE", "USER", "S", "COMMAND"]);
    let lines = lines.filter(|line| !line.starts_with("        zombie "));
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The line whose command is this.
#[track_caller]
fn line<'a>(table: &'a [Vec<String>], command: &str) -> &'a [String] {
    let found: Vec<_> = table.iter().filter(|line| line[4..].join(" ") == command).collect();
    assert_eq!(found.len(), 1, "{command:?} in {table:?}");
    found[0]
}

/// The lines once each of these commands is there, and sleeps. Who has not executed its command yet
/// may sleep, too: the shell, and the joiner on its pipe.
fn all_asleep(place: &Place, commands: &[&str]) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    until("all sleep in their commands", || {
        lines = table(place);
        let sleeps = |command: &&str| {
            lines.iter().any(|line| line[3] == "S" && line[4..].join(" ") == *command)
        };
        lines.len() == commands.len() + 1 && commands.iter().all(sleeps)
    });
    lines
}

/// The pids of a process in each namespace, by the kernel.
fn nspid(pid: &str) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("NSpid:")).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_process_with_both_pids_user_state_and_command() {
    let mut place = Place::new();
    let running = place.start("sleep 111 & echo ready; sleep 333");
    place.config.set("user", quote("alice"));
    place.write_config();
    let joined = spawn(&mut place.command(&["exec", "/bin/sleep", "222"]));
    let commands = [("sleep 111", "root"), ("sleep 333", "root"), ("/bin/sleep 222", "alice")];
    let table = all_asleep(&place, &commands.map(|(command, _)| command));
    for (command, user) in commands {
        let found = line(&table, command);
        assert_eq!(nspid(&found[0]).last(), Some(&found[1]), "{found:?}");
        assert_eq!((found[2].as_str(), found[3].as_str()), (user, "S"), "{found:?}");
    }
    let init = place.init_pid().to_string();
    assert!(table.iter().any(|line| line[0] == init && line[1] == "1"), "{table:?}");
    running.signal(libc::SIGTERM);
    running.end();
    joined.end();
}

#[test]
fn who_has_joined_and_a_namespace_inside_are_listed_too() {
    let mut place = Place::new();
    place.config.set("capabilities", "[\"SYS_ADMIN\"]");
    let running = place.start("unshare -p -f sleep 111 & echo ready; sleep 333");
    let mut command = place.command(&["exec", "/bin/sleep", "222"]);
    let joined = spawn(&mut command);
    until("all are there", || {
        let out = place.run(&["ps"]).out;
        out.contains("/bin/sleep 222") && out.lines().any(|l| l.ends_with(" sleep 111"))
    });
    let table = table(&place);
    let nested = line(&table, "sleep 111");
    // Its pid in the container, not that in its own namespace, where it is 1.
    let pids = nspid(&nested[0]);
    assert_eq!(pids.last().unwrap(), "1");
    assert_eq!(pids[pids.len() - 2], nested[1]);
    line(&table, "/bin/sleep 222");
    running.signal(libc::SIGTERM);
    running.end();
    joined.end();
}

#[test]
fn a_zombie_is_marked_and_who_must_reap_it_is_named() {
    let place = Place::new();
    let running = place.start("(sleep 0 & exec sleep 111) & echo ready; sleep 333");
    until("there is a zombie", || place.run(&["ps"]).out.contains("zombie"));
    let table = table(&place);
    let parent = line(&table, "sleep 111")[0].clone();
    assert!(table.iter().any(|line| line.len() == 5 && line[3] == "Z"), "{table:?}");
    let said = place.run(&["ps"]).out;
    assert!(
        said.contains(&format!("(sleep): its parent {parent} (sleep) lives and has not")),
        "{said}"
    );
    // A parent that is stopped can't.
    // SAFETY: plain system call on a process of this test.
    assert_eq!(unsafe { libc::kill(parent.parse().unwrap(), libc::SIGSTOP) }, 0);
    until("it is stopped", || place.run(&["ps"]).out.contains("(sleep) is stopped"));
    let run = place.run(&["ps", "--json"]);
    valid_json(run.ok());
    assert!(run.out.contains(r#""zombie":""#), "{}", run.out);
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn names_and_words_of_the_container_can_not_drive_the_terminal() {
    let place = Place::new();
    let script = "sh -c 'sleep 111; :' \"$(printf 'e\\033[31m\\377x')\" & echo ready; sleep 333";
    let running = place.start(script);
    until("it is there", || place.run(&["ps"]).out.contains("u{1b}[31m\\xffx"));
    let run = place.run(&["ps", "--json"]);
    valid_json(run.ok());
    assert!(run.out.contains("\\u001b[31m\u{fffd}x"), "{}", run.out);
    assert!(!run.out.contains('\x1b'));
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn without_a_pid_namespace_it_is_the_control_group() {
    let mut place = Place::new();
    place.config.unset("namespaces.NEWPID");
    let running = place.start("(sleep 111 &); echo ready; exec sleep 333");
    let table = table(&place);
    // Its parent has ended: nothing but the group tells whose it is.
    assert_eq!(line(&table, "sleep 111")[0], line(&table, "sleep 111")[1]);
    line(&table, "sleep 333");
    assert_eq!(table.len(), 2, "{table:?}");
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn without_either_it_is_what_descends_from_the_command() {
    let mut place = Place::new();
    place.config.unset("namespaces.NEWPID").unset("cgroups");
    let running = place.start("sleep 111 & echo ready; sleep 333; kill $!");
    let table = all_asleep(&place, &["sleep 111", "sleep 333"]);
    let sleep: i32 = line(&table, "sleep 333")[0].parse().unwrap();
    // SAFETY: plain system call on a process of this test.
    assert_eq!(unsafe { libc::kill(sleep, libc::SIGTERM) }, 0);
    running.end();
}

#[test]
fn where_no_container_runs_the_place_is_named() {
    let place = Place::new();
    place.write_config();
    for verb in ["ps", "kill", "pause", "unpause", "stats", "oom"] {
        place.run(&[verb]).fails(&["nsinit: no container is running here (.)"]);
    }
    let dir = place.dir.to_str().unwrap();
    let here = format!("no container is running here ({dir}/root)");
    place.run(&["ps", "--root", dir, "--id", "root"]).fails(&[&here]);
    place.run(&["ps", "--root", dir, "--id", "nowhere"]).fails(&["nowhere", "ENOENT"]);
}

#[test]
fn a_user_without_a_name_is_a_number() {
    let mut place = Place::new();
    place.config.set("user", quote("4321"));
    let running = place.start("echo ready; sleep 333");
    assert_eq!(line(&all_asleep(&place, &["sleep 333"]), "sleep 333")[2], "4321");
    running.signal(libc::SIGTERM);
    running.end();
}
