//! A container as the machine's PID 1 keeps it: what it is, how it is, when it became so.

use core::ffi::CStr;
use core::fmt;

use rustix::fd::OwnedFd;
use rustix::process::Pid;

use super::output::Output;
use crate::bytes::Names;
use crate::plan::service::{Keep, OnFailure, Restart};

/// Most containers of all kinds together. A set of them is a word of as many bits.
pub const UNITS: usize = 64;

/// What a container is there for, in the order of a machine's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub enum Kind {
    /// Runs once, before the services, and must end with 0.
    Onboot,
    /// Runs as long as the machine.
    Service,
    /// Runs once, when the services have ended.
    Onshutdown,
}

impl Kind {
    /// In the order of a machine's life.
    pub const ALL: [Kind; 3] = [Kind::Onboot, Kind::Service, Kind::Onshutdown];

    /// The name of its directory.
    pub fn dir(self) -> &'static str {
        match self {
            Kind::Onboot => "onboot",
            Kind::Service => "services",
            Kind::Onshutdown => "onshutdown",
        }
    }
}

/// How a container is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Its turn has not come.
    Idle,
    /// Its process reads container.json.
    Reading,
    /// It waits for those that it is `after`.
    Waiting,
    /// Its process builds it.
    Starting,
    /// The command runs.
    Running,
    /// It has ended, and is started again at its deadline.
    BackOff,
    /// It was asked to end; at its deadline it is killed.
    Stopping,
    /// It has ended as it should.
    Ended,
    /// It has ended as somebody asked it to.
    Stopped,
    /// It could not be started, or has failed for good.
    Failed,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        let names =
            Names("idle waiting waiting starting running back-off stopping ended stopped failed");
        names.at(self as usize).unwrap_or("")
    }

    /// Whether nothing more is to come of it unasked.
    pub fn is_over(self) -> bool {
        matches!(self, State::Ended | State::Stopped | State::Failed)
    }
}

/// A set of containers by their number in the table.
pub type Set = u64;

/// What a file says about keeping its container, as it crosses the socket from the process that has
/// read it.
pub type Record = [u32; 10];

const RESTARTS: [Restart; 3] = [Restart::No, Restart::OnFailure, Restart::Always];
const FAILURES: [OnFailure; 6] = [
    OnFailure::Stop,
    OnFailure::Continue,
    OnFailure::Reboot,
    OnFailure::Poweroff,
    OnFailure::Halt,
    OnFailure::Shell,
];

/// As words.
pub fn record(after: Set, keep: &Keep) -> Record {
    [
        after as u32,
        (after >> 32) as u32,
        keep.restart as u32,
        keep.restart_max,
        keep.on_failure as u32,
        keep.stop_signal,
        keep.grace,
        keep.timeout,
        keep.log,
        keep.log_size,
    ]
}

/// From words; what they can't mean is what a file says that says nothing.
pub fn from_record(record: &Record) -> (Set, Keep) {
    let [low, high, restart, restart_max, failure, stop_signal, grace, timeout, log, log_size] =
        *record;
    let keep = Keep {
        restart: RESTARTS.get(restart as usize).copied().unwrap_or(Restart::OnFailure),
        restart_max,
        on_failure: FAILURES.get(failure as usize).copied().unwrap_or(OnFailure::Stop),
        stop_signal,
        grace,
        timeout,
        log,
        log_size,
    };
    (u64::from(high) << 32 | u64::from(low), keep)
}

/// One container. What is small comes first: near the beginning it is reached by short instructions.
#[repr(C)]
pub struct Unit {
    /// The name of its directory, of which state.json, log file and socket have theirs.
    pub name: &'static CStr,
    /// What it is there for.
    pub kind: Kind,
    /// How it is.
    pub state: State,
    /// Those that begin before it.
    pub after: Set,
    /// What its file says; the last one that could be read.
    pub keep: Keep,
    /// Its launcher, PID 1's child.
    pub pid: Option<Pid>,
    /// The first process of the container, a child of its launcher, once its command has begun.
    pub first: Option<Pid>,
    /// To its launcher: the settings come up, "go" goes down, and it ends when the command runs.
    pub talk: Option<OwnedFd>,
    /// When something is to be done about it, in microseconds since boot; 0 is never.
    pub deadline: u64,
    /// So often it has failed in a row.
    pub failures: u32,
    /// So often it was started again.
    pub restarts: u32,
    /// How it ended the last time.
    pub status: Option<u8>,
    /// Start it again once it has ended.
    pub again: bool,
    /// Somebody has asked for its start, or it has run before: it waits for no other.
    pub by_hand: bool,
    /// It was stopped because it took too long.
    pub timed_out: bool,
    /// So often it was killed, as it did not end.
    pub kills: u32,
    /// Microseconds since boot: its process began, its command began, it ended.
    pub times: [u64; 3],
    /// It has begun, or failed to: whoever waits for it need not wait longer.
    pub seen: bool,
    /// What it says.
    pub output: Option<Output>,
}

/// Members of `Unit::times`.
pub const FORKED: usize = 0;
/// The same.
pub const BEGAN: usize = 1;
/// The same.
pub const ENDED: usize = 2;

impl Unit {
    /// One that has not been looked at.
    pub fn new(name: &'static CStr, kind: Kind) -> Unit {
        Unit {
            name,
            kind,
            state: State::Idle,
            after: 0,
            keep: Keep::DEFAULT,
            pid: None,
            first: None,
            output: None,
            talk: None,
            deadline: 0,
            failures: 0,
            restarts: 0,
            status: None,
            again: false,
            by_hand: false,
            timed_out: false,
            kills: 0,
            times: [0; 3],
            seen: false,
        }
    }

    /// Its name as text.
    pub fn label(&self) -> &'static str {
        self.name.to_str().unwrap_or("?")
    }
}

/// All of the set `of` that number `n` waits for, by way of others of it perhaps.
#[inline(never)]
fn before(units: &[Unit], of: Set, n: usize) -> Set {
    let mut before = 0;
    loop {
        let mut more = 0;
        for (m, unit) in units.iter().enumerate() {
            if (before | 1 << n) >> m & 1 != 0 {
                more |= unit.after & of;
            }
        }
        if more == before {
            return before;
        }
        before = more;
    }
}

/// Those of the set `of` that wait for themselves. Who waits for one of them is not meant.
pub fn in_cycles(units: &[Unit], of: Set) -> Set {
    let cycles = (0..units.len()).filter(|n| before(units, of, *n) >> n & 1 != 0);
    cycles.fold(0, |set, n| set | 1 << n)
}

/// The one of them to begin with: of several cycles it is in one that waits for no other.
pub fn first_of_cycles(units: &[Unit], of: Set) -> Option<usize> {
    let cycles = in_cycles(units, of);
    let mut first = (cycles != 0).then_some(cycles.trailing_zeros() as usize)?;
    for n in 0..units.len() {
        let other = cycles >> n & 1 != 0 && before(units, of, first) >> n & 1 != 0;
        if other && before(units, of, n) >> first & 1 == 0 {
            first = n;
        }
    }
    Some(first)
}

/// The cycle that number `n` of the set `of` is in: all that it waits for and that wait for it.
pub fn cycle_of(units: &[Unit], of: Set, n: usize) -> Set {
    let others = before(units, of, n);
    let leads_back = |m: &usize| others >> m & 1 != 0 && before(units, of, *m) >> n & 1 != 0;
    (0..units.len()).filter(leads_back).fold(0, |set, m| set | 1 << m)
}

/// The names of a set, with commas.
pub struct Labels<'a>(pub &'a [Unit], pub Set);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut comma = "";
        for (_, unit) in self.0.iter().enumerate().filter(|(n, _)| self.1 >> n & 1 != 0) {
            write!(f, "{comma}{}", unit.label())?;
            comma = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_cycle_is_not_in_it() {
        let units = [0b10, 0b100, 0b10, 0, 0b10000].map(|after| {
            let mut unit = Unit::new(c"name", Kind::Service);
            unit.after = after;
            unit
        });
        assert_eq!(in_cycles(&units, Set::MAX), 0b10110);
        assert_eq!(in_cycles(&units, 0b01011), 0);
        assert_eq!(first_of_cycles(&units, Set::MAX), Some(1));
        assert_eq!(first_of_cycles(&units, 0b01011), None);
        assert_eq!(cycle_of(&units, Set::MAX, 1), 0b00110);
        assert_eq!(cycle_of(&units, Set::MAX, 0), 0);
        assert_eq!(Labels(&units, 0b00110).to_string(), "name, name");
    }

    #[test]
    fn of_two_cycles_that_is_first_which_waits_for_no_other() {
        // 0 and 1 wait for each other, 1 for 4, too, which is after 3; 2 is after 3, and 3 after 2.
        let units = [0b10, 0b10001, 0b1000, 0b100, 0b1000].map(|after| {
            let mut unit = Unit::new(c"name", Kind::Service);
            unit.after = after;
            unit
        });
        assert_eq!(in_cycles(&units, Set::MAX), 0b1111);
        assert_eq!(first_of_cycles(&units, Set::MAX), Some(2));
    }

    #[test]
    fn a_record_means_what_was_said() {
        let keep = Keep {
            restart: Restart::Always,
            on_failure: OnFailure::Shell,
            restart_max: 1,
            stop_signal: 2,
            grace: 3,
            timeout: 4,
            log: 5,
            log_size: 6,
        };
        let (after, read) = from_record(&record(1 << 63 | 5, &keep));
        assert_eq!(after, 1 << 63 | 5);
        assert_eq!(format!("{read:?}"), format!("{keep:?}"));
        let (_, none) = from_record(&[u32::MAX; 10]);
        assert_eq!((none.restart, none.on_failure), (Restart::OnFailure, OnFailure::Stop));
    }
}
