//! What may be asked of PID 1: a packet with a word and perhaps a name, and packets in answer, the
//! last of which begins with a digit: the exit status. Only root of the machine itself is heard (`peer`).

use core::fmt;

use heapless::Vec;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, unlinkat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    bind, connect, recv, send, socket_with,
};

use super::peer;
use super::unit::{Kind, State};
use super::{Phase, Room};
use crate::bytes::{Short, split_by};
use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;
use crate::syscall::time::boottime;

/// Where it listens.
pub const SOCKET: &core::ffi::CStr = c"/run/nsinit/pid1/control";
/// Most who are heard at once.
pub const CLIENTS: usize = 8;
/// Longest request and answer.
pub const PACKET: usize = 256;

/// What is told of a container by "list", and of it and the steps of the boot by "blame": keys, and
/// the widths of their columns.
const COLUMNS: [(&str, usize); 10] = [
    ("name", 20),
    ("kind", 11),
    ("state", 9),
    ("pid", 7),
    ("status", 7),
    ("restarts", 9),
    ("since_ms", 0),
    ("begun_ms", 9),
    ("start_ms", 9),
    ("ran_ms", 9),
];
const LISTED: &[usize] = &[0, 1, 2, 3, 4, 5, 6];
const BLAMED: &[usize] = &[7, 8, 9, 1, 0];

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
    bind(socket.as_fd(), &address).doing("bind the socket", SOCKET)?;
    rustix::net::listen(socket.as_fd(), CLIENTS as i32).doing("listen on", SOCKET)?;
    Ok(socket)
}

/// Asks: each packet of the answer goes to `each`; the last, whose first byte is a digit, is its
/// status and text, and ends it.
pub fn ask(request: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .doing("make a socket", ())?;
    let address = SocketAddrUnix::new(SOCKET).doing("name the socket", SOCKET)?;
    connect(socket.as_fd(), &address).doing("connect to", SOCKET).map_err(|error| {
        match error.raw() {
            Some(Errno::NOENT | Errno::CONNREFUSED) => {
                error.hint("nsinit is not this machine's PID 1, or runs no containers yet")
            }
            _ => error,
        }
    })?;
    send(socket.as_fd(), request, SendFlags::NOSIGNAL).doing("ask", SOCKET)?;
    let mut buf = [0; PACKET];
    loop {
        let (n, _) =
            rustix::io::retry_on_intr(|| recv(socket.as_fd(), &mut buf[..], RecvFlags::empty()))
                .doing("wait for the answer of", SOCKET)?;
        let packet = buf.get(..n).unwrap_or(&[]);
        if packet.is_empty() {
            let why = "refused: it takes root, in the machine's own PID and user namespace";
            return Err(Error::refused("ask", SOCKET, why));
        }
        each(packet);
        if packet.first().is_some_and(u8::is_ascii_digit) {
            return Ok(());
        }
    }
}

impl Control {
    /// Takes whoever has come. One too many waits in the kernel's queue until another is gone.
    pub fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while !self.clients.is_full()
            && let Ok(fd) = accept_with(listener, flags)
        {
            // Whoever is refused sees the end of the connection.
            if peer::is_ours(fd.as_fd()) {
                // There is room.
                drop(self.clients.push(Client { fd, waits: None }));
            }
        }
    }
}

impl Client {
    /// One packet. It fails where nobody reads: then there is nobody to tell.
    fn tell(&self, text: fmt::Arguments) {
        let text = Short::<PACKET>::new(text);
        let _ = send(self.fd.as_fd(), text.as_str().as_bytes(), SendFlags::NOSIGNAL);
    }
}

impl Room<'_, '_> {
    /// Hears client `n`.
    // Its buffers would stay in the frame of the loop.
    #[inline(never)]
    pub fn request(&mut self, n: usize) {
        let Some(client) = self.control.clients.get(n) else { return };
        let mut buf = [0; PACKET];
        let len = match recv(client.fd.as_fd(), &mut buf[..], RecvFlags::empty()) {
            Ok((len @ 1.., _)) => len,
            Err(Errno::AGAIN | Errno::INTR) => return,
            _ => {
                self.control.clients.swap_remove(n);
                return;
            }
        };
        let mut words = split_by(buf.get(..len).unwrap_or(&[]), b' ');
        let (word, name) = (words.next().unwrap_or(b""), words.next().unwrap_or(b""));
        let steps = word == b"blame";
        if steps || word == b"list" {
            return self.list(n, steps, name == b"json");
        }
        let Some(unit) = self.units.iter().position(|unit| unit.name.to_bytes() == name) else {
            return self.reply(n, format_args!("1no container has this name (nsinit list)"));
        };
        if word == b"known" {
            return self.reply(n, format_args!("0"));
        }
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
            return Err("the machine is shutting down");
        }
        let Some(unit) = self.units.get_mut(n) else { return Ok(()) };
        let (rests, stop, restart) = (unit.pid.is_none(), word == b"stop", word == b"restart");
        match word {
            _ if stop && rests && unit.state != State::BackOff => {
                return Err("not running");
            }
            _ if stop || restart => {}
            b"start" if rests => {}
            b"start" => return Err("already running"),
            _ => return Err("unknown request"),
        }
        unit.failures = 0;
        if rests && !stop {
            // Now, whatever it is after: whoever asks knows.
            unit.deadline = 0;
            unit.by_hand = true;
            self.launch(n);
        } else {
            self.stop(n);
            if let Some(unit) = self.units.get_mut(n) {
                unit.again = restart;
            }
        }
        Ok(())
    }

    /// Tells those who wait for a container how it went.
    pub fn answer(&mut self) {
        for n in (0..self.control.clients.len()).rev() {
            let Some(unit) = self.control.clients.get(n).and_then(|client| client.waits) else {
                continue;
            };
            let Some(unit) = self.units.get(unit) else { continue };
            let (status, how) = match unit.state {
                // What runs once is done when it has ended.
                State::Running if unit.kind != Kind::Service => continue,
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
    fn list(&mut self, n: usize, steps: bool, json: bool) {
        let Some(client) = self.control.clients.get(n) else { return };
        let columns = if steps { BLAMED } else { LISTED };
        let mut list = List { client, columns, json, now: boottime(), bracket: "[" };
        if !json {
            list.head();
        }
        let mut before = 0;
        for (step, end) in self.machine.marks.iter().filter(|_| steps) {
            list.row(&[step, "machine", "ended"], [-1, -1, 0], &[before, before, *end]);
            before = *end;
        }
        for unit in self.units.iter() {
            let pid = unit.pid.map_or(-1, |pid| i64::from(pid.as_raw_pid()));
            let numbers = [pid, unit.status.map_or(-1, i64::from), unit.restarts.into()];
            list.row(&[unit.label(), unit.kind.dir(), unit.state.name()], numbers, &unit.times);
        }
        let end = match (json, list.bracket) {
            (false, _) => "",
            (_, "[") => "[]\n",
            _ => "]\n",
        };
        self.reply(n, format_args!("0{end}"));
    }
}

/// Who gets a list, in which form.
struct List<'a> {
    client: &'a Client,
    columns: &'static [usize],
    json: bool,
    now: u64,
    /// What comes before the next object.
    bracket: &'static str,
}

impl List<'_> {
    fn head(&self) {
        let mut text = Short::<PACKET>::default();
        for (key, width) in self.columns.iter().filter_map(|n| COLUMNS.get(*n)) {
            text.push(format_args!("{key:width$} "));
        }
        self.client.tell(format_args!(" {}\n", text.as_str()));
    }

    /// One line, or object: what it is; numbers, of which a negative one is none; when it became so.
    /// It is shorter than a packet: names are.
    fn row(&mut self, words: &[&str; 3], numbers: [i64; 3], times: &[u64; 3]) {
        let ([pid, status, restarts], [forked, began, ended]) = (numbers, *times);
        let ms = |later: u64, earlier: u64| (later.saturating_sub(earlier) / 1000) as i64;
        let since = ms(self.now, forked.max(began).max(ended));
        // One that never began has not run.
        let ran = if began == 0 { 0 } else { ms(ended, began) };
        let (begun, start) = (ms(forked, 0), ms(began, forked));
        let numbers = [0, 0, 0, pid, status, restarts, since, begun, start, ran];
        let mut text = Short::<PACKET>::default();
        let mut comma = "{";
        for n in self.columns {
            let Some(((key, width), number)) = COLUMNS.get(*n).zip(numbers.get(*n)) else { return };
            let digits = Short::<24>::new(format_args!("{number}"));
            let (value, quote) = match words.get(*n) {
                Some(word) => (*word, "\""),
                None if *number >= 0 => (digits.as_str(), ""),
                None => (if self.json { "null" } else { "-" }, ""),
            };
            if self.json {
                text.push(format_args!("{comma}\"{key}\":{quote}{value}{quote}"));
            } else {
                text.push(format_args!("{value:width$} "));
            }
            comma = ",";
        }
        let text = text.as_str();
        if self.json {
            let bracket = core::mem::replace(&mut self.bracket, ",");
            self.client.tell(format_args!(" {bracket}{text}}}"));
        } else {
            self.client.tell(format_args!(" {text}\n"));
        }
    }
}
