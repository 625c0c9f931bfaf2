//! What a booted machine does with a container: when it starts it, again and again perhaps, how it
//! stops it, where its output goes.

use core::ffi::CStr;

use heapless::Vec;

use super::FEW;

/// How the container is kept.
#[derive(Debug)]
#[repr(C)] // what is small first: it is reached by shorter instructions
pub struct Service {
    /// The rest.
    pub keep: Keep,
    /// A writable layer over its root: "tmpfs", or a directory of a disk.
    pub overlay: Option<&'static CStr>,
    /// Size of a tmpfs layer, in the kernel's words.
    pub overlay_size: Option<&'static CStr>,
    /// Those of its kind that begin before it.
    pub after: Vec<&'static CStr, FEW>,
}

/// What the machine's PID 1 has to know.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Whether it is started again when it has ended.
    pub restart: Restart,
    /// So often in a row before nsinit gives up; 0 is no end.
    pub restart_max: u32,
    /// What a container that has failed for good means for the machine.
    pub on_failure: OnFailure,
    /// The signal that asks it to end, 1 to 64.
    pub stop_signal: u32,
    /// So long it may take to end then, in milliseconds.
    pub grace: u32,
    /// So long it may run at all, in milliseconds; 0 is no end.
    pub timeout: u32,
    /// Where its output goes: bits of `LOG_*`.
    pub log: u32,
    /// Largest log file in bytes, the one before it not counted.
    pub log_size: u32,
}

/// The machine's console.
pub const LOG_CONSOLE: u32 = 1;
/// The kernel's log.
pub const LOG_KMSG: u32 = 2;
/// A file of its own, which `nsinit logs` shows.
pub const LOG_FILE: u32 = 4;

/// When a container is started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restart {
    /// Never.
    No,
    /// When it ended with another status than 0.
    OnFailure,
    /// Whenever it ended.
    Always,
}

/// What follows when a container of onboot does not end with 0, or one of services has been started
/// again as often as it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// onboot: nothing further is started. services: the others go on.
    Stop,
    /// The others go on.
    Continue,
    /// The machine starts anew.
    Reboot,
    /// The machine goes off.
    Poweroff,
    /// The machine stops.
    Halt,
    /// A rescue shell.
    Shell,
}

impl Service {
    /// One that says nothing of it.
    // Inlined for the same reason as `Plan::new`; as a constant it would be a kilobyte of zeros to copy.
    #[inline(always)]
    pub(super) const fn new() -> Service {
        Service { after: Vec::new(), overlay: None, overlay_size: None, keep: Keep::DEFAULT }
    }
}

impl Keep {
    /// The same.
    pub const DEFAULT: Keep = Keep {
        restart: Restart::OnFailure,
        restart_max: 0,
        on_failure: OnFailure::Stop,
        stop_signal: linux_raw_sys::general::SIGTERM,
        grace: 5_000,
        timeout: 0,
        log: LOG_CONSOLE | LOG_FILE,
        log_size: 64 << 10,
    };
}
