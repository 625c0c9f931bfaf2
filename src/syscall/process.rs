//! Processes: clone3, execve, exit_group, getcwd, prctl.

use core::ffi::CStr;
use core::sync::atomic::Ordering;

use linux_raw_sys::general::{
    __NR_clone, __NR_clone3, __NR_execve, __NR_execveat, __NR_exit_group, __NR_getcwd,
    __NR_getpgid, __NR_getsid, __NR_prctl, __NR_prlimit64, __NR_ptrace, __NR_wait4, __WALL,
    AT_EMPTY_PATH, CLONE_INTO_CGROUP, CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_VFORK, CLONE_VM,
    SIGCHLD, SIGTRAP, WNOHANG, WUNTRACED, clone_args, rlimit64,
};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use rustix::process::Pid;

use super::arch;
use super::arch::syscall;
use super::cstr::List;
use super::memory::{Words, dont_fork, shared_words};
use super::{is_absent, ret};

bitflags::bitflags! {
    /// Namespaces to make with a new process. It can't say CLONE_VM or CLONE_FILES, so a fork made
    /// with it shares nothing with its parent.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct NewNamespaces: u32 {
        /// Mounts.
        const NEWNS = 0x0002_0000;
        /// cgroup root.
        const NEWCGROUP = 0x0200_0000;
        /// Host and domain name.
        const NEWUTS = 0x0400_0000;
        /// System V IPC, POSIX message queues.
        const NEWIPC = 0x0800_0000;
        /// Users and capabilities.
        const NEWUSER = 0x1000_0000;
        /// Process ids.
        const NEWPID = 0x2000_0000;
        /// Network.
        const NEWNET = 0x4000_0000;
        /// Boot and monotonic clocks.
        const NEWTIME = 0x0000_0080;
    }
}

/// Who goes on after a fork.
pub enum Fork {
    /// The new process.
    Child,
    /// The old one, with the new one's pid.
    Parent(Pid),
}

/// clone3(2), or clone(2) where the kernel has no clone3: a new process with a copy of everything.
/// The child's side must end in `execve` or `exit_group`: it holds copies of the parent's guards.
/// CLONE_NEWTIME needs clone3, or unshare(2) before.
pub fn fork(new: NewNamespaces) -> Result<Fork, Errno> {
    clone(u64::from(new.bits()), 0, 0)
}

/// The same, into the v2 control group that `group` is: the new process is in it from its first
/// instruction. E2BIG or EINVAL before Linux 5.7, ENOSYS before 5.3.
pub fn fork_into(new: NewNamespaces, group: BorrowedFd<'_>) -> Result<Fork, Errno> {
    clone(u64::from(new.bits()) | CLONE_INTO_CGROUP, group.as_raw_fd() as u64, 0)
}

/// A process that is to be forked by a child of the caller, as that child's sibling. The kernel writes
/// its pid into a page that the two share and that nobody else has, the new process least of all: what
/// runs inside of a container can't name another in its place.
pub struct Sibling(&'static Words);

impl Sibling {
    /// None yet. Made before the fork of the child that is to fork it.
    pub fn expected() -> Result<Sibling, Errno> {
        shared_words().map(Sibling)
    }

    /// Its pid as the caller sees it, once it is forked: from then on it is a child of the caller's.
    pub fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.0[0].load(Ordering::Relaxed) as i32)
    }

    /// Forks it (CLONE_PARENT): it is a child of the caller's own parent, which waits for it.
    pub fn fork(self) -> Result<Fork, Errno> {
        dont_fork(self.0)?;
        clone(u64::from(CLONE_PARENT | CLONE_PARENT_SETTID), 0, self.0.as_ptr() as usize)
    }
}

fn clone(flags: u64, cgroup: u64, parent_tid: usize) -> Result<Fork, Errno> {
    let mut args = clone_args {
        flags,
        pidfd: 0,
        child_tid: 0,
        parent_tid: parent_tid as u64,
        // With CLONE_PARENT the kernel takes the caller's own exit signal and wants 0 here.
        exit_signal: if flags & u64::from(CLONE_PARENT) == 0 { u64::from(SIGCHLD) } else { 0 },
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup,
    };
    let args_ptr = &raw mut args as usize;
    // SAFETY: `args` is a valid clone_args that outlives the call. Neither CLONE_VM nor a stack is
    // asked for: the child gets a copy of this address space and goes on here. `parent_tid` is 0, or a
    // word for the kernel to write the pid into.
    let word = unsafe { syscall(__NR_clone3, [args_ptr, size_of::<clone_args>(), 0, 0, 0, 0]) };
    let word = match ret(word) {
        Err(errno) if is_absent(errno) && cgroup == 0 => {
            let flags = (flags | u64::from(SIGCHLD)) as usize;
            // SAFETY: as above; a null stack means "go on with a copy of mine". The order of the arguments
            // behind the third, which differs between architectures, does not matter where they are zero.
            ret(unsafe { syscall(__NR_clone, [flags, 0, parent_tid, 0, 0, 0]) })
        }
        word => word,
    }?;
    Ok(Pid::from_raw(word as i32).map_or(Fork::Child, Fork::Parent))
}

/// vfork(2), by clone(2): a new process runs `child` with `data`, in this one's memory, while this one
/// stands still. It goes on when the new one has executed a program or has ended, and finds what that
/// has written. Nothing is copied, which a fork spends most of its time on.
///
/// `child` must leave no lock taken and nobody in need of a value of its own that was dropped: it may
/// be killed wherever signals are not blocked.
pub fn vfork<T>(child: fn(&mut T) -> !, data: &mut T) -> Result<Pid, Errno> {
    struct Call<'a, T>(fn(&mut T) -> !, &'a mut T);
    extern "C" fn call<T>(at: usize) -> ! {
        // SAFETY: the address below, of a value that nobody else uses while this process does.
        let Call(child, data) = unsafe { &mut *(at as *mut Call<T>) };
        child(data)
    }
    let mut at = Call(child, data);
    let flags = (CLONE_VM | CLONE_VFORK | SIGCHLD) as usize;
    // SAFETY: these flags; `at` outlives the new process's use of this memory.
    let word = unsafe { arch::vfork(__NR_clone, flags, call::<T>, &raw mut at as usize) };
    ret(word).and_then(|pid| Pid::from_raw(pid as i32).ok_or(Errno::INVAL))
}

/// execve(2) of `path`. Returns only if it fails.
pub fn execve(path: &CStr, argv: List, envp: List) -> Errno {
    let lists = [argv.as_ptr() as usize, envp.as_ptr() as usize];
    execute(__NR_execve, [path.as_ptr() as usize, lists[0], lists[1], 0, 0, 0], argv, envp)
}

/// execveat(2) of the file that `fd` refers to (AT_EMPTY_PATH). Returns only if it fails.
pub fn execveat(fd: BorrowedFd<'_>, argv: List, envp: List) -> Errno {
    let (fd, path): (_, &CStr) = (fd.as_raw_fd() as usize, c"");
    let lists = [argv.as_ptr() as usize, envp.as_ptr() as usize];
    let args = [fd, path.as_ptr() as usize, lists[0], lists[1], AT_EMPTY_PATH as usize, 0];
    execute(__NR_execveat, args, argv, envp)
}

/// `args` are those of one of the two calls above.
fn execute(number: u32, args: [usize; 6], argv: List, envp: List) -> Errno {
    if !(matches!(argv.last(), Some(None)) && matches!(envp.last(), Some(None))) {
        return Errno::INVAL;
    }
    // SAFETY: the path is a C string; both lists are checked to end with NULL, and their elements
    // are C strings or NULL by type.
    let word = unsafe { syscall(number, args) };
    ret(word).err().unwrap_or(Errno::INVAL)
}

/// wait4(-1, WNOHANG | __WALL): a child that has ended, or, if asked for (WUNTRACED), was stopped, with
/// its status word; `None` if none has. Inlined, so that PID 1's loop stays in one part of the program.
#[inline(always)]
pub fn wait_any(stopped: bool) -> Result<Option<(Pid, u32)>, Errno> {
    let mut word = 0u32;
    let options = WNOHANG | __WALL | if stopped { WUNTRACED } else { 0 };
    let args = [usize::MAX, &raw mut word as usize, options as usize, 0, 0, 0];
    // SAFETY: the kernel writes one int to `word`; no struct rusage is asked for.
    let pid = unsafe { syscall(__NR_wait4, args) } as isize as i32;
    match Pid::from_raw(pid.max(0)) {
        Some(pid) => Ok(Some((pid, word))),
        None if pid == 0 => Ok(None),
        None => Err(Errno::from_raw_os_error(pid.wrapping_neg())),
    }
}

/// Whether a status word is that of a stop: the process lives on (wait(2), WIFSTOPPED).
pub fn is_stop(word: u32) -> bool {
    word as u8 == 0x7f
}

/// ptrace(PTRACE_DETACH): lets go of a child that has stopped with this status word because the caller
/// traces it; it gets the signal that has stopped it, but not the SIGTRAP that an execve is announced by.
pub fn let_go(pid: Pid, word: u32) -> Result<(), Errno> {
    /// include/uapi/linux/ptrace.h
    const PTRACE_DETACH: usize = 17;
    let signal = (word >> 8) & 0xff;
    let signal = if signal == SIGTRAP { 0 } else { signal } as usize;
    let pid = pid.as_raw_pid() as usize;
    // SAFETY: this request takes integers alone.
    ret(unsafe { syscall(__NR_ptrace, [PTRACE_DETACH, pid, 0, signal, 0, 0]) }).map(drop)
}

/// getpgid(2) of the caller; `None` where the group is outside of its PID namespace.
pub fn getpgrp() -> Option<Pid> {
    // SAFETY: it takes an integer.
    Pid::from_raw(unsafe { syscall(__NR_getpgid, [0; 6]) } as i32)
}

/// Whether the caller leads its session (getsid(2)).
pub fn leads_session() -> bool {
    // SAFETY: it takes an integer.
    let session = unsafe { syscall(__NR_getsid, [0; 6]) } as i32;
    session == rustix::process::getpid().as_raw_pid()
}

/// exit_group(2).
pub fn exit_group(status: u8) -> ! {
    loop {
        // SAFETY: it takes an integer and does not return; the loop is for the type.
        unsafe { syscall(__NR_exit_group, [usize::from(status), 0, 0, 0, 0, 0]) };
    }
}

/// getcwd(2): the working directory. "(unreachable)…" where it lies outside the root.
pub fn getcwd(buf: &mut [u8]) -> Result<&CStr, Errno> {
    // SAFETY: the kernel writes at most buf.len() bytes.
    let len =
        ret(unsafe { syscall(__NR_getcwd, [buf.as_mut_ptr() as usize, buf.len(), 0, 0, 0, 0]) })?;
    CStr::from_bytes_with_nul(buf.get(..len).ok_or(Errno::RANGE)?).map_err(|_| Errno::RANGE)
}

/// prctl(2) calls that take plain numbers.
///
/// rustix has most of them, but only for the capabilities that it can name; these take every bit
/// that the kernel has.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Prctl {
    /// PR_SET_PDEATHSIG: this signal when the parent dies. Cleared by a change of user.
    SetPdeathsig = 1,
    /// PR_SET_DUMPABLE: 0 gives /proc/PID to root and asks CAP_SYS_PTRACE of every tracer.
    SetDumpable = 4,
    /// PR_CAPBSET_READ: 1 if the capability is in the bounding set, EINVAL if the kernel lacks it.
    CapbsetRead = 23,
    /// PR_CAPBSET_DROP.
    CapbsetDrop = 24,
    /// PR_SET_CHILD_SUBREAPER: 1: orphaned descendants become children of the caller.
    SetChildSubreaper = 36,
    /// PR_SET_NO_NEW_PRIVS: 1; there is no way back.
    SetNoNewPrivs = 38,
}

/// prctl(2) of one of those.
pub fn prctl(option: Prctl, value: u32) -> Result<usize, Errno> {
    // SAFETY: none of these options takes a pointer.
    ret(unsafe { syscall(__NR_prctl, [option as usize, value as usize, 0, 0, 0, 0]) })
}

/// prlimit64(2) of the calling process: sets resource `resource` (RLIMIT_*) to these limits; all
/// ones is RLIM64_INFINITY.
pub fn setrlimit(resource: u32, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = rlimit64 { rlim_cur: soft, rlim_max: hard };
    let limit = &raw const limit as usize;
    // SAFETY: `limit` points at a struct rlimit64; NULL asks for no old value.
    ret(unsafe { syscall(__NR_prlimit64, [0, resource as usize, limit, 0, 0, 0]) }).map(drop)
}

/// prlimit64(2) of the calling process: the hard limit of `resource`.
pub fn highest(resource: u32) -> Result<u64, Errno> {
    let mut limit = rlimit64 { rlim_cur: 0, rlim_max: 0 };
    let at = &raw mut limit as usize;
    // SAFETY: NULL sets nothing; the kernel writes a struct rlimit64 to `limit`.
    ret(unsafe { syscall(__NR_prlimit64, [0, resource as usize, 0, at, 0, 0]) })?;
    Ok(limit.rlim_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vfork_shares_memory_and_its_caller_waits() {
        fn child(seen: &mut (i32, u32)) -> ! {
            std::thread::sleep(std::time::Duration::from_millis(20));
            seen.0 = rustix::process::getpid().as_raw_pid();
            exit_group(3)
        }
        let mut seen = (0, 7);
        let pid = vfork(child, &mut seen).unwrap();
        assert_eq!(seen, (pid.as_raw_pid(), 7));
        let mut status = 0;
        // SAFETY: a child of this process, and room for one status.
        assert_eq!(unsafe { libc::waitpid(seen.0, &mut status, 0) }, seen.0);
        assert_eq!(libc::WEXITSTATUS(status), 3);
    }
}
