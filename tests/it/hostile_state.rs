//! container.json and state.json lie in the root file system, as in 2014: a container that writes
//! there must not decide what the next nsinit does.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::config::{quote, strings};
use crate::world::Place;

/// Root inside, with all it needs to change files.
fn strong() -> Place {
    let mut place = Place::new();
    place.config.set(
        "capabilities",
        strings(&["SYS_ADMIN", "CHOWN", "DAC_OVERRIDE", "FOWNER", "MKNOD", "SYS_CHROOT", "KILL"]),
    );
    place
}

#[test]
fn container_json_cannot_be_changed_from_inside() {
    // Root of the sample's capabilities: one with SYS_ADMIN can lift any mask, and mount the host's
    // disk just as well.
    let place = Place::new();
    place.write_config();
    let before = fs::read_to_string(place.root.join("container.json")).unwrap();
    for attack in [
        "echo '{}' > /container.json",
        "rm -f /container.json; echo '{}' > /container.json",
        "mv /container.json /old; echo '{}' > /container.json",
        "touch /new; mv /new /container.json",
        "ln -sf /tmp/other /container.json",
        "umount /container.json; echo '{}' > /container.json",
        "umount -l /container.json && rm /container.json",
        "chown 1000 /container.json; chmod 666 /container.json",
    ] {
        place.run(&["exec", "/bin/sh", "-c", attack]);
        let now = fs::read_to_string(place.root.join("container.json"));
        assert_eq!(now.ok().as_deref(), Some(before.as_str()), "{attack}");
        place.run(&["exec", "/bin/true"]).ok();
    }
}

/// The file of the place counts again when no other is named.
#[test]
fn container_json_cannot_be_changed_while_another_file_is_used() {
    let place = Place::new();
    place.write_config();
    let file = place.root.join("container.json");
    let other = place.dir.join("other.json");
    fs::copy(&file, &other).unwrap();
    let before = fs::read_to_string(&file).unwrap();
    let script = "rm -f /container.json; echo '{}' > /container.json";
    place.run(&["exec", "--config", other.to_str().unwrap(), "/bin/sh", "-c", script]);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn files_below_a_directory_of_the_container_are_refused() {
    // Masked they could not be moved, but their directory could, and another put in its place.
    let place = Place::new();
    place.write_config();
    let below = place.path("/etc/own.json");
    fs::copy(place.path("/container.json"), &below).unwrap();
    let run = place.run(&["exec", "--config", below.to_str().unwrap(), "/bin/true"]);
    run.fails(&["hide /etc/own.json", "exchange"]);
    let data = place.path("/etc/data");
    fs::create_dir(&data).unwrap();
    fs::copy(place.path("/container.json"), data.join("container.json")).unwrap();
    let root = place.root.to_str().unwrap();
    let mut command = place.command(&["exec", "--rootfs", root, "/bin/true"]);
    crate::world::spawn(command.env("data_path", &data))
        .end()
        .fails(&["hide /etc/data/", "exchange"]);
}

#[test]
fn a_configuration_replaced_while_the_container_runs_is_told() {
    // As an editor does it: the rename unmounts the mask.
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    fs::copy(place.path("/container.json"), place.path("/new.json")).unwrap();
    fs::rename(place.path("/new.json"), place.path("/container.json")).unwrap();
    running.signal(libc::SIGTERM);
    let run = running.end();
    assert!(run.err.contains("container.json: it was replaced while"), "{}", run.err);
}

#[test]
fn a_state_written_from_inside_is_not_obeyed() {
    let mut place = strong();
    // The launcher finds another's state and leaves its cgroups to that one.
    place.prove = false;
    // The container forges the state of a process of the host: the test itself.
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let time = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
    let forged = format!(
        r#"{{"init_pid": {}, "init_start_time": "{time}", "network_state": {{}}, "cgroup_paths": {{}}}}"#,
        std::process::id()
    );
    let script = format!(
        "umount /state.json 2>/dev/null; rm -f /state.json; echo '{forged}' > /state.json; \
         chmod 600 /state.json; echo ready; sleep 300"
    );
    let running = place.start(&script);
    let host = fs::read_link("/proc/self/ns/mnt").unwrap();
    let run = place.run(&["exec", "/bin/readlink", "/proc/self/ns/mnt"]);
    assert_ne!(run.out.trim(), host.to_str().unwrap(), "joined the host");
    running.signal(libc::SIGTERM);
    running.end();
    let run = place.run(&["exec", "/bin/readlink", "/proc/self/ns/mnt"]);
    assert_ne!(run.out.trim(), host.to_str().unwrap(), "joined the host");
    let _ = fs::remove_file(place.root.join("state.json"));
}

#[test]
fn a_state_made_a_link_or_a_directory_from_inside() {
    for attack in ["ln -s /etc/passwd /state.json", "mkdir /state.json", "mkfifo /state.json"] {
        let place = strong();
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        place.sh(&format!("umount /state.json 2>/dev/null; rm -f /state.json; {attack}; :"));
        // Whatever became of it: the next one starts or refuses, and does not hang or follow.
        let run = place.run(&["exec", "/bin/hostname"]);
        assert!(run.status == 125 || run.out == "koye\n", "{attack}: {} {}", run.status, run.err);
        assert_eq!(fs::read_to_string("/etc/passwd").unwrap(), passwd);
        let _ = fs::remove_file(place.root.join("state.json"));
        let _ = fs::remove_dir(place.root.join("state.json"));
    }
}

#[test]
fn a_user_inside_cannot_plant_files_for_the_next_start() {
    let mut place = Place::new();
    fs::set_permissions(&place.root, fs::Permissions::from_mode(0o777)).unwrap();
    place.config.set("user", quote("alice"));
    place.sh("rm -f /container.json; mv /container.json /x; echo '{}' > /state.json; chmod 600 /state.json; true");
    assert_eq!(fs::read_to_string(place.root.join("container.json")).unwrap(), place.config.text());
    let run = place.run(&["exec", "/bin/hostname"]);
    assert!(run.status == 125 || run.out == "koye\n", "{} {}", run.status, run.err);
    let _ = fs::remove_file(place.root.join("state.json"));
}

#[test]
fn a_state_file_that_was_there_first_is_not_followed() {
    let place = Place::new();
    let outside = place.dir.join("outside");
    fs::write(&outside, "untouched").unwrap();
    symlink(&outside, place.root.join("state.json")).unwrap();
    let run = place.sh("hostname");
    assert!(run.status == 125 || run.out == "koye\n", "{} {}", run.status, run.err);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    let _ = fs::remove_file(place.root.join("state.json"));
}

/// A directory of the root file system with links where a control group has its files.
fn false_group(place: &Place) -> std::path::PathBuf {
    let outside = place.dir.join("outside");
    fs::write(&outside, "untouched").unwrap();
    fs::create_dir(place.root.join("group")).unwrap();
    for file in ["freezer.state", "tasks"] {
        symlink(&outside, place.root.join("group").join(file)).unwrap();
    }
    outside
}

fn write_state(place: &Place, text: &str) {
    let file = place.root.join("state.json");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A root file system brings the state of a container that is long gone, with a freezer of its own.
#[test]
fn a_forged_freezer_is_not_thawed() {
    let place = Place::new();
    place.write_config();
    let outside = false_group(&place);
    let state = r#"{"init_pid":4194304,"init_start_time":"1","cgroup_paths":{"freezer":"group"}}"#;
    write_state(&place, state);
    place.run(&["exec", "/bin/true"]).fails(&["group", "not in a control group hierarchy"]);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    // A pipe nobody reads from would hold a launcher up for ever.
    let trap = place.root.join("group/freezer.state");
    fs::remove_file(&trap).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&trap).status().unwrap().success());
    place.run(&["exec", "/bin/true"]).fails(&["not in a control group hierarchy"]);
    fs::remove_file(place.root.join("state.json")).unwrap();
}

#[test]
fn a_joiner_writes_to_no_forged_group() {
    let place = Place::new();
    let outside = false_group(&place);
    let running = place.start("echo ready; sleep 300");
    let state = place.state().unwrap();
    let (head, _) = state.split_once(r#""cgroup_paths""#).unwrap();
    for subsystem in ["cpu", "memory"] {
        write_state(&place, &format!(r#"{head}"cgroup_paths":{{"{subsystem}":"group"}}}}"#));
        place.run(&["exec", "/bin/true"]).fails(&["group", "not in a control group hierarchy"]);
        assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    }
    write_state(&place, &state);
    running.signal(libc::SIGTERM);
    running.end();
}

/// It is hidden by one name only, and ">" keeps the inode.
#[test]
fn a_second_hard_link_to_a_file_that_is_believed_is_refused() {
    let place = Place::new();
    place.write_config();
    let file = place.root.join("container.json");
    let before = fs::read_to_string(&file).unwrap();
    fs::hard_link(&file, place.path("/etc/second")).unwrap();
    let run = place.run(&["exec", "/bin/sh", "-c", "echo '{}' > /etc/second"]);
    run.fails(&["container.json", "another hard link", "cp FILE NEW"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    fs::remove_file(place.path("/etc/second")).unwrap();
    let running = place.start("echo ready; sleep 300");
    let state = place.root.join("state.json");
    fs::hard_link(&state, place.dir.join("second")).unwrap();
    for verb in ["ps", "kill", "state"] {
        place.run(&[verb]).fails(&["another hard link"]);
    }
    place.run(&["exec", "/bin/true"]).fails(&["another hard link"]);
    fs::remove_file(place.dir.join("second")).unwrap();
    running.signal(libc::SIGTERM);
    running.end();
}

/// `log=FILE` where the container can put whatever it likes.
#[test]
fn a_log_in_the_root_file_system_is_a_file_or_refused() {
    use std::os::unix::fs::FileTypeExt;
    let mut place = Place::new();
    place.write_config();
    let victim = place.dir.join("victim");
    fs::write(&victim, "untouched").unwrap();
    fs::create_dir(place.dir.join("victims")).unwrap();
    symlink(&victim, place.path("/link")).unwrap();
    symlink(place.dir.join("victims"), place.path("/dir")).unwrap();
    let fifo = place.path("/fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    fs::write(place.path("/open"), "").unwrap();
    fs::set_permissions(place.path("/open"), fs::Permissions::from_mode(0o666)).unwrap();
    for (log, why) in [
        ("link", "symbolic link"),
        ("dir/log", "symbolic link"),
        ("fifo", "FIFO"),
        ("open", "writable by others"),
        ("/dev/null", "not a regular file"),
    ] {
        place.env.retain(|(key, _)| key != "log");
        place.env.push(("log".into(), log.into()));
        place.run(&["exec", "/bin/true"]).fails(&[log, why]);
        // A reader makes no file of it.
        if log == "fifo" {
            let mut reader = fs::OpenOptions::new();
            use std::os::unix::fs::OpenOptionsExt;
            let reader = reader.read(true).custom_flags(libc::O_NONBLOCK).open(&fifo).unwrap();
            assert!(reader.metadata().unwrap().file_type().is_fifo());
            place.run(&["exec", "/bin/true"]).fails(&["fifo", "not a regular file"]);
        }
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    assert!(fs::read_dir(place.dir.join("victims")).unwrap().next().is_none());
}
