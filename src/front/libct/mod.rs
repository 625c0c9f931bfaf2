//! container.json, every dialect: what docker's libcontainer read and wrote from February 2014 to
//! its end in 2015, into a plan.
//!
//! There never was a version in the file: `read` takes the union of all keys, and the shape of each
//! value tells which meaning it has. What depends on the whole file is settled at its end.

mod cgroups;
mod devices;
mod keys;
mod mounts;
mod names;
mod networks;
mod path;
mod place;
mod print;
mod print_cgroup;
mod print_seccomp;
mod process;
mod read;
mod routes;
mod seccomp;
mod seccomp_argument;
mod seccomp_entry;
mod service;
mod settle;
mod table;
mod tell;

use core::fmt;

use heapless::Vec;

use self::devices::DeviceEntry;
use self::mounts::MountEntry;
use self::networks::NetworkEntry;
pub use self::place::place;
pub use self::print::print;
use self::read::File;
pub use self::service::LOGS;
use self::settle::Kept;
use crate::bytes::Arena;
use crate::error::Error;
use crate::jsonmin::{Pos, Reader, Stop, Value};
use crate::plan::{IdMap, Plan, Rlimit, Route};
use crate::say;

/// The configuration that `nsinit config --new` prints.
pub const MINIMAL: &str = include_str!("../../../sample_configs/minimal.json");
/// What it is called in there.
pub const MINIMAL_NAME: &str = "minimal";

/// Why a configuration can't be used, and the place: `jsonmin::show_line` shows the line.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The message, with file, line, column and key.
    pub error: Error,
    /// The place in the file; line 0 where there is none.
    pub pos: Pos,
}

/// Tells that a configuration which starts a container says nothing of namespaces. It would run its
/// command on the host itself: an empty file, one of another program, one with a slip in that key.
pub fn check_isolation(plan: &Plan, name: &'static str, tell: &mut dyn FnMut(Fault)) {
    if plan.mark("namespaces", 0).is_none() && !plan.is_faulty("namespaces") {
        let why = "no \"namespaces\": the command would run on the host itself (\"nsinit config --new\" \
                   prints a configuration that isolates it; \"namespaces\": [] runs it on the host)";
        tell(Fault { error: Error::refused("", name, why), pos: Pos::default() });
    }
}

/// Reads the text of a container.json, called `name` in messages, into `plan`, which must be new.
///
/// The strings of the plan are parts of `text`, which is decoded in place. What the decoder of Go
/// let pass is a warning; an unknown key is a fault where it is nearly a known one, or with `strict`. All faults go to `tell`, in their
/// order; one of the text itself is the last, and then the plan is not `whole`.
pub fn parse(
    text: &'static mut [u8],
    name: &'static str,
    plan: &mut Plan,
    arena: &Arena,
    strict: bool,
    tell: &mut dyn FnMut(Fault),
) {
    parse_with(text, name, plan, arena, strict, &mut say::warning, tell);
}

/// `parse`, with the warnings to `warn`.
pub fn parse_with(
    text: &'static mut [u8],
    name: &'static str,
    plan: &mut Plan,
    arena: &Arena,
    strict: bool,
    warn: &mut dyn FnMut(fmt::Arguments),
    tell: &mut dyn FnMut(Fault),
) {
    if text.iter().all(u8::is_ascii_whitespace) {
        let error = Error::refused("", name, "it is empty");
        return tell(Fault { error, pos: Pos::default() });
    }
    let mut file = File::new(Reader::new(text), name, plan, arena, warn, tell);
    file.strict = strict;
    file.read();
    if let Some(fault) = file.json.fault() {
        file.fault_at(fault.pos, fault.why);
    }
}

impl<'p> File<'p> {
    /// Nothing of it has been read.
    #[inline(never)] // two callers, and its fields are many
    fn new(
        json: Reader<'static>,
        name: &'static str,
        plan: &'p mut Plan,
        arena: &'p Arena,
        warn: &'p mut dyn FnMut(fmt::Arguments),
        tell: &'p mut dyn FnMut(Fault),
    ) -> File<'p> {
        File {
            json,
            plan,
            arena,
            name,
            strict: false,
            warn,
            tell,
            faults: 0,
            full: false,
            path: Vec::new(),
            foreign: Vec::new(),
            kept: Kept::NOTHING,
            marking: None,
            mount: MountEntry::EMPTY,
            device: DeviceEntry::EMPTY,
            network: NetworkEntry::EMPTY,
            route: Route::NOTHING,
            rlimit: Rlimit { resource: 0, soft: 0, hard: 0 },
            id_map: IdMap { container_id: 0, host_id: 0, size: 0 },
            filter: seccomp::Kept::NOTHING,
            entry: seccomp_entry::Entry::EMPTY,
            argument: seccomp_argument::Argument::EMPTY,
            named: (None, 0),
            namespace: (None, None),
        }
    }
}

impl File<'_> {
    /// The whole file.
    fn read(&mut self) {
        if self.json.bom() {
            self.warn(format_args!("a byte order mark: passed over"));
        }
        match self.json.value() {
            // Its faults were told, but that of the text.
            Ok(Value::Object) => _ = self.members(keys::TOP),
            Ok(found) => {
                self.expected("an object", found);
                return;
            }
            Err(Stop) => {}
        }
        if self.json.fault().is_some() {
            return;
        }
        if !self.json.at_end() {
            // Go's decoder passed it over. What somebody has closed too early would be missing.
            self.fault("unexpected text after the end of the configuration");
            return;
        }
        self.plan.whole = true;
        self.settle();
    }
}

#[cfg(test)]
mod tests;
