//! /proc/PID/status (proc_pid_status(5)): what `ps` wants to know of a process.

use rustix::io::Errno;
use rustix::process::Pid;

use super::lines::decimal;
use super::process::lines;
use crate::bytes::split_by;

/// Levels of PID namespaces (MAX_PID_NS_LEVEL in include/linux/pid_namespace.h), and the first.
const LEVELS: usize = 33;
/// Longest name of a process, escapes included (TASK_COMM_LEN in include/linux/sched.h, times four).
const NAME: usize = 64;

/// A process, or what is left of one, as far as `stat` does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The name that it gave itself, as the kernel escapes it.
    pub name: heapless::Vec<u8, NAME>,
    /// Effective user id.
    pub uid: u32,
    /// Its pid in the reader's PID namespace, then in each below that down to its own.
    pub pids: heapless::Vec<u32, LEVELS>,
}

/// Reads it below `proc` ("/proc"). ENOENT or ESRCH: no such process.
pub fn status(proc: &str, pid: Pid) -> Result<Status, Errno> {
    let (name, pids) = (heapless::Vec::new(), heapless::Vec::new());
    let mut status = Status { name, uid: 0, pids };
    // The line of a process's groups may be longer than the buffer.
    lines(proc, pid, "status", &mut [0; 2048], &mut |line| {
        status.line(line);
        true
    })?;
    Ok(status)
}

impl Status {
    fn line(&mut self, line: &[u8]) {
        let mut fields = split_by(line, b'\t');
        let key = fields.next().unwrap_or(b"");
        let mut number = || decimal(fields.next()?.trim_ascii())?.try_into().ok();
        if key == b"Name:" {
            let name = line.get(key.len() + 1..).unwrap_or(b"");
            // The kernel writes no longer one.
            let _ = self.name.extend_from_slice(name);
        } else if key == b"Uid:" {
            // Real, effective, …
            self.uid = (number(), number()).1.unwrap_or(u32::MAX);
        } else if key == b"NSpid:" {
            while let Some(pid) = number() {
                // There are no more levels.
                let _ = self.pids.push(pid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_process_in_two_namespaces() {
        let dir = std::env::temp_dir().join(format!("nsinit-status-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("7")).unwrap();
        let text = format!(
            "Name:\ta\tb\nState:\tZ (zombie)\nTgid:\t7\nPid:\t7\nPPid:\t5\nTracerPid:\t3\n\
            Uid:\t1\t2\t3\t4\nGroups:\t{}\nNStgid:\t7\t2\nNSpid:\t7\t2\nThreads:\t4\n",
            "1 ".repeat(5000)
        );
        std::fs::write(dir.join("7/status"), text).unwrap();
        let got = status(dir.to_str().unwrap(), Pid::from_raw(7).unwrap()).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!((got.name.as_slice(), got.uid), (&b"a\tb"[..], 2));
        assert_eq!(got.pids, [7, 2]);
    }

    #[test]
    fn own_status_agrees_with_the_calls() {
        let own = rustix::process::getpid();
        let got = status("/proc", own).unwrap();
        assert_eq!(got.uid, rustix::process::geteuid().as_raw());
        assert_eq!(got.pids.first(), Some(&(own.as_raw_pid() as u32)));
    }
}
