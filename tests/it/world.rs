//! The harness: a place with a root file system of its own, the program run in it with a time
//! limit, and at the end the proof that nothing of it is left on the host.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Seek, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::config::Config;

/// Longest time that anything may take. Far above what a loaded machine needs: it ends hangs.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The nsinit's own failure.
pub const FAILED: i32 = 125;

/// The program that is tested.
pub fn nsinit() -> PathBuf {
    std::env::var_os("NSINIT").map_or_else(|| env!("CARGO_BIN_EXE_nsinit").into(), PathBuf::from)
}

/// A test that can't be run here says so and is counted; CI forbids it.
pub fn skip(why: &str) {
    println!("SKIPPED: {why}");
    if let Some(file) = std::env::var_os("NSINIT_SKIPS") {
        let test = std::thread::current().name().unwrap_or("?").to_owned();
        let mut f = fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        writeln!(f, "{test}: {why}").unwrap();
    }
}

/// A directory on the host with a root file system in it and a container.json to change.
pub struct Place {
    /// The name of all that belongs to it: its directory, its cgroups.
    pub name: String,
    /// The nsinit that is run.
    pub program: PathBuf,
    /// Its directory.
    pub dir: PathBuf,
    /// The root file system: the working directory of what runs.
    pub root: PathBuf,
    /// Written to `root`/container.json before each run.
    pub config: Config,
    /// Environment entries for nsinit.
    pub env: Vec<(String, String)>,
    /// Whether drop proves that nothing is left. A test that expects remains clears it and cleans up.
    pub prove: bool,
    links: Vec<String>,
}

/// What a run left: its status and words.
pub struct Run {
    /// The exit status, or 128+n of the launcher itself, killed.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// It ended with this status; its output.
    #[track_caller]
    pub fn ends(&self, status: i32) -> &str {
        assert_eq!(self.status, status, "status\n--- out\n{}\n--- err\n{}", self.out, self.err);
        &self.out
    }

    /// It ended with 0, silently; its output.
    #[track_caller]
    pub fn ok(&self) -> &str {
        self.ends(0);
        assert_eq!(self.err, "", "standard error is not empty");
        &self.out
    }

    /// nsinit failed, and said each of these.
    #[track_caller]
    pub fn fails(&self, words: &[&str]) {
        self.ends(FAILED);
        self.says(words);
    }

    /// Standard error has each of these.
    #[track_caller]
    pub fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in standard error:\n{}", self.err);
        }
    }

    /// The word after `key ` at the start of a line of standard output.
    #[track_caller]
    pub fn value(&self, key: &str) -> &str {
        value(&self.out, key)
    }
}

/// The rest of the line that starts with `key` and a space, colon or tab.
#[track_caller]
pub fn value<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix([' ', ':', '\t', '=']))
        .unwrap_or_else(|| panic!("no line {key:?} in:\n{text}"))
        .trim()
}

/// A program that is running, with its output in files (nothing that it leaves behind can keep a
/// pipe open and so hang the test).
pub struct Running {
    /// The launcher.
    pub child: Child,
    out: fs::File,
    err: fs::File,
}

/// Starts `command` with its output in files and its input empty, unless that was set.
pub fn spawn(command: &mut Command) -> Running {
    let (out, err) = (nameless(), nameless());
    command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let child = child_of_ours(command);
    Running { child, out, err }
}

/// The children that tests have started and wait for.
static OURS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Starts a command that the test waits for.
pub fn child_of_ours(command: &mut Command) -> Child {
    let mut ours = OURS.lock().unwrap();
    let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    ours.push(child.id());
    child
}

/// Reaps what has become ours because its parent died: a joined process that nobody reaps would keep
/// its PID namespace alive.
fn reap_orphans() {
    let ours = OURS.lock().unwrap();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for pid in children.split_whitespace().filter_map(|p| p.parse().ok()) {
            if !ours.contains(&pid) {
                // SAFETY: plain system call without a status to write to.
                unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), libc::WNOHANG) };
            }
        }
    }
}

/// A file without a name.
pub fn nameless() -> fs::File {
    // SAFETY: plain system call; the name is a C string, and the descriptor is new and ours.
    unsafe {
        let fd = libc::memfd_create(c"output".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0, "memfd_create: {}", std::io::Error::last_os_error());
        // Of two processes that write at the same moment neither may overwrite the other: the kernel
        // guards the offset of files that were opened, not of this kind.
        libc::fcntl(fd, libc::F_SETFL, libc::O_APPEND);
        fs::File::from_raw_fd(fd)
    }
}

/// Where the places are.
pub fn scratch() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("places");
    fs::create_dir_all(&dir).unwrap();
    dir
}

impl Running {
    /// What it has written to standard output so far.
    pub fn out(&mut self) -> String {
        whole(&mut self.out)
    }

    /// What it has written to standard error so far.
    pub fn err(&mut self) -> String {
        whole(&mut self.err)
    }

    /// Waits until standard output has `text`; all of it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        self.wait_for_within(text, LIMIT)
    }

    /// The same, for longer than most things may take.
    #[track_caller]
    pub fn wait_for_within(&mut self, text: &str, limit: Duration) -> String {
        let since = Instant::now();
        loop {
            let out = self.out();
            if out.contains(text) {
                return out;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && since.elapsed() < limit,
                "no {text:?} ({ended:?})\n--- out\n{out}\n--- err\n{}",
                self.err()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends the launcher a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: plain system call; the child has not been waited for, so the pid is its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(self) -> Run {
        self.end_within(LIMIT)
    }

    /// Waits for its end, for longer than most things may take.
    #[track_caller]
    pub fn end_within(mut self, limit: Duration) -> Run {
        let since = Instant::now();
        let mut pause = Duration::from_micros(200);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if since.elapsed() > limit {
                let processes = processes_report(self.child.id());
                panic!(
                    "still running after {limit:?}\n--- out\n{}\n--- err\n{}\n--- processes\n{processes}",
                    self.out(),
                    self.err()
                );
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
            if since.elapsed() > Duration::from_millis(100) {
                reap_orphans();
            }
        };
        Run {
            status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            out: self.out(),
            err: self.err(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended, mostly: then both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn whole(file: &mut fs::File) -> String {
    // The writer shares our offset only if it has our open file: it has, so read elsewhere.
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    let n = file.read_at(&mut bytes, 0).unwrap();
    bytes.truncate(n);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where the processes below `pid` are stuck.
fn processes_report(pid: u32) -> String {
    let mut report = String::new();
    for (id, _) in processes() {
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        let wchan = fs::read_to_string(format!("/proc/{id}/wchan")).unwrap_or_default();
        let call = fs::read_to_string(format!("/proc/{id}/syscall")).unwrap_or_default();
        if id >= pid && !stat.contains("(kworker") {
            report += &format!("{} | {wchan} | {call}", &stat[..stat.len().min(60)]);
            report.push('\n');
        }
    }
    report
}

/// Every process and its environment as it was given to it.
fn processes() -> Vec<(u32, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|s| s.parse().ok()) else { continue };
        all.push((id, fs::read(format!("/proc/{id}/environ")).unwrap_or_default()));
    }
    all
}

/// The network interfaces of the host that nsinit has made, which are in a group of theirs: others come and go
/// with what else the host does.
fn links() -> Vec<String> {
    const GROUP: &str = "28275\n";
    let names = fs::read_dir("/sys/class/net").unwrap().flatten();
    names
        .filter(|e| fs::read_to_string(e.path().join("netdev_group")).is_ok_and(|g| g == GROUP))
        .map(|e| e.file_name().into_string().unwrap())
        .collect()
}

/// Every directory of this name in any cgroup hierarchy.
pub fn cgroups(name: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, name: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                if entry.file_name() == name {
                    found.push(entry.path());
                }
                walk(&entry.path(), name, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), name, &mut found);
    found
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Place {
    /// A fresh one, in the state in which the tests' common configuration runs.
    pub fn new() -> Place {
        // What a launcher leaves behind becomes ours, and can be seen.
        // SAFETY: plain system call.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nsinit-{}-{n}", std::process::id());
        let dir = scratch().join(&name);
        // A pid of an earlier run that did not end well.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let root = dir.join("root");
        lay_out(&root);
        let config = Config::new(&name);
        let env = vec![("NSINIT_PLACE".to_owned(), name.clone())];
        Place { name, program: nsinit(), dir, root, config, env, prove: true, links: links() }
    }

    /// The configuration as it is now, written where nsinit looks.
    pub fn write_config(&self) {
        self.write_text(&self.config.text());
    }

    /// Any text as container.json.
    pub fn write_text(&self, text: &str) {
        fs::write(self.root.join("container.json"), text).unwrap();
    }

    /// nsinit with these arguments, in the root, its input empty.
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        self.wrapped(&[] as &[&str], args)
    }

    /// The same, run by another program: `strace -f … nsinit …`.
    pub fn wrapped<W: AsRef<OsStr>, S: AsRef<OsStr>>(&self, by: &[W], args: &[S]) -> Command {
        let mut command = match by.split_first() {
            None => Command::new(&self.program),
            Some((first, rest)) => {
                let mut c = Command::new(first);
                c.args(rest).arg(&self.program);
                c
            }
        };
        command.args(args).current_dir(&self.root).stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(self.env.iter().map(|(k, v)| (k, v)));
        command
    }

    /// `nsinit ARGS`, to its end. The configuration is not written.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Run {
        spawn(&mut self.command(args)).end()
    }

    /// `nsinit exec COMMAND`, to its end.
    #[track_caller]
    pub fn exec(&self, command: &[&str]) -> Run {
        self.write_config();
        self.run(&[&["exec"], command].concat())
    }

    /// `nsinit exec /bin/sh -c SCRIPT`, to its end.
    #[track_caller]
    pub fn sh(&self, script: &str) -> Run {
        self.exec(&["/bin/sh", "-c", script])
    }

    /// `nsinit exec /bin/sh -c SCRIPT`, left running once it has printed "ready".
    #[track_caller]
    pub fn start(&self, script: &str) -> Running {
        self.write_config();
        let mut running = spawn(&mut self.command(&["exec", "/bin/sh", "-c", script]));
        running.wait_for("ready");
        running
    }

    /// SIGKILL for the launcher; back when the container is gone with it.
    #[track_caller]
    pub fn kill_launcher(&self, running: Running) {
        running.signal(libc::SIGKILL);
        running.end();
        until("the container is gone", || self.processes().is_empty());
    }

    /// A second command in the running container: the configuration stays as it is.
    #[track_caller]
    pub fn join(&self, script: &str) -> Run {
        self.run(&["exec", "/bin/sh", "-c", script])
    }

    /// Runs `nsinit exec ARGS` with `input` at its standard input.
    #[track_caller]
    pub fn exec_with_input(&self, command: &[&str], input: &str) -> Run {
        self.write_config();
        let mut file = nameless();
        file.write_all(input.as_bytes()).unwrap();
        file.rewind().unwrap();
        spawn(self.command(&[&["exec"], command].concat()).stdin(file)).end()
    }

    /// A path beneath the root, on the host.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// A directory of the host beside the root, for what a container must not reach.
    pub fn host_dir(&self, name: &str) -> PathBuf {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// state.json's text.
    pub fn state(&self) -> Option<String> {
        fs::read_to_string(self.root.join("state.json")).ok()
    }

    /// The container's first process, by state.json.
    #[track_caller]
    pub fn init_pid(&self) -> u32 {
        let state = self.state().expect("no state.json");
        let rest = state.split("\"init_pid\":").nth(1).expect("no init_pid");
        let digits: String = rest.trim().chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }

    /// What of it is still there: processes, mounts, cgroups, links, files. Empty is right. A process
    /// that was just killed gets the time to go that a busy host takes.
    pub fn remains(&self) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let found = self.remains_now();
            if found.is_empty() || Instant::now() > end {
                return found;
            }
            reap_orphans();
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn remains_now(&self) -> Vec<String> {
        let mut found = Vec::new();
        for pid in self.processes() {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            found.push(format!("process {}", &stat[..stat.len().min(60)]));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        found.extend(
            mounts.lines().filter(|l| l.contains(&self.name)).map(|l| format!("mount {l}")),
        );
        found.extend(cgroups(&self.name).iter().map(|p| format!("cgroup {}", p.display())));
        let now = links();
        found.extend(now.iter().filter(|l| !self.links.contains(l)).map(|l| format!("link {l}")));
        for dir in [&self.root, &self.dir] {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let name = entry.file_name().into_string().unwrap_or_default();
                if name.contains("state.json") || name.starts_with(".nsinit") {
                    found.push(format!("file {name}"));
                }
            }
        }
        found
    }

    /// The processes that were started from here: launchers, and their children that have not called
    /// execve, by their environment; all others by their memory cgroup.
    pub fn processes(&self) -> Vec<u32> {
        let mark = format!("NSINIT_PLACE={}\0", self.name);
        let mark = mark.as_bytes();
        let mut ids: Vec<u32> = processes()
            .into_iter()
            .filter(|(_, environ)| environ.windows(mark.len()).any(|w| w == mark))
            .map(|(id, _)| id)
            .collect();
        for dir in cgroups(&self.name) {
            let tasks = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            ids.extend(tasks.lines().filter_map(|l| l.parse::<u32>().ok()));
        }
        ids.sort();
        ids.dedup();
        ids
    }

    /// Kills and removes what is left: for tests that leave something on purpose.
    pub fn clean(&self) {
        for dir in cgroups(&self.name) {
            // A frozen process does not die.
            let _ = fs::write(dir.join("freezer.state"), "THAWED");
        }
        for _ in 0..100 {
            for pid in self.processes() {
                // SAFETY: plain system call.
                unsafe { libc::kill(pid as i32, libc::SIGKILL) };
            }
            reap_orphans();
            // The deepest first; a busy one is tried again.
            for dir in cgroups(&self.name).iter().rev() {
                let _ = fs::remove_dir(dir);
            }
            if self.processes().is_empty() && cgroups(&self.name).is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        for line in mounts.lines().rev().filter(|l| l.contains(&self.name)) {
            if let Some(point) = line.split(' ').nth(4) {
                let path = std::ffi::CString::new(point).unwrap();
                // SAFETY: the path is a C string that outlives the call.
                unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
            }
        }
        let _ = fs::remove_file(self.root.join("state.json"));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        let mut remains = Vec::new();
        if self.prove && !failing {
            remains = self.remains();
        }
        self.clean();
        // After clean-up nothing of it is mounted: this deletes files of this test only.
        if fs::read_to_string("/proc/self/mountinfo").is_ok_and(|m| !m.contains(&self.name)) {
            let _ = fs::remove_dir_all(&self.dir);
        }
        assert!(remains.is_empty(), "left behind:\n{}", remains.join("\n"));
    }
}

/// The applets that the tests' scripts use.
const APPLETS: &str = "[ awk basename cat chmod chown cp cut date dd df dirname dmesg echo egrep env \
    expr false find fold grep head hostname id ifconfig ip kill killall ln ls mkdir mkfifo mknod \
    mount mv nc nproc od pidof printf ps pwd readlink realpath reset rm rmdir sed seq setsid sh \
    sleep sort stat stty su sync tail tee test timeout touch tr true tty umount uname uniq unshare \
    usleep wc which whoami xargs yes";

/// A BusyBox root file system.
pub fn lay_out(root: &Path) {
    lay_out_with(root, &programs());
}

/// The same, with BusyBox and the probes from this directory.
pub fn lay_out_with(root: &Path, programs: &Path) {
    for dir in ["bin", "proc", "sys", "dev", "etc", "tmp", "root"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    for name in ["busybox", "probe", "nothing"] {
        fs::hard_link(programs.join(name), root.join("bin").join(name)).unwrap();
    }
    for applet in APPLETS.split_whitespace() {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\n\
        alice:x:1000:1001:Alice:/home/alice:/bin/sh\n";
    fs::write(root.join("etc/passwd"), passwd).unwrap();
    let group = "root:x:0:\ndaemon:x:1:\ntty:x:5:\naudio:x:29:alice,bob\nvideo:x:44:bob,alice\n\
        alice:x:1001:\nstaff:x:50:bob\n";
    fs::write(root.join("etc/group"), group).unwrap();
}

/// The line that a script of the repository prints: where something is.
#[track_caller]
pub fn script(words: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(words[0]);
    let run = spawn(Command::new(path).args(&words[1..]).stdin(Stdio::null())).end();
    run.ends(0).trim_end().to_owned()
}

/// BusyBox and the probes, built once, on the places' file system.
pub fn programs() -> PathBuf {
    static DONE: OnceLock<PathBuf> = OnceLock::new();
    DONE.get_or_init(|| programs_by("programs", "cc", Path::new(&script(&["static-busybox"]))))
        .clone()
}

/// The same by this compiler, in a directory of this name.
pub fn programs_by(name: &str, compiler: &str, busybox: &Path) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&dir).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/probe");
    let cc = |output: &Path, flags: &[&str], file: &str| {
        let mut cc = Command::new(compiler);
        cc.args(["-static", "-O1", "-o"]).arg(output).args(flags).arg(source.join(file));
        assert!(cc.status().unwrap().success(), "{cc:?}");
    };
    build(&dir.join("busybox"), busybox, |to| {
        fs::copy(busybox, to).unwrap();
    });
    build(&dir.join("probe"), &source.join("probe.c"), |to| cc(to, &[], "probe.c"));
    let nothing = source.join("nothing.S");
    build(&dir.join("nothing"), &nothing, |to| cc(to, &["-nostdlib"], "nothing.S"));
    dir
}

/// Makes `file` unless it is newer than `source`. Processes that do so at once don't see each
/// other's half-made file.
fn build(file: &Path, source: &Path, make: impl Fn(&Path)) {
    let time = |p: &Path| fs::metadata(p).and_then(|m| m.modified());
    let fresh = matches!((time(file), time(source)), (Ok(a), Ok(b)) if a >= b);
    if !fresh {
        let half = file.with_extension(std::process::id().to_string());
        make(&half);
        fs::rename(&half, file).unwrap();
    }
}

/// Waits until `done`, at most `LIMIT`.
#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LIMIT, "{what}: not after {LIMIT:?}");
        reap_orphans();
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads all of a file that may be binary.
pub fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let mut bytes = Vec::new();
    fs::File::open(path.as_ref()).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Everything below a directory with its type, size, mode and, for small files, content: two of
/// these are equal if nothing was touched.
pub fn fingerprint(dir: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut lines = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(path) = todo.pop() {
        let m = fs::symlink_metadata(&path).unwrap();
        let mut line = format!("{} {:o} {}", path.display(), m.mode(), m.ino());
        if m.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else if m.is_file() && m.len() < 100_000 {
            line += &format!(" {:?}", String::from_utf8_lossy(&read(&path)));
        } else if m.is_symlink() {
            line += &format!(" -> {}", fs::read_link(&path).unwrap().display());
        }
        lines.push(line);
    }
    lines.sort();
    lines
}
