//! An entry of `seccomp.syscalls`: which calls, what is done with them, and when.

use core::ffi::CStr;

use heapless::Vec;

use super::path::Quoted;
use super::read::{File, Read};
use super::seccomp::{BY_CAPABILITY, ByCapability};
use super::table::{Keys, keys};
use crate::jsonmin::{Pos, Value};
use crate::near::nearest;
use crate::plan::seccomp::{Action, CONDITIONS, Call, Condition, RULES, Rule, Seccomp};
use crate::seccomp::{abi, words};

/// Most names in one entry of `syscalls`, and most of them that no kernel has.
const NAMES: usize = 512;
const UNKNOWN: usize = 16;

/// An entry of `syscalls` in the making.
pub(super) struct Entry {
    calls: Vec<Call, NAMES>,
    unknown: Vec<(&'static CStr, Pos), UNKNOWN>,
    action: Asked,
    errno: Option<u16>,
    pub conditions: Vec<Condition, 6>,
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

impl File<'_> {
    pub fn seccomp_entry(&mut self) -> Read {
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
}
