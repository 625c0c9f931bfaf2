//! Signals by number, 1 to 64, realtime ones and their payload included: rt_sigprocmask,
//! rt_sigaction, rt_sigtimedwait, signalfd4, kill, rt_sigqueueinfo.

use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(target_arch = "riscv64"))] // which never had one
use linux_raw_sys::general::SA_RESTORER;
use linux_raw_sys::general::{
    __NR_kill, __NR_pidfd_send_signal, __NR_rt_sigaction, __NR_rt_sigprocmask,
    __NR_rt_sigqueueinfo, __NR_rt_sigtimedwait, __NR_sigaltstack, __NR_signalfd4,
    __kernel_old_timespec as timespec, O_CLOEXEC, O_NONBLOCK, SA_ONSTACK, SA_SIGINFO, SIG_SETMASK,
    SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP,
    SIGTTIN, SIGTTOU, siginfo_t, stack_t,
};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::arch::syscall;
use super::ret;

/// A set of signals, as the kernel has it: bit n-1 is signal n.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct SigSet(u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: SigSet = SigSet(0);
    /// Every signal. The kernel leaves KILL and STOP out by itself.
    pub const ALL: SigSet = SigSet(!0);

    /// This set without signal `n` (1 to 64).
    pub const fn without(self, n: u32) -> SigSet {
        SigSet(self.0 & !(1 << (n - 1)))
    }

    /// This set with signal `n` (1 to 64).
    pub const fn with(self, n: u32) -> SigSet {
        SigSet(self.0 | 1 << (n - 1))
    }

    /// Whether signal `n` (1 to 64) is in it.
    pub const fn has(self, n: u32) -> bool {
        self.0 & 1 << (n - 1) != 0
    }

    /// The bits, and a set from bits: for handing a mask on.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

const SIGSET_SIZE: usize = size_of::<SigSet>();

/// rt_sigprocmask(SIG_SETMASK): blocks exactly `set`, returns what was blocked before.
pub fn sigprocmask(set: SigSet) -> Result<SigSet, Errno> {
    let mut old = SigSet::EMPTY;
    let (set, old_ptr) = (&raw const set as usize, &raw mut old as usize);
    // SAFETY: both point at sets of SIGSET_SIZE bytes.
    ret(unsafe {
        syscall(__NR_rt_sigprocmask, [SIG_SETMASK as usize, set, old_ptr, SIGSET_SIZE, 0, 0])
    })?;
    Ok(old)
}

/// What a signal does. Handlers don't exist in nsinit: it waits for its signals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// SIG_DFL.
    Default,
    /// SIG_IGN.
    Ignore,
}

/// The kernel's struct sigaction: only the handler word matters, all else is zero.
#[repr(C)]
struct Action([usize; 4], [u64; 2]);

/// rt_sigaction(2): sets the disposition of signal `n`, returns the one that it had.
pub fn sigaction(n: u32, disposition: Disposition) -> Result<Disposition, Errno> {
    let new = Action([usize::from(disposition == Disposition::Ignore), 0, 0, 0], [0; 2]);
    let mut old = Action([0; 4], [0; 2]);
    let (new, old_ptr) = (&raw const new as usize, &raw mut old as usize);
    // SAFETY: both are at least as large as the kernel's struct on every architecture, with the
    // handler first; SIG_DFL and SIG_IGN run no code.
    ret(unsafe { syscall(__NR_rt_sigaction, [n as usize, new, old_ptr, SIGSET_SIZE, 0, 0]) })?;
    Ok(if old.0[0] == 1 { Disposition::Ignore } else { Disposition::Default })
}

/// rt_sigaction(2): the disposition of signal `n`.
pub fn disposition(n: u32) -> Result<Disposition, Errno> {
    let mut action = Action([0; 4], [0; 2]);
    let at = &raw mut action as usize;
    // SAFETY: NULL changes nothing; what the kernel writes is no larger, with the handler first.
    ret(unsafe { syscall(__NR_rt_sigaction, [n as usize, 0, at, SIGSET_SIZE, 0, 0]) })?;
    Ok(if action.0[0] == 1 { Disposition::Ignore } else { Disposition::Default })
}

/// What is called for a fault: the signal, and the address that it is about; `None` where a process
/// has sent it.
pub type OnFault = fn(u32, Option<usize>) -> !;

/// The handlers' code, as a number: an atomic has no place for a function.
static ON_FAULT: AtomicUsize = AtomicUsize::new(0);

/// Stack of the fault handlers: the fault may be that of the ordinary one.
const STACK: usize = 32 << 10;

struct Stack(UnsafeCell<[u8; STACK]>);
// SAFETY: only the kernel writes to it, on behalf of the one handler that runs.
unsafe impl Sync for Stack {}
static FAULT_STACK: Stack = Stack(UnsafeCell::new([0; STACK]));

extern "C" fn fault_handler(n: c_int, info: *const siginfo_t, _: usize) {
    // SAFETY: stored below, from an OnFault, before the handler is.
    let handler: OnFault = unsafe { core::mem::transmute(ON_FAULT.load(Ordering::Relaxed)) };
    // SAFETY: with SA_SIGINFO the kernel passes a siginfo_t, and faults have the address in it.
    let info = unsafe { (*info).__bindgen_anon_1.__bindgen_anon_1 };
    // SAFETY: as above; any bytes are an address.
    let address = unsafe { info._sifields._sigfault._addr };
    // Above 0 the kernel made it (sigaction(2), si_code).
    handler(n as u32, (info.si_code > 0).then_some(address as usize))
}

/// sigaltstack(2) and rt_sigaction(2): calls `handler` for the fault signal `n`. It does not return,
/// so that what the fault has interrupted need not be whole.
pub fn on_fault(n: u32, handler: OnFault) -> Result<(), Errno> {
    ON_FAULT.store(handler as usize, Ordering::Relaxed);
    let stack = stack_t { ss_sp: FAULT_STACK.0.get().cast(), ss_flags: 0, ss_size: STACK as _ };
    // SAFETY: a stack_t that names memory which nothing else uses.
    ret(unsafe { syscall(__NR_sigaltstack, [&raw const stack as usize, 0, 0, 0, 0, 0]) })?;
    let entry = fault_handler as *const () as usize;
    // Where the architecture has a restorer it comes third, and the kernel insists on one (x86); it
    // is the address to return to, and nobody returns.
    #[cfg(not(target_arch = "riscv64"))]
    let new = Action([entry, (SA_SIGINFO | SA_ONSTACK | SA_RESTORER) as usize, entry, 0], [0; 2]);
    #[cfg(target_arch = "riscv64")]
    let new = Action([entry, (SA_SIGINFO | SA_ONSTACK) as usize, 0, 0], [0; 2]);
    let new = &raw const new as usize;
    // SAFETY: as large as the kernel's struct, with the mask empty; the handler has the signature
    // that SA_SIGINFO wants and never returns into what it interrupted.
    ret(unsafe { syscall(__NR_rt_sigaction, [n as usize, new, 0, SIGSET_SIZE, 0, 0]) }).map(drop)
}

/// A signal that was received, with its payload.
pub struct SigInfo(siginfo_t);

impl SigInfo {
    /// Its number, 1 to 64.
    pub fn signo(&self) -> u32 {
        // SAFETY: every siginfo_t starts with si_signo; reading integers of a plain union is fine.
        unsafe { self.0.__bindgen_anon_1.__bindgen_anon_1.si_signo as u32 }
    }

    /// si_code: above 0 the kernel made the signal itself, at or below 0 a process sent it.
    pub fn code(&self) -> c_int {
        // SAFETY: as above.
        unsafe { self.0.__bindgen_anon_1.__bindgen_anon_1.si_code }
    }

    /// si_pid: who sent it; anything for the signals that have no sender.
    pub fn sender(&self) -> i32 {
        // SAFETY: as above; the structs of this union are all of integers at this place.
        unsafe { self.0.__bindgen_anon_1.__bindgen_anon_1._sifields._kill._pid }
    }
}

/// rt_sigtimedwait(2): waits for one of `set`, which must be blocked, without an end or for so many
/// milliseconds. EINTR where a signal outside of the set came (a stop and continue, a tracer), EAGAIN
/// where none came in time. Inlined, as `wait_any`.
#[inline(always)]
pub fn sigtimedwait(set: SigSet, timeout: Option<u32>) -> Result<SigInfo, Errno> {
    let timeout = timeout
        .map(|ms| timespec { tv_sec: (ms / 1000) as _, tv_nsec: (ms % 1000 * 1_000_000) as _ });
    let timeout = timeout.as_ref().map_or(0, |timeout| &raw const *timeout as usize);
    // SAFETY: siginfo_t is plain data; all zeroes is a value of it.
    let mut info = SigInfo(unsafe { core::mem::zeroed() });
    let (set, info_ptr) = (&raw const set as usize, &raw mut info as usize);
    // SAFETY: a set of SIGSET_SIZE bytes, a siginfo_t, and NULL or a timespec of this call's words.
    ret(unsafe { syscall(__NR_rt_sigtimedwait, [set, info_ptr, timeout, SIGSET_SIZE, 0, 0]) })?;
    Ok(info)
}

/// kill(2): signal `n`, 0 to 64, to one process.
pub fn kill(pid: Pid, n: u32) -> Result<(), Errno> {
    let pid = pid.as_raw_nonzero().get() as usize;
    // SAFETY: kill takes integers.
    ret(unsafe { syscall(__NR_kill, [pid, n as usize, 0, 0, 0, 0]) }).map(drop)
}

/// pidfd_send_signal(2), Linux 5.1: signal `n`, 0 to 64, to the process that `pidfd` refers to.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, n: u32) -> Result<(), Errno> {
    let pidfd = pidfd.as_raw_fd() as usize;
    // SAFETY: integers, and NULL for "as kill(2) makes it".
    ret(unsafe { syscall(__NR_pidfd_send_signal, [pidfd, n as usize, 0, 0, 0, 0]) }).map(drop)
}

/// kill(2) of the process group that `leader` leads; of the process itself where it does not lead one
/// (yet).
pub fn kill_group(leader: Pid, n: u32) -> Result<(), Errno> {
    match kill_group_only(leader, n) {
        Err(Errno::SRCH) => kill(leader, n),
        result => result,
    }
}

/// kill(2) of the process group that `leader` leads, or led.
pub fn kill_group_only(leader: Pid, n: u32) -> Result<(), Errno> {
    kill_raw(-leader.as_raw_pid(), n)
}

/// kill(2) of the caller's own group, the caller included.
pub fn kill_own_group(n: u32) -> Result<(), Errno> {
    kill_raw(0, n)
}

/// kill(2) of every process that the caller may signal, but process 1 of its PID namespace and itself.
pub fn kill_all(n: u32) -> Result<(), Errno> {
    kill_raw(-1, n)
}

fn kill_raw(to: i32, n: u32) -> Result<(), Errno> {
    // SAFETY: kill takes integers.
    ret(unsafe { syscall(__NR_kill, [to as usize, n as usize, 0, 0, 0, 0]) }).map(drop)
}

/// Passes a received signal on as signal `n` with its payload, to `pid` (rt_sigqueueinfo) or to the
/// group that it leads (pidfd_send_signal, Linux 6.9), or plainly (kill): where the kernel has no
/// such call, and where it lets no one forge the kind, for signals that the kernel or kill(2) made.
pub fn forward(pid: Pid, group: bool, n: u32, info: &SigInfo) -> Result<(), Errno> {
    /// si_code of sigqueue(3).
    const SI_QUEUE: c_int = -1;
    if info.code() == SI_QUEUE && queue(pid, group, n, info).is_ok() {
        return Ok(());
    }
    if group { kill_group(pid, n) } else { kill(pid, n) }
}

#[cold]
fn queue(pid: Pid, group: bool, n: u32, info: &SigInfo) -> Result<(), Errno> {
    /// include/uapi/linux/pidfd.h
    const PIDFD_SIGNAL_PROCESS_GROUP: usize = 1 << 2;
    let mut info = info.0;
    info.__bindgen_anon_1.__bindgen_anon_1.si_signo = n as c_int;
    let (n, info) = (n as usize, &raw const info as usize);
    if group {
        let fd = pidfd_open(pid, PidfdFlags::empty())?;
        let args = [fd.as_raw_fd() as usize, n, info, PIDFD_SIGNAL_PROCESS_GROUP, 0, 0];
        // SAFETY: `info` points at a siginfo_t.
        return ret(unsafe { syscall(__NR_pidfd_send_signal, args) }).map(drop);
    }
    let pid = pid.as_raw_pid() as usize;
    // SAFETY: as above.
    ret(unsafe { syscall(__NR_rt_sigqueueinfo, [pid, n, info, 0, 0, 0]) }).map(drop)
}

/// signalfd4(2): a descriptor, close-on-exec and non-blocking, that becomes readable when one of
/// `set` is pending.
pub fn signalfd(set: SigSet) -> Result<OwnedFd, Errno> {
    let set = &raw const set as usize;
    let flags = (O_CLOEXEC | O_NONBLOCK) as usize; // SFD_* by definition
    // SAFETY: -1 asks for a new descriptor; `set` is SIGSET_SIZE bytes.
    let fd = ret(unsafe { syscall(__NR_signalfd4, [usize::MAX, set, SIGSET_SIZE, flags, 0, 0]) })?;
    // SAFETY: the kernel has just made this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Reads one signal's number from a signalfd; `None` when none is pending.
pub fn read_signalfd(fd: &OwnedFd) -> Result<Option<u32>, Errno> {
    /// sizeof(struct signalfd_siginfo), fixed by the ABI (signalfd(2)).
    const SIZE: usize = 128;
    let mut buf = [0; SIZE];
    match rustix::io::read(fd, &mut buf) {
        // ssi_signo is the first member (signalfd(2)).
        Ok(_) => Ok(Some(u32::from_ne_bytes([buf[0], buf[1], buf[2], buf[3]]))),
        Err(Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// SIGCHLD's number, the one signal that is never passed on.
pub const CHLD: u32 = SIGCHLD;
/// SIGKILL.
pub const KILL: u32 = SIGKILL;
/// SIGTERM.
pub const TERM: u32 = SIGTERM;
/// SIGINT.
pub const INT: u32 = SIGINT;
/// SIGHUP.
pub const HUP: u32 = SIGHUP;
/// SIGQUIT.
pub const QUIT: u32 = SIGQUIT;
/// SIGPIPE.
pub const PIPE: u32 = SIGPIPE;
/// SIGCONT.
pub const CONT: u32 = SIGCONT;
/// SIGSTOP.
pub const STOP: u32 = SIGSTOP;
/// SIGTSTP, the terminal's stop key.
pub const TSTP: u32 = SIGTSTP;
/// SIGTTIN, for reading from the background.
pub const TTIN: u32 = SIGTTIN;
/// SIGTTOU, for writing from the background.
pub const TTOU: u32 = SIGTTOU;
