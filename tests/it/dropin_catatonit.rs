//! nsinit called as catatonit: every option, variable, status and line, beside catatonit itself.

use std::fs;
use std::path::Path;

use crate::named::{Check, Expected, MORE, Named, ORPHAN, START, TWO, check, who_gets_usr1};
use crate::world::{nsinit, skip, spawn, until};

const USAGE: &str = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]";
const VERSION: &[&str] = &["tini version 0.*_catatonit*"];
const NO_PROGRAM: &[&str] = &["ERROR (catatonit:*): missing program name", USAGE];
const RESERVED: &[&str] = &["ERROR (catatonit:*): CATATONIT_LOG is reserved for future use"];
const ABSENT: &[&str] = &["ERROR (catatonit:*): failed to exec pid1: No such file or directory"];
const DENIED: &[&str] = &["ERROR (catatonit:*): failed to exec pid1: Permission denied"];

const CHECKS: &[Check] = &[
    check(&["-V"], 0).out(VERSION),
    check(&["--version"], 0).out(VERSION),
    check(&["--vers"], 0).out(VERSION),
    check(&["-gV"], 0).out(VERSION),
    check(&["-h"], 0).err(&[USAGE, "", MORE]),
    check(&["-L"], 0).out(&[MORE]),
    check(&[], 1).err(NO_PROGRAM),
    check(&["-g"], 1).err(NO_PROGRAM),
    check(&["--"], 1).err(NO_PROGRAM),
    check(&["-x", START], 1).err(&["*/catatonit: invalid option -- 'x'", USAGE]),
    check(&["-gx", START], 1).err(&["*/catatonit: invalid option -- 'x'", USAGE]),
    check(&["--nothing", START], 1).err(&["*/catatonit: unrecognized option '--nothing'", USAGE]),
    check(&["--help", START], 1).err(&["*/catatonit: unrecognized option '--help'", USAGE]),
    check(&["--version=2", START], 1)
        .err(&["*/catatonit: option '--version' doesn't allow an argument", USAGE]),
    check(&[], 1).with("CATATONIT_LOG", "x").err(RESERVED),
    check(&[START], 1).with("CATATONIT_LOG", "").err(RESERVED),
    check(&["-h"], 1).with("CATATONIT_LOG", "1").err(RESERVED),
    check(&["--", "sh", "-c", "exit 0"], 0),
    check(&["--", "sh", "-c", "exit 7"], 7),
    check(&["-g", "--", "sh", "-c", "exit 255"], 255),
    check(&["--", "sh", "-c", "kill -9 $$"], 137),
    check(&[START], 0),
    check(&["/nonexistent"], 1).err(ABSENT),
    check(&["no-such-command"], 1).err(ABSENT),
    check(&[""], 1).err(ABSENT),
    check(&["/etc/passwd"], 1).err(DENIED),
    check(&["/tmp"], 1).err(DENIED),
    check(&["/etc/passwd/x"], 1)
        .err(&["ERROR (catatonit:*): failed to exec pid1: Not a directory"]),
    check(&["--", "echo", "-V", "--"], 0).out(&["-V --"]),
    check(&["echo", "-V"], 0).out(VERSION).but_ours(
        Expected { ends: 0, out: &["-V"], err: &[] },
        "words behind the command are the command's",
    ),
];

#[test]
fn words_statuses_and_lines_are_catatonits() {
    Named::new().all("catatonit", CHECKS);
}

#[test]
fn g_sends_signals_to_the_group() {
    let named = Named::new();
    for init in named.both("catatonit") {
        let two = [&["--"], TWO.as_slice()].concat();
        assert_eq!(who_gets_usr1(named.start(&init, &two)), (true, false));
        let two = [&["-g", "--"], TWO.as_slice()].concat();
        assert_eq!(who_gets_usr1(named.start(&init, &two)), (true, true));
    }
}

#[test]
fn orphans_are_adopted() {
    let named = Named::new();
    for init in named.both("catatonit") {
        assert_eq!(named.run(&init, &[&["--"], ORPHAN.as_slice()].concat()).ok(), "adopted\n");
    }
}

/// catatonit starts its command with the terminal's stop signals blocked.
#[test]
fn the_command_begins_with_the_callers_mask() {
    let named = Named::new();
    let run = named.run(&named.link("catatonit"), &["probe", "attributes"]);
    assert!(!run.ok().contains("blocked"), "{}", run.out);
}

#[test]
fn pause_reaps_and_ends_with_term_or_int() {
    let named = Named::new();
    for init in named.both("catatonit") {
        for (signal, args) in [(libc::SIGTERM, &["-P"][..]), (libc::SIGINT, &["-gP", "--"])] {
            let program = init.program.to_str().unwrap();
            // Its first child was there before it.
            let script = "sleep 0.1 & cd /tmp; exec \"$@\"";
            let all = [&["-c", script, "sh", program], args].concat();
            let running = spawn(&mut named.command("/bin/sh".as_ref(), &all));
            let pid = running.child.id();
            let path = |name: &str| format!("/proc/{pid}/{name}");
            until("it is the init", || {
                fs::read(path("cmdline")).unwrap().starts_with(program.as_bytes())
            });
            until("its child is reaped", || {
                fs::read_to_string(path(&format!("task/{pid}/children"))).unwrap().is_empty()
            });
            for harmless in [libc::SIGHUP, libc::SIGUSR1, libc::SIGTSTP, 34] {
                running.signal(harmless);
            }
            running.signal(signal);
            running.end().ok();
        }
    }
}

#[test]
fn pause_lies_in_the_root_directory() {
    let named = Named::new();
    let running = spawn(&mut named.command(&named.link("catatonit").program, &["-P"]));
    let cwd = format!("/proc/{}/cwd", running.child.id());
    until("it is there", || fs::read_link(&cwd).unwrap() == Path::new("/"));
    running.signal(libc::SIGTERM);
    running.end().ok();
}

#[test]
fn pause_takes_words_that_it_does_not_need() {
    let named = Named::new();
    for init in named.both("catatonit") {
        let trace = named.place.dir.join("trace");
        let mut running =
            spawn(&mut named.command(&init.program, &["-P", "touch", trace.to_str().unwrap()]));
        if init.ours {
            until("it says so", || running.err().contains("not run"));
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        running.signal(libc::SIGINT);
        running.end().ends(0);
        assert!(!trace.exists());
    }
}

#[test]
fn its_variable_tells_what_happens() {
    let named = Named::new();
    for init in named.both("catatonit") {
        let orphan = [&["--"], ORPHAN.as_slice()].concat();
        let run = named.run_with(&init, ("CATATONIT_DEBUG", ""), &orphan);
        assert_eq!(run.ends(0), "adopted\n");
        let debug = "DEBUG (catatonit:";
        run.says(&[
            debug,
            "): pid1 (",
            ") spawned: sh\n",
            "): child process ",
            " exited with code 0\n",
        ]);
        assert_eq!(named.run(&init, &orphan).ok(), "adopted\n");
    }
}

#[test]
fn podman_runs_it_as_its_init() {
    let named = Named::new();
    if !Path::new("/usr/bin/podman").exists() {
        return skip("podman is not installed");
    }
    // The command ends by itself, and by a signal to its init.
    let reaped = "tr '\\0' ' ' < /proc/1/cmdline; echo; probe orphans 20; sleep 0.2
                  grep -l '^State.*zombie' /proc/[0-9]*/status; exit 3";
    for (script, status) in [(reaped, 3), ("kill -TERM 1; sleep 5; exit 4", 143)] {
        let program = fs::canonicalize(nsinit()).unwrap();
        let options = "run --rm --network none --cgroups disabled --ulimit nofile=1024:1024 \
                       --ulimit nproc=1024:1024 --init --init-path";
        // crun refuses a hybrid host where a controller is left for cgroup2: it does not get to see that.
        let see = "umount /sys/fs/cgroup/unified 2>/dev/null; exec podman \"$@\"";
        let mut args = vec!["-m", "sh", "-c", see, "podman"];
        args.extend(options.split_whitespace());
        args.extend([program.to_str().unwrap(), "--rootfs", named.place.root.to_str().unwrap()]);
        args.extend(["sh", "-c", script]);
        let run = spawn(&mut named.command("/usr/bin/unshare".as_ref(), &args)).end();
        assert_eq!(run.status, status, "{}{}", run.out, run.err);
        if status == 3 {
            assert!(run.out.starts_with("/run/podman-init -- sh"), "{}", run.out);
            assert_eq!(
                run.out.lines().filter(|l| l.starts_with("/proc/")).count(),
                0,
                "{}",
                run.out
            );
        }
    }
}
