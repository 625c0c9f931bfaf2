//! `seccomp` as understood: by names, with one entry for each rule.

use crate::json::Json;
use crate::plan::seccomp::{Action, Call, Condition, Rule, Seccomp};
use crate::seccomp::abi::{self, HERE};
use crate::seccomp::words;

pub(super) fn print(j: &mut Json, filter: &Seccomp) {
    j.begin("seccomp", '{');
    action(j, ["defaultAction", "defaultErrnoRet"], filter.default);
    j.begin("architectures", '[');
    let beside =
        [(Some(HERE.native), true), (HERE.compat, filter.abis.compat), (HERE.x32, filter.abis.x32)];
    for (abi, asked) in beside {
        if let Some(abi) = abi.filter(|_| asked) {
            j.item();
            j.raw(format_args!("\"{}\"", words::of_architecture(abi)));
        }
    }
    j.close();
    if let Some(flags) = filter.flags {
        j.begin("flags", '[');
        for word in words::of_flags(flags) {
            j.item();
            j.raw(format_args!("\"{word}\""));
        }
        j.close();
    }
    j.begin("syscalls", '[');
    for rule in &filter.rules {
        entry(j, rule, filter.conditions(rule));
    }
    j.close();
    j.close();
}

fn action(j: &mut Json, [name, errno_name]: [&str; 2], action: Action) {
    let (word, errno) = words::of_action(action);
    j.key(name);
    j.raw(format_args!("\"{word}\""));
    if let Some(errno) = errno {
        j.number(errno_name, errno.into());
    }
}

fn entry(j: &mut Json, rule: &Rule, conditions: &[Condition]) {
    j.open('{', false);
    match rule.call {
        Call::Number(number) => j.number("value", number.into()),
        Call::Named(_) => {
            j.key("name");
            j.raw(format_args!("\"{}\"", abi::name(rule.call)));
        }
    }
    action(j, ["action", "errnoRet"], rule.action);
    if !conditions.is_empty() {
        j.key("args");
        j.open('[', false);
        for condition in conditions {
            let (word, value, value_two) = words::of_comparison(condition.op, condition.value);
            j.open('{', false);
            j.number("index", condition.index.into());
            j.unsigned("value", value);
            j.unsigned("valueTwo", value_two);
            j.key("op");
            j.raw(format_args!("\"{word}\""));
            j.close();
        }
        j.close();
    }
    j.close();
}
