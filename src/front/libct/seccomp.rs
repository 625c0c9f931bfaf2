//! `seccomp`: the rules of libcontainer 2.2, by number (configs/config.go), and the profile files of
//! Docker and podman, by name, which can stand here as they are.

use core::ffi::CStr;

use heapless::Vec;

use super::path::Quoted;
use super::read::{File, Read};
use super::table::{Keys, keys};
use crate::jsonmin::{Pos, Stop, Value};
use crate::near::nearest;
use crate::plan::seccomp::{Action, CONDITIONS, Call, Condition, Op, RULES, Rule, Seccomp};
use crate::seccomp::{abi, words};

/// Most names in one entry of `syscalls`, and most of them that no kernel has.
const NAMES: usize = 512;
const UNKNOWN: usize = 16;
/// Most entries that depend on capabilities.
const BY_CAPABILITY: usize = 64;

/// What the keys of the filter leave for the end of the file.
pub(super) struct Kept {
    /// There is a `defaultAction`: a profile by names.
    named: bool,
    /// `defaultErrnoRet`, and whether `defaultAction` has one.
    default_errno: Option<u16>,
    /// The entry of `archMap` that is read is this machine's.
    is_here: bool,
    by_capability: Vec<ByCapability, BY_CAPABILITY>,
}

impl Kept {
    pub const NOTHING: Kept =
        Kept { named: false, default_errno: None, is_here: false, by_capability: Vec::new() };
}

/// Rules from `first` on, `count` of them, that count only for who has all capabilities of `with` and none of
/// `without`.
#[derive(Clone, Copy)]
struct ByCapability {
    first: u16,
    count: u16,
    with: u64,
    without: u64,
}

/// An entry of `syscalls` in the making.
pub(super) struct Entry {
    calls: Vec<Call, NAMES>,
    unknown: Vec<(&'static CStr, Pos), UNKNOWN>,
    action: Asked,
    errno: Option<u16>,
    conditions: Vec<Condition, 6>,
    /// It is for this machine and kernel.
    applies: bool,
    with: u64,
    without: u64,
}

/// `action`.
#[derive(Clone, Copy)]
enum Asked {
    Nothing,
    /// By libcontainer's numbers: the conditions are alternatives.
    Old(Action),
    /// By name.
    Word(&'static CStr, Pos),
}

/// A condition in the making.
#[derive(Clone, Copy)]
pub(super) struct Argument {
    index: Option<u8>,
    value: u64,
    value_two: u64,
    op: Compared,
}

#[derive(Clone, Copy)]
enum Compared {
    Nothing,
    Old(u8),
    Word(&'static CStr, Pos),
}

impl Entry {
    pub const EMPTY: Entry = Entry {
        calls: Vec::new(),
        unknown: Vec::new(),
        action: Asked::Nothing,
        errno: None,
        conditions: Vec::new(),
        applies: true,
        with: 0,
        without: 0,
    };
}

impl Argument {
    pub const EMPTY: Argument =
        Argument { index: None, value: 0, value_two: 0, op: Compared::Nothing };
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

pub(super) const ENTRY: &Keys = &keys!(
    [],
    [
        all("value", |f| {
            let number = f.int(0, i64::from(i32::MAX))? as u32;
            let call = abi::HERE.native.call(number).unwrap_or(Call::Number(number));
            f.push_call(call)
        }),
        all("name", |f| f.call_name()),
        all("names", |f| f.list(|f| f.call_name())),
        all("action", |f| f.entry_action()),
        all("errnoRet", |f| f.errno().map(|errno| f.entry.errno = Some(errno))),
        // The same by name, in Docker's files.
        all("errno", |f| f.json.skip()),
        all("args", |f| {
            f.entry.conditions.clear();
            f.list(|f| f.condition())
        }),
        all("includes", |f| f.object(INCLUDES)),
        all("excludes", |f| f.object(EXCLUDES)),
        all("comment", |f| f.json.skip()),
    ]
);

const INCLUDES: &Keys = &keys!(
    [],
    [
        all("caps", |f| f.list(|f| f.capability().map(|bit| f.entry.with |= bit))),
        all("arches", |f| {
            let here = f.names_this_machine()?;
            f.entry.applies &= here;
            Ok(())
        }),
        all("minKernel", |f| {
            let old = f.kernel_is_older()?;
            f.entry.applies &= !old;
            Ok(())
        }),
    ]
);

const EXCLUDES: &Keys = &keys!(
    [],
    [
        all("caps", |f| f.list(|f| f.capability().map(|bit| f.entry.without |= bit))),
        all("arches", |f| {
            let here = f.names_this_machine()?;
            f.entry.applies &= !here;
            Ok(())
        }),
        all("minKernel", |f| {
            let old = f.kernel_is_older()?;
            f.entry.applies &= old;
            Ok(())
        }),
    ]
);

pub(super) const ARGUMENT: &Keys = &keys!(
    [],
    [
        all("index", |f| f.int(0, 5).map(|n| f.argument.index = Some(n as u8))),
        all("value", |f| f.u64().map(|n| f.argument.value = n)),
        all("valueTwo", |f| f.u64().map(|n| f.argument.value_two = n)),
        all("op", |f| {
            f.argument.op = match f.json.value()? {
                Value::Number(number) => Compared::Old(f.within(number, 0, 4)? as u8),
                Value::Str(word) => Compared::Word(word, f.json.pos()),
                found => return Err(f.expected("a word as \"SCMP_CMP_EQ\" or a number", found)),
            };
            Ok(())
        }),
    ]
);

impl File<'_> {
    pub fn seccomp(&mut self) -> Read {
        self.filter = Kept::NOTHING;
        self.object(SECCOMP)
    }

    fn seccomp_plan(&mut self) -> &mut Seccomp {
        self.plan.process.seccomp.get_or_insert_with(|| Seccomp::new(Action::ALLOW))
    }

    fn errno(&mut self) -> Read<u16> {
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

    fn no_such_action(&mut self, word: &'static CStr, pos: Pos) -> Stop {
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

    fn seccomp_entry(&mut self) -> Read {
        self.entry = Entry::EMPTY;
        let pos = self.json.next_pos();
        self.object(ENTRY)?;
        let errno = self.entry.errno.unwrap_or(1);
        let action = match self.entry.action {
            Asked::Nothing => {
                let why = format_args!("a rule needs one: a word as SCMP_ACT_ALLOW, or a number");
                return Err(self.fault_of("action", pos, why));
            }
            Asked::Old(action) => action,
            Asked::Word(word, at) => match words::action(word.to_bytes(), errno) {
                Some(action) => action,
                None => return Err(self.no_such_action(word, at)),
            },
        };
        self.judge_unknown(action)?;
        self.judge_conditions(pos)?;
        if self.entry.applies { self.add_rules(action, pos) } else { Ok(()) }
    }

    /// Names that no kernel has: passed over where they would be allowed, an error where what they name is to
    /// be stopped.
    fn judge_unknown(&mut self, action: Action) -> Read {
        while let Some((name, pos)) = self.entry.unknown.pop() {
            if action.permits() {
                let name = Quoted(name);
                match nearest(name.0.to_bytes(), abi::names()) {
                    Some(near) => self.warn_at(
                        pos,
                        format_args!(
                            "unknown system call {name}: ignored (did you mean \"{near}\"?)"
                        ),
                    ),
                    None => self.warn_at(pos, format_args!("unknown system call {name}: ignored")),
                }
            } else {
                let near = nearest(name.to_bytes(), abi::names());
                let why = match near {
                    Some(near) => self.words(format_args!(
                        "unknown system call {}: did you mean \"{near}\"?",
                        Quoted(name)
                    )),
                    None => self.words(format_args!("unknown system call {}", Quoted(name))),
                };
                return Err(self.fault_at(pos, why));
            }
        }
        Ok(())
    }

    /// Two conditions on one argument: other runtimes take them as alternatives, libseccomp refuses them, and
    /// who wrote `!= 1, != 2` meant both.
    fn judge_conditions(&mut self, pos: Pos) -> Read {
        let mut seen = 0u8;
        let twice = self.entry.conditions.iter().any(|condition| {
            let before = seen;
            seen |= 1 << condition.index;
            before == seen
        });
        if twice && matches!(self.entry.action, Asked::Word(..)) {
            let why = format_args!("two conditions on one argument: make two entries of it");
            return Err(self.fault_of("args", pos, why));
        }
        Ok(())
    }

    fn add_rules(&mut self, action: Action, pos: Pos) -> Read {
        let old = matches!(self.entry.action, Asked::Old(_));
        let first_rule = self.seccomp_plan().rules.len();
        for n in 0..self.entry.calls.len() {
            let Some(call) = self.entry.calls.get(n).copied() else { break };
            if old {
                // Of two rules for one number libcontainer took the later.
                self.seccomp_plan().rules.retain(|rule| rule.call != call);
            }
            let mut groups = [&self.entry.conditions[..]; 6];
            let mut count = 1;
            if old && !self.entry.conditions.is_empty() {
                count = self.entry.conditions.len();
                for (group, one) in groups.iter_mut().zip(self.entry.conditions.chunks(1)) {
                    *group = one;
                }
            }
            for conditions in groups.iter().take(count) {
                let plan =
                    self.plan.process.seccomp.get_or_insert_with(|| Seccomp::new(Action::ALLOW));
                let first = plan.conditions.len() as u16;
                let line = pos.line;
                let rule = Rule { call, action, first, count: conditions.len() as u8, line };
                if plan.conditions.extend_from_slice(conditions).is_err() {
                    return Err(self.full(CONDITIONS, "conditions"));
                }
                if plan.rules.push(rule).is_err() {
                    return Err(self.full(RULES, "rules"));
                }
            }
        }
        self.note_capabilities(first_rule)
    }

    fn note_capabilities(&mut self, first: usize) -> Read {
        let (with, without) = (self.entry.with, self.entry.without);
        if with | without == 0 {
            return Ok(());
        }
        let count = self.seccomp_plan().rules.len() - first;
        let noted = ByCapability { first: first as u16, count: count as u16, with, without };
        let pushed = self.filter.by_capability.push(noted);
        pushed.map_err(|_| self.full(BY_CAPABILITY, "entries that depend on capabilities"))
    }

    fn call_name(&mut self) -> Read {
        let name = self.text()?;
        let known = name.to_str().ok();
        if let Some(call) = known.and_then(abi::find) {
            return self.push_call(call);
        }
        if !known.is_some_and(|name| words::ELSEWHERE.contains(&name)) {
            let pos = self.json.pos();
            let pushed = self.entry.unknown.push((name, pos));
            pushed.map_err(|_| self.full(UNKNOWN, "unknown names in one entry"))?;
        }
        Ok(())
    }

    fn push_call(&mut self, call: Call) -> Read {
        self.entry.calls.push(call).map_err(|_| self.full(NAMES, "names in one entry"))
    }

    fn entry_action(&mut self) -> Read {
        self.entry.action = match self.json.value()? {
            Value::Str(word) => Asked::Word(word, self.json.pos()),
            Value::Number(number) => Asked::Old(match self.within(number, -3, 4095)? {
                0 => {
                    return Err(
                        self.fault("a rule needs one: -3 kill, -2 trap, -1 allow, or an errno")
                    );
                }
                -3 => Action::KILL_THREAD,
                -2 => Action::TRAP,
                -1 => Action::ALLOW,
                errno => Action::errno(errno as u16),
            }),
            found => return Err(self.expected("a word as \"SCMP_ACT_ALLOW\" or a number", found)),
        };
        Ok(())
    }

    fn condition(&mut self) -> Read {
        self.argument = Argument::EMPTY;
        let pos = self.json.next_pos();
        self.object(ARGUMENT)?;
        let Argument { index, value, value_two, op } = self.argument;
        // Go's zero, where the file says nothing.
        let index = index.unwrap_or(0);
        let (op, value) = match op {
            // libcontainer's names of these promise more than they do: 2 and 3 have always been >= and <=, and 4
            // looks at the lower half alone.
            Compared::Nothing | Compared::Old(0) => (Op::Eq, value),
            Compared::Old(1) => (Op::Ne, value),
            Compared::Old(2) => (Op::Ge, value),
            Compared::Old(3) => (Op::Le, value),
            Compared::Old(_) => (Op::MaskedEq(value), value),
            Compared::Word(word, at) => {
                match words::comparison(word.to_bytes(), value, value_two) {
                    Some(comparison) => comparison,
                    None => {
                        let why = format_args!(
                            "unknown comparison {}; expected SCMP_CMP_EQ, _NE, _LT, _LE, _GE, _GT or _MASKED_EQ",
                            Quoted(word)
                        );
                        let why = self.words(why);
                        return Err(self.fault_at(at, why));
                    }
                }
            }
        };
        if let Op::MaskedEq(mask) = op
            && value & !mask != 0
        {
            let why =
                format_args!("it has bits that the mask does not have: nothing is equal to it");
            return Err(self.fault_of("valueTwo", pos, why));
        }
        let condition = Condition { index, op, value };
        self.entry.conditions.push(condition).map_err(|_| self.full(6, "conditions"))
    }

    /// `arches`: Go's names.
    fn names_this_machine(&mut self) -> Read<bool> {
        self.filter.is_here = false;
        self.list(|f| {
            let name = f.text()?;
            f.filter.is_here |= words::is_here(name.to_bytes());
            Ok(())
        })?;
        Ok(self.filter.is_here)
    }

    /// `minKernel`: "4.8".
    fn kernel_is_older(&mut self) -> Read<bool> {
        let wanted = self.text()?;
        match words::version(wanted.to_bytes()) {
            Some(version) => Ok(words::running_kernel() < version),
            None => Err(self.fault("expected a version of the kernel, such as \"4.8\"")),
        }
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
