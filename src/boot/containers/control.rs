//! What may be asked of PID 1: a packet with a word and perhaps a name, and packets in answer, the
//! last of which begins with a digit: the exit status. Only root is heard.

use core::fmt;

use heapless::Vec;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, unlinkat};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    bind, connect, recv, send, socket_with,
};

use super::unit::{State, Unit};
use super::{Phase, Room};
use crate::bytes::{Short, split_by};
use crate::error::{Context, Result};

/// Where it listens.
pub const SOCKET: &core::ffi::CStr = c"/run/nsinit/control";
/// Most who are heard at once.
pub const CLIENTS: usize = 8;
/// Longest request and answer.
pub const PACKET: usize = 256;

/// Words in a packet of "list": name, kind, state, pid ("-" without one), status (the same),
/// restarts, and three times in microseconds since boot: its process began, its command began, it
/// ended. "blame" tells the steps of the boot in the same words.
pub const LIST: usize = 9;

/// Who asks.
pub struct Client {
    /// Its socket.
    pub fd: OwnedFd,
    /// The container whose end or beginning it waits for.
    waits: Option<usize>,
}

/// Everybody who asks.
#[derive(Default)]
pub struct Control {
    /// The socket to come to.
    pub listener: Option<OwnedFd>,
    /// Those who have.
    pub clients: Vec<Client, CLIENTS>,
}

/// Makes the socket. The directory is root's alone.
pub fn listen() -> Result<OwnedFd> {
    // One that an nsinit before left there.
    let _ = unlinkat(CWD, SOCKET, AtFlags::empty());
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .doing("make the socket", SOCKET)?;
    let address = SocketAddrUnix::new(SOCKET).doing("name the socket", SOCKET)?;
    bind(&socket, &address).doing("bind the socket", SOCKET)?;
    rustix::net::listen(&socket, CLIENTS as i32).doing("listen on", SOCKET)?;
    Ok(socket)
}

/// Asks: each packet of the answer goes to `each`; the last, whose first byte is a digit, is its
/// status and text, and ends it.
pub fn ask(request: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .doing("make a socket", ())?;
    let address = SocketAddrUnix::new(SOCKET).doing("name the socket", SOCKET)?;
    connect(&socket, &address).doing("connect to", SOCKET).map_err(|error| match error.raw() {
        Some(Errno::NOENT | Errno::CONNREFUSED) => error.hint("nsinit is not this machine's PID 1"),
        _ => error,
    })?;
    send(&socket, request, SendFlags::NOSIGNAL).doing("ask", SOCKET)?;
    let mut buf = [0; PACKET];
    loop {
        let (n, _) = rustix::io::retry_on_intr(|| recv(&socket, &mut buf[..], RecvFlags::empty()))
            .doing("wait for the answer of", SOCKET)?;
        let packet = buf.get(..n).unwrap_or(&[]);
        if packet.is_empty() {
            return Err(Errno::CONNRESET).doing("wait for the answer of", SOCKET);
        }
        each(packet);
        if packet.first().is_some_and(u8::is_ascii_digit) {
            return Ok(());
        }
    }
}

impl Control {
    /// Takes whoever has come.
    pub fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while let Ok(fd) = accept_with(listener, flags) {
            let root = socket_peercred(&fd).is_ok_and(|who| who.uid.is_root());
            // Whoever is refused, or one too many, sees the end of the connection.
            if root {
                drop(self.clients.push(Client { fd, waits: None }));
            }
        }
    }
}

impl Client {
    /// One packet. It fails where nobody reads: then there is nobody to tell.
    fn tell(&self, text: fmt::Arguments) {
        let text = Short::<PACKET>::new(text);
        let _ = send(&self.fd, text.as_str().as_bytes(), SendFlags::NOSIGNAL);
    }
}

impl Room<'_, '_> {
    /// Hears client `n`.
    pub fn request(&mut self, n: usize) {
        let Some(client) = self.control.clients.get(n) else { return };
        let mut buf = [0; PACKET];
        let len = match recv(&client.fd, &mut buf[..], RecvFlags::empty()) {
            Ok((len @ 1.., _)) => len,
            Err(Errno::AGAIN | Errno::INTR) => return,
            _ => {
                self.control.clients.swap_remove(n);
                return;
            }
        };
        let mut words = split_by(buf.get(..len).unwrap_or(&[]), b' ');
        let (word, name) = (words.next().unwrap_or(b""), words.next().unwrap_or(b""));
        let blame = word == b"blame";
        if blame || word == b"list" {
            return self.list(n, blame);
        }
        let Some(unit) = self.units.iter().position(|unit| unit.name.to_bytes() == name) else {
            return self.reply(n, format_args!("1there is no container of this name"));
        };
        match self.ask(word, unit) {
            Ok(()) => {
                if let Some(client) = self.control.clients.get_mut(n) {
                    client.waits = Some(unit);
                }
            }
            Err(why) => self.reply(n, format_args!("1{why}")),
        }
    }

    /// Does what is asked of a container.
    fn ask(&mut self, word: &[u8], n: usize) -> core::result::Result<(), &'static str> {
        if self.phase >= Phase::Stopping {
            return Err("the machine ends");
        }
        let Some(unit) = self.units.get_mut(n) else { return Ok(()) };
        let rests = unit.pid.is_none();
        let (start, again) = (word == b"start", word == b"restart");
        if start && !rests {
            return Err("it runs");
        } else if start || again && rests {
            unit.failures = 0;
            unit.deadline = 0;
            self.begin(n);
        } else if again {
            unit.failures = 0;
            self.stop(n);
            if let Some(unit) = self.units.get_mut(n) {
                unit.again = true;
            }
        } else if word != b"stop" {
            return Err("nothing that can be asked for");
        } else if rests && unit.state != State::BackOff {
            return Err("it does not run");
        } else {
            self.stop(n);
        }
        Ok(())
    }

    /// Starts it now, whatever it is after: whoever asks knows.
    fn begin(&mut self, n: usize) {
        self.launch(n);
        if let Some(unit) = self.units.get_mut(n) {
            unit.by_hand = true;
        }
    }

    /// Tells those who wait for a container how it went.
    pub fn answer(&mut self) {
        for n in (0..self.control.clients.len()).rev() {
            let Some(unit) = self.control.clients.get(n).and_then(|client| client.waits) else {
                continue;
            };
            let Some(unit) = self.units.get(unit) else { continue };
            let (status, how) = match unit.state {
                State::Running | State::Ended | State::Stopped => (0, unit.state.name()),
                State::Failed | State::BackOff => (1, unit.state.name()),
                _ => continue,
            };
            self.reply(n, format_args!("{status}{how}"));
        }
    }

    /// The last packet for client `n`.
    fn reply(&mut self, n: usize, text: fmt::Arguments) {
        if n < self.control.clients.len() {
            self.control.clients.swap_remove(n).tell(text);
        }
    }

    /// A packet for each container, after those for the steps before them, if they are wanted.
    fn list(&mut self, n: usize, steps: bool) {
        let Some(client) = self.control.clients.get(n) else { return };
        let mut before = 0;
        for (step, end) in self.machine.marks.iter().filter(|_| steps) {
            client.tell(format_args!(" {step} machine ended - - 0 {before} {before} {end}"));
            before = *end;
        }
        for unit in self.units.iter() {
            let Unit { kind, state, restarts, times: [forked, began, ended], .. } = unit;
            let number = |n: Option<i32>| match n {
                Some(n) => Short::<24>::new(format_args!("{n}")),
                None => Short::new(format_args!("-")),
            };
            let pid = number(unit.pid.map(|pid| pid.as_raw_pid()));
            let status = number(unit.status.map(i32::from));
            client.tell(format_args!(
                " {} {} {} {} {} {restarts} {forked} {began} {ended}",
                unit.label(),
                kind.dir(),
                state.name(),
                pid.as_str(),
                status.as_str(),
            ));
        }
        self.reply(n, format_args!("0"));
    }
}
