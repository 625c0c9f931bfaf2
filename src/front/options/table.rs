//! The table of all options.

use core::ffi::CStr;

use super::{Options, init};
use crate::init::Subreaper;

/// Does what an option says, with its value if it takes one.
pub type Setter = fn(&mut Options, &'static CStr);

/// A row: the option's letter, or ""; its name; what its value is called, or "" for a switch; a line of
/// help; what it does. All names are one text and all help is one.
macro_rules! table {
    ($($letter:literal $name:literal $value:literal $help:literal $set:expr;)*) => {
        /// A line for each: its letter, its name and its value, with a space between them.
        pub const LINES: &str = concat!($($letter, " ", $name, " ", $value, "\n"),*);
        /// A line of help for each.
        pub const HELP: &str = concat!($($help, "\n"),*);
        /// What each does.
        pub const SETTERS: &[Setter] = &[$($set),*];
        /// The names, for the compiler only.
        pub(super) const NAMES: &[&str] = &[$($name),*];
    };
}

table! {
    "" "root" "DIR" "the directory of all containers; with --id"
        |o, value| o.root = Some(value);
    "" "id" "NAME" "container.json and state.json are in DIR/NAME"
        |o, value| o.id = Some(value);
    "" "config" "FILE" "the configuration, instead of container.json"
        |o, value| o.config = Some(value);
    "" "rootfs" "DIR" "the root file system, instead of the file's or of here"
        |o, value| o.rootfs = Some(value);
    "" "no-init" "" "the command is PID 1, without nsinit as its reaper"
        |o, _| o.no_init = true;
    "" "strict" "" "every unknown key is an error"
        |o, _| o.strict = true;
    "t" "tty" "" "a terminal for the command, also where the caller has none"
        |o, _| o.tty = Some(true);
    "T" "no-tty" "" "no terminal for the command, whatever the configuration says"
        |o, _| o.tty = Some(false);
    "" "relay" "" "the command writes to a pipe, and nsinit copies that to its output"
        |o, _| o.relay = true;
    "" "ready-fd" "FD" "gets a line with its PID when the command runs, and is closed"
        |o, value| o.ready_fd = Some(value);
    "" "check" "DIR" "say what would go wrong with the containers of DIR"
        |o, value| o.check = Some(value);
    "" "arch" "ARCH" "the machine's: x86_64, aarch64, armv7 or riscv64"
        |o, value| o.arch = Some(value);
    "" "new" "" "print the configuration to start from"
        |o, _| o.new = true;
    "" "seccomp" "" "print the compiled system call filter"
        |o, _| o.seccomp = true;
    "" "json" "" "print JSON"
        |o, _| o.json = true;
    "" "watch" "[SECONDS]" "print again and again, each second without a number"
        |o, value| o.watch = Some(value);
    "" "wait" "" "if the container is paused, wait until it goes on"
        |o, _| o.wait = true;
    "" "systemd" "" "ask systemd for a scope to start in, in cgroups.slice"
        |o, _| o.systemd = true;
    "" "all" "" "every process of the container"
        |o, _| o.all = true;
    "" "force" "" "at once, without PID 1: nothing is stopped or unmounted"
        |o, _| o.force = true;
    "" "nspid" "PID" "the process whose namespaces are entered"
        |o, value| o.nspid = Some(value);
    "" "containerjson" "JSON" "the configuration itself; /proc shows it to all users"
        |o, value| o.containerjson = Some(value);
    "g" "group" "" "signals go to the command's whole process group"
        |o, _| o.init.group = true;
    "" "setsid" "" "a session of its own for the command, and nsinit's terminal if that can be given up"
        |o, _| o.init.session();
    "r" "rewrite" "FROM:TO" "signal FROM goes on as TO, or with 0 not at all; repeatable"
        |o, value| o.fault = init::rewrite(&mut o.init, value).err();
    "e" "exit-status" "N[:M]" "end with M, or 0, where the command ends with N; repeatable"
        |o, value| o.fault = init::exit_status(&mut o.init, value).err();
    "" "grace" "TIME" "what is left at the end gets TERM, and so much later, or at a second TERM, KILL"
        |o, value| o.fault = init::grace(&mut o.init, value).err();
    "" "kill-orphans" "" "orphans get TERM, and after --grace, or 5s, KILL; looks once a second"
        |o, _| o.init.kill_orphans = true;
    "p" "parent-death-signal" "SIGNAL" "the signal that comes when nsinit's parent ends"
        |o, value| o.fault = init::parent_death_signal(&mut o.init, value).err();
    "s" "subreaper" "" "become a subreaper even as PID 1"
        |o, _| o.init.subreaper = Subreaper::On;
    "" "no-subreaper" "" "never become one: orphans go to another init"
        |o, _| o.init.subreaper = Subreaper::Off;
    "P" "pause" "" "no command: reap until TERM or INT, which end it with 0"
        |o, _| o.init.pause = true;
    "v" "verbose" "" "tell of the command and of signals, twice of every reaped process"
        |o, _| o.init.verbosity = o.init.verbosity.saturating_add(1);
    "w" "warn-on-reap" "" "tell of every orphan that is reaped"
        |o, _| o.init.warn_on_reap = true;
    "" "explain-zombies" "" "print why there are zombies; a PID may follow, for those below it"
        |o, _| o.explain_zombies = true;
}
