//! A process of the host for which no other can be taken, and how long it lives.

use linux_raw_sys::general::SIGKILL;
use rustix::fs::{fstat, fstatfs};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Context, Error, Result};
use crate::proc::lines::decimal;
use crate::proc::process::stat;
use crate::state::State;
use crate::syscall::is_absent;
use crate::syscall::time::sleep;

/// Where the host's processes are.
pub const PROC: &str = "/proc";

/// A process, as the host sees it, for which no other can be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its pid.
    pub pid: Pid,
    /// Its start time, as this process reads it: with the pid it names one process for ever.
    pub start_time: u64,
}

/// How far it is.
#[derive(PartialEq, Eq)]
pub enum Life {
    /// It runs, and will go on.
    Runs,
    /// It has its SIGKILL, which waits where it is frozen; or it is in exit, where it loses its
    /// namespaces long before it is a zombie, as PID 1 waits for all others there (do_exit in
    /// kernel/exit.c).
    Ending,
    /// It is a zombie, or not there.
    Gone,
}

impl Process {
    /// That which has this pid now.
    pub fn by_pid(pid: Pid) -> Result<Process> {
        let start_time = stat(PROC, pid).doing("look at process", pid)?.start_time;
        Ok(Process { pid, start_time })
    }

    /// That which `state` names, a zombie too; `None` if this process can't see it. In another time
    /// namespace than the writer's it has another start time, but the same pidfd.
    pub fn named(state: &State) -> Result<Option<Process>> {
        let (Some(pid), Some(written)) = (state.pid(), decimal(state.init_start_time.as_bytes()))
        else {
            return Ok(None);
        };
        let start_time = match stat(PROC, pid) {
            Ok(stat) => stat.start_time,
            Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(errno).doing("look at process", pid),
        };
        let process = Process { pid, start_time };
        if start_time == written {
            return Ok(Some(process));
        }
        let inode = decimal(state.init_pidfd_inode.as_bytes());
        Ok((inode.is_some() && process.pidfd_inode()? == inode).then_some(process))
    }

    /// The inode of its pidfds, which no other process has until the next boot, and which is the same for
    /// whoever looks. `None` before Linux 6.9, where all pidfds share one inode.
    pub fn pidfd_inode(self) -> Result<Option<u64>> {
        /// include/uapi/linux/magic.h
        const PID_FS_MAGIC: u32 = 0x5049_4446;
        let pidfd = match pidfd_open(self.pid, PidfdFlags::empty()) {
            Err(errno) if is_absent(errno) => return Ok(None),
            // It was reaped a moment ago.
            Err(Errno::SRCH) => return Ok(None),
            pidfd => pidfd.doing("open process", self.pid)?,
        };
        if fstatfs(&pidfd).doing("look at process", self.pid)?.f_type as u32 != PID_FS_MAGIC {
            return Ok(None);
        }
        Ok(Some(fstat(&pidfd).doing("look at process", self.pid)?.st_ino))
    }

    /// Whether it is there, and will go on.
    pub fn is_alive(self) -> Result<bool> {
        Ok(self.life()? == Life::Runs)
    }

    /// An error is no answer: taken for "gone", it would have a running container cleaned away.
    pub fn life(self) -> Result<Life> {
        const KILLED: u64 = 1 << (SIGKILL - 1);
        match stat(PROC, self.pid) {
            Ok(stat) if stat.start_time != self.start_time || b"ZX".contains(&stat.state) => {
                Ok(Life::Gone)
            }
            Ok(stat) if stat.exiting || stat.pending & KILLED != 0 => Ok(Life::Ending),
            Ok(_) => Ok(Life::Runs),
            Err(Errno::NOENT | Errno::SRCH) => Ok(Life::Gone),
            Err(errno) => Err(errno).doing("look at process", self.pid),
        }
    }

    /// Waits for a process that is about to end.
    pub fn await_end(self) -> Result<()> {
        const ROUNDS: u32 = 10_000;
        for _ in 0..ROUNDS {
            if self.life()? == Life::Gone {
                return Ok(());
            }
            sleep(1_000_000);
        }
        let why = "it has been ending for ten seconds";
        Err(Error::refused("wait for the end of process", self.pid, why))
    }

    /// Waits for its end, however long it lives on. An error is no answer.
    pub fn outlive(self) {
        let mut pause = 1_000_000;
        while !matches!(self.life(), Ok(Life::Gone)) {
            sleep(pause);
            pause = (pause * 2).min(64_000_000);
        }
    }
}
