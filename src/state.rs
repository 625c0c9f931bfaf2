//! state.json: what tells that a container runs in a place. The keys are those of 2014
//! (libcontainer state.go); nsinit alone writes and reads it.

use core::ffi::CStr;
use core::fmt::{self, Write};

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::bytes::{Arena, Names};
use crate::error::{Context, Error, Result};
use crate::json::Json;
use crate::jsonmin::{Reader, Stop, Value};
use crate::syscall::fd::AsFd;

/// Its name.
pub const FILE: &CStr = c"state.json";
/// What is written first and then renamed, so that nobody reads half of it.
pub const TEMPORARY: &CStr = c"state.json.tmp";
/// Largest state.json: fourteen cgroup paths of up to 4,096 bytes, escaped.
const SIZE: usize = 64 << 10;

/// The content of state.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State<'a> {
    /// PID 1 of the container, as the host sees it.
    pub init_pid: i32,
    /// Field 22 of /proc/PID/stat, as text: with the pid it names one process for ever.
    pub init_start_time: &'a str,
    /// The inode of its pidfds, as text, which is the same for whoever looks; empty where the kernel has
    /// none. nsinit's own key.
    pub init_pidfd_inode: &'a str,
    /// What networking made.
    pub network_state: Strings,
    /// The absolute directory of the container's cgroup in the hierarchy of each subsystem.
    pub cgroup_paths: Strings,
}

/// Strings by name, each there or not: an object of state.json. (A struct with a field for each
/// would be ten times the code.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strings {
    names: Names,
    values: [Option<&'static CStr>; 14],
}

/// The subsystems of cgroup v1, systemd's own hierarchy, and the one of v2.
const SUBSYSTEMS: Names = Names(
    "blkio cpu cpuacct cpuset devices freezer hugetlb memory \
                                 net_cls net_prio perf_event pids systemd unified",
);

/// The veth's ends on the host and inside; the network namespace that was joined.
const NETWORK: Names = Names("veth_host veth_child ns_path");

impl Strings {
    /// A network state: empty without veth.
    pub fn network() -> Strings {
        Strings { names: NETWORK, values: [None; 14] }
    }

    /// Paths of cgroups; none yet.
    pub fn cgroups() -> Strings {
        Strings { names: SUBSYSTEMS, values: [None; 14] }
    }

    /// Sets the one of this name; false if state.json has no place for it.
    pub fn set(&mut self, name: &str, value: &'static CStr) -> bool {
        let known = self.names.place(name.as_bytes());
        match known.and_then(|n| self.values.get_mut(n)) {
            Some(place) => *place = Some(value),
            None => return false,
        }
        true
    }

    /// The one of this name, if it is set.
    pub fn get(&self, name: &str) -> Option<&'static CStr> {
        self.values.get(self.names.place(name.as_bytes())?).copied().flatten()
    }

    /// The names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static CStr)> {
        self.names.zip(self.values).filter_map(|(name, value)| Some((name, value?)))
    }
}

impl State<'_> {
    /// Writes it as one line, and, where it is asked for, whether the process is `running`: not a
    /// part of the file.
    pub fn write(&self, running: Option<bool>, out: &mut dyn Write) -> fmt::Result {
        let mut json = Json::line(out);
        json.open('{', false);
        if let Some(running) = running {
            json.bool("running", running);
        }
        json.number("init_pid", self.init_pid.into());
        json.key("init_start_time");
        json.bytes(&[self.init_start_time.as_bytes()]);
        if !self.init_pidfd_inode.is_empty() {
            json.key("init_pidfd_inode");
            json.bytes(&[self.init_pidfd_inode.as_bytes()]);
        }
        for (name, strings) in
            [("network_state", &self.network_state), ("cgroup_paths", &self.cgroup_paths)]
        {
            json.begin(name, '{');
            for (name, value) in strings.iter() {
                json.key(name);
                json.bytes(&[value.to_bytes()]);
            }
            json.close();
        }
        json.close();
        json.end()
    }
}

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.write(None, f)
    }
}

/// Opens state.json in `dir`; `None` if there is none. One that others can write to is refused: it
/// decides which process's namespaces are entered.
pub fn open(dir: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
    // NONBLOCK: a FIFO of that name must not hang nsinit before it is refused.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat(dir, FILE, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        file => file.doing("open", FILE)?,
    };
    crate::trust::check(file.as_fd(), FILE)?;
    Ok(Some(file))
}

/// Reads it. What nsinit can't have written is refused.
pub fn read(file: &OwnedFd, arena: &Arena) -> Result<State<'static>> {
    match parse(&mut Reader::new(read_whole(file, arena)?)) {
        Ok(state) if state.init_pid > 0 => Ok(state),
        _ => Err(Error::refused("read", FILE, NOT_OURS)),
    }
}

const NOT_OURS: &str = "not what nsinit writes; if no container runs here, remove it";

/// Keys of another nsinit are passed over; a file without process is none of ours.
fn parse(json: &mut Reader<'static>) -> core::result::Result<State<'static>, Stop> {
    let mut state = State {
        init_pid: 0,
        init_start_time: "",
        init_pidfd_inode: "",
        network_state: Strings::network(),
        cgroup_paths: Strings::cgroups(),
    };
    if json.value()? != Value::Object {
        return Err(Stop);
    }
    while let Some(key) = json.key()? {
        // (A match would compare byte by byte, each with code of its own.)
        if key == c"init_pid" {
            state.init_pid = pid(json.value()?)?;
        } else if key == c"init_start_time" {
            state.init_start_time = text(json.value()?)?;
        } else if key == c"init_pidfd_inode" {
            state.init_pidfd_inode = text(json.value()?)?;
        } else if key == c"network_state" {
            members(json, &mut state.network_state)?;
        } else if key == c"cgroup_paths" {
            members(json, &mut state.cgroup_paths)?;
        } else {
            json.skip()?;
        }
    }
    if state.init_start_time.is_empty() { Err(Stop) } else { Ok(state) }
}

/// An object of strings; names of another nsinit are passed over here too.
fn members(json: &mut Reader<'static>, to: &mut Strings) -> core::result::Result<(), Stop> {
    if json.value()? != Value::Object {
        return Err(Stop);
    }
    while let Some(key) = json.key()? {
        let name = key.to_str().map_err(|_| Stop)?;
        match json.value()? {
            Value::Str(text) => to.set(name, text),
            _ => return Err(Stop),
        };
    }
    Ok(())
}

fn text(value: Value<'static>) -> core::result::Result<&'static str, Stop> {
    match value {
        Value::Str(text) => text.to_str().map_err(|_| Stop),
        _ => Err(Stop),
    }
}

fn pid(value: Value) -> core::result::Result<i32, Stop> {
    match value {
        Value::Number(number) => number.as_i64().and_then(|n| n.try_into().ok()).ok_or(Stop),
        _ => Err(Stop),
    }
}

/// Keeps no more of the arena than the file is long: a launcher that waits reads it again and again.
fn read_whole(file: &OwnedFd, arena: &Arena) -> Result<&'static mut [u8]> {
    let buf = arena.take_all();
    let most = buf.len().min(SIZE);
    let mut len = 0;
    let read = loop {
        match rustix::io::read(file.as_fd(), buf.get_mut(len..most).unwrap_or(&mut [])) {
            Ok(0) => break Ok(()),
            Ok(n) => len += n,
            Err(Errno::INTR) => {}
            Err(errno) => break Err(errno),
        }
    };
    let (text, rest) = buf.split_at_mut(if read.is_ok() { len } else { 0 });
    arena.put_back(rest);
    read.doing("read", FILE).map(|()| text)
}

/// Writes all of it into `file`.
pub fn write(file: &OwnedFd, state: &State, arena: &Arena) -> Result<()> {
    for (_, text) in state.network_state.iter().chain(state.cgroup_paths.iter()) {
        if text.to_str().is_err() {
            return Err(Error::refused("write to state.json", text, "it is not UTF-8"));
        }
    }
    let text = arena.str(format_args!("{state}")).doing("write", FILE)?;
    if text.len() > SIZE {
        return Err(Error::refused("write", FILE, "its cgroup paths are longer than 64 KiB"));
    }
    write_whole(file, text.as_bytes()).doing("write", FILE)
}

/// Writes it anew, in place and in one call. Whoever reads it meanwhile without the lock may see some of
/// both, which names no process that runs: pid and start time don't go together.
pub fn rewrite(file: &OwnedFd, state: &State, arena: &Arena) -> Result<()> {
    let size = fstat(file).doing("look at", FILE)?.st_size;
    // The old text may be the longer one.
    let width = usize::try_from(size).unwrap_or(0).min(SIZE);
    let text = arena.str(format_args!("{state}")).doing("write", FILE)?;
    let text = arena.str(format_args!("{text:width$}")).doing("write", FILE)?;
    rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0)).doing("write", FILE)?;
    write_whole(file, text.as_bytes()).doing("write", FILE)
}

fn write_whole(file: &OwnedFd, mut text: &[u8]) -> rustix::io::Result<()> {
    while !text.is_empty() {
        match rustix::io::write(file.as_fd(), text) {
            Ok(n) => text = text.get(n..).unwrap_or(&[]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

impl State<'_> {
    /// PID 1's pid.
    pub fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.init_pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> (std::path::PathBuf, OwnedFd, Arena) {
        let dir = std::env::temp_dir().join(format!("nsinit-state-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let fd = rustix::fs::open(dir.to_str().unwrap(), OFlags::RDONLY, Mode::empty()).unwrap();
        (dir, fd, Arena::new(Box::leak(vec![0; 1 << 20].into_boxed_slice())))
    }

    fn state() -> State<'static> {
        let mut cgroup_paths = Strings::cgroups();
        assert!(cgroup_paths.set("memory", c"/sys/fs/cgroup/memory/a\\x2d\"b"));
        assert!(!cgroup_paths.set("unheard-of", c"/"));
        let network_state = Strings::network();
        State {
            init_pid: 7,
            init_start_time: "123456",
            init_pidfd_inode: "",
            network_state,
            cgroup_paths,
        }
    }

    #[test]
    fn what_is_written_is_read_back_escapes_and_all() {
        let (path, dir, arena) = place("round");
        for init_pidfd_inode in ["", "18446744073709551615"] {
            let state = State { init_pidfd_inode, ..state() };
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
            let file = openat(&dir, FILE, flags, Mode::RUSR | Mode::WUSR).unwrap();
            write(&file, &state, &arena).unwrap();
            let text = std::fs::read_to_string(path.join("state.json")).unwrap();
            assert!(text.starts_with(r#"{"init_pid":7,"init_start_time":"123456""#), "{text}");
            assert_eq!(text.contains("init_pidfd_inode"), !init_pidfd_inode.is_empty(), "{text}");
            let file = open(dir.as_fd()).unwrap().unwrap();
            assert_eq!(read(&file, &arena).unwrap(), state);
        }
        std::fs::remove_file(path.join("state.json")).unwrap();
        assert!(open(dir.as_fd()).unwrap().is_none());
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn what_is_written_again_is_read_whatever_its_length() {
        let (path, dir, arena) = place("again");
        let flags = OFlags::WRONLY | OFlags::CREATE;
        let file = openat(&dir, FILE, flags, Mode::RUSR | Mode::WUSR).unwrap();
        write(&file, &state(), &arena).unwrap();
        for init_pid in [4_000_000, 1] {
            let state = State { init_pid, ..state() };
            rewrite(&file, &state, &arena).unwrap();
            let read_back = open(dir.as_fd()).and_then(|file| read(&file.unwrap(), &arena));
            assert_eq!(read_back.unwrap(), state);
        }
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_link_a_fifo_nonsense_and_a_writable_file_are_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (path, dir, arena) = place("hostile");
        let file = path.join("state.json");
        let refused = |what: &str| {
            let state = open(dir.as_fd()).and_then(|file| read(&file.unwrap(), &arena));
            let error = state.unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
            std::fs::remove_file(&file).unwrap();
        };
        symlink("/etc/passwd", &file).unwrap();
        refused("ELOOP");
        std::process::Command::new("mkfifo").arg(&file).status().unwrap();
        refused("not a regular file");
        std::fs::write(&file, "{}").unwrap();
        refused("not what nsinit writes");
        std::fs::write(&file, r#"{"init_pid":-1,"init_start_time":"1"}"#).unwrap();
        refused("not what nsinit writes");
        std::fs::write(&file, r#"{"init_pid":1,"init_start_time":"1"}"#).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        refused("writable by others");
        std::fs::write(&file, r#"{"init_pid":1,"init_start_time":"1"}"#).unwrap();
        std::fs::hard_link(&file, path.join("second")).unwrap();
        refused("another hard link");
        std::fs::remove_dir_all(path).unwrap();
    }
}
