//! Which containers there are.

use core::ffi::CStr;

use rustix::fs::{Mode, mkdir};
use rustix::io::Errno;

use super::unit::{Kind, UNITS, Unit};
use super::{Room, control};
use crate::boot::names;
use crate::bytes::{Show, split_by};
use crate::error::{Context, Error};
use crate::front::load::RUN;

/// Where the containers are unless the command line says otherwise.
pub const CONTAINERS: &CStr = c"/containers";
/// Longest name: of it are made a path, a cgroup perhaps, and the beginning of a line.
pub const NAME: usize = 63;

impl Room<'_, '_> {
    /// Makes /run/nsinit and what is in it.
    pub fn directories(&mut self) {
        for dir in [RUN, c"/run/nsinit/log"] {
            match mkdir(dir, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => {
                    let error = Error::errno("make the directory", dir, errno);
                    self.say(format_args!("{error}"));
                }
            }
        }
        match control::listen() {
            Ok(socket) => self.control.listener = Some(socket),
            Err(error) => self.say(format_args!("{error}: nobody can ask for anything")),
        }
    }

    /// Where the containers are.
    pub fn containers(&self) -> &'static CStr {
        self.machine.cmdline.containers.unwrap_or(CONTAINERS)
    }

    /// Fills the table, each kind in the order of its names.
    pub fn find(&mut self) {
        let containers = self.containers();
        let mut found = false;
        for kind in Kind::ALL {
            let parts = [containers.to_bytes(), b"/", kind.dir().as_bytes()];
            let names = self.machine.arena.concat(&parts).doing("name the directory", containers);
            match names.and_then(|dir| names::sorted(dir, self.machine.arena)) {
                Ok(names) => {
                    found = true;
                    names.iter().for_each(|name| self.add(name, kind));
                }
                Err(error) if error.raw() == Some(Errno::NOENT) => {}
                Err(error) => self.say(format_args!("{error}")),
            }
        }
        if !found {
            let path = Show(containers.to_bytes());
            self.say(format_args!(
                "no containers: {path} has neither onboot nor services nor onshutdown"
            ));
        }
    }

    fn add(&mut self, name: &'static CStr, kind: Kind) {
        let listed = |list: Option<&CStr>| {
            list.map(|list| split_by(list.to_bytes(), b',').any(|word| word == name.to_bytes()))
        };
        let cmdline = &self.machine.cmdline;
        if listed(cmdline.only) == Some(false) || listed(cmdline.skip) == Some(true) {
            return;
        }
        let why = match fault(name) {
            None if self.units.iter().any(|unit| unit.name == name) => {
                Some("another container has this name, in another directory")
            }
            None if self.units.push(Unit::new(name, kind)).is_err() => {
                debug_assert!(self.units.len() == UNITS);
                Some("there are more than 128 containers")
            }
            why => why,
        };
        if let Some(why) = why {
            let name = Show(name.to_bytes());
            self.say(format_args!("{}/{name}: {why}: it is left out", kind.dir()));
        }
    }
}

/// Why a name can't be a container's.
pub fn fault(name: &CStr) -> Option<&'static str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+@".contains(byte);
    match name.to_bytes() {
        name if name.len() > NAME => Some("its name has more than 63 bytes"),
        name if !name.iter().all(plain) => {
            Some("its name has something else than letters, digits, and \"-_.+@\"")
        }
        b"log" | b"control" => Some("nsinit needs this name itself"),
        _ => None,
    }
}
