//! `seccomp` of libcontainer 2.2: rules by system call number (configs/config.go).

use super::read::{File, Read};
use super::table::{Keys, Slot, keys};
use crate::plan::{SECCOMP_RULES, Seccomp, SeccompArg, SeccompRule};

pub(super) const SECCOMP: &Keys = &keys!(
    [],
    [all("syscalls", |f| {
        let seccomp =
            f.plan.process.seccomp.get_or_insert_with(|| Seccomp { rules: Default::default() });
        seccomp.rules.clear();
        f.list(|f| f.seccomp_rule())
    })]
);

pub(super) const SECCOMP_RULE: &Keys = &keys!(
    [],
    [
        all("value", |f| f.int(0, i64::from(i32::MAX)).map(|n| f.rule.number = n as u32)),
        all("action", |f| f.int(-3, 4095).map(|n| f.rule.action = n as i32)),
        all("args", |f| {
            f.rule.conditions = 0;
            f.list(|f| f.seccomp_arg())
        }),
        all("names", |f| Err(f.fault("nsinit knows system calls by number only, as \"value\""))),
    ]
);

pub(super) const SECCOMP_ARG: &Keys = &keys!(
    [all("value", |f| Slot::U32(&mut f.arg.value))],
    [
        all("index", |f| f.int(0, 5).map(|n| f.arg.index = n as u8)),
        all("op", |f| f.int(0, 4).map(|n| f.arg.op = n as u8)),
    ]
);

impl File<'_> {
    pub fn seccomp(&mut self) -> Read {
        self.object(SECCOMP)
    }

    fn seccomp_rule(&mut self) -> Read {
        let args = [SeccompArg::default(); 6];
        self.rule = SeccompRule { number: 0, action: 0, conditions: 0, args };
        let pos = self.json.next_pos();
        self.object(SECCOMP_RULE)?;
        if self.rule.action == 0 {
            let why = format_args!("a rule needs one: -3 kill, -2 trap, -1 allow, or an errno");
            return Err(self.fault_of("action", pos, why));
        }
        let rule = self.rule;
        let Some(seccomp) = &mut self.plan.process.seccomp else { return Ok(()) };
        seccomp.rules.push(rule).map_err(|_| self.full(SECCOMP_RULES, "rules"))
    }

    fn seccomp_arg(&mut self) -> Read {
        self.arg = SeccompArg::default();
        self.object(SECCOMP_ARG)?;
        match self.rule.args.get_mut(usize::from(self.rule.conditions)) {
            Some(arg) => *arg = self.arg,
            None => return Err(self.full(6, "arguments")),
        }
        self.rule.conditions += 1;
        Ok(())
    }
}
