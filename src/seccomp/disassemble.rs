//! A filter as text, for who reviews it: each instruction with the calls and actions that it is about.

use core::fmt::{self, Write};

use linux_raw_sys::ptrace::sock_filter;

use super::abi::{self, Abi, HERE, X32_BIT};
use super::assemble::{AND, EQ, GE, GT, JUMP, LOAD, RETURN};
use super::words;
use crate::plan::seccomp::{Action, Call, Seccomp};

/// What the accumulator holds, as far as the reader is helped by it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loaded {
    Number,
    Arch,
    Argument,
}

/// Writes a filter for review: its rules, each with its line in the file, and its program.
pub fn review(filter: &Seccomp, program: &[sock_filter], out: &mut dyn Write) -> fmt::Result {
    let (default, errno) = words::of_action(filter.default);
    write!(out, "rules: {default}")?;
    errno.map_or(Ok(()), |errno| write!(out, " {errno}"))?;
    out.write_str(" unless one of these matches, of which the strictest counts\n")?;
    rules(filter, out)?;
    writeln!(out, "program: {} instructions", program.len())?;
    disassemble(program, out)
}

/// A line for each instruction.
fn disassemble(program: &[sock_filter], out: &mut dyn Write) -> fmt::Result {
    // `compile` writes an ABI's instructions together: the last load says what the next tests are about, and
    // the architecture that led here which numbers are meant.
    let mut loaded = Loaded::Arch;
    let mut abi = HERE.native;
    for (n, insn) in program.iter().enumerate() {
        let sock_filter { code, jt, jf, k } = *insn;
        let [yes, no] = [jt, jf].map(|jump| n + 1 + usize::from(jump));
        write!(out, "{n:4}  ")?;
        match u32::from(code) {
            LOAD => {
                loaded = match k {
                    0 => Loaded::Number,
                    4 => Loaded::Arch,
                    _ => Loaded::Argument,
                };
                if loaded == Loaded::Number && n > 0 {
                    abi = reached_by(program, n).unwrap_or(abi);
                }
                load(out, k)?;
            }
            AND => write!(out, "and  {k:#x}")?,
            RETURN => ret(out, Action(k))?,
            JUMP => write!(out, "jump {}", n + 1 + k as usize)?,
            EQ | GE | GT => {
                let word = match u32::from(code) {
                    EQ => "==",
                    GE => ">=",
                    _ => "> ",
                };
                write!(out, "if   {word} {k:#x} then {yes} else {no}")?;
                remark(out, loaded, abi, k)?;
            }
            _ => write!(out, "?    {code:#x} {k:#x}")?,
        }
        out.write_str("\n")?;
    }
    Ok(())
}

/// The ABI whose test leads to instruction `to`.
fn reached_by(program: &[sock_filter], to: usize) -> Option<&'static Abi> {
    let leads = |(n, insn): &(usize, &sock_filter)| {
        u32::from(insn.code) == EQ && n + 1 + usize::from(insn.jt) == to
    };
    let (_, insn) = program.iter().enumerate().find(leads)?;
    [Some(HERE.native), HERE.compat].into_iter().flatten().find(|abi| abi.audit == insn.k)
}

fn load(out: &mut dyn Write, offset: u32) -> fmt::Result {
    match offset {
        0 => out.write_str("load number"),
        4 => out.write_str("load arch"),
        _ => {
            let low = offset.is_multiple_of(8) == cfg!(target_endian = "little");
            let half = if low { "low" } else { "high" };
            write!(out, "load args[{}] {half}", (offset - 16) / 8)
        }
    }
}

fn ret(out: &mut dyn Write, action: Action) -> fmt::Result {
    let (word, errno) = words::of_action(action);
    write!(out, "ret  {word}")?;
    errno.map_or(Ok(()), |errno| write!(out, " {errno}"))
}

/// The call or the architecture that a constant stands for.
fn remark(out: &mut dyn Write, loaded: Loaded, abi: &Abi, k: u32) -> fmt::Result {
    let name = match loaded {
        Loaded::Argument => "",
        Loaded::Arch => {
            let known = [Some(HERE.native), HERE.compat];
            known.into_iter().flatten().find(|abi| abi.audit == k).map_or("", |abi| abi.name)
        }
        Loaded::Number => {
            let x32 = HERE.x32.filter(|_| abi.audit == HERE.native.audit && k & X32_BIT != 0);
            let call = x32.unwrap_or(abi).call(k & !X32_BIT);
            call.map_or("", abi::name)
        }
    };
    if name.is_empty() { Ok(()) } else { write!(out, "  ; {name}") }
}

/// A line for each rule.
fn rules(filter: &Seccomp, out: &mut dyn Write) -> fmt::Result {
    for rule in &filter.rules {
        let (word, errno) = words::of_action(rule.action);
        match abi::name(rule.call) {
            "" => match rule.call {
                Call::Number(number) => write!(out, "      number {number}")?,
                Call::Named(_) => {}
            },
            name => write!(out, "      {name}")?,
        }
        for condition in filter.conditions(rule) {
            let (op, value, value_two) = words::of_comparison(condition.op, condition.value);
            write!(out, " args[{}] {op} {value:#x}", condition.index)?;
            if op == "SCMP_CMP_MASKED_EQ" {
                write!(out, " {value_two:#x}")?;
            }
        }
        write!(out, " {word}")?;
        errno.map_or(Ok(()), |errno| write!(out, " {errno}"))?;
        writeln!(out, "  ; line {}", rule.line)?;
    }
    Ok(())
}
