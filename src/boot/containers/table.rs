//! Which containers there are.

use core::ffi::CStr;
use core::fmt::{self, Write};

use heapless::Vec;
use rustix::fs::{Mode, mkdir};
use rustix::io::Errno;

use super::child::join;
use super::unit::{Kind, UNITS, Unit};
use super::{Room, control};
use crate::boot::mounts;
use crate::boot::names::{self, Names};
use crate::bytes::{Arena, Show, is_among, split_by};
use crate::error::{Context, Result};
use crate::front::libct::LOGS;
use crate::front::load::RUN;

/// Where the containers are unless the command line says otherwise.
pub const CONTAINERS: &CStr = c"/containers";
/// Longest name: of it are made a path, a cgroup perhaps, and the beginning of a line.
pub const NAME: usize = 63;

impl Room<'_, '_> {
    /// Makes /run/nsinit and what is in it.
    pub fn directories(&mut self) {
        let made = [make(RUN), mounts::one(&mounts::PID_1), make(c"/run/nsinit/pid1/log")];
        for error in made.into_iter().filter_map(Result::err) {
            self.say(format_args!("{error}"));
        }
        match control::listen() {
            Ok(socket) => self.control.listener = Some(socket),
            Err(error) => self.say(format_args!("{error}: nobody can ask for anything")),
        }
    }

    /// `nsinit.log=` of the command line.
    pub fn log(&mut self) {
        let Some(word) = self.machine.cmdline.log else { return };
        match LOGS.iter().find(|(known, _)| known.as_bytes() == word.to_bytes()) {
            Some((_, bits)) => self.log = *bits,
            None => {
                let word = Show(word.to_bytes());
                self.say(format_args!(
                    "nsinit.log={word}: unknown value; option ignored (console, kmsg, file or none)"
                ));
            }
        }
        for unit in self.units.iter_mut() {
            unit.keep.log = self.log;
        }
    }

    /// Where the containers are.
    pub fn containers(&self) -> &'static CStr {
        self.machine.cmdline.containers.unwrap_or(CONTAINERS)
    }

    /// Fills the table with those that are wanted.
    // Its names would stay in the frame of the loop.
    #[inline(never)]
    pub fn find(&mut self) {
        let containers = self.containers();
        let Room { units, sinks, machine, .. } = self;
        find(containers, units, machine.arena, &mut |text| {
            // A backlog takes everything.
            let _ = writeln!(sinks.backlog, "nsinit: {text}");
        });
        let (only, skip) = (machine.cmdline.only, machine.cmdline.skip);
        if self.units.is_empty() {
            let path = Show(containers.to_bytes());
            self.say(format_args!(
                "no containers: nothing is in onboot, services and onshutdown of {path}"
            ));
        }
        for list in [only, skip] {
            for word in split_by(list.unwrap_or(c"").to_bytes(), b',') {
                if !self.units.iter().any(|unit| unit.name.to_bytes() == word) && !word.is_empty() {
                    let name = Show(word);
                    self.say(format_args!(
                        "nsinit.only, nsinit.skip: there is no container {name}"
                    ));
                }
            }
        }
        self.units.retain(|unit| {
            let named = |list: &CStr| is_among(list.to_bytes(), b',', unit.name.to_bytes());
            only.is_none_or(named) && !skip.is_some_and(named)
        });
    }
}

/// Makes a directory that is root's alone.
fn make(dir: &'static CStr) -> Result<()> {
    match mkdir(dir, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno).doing("make the directory", dir),
    }
}

/// Fills the table with what is below `dir`, each kind in the order of its names; what can't be a
/// container is told to `wrong`.
pub fn find(
    dir: &'static CStr,
    units: &mut Vec<Unit, UNITS>,
    arena: &Arena,
    wrong: &mut dyn FnMut(fmt::Arguments),
) {
    for kind in Kind::ALL {
        let mut names = Names::new();
        let path = join(arena, &[dir.to_bytes(), b"/", kind.dir().as_bytes()]);
        if let Err(error) = path.and_then(|dir| names::sorted(dir, arena, &mut names)) {
            if error.raw() != Some(Errno::NOENT) {
                wrong(format_args!("{error}"));
            }
            continue;
        }
        for name in names {
            let why = match fault(name) {
                None if units.iter().any(|unit| unit.name == name) => {
                    Some("another container has this name")
                }
                None if units.is_full() => Some("more than 64 containers"),
                None => {
                    // It is not full.
                    let _ = units.push(Unit::new(name, kind));
                    continue;
                }
                why => why,
            };
            if let Some(why) = why {
                let name = Show(name.to_bytes());
                wrong(format_args!("{}/{name}: {why}; ignored", kind.dir()));
            }
        }
    }
}

/// Why a name can't be a container's.
fn fault(name: &CStr) -> Option<&'static str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+@".contains(byte);
    match name.to_bytes() {
        name if name.len() > NAME => Some("the name is longer than 63 bytes"),
        name if !name.iter().all(plain) => {
            Some("the name has other characters than letters, digits and \"-_.+@\"")
        }
        name if name == b"pid1" => Some("nsinit uses this name itself"),
        _ => None,
    }
}
