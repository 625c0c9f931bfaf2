//! A transient scope of systemd (org.freedesktop.systemd1(5), "StartTransientUnit"): the piece of the
//! control group tree that systemd, where it rules, leaves to whoever asks. The launcher enters it
//! with all that it starts; it goes by itself when it is empty.

mod message;
mod properties;

use core::ffi::CStr;
use core::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{Access, access};
use rustix::io::{Errno, read};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, send, socket_with,
};
use rustix::process::{geteuid, getpid};

use super::delegated::step_down;
use super::detect::Wanted;
use super::file::Version;
use super::site::Site;
use crate::bytes::{Arena, Full, Short, Show, split_by};
use crate::error::{Context, Error, Result};
use crate::plan::Cgroup;
use crate::say;
use crate::syscall::fd::AsFd;
use message::{Call, ERROR, SIGNAL, SIZE, Writer, call, length, parse};

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
#[inline(never)]
pub fn enter_scope(plan: Option<&Cgroup>, arena: &Arena) -> Result<()> {
    let (socket, on) = connect()?;
    let unit = unit(plan, arena).doing("name a scope", ())?.to_bytes();
    let mut bus = Bus { socket, serial: 0, buf: [0; SIZE], len: 0, unit, result: None, arena };
    bus.authenticate().doing("be let in by", on)?;
    // Where everybody has a name.
    if on == BUS {
        bus.call(&HELLO, "Hello", &|_| {})?;
        bus.call(&ADD_MATCH, "AddMatch", &|out| out.string(JOB_REMOVED))?;
        bus.call(&SUBSCRIBE, "Subscribe", &|_| {})?;
    }
    let mut start = |limited| {
        let arguments = &|out: &mut Writer| properties::arguments(out, unit, plan, limited);
        bus.call(&START, "StartTransientUnit", arguments)
    };
    if let Err(error) = start(true) {
        // An older one does not know all of them. The container's own group has them in any case.
        start(false).map_err(|_| error)?;
        say::warning(format_args!("{error}: it is not told the limits"));
    }
    bus.await_job()
}

/// The name of the scope.
fn unit(plan: Option<&Cgroup>, arena: &Arena) -> core::result::Result<&'static CStr, Full> {
    let name = plan.and_then(|plan| plan.name).unwrap_or(c"container").to_bytes();
    let fitting = arena.take(name.len().min(100))?;
    for (to, byte) in fitting.iter_mut().zip(name) {
        // What a unit's name may have (systemd.unit(5)).
        let fits = byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        *to = if fits { *byte } else { b'_' };
    }
    let pid = Short::<16>::new(format_args!("{}", getpid().as_raw_pid()));
    arena.concat(&[b"nsinit-", fitting, b"-", pid.as_str().as_bytes(), b".scope"])
}

/// Leaves the top of the v2 scope, for which systemd was asked with Delegate.
#[inline(never)]
pub fn leave_top(site: &Site, arena: &Arena) -> Result<()> {
    let unified = site.places.iter().find(|place| place.hierarchy.version == Version::V2);
    unified.and_then(|place| place.hierarchy.own).map_or(Ok(()), |own| step_down(own, arena))
}

const DBUS: Call =
    ["/org/freedesktop/DBus", "org.freedesktop.DBus", "", "org.freedesktop.DBus", ""];
const MANAGER: Call = [
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
    "",
    "org.freedesktop.systemd1",
    "",
];
static HELLO: [u8; 128] = call(method(DBUS, "Hello", ""));
static ADD_MATCH: [u8; 144] = call(method(DBUS, "AddMatch", "s"));
static SUBSCRIBE: [u8; 168] = call(method(MANAGER, "Subscribe", ""));
static START: [u8; 200] = call(method(MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))"));
const JOB_REMOVED: &[u8] =
    b"type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

const fn method(of: Call, name: &'static str, signature: &'static str) -> Call {
    [of[0], of[1], name, of[3], signature]
}

/// A connection to the system bus, or where there is none to systemd itself.
fn connect() -> Result<(OwnedFd, &'static CStr)> {
    let to = |path: &'static CStr| {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(socket.as_fd(), &SocketAddrUnix::new(path)?)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(socket)
    };
    let (socket, on) = match to(BUS) {
        Err(Errno::NOENT | Errno::CONNREFUSED) => (to(PRIVATE), PRIVATE),
        socket => (socket, BUS),
    };
    let socket = socket.doing("connect to", on).map_err(|error| match error.raw() {
        Some(Errno::NOENT) => error.hint("systemd does not run here"),
        _ => error,
    });
    Ok((socket?, on))
}

/// A connection.
struct Bus<'a> {
    socket: OwnedFd,
    serial: u32,
    /// What was read and not yet looked at.
    buf: [u8; SIZE],
    len: usize,
    /// The unit whose job is awaited, and how that ended: it may be told before the answer.
    unit: &'static [u8],
    result: Option<&'static str>,
    arena: &'a Arena,
}

impl Bus<'_> {
    /// The kernel tells who is calling (EXTERNAL); it need only be said in hexadecimal digits.
    fn authenticate(&mut self) -> rustix::io::Result<()> {
        let mut text = Short::<64>::new(format_args!("AUTH EXTERNAL "));
        let uid = Short::<16>::new(format_args!("{}", geteuid().as_raw()));
        for digit in uid.as_str().chars() {
            text.push(format_args!("3{digit}"));
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
            let n = send(self.socket.as_fd(), bytes, SendFlags::NOSIGNAL)?;
            bytes = bytes.get(n..).unwrap_or(&[]);
        }
        Ok(())
    }

    fn fill(&mut self) -> rustix::io::Result<()> {
        let room = self.buf.get_mut(self.len..).unwrap_or(&mut []);
        match read(self.socket.as_fd(), room)? {
            // It hung up; or the message is longer than any that is awaited.
            0 => Err(Errno::CONNRESET),
            n => {
                self.len += n;
                Ok(())
            }
        }
    }

    /// Calls a method and waits for its answer.
    fn call(
        &mut self,
        call: &[u8],
        method: &'static str,
        arguments: &dyn Fn(&mut Writer),
    ) -> Result<()> {
        self.serial += 1;
        let mut message = Writer::call(call, self.serial);
        arguments(&mut message);
        let Some(bytes) = message.finish() else {
            return Err(Error::refused(DOING, method, "the name is too long"));
        };
        self.send(bytes).doing(DOING, method)?;
        while !self.next(self.serial)? {}
        Ok(())
    }

    /// Waits until the unit's job is done.
    fn await_job(&mut self) -> Result<()> {
        loop {
            match self.result {
                Some("done") => return Ok(()),
                Some(result) => {
                    let why = self.arena.str(format_args!("its job ended as \"{result}\""));
                    return Err(Error::refused(DOING, (), why.unwrap_or("its job failed")));
                }
                // No message answers that.
                None => self.next(0)?,
            };
        }
    }

    /// Takes the next message; whether it is the answer to the call of this serial number.
    fn next(&mut self, serial: u32) -> Result<bool> {
        let len = loop {
            match length(self.pending()) {
                Some(len) if len <= self.len => break len,
                _ => self.fill().doing("hear from", "systemd")?,
            }
        };
        let text = |text: Option<&[u8]>| {
            let text = Show(text.unwrap_or(b"it does not say why"));
            self.arena.str(format_args!("{text}"))
        };
        let (mut answers, mut refused) = (false, None);
        if let Some(mut message) = self.buf.get(..len).and_then(parse) {
            let body = &mut message.body;
            answers = serial != 0 && message.reply == serial;
            if answers && message.kind == ERROR {
                refused = Some(text(body.string()).unwrap_or("it refuses"));
            }
            // The job's id and path, the unit, and how it ended.
            if message.kind == SIGNAL
                && message.member == b"JobRemoved"
                && (body.u32(), body.string(), body.string()).2 == Some(self.unit)
            {
                self.result = text(body.string()).ok();
            }
        }
        self.buf.copy_within(len.., 0);
        self.len -= len;
        refused.map_or(Ok(answers), |why| Err(Error::refused(DOING, (), why)))
    }
}
