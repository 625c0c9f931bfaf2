//! The table of all options.

use super::{Opt, init};
use crate::init::Subreaper;

/// All of them.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "root",
        value: "DIR",
        help: "the directory of all containers; with --id",
        set: |o, value| o.root = Some(value),
    },
    Opt {
        name: "id",
        value: "NAME",
        help: "container.json and state.json are in DIR/NAME",
        set: |o, value| o.id = Some(value),
    },
    Opt {
        name: "config",
        value: "FILE",
        help: "the configuration, instead of container.json",
        set: |o, value| o.config = Some(value),
    },
    Opt {
        name: "rootfs",
        value: "DIR",
        help: "the root file system, instead of the file's or of here",
        set: |o, value| o.rootfs = Some(value),
    },
    Opt {
        name: "no-init",
        value: "",
        help: "the command is PID 1, without nsinit as its reaper",
        set: |o, _| o.no_init = true,
    },
    Opt {
        name: "strict",
        value: "",
        help: "an unknown key is an error",
        set: |o, _| o.strict = true,
    },
    Opt {
        name: "ready-fd",
        value: "FD",
        help: "gets a line when the command runs, and is closed",
        set: |o, value| o.ready_fd = Some(value),
    },
    Opt {
        name: "check",
        value: "DIR",
        help: "say what would go wrong with the containers of DIR",
        set: |o, value| o.check = Some(value),
    },
    Opt {
        name: "arch",
        value: "ARCH",
        help: "the machine's: x86_64, aarch64, armv7 or riscv64",
        set: |o, value| o.arch = Some(value),
    },
    Opt {
        name: "new",
        value: "",
        help: "print the configuration to start from",
        set: |o, _| o.new = true,
    },
    Opt { name: "json", value: "", help: "print JSON", set: |o, _| o.json = true },
    Opt {
        name: "watch",
        value: "[SECONDS]",
        help: "print again and again, each second without a number",
        set: |o, value| o.watch = Some(value),
    },
    Opt {
        name: "wait",
        value: "",
        help: "if the container is paused, wait until it goes on",
        set: |o, _| o.wait = true,
    },
    Opt {
        name: "systemd",
        value: "",
        help: "ask systemd for a scope to start in, in cgroups.slice",
        set: |o, _| o.systemd = true,
    },
    Opt {
        name: "all",
        value: "",
        help: "every process of the container",
        set: |o, _| o.all = true,
    },
    Opt {
        name: "force",
        value: "",
        help: "at once, without PID 1: nothing is stopped or unmounted",
        set: |o, _| o.force = true,
    },
    Opt {
        name: "nspid",
        value: "PID",
        help: "the process whose namespaces are entered",
        set: |o, value| o.nspid = Some(value),
    },
    Opt {
        name: "containerjson",
        value: "JSON",
        help: "the configuration itself; /proc shows it to all users",
        set: |o, value| o.containerjson = Some(value),
    },
    Opt {
        name: "group",
        value: "",
        help: "signals go to the command's whole process group",
        set: |o, _| o.init.group = true,
    },
    Opt {
        name: "setsid",
        value: "",
        help: "a session of its own for the command, and nsinit's terminal if that can be given up",
        set: |o, _| o.init.session(),
    },
    Opt {
        name: "rewrite",
        value: "FROM:TO",
        help: "signal FROM goes on as TO, or with 0 not at all; repeatable",
        set: |o, value| o.fault = init::rewrite(&mut o.init, value).err(),
    },
    Opt {
        name: "exit-status",
        value: "N[:M]",
        help: "end with M, or 0, where the command ends with N; repeatable",
        set: |o, value| o.fault = init::exit_status(&mut o.init, value).err(),
    },
    Opt {
        name: "grace",
        value: "TIME",
        help: "what is left at the end gets TERM, and so much later, or at a second TERM, KILL",
        set: |o, value| o.fault = init::grace(&mut o.init, value).err(),
    },
    Opt {
        name: "kill-orphans",
        value: "",
        help: "orphans get TERM, and after --grace, or 5s, KILL; looks once a second",
        set: |o, _| o.init.kill_orphans = true,
    },
    Opt {
        name: "parent-death-signal",
        value: "SIGNAL",
        help: "the signal that comes when nsinit's parent ends",
        set: |o, value| o.fault = init::parent_death_signal(&mut o.init, value).err(),
    },
    Opt {
        name: "subreaper",
        value: "",
        help: "become a subreaper even as PID 1",
        set: |o, _| o.init.subreaper = Subreaper::On,
    },
    Opt {
        name: "no-subreaper",
        value: "",
        help: "never become one: orphans go to another init",
        set: |o, _| o.init.subreaper = Subreaper::Off,
    },
    Opt {
        name: "pause",
        value: "",
        help: "no command: reap until TERM or INT, which end it with 0",
        set: |o, _| o.init.pause = true,
    },
    Opt {
        name: "verbose",
        value: "",
        help: "tell of the command and of signals, twice of every reaped process",
        set: |o, _| o.init.verbosity = o.init.verbosity.saturating_add(1),
    },
    Opt {
        name: "warn-on-reap",
        value: "",
        help: "tell of every orphan that is reaped",
        set: |o, _| o.init.warn_on_reap = true,
    },
    Opt {
        name: "explain-zombies",
        value: "",
        help: "print why there are zombies; a PID may follow, for those below it",
        set: |o, _| o.explain_zombies = true,
    },
];
