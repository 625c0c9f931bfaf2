//! The command line, and what the files that it reads may be.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::config::quote;
use crate::world::{FAILED, Place, nsinit, spawn, until};

#[test]
fn without_container_json_the_remedy_is_named() {
    let place = Place::new();
    let run = place.run(&["exec", "/bin/true"]);
    run.fails(&["container.json", "nsinit config --new > container.json"]);
}

#[test]
fn the_remedy_works() {
    let place = Place::new();
    let run = place.run(&["config", "--new"]);
    run.ok();
    // A name of its own, so that nothing else is in its cgroup.
    let text = rename_cgroup(&run.out, &place.name);
    place.write_text(&text);
    let run = place.run(&["exec", "/bin/sh", "-c", "echo works"]);
    assert_eq!(run.ends(0).replace('\r', ""), "works\n", "{}", run.err);
}

#[test]
fn config_new_prints_the_sample() {
    let place = Place::new();
    let sample = fs::read_to_string(sample("minimal.json")).unwrap();
    assert_eq!(place.run(&["config", "--new", "minimal"]).ok(), sample);
}

#[test]
fn a_new_configuration_has_the_directory_s_name() {
    let place = Place::new();
    let named = |dir: &std::path::Path, args: &[&str]| {
        let mut command = place.command(args);
        let run = spawn(command.current_dir(dir)).end();
        let text = run.ok().to_owned();
        let after =
            |key: &str| text.split(key).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let names = [r#""hostname": ""#, r#""HOSTNAME="#, r#""name": ""#].map(after);
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
        names[0].clone()
    };
    let dir = place.host_dir("My_web.2");
    assert_eq!(named(&dir, &["config", "--new"]), "My-web-2");
    fs::create_dir(dir.join("rootfs")).unwrap();
    assert_eq!(named(&dir.join("rootfs"), &["config", "--new"]), "My-web-2");
    assert_eq!(named(&dir, &["config", "--new", "db"]), "db");
    assert_eq!(named(&dir, &["config", "db", "--new"]), "db");
    assert_eq!(named(&dir, &["config", "--root", "/nowhere", "--id", "one", "--new"]), "one");
    assert_eq!(named("/".as_ref(), &["config", "--new"]), "container");
    place.run(&["config", "db"]).fails(&["db: a name is for --new alone"]);
}

#[test]
fn a_configuration_may_come_through_a_pipe() {
    let place = Place::new();
    let text = place.config.text();
    let with = |option: &str, args: &[&str], text: &str| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, text.as_bytes()).unwrap();
        drop(writer);
        let args = [&["exec", "--config", option], args].concat();
        spawn(place.command(&args).stdin(reader)).end()
    };
    for option in ["-", "/dev/stdin", "/dev/fd/0"] {
        assert_eq!(with(option, &["/bin/hostname"], &text).ok(), "koye\n", "{option}");
        let run = with(option, &["/bin/true"], "{\"tty\": 1}");
        run.fails(&["standard input:1:9: tty: ", "standard input: no \"namespaces\""]);
    }
    // The command finds it at its end.
    assert_eq!(with("-", &["/bin/cat"], &text).ok(), "");
    assert!(!place.root.join("container.json").exists());
    // A pipe that never ends can be waited for no longer.
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = place.command(&["exec", "--config", "-", "/bin/true"]);
    let running = spawn(command.stdin(reader));
    until("it has executed itself and reads", || {
        let pid = running.child.id();
        fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap().contains("pipe")
    });
    running.signal(libc::SIGTERM);
    running.end().ends(128 + libc::SIGTERM);
    drop(writer);
}

#[test]
fn a_file_that_is_named_and_not_there_is_not_to_be_made() {
    let place = Place::new();
    let run = place.run(&["exec", "--config", "/nope.json", "/bin/true"]);
    run.ends(FAILED);
    assert_eq!(run.err, "nsinit: open /nope.json: there is no such file\n");
}

#[test]
fn a_slip_in_a_word_is_answered_with_the_word_that_is_meant() {
    let place = Place::new();
    place.write_config();
    for (args, answer) in [
        (&["exe", "/bin/true"][..], "exe: unknown verb: did you mean exec?"),
        (&["run", "/bin/true"], "run: unknown verb: did you mean exec?"),
        (&["-V"], "-V: unknown verb: did you mean --version?"),
        (&["/bin/sh"], "/bin/sh: unknown verb: to run it, nsinit init -- /bin/sh"),
        (&["fly"], "fly: unknown verb (try nsinit --help)"),
        (&["exec", "--rot", "x"], "--rot: unknown option: did you mean --root?"),
        (&["exec", "--cofnig=x"], "--cofnig=x: unknown option: did you mean --config?"),
        (&["exec", "--nonsense"], "--nonsense: unknown option (try nsinit exec --help)"),
        // An option of another verb is none of this one's.
        (&["state", "--wiat"], "--wiat: unknown option (try nsinit state --help)"),
        (&["exec", "-x"], "-x: unknown option (try nsinit exec --help)"),
        (&["exec", "-it"], "-it: unknown option: standard input goes to the command in any case"),
        (
            &["exec", "--env=A=1"],
            "--env=A=1: unknown option: set \"environment\" in container.json",
        ),
        (&["exec", "--root"], "--root: missing DIR"),
        (&["exec"], "nothing to run: give a command, or set \"command\" in container.json"),
    ] {
        let run = place.run(args);
        run.ends(FAILED);
        assert_eq!(run.err, format!("nsinit: {answer}\n"), "{args:?}");
    }
}

#[test]
fn config_prints_what_was_understood_and_nsinit_understands_it() {
    let mut place = Place::new();
    place.config.set("user", quote("alice:audio")).set("working_dir", quote("/tmp"));
    place.config.bind("/usr", "/mnt/usr", r#", "writable": true"#);
    place.write_config();
    let run = place.run(&["config"]);
    for word in ["alice:audio", "/tmp", "/mnt/usr", "koye", &place.name, "NEWNET", "CHOWN"] {
        assert!(run.ok().contains(word), "no {word} in\n{}", run.out);
    }
    valid_json(&run.out);
    place.write_text(&run.out);
    let again = place.run(&["config"]);
    assert_eq!(again.ok(), run.out, "not a fixed point");
}

#[test]
fn help_is_an_answer_and_a_mistake_is_not() {
    let place = Place::new();
    for args in [&["--help"][..], &["exec", "--help"], &["--version"], &["-h"]] {
        let run = place.run(args);
        run.ok();
        assert!(run.out.contains("nsinit"), "{args:?}: {}", run.out);
    }
    let version = place.run(&["--version"]);
    assert!(version.ok().contains(env!("CARGO_PKG_VERSION")));
    let help = place.run(&["--help"]);
    for verb in ["exec", "state", "config", "nsenter"] {
        assert!(help.out.contains(verb), "no {verb} in\n{}", help.out);
    }
    let help = place.run(&["exec", "--help"]);
    for option in ["--root", "--id", "--config", "--rootfs", "--no-init", "--strict"] {
        assert!(help.out.contains(option), "no {option} in\n{}", help.out);
    }
    for args in
        [&[][..], &["fly"], &["exec", "--nonsense", "/bin/true"], &["state", "extra", "words"]]
    {
        let run = place.run(args);
        assert_eq!(run.status, FAILED, "{args:?}: {} {}", run.out, run.err);
        assert_ne!(run.err, "", "{args:?} said nothing");
    }
    place.run(&["fly"]).says(&["fly"]);
    place.run(&["exec", "--nonsense"]).says(&["--nonsense"]);
    place.run(&["exec", "--config"]).fails(&["--config"]);
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let place = Place::new();
    place.write_config();
    for args in
        [&["--help"][..], &["--version"], &["config"], &["config", "--new"], &["exec", "--help"]]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = place.command(args);
        command.stdout(full);
        let status = command.stderr(std::process::Stdio::null()).status().unwrap();
        assert!(!status.success(), "{args:?} > /dev/full");
    }
}

#[test]
fn options_end_at_the_commands_first_word() {
    let place = Place::new();
    assert_eq!(
        place.exec(&["/bin/echo", "--rootfs=/", "--help", "--"]).ok(),
        "--rootfs=/ --help --\n"
    );
    assert_eq!(place.exec(&["--", "/bin/echo", "--no-init"]).ok(), "--no-init\n");
    assert_eq!(place.exec(&["--no-init", "--", "/bin/echo", "a"]).ok(), "a\n");
    place.exec(&["--", "--rootfs"]).ends(127);
}

#[test]
fn an_empty_data_path_is_none() {
    let mut place = Place::new();
    place.env.push(("data_path".into(), String::new()));
    place.exec(&["/bin/true"]).ok();
}

#[test]
fn without_a_verb_the_error_has_no_object() {
    let run = Place::new().run(&[]);
    run.ends(FAILED);
    assert_eq!(run.err, "nsinit: no verb was given (try nsinit --help)\n");
}

#[test]
fn data_path_names_the_directory_of_the_files() {
    let mut place = Place::new();
    let data = place.host_dir("data");
    fs::write(data.join("container.json"), place.config.text()).unwrap();
    place.env.push(("data_path".into(), data.to_str().unwrap().into()));
    let mut running =
        spawn(&mut place.command(&["exec", "/bin/sh", "-c", "hostname; echo ready; sleep 300"]));
    running.wait_for("ready");
    assert!(data.join("state.json").exists());
    assert!(place.state().is_none());
    assert_eq!(place.run(&["exec", "/bin/hostname"]).ok(), "koye\n");
    running.signal(libc::SIGTERM);
    running.end();
    assert!(!data.join("state.json").exists());
}

#[test]
fn root_and_id_name_the_directory_of_the_files() {
    let place = Place::new();
    let store = place.host_dir("store");
    let data = store.join("one");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("container.json"), place.config.text()).unwrap();
    let store = store.to_str().unwrap();
    let args = ["exec", "--root", store, "--id", "one", "/bin/sh", "-c", "echo ready; sleep 300"];
    let mut running = spawn(&mut place.command(&args));
    running.wait_for("ready");
    assert!(data.join("state.json").exists());
    let run = place.run(&["exec", "--root", store, "--id", "one", "/bin/hostname"]);
    assert_eq!(run.ok(), "koye\n");
    running.signal(libc::SIGTERM);
    running.end();
    assert!(!data.join("state.json").exists());
    // An id is one name, not a path.
    for id in ["../one", "a/b", "..", ""] {
        let run = place.run(&["exec", "--root", store, "--id", id, "/bin/true"]);
        assert_eq!(run.status, FAILED, "--id {id:?}: {}", run.err);
    }
}

#[test]
fn config_and_rootfs_options_name_other_places() {
    let place = Place::new();
    let elsewhere = place.host_dir("elsewhere");
    fs::write(elsewhere.join("other.json"), place.config.text()).unwrap();
    let file = elsewhere.join("other.json");
    let (file, root) = (file.to_str().unwrap(), place.root.to_str().unwrap());
    let mut command = place.command(&[
        "exec",
        "--config",
        file,
        "--rootfs",
        root,
        "/bin/sh",
        "-c",
        "hostname; ls /bin/probe",
    ]);
    command.current_dir(&elsewhere);
    assert_eq!(spawn(&mut command).end().ok(), "koye\n/bin/probe\n");
    assert!(!elsewhere.join("state.json").exists());
}

#[test]
fn rootfs_and_root_fs_keys_name_the_root() {
    for key in ["rootfs", "root_fs"] {
        let mut place = Place::new();
        let data = place.host_dir("data");
        place.config.set(key, quote(place.root.to_str().unwrap()));
        fs::write(data.join("container.json"), place.config.text()).unwrap();
        let mut command = place.command(&["exec", "/bin/ls", "/bin/probe"]);
        command.current_dir(&data);
        assert_eq!(spawn(&mut command).end().ok(), "/bin/probe\n", "{key}");
    }
}

#[test]
fn a_rootfs_that_is_not_there_is_named() {
    let place = Place::new();
    place.write_config();
    let run = place.run(&["exec", "--rootfs", "/no/such/root", "/bin/true"]);
    run.fails(&["/no/such/root", "ENOENT"]);
    let run = place.run(&["exec", "--rootfs", "/etc/passwd", "/bin/true"]);
    run.fails(&["/etc/passwd", "ENOTDIR"]);
}

#[test]
fn the_log_collects_messages() {
    let mut place = Place::new();
    let log = place.dir.join("log");
    place.env.push(("log".into(), log.to_str().unwrap().into()));
    place.exec(&["no-such-command"]).ends(127);
    place.config.set("surprise", "1");
    place.exec(&["/bin/true"]).ends(0);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("no-such-command"), "{text}");
    assert!(text.contains("surprise"), "{text}");
}

#[test]
fn a_log_that_cannot_be_opened_is_said() {
    let mut place = Place::new();
    place.env.push(("log".into(), "/no/such/dir/log".into()));
    place.exec(&["/bin/true"]).says(&["/no/such/dir/log"]);
}

#[test]
fn files_that_others_could_have_written_are_refused() {
    let place = Place::new();
    place.write_config();
    let file = place.root.join("container.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    place.run(&["exec", "/bin/true"]).fails(&["container.json", "writ"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::chown(&file, Some(1000), None).unwrap();
    place.run(&["exec", "/bin/true"]).fails(&["container.json", "root"]);
    fs::remove_file(&file).unwrap();
    let real = place.dir.join("real.json");
    fs::write(&real, place.config.text()).unwrap();
    std::os::unix::fs::symlink(&real, &file).unwrap();
    place.run(&["exec", "/bin/true"]).fails(&["container.json"]);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    place.run(&["exec", "/bin/true"]).fails(&["container.json"]);
    fs::remove_dir(&file).unwrap();
    // A fifo must not make it wait.
    let path = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    place.run(&["exec", "/bin/true"]).fails(&["container.json"]);
}

#[test]
fn it_needs_no_environment_and_no_arguments() {
    use std::os::unix::process::CommandExt;
    let place = Place::new();
    place.write_config();
    let mut command = place.command(&["exec", "/bin/true"]);
    command.env_clear();
    spawn(&mut command).end().ok();
    let mut command = place.command(&[] as &[&str]);
    command.arg0("");
    assert_eq!(spawn(&mut command).end().status, FAILED);
}

#[test]
fn many_arguments_arrive() {
    let place = Place::new();
    let long = "x".repeat(1000);
    let mut args = vec!["/bin/sh", "-c", "echo $# ${#1}", "sh"];
    args.extend(std::iter::repeat_n(long.as_str(), 1500));
    assert_eq!(place.exec(&args).ok(), "1500 1000\n");
}

/// A sample of the repository.
pub fn sample(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_configs").join(name)
}

/// The text with the cgroup's name replaced: `"name": "…"` occurs only there in the samples (the v2
/// form has an interface's too, which is empty).
pub fn rename_cgroup(text: &str, name: &str) -> String {
    let start = text.find("\"cgroups\"").expect("no cgroups");
    let key = text[start..].find("\"name\"").expect("no name") + start;
    let open = text[key + 6..].find('"').unwrap() + key + 6;
    let close = text[open + 1..].find('"').unwrap() + open + 1;
    format!("{}{}{}", &text[..=open], name, &text[close..])
}

/// Another program takes it for JSON.
#[track_caller]
pub fn valid_json(text: &str) {
    let bytes = text.trim().as_bytes();
    assert_eq!(json_value(bytes), Some(&b""[..]), "{text}");
}

/// What follows the JSON value (RFC 8259) that `text` begins with; `None` if it begins with none.
fn json_value(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    match *text.first()? {
        open @ (b'{' | b'[') => {
            let mut rest = text[1..].trim_ascii_start();
            // ']' and '}' come two after what opens them.
            if let Some(rest) = rest.strip_prefix(&[open + 2]) {
                return Some(rest);
            }
            loop {
                if open == b'{' {
                    rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
                    rest = json_string(rest)?.trim_ascii_start().strip_prefix(b":")?;
                }
                rest = json_value(rest)?.trim_ascii_start();
                match rest.split_first()? {
                    (b',', after) => rest = after,
                    (close, after) => return (*close == open + 2).then_some(after),
                }
            }
        }
        b'"' => json_string(&text[1..]),
        _ => {
            let end = text.iter().position(|b| b",]} \n\r\t".contains(b)).unwrap_or(text.len());
            let word = std::str::from_utf8(&text[..end]).ok()?;
            let number = || word.parse::<f64>().is_ok_and(f64::is_finite);
            (["true", "false", "null"].contains(&word) || number()).then(|| &text[end..])
        }
    }
}

/// What follows the string whose first quote is gone.
fn json_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        let (first, rest) = text.split_first()?;
        text = match first {
            b'"' => return Some(rest),
            b'\\' => match rest.first()? {
                b'u' => {
                    let digits = rest.get(1..5)?;
                    digits.iter().all(u8::is_ascii_hexdigit).then(|| &rest[5..])?
                }
                b if b"\"\\/bfnrt".contains(b) => &rest[1..],
                _ => return None,
            },
            0..32 => return None,
            _ => rest,
        }
    }
}

#[test]
fn the_json_check_sees_what_it_should() {
    for good in ["{}", "[]", "[{\"a\": [1, -2.5, true, null], \"b\\u00e9\\n\":\"\"}]", " 7 "] {
        valid_json(good);
    }
    for bad in
        ["", "{", "[1,]", "{\"a\"}", "{\"a\":}", "[1}", "\"\n\"", "\"\\x\"", "1 2", "nul", "{a:1}"]
    {
        assert_ne!(json_value(bad.as_bytes()), Some(&b""[..]), "{bad:?}");
    }
}

#[test]
fn the_program_is_there() {
    assert!(nsinit().exists(), "{}", nsinit().display());
}
