//! `finalize` for real: in a forked process that ends in the command. They need root.

use super::*;
use crate::plan::{Plan, Rlimit};
use crate::syscall::cstr::ThinCStr;
use crate::syscall::process::{Fork, NewNamespaces, exit_group, fork};
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::process::{Pid, WaitOptions, waitpid};
use std::ffi::CString;

mod command;

const DEFAULT: Original =
    Original { mask: SigSet::EMPTY, sigchld: Disposition::Default, program: None };

fn cstr(text: &str) -> &'static std::ffi::CStr {
    Box::leak(CString::new(text).unwrap().into_boxed_c_str())
}

fn list(texts: &[&str]) -> Vec<Option<ThinCStr>> {
    texts.iter().map(|text| Some(cstr(text).into())).collect()
}

/// A plan for `argv` with the host's PATH.
fn plan(argv: &[&str]) -> Box<Plan> {
    let mut plan = Box::new(Plan::new());
    let mut argv = list(argv);
    argv.push(None);
    plan.process.argv = argv.leak();
    plan.process.env.push(Some(c"PATH=/usr/bin:/bin".into())).unwrap();
    plan
}

/// Forks a process that runs `body` with its output and errors in a pipe.
fn spawn(body: impl FnOnce() -> Error) -> (Pid, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    match fork(NewNamespaces::empty()).unwrap() {
        Fork::Child => {
            drop(reader);
            rustix::stdio::dup2_stdout(&writer).unwrap();
            rustix::stdio::dup2_stderr(&writer).unwrap();
            drop(writer);
            let error = body();
            crate::say::error(format_args!("{error}"));
            exit_group(error.status())
        }
        Fork::Parent(pid) => (pid, reader),
    }
}

fn read_all(reader: OwnedFd) -> String {
    let (mut all, mut buf) = (Vec::new(), [0; 4096]);
    loop {
        match rustix::io::read(&reader, &mut buf).unwrap() {
            0 => return String::from_utf8(all).unwrap(),
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

/// What the plan's command prints, and its exit status.
fn run_with(plan: Box<Plan>, original: Original) -> (i32, String) {
    run_after(|| {}, plan, original)
}

/// The end of every start and join.
fn become_command(process: &mut Process, original: Original, arena: &Arena) -> Error {
    let ready = finalize(process, None, u64::MAX, arena)
        .and_then(|()| rlimits::set_processes(&process.rlimits))
        .and_then(|()| restore_signals(original));
    match ready {
        Ok(()) => execute(process, original, arena),
        Err(error) => error,
    }
}

/// The same, for a process that `prepare` made worse.
fn run_after(prepare: fn(), mut plan: Box<Plan>, original: Original) -> (i32, String) {
    let arena = Arena::new(vec![0; 1 << 20].leak());
    let (pid, reader) = spawn(|| {
        prepare();
        become_command(&mut plan.process, original, &arena)
    });
    let output = read_all(reader);
    let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
    (status.exit_status().unwrap_or(-1), output)
}

fn run(plan: Box<Plan>) -> (i32, String) {
    run_with(plan, DEFAULT)
}

/// The value of `key` in a /proc/PID/status text.
fn field<'a>(status: &'a str, key: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(":\t"));
    line.unwrap_or_else(|| panic!("no {key} in {status}"))
}

/// What a caller may leave behind (CVE-2022-24769, CVE-2025-27612).
fn inherit_and_raise_chown() {
    use rustix::thread::*;
    let mut sets = capabilities(None).unwrap();
    sets.inheritable = CapabilitySet::CHOWN;
    set_capabilities(None, sets).unwrap();
    configure_capability_in_ambient_set(CapabilitySet::CHOWN, true).unwrap();
}

#[test]
fn root_keeps_what_is_asked_and_another_user_nothing() {
    for (user, held) in [(c"", "0000000000000021"), (c"1000:1000", "0000000000000000")] {
        let mut plan = plan(&["cat", "/proc/self/status"]);
        plan.process.user = user;
        plan.process.capabilities = 1 << 0 | 1 << 5;
        let (status, out) = run_after(inherit_and_raise_chown, plan, DEFAULT);
        assert_eq!(status, 0, "{out}");
        for (set, want) in [
            ("CapInh", "0000000000000000"),
            ("CapPrm", held),
            ("CapEff", held),
            ("CapBnd", "0000000000000021"),
            ("CapAmb", "0000000000000000"),
        ] {
            assert_eq!(field(&out, set), want, "{user:?} {set}");
        }
    }
}

#[test]
fn a_capability_that_nsinit_lacks_is_named() {
    let own = rustix::thread::capabilities(None).unwrap().permitted.bits();
    let lacking = (0..caps::COUNT).find(|n| own & 1 << n == 0);
    let mut plan = plan(&["true"]);
    plan.process.capabilities = 1 << lacking.unwrap_or(63);
    let (status, out) = run(plan);
    assert_eq!(status, 125);
    let name = lacking.map_or("63", |n| caps::NAMES.at(n).unwrap());
    assert!(out.starts_with(&format!("nsinit: keep capability {name}: ")), "{out}");
}

#[test]
fn ids_groups_home_and_environment() {
    let mut plan = plan(&["sh", "-c", "id -u; id -g; id -G; pwd; env | sort"]);
    plan.process.user = c"12345:6";
    plan.process.groups.push(c"7").unwrap();
    plan.process.cwd = Some(c"/usr/bin");
    let (status, out) = run(plan);
    let want = "12345\n6\n6 7\n/usr/bin\nHOME=/\nPATH=/usr/bin:/bin\nPWD=/usr/bin\n";
    assert_eq!((status, &out[..]), (0, want), "{out}");
    let mut plan = plan_of_env("HOME=/x");
    plan.process.user = c"root";
    assert_eq!(run(plan), (0, "/x\n".into()));
}

fn plan_of_env(entry: &str) -> Box<Plan> {
    let mut plan = plan(&["sh", "-c", "echo $HOME"]);
    plan.process.env.push(Some(cstr(entry).into())).unwrap();
    plan
}

#[test]
fn signals_limits_and_flags() {
    let mut plan = plan(&["cat", "/proc/self/status", "/proc/self/limits"]);
    plan.process.no_new_privs = true;
    let (soft, hard) = (50, 60);
    plan.process.rlimits.push(Rlimit { resource: 7, soft, hard }).unwrap();
    let original =
        Original { mask: SigSet::EMPTY.with(10), sigchld: Disposition::Ignore, program: None };
    let (status, out) = run_with(plan, original);
    assert_eq!(status, 0, "{out}");
    assert_eq!(field(&out, "NoNewPrivs"), "1");
    assert_eq!(field(&out, "SigBlk"), "0000000000000200");
    let ignored = u64::from_str_radix(field(&out, "SigIgn"), 16).unwrap();
    assert!(SigSet::EMPTY.with(signal::CHLD).bits() & ignored != 0);
    let limit = out.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(limit.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["50", "60"]);
}

#[test]
fn no_descriptor_gets_through() {
    // Without close-on-exec: as a caller would leak it.
    let leaked = rustix::fs::openat(CWD, c"/", OFlags::DIRECTORY, Mode::empty()).unwrap();
    let (status, out) = run(plan(&["ls", "/proc/self/fd"]));
    assert_eq!(status, 0, "{out}");
    assert_eq!(out, "0\n1\n2\n3\n"); // 3 is the directory that ls reads
    let mut plan = plan(&["pwd"]);
    plan.process.cwd = Some(cstr(&format!("/proc/self/fd/{}", leaked.as_raw_fd())));
    let (status, out) = run(plan);
    assert_eq!(status, 125);
    assert!(out.contains("a link of /proc, which is refused"), "{out}");
}

#[test]
fn a_working_directory_outside_of_the_root_or_removed_is_refused() {
    let dir = std::env::temp_dir().join(format!("nsinit-cwd-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let root = cstr(dir.to_str().unwrap());
    let check = |prepare: fn(&std::ffi::CStr)| {
        let (pid, reader) = spawn(|| {
            rustix::process::chdir(c"/usr").unwrap();
            prepare(root);
            // As where the kernel has no openat2: only the second check is left.
            match directory::check_inside(c"the way") {
                Ok(()) => Error::refused("nothing was found", (), ""),
                Err(error) => error,
            }
        });
        waitpid(Some(pid), WaitOptions::empty()).unwrap();
        read_all(reader)
    };
    let outside = check(|root| rustix::process::chroot(root).unwrap());
    let removed = check(|root| {
        rustix::process::chdir(root).unwrap();
        rustix::fs::unlinkat(CWD, root, rustix::fs::AtFlags::REMOVEDIR).unwrap();
    });
    assert_eq!(
        outside,
        "nsinit: enter working directory the way: it lies outside of the container's root\n"
    );
    assert_eq!(
        removed,
        "nsinit: enter working directory the way: No such file or directory (ENOENT)\n"
    );
}

#[test]
fn the_working_directory_is_entered_with_the_rights_of_the_user() {
    let dir = std::env::temp_dir().join(format!("nsinit-private-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("open")).unwrap();
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut plan = plan(&["pwd"]);
    plan.process.user = c"1000:1000";
    plan.process.capabilities = 1 << 1; // CAP_DAC_OVERRIDE
    plan.process.cwd = Some(cstr(dir.join("open").to_str().unwrap()));
    let (status, out) = run(plan);
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(status, 125);
    let why = "open: Permission denied (EACCES): user 1000 may not search ";
    assert!(out.contains(why), "{out}");
}

#[test]
fn the_command_dies_with_its_parent_after_a_change_of_user() {
    let mut plan = plan(&["sh", "-c", "echo up; exec sleep 30"]);
    plan.process.user = c"1000:1000";
    let arena = Arena::new(vec![0; 1 << 20].leak());
    let (parent, reader) = spawn(|| match fork(NewNamespaces::empty()).unwrap() {
        Fork::Child => become_command(&mut plan.process, DEFAULT, &arena),
        Fork::Parent(pid) => {
            waitpid(Some(pid), WaitOptions::empty()).unwrap();
            exit_group(0)
        }
    });
    let mut buf = [0; 16];
    assert_eq!(rustix::io::read(&reader, &mut buf), Ok(3));
    signal::kill(parent, 9).unwrap();
    waitpid(Some(parent), WaitOptions::empty()).unwrap();
    // The end of the pipe comes when nobody holds it any more: without the signal in 30 seconds.
    let mut fds = [PollFd::new(&reader, PollFlags::IN)];
    let timeout = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut fds, Some(&timeout)), Ok(1));
    assert_eq!(read_all(reader), "");
}

#[test]
fn the_reaper_keeps_kill_alone() {
    let (pid, reader) = spawn(|| {
        if let Err(error) = become_reaper(u64::MAX) {
            return error;
        }
        let file = rustix::fs::open(c"/proc/thread-self/status", OFlags::RDONLY, Mode::empty());
        let mut buf = [0; 4096];
        let len = rustix::io::read(file.unwrap(), &mut buf).unwrap();
        fd::write(1, &buf[..len]).unwrap();
        exit_group(0)
    });
    let out = read_all(reader);
    waitpid(Some(pid), WaitOptions::empty()).unwrap();
    for (set, bits) in
        [("CapInh", 0), ("CapPrm", 32), ("CapEff", 32), ("CapBnd", 32), ("CapAmb", 0)]
    {
        assert_eq!(u64::from_str_radix(field(&out, set), 16), Ok(bits), "{set}");
    }
    assert_eq!(field(&out, "NoNewPrivs"), "1");
}
