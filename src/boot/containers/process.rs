//! One container's process: begun, heard, let go, asked to end, killed, and what its end means.

use linux_raw_sys::general::SIGKILL;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::Pid;

use super::child::{self, Child};
use super::output::Output;
use super::unit::{BEGAN, ENDED, FORKED, Kind, Record, State, Unit, from_record};
use super::{Phase, Room};
use crate::boot::names::Path;
use crate::boot::{Action, mounts};
use crate::bytes::{Short, number, split_by};
use crate::error::{Context, Error, Result, STATUS_NSINIT, STATUS_SIGNAL};
use crate::init::exit_status;
use crate::plan::service::{OnFailure, Restart};
use crate::proc::process;
use crate::syscall::fd::AsFd;
use crate::syscall::memory::bytes_of;
use crate::syscall::process::{Fork, NewNamespaces, fork};
use crate::syscall::signal::kill;
use crate::syscall::time::boottime;

/// The first pause before a container is started again; each further one is twice as long.
const PAUSE: u64 = 100_000;
/// The longest.
const PAUSE_MAX: u64 = 30_000_000;
/// Whoever has run so long has not failed in a row.
const STEADY: u64 = 10_000_000;
/// A file must be read within this time.
const READING: u64 = 30_000_000;
/// What was killed must be gone within this time, before its launcher is killed, too.
const DYING: u64 = 2_000_000;
/// So often it is killed before a machine that ends goes on without its end: it hangs in the kernel, as with a
/// disk that does not answer.
const KILLS: u32 = 3;
/// A container of onshutdown that says nothing about its time has this.
const LAST: u64 = 60_000_000;

impl Room<'_, '_> {
    /// Asks it to end.
    pub fn stop(&mut self, n: usize) {
        let Some(unit) = self.units.get_mut(n) else { return };
        unit.again = false;
        unit.timed_out = false;
        match (unit.state, unit.pid) {
            (State::BackOff, _) => {
                unit.state = State::Stopped;
                unit.deadline = 0;
            }
            (_, Some(pid)) => {
                // Not told to go yet, it has nothing to end but itself.
                let early = matches!(unit.state, State::Reading | State::Waiting);
                let signal = if early { SIGKILL } else { unit.keep.stop_signal };
                unit.state = State::Stopping;
                unit.deadline = boottime() + u64::from(unit.keep.grace) * 1000;
                unit.kills = 0;
                // Our own unreaped child: it can be signalled.
                let _ = kill(pid, signal);
            }
            _ => {}
        }
    }

    /// It does not end, for this reason. What runs inside is killed first, so that its launcher can clean up;
    /// the launcher where that does not help.
    pub fn kill(&mut self, n: usize, why: &str) {
        let Some(unit) = self.units.get_mut(n) else { return };
        let Some(pid) = unit.pid else { return };
        unit.kills += 1;
        unit.deadline = boottime() + DYING;
        if unit.kills > KILLS && self.phase >= Phase::Stopping {
            unit.pid = None;
            unit.state = State::Failed;
            return self.say_of(n, format_args!("can't be killed; going on without its end"));
        }
        let (first, inside) = (unit.kills == 1, unit.first);
        if first {
            self.say_of(n, format_args!("{why}; killing it"));
        }
        if !(first && kill_inside(pid, inside)) {
            // As above.
            let _ = kill(pid, SIGKILL);
        }
    }

    /// Its launcher does not come back from reading what the container has written: one of its processes
    /// holds the pipe. Only its end lets go of it.
    pub fn held_up(&mut self, n: usize) {
        let Some(unit) = self.units.get_mut(n) else { return };
        if let Some(output) = &mut unit.output {
            output.forget_reading();
        }
        // One that is asked to end has its own time.
        if unit.state != State::Running {
            return;
        }
        unit.state = State::Stopping;
        // It counts as a failure, and not as wished for.
        (unit.timed_out, unit.again, unit.kills) = (true, false, 0);
        self.kill(n, "one of its processes keeps its output from being read");
    }

    /// Begins its process.
    pub fn launch(&mut self, n: usize) {
        let forked = self.fork(n);
        let Some(unit) = self.units.get_mut(n) else { return };
        let now = boottime();
        unit.times = [now, 0, 0];
        unit.status = None;
        unit.timed_out = false;
        match forked {
            Ok((pid, talk)) => {
                unit.pid = Some(pid);
                unit.talk = Some(talk);
                unit.state = State::Reading;
                unit.deadline = now + READING;
            }
            Err(error) => {
                self.say_of(n, format_args!("{error}"));
                self.failed(n, STATUS_NSINIT);
            }
        }
    }

    fn fork(&mut self, n: usize) -> Result<(Pid, OwnedFd)> {
        const DOING: &str = "start it";
        let containers = self.containers();
        let Some(unit) = self.units.get_mut(n) else {
            return Err(Error::errno(DOING, (), Errno::NOENT));
        };
        if unit.output.is_none() {
            unit.output = Some(Output::new().doing("make its pipe", ())?);
        }
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .doing("make its socket", ())?;
        rustix::io::ioctl_fionbio(ours.as_fd(), true).doing("make its socket", ())?;
        match fork(NewNamespaces::empty()).doing(DOING, ())? {
            Fork::Parent(pid) => Ok((pid, ours)),
            Fork::Child => {
                let Some(Unit { name, kind, output: Some(output), .. }) = self.units.get(n) else {
                    crate::syscall::process::exit_group(STATUS_NSINIT)
                };
                child::run(Child {
                    containers,
                    name,
                    kind: *kind,
                    units: self.units,
                    output: output.end(),
                    log: self.log,
                    talk: theirs,
                    plan: self.machine.plan,
                    arena: self.machine.arena,
                })
            }
        }
    }

    /// What its process tells: what its file says, then that the command runs.
    pub fn hear(&mut self, n: usize) {
        let Some(unit) = self.units.get_mut(n) else { return };
        let Some(talk) = &unit.talk else { return };
        let mut record: Record = [0; _];
        let came = rustix::io::read(talk.as_fd(), bytes_of(&mut record));
        match (came, unit.state) {
            (Ok(n), State::Reading) if n == size_of_val(&record) => {
                (unit.after, unit.keep) = from_record(&record);
                unit.state = State::Waiting;
                unit.deadline = 0;
            }
            (Ok(n @ 1..), State::Starting) => {
                unit.first = pid(bytes_of(&mut record).get(..n).unwrap_or(&[]));
                unit.state = State::Running;
                unit.times[BEGAN] = boottime();
                unit.seen = true;
            }
            (Ok(1..), _) | (Err(Errno::AGAIN | Errno::INTR), _) => {}
            // Its end: it goes on without, or has ended.
            _ => unit.talk = None,
        }
    }

    /// Lets it begin.
    pub fn go(&mut self, n: usize) {
        let Some(unit) = self.units.get_mut(n) else { return };
        let own = u64::from(unit.keep.timeout) * 1000;
        let most = if own == 0 && unit.kind == Kind::Onshutdown { LAST } else { own };
        unit.deadline = if most == 0 { 0 } else { boottime() + most };
        unit.state = State::Starting;
        unit.by_hand = false;
        if let Some(talk) = &unit.talk {
            // It fails where it has ended meanwhile, which the next SIGCHLD tells.
            let _ = rustix::io::write(talk.as_fd(), b"g");
        }
    }

    /// It has ended, by what wait4(2) says.
    pub fn ended(&mut self, n: usize, word: u32) {
        let Some(unit) = self.units.get_mut(n) else { return };
        self.sinks.drain(unit);
        (unit.pid, unit.first) = (None, None);
        if let Some(output) = &mut unit.output {
            output.forget_reading();
        }
        unit.talk = None;
        unit.seen = true;
        unit.deadline = 0;
        let status = exit_status(word);
        unit.status = Some(status);
        let state = unit.state;
        unit.times[ENDED] = boottime();
        let timed_out = core::mem::take(&mut unit.timed_out);
        match state {
            State::Stopping if !timed_out => {
                unit.state = State::Stopped;
                if core::mem::take(&mut unit.again) && self.phase < Phase::Stopping {
                    unit.restarts += 1;
                    unit.by_hand = true;
                    self.launch(n);
                }
            }
            // It has said why its file can't be used; the others go on.
            State::Reading => {
                unit.state = State::Failed;
                self.say_of(n, format_args!("not started"));
            }
            _ if status == 0
                && !timed_out
                && (unit.kind != Kind::Service || unit.keep.restart != Restart::Always) =>
            {
                unit.state = State::Ended;
            }
            _ => self.failed(n, status),
        }
    }

    /// It has ended otherwise than it should, or as a service that is always to run.
    fn failed(&mut self, n: usize, status: u8) {
        let Some(unit) = self.units.get_mut(n) else { return };
        let how = match status.checked_sub(STATUS_SIGNAL) {
            Some(signal @ 1..=64) => {
                Short::<64>::new(format_args!("was killed by signal {signal}"))
            }
            _ => Short::new(format_args!("exited with status {status}")),
        };
        let how = how.as_str();
        let began = if unit.times[BEGAN] == 0 { unit.times[FORKED] } else { unit.times[BEGAN] };
        let now = boottime();
        unit.seen = true;
        if now.saturating_sub(began) >= STEADY {
            unit.failures = 0;
        }
        unit.failures += 1;
        let most = unit.keep.restart_max;
        let again = unit.kind == Kind::Service
            && unit.keep.restart != Restart::No
            && (most == 0 || unit.failures <= most)
            && self.phase < Phase::Stopping;
        if again {
            let pause = pause(unit.failures);
            unit.state = State::BackOff;
            unit.deadline = now + pause;
            let pause = pause / 1000;
            return self.say_of(n, format_args!("{how}; restarting in {pause} ms"));
        }
        unit.state = State::Failed;
        let kind = unit.kind;
        let action = unit.keep.on_failure;
        if unit.failures > 1 {
            let restarts = unit.failures - 1;
            self.say_of(n, format_args!("{how}; giving up after {restarts} restarts in a row"));
        } else {
            self.say_of(n, format_args!("{how}; not restarting"));
        }
        // What is to run before the services has had its turn: whoever starts it again hears how it went.
        let past = kind != Kind::Service && self.phase != Phase::Onboot;
        if past || self.phase >= Phase::Stopping {
            return;
        }
        match action {
            OnFailure::Stop if kind == Kind::Onboot => {
                self.hold(format_args!("an onboot container failed: services will not start"));
            }
            OnFailure::Stop | OnFailure::Continue => {}
            OnFailure::Reboot => self.end(Action::Reboot),
            OnFailure::Poweroff => self.end(Action::PowerOff),
            OnFailure::Halt => self.end(Action::Halt),
            OnFailure::Shell => self.end(Action::Shell),
        }
    }
}

/// Microseconds before a start that follows so many failures in a row, of which there is one.
fn pause(failures: u32) -> u64 {
    (PAUSE << (failures - 1).min(16)).min(PAUSE_MAX)
}

/// SIGKILL for the container's first process, a child of `launcher`: `told` by that, or else its oldest child, where the
/// kernel lists them (CONFIG_PROC_CHILDREN); another is there to take the network back if the launcher is
/// killed, too. False where there is none to be found.
fn kill_inside(launcher: Pid, told: Option<Pid>) -> bool {
    let is_child = |pid: &Pid| {
        process::stat("/proc", *pid).is_ok_and(|stat| stat.parent == launcher.as_raw_pid())
    };
    let child = told.filter(is_child).or_else(|| first_child(launcher));
    // It may just have ended.
    child.is_some_and(|child| kill(child, SIGKILL).is_ok())
}

fn first_child(of: Pid) -> Option<Pid> {
    let of = i64::from(of.as_raw_pid());
    let path = Path::new(format_args!("/proc/{of}/task/{of}/children"));
    let mut buf = [0; 512];
    let text = mounts::read(path.as_cstr(), &mut buf).unwrap_or(&[]);
    split_by(text, b' ').next().and_then(pid)
}

/// A process by its number as text.
fn pid(text: &[u8]) -> Option<Pid> {
    let pid = number(text.trim_ascii(), 10)?;
    Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_half_a_minute_and_stay_there() {
        let pauses: Vec<u64> = (1..=11).map(|n| pause(n) / 1000).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
    }
}
