//! `seccomp`: the rules of libcontainer 2.2, by number (configs/config.go), and the profile files of
//! Docker and podman, by name, which can stand here as they are. Its entries are in `seccomp_entry`.

use core::ffi::CStr;

use heapless::Vec;

use super::path::Quoted;
use super::read::{File, Read};
use super::table::{Keys, keys};
use crate::jsonmin::{Pos, Stop};
use crate::plan::seccomp::{Action, Seccomp};
use crate::seccomp::words;

/// Most entries that depend on capabilities.
pub(super) const BY_CAPABILITY: usize = 64;

/// What the keys of the filter leave for the end of the file.
pub(super) struct Kept {
    /// There is a `defaultAction`: a profile by names.
    named: bool,
    /// `defaultErrnoRet`, and whether `defaultAction` has one.
    default_errno: Option<u16>,
    /// The entry of `archMap` that is read is this machine's.
    pub is_here: bool,
    pub by_capability: Vec<ByCapability, BY_CAPABILITY>,
}

impl Kept {
    pub const NOTHING: Kept =
        Kept { named: false, default_errno: None, is_here: false, by_capability: Vec::new() };
}

/// Rules from `first` on, `count` of them, that count only for who has all capabilities of `with` and none of
/// `without`.
#[derive(Clone, Copy)]
pub(super) struct ByCapability {
    pub first: u16,
    pub count: u16,
    pub with: u64,
    pub without: u64,
}

pub(super) const SECCOMP: &Keys = &keys!(
    [],
    [
        all("defaultAction", |f| f.default_action()),
        all("defaultErrnoRet", |f| f.errno().map(|errno| f.filter.default_errno = Some(errno))),
        // The same by name, in podman's file.
        all("defaultErrno", |f| f.json.skip()),
        all("architectures", |f| f.list(|f| f.architecture())),
        all("archMap", |f| f.list(|f| {
            f.filter.is_here = false;
            f.object(ARCH_MAP)
        })),
        all("flags", |f| {
            f.seccomp_plan().flags = Some(0);
            f.list(|f| f.filter_flag())
        }),
        all("syscalls", |f| {
            let plan = f.seccomp_plan();
            plan.rules.clear();
            plan.conditions.clear();
            f.filter.by_capability.clear();
            f.list(|f| f.seccomp_entry())
        }),
    ]
);

const ARCH_MAP: &Keys = &keys!(
    [],
    [
        all("architecture", |f| {
            let here = f.architecture_word()? == words::Architecture::Native;
            f.filter.is_here = here;
            Ok(())
        }),
        // It follows `architecture` in every file that a program has written.
        all("subArchitectures", |f| {
            if f.filter.is_here { f.list(|f| f.architecture()) } else { f.json.skip() }
        }),
    ]
);

impl File<'_> {
    pub fn seccomp(&mut self) -> Read {
        self.filter = Kept::NOTHING;
        self.object(SECCOMP)
    }

    pub fn seccomp_plan(&mut self) -> &mut Seccomp {
        self.plan.process.seccomp.get_or_insert_with(|| Seccomp::new(Action::ALLOW))
    }

    pub fn errno(&mut self) -> Read<u16> {
        self.int(0, 4095).map(|errno| errno as u16)
    }

    fn default_action(&mut self) -> Read {
        let word = self.text()?;
        let action = self.action(word, 1)?;
        self.seccomp_plan().default = action;
        self.filter.named = true;
        Ok(())
    }

    fn action(&mut self, word: &'static CStr, errno: u16) -> Read<Action> {
        let pos = self.json.pos();
        words::action(word.to_bytes(), errno).ok_or_else(|| self.no_such_action(word, pos))
    }

    pub fn no_such_action(&mut self, word: &'static CStr, pos: Pos) -> Stop {
        let why = self.words(format_args!(
            "unknown action {}; expected SCMP_ACT_ALLOW, _ERRNO, _KILL_THREAD, _KILL_PROCESS, _TRAP, \
             _TRACE or _LOG",
            Quoted(word)
        ));
        self.fault_at(pos, why)
    }

    fn architecture_word(&mut self) -> Read<words::Architecture> {
        let word = self.text()?;
        words::architecture(word.to_bytes()).ok_or_else(|| {
            let why = format_args!("unknown architecture {}, as in SCMP_ARCH_X86_64", Quoted(word));
            self.composed(why)
        })
    }

    fn architecture(&mut self) -> Read {
        if let words::Architecture::Beside(abis) = self.architecture_word()? {
            let own = &mut self.seccomp_plan().abis;
            own.compat |= abis.compat;
            own.x32 |= abis.x32;
        }
        Ok(())
    }

    fn filter_flag(&mut self) -> Read {
        let word = self.text()?;
        let Some(flag) = words::flag(word.to_bytes()) else {
            return Err(self.composed(format_args!(
                "unknown flag {}; expected SECCOMP_FILTER_FLAG_LOG, _SPEC_ALLOW or _TSYNC",
                Quoted(word)
            )));
        };
        let flags = &mut self.seccomp_plan().flags;
        *flags = Some(flags.unwrap_or(0) | flag);
        Ok(())
    }

    /// When the whole file is known: which entries are for who has the plan's capabilities, and the errno of the
    /// default.
    pub fn settle_seccomp(&mut self) {
        let capabilities = self.plan.process.capabilities;
        if self.plan.process.seccomp.is_none() {
            return;
        }
        // A filter that the command could leave by a set-user-ID program is half of one.
        if self.plan.mark("no_new_privs", 0).is_none() {
            self.plan.process.no_new_privs = true;
        }
        let Some(plan) = &mut self.plan.process.seccomp else { return };
        if let (Some(errno), ("SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE", _)) =
            (self.filter.default_errno, words::of_action(plan.default))
        {
            plan.default = Action(plan.default.0 & !0xffff | u32::from(errno));
        }
        if !self.filter.named {
            // Rules by number are for whichever way the same call is made.
            plan.abis.compat = true;
        }
        let out = |n: usize| {
            self.filter.by_capability.iter().any(|entry| {
                let first = usize::from(entry.first);
                (first..first + usize::from(entry.count)).contains(&n)
                    && (capabilities & entry.with != entry.with
                        || capabilities & entry.without != 0)
            })
        };
        let mut n = 0;
        plan.rules.retain(|_| {
            n += 1;
            !out(n - 1)
        });
    }
}
