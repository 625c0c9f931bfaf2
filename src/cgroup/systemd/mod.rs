//! A transient scope of systemd (org.freedesktop.systemd1(5), "StartTransientUnit"): the piece of the
//! control group tree that systemd, where it rules, leaves to whoever asks. The launcher enters it
//! with all that it starts; it goes by itself when it is empty.

mod message;
mod properties;

use core::ffi::CStr;
use core::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{Access, Mode, access, mkdir};
use rustix::io::{Errno, read};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with,
};
use rustix::process::{geteuid, getpid};

use super::detect::Wanted;
use super::file::{Dir, Version};
use super::site::Site;
use crate::bytes::{Arena, Short, Show, split_by};
use crate::error::{Context, Error, Result};
use crate::plan::Cgroup;
use crate::say;
use message::{Call, ERROR, SIGNAL, SIZE, Writer, length, parse};

/// The system bus, and systemd's own socket for root where there is no bus (yet).
const BUS: &CStr = c"/run/dbus/system_bus_socket";
const PRIVATE: &CStr = c"/run/systemd/private";
/// How long systemd may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
const DOING: &str = "ask systemd for a scope";

/// Whether systemd rules this machine (sd_booted(3)).
pub fn is_there() -> bool {
    access(c"/run/systemd/system", Access::EXISTS).is_ok()
}

/// The hierarchies in which a process is in a scope that `enter_scope` made.
pub const IN_SCOPE: Wanted = |_, path| {
    let is_ours = |name: &[u8]| name.starts_with(b"nsinit-") && name.ends_with(b".scope");
    split_by(path, b'/').any(is_ours)
};

/// Moves the calling process into a new scope for the container of this plan, in its slice or else in
/// system.slice.
pub fn enter_scope(plan: Option<&Cgroup>, arena: &Arena) -> Result<()> {
    let mut bus = Bus::open()?;
    let mut unit = Short::<200>::new(format_args!("nsinit-"));
    let name = plan.and_then(|plan| plan.name).unwrap_or(c"container");
    for byte in name.to_bytes().iter().take(100) {
        // What a unit's name may have (systemd.unit(5)).
        let fits = byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        unit.push(format_args!("{}", char::from(if fits { *byte } else { b'_' })));
    }
    unit.push(format_args!("-{}.scope", getpid().as_raw_pid()));
    bus.unit.push(format_args!("{}", unit.as_str()));
    if bus.named {
        bus.call(&HELLO, &|_| {}, arena)?;
        bus.call(&ADD_MATCH, &|out| out.string(JOB_REMOVED), arena)?;
        bus.call(&SUBSCRIBE, &|_| {}, arena)?;
    }
    let arguments = |limited| {
        let unit = unit.as_str();
        move |out: &mut Writer| properties::arguments(out, unit, plan, limited)
    };
    if let Err(error) = bus.call(&START, &arguments(true), arena) {
        // An older one does not know all of them. The container's own group has them in any case.
        bus.call(&START, &arguments(false), arena).map_err(|_| error)?;
        say::warning(format_args!("{error}: it is not told the limits"));
    }
    bus.await_job(arena)
}

/// Leaves the top of the v2 scope for a group inside it: a group that gives controllers to those below
/// it may have no processes itself (cgroup-v2.rst, "No Internal Process Constraint"). systemd takes
/// the group away with the scope.
pub fn step_down(site: &Site, arena: &Arena) -> Result<()> {
    let unified = site.places.iter().find(|place| place.hierarchy.version == Version::V2);
    let Some(own) = unified.and_then(|place| place.hierarchy.own) else { return Ok(()) };
    let path = arena.concat(&[own.to_bytes(), b"/launcher"]).doing("name a group in", own)?;
    mkdir(path, Mode::from_raw_mode(0o755)).doing("make control group", path)?;
    let dir = Dir::open(path)?;
    dir.write("cgroup.procs", b"0").doing("enter", path)
}

const MANAGER: Call = Call {
    destination: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
    member: "Subscribe",
    signature: "",
};
const SUBSCRIBE: Call = MANAGER;
const START: Call = Call { member: "StartTransientUnit", signature: "ssa(sv)a(sa(sv))", ..MANAGER };
const HELLO: Call = Call {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "Hello",
    signature: "",
};
const ADD_MATCH: Call = Call { member: "AddMatch", signature: "s", ..HELLO };
const JOB_REMOVED: &str =
    "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

/// A connection.
struct Bus {
    socket: OwnedFd,
    /// The system bus, where everybody has a name; not systemd's own socket.
    named: bool,
    serial: u32,
    /// What was read and not yet looked at.
    buf: [u8; SIZE],
    len: usize,
    /// The unit whose job is awaited, and how that ended: it may be told before the answer.
    unit: Short<200>,
    result: Option<Short<32>>,
}

impl Bus {
    fn open() -> Result<Bus> {
        let flags = SocketFlags::CLOEXEC;
        let to = |path: &'static CStr| {
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            connect(&socket, &SocketAddrUnix::new(path)?)?;
            set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
            Ok(socket)
        };
        let (socket, named) = match to(BUS) {
            Err(Errno::NOENT | Errno::CONNREFUSED) => (to(PRIVATE), false),
            socket => (socket, true),
        };
        let on = if named { BUS } else { PRIVATE };
        let socket = socket.doing("connect to", on)?;
        let mut bus = Bus {
            socket,
            named,
            serial: 0,
            buf: [0; SIZE],
            len: 0,
            unit: Short::default(),
            result: None,
        };
        bus.authenticate().doing("be let in by", on)?;
        Ok(bus)
    }

    /// The kernel tells who is calling (EXTERNAL); it need only be said in hexadecimal digits.
    fn authenticate(&mut self) -> rustix::io::Result<()> {
        let mut text = Short::<64>::new(format_args!("AUTH EXTERNAL "));
        let uid = Short::<16>::new(format_args!("{}", geteuid().as_raw()));
        for digit in uid.as_str().bytes() {
            text.push(format_args!("{digit:02x}"));
        }
        text.push(format_args!("\r\n"));
        self.send(b"\0")?;
        self.send(text.as_str().as_bytes())?;
        while !self.pending().ends_with(b"\r\n") {
            self.fill()?;
        }
        let welcome = self.pending().starts_with(b"OK ");
        self.len = 0;
        if welcome { self.send(b"BEGIN\r\n") } else { Err(Errno::ACCESS) }
    }

    fn pending(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or(&[])
    }

    fn send(&self, mut bytes: &[u8]) -> rustix::io::Result<()> {
        while !bytes.is_empty() {
            let n = send(&self.socket, bytes, SendFlags::NOSIGNAL)?;
            bytes = bytes.get(n..).unwrap_or(&[]);
        }
        Ok(())
    }

    fn fill(&mut self) -> rustix::io::Result<()> {
        let room = self.buf.get_mut(self.len..).unwrap_or(&mut []);
        match read(&self.socket, room)? {
            // It hung up; or the message is longer than any that is awaited.
            0 => Err(Errno::CONNRESET),
            n => {
                self.len += n;
                Ok(())
            }
        }
    }

    /// Calls a method and waits for its answer.
    fn call(&mut self, call: &Call, arguments: &dyn Fn(&mut Writer), arena: &Arena) -> Result<()> {
        self.serial += 1;
        let mut message = Writer::call(call, self.serial);
        arguments(&mut message);
        let bytes = message.finish();
        let bytes =
            bytes.ok_or_else(|| Error::refused(DOING, call.member, "the name is too long"))?;
        self.send(bytes).doing(DOING, call.member)?;
        while !self.next(Some(call.member), arena)? {}
        Ok(())
    }

    /// Waits until the unit's job is done.
    fn await_job(&mut self, arena: &Arena) -> Result<()> {
        while self.result.is_none() {
            self.next(None, arena)?;
        }
        match self.result.as_ref().map_or("", Short::as_str) {
            "done" => Ok(()),
            result => {
                let why = arena.str(format_args!("its job ended as \"{result}\""));
                Err(Error::refused(DOING, (), why.unwrap_or("its job failed")))
            }
        }
    }

    /// Takes the next message; whether it is the answer to the last call, which is of `method`.
    fn next(&mut self, method: Option<&'static str>, arena: &Arena) -> Result<bool> {
        let len = loop {
            match length(self.pending()) {
                Some(len) if len <= self.len => break len,
                _ => self.fill().doing("hear from", "systemd")?,
            }
        };
        let mut answers = false;
        let mut refused = None;
        if let Some(mut message) = self.buf.get(..len).and_then(parse) {
            answers = method.is_some() && message.reply == self.serial;
            if answers && message.kind == ERROR {
                let why = message.body.string().unwrap_or("it does not say why");
                refused = Some(arena.str(format_args!("{}", Show(why.as_bytes()))));
            }
            if message.kind == SIGNAL && message.member == "JobRemoved" {
                let body = &mut message.body;
                // The job's id and path, the unit, and how it ended.
                let (_, _, about, result) =
                    (body.u32(), body.string(), body.string(), body.string());
                if about == Some(self.unit.as_str()) {
                    let mut text = Short::default();
                    text.push(format_args!("{}", result.unwrap_or("")));
                    self.result = Some(text);
                }
            }
        }
        self.buf.copy_within(len.., 0);
        self.len -= len;
        match refused {
            None => Ok(answers),
            Some(why) => Err(Error::refused(DOING, (), why.unwrap_or("it refuses"))),
        }
    }
}
