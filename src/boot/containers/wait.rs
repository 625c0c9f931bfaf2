//! PID 1's one wait: for signals, for what containers say, for who asks, and for the next moment at
//! which something is to be done. Without any of them it sleeps.

use heapless::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::Room;
use super::control::CLIENTS;
use super::output::Output;
use super::unit::UNITS;
use crate::boot::Action;
use crate::boot::console::CONSOLES;
use crate::boot::power::{BUTTONS, Buttons, heard};
use crate::boot::watchdog;
use crate::syscall::fd::AsFd;
use crate::syscall::poll::rest_in_poll;
use crate::syscall::process::wait_any;
use crate::syscall::signal::read_signalfd;
use crate::syscall::time::{boottime, monotonic};

/// What woke it. There are fewer of each than a byte counts.
#[derive(Clone, Copy)]
enum Event {
    Signal,
    Console(u8),
    Button,
    Listener,
    Client(u8),
    Said(u8),
    Talk(u8),
}

const EVENTS: usize = 2 + CONSOLES + BUTTONS + CLIENTS + 2 * UNITS;

impl Room<'_, '_> {
    /// Waits, and takes what has come.
    // What is in the frame of the loop is further away.
    #[inline(never)]
    pub fn wait(&mut self, signals: Option<&OwnedFd>) {
        let mut came = Vec::<(Event, bool), EVENTS>::new();
        self.poll(signals, &mut came);
        watchdog::kick();
        for (event, ended) in came {
            match event {
                Event::Signal => self.signals(signals),
                Event::Console(n) => {
                    if let Some(console) = self.machine.consoles.fds().get(usize::from(n)) {
                        self.sinks.backlog.print(n.into(), console);
                    }
                }
                // A keyboard that was taken away would be ready for ever: the others stay.
                Event::Button if ended => self.machine.buttons = Buttons::open(),
                Event::Button => {
                    if self.machine.buttons.pressed() {
                        self.end(Action::PowerOff);
                    }
                }
                Event::Listener => self.control.accept(),
                Event::Client(n) => self.request(n.into()),
                Event::Said(n) => {
                    if let Some(unit) = self.units.get_mut(usize::from(n)) {
                        self.sinks.pump(unit);
                    }
                }
                Event::Talk(n) => self.hear(n.into()),
            }
        }
    }

    /// The events that came, each with whether its descriptor is at its end.
    fn poll(&self, signals: Option<&OwnedFd>, came: &mut Vec<(Event, bool), EVENTS>) {
        let mut polled = Polled { fds: Vec::new(), events: Vec::new() };
        if let Some(signals) = signals {
            polled.add(Event::Signal, signals.as_fd(), PollFlags::IN);
        }
        for (n, console) in self.machine.consoles.fds().iter().enumerate() {
            if self.sinks.backlog.is_behind(n) {
                polled.add(Event::Console(n as u8), console.as_fd(), self.machine.consoles.ready());
            }
        }
        for button in self.machine.buttons.fds() {
            polled.add(Event::Button, button.as_fd(), PollFlags::IN);
        }
        if let Some(listener) = &self.control.listener
            && !self.control.clients.is_full()
        {
            polled.add(Event::Listener, listener.as_fd(), PollFlags::IN);
        }
        for (n, client) in self.control.clients.iter().enumerate() {
            polled.add(Event::Client(n as u8), client.fd.as_fd(), PollFlags::IN);
        }
        for (n, unit) in self.units.iter().enumerate() {
            if let Some(output) = &unit.output {
                polled.add(Event::Said(n as u8), output.fd(), PollFlags::IN);
            }
            if let Some(talk) = &unit.talk {
                polled.add(Event::Talk(n as u8), talk.as_fd(), PollFlags::IN);
            }
        }
        match rest_in_poll(&mut polled.fds, self.timeout(signals.is_none())) {
            Ok(_) => {}
            Err(Errno::INTR) => return,
            // More descriptors than RLIMIT_NOFILE, or no memory: it must not spin.
            Err(_) => {
                // It fails as the other, and then there is nothing to be done.
                let _ = rest_in_poll(&mut [], Some(100_000));
                return;
            }
        }
        for (fd, event) in polled.fds.iter().zip(&polled.events) {
            if !fd.revents().is_empty() {
                // As many fit as were polled.
                let _ =
                    came.push((*event, fd.revents().intersects(PollFlags::HUP | PollFlags::ERR)));
            }
        }
    }

    /// For how many microseconds nothing is to be done; `None`: for ever.
    fn timeout(&self, deaf: bool) -> Option<u64> {
        let now = boottime();
        let mut first = if deaf { 1_000_000 } else { u64::MAX };
        if let Some(kick) = watchdog::interval() {
            first = first.min(u64::from(kick) * 1000);
        }
        for unit in self.units.iter() {
            if unit.deadline != 0 {
                first = first.min(unit.deadline.saturating_sub(now));
            }
            if let Some(overdue) = unit.output.as_ref().and_then(Output::overdue) {
                first = first.min(overdue.saturating_sub(monotonic()) * 1000);
            }
        }
        (first != u64::MAX).then_some(first)
    }

    /// Takes every signal that has come. SIGCHLD is no news: `reap` asks the kernel.
    fn signals(&mut self, signals: Option<&OwnedFd>) {
        while let Some(Ok(Some(n))) = signals.map(read_signalfd) {
            if let Some(action) = heard(n) {
                self.end(action);
            }
        }
    }

    /// Waits for every child that has ended: launchers, and whatever was given to PID 1.
    pub fn reap(&mut self) {
        while let Ok(Some((pid, word))) = wait_any(false) {
            if let Some(n) = self.units.iter().position(|unit| unit.pid == Some(pid)) {
                self.ended(n, word);
            }
            if let Some((shell, began)) = self.shell
                && shell == pid
            {
                self.shell_ended(began);
            }
        }
    }
}

/// What is polled, and what each stands for.
struct Polled<'f> {
    fds: Vec<PollFd<'f>, EVENTS>,
    events: Vec<Event, EVENTS>,
}

impl<'f> Polled<'f> {
    fn add(&mut self, event: Event, fd: BorrowedFd<'f>, flags: PollFlags) {
        // EVENTS is the sum of all that there can be: both fit.
        let _ = self.fds.push(PollFd::from_borrowed_fd(fd, flags));
        let _ = self.events.push(event);
    }
}
