//! Who the process is and what it may do: namespaces, capabilities, limits, groups, id maps, system
//! calls.

use core::ffi::CStr;

use super::names;
use super::read::{File, Read};
use super::settle::{List, Shape};
use super::table::{Keys, Slot, keys};
use crate::jsonmin::Value;
use crate::plan::{
    ARGUMENTS, ENVIRONMENT, FEW, GROUPS, ID_MAPS, IdMap, Init, Kind, Rlimit, Source,
};

pub(super) const NAMESPACE: &Keys = &keys!(
    [all("path", |f| Slot::Text(&mut f.namespace.1))],
    [all("type", |f| {
        let name = f.text()?;
        f.namespace.0 = Some(f.kind(name)?);
        Ok(())
    })]
);

/// `capabilities` of runc 1. What a root command has is the bounding set, at its execve; nsinit gives
/// nobody any other.
pub(super) const SETS: &Keys = &keys!(
    [],
    [
        all("Bounding", |f| f.list(|f| f.listed_capability())),
        all("Effective", |f| f.list(|f| f.capability().map(drop))),
        all("Inheritable", |f| f.list(|f| f.capability().map(drop))),
        all("Permitted", |f| f.list(|f| f.capability().map(drop))),
        all("Ambient", |f| f.list(|f| f.capability().map(drop))),
    ]
);

pub(super) const RLIMIT: &Keys = &keys!(
    [],
    [
        all("type", |f| f.rlimit_type()),
        all("hard", |f| f.u64().map(|n| f.rlimit.hard = n)),
        all("soft", |f| f.u64().map(|n| f.rlimit.soft = n)),
    ]
);

pub(super) const ID_MAP: &Keys = &keys!(
    [
        all("container_id", |f| Slot::U32(&mut f.id_map.container_id)),
        all("host_id", |f| Slot::U32(&mut f.id_map.host_id)),
        all("size", |f| Slot::U32(&mut f.id_map.size)),
    ],
    []
);

impl File<'_> {
    /// A list of names (2014-02), a map of names (to 1.4), or a list of objects (2.0): the shape
    /// tells the generation of the file.
    pub fn namespaces(&mut self) -> Read {
        match self.json.value()? {
            Value::Array => {
                Kind::ALL.into_iter().for_each(|k| self.plan.namespaces.set(k, Source::Keep));
                self.elements(|f| f.namespace())
            }
            Value::Object => {
                self.kept.shape = Shape::Map;
                self.names(|f, name| {
                    let on = f.flag()?;
                    let source = if on { Source::New } else { Source::Keep };
                    match names::namespace(name.to_bytes()) {
                        Some(kind) => f.plan.namespaces.set(kind, source),
                        None if on => {
                            return Err(f.not_among(name, Kind::ALL.into_iter().map(Kind::name)));
                        }
                        None => f.warn(format_args!("unknown namespace: ignored")),
                    }
                    Ok(())
                })
            }
            found => Err(self.expected("an array or an object", found)),
        }
    }

    fn namespace(&mut self) -> Read {
        let (kind, path) = match self.json.value()? {
            Value::Str(name) => {
                self.kept.shape = Shape::Strings;
                (self.kind(name)?, None)
            }
            Value::Object => {
                self.kept.shape = Shape::Objects;
                let pos = self.json.pos();
                self.namespace = (None, None);
                self.members(NAMESPACE)?;
                match self.namespace {
                    (Some(kind), path) => {
                        if kind == Kind::Net {
                            self.mark("netns", 0, pos);
                        }
                        (kind, path)
                    }
                    (None, _) => {
                        return Err(self.fault_of(
                            "type",
                            pos,
                            format_args!("a namespace needs one"),
                        ));
                    }
                }
            }
            found => return Err(self.expected("a string or an object", found)),
        };
        if self.plan.namespaces.is_apart(kind) {
            self.warn(format_args!("{} given twice: the later one counts", kind.name()));
        }
        self.plan.namespaces.set(kind, path.map_or(Source::New, Source::Join));
        Ok(())
    }

    fn kind(&mut self, name: &'static CStr) -> Read<Kind> {
        let known = names::namespace(name.to_bytes());
        known.ok_or_else(|| self.not_among(name, Kind::ALL.into_iter().map(Kind::name)))
    }

    /// A list of capabilities: to keep, or in the files of early 2014 to drop. runc has an object of lists.
    pub fn capabilities(&mut self) -> Read {
        self.kept.listed = Some(0);
        match self.json.value()? {
            Value::Array => self.elements(|f| f.listed_capability()),
            Value::Object => self.members(SETS),
            found => Err(self.expected("an array", found)),
        }
    }

    fn listed_capability(&mut self) -> Read {
        let bit = self.capability()?;
        self.kept.listed = self.kept.listed.map(|bits| bits | bit);
        Ok(())
    }

    /// A list of capabilities to drop, or a map where `false` drops.
    pub fn capabilities_mask(&mut self) -> Read {
        let mask = self.kept.mask.get_or_insert(0);
        match self.json.value()? {
            Value::Array => {
                *mask = 0;
                self.elements(|f| {
                    let bit = f.capability()?;
                    f.kept.mask = f.kept.mask.map(|bits| bits | bit);
                    Ok(())
                })
            }
            Value::Object => self.names(|f, name| {
                let bit = f.capability_bit(name)?;
                let keep = f.flag()?;
                f.kept.mask = f.kept.mask.map(|bits| if keep { bits & !bit } else { bits | bit });
                Ok(())
            }),
            found => Err(self.expected("an array or an object", found)),
        }
    }

    pub fn capability(&mut self) -> Read<u64> {
        let name = self.text()?;
        self.capability_bit(name)
    }

    /// The bit. An unknown name is a fault in every file: the command would have fewer rights than were
    /// meant, or where they are dropped by name, more.
    fn capability_bit(&mut self, name: &'static CStr) -> Read<u64> {
        match names::capability(name.to_bytes()) {
            Some(n) => Ok(1 << n),
            None => {
                Err(self
                    .not_among(names::short(name), names::capabilities(names::ALL_CAPABILITIES)))
            }
        }
    }

    pub fn rlimits(&mut self) -> Read {
        self.plan.process.rlimits.clear();
        self.list(|f| {
            f.rlimit = Rlimit { resource: 0, soft: 0, hard: 0 };
            let pos = f.json.next_pos();
            f.object(RLIMIT)?;
            if f.rlimit.soft > f.rlimit.hard {
                return Err(f.fault_of("soft", pos, format_args!("above the hard limit")));
            }
            f.plan.process.rlimits.push(f.rlimit).map_err(|_| f.full(FEW, "rlimits"))
        })
    }

    fn rlimit_type(&mut self) -> Read {
        self.rlimit.resource = match self.json.value()? {
            Value::Number(number) => self.within(number, 0, names::RLIMIT_COUNT - 1)? as u32,
            Value::Str(name) => names::rlimit(name.to_bytes())
                .ok_or_else(|| self.not_among(name, names::rlimits()))?,
            found => return Err(self.expected("an integer", found)),
        };
        Ok(())
    }

    pub fn environment(&mut self) -> Read {
        if self.claim(List::Environment)? {
            self.plan.process.env.clear();
        }
        self.kept.has_environment = true;
        self.list(|f| {
            let entry = f.text()?;
            let n = f.plan.process.env.len();
            f.mark("environment", n, f.json.pos());
            if n == ENVIRONMENT || f.plan.process.env.push(Some(entry.into())).is_err() {
                return Err(f.full(ENVIRONMENT, "entries"));
            }
            Ok(())
        })
    }

    /// The words of `command`, with the NULL that execve(2) needs.
    pub fn arguments(&mut self) -> Read {
        self.plan.process.command.clear();
        self.list(|f| {
            let word = f.text()?;
            if f.plan.process.command.len() == ARGUMENTS {
                return Err(f.full(ARGUMENTS, "arguments"));
            }
            f.plan
                .process
                .command
                .push(Some(word.into()))
                .map_err(|_| f.full(ARGUMENTS, "arguments"))
        })?;
        match self.plan.process.command.is_empty() {
            true => Ok(()),
            false => {
                self.plan.process.command.push(None).map_err(|_| self.full(ARGUMENTS, "arguments"))
            }
        }
    }

    /// Supplementary groups: names, or numbers of either type.
    pub fn groups(&mut self) -> Read {
        self.plan.process.groups.clear();
        self.list(|f| {
            let group = match f.json.value()? {
                Value::Str(name) if !name.is_empty() => name,
                Value::Number(number) => {
                    let gid = f.within(number, 0, i64::from(u32::MAX))?;
                    let text = f.arena.cstr(format_args!("{gid}"));
                    text.map_err(|_| f.fault("no memory for texts is left"))?
                }
                Value::Str(_) => return Err(f.fault("a group needs a name or a number")),
                found => return Err(f.expected("a string or an integer", found)),
            };
            f.plan.process.groups.push(group).map_err(|_| f.full(GROUPS, "groups"))
        })
    }

    pub fn uid_map(&mut self) -> Read {
        let map = self.id_map_entry("uid_mappings", self.plan.uid_maps.len())?;
        self.plan.uid_maps.push(map).map_err(|_| self.full(ID_MAPS, "id maps"))
    }

    pub fn gid_map(&mut self) -> Read {
        let map = self.id_map_entry("gid_mappings", self.plan.gid_maps.len())?;
        self.plan.gid_maps.push(map).map_err(|_| self.full(ID_MAPS, "id maps"))
    }

    fn id_map_entry(&mut self, part: &'static str, n: usize) -> Read<IdMap> {
        self.id_map = IdMap { container_id: 0, host_id: 0, size: 0 };
        let pos = self.json.next_pos();
        self.object(ID_MAP)?;
        let IdMap { container_id, host_id, size } = self.id_map;
        let ends = [container_id.checked_add(size), host_id.checked_add(size)];
        if size == 0 || ends.contains(&None) {
            return Err(self.fault_of(
                "size",
                pos,
                format_args!("an empty range, or beyond 32 bits"),
            ));
        }
        self.mark(part, n, pos);
        Ok(self.id_map)
    }

    pub fn init(&mut self) -> Read {
        let text = self.text()?;
        self.plan.init = match text.to_bytes() {
            b"exec" => Init::Become,
            b"reap" | b"" => Init::Reap,
            _ => return Err(self.not_among(text, ["reap", "exec"].into_iter())),
        };
        Ok(())
    }
}
