//! state.json: what tells that a container runs in a place. The keys are those of 2014
//! (libcontainer state.go); nsinit alone writes and reads it.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use serde_json_core::str::{EscapedStr, EscapedStringFragment};

use crate::bytes::Arena;
use crate::error::{Context, Error, Result};

/// Its name.
pub const FILE: &CStr = c"state.json";
/// What is written first and then renamed, so that nobody reads half of it.
const TEMPORARY: &CStr = c"state.json.tmp";
/// Largest state.json: ten cgroup paths of up to 4,096 bytes, escaped.
const SIZE: usize = 64 << 10;

/// The content of state.json.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct State<'a> {
    /// PID 1 of the container, as the host sees it.
    pub init_pid: i32,
    /// Field 22 of /proc/PID/stat, as text: with the pid it names one process for ever.
    pub init_start_time: &'a str,
    /// What networking made.
    #[serde(borrow, default)]
    pub network_state: NetworkState<'a>,
    /// Where the container is in each cgroup hierarchy.
    #[serde(borrow, default)]
    pub cgroup_paths: CgroupPaths<'a>,
}

/// Names that networking made; empty without veth.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkState<'a> {
    /// The veth's end on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub veth_host: Option<&'a str>,
    /// The veth's end inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub veth_child: Option<&'a str>,
    /// The network namespace that was joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns_path: Option<&'a str>,
}

macro_rules! cgroup_paths {
    ($($subsystem:ident),*) => {
        /// The absolute directory of the container's cgroup, by subsystem.
        #[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CgroupPaths<'a> {
            $(
                #[doc = concat!("Its directory in the hierarchy of `", stringify!($subsystem), "`.")]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $subsystem: Option<&'a str>,
            )*
        }

        impl<'a> CgroupPaths<'a> {
            /// Sets the path of a subsystem; false if state.json has no place for it.
            pub fn set(&mut self, subsystem: &str, path: &'a str) -> bool {
                match subsystem {
                    $(stringify!($subsystem) => self.$subsystem = Some(path),)*
                    _ => return false,
                }
                true
            }

            /// The subsystems and their paths.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
                [$((stringify!($subsystem), self.$subsystem)),*]
                    .into_iter()
                    .filter_map(|(subsystem, path)| Some((subsystem, path?)))
            }
        }
    };
}
cgroup_paths!(blkio, cpu, cpuacct, cpuset, devices, freezer, memory, perf_event, pids, systemd);

/// Reads state.json in `dir`; `None` if there is none. One that nsinit can't have written, or that
/// others can write to, is refused: it decides which process's namespaces are entered.
pub fn read(dir: BorrowedFd<'_>, arena: &Arena) -> Result<Option<State<'static>>> {
    // NONBLOCK: a FIFO of that name must not hang nsinit before it is refused.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat(dir, FILE, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        file => file.doing("open", FILE)?,
    };
    crate::trust::check(file.as_fd(), FILE)?;
    let text = read_whole(&file, arena)?;
    let state = serde_json_core::from_slice::<State>(text).ok();
    match state.and_then(|(state, _)| decode(state, arena)) {
        Some(state) if state.init_pid > 0 => Ok(Some(state)),
        _ => Err(Error::refused("read", FILE, NOT_OURS)),
    }
}

const NOT_OURS: &str = "not what nsinit writes; if no container runs here, remove it";

/// serde-json-core leaves borrowed strings as they stand in the text; systemd's cgroups have
/// backslashes in their names.
fn decode(state: State<'static>, arena: &Arena) -> Option<State<'static>> {
    let unescape = |text: &'static str| {
        if !text.contains('\\') {
            return Some(text);
        }
        let out = arena.take_all();
        let mut len = 0;
        let mut whole = true;
        for fragment in EscapedStr(text).fragments() {
            let mut utf8 = [0; 4];
            let bytes = match fragment {
                Ok(EscapedStringFragment::NotEscaped(text)) => text.as_bytes(),
                Ok(EscapedStringFragment::Escaped(c)) => c.encode_utf8(&mut utf8).as_bytes(),
                Err(_) => b"",
            };
            whole &= fragment.is_ok();
            out.get_mut(len..len + bytes.len())?.copy_from_slice(bytes);
            len += bytes.len();
        }
        let (used, rest) = out.split_at_mut(len);
        arena.put_back(rest);
        if whole { core::str::from_utf8(used).ok() } else { None }
    };
    let mut cgroup_paths = CgroupPaths::default();
    for (subsystem, path) in state.cgroup_paths.iter() {
        cgroup_paths.set(subsystem, unescape(path)?);
    }
    Some(State { init_start_time: unescape(state.init_start_time)?, cgroup_paths, ..state })
}

fn read_whole(file: &OwnedFd, arena: &Arena) -> Result<&'static [u8]> {
    let buf = arena.take(SIZE).doing("read", FILE)?;
    let mut len = 0;
    while len < SIZE {
        match rustix::io::read(file, &mut buf[len..]) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).doing("read", FILE),
        }
    }
    Ok(&buf[..len])
}

/// Writes state.json in `dir`, whole or not at all: a temporary file, then a rename. Mode 0600.
pub fn save(dir: BorrowedFd<'_>, state: &State, arena: &Arena) -> Result<()> {
    let text = arena.take(SIZE).doing("write", FILE)?;
    let len = serde_json_core::to_slice(state, text)
        .map_err(|_| Error::refused("write", FILE, "its cgroup paths are longer than 64 KiB"))?;
    // Left behind by a launcher that was killed, or planted in the root file system.
    match unlinkat(dir, TEMPORARY, AtFlags::empty()) {
        // EROFS comes whether there is one or not: creating it tells.
        Ok(()) | Err(Errno::NOENT | Errno::ROFS) => {}
        Err(errno) => return Err(errno).doing("remove the old", TEMPORARY),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(dir, TEMPORARY, flags, Mode::RUSR | Mode::WUSR).doing("create", TEMPORARY)?;
    let written = write_whole(&file, &text[..len])
        .and_then(|()| renameat(dir, TEMPORARY, dir, FILE))
        .doing("write", FILE);
    if written.is_err() {
        // The write's error is the one to tell.
        let _ = unlinkat(dir, TEMPORARY, AtFlags::empty());
    }
    written
}

fn write_whole(file: &OwnedFd, mut text: &[u8]) -> rustix::io::Result<()> {
    while !text.is_empty() {
        match rustix::io::write(file, text) {
            Ok(n) => text = text.get(n..).unwrap_or(&[]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Removes state.json from `dir`.
pub fn remove(dir: BorrowedFd<'_>) -> Result<()> {
    match unlinkat(dir, FILE, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno).doing("remove", FILE),
    }
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
        let mut cgroup_paths = CgroupPaths::default();
        assert!(cgroup_paths.set("memory", "/sys/fs/cgroup/memory/a\\x2d\"b"));
        assert!(!cgroup_paths.set("unheard-of", "/"));
        let network_state = NetworkState::default();
        State { init_pid: 7, init_start_time: "123456", network_state, cgroup_paths }
    }

    #[test]
    fn what_is_saved_is_read_back_escapes_and_all() {
        let (path, dir, arena) = place("round");
        save(dir.as_fd(), &state(), &arena).unwrap();
        let text = std::fs::read_to_string(path.join("state.json")).unwrap();
        assert!(text.starts_with(r#"{"init_pid":7,"init_start_time":"123456","network_state":{}"#));
        assert_eq!(read(dir.as_fd(), &arena).unwrap(), Some(state()));
        remove(dir.as_fd()).unwrap();
        assert_eq!(read(dir.as_fd(), &arena).unwrap(), None);
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_link_a_fifo_nonsense_and_a_writable_file_are_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (path, dir, arena) = place("hostile");
        let file = path.join("state.json");
        let refused = |what: &str| {
            let error = read(dir.as_fd(), &arena).unwrap_err().to_string();
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
        refused("others can write to it");
        std::fs::remove_dir_all(path).unwrap();
    }
}
