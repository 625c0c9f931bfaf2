//! nsinit's own files, by whichever way a container can reach them, and their lock.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::config::quote;
use crate::rootfs::{mount, umount};
use crate::world::{Place, skip, spawn};

/// What a container does to whatever it finds at these paths.
fn attack(paths: &[&str]) -> String {
    let each = |path: &&str| {
        format!(
            "echo '{{}}' > {path}; rm -f {path}; mv {path} /gone; echo '{{}}' > {path}; cat {path}; "
        )
    };
    paths.iter().map(each).collect::<String>() + "echo end"
}

/// Runs the container, which must come to its end and have left container.json as it was.
#[track_caller]
fn unharmed(place: &Place, args: &[&str], paths: &[&str]) {
    let file = place.root.join("container.json");
    let before = (fs::read_to_string(&file).unwrap(), fs::metadata(&file).unwrap().ino());
    let run = place.run(&[args, &["/bin/sh", "-c", &attack(paths)]].concat());
    assert_eq!(run.ends(0), "end\n", "{}", run.err);
    let after = (fs::read_to_string(&file).unwrap(), fs::metadata(&file).unwrap().ino());
    assert_eq!(after, before, "{paths:?}");
}

const WRITABLE: &str = r#", "writable": true"#;

#[test]
fn they_are_hidden_in_a_bind_of_their_directory() {
    let mut place = Place::new();
    place.config.bind(".", "/mnt/here", WRITABLE);
    place.config.bind(place.root.clone().to_str().unwrap(), "/mnt/there", WRITABLE);
    place.write_config();
    unharmed(&place, &["exec"], &["/container.json", "/mnt/here/container.json"]);
    unharmed(&place, &["exec"], &["/mnt/there/container.json", "/mnt/there/state.json"]);
}

#[test]
fn they_are_hidden_below_a_read_only_bind_and_refused_below_another() {
    let mut place = Place::new();
    let original = place.config.clone();
    place.config.bind(place.dir.clone().to_str().unwrap(), "/mnt", "");
    place.write_config();
    unharmed(&place, &["exec"], &["/mnt/root/container.json", "/mnt/root/state.json"]);
    place.config = original.clone();
    place.config.bind("..", "/mnt", WRITABLE);
    let words = ["container.json:", "mount_config.mounts[0].source", "below a directory"];
    place.exec(&["/bin/true"]).fails(&words);
    place.config = original;
    place.config.bind("container.json", "/etc/config", "");
    let words = ["mount_config.mounts[0].source", "one of nsinit's own files"];
    place.exec(&["/bin/true"]).fails(&words);
}

#[test]
fn they_are_hidden_where_the_root_is_another_path_of_their_directory() {
    let place = Place::new();
    place.write_config();
    let other = place.host_dir("other");
    bind(&place.root, &other);
    unharmed(&place, &["exec", "--rootfs", other.to_str().unwrap()], &["/container.json"]);
    umount(&other);
}

#[test]
fn they_are_hidden_where_they_lie_in_a_directory_of_an_overlay() {
    // The root is the host's overlay, and the place its upper directory.
    let place = Place::new();
    let over = place.host_dir("over");
    mount("tmpfs", &over, "tmpfs");
    for name in ["upper", "work", "merged", "lower"] {
        fs::create_dir(over.join(name)).unwrap();
    }
    fs::write(over.join("upper/container.json"), place.config.text()).unwrap();
    let merged = over.join("merged");
    let (lower, o) = (place.root.display(), over.display());
    let options = format!("lowerdir={lower},upperdir={o}/upper,workdir={o}/work");
    let by = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", &options])
        .arg(&merged)
        .status()
        .unwrap();
    assert!(by.success());
    let args = ["exec", "--rootfs", merged.to_str().unwrap(), "/bin/sh", "-c"];
    let script = attack(&["/container.json", "/state.json"]);
    let mut command = place.command(&[&args[..], &[&script]].concat());
    let run = spawn(command.current_dir(over.join("upper"))).end();
    umount(&merged);
    let text = fs::read_to_string(over.join("upper/container.json"));
    // The file mounts it inside: as upper, as lower and as work directory.
    let mut runs = Vec::new();
    for (role, path) in [("upperdir", "upper"), ("lowerdir", "lower"), ("workdir", "work")] {
        let data = ["lowerdir=lower", "upperdir=upper", "workdir=work"]
            .map(|option| {
                let (key, dir) = option.split_once('=').unwrap();
                format!("{key}={o}/{}", if key == role { path } else { dir })
            })
            .join(",");
        let mut config = crate::config::Config::empty();
        config.set("rootfs", quote(place.root.to_str().unwrap()));
        config.set("namespaces", r#"[{"type": "NEWNS"}, {"type": "NEWPID"}]"#);
        config.set("environment", r#"["PATH=/bin"]"#);
        config.set(
            "mounts",
            format!(
                r#"[{{"source": "proc", "destination": "/proc", "device": "proc"}},
                {{"source": "o", "destination": "/merged", "device": "overlay", "data": "{data}"}}]"#
            ),
        );
        let dir = over.join(path);
        let _ = fs::remove_file(over.join("upper/container.json"));
        fs::write(dir.join("container.json"), config.text()).unwrap();
        let script = attack(&["/merged/container.json", "/merged/state.json"]);
        let mut command = place.command(&["exec", "/bin/sh", "-c", &script]);
        let run = spawn(command.current_dir(&dir)).end();
        let same = fs::read_to_string(dir.join("container.json")).ok() == Some(config.text());
        runs.push((role, run, same));
        let _ = fs::remove_file(dir.join("container.json"));
    }
    umount(&over);
    assert_eq!(run.ends(0), "end\n", "{}", run.err);
    assert_eq!(text.unwrap(), place.config.text());
    for (role, run, same) in runs {
        assert!(same, "{role}: container.json was changed");
        match role {
            "workdir" => run.fails(&["mounts[1].data", "work directory"]),
            _ => assert_eq!(run.ends(0), "end\n", "{role}: {}", run.err),
        }
    }
}

/// The place is the root, another file is used, and there is no container.json that could be hidden.
#[test]
fn none_is_made_from_inside_that_the_next_start_would_believe() {
    let place = Place::new();
    let other = place.dir.join("other.json");
    fs::write(&other, place.config.text()).unwrap();
    let file = place.root.join("container.json");
    let exec = ["exec", "--config", other.to_str().unwrap(), "/bin/sh", "-c"];
    let script =
        attack(&["/container.json"]) + "; mkdir /container.json; ln -s /tmp /container.json";
    place.run(&[&exec[..], &[&script]].concat());
    assert!(
        fs::symlink_metadata(&file).is_err(),
        "container.json was made from inside, or is left"
    );
    // A launcher that was killed leaves it to the next.
    let mut running = spawn(&mut place.command(&[&exec[..], &["echo ready; sleep 300"]].concat()));
    running.wait_for("ready");
    assert_eq!(fs::metadata(&file).unwrap().len(), 0);
    place.kill_launcher(running);
    place.run(&[&exec[..], &["true"]].concat()).ends(0);
    assert!(fs::symlink_metadata(&file).is_err(), "the empty container.json is left");
    // One that is a link can't be hidden.
    symlink(&other, &file).unwrap();
    place.run(&[&exec[..], &["true"]].concat()).fails(&["hide container.json", "symbolic link"]);
    fs::remove_file(&file).unwrap();
}

/// Any user of the host can lock a directory that he can read.
#[test]
fn a_lock_of_the_places_directory_stops_nobody() {
    use std::os::fd::AsRawFd;
    let place = Place::new();
    let dir = fs::File::open(&place.root).unwrap();
    // SAFETY: plain system call.
    assert_eq!(unsafe { libc::flock(dir.as_raw_fd(), libc::LOCK_EX) }, 0);
    let running = place.start("echo ready; sleep 300");
    assert_eq!(place.join("echo joined").ok(), "joined\n");
    let mode = fs::metadata(place.root.join("state.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600, "others can open it, and lock it");
    running.signal(libc::SIGTERM);
    running.end();
}

#[test]
fn a_state_json_tmp_of_any_kind_blocks_no_start_and_is_not_written_to() {
    use std::os::fd::AsRawFd;
    let place = Place::new();
    place.write_config();
    let tmp = place.root.join("state.json.tmp");
    let victim = place.dir.join("victim");
    fs::write(&victim, "untouched").unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
    // Whoever looks whether it is locked must not look by a link.
    let locked = fs::File::open(&victim).unwrap();
    // SAFETY: plain system call.
    assert_eq!(unsafe { libc::flock(locked.as_raw_fd(), libc::LOCK_EX) }, 0);
    for plant in [
        "ln -s VICTIM TMP",
        "mkdir TMP",
        "mkdir -p TMP/full",
        "mkfifo TMP",
        "echo left > TMP",
        "echo foreign > TMP; chown 1000 TMP",
    ] {
        let script = plant.replace("VICTIM", "../victim").replace("TMP", "state.json.tmp");
        let planted = Command::new("sh").arg("-c").arg(script).current_dir(&place.root).status();
        assert!(planted.unwrap().success());
        let run = place.run(&["exec", "/bin/echo", "started"]);
        assert_eq!(run.ends(0), "started\n", "{plant}: {}", run.err);
        assert!(fs::symlink_metadata(&tmp).is_err(), "{plant}");
    }
    drop(locked);
    fs::hard_link(&victim, &tmp).unwrap();
    place.run(&["exec", "/bin/true"]).ends(0);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    for entry in fs::read_dir(&place.root).unwrap().flatten() {
        // The directory that was not empty.
        if entry.file_name().to_str().unwrap().starts_with("state.json.old-") {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

/// The same container, looked at from a time namespace and from a PID namespace of its own.
#[test]
fn a_running_container_is_never_taken_for_gone() {
    if !Command::new("unshare").args(["-T", "true"]).status().is_ok_and(|s| s.success()) {
        skip("no time namespaces");
        return;
    }
    let place = Place::new();
    let running = place.start("echo ready; sleep 300");
    let state = place.state().unwrap();
    let known = state.contains("init_pidfd_inode");
    let time = ["unshare", "-T", "--boottime", "100000", "--fork"];
    let pid = ["unshare", "--pid", "--fork", "--mount-proc"];
    for (by, seen) in [(&time[..], known), (&pid[..], false)] {
        for args in [&["exec", "/bin/echo", "joined"][..], &["ps"], &["kill", "0"], &["state"]] {
            let run = spawn(&mut place.wrapped(by, args)).end();
            if seen {
                run.ends(0);
            } else {
                run.fails(&["can't be seen from here"]);
            }
            assert_eq!(place.state().as_ref(), Some(&state), "{by:?} {args:?}");
        }
    }
    assert_eq!(place.join("echo joined").ok(), "joined\n");
    running.signal(libc::SIGTERM);
    running.end();
}

/// state.json names a process with the right root, which is not the root of its mount namespace.
#[test]
fn a_process_in_a_chroot_is_not_joined_in_the_root_around_it() {
    let place = Place::new();
    place.write_config();
    let root = place.root.to_str().unwrap();
    let mut other = crate::world::child_of_ours(Command::new("unshare").args([
        "--mount",
        "--pid",
        "--uts",
        "--ipc",
        "--net",
        "--fork",
        "chroot",
        root,
        "/bin/sleep",
        "300",
    ]));
    let children = format!("/proc/{0}/task/{0}/children", other.id());
    let mut pid = String::new();
    crate::world::until("it has its root", || {
        pid = fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
        fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|path| path == place.root)
    });
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let time = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
    let file = place.root.join("state.json");
    let text = format!(r#"{{"init_pid":{pid},"init_start_time":"{time}","cgroup_paths":{{}}}}"#);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let run = place.run(&["exec", "/bin/ls", "/"]);
    fs::remove_file(&file).unwrap();
    // SAFETY: plain system call on a process of this test.
    unsafe { libc::kill(pid.parse().unwrap(), libc::SIGKILL) };
    other.wait().unwrap();
    run.fails(&["join process", "chroot"]);
}

fn bind(source: &Path, target: &Path) {
    let done = Command::new("mount").arg("--bind").arg(source).arg(target).status().unwrap();
    assert!(done.success());
    crate::rootfs::propagate(target, libc::MS_PRIVATE);
}
