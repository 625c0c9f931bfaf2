//! What /proc tells about one process: its state, when it started, which namespaces it is in.

use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat as FileStat, openat, statat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::is_gone;
use super::lines::{Pieces, decimal};
use crate::bytes::{Short, split_by};
use crate::syscall::fd::AsFd;
use crate::syscall::is_absent;
use crate::syscall::signal::{kill, pidfd_send_signal};

/// What nsinit reads of /proc/PID/stat (proc_pid_stat(5)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Field 3: R, S, D, T, Z, X, …
    pub state: u8,
    /// Field 4: the parent; 0 where that is outside of the PID namespace.
    pub parent: i32,
    /// Field 9: has begun to end (PF_EXITING in include/linux/sched.h).
    pub exiting: bool,
    /// Field 20: threads, an ended main thread included.
    pub threads: u32,
    /// Field 22, in clock ticks since boot: a pid and its start time together are never used again.
    pub start_time: u64,
    /// Field 31, the pending signals: bit n - 1 is signal n.
    pub pending: u64,
}

/// Reads /proc/PID/stat below `proc` ("/proc"). ENOENT or ESRCH: no such process. EPROTO: not the
/// text that the kernel writes.
pub fn stat(proc: &str, pid: Pid) -> Result<Stat, Errno> {
    let mut buf = [0; 2048];
    match text(proc, pid, "stat", &mut buf)? {
        b"" => Err(Errno::SRCH),
        text => parse_stat(text).ok_or(Errno::PROTO),
    }
}

/// The whole file `name` of `pid`. EMSGSIZE: it does not fit into `buf`.
pub fn text<'a>(proc: &str, pid: Pid, name: &str, buf: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    let file = open(proc, pid, name)?;
    let mut len = 0;
    while let Some(free) = buf.get_mut(len..).filter(|free| !free.is_empty()) {
        match rustix::io::retry_on_intr(|| rustix::io::read(file.as_fd(), &mut *free))? {
            0 => return buf.get(..len).ok_or(Errno::MSGSIZE),
            n => len += n,
        }
    }
    Err(Errno::MSGSIZE)
}

/// Shows the lines of the file `name` of `pid` to `each`, until that wants no more. One that does not
/// fit into `buf` is empty. Only for files in which the kernel escapes a newline: in "stat" and "comm"
/// it does not.
pub fn lines(
    proc: &str,
    pid: Pid,
    name: &str,
    buf: &mut [u8],
    each: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), Errno> {
    let file = open(proc, pid, name)?;
    let mut lines = Pieces::new(file.as_fd(), buf);
    while let Some(line) = lines.next(b'\n')?
        && each(line.text)
    {}
    Ok(())
}

/// Opens a file in /proc/PID to be read.
pub fn open(proc: &str, pid: Pid, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat(CWD, file(proc, pid, name).as_cstr(), flags, Mode::empty())
}

/// Shows every process below `proc` to `each`; of a process's threads for "/proc/PID/task". One that
/// ends meanwhile is left out; one that can't be read is an error, once all others were shown.
pub fn all(proc: &str, each: &mut dyn FnMut(Pid, &Stat)) -> Result<(), Errno> {
    let path = Short::<64>::new(format_args!("{proc}"));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(CWD, path.as_cstr(), flags, Mode::empty())?;
    let mut buf = [core::mem::MaybeUninit::<u8>::uninit(); 2048];
    let mut entries = rustix::fs::RawDir::new(&dir, &mut buf);
    let mut result = Ok(());
    while let Some(entry) = entries.next() {
        let number = decimal(entry?.file_name().to_bytes()).and_then(|n| i32::try_from(n).ok());
        let Some(pid) = number.and_then(Pid::from_raw) else { continue };
        match stat(proc, pid) {
            Ok(stat) => each(pid, &stat),
            Err(errno) if is_gone(errno) => {}
            Err(errno) => result = Err(errno),
        }
    }
    result
}

/// Whether a process with this `stat` is below `ancestor`.
pub fn descends(proc: &str, stat: &Stat, ancestor: Pid) -> Result<bool, Errno> {
    let mut parent = stat.parent;
    while let Some(pid) = Pid::from_raw(parent)
        && pid != ancestor
    {
        parent = match self::stat(proc, pid) {
            Ok(next) => next.parent,
            Err(errno) if is_gone(errno) => return Ok(false),
            Err(errno) => return Err(errno),
        };
    }
    Ok(parent != 0)
}

/// The path of a file in /proc/PID.
pub fn file(proc: &str, pid: Pid, name: &str) -> Short<64> {
    Short::new(format_args!("{proc}/{}/{name}", i64::from(pid.as_raw_pid())))
}

/// The path of a file in /proc/PID/ns: "net", "mnt", …
pub fn namespace_file(proc: &str, pid: Pid, name: &CStr) -> Short<64> {
    let (pid, name) = (i64::from(pid.as_raw_pid()), name.to_str().unwrap_or(""));
    Short::new(format_args!("{proc}/{pid}/ns/{name}"))
}

/// include/linux/sched.h
const PF_EXITING: u64 = 0x4;

/// The command name, field 2, is the process's own choice and may hold any byte, spaces, parentheses
/// and newlines among them: the fields are counted from the last ')'.
fn parse_stat(text: &[u8]) -> Option<Stat> {
    let after = text.iter().rposition(|&b| b == b')')? + 1;
    let mut fields = split_by(text.get(after..)?, b' ').skip(1);
    let state = *fields.next()?.first()?;
    let parent = i32::try_from(decimal(fields.next()?)?).ok()?;
    let exiting = decimal(fields.nth(4)?)? & PF_EXITING != 0;
    let threads = u32::try_from(decimal(fields.nth(10)?)?).ok()?;
    let start_time = decimal(fields.nth(1)?)?;
    let pending = decimal(fields.nth(8)?)?;
    Some(Stat { state, parent, exiting, threads, start_time, pending })
}

/// Sends signal `n` (0 to 64) to the process that `pid` was at `start_time`. ESRCH: it is gone, and
/// nobody who has its pid now gets the signal.
pub fn signal(pid: Pid, start_time: u64, n: u32) -> Result<(), Errno> {
    let is_it = || match stat("/proc", pid) {
        Ok(stat) if stat.start_time == start_time => Ok(()),
        Ok(_) | Err(Errno::NOENT) => Err(Errno::SRCH),
        Err(errno) => Err(errno),
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        // Looked at once it is held: from here on it can't become another.
        Ok(pidfd) => match is_it().and_then(|()| pidfd_send_signal(pidfd.as_fd(), n)) {
            Err(errno) if is_absent(errno) => kill(pid, n),
            result => result,
        },
        // Before Linux 5.3: the pid must be another's within the next microseconds to be mistaken.
        Err(errno) if is_absent(errno) => is_it().and_then(|()| kill(pid, n)),
        Err(errno) => Err(errno),
    }
}

/// Which file this is, whatever it is called: two paths with the same identity are the same
/// namespace, or the same program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// st_dev.
    pub device: u64,
    /// st_ino.
    pub inode: u64,
}

impl Identity {
    /// Of the file that `path` leads to, links and magic links followed.
    pub fn of(path: &CStr) -> Result<Identity, Errno> {
        statat(CWD, path, AtFlags::empty()).map(Identity::from)
    }
}

impl From<FileStat> for Identity {
    fn from(stat: FileStat) -> Identity {
        Identity { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// The namespace of `pid` that `name` names in /proc/PID/ns ("net", "mnt", …). ENOENT also where
/// the kernel lacks this kind.
pub fn namespace(proc: &str, pid: Pid, name: &CStr) -> Result<Identity, Errno> {
    Identity::of(namespace_file(proc, pid, name).as_cstr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_can_not_forge_the_fields() {
        let text =
            b"7 (a) S 1\n7 (b) R 2) Z 1 7 7 0 -1 4194564 1 0 0 0 1 2 0 0 20 0 1 0 98765 1 2 3 4 5 6 7 8 256 1\n";
        let stat = Stat {
            state: b'Z',
            parent: 1,
            exiting: true,
            threads: 1,
            start_time: 98765,
            pending: 256,
        };
        assert_eq!(parse_stat(text), Some(stat));
        for bad in [&b""[..], b"7 (a", b"7 (a)", b"7 (a) S 1 2", b"7 (a) S 1 7 7 0 -1 4"] {
            assert_eq!(parse_stat(bad), None);
        }
    }

    #[test]
    fn own_stat_and_namespaces_agree_with_themselves() {
        let own = rustix::process::getpid();
        let first = stat("/proc", own).unwrap();
        assert!(b"RS".contains(&first.state));
        assert_eq!(stat("/proc", own).unwrap().start_time, first.start_time);
        let uts = namespace("/proc", own, c"uts").unwrap();
        assert_eq!(uts, Identity::of(c"/proc/self/ns/uts").unwrap());
        assert_ne!(uts, namespace("/proc", own, c"net").unwrap());
        assert_eq!(namespace("/proc", own, c"nonsense"), Err(Errno::NOENT));
    }

    /// Threads have names of their own, and are shown as processes are.
    #[test]
    fn whatever_it_is_called_a_process_is_shown() {
        const NAMES: [&str; 6] = ["a\nb", "a) R 1", "\n\n\n", ")", "x (y\n", "\\n\t "];
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let ended = std::sync::Arc::new(std::sync::Mutex::new(ended));
        for name in NAMES {
            let (tell, ended) = (tell.clone(), ended.clone());
            std::thread::spawn(move || {
                let tid = rustix::thread::gettid();
                std::fs::write(format!("/proc/self/task/{}/comm", tid.as_raw_pid()), name).unwrap();
                tell.send(tid).unwrap();
                let _ = ended.lock().map(|ended| ended.recv());
            });
        }
        for _ in NAMES {
            let tid = told.recv().unwrap();
            let mut found = None;
            assert_eq!(
                all("/proc/self/task", &mut |pid, stat| found =
                    found.or((pid == tid).then_some(*stat))),
                Ok(())
            );
            let found = found.expect("it is not shown");
            assert_eq!(found.parent, rustix::process::getppid().unwrap().as_raw_pid());
        }
        drop(end);
    }

    #[test]
    fn what_can_not_be_read_is_an_error_and_hides_nobody() {
        let dir = std::env::temp_dir().join(format!("nsinit-all-{}", std::process::id()));
        let good = "(x) S 1 7 7 0 -1 0 1 0 0 0 1 2 0 0 20 0 1 0 98765 1 2 3 4 5 6 7 8 256 1";
        for (pid, text) in [(1, good), (2, "(x"), (3, good), (4, "")] {
            std::fs::create_dir_all(dir.join(format!("{pid}"))).unwrap();
            std::fs::write(dir.join(format!("{pid}/stat")), text).unwrap();
        }
        // Ended between the two looks.
        std::fs::create_dir_all(dir.join("5")).unwrap();
        let mut shown = Vec::new();
        let result = all(dir.to_str().unwrap(), &mut |pid, _| shown.push(pid.as_raw_pid()));
        std::fs::remove_dir_all(&dir).unwrap();
        shown.sort();
        assert_eq!((result, shown), (Err(Errno::PROTO), vec![1, 3]));
    }

    #[test]
    fn a_signal_for_the_process_of_another_time_reaches_nobody() {
        let mut child = std::process::Command::new("sleep").arg("300").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        let start = stat("/proc", pid).unwrap().start_time;
        assert_eq!(signal(pid, start + 1, 9), Err(Errno::SRCH));
        assert_eq!(child.try_wait().unwrap(), None);
        assert_eq!(signal(pid, start, 9), Ok(()));
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_signal_for_an_earlier_process_of_this_pid_goes_to_nobody() {
        let mut child = std::process::Command::new("sleep").arg("300").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        let time = stat("/proc", pid).unwrap().start_time;
        assert_eq!(signal(pid, time - 1, 9), Err(Errno::SRCH));
        assert_eq!(signal(pid, time, 0), Ok(()));
        assert!(child.try_wait().unwrap().is_none());
        assert_eq!(signal(pid, time, 9), Ok(()));
        child.wait().unwrap();
        assert_eq!(signal(pid, time, 9), Err(Errno::SRCH));
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        child.wait().unwrap();
        assert_eq!(stat("/proc", pid), Err(Errno::NOENT));
    }
}
