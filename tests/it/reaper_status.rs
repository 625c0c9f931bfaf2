//! `nsinit init`: what it ends with, and what it refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::reaper::{As, BOTH, init};
use crate::world::{Place, Run, spawn};

fn run(place: &Place, what: As, args: &[&str]) -> Run {
    spawn(&mut init(place, what, args)).end()
}

#[test]
fn every_exit_status_is_the_commands() {
    let place = Place::new();
    for status in 0..256 {
        let status_word = status.to_string();
        run(&place, As::Subreaper, &["probe", "exit", &status_word]).ends(status);
        if status % 16 == 3 {
            run(&place, As::Pid1, &["--", "probe", "exit", &status_word]).ends(status);
        }
    }
}

#[test]
fn every_signal_that_kills_the_command_is_128_and_its_number() {
    let place = Place::new();
    // Ignored by default, or a stop: the probe goes on and ends with 99.
    let harmless = [17, 18, 23, 28];
    for signal in (1..=64).filter(|n| !(19..=22).contains(n)) {
        let want = if harmless.contains(&signal) { 99 } else { 128 + signal };
        let run = run(&place, As::Subreaper, &["probe", "die", &signal.to_string()]);
        assert_eq!(run.ends(want), "", "signal {signal}");
    }
}

#[test]
fn a_status_is_remapped() {
    let place = Place::new();
    let map = ["-e", "143", "--exit-status", "3:5", "-e0:9", "-e", "255:254"];
    for (ends, with) in [("143", 0), ("3", 5), ("0", 9), ("255", 254), ("4", 4), ("5", 5)] {
        let args = [&map[..], &["probe", "exit", ends]].concat();
        run(&place, As::Subreaper, &args).ends(with);
    }
    let args = [&map[..], &["probe", "die", "15"]].concat();
    run(&place, As::Pid1, &args).ends(0);
}

#[test]
fn what_cannot_be_executed_is_explained() {
    let place = Place::new();
    let path = |name: &str| place.path("/bin").join(name);
    let write = |name: &str, text: &[u8], mode: u32| {
        fs::write(path(name), text).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    let script = |name: &str, interpreter: &str| {
        let interpreter = path(interpreter).display().to_string();
        // Else the kernel cuts it.
        assert!(interpreter.len() < 120, "{interpreter}");
        write(name, format!("#!{interpreter} -x\n").as_bytes(), 0o755);
    };
    write("no-interpreter", b"#!/no/such/shell -x\n", 0o755);
    script("second", "no-interpreter");
    script("third", "second");
    script("circle", "circle");
    let mut wrong = vec![0; 64];
    // 0xffff is nobody's.
    wrong[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xff\xff");
    write("wrong-machine", &wrong, 0o755);
    let program = fs::read(path("probe")).unwrap();
    write("short-header", &program[..30], 0o755);
    write("short-table", &program[..70], 0o755);
    let mut object = program.clone();
    // e_type.
    object[16..18].copy_from_slice(&1u16.to_ne_bytes());
    write("object", &object, 0o755);
    script("by-object", "object");
    write("garbage", b"\0\x01\x02", 0o755);
    write("not-executable", b"#!/bin/sh\n", 0o644);
    script("by-not-executable", "not-executable");
    script("by-directory", "");
    // Nor is the shell asked to run what asks for another interpreter.
    write("nameless", b"#! \necho ran\n", 0o755);
    write("long", format!("#!/{}\necho ran\n", "a".repeat(300)).as_bytes(), 0o755);
    for what in BOTH {
        for (command, status, words) in [
            ("no-such-command", 127, &["no-such-command", "not found"][..]),
            ("/no/such/command", 127, &["/no/such/command", "ENOENT"]),
            ("no-interpreter", 126, &["ENOENT", "its interpreter /no/such/shell does not exist\n"]),
            ("second", 126, &["/no-interpreter needs /no/such/shell, which does not exist\n"]),
            ("third", 126, &["/no-interpreter needs /no/such/shell, which does not exist\n"]),
            ("circle", 126, &["ELOOP", "more than the kernel follows"]),
            ("wrong-machine", 126, &["ENOEXEC", "it is an ELF file for machine 65535\n"]),
            ("short-header", 126, &["ENOEXEC", "it has an ELF header that is cut short"]),
            ("short-table", 126, &["ENOEXEC", "it ends before its program headers do"]),
            ("object", 126, &["ENOEXEC", "not a program"]),
            ("by-object", 126, &["ENOEXEC", "its interpreter", "/object is an ELF file, but not"]),
            ("garbage", 126, &["ENOEXEC", "it is neither a program nor a script"]),
            ("not-executable", 126, &["EACCES", "it has no permission"]),
            ("by-not-executable", 126, &["EACCES", "/not-executable has no permission"]),
            ("by-directory", 126, &["EACCES", "its interpreter", "is a directory"]),
            ("nameless", 126, &["ENOEXEC", "it has a #! line that names no interpreter"]),
            ("long", 126, &["it has a #! line that is longer than the 255 bytes"]),
            ("/tmp", 126, &["/tmp", "it is a directory"]),
            ("", 127, &["not found"]),
        ] {
            let run = run(&place, what, &["--", command]);
            assert_eq!(run.ends(status), "", "{command}");
            run.says(words);
            assert_eq!(run.err.lines().count(), 1, "said once:\n{}", run.err);
        }
    }
}

#[test]
fn a_script_without_a_first_line_is_run_by_the_shell() {
    let place = Place::new();
    let path = place.path("/bin/script");
    fs::write(&path, "echo $# \"$1\" \"$2\"; exit 7\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run(&place, As::Subreaper, &["script", "a b", "c"]).ends(7), "2 a b c\n");
    let mut many = vec!["script"];
    many.resize(1 + 8192, "a");
    assert_eq!(run(&place, As::Subreaper, &many).ends(7), "8192 a a\n");
    many.push("a");
    let refused = run(&place, As::Subreaper, &many);
    refused.ends(126);
    refused.says(&["E2BIG", "at most 8192 arguments"]);
    // As a container's command it is refused still.
    let refused = place.exec(&["/bin/script"]);
    refused.ends(126);
    refused.says(&["ENOEXEC"]);
}

#[test]
fn what_is_asked_wrongly_starts_nothing() {
    let place = Place::new();
    let started = place.path("/tmp/started");
    let touch = ["touch", started.to_str().unwrap()];
    for (args, words) in [
        (&["--nonsense"][..], &["--nonsense", "unknown option"][..]),
        (&["-x"], &["-x", "unknown option"]),
        (&["-gx"], &["-gx"]),
        (&["--root", "/"], &["--root"]),
        (&["-r", "TERM"], &["-r", "FROM:TO"]),
        (&["-r", "TREM:INT"], &["no such signal"]),
        (&["-r", "TERM:99"], &["no such signal"]),
        (&["-r", "0:15"], &["no such signal"]),
        (&["-r", "TERM:INT:HUP"], &["FROM:TO"]),
        (&["--rewrite=KILL:TERM"], &["--rewrite", "KILL", "can't be caught"]),
        (&["-r", "19:15"], &["STOP", "can't be caught"]),
        (&["-r", "CHLD:TERM"], &["CHLD"]),
        (&["-e", "256"], &["0 to 255"]),
        (&["-e", "1:256"], &["0 to 255"]),
        (&["-e", "x"], &["0 to 255"]),
        (&["-p", "NOPE"], &["no such signal"]),
        (&["--grace", "5x"], &["ms"]),
        (&["--grace", "s"], &["ms"]),
        (&["--grace", "99999999999999999999s"], &["ms"]),
        (&["--grace=600h"], &["days"]),
        (&["--group=yes"], &["no value"]),
        (&["--pause", "--"], &["no command with --pause"]),
        (&["--explain-zombies"], &["number of a process"]),
    ] {
        let args = [args, &touch].concat();
        let run = run(&place, As::Subreaper, &args);
        run.fails(words);
        assert!(!started.exists(), "{args:?} started the command");
    }
    for (args, words) in [
        (&[][..], &["no command"][..]),
        (&["--"], &["no command"]),
        (&["-g", "-v"], &["no command"]),
        (&["-r"], &["-r", "missing FROM:TO"]),
        (&["-g", "-e"], &["-e", "missing"]),
        (&["--grace"], &["missing TIME"]),
        (&["--explain-zombies", "0"], &["number of a process"]),
        (&["--explain-zombies", "2147483647"], &["2147483647", "ENOENT"]),
    ] {
        run(&place, As::Subreaper, args).fails(words);
    }
}

#[test]
fn help_names_every_option_and_letter() {
    let place = Place::new();
    let run = run(&place, As::Subreaper, &["--help"]);
    for word in [
        "-g, --group",
        "--setsid",
        "-r, --rewrite FROM:TO",
        "-e, --exit-status N[:M]",
        "--grace TIME",
        "--kill-orphans",
        "-p, --parent-death-signal SIGNAL",
        "-s, --subreaper",
        "--no-subreaper",
        "-P, --pause",
        "-v, --verbose",
        "-w, --warn-on-reap",
        "--explain-zombies",
    ] {
        assert!(run.ok().contains(word), "no {word} in\n{}", run.out);
    }
}
