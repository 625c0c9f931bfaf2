//! nsinit called as catatonit: every option and variable, by its effect, beside catatonit itself.

use std::fs;
use std::path::Path;

use crate::named::{Named, ORPHAN, TWO, who_gets_usr1};
use crate::world::{nsinit, skip, spawn, until};

const NONE: (&str, &str) = ("NONE", "");

#[test]
fn the_commands_end_is_its_status() {
    let named = Named::new();
    for init in named.both("catatonit") {
        for (script, status) in
            [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137)]
        {
            named.run(&init, &["--", "sh", "-c", script]).ends(status);
        }
        // catatonit answers both with 1.
        named.run(&init, &["/nonexistent"]).ends(if init.ours { 127 } else { 1 });
        named.run(&init, &["/etc/passwd"]).ends(if init.ours { 126 } else { 1 });
    }
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
        assert!(run.err.contains("pid") || run.err.contains("process"), "{}", run.err);
        assert_eq!(named.run(&init, &orphan).ok(), "adopted\n");
    }
}

#[test]
fn its_questions_are_answered_with_0() {
    let named = Named::new();
    for init in named.both("catatonit") {
        for question in ["-V", "--version", "--vers"] {
            let run = named.run(&init, &[question]);
            assert!(run.ok().starts_with("tini version 0."), "{}", run.out);
            assert!(run.out.contains("_catatonit"), "{}", run.out);
        }
        let run = named.run(&init, &["-h"]);
        assert_eq!(run.ends(0), "");
        assert!(run.err.contains("-P"), "{}", run.err);
        assert!(named.run(&init, &["-L"]).ok().contains("icense"));
    }
    let catatonit = named.link("catatonit");
    assert!(named.run(&catatonit, &["-V"]).out.contains("nsinit"));
    let help = named.run(&catatonit, &["-h"]).err;
    for word in ["-g", "-P", "-L", "-h", "-V, --version", "CATATONIT_DEBUG"] {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn what_catatonit_does_not_know_is_refused_and_nothing_started() {
    let named = Named::new();
    let catatonit = named.link("catatonit");
    for (args, word) in [
        (&["-x"][..], "no such option"),
        (&["-gx"], "no such option"),
        (&["--nothing"], "no such option"),
        (&["--version=2"], "takes no value"),
    ] {
        named.refuses(&catatonit, NONE, args, &[word, args[0]]);
    }
    named.refuses(&catatonit, ("CATATONIT_LOG", "x"), &[], &["CATATONIT_LOG"]);
    for args in [&[][..], &["-g"], &["--"]] {
        named.run(&catatonit, args).fails(&["command"]);
    }
    for init in named.both("catatonit") {
        let run = named.run_with(&init, ("CATATONIT_LOG", ""), &["true"]);
        run.ends(if init.ours { 125 } else { 1 });
    }
}

#[test]
fn words_after_the_command_are_the_commands() {
    let named = Named::new();
    assert_eq!(named.run(&named.link("podman-init"), &["echo", "-V", "--"]).ok(), "-V --\n");
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
