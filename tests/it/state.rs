//! state.json: what is in it, who may read it, and what becomes of one that tells no truth.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::cli::valid_json;
use crate::trace;
use crate::world::Place;

#[test]
fn it_has_the_keys_of_2014_and_root_alone_may_read_it() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let text = place.state().unwrap();
    valid_json(&text);
    let pid = place.init_pid();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start_time = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
    let compact: String = text.split_whitespace().collect();
    assert!(compact.contains(&format!("\"init_pid\":{pid}")), "{text}");
    assert!(compact.contains(&format!("\"init_start_time\":\"{start_time}\"")), "{text}");
    assert!(compact.contains("\"network_state\":{"), "{text}");
    assert!(compact.contains("\"cgroup_paths\":{"), "{text}");
    for path in crate::world::cgroups(&place.name) {
        assert!(text.contains(path.to_str().unwrap()), "no {} in {text}", path.display());
    }
    let meta = fs::metadata(place.root.join("state.json")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (0, 0, 0o600));
    running.signal(libc::SIGTERM);
    running.end();
    assert!(place.state().is_none());
}

#[test]
fn it_is_written_whole_before_the_command_starts() {
    let place = Place::new();
    place.write_config();
    let calls = trace::trace(&place, &["exec", "/bin/nothing"], 42);
    let position = |what: &dyn Fn(&trace::Call) -> bool| calls.iter().position(what);
    let rename = position(&|c| c.name.starts_with("rename") && c.text.contains("state.json"));
    let rename = rename.expect("state.json is not renamed into place");
    let exec = position(&|c| {
        c.name.starts_with("exec") && c.text.contains("\"/bin/nothing\", [") && c.result == "0"
    });
    assert!(rename < exec.unwrap(), "state.json comes after execve");
    let opened = calls.iter().any(|c| {
        c.name.starts_with("open")
            && c.text.contains("\"state.json\"")
            && c.text.contains("O_CREAT")
    });
    assert!(!opened, "state.json is written in place");
}

#[test]
fn a_state_of_a_dead_process_is_cleaned() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let old = place.state().unwrap();
    place.kill_launcher(running);
    assert_eq!(place.state().unwrap(), old, "it takes the launcher to remove it");
    let run = place.run(&["exec", "/bin/sh", "-c", "echo $$"]);
    run.ends(0);
    assert!(place.state().is_none());
    assert_eq!(place.remains(), Vec::<String>::new());
}

#[test]
fn a_reused_pid_is_not_joined() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let old = place.state().unwrap();
    running.signal(libc::SIGTERM);
    running.end();
    // Another process has the pid: ours will do.
    let pid_text = old.split("\"init_pid\":").nth(1).unwrap().trim();
    let pid: String = pid_text.chars().take_while(char::is_ascii_digit).collect();
    let forged = old.replace(&pid, &std::process::id().to_string());
    write_state(&place, &forged);
    let run = place.run(&["exec", "/bin/hostname"]);
    // Not joined: either a new container, or a refusal.
    if run.status == 0 {
        assert_eq!(run.out, "koye\n");
    } else {
        run.fails(&["state.json"]);
        fs::remove_file(place.root.join("state.json")).unwrap();
    }
}

#[test]
fn a_process_of_the_host_is_never_joined_though_pid_and_start_time_agree() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let state = place.state().unwrap();
    running.signal(libc::SIGTERM);
    running.end();
    let time = |stat: &str| {
        stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().to_owned()
    };
    let own = time(&fs::read_to_string("/proc/self/stat").unwrap());
    let number = |key: &str| -> String {
        let rest = state.split(&format!("\"{key}\":")).nth(1).unwrap();
        rest.trim_start_matches([' ', '"']).chars().take_while(char::is_ascii_digit).collect()
    };
    let forged = state
        .replace(&number("init_pid"), &std::process::id().to_string())
        .replace(&number("init_start_time"), &own);
    write_state(&place, &forged);
    let host = fs::read_link("/proc/self/ns/mnt").unwrap();
    let run = place.run(&["exec", "/bin/readlink", "/proc/self/ns/mnt"]);
    assert_ne!(run.out.trim(), host.to_str().unwrap(), "joined a process of the host");
    let _ = fs::remove_file(place.root.join("state.json"));
}

#[test]
fn a_state_that_others_could_have_written_is_refused() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let file = place.root.join("state.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    place.run(&["exec", "/bin/true"]).fails(&["state.json"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&file, Some(1000), Some(1000)).unwrap();
    place.run(&["exec", "/bin/true"]).fails(&["state.json"]);
    std::os::unix::fs::chown(&file, Some(0), Some(0)).unwrap();
    let moved = place.dir.join("moved");
    fs::rename(&file, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &file).unwrap();
    place.run(&["exec", "/bin/true"]).fails(&["state.json"]);
    fs::remove_file(&file).unwrap();
    fs::rename(&moved, &file).unwrap();
    place.join("exit 0").ok();
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn texts_that_are_no_state_are_refused_or_cleaned_and_never_followed() {
    let place = Place::new();
    place.write_config();
    let long = "9".repeat(5000);
    let texts = [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "\0\0\0",
        r#"{"init_pid": 1}"#,
        r#"{"init_pid": 0, "init_start_time": "0"}"#,
        r#"{"init_pid": -1, "init_start_time": "1"}"#,
        r#"{"init_pid": "1", "init_start_time": 1}"#,
        r#"{"init_pid": 99999999999, "init_start_time": "1"}"#,
        &long,
    ];
    for text in texts {
        write_state(&place, text);
        let run = place.run(&["exec", "/bin/hostname"]);
        if run.status == 0 {
            assert_eq!(run.out, "koye\n", "{text:?}");
            assert!(place.state().is_none());
        } else {
            run.fails(&["state.json"]);
            fs::remove_file(place.root.join("state.json")).unwrap();
        }
    }
}

#[test]
fn the_cgroup_paths_of_a_forged_state_are_not_removed_or_entered() {
    let place = Place::new();
    let victim = place.host_dir("victim");
    let running = place.start("echo ready; sleep 300");
    let state = place.state().unwrap();
    place.kill_launcher(running);
    let mut forged = state.clone();
    for path in crate::world::cgroups(&place.name) {
        forged = forged.replace(path.to_str().unwrap(), victim.to_str().unwrap());
    }
    write_state(&place, &forged);
    place.run(&["exec", "/bin/true"]);
    assert!(victim.is_dir(), "a directory outside the cgroup file systems was removed");
    place.clean();
}

#[test]
fn nsinit_state_prints_it_and_whether_it_runs() {
    let place = Place::new();
    place.write_config();
    let run = place.run(&["state"]);
    assert_ne!(run.status, 0, "{}", run.out);
    run.says(&["state.json"]);
    let running = place.start("echo ready; sleep 300");
    let run = place.run(&["state"]);
    assert!(run.ends(0).contains(&place.init_pid().to_string()), "{}", run.out);
    assert!(run.out.contains("init_start_time"), "{}", run.out);
    assert!(run.out.contains("running"), "{}", run.out);
    place.kill_launcher(running);
    let run = place.run(&["state"]);
    assert!(
        !run.out.contains("\"running\": true") && !run.out.contains("\"status\": \"running\""),
        "{}",
        run.out
    );
    // Asking changes nothing.
    assert!(place.state().is_some());
    place.sh("exit 0").ends(0);
}

#[test]
fn the_network_state_is_there_and_empty_without_a_network() {
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let compact: String = place.state().unwrap().split_whitespace().collect();
    assert!(
        compact.contains("\"network_state\":{}") || compact.contains("\"veth_host\":\"\""),
        "{compact}"
    );
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_data_path_that_cannot_be_written_is_named_and_nothing_starts() {
    let mut place = Place::new();
    let data = place.host_dir("data");
    fs::write(data.join("container.json"), place.config.text()).unwrap();
    crate::rootfs::mount("tmpfs", &data, "tmpfs");
    fs::write(data.join("container.json"), place.config.text()).unwrap();
    let target = std::ffi::CString::new(data.to_str().unwrap()).unwrap();
    let flags = libc::MS_REMOUNT | libc::MS_RDONLY;
    // SAFETY: the path is a C string that outlives the call, the rest may be null.
    unsafe {
        let none = std::ptr::null();
        assert_eq!(libc::mount(none, target.as_ptr(), none, flags, none.cast()), 0);
    }
    place.env.push(("data_path".into(), data.to_str().unwrap().into()));
    let run = place.run(&["exec", "/bin/true"]);
    crate::rootfs::umount(&data);
    run.fails(&["create state.json.tmp", "EROFS"]);
}

fn write_state(place: &Place, text: &str) {
    let file = place.root.join("state.json");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}
