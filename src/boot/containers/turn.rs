//! What is next: which container is started, which is asked to end, when the machine ends. What is then
//! done to one is in `process`.

use super::output::Output;
use super::unit::{BEGAN, Kind, Labels, Set, State, Unit, cycle_of, first_of_cycles};
use super::{Phase, Room};
use crate::boot::Action;
use crate::boot::rescue::{self, SHELL};
use crate::bytes::Short;
use crate::syscall::time::{boottime, monotonic};

/// Most bytes of names in a message.
const MESSAGE: usize = 256;
/// A shell that ended sooner can't be had.
const SHELL_MIN: u64 = 1_000_000;

impl Room<'_, '_> {
    /// Does what is due, until there is nothing more; how the machine ends, when it does.
    pub fn turn(&mut self) -> Option<Action> {
        self.deadlines();
        self.begin_asked();
        loop {
            let progress = match self.phase {
                Phase::Onboot => self.one_by_one(Kind::Onboot, Phase::Services),
                Phase::Services => self.services(),
                Phase::Held => false,
                Phase::Stopping => self.stopping(),
                Phase::Onshutdown => {
                    if self.over(Kind::Onshutdown) {
                        return Some(self.action);
                    }
                    self.one_by_one(Kind::Onshutdown, Phase::Onshutdown)
                }
            };
            if !progress {
                return None;
            }
        }
    }

    /// Those that wait for no other, in whatever phase.
    fn begin_asked(&mut self) {
        for n in 0..self.units.len() {
            let begins = |unit: &Unit| unit.by_hand && unit.state == State::Waiting;
            if self.units.get(n).is_some_and(begins) {
                self.go(n);
            }
        }
    }

    fn over(&self, kind: Kind) -> bool {
        self.units.iter().filter(|unit| unit.kind == kind).all(|unit| unit.state.is_over())
    }

    fn deadlines(&mut self) {
        let now = boottime();
        for n in 0..self.units.len() {
            let Some(unit) = self.units.get_mut(n) else { return };
            if unit
                .output
                .as_ref()
                .and_then(Output::overdue)
                .is_some_and(|overdue| overdue <= monotonic())
            {
                self.held_up(n);
                continue;
            }
            if unit.deadline == 0 || unit.deadline > now {
                continue;
            }
            unit.deadline = 0;
            match unit.state {
                State::BackOff => {
                    unit.restarts += 1;
                    // It has begun before.
                    unit.by_hand = true;
                    self.launch(n);
                }
                State::Stopping => self.kill(n, "did not stop in time"),
                State::Reading | State::Starting | State::Running => {
                    self.say_of(n, format_args!("exceeded its timeout; stopping it"));
                    self.stop(n);
                    // It counts as a failure, and not as wished for.
                    if let Some(unit) = self.units.get_mut(n) {
                        unit.timed_out = true;
                    }
                }
                _ => {}
            }
        }
    }

    /// The next of its kind; with the last one over, the next phase.
    fn one_by_one(&mut self, kind: Kind, next: Phase) -> bool {
        let of_kind = |unit: &Unit| unit.kind == kind && !unit.state.is_over();
        let Some(n) = self.units.iter().position(of_kind) else {
            let moved = self.phase != next;
            self.phase = next;
            return moved;
        };
        match self.units.get(n).map(|unit| unit.state) {
            Some(State::Idle) => self.launch(n),
            Some(State::Waiting) => self.go(n),
            _ => return false,
        }
        true
    }

    /// All side by side, but each after those that it names.
    fn services(&mut self) -> bool {
        let mut progress = false;
        for n in 0..self.units.len() {
            if self.units.get(n).is_some_and(|u| u.kind == Kind::Service && u.state == State::Idle)
            {
                self.launch(n);
                progress = true;
            }
        }
        let seen = self.set(|unit| unit.seen);
        let waiting = self.set(|unit| unit.kind == Kind::Service && unit.state == State::Waiting);
        for n in 0..self.units.len() {
            let ready = |unit: &Unit| unit.after & !seen == 0;
            if waiting & 1 << n != 0 && self.units.get(n).is_some_and(ready) {
                self.go(n);
                progress = true;
            }
        }
        let moves = |unit: &Unit| matches!(unit.state, State::Reading | State::Starting);
        if !progress
            && self.set(moves) == 0
            && let Some(n) = first_of_cycles(self.units, waiting)
        {
            let mut text = Short::<MESSAGE>::default();
            // It is cut where there are many.
            text.push(format_args!("{}", Labels(self.units, cycle_of(self.units, waiting, n))));
            let cycle = text.as_str();
            self.say_of(
                n,
                format_args!("dependency cycle in \"after\": {cycle}; starting it anyway"),
            );
            self.go(n);
            return true;
        }
        if !progress && self.over(Kind::Service) {
            return self.idle();
        }
        progress
    }

    /// Nothing is left to run. Where nothing ever ran, something is wrong: the machine stays up for
    /// somebody to look at it.
    fn idle(&mut self) -> bool {
        let idle = self.machine.cmdline.idle;
        let ran = self.units.iter().any(|unit| unit.state == State::Ended);
        let by_hand = self.units.iter().any(|unit| unit.state == State::Stopped);
        if by_hand {
            return false;
        }
        self.phase = Phase::Held;
        match (ran, idle) {
            (false, _) => self.hold(format_args!("no container could be started")),
            (true, Action::Shell) => self.shell(),
            (true, Action::Stay) => self.say(format_args!("nothing left to run; staying up")),
            (true, action) => self.end(action),
        }
        true
    }

    /// Stays up, and offers a shell.
    pub fn hold(&mut self, why: core::fmt::Arguments) {
        self.say(format_args!("{why}; the machine stays up"));
        self.phase = Phase::Held;
        if self.machine.is_real {
            self.shell();
        }
    }

    /// A shell on the console, side by side with everything else. Two would take each other's input.
    pub fn shell(&mut self) {
        if self.shell.is_some() {
            return;
        }
        let shell = self.machine.cmdline.shell.unwrap_or(SHELL);
        match rescue::start(shell, self.machine.consoles.terminal()) {
            Ok(pid) => {
                self.say(format_args!("rescue shell on the console; type exit to leave it"));
                self.shell = Some((pid, boottime()));
            }
            Err(error) => self.say(format_args!("{error}")),
        }
    }

    /// A shell that was left gives way to another; one that can't be does not.
    pub fn shell_ended(&mut self, began: u64) {
        self.shell = None;
        if self.phase == Phase::Held && boottime().saturating_sub(began) > SHELL_MIN {
            self.shell();
        }
    }

    /// The machine is to end so.
    pub fn end(&mut self, action: Action) {
        self.action = action;
        if !matches!(self.phase, Phase::Stopping | Phase::Onshutdown) {
            self.phase = Phase::Stopping;
            if self.units.iter().any(|unit| unit.pid.is_some()) {
                self.say(format_args!("shutdown requested: stopping containers"));
            }
        }
    }

    /// Whoever runs is asked to end, the last that began first, and who is after another not together
    /// with that other but before it.
    fn stopping(&mut self) -> bool {
        let (mut alive, mut asked, mut needed) = (0, 0, 0);
        for (n, unit) in self.units.iter_mut().enumerate() {
            if unit.pid.is_some() {
                alive |= 1 << n;
                asked |= u64::from(unit.state == State::Stopping) << n;
                needed |= unit.after;
            } else if unit.kind == Kind::Onshutdown {
                // Whether somebody has started it before or not: its turn comes now.
                unit.state = State::Idle;
            } else if unit.state == State::BackOff {
                unit.state = State::Ended;
            }
        }
        if alive == 0 {
            self.phase = Phase::Onshutdown;
            return true;
        }
        let mut free = alive & !needed;
        if free == 0 && asked == 0 {
            // In a cycle each is needed: then none is.
            free = alive;
        }
        free &= !asked;
        while let Some(n) = self.last(free) {
            free &= !(1 << n);
            self.stop(n);
        }
        false
    }

    /// Which of the set `of` began last. One that has not yet is the last of all.
    fn last(&self, of: Set) -> Option<usize> {
        let (mut last, mut latest) = (None, 0);
        for (n, unit) in self.units.iter().enumerate() {
            let began = unit.times[BEGAN].wrapping_sub(1);
            if of >> n & 1 != 0 && began >= latest {
                (last, latest) = (Some(n), began);
            }
        }
        last
    }
}
