//! Programs are run in the emulator over every number, edge values and architectures, and compared with what
//! the rules say when they are read one by one.

use super::abi::{AARCH64, ARM, Abi, I386, Machine, RISCV64, X32, X32_BIT, X86_64, find, name};
use super::narrow::is_narrow;
use super::{Data, compile, emulate};
use crate::plan::seccomp::{Abis, Action, Call, Condition, Op, Program, Rule, Seccomp};

const MACHINES: [Machine; 4] = [
    Machine { native: &X86_64, compat: Some(&I386), x32: Some(&X32) },
    Machine { native: &AARCH64, compat: Some(&ARM), x32: None },
    Machine { native: &ARM, compat: None, x32: None },
    Machine { native: &RISCV64, compat: None, x32: None },
];

const EPERM: Action = Action::errno(1);
const ENOSYS: Action = Action::errno(38);

fn compiled(filter: &Seccomp, machine: Machine) -> Box<Program> {
    let mut program = Box::new(Program::new());
    assert!(compile(filter, machine, &mut program));
    program
}

fn filter(default: Action, abis: Abis) -> Box<Seccomp> {
    let mut filter = Box::new(Seccomp::new(default));
    filter.abis = abis;
    filter
}

const ALL: Abis = Abis { compat: true, x32: true };
const NATIVE: Abis = Abis { compat: false, x32: false };

fn add(filter: &mut Seccomp, call: Call, action: Action, conditions: &[Condition]) {
    let (first, count) = (filter.conditions.len() as u16, conditions.len() as u8);
    filter.conditions.extend_from_slice(conditions).unwrap();
    let line = filter.rules.len() as u32;
    filter.rules.push(Rule { call, action, first, count, line }).unwrap();
}

fn holds(condition: &Condition, name: &str, abi: &Abi, args: &[u64; 6]) -> bool {
    let Condition { index, op, mut value } = *condition;
    let mut argument = args[usize::from(index)];
    if abi.narrow {
        argument &= u64::from(u32::MAX);
    } else if is_narrow(name, index) {
        argument &= u64::from(u32::MAX);
        // A number below zero.
        if value as i64 == i64::from(value as i32) {
            value &= u64::from(u32::MAX);
        }
    }
    match op {
        Op::Eq => argument == value,
        Op::Ne => argument != value,
        Op::Lt => argument < value,
        Op::Le => argument <= value,
        Op::Ge => argument >= value,
        Op::Gt => argument > value,
        Op::MaskedEq(mask) => argument & mask == value,
    }
}

/// What the rules say, read one by one.
fn naive(filter: &Seccomp, machine: Machine, data: &Data) -> Action {
    let x32 = machine.x32.filter(|_| data.nr & X32_BIT != 0 && data.arch == X86_64.audit);
    let abi = match data.arch {
        _ if x32.is_some() && !filter.abis.x32 => return ENOSYS,
        arch if arch == machine.native.audit => x32.unwrap_or(machine.native),
        arch if machine.compat.is_some_and(|c| c.audit == arch) && filter.abis.compat => {
            machine.compat.unwrap()
        }
        _ => return Action::KILL_PROCESS,
    };
    let numbers = filter.rules.iter().filter_map(|rule| abi.number(rule.call, machine));
    let top = numbers.map(|n| n & !abi.bit).filter(|n| *n < 560).max();
    let args = data.args.unwrap();
    let matching = filter.rules.iter().filter(|rule| {
        abi.number(rule.call, machine) == Some(data.nr)
            && filter
                .conditions(rule)
                .iter()
                .all(|condition| holds(condition, name(rule.call), abi, &args))
    });
    if let Some(rule) = matching.min_by_key(|rule| rule.action.rank()) {
        return rule.action;
    }
    let number = data.nr & !abi.bit;
    let private = core::ptr::eq(abi, &ARM) && (0xf0000..0xf0008).contains(&number);
    let names_private = filter.rules.iter().any(|rule| {
        abi.number(rule.call, machine).is_some_and(|n| n >= 0xf0000 && n & X32_BIT == 0)
    });
    let newer = top.is_some_and(|top| number > top) && !(private && names_private);
    if newer && !filter.default.permits() { ENOSYS } else { filter.default }
}

/// The edges of whatever the conditions compare with.
fn edges(filter: &Seccomp) -> Vec<u64> {
    let mut values = vec![0, 1, 0x7fff_ffff, 0xffff_ffff, 1 << 32, u64::MAX];
    for condition in &filter.conditions {
        for value in
            [condition.value, condition.value.wrapping_sub(1), condition.value.wrapping_add(1)]
        {
            values.extend([value, value | 1 << 32, value & 0xffff_ffff]);
        }
        if let Op::MaskedEq(mask) = condition.op {
            values.extend([mask, !mask, condition.value | !mask]);
        }
    }
    values.sort_unstable();
    values.dedup();
    values
}

/// Compares them everywhere; how many instructions there are.
pub fn same_everywhere(filter: &Seccomp, machine: Machine) -> usize {
    let program = compiled(filter, machine);
    let edges = edges(filter);
    let archs = [&X86_64, &I386, &AARCH64, &ARM, &RISCV64, &X32].map(|abi| abi.audit);
    let special = (0xf0000..0xf0009).chain([u32::MAX, X32_BIT - 1, X32_BIT + 600, 4095]);
    let numbers = (0..600).chain(special);
    let numbers: Vec<u32> = numbers.flat_map(|n| [n, n | X32_BIT]).collect();
    for arch in archs.into_iter().chain([0]) {
        for nr in &numbers {
            let check = |args: [u64; 6]| {
                let data = Data { nr: *nr, arch, args: Some(args) };
                let (is, should) = (emulate(&program, &data), naive(filter, machine, &data));
                assert_eq!(is, Some(should), "{data:x?} of {}", machine.native.name);
            };
            check([0; 6]);
            let abis = [Some(machine.native), machine.compat, machine.x32];
            let conditional = filter.rules.iter().filter(|rule| rule.count > 0).any(|rule| {
                abis.iter().flatten().any(|abi| abi.number(rule.call, machine) == Some(*nr))
            });
            for (n, value) in edges.iter().enumerate().filter(|_| conditional) {
                check([*value; 6]);
                let other = edges[(n * 7 + 3) % edges.len()];
                check([*value, other, *value, other, *value, other]);
                check([other, *value, !other, *value, 0, *value]);
            }
        }
    }
    program.len()
}

#[test]
fn a_filter_without_rules_does_one_thing() {
    for machine in MACHINES {
        for default in [Action::ALLOW, EPERM, Action::KILL_THREAD, Action::LOG] {
            same_everywhere(&filter(default, NATIVE), machine);
            same_everywhere(&filter(default, ALL), machine);
        }
    }
}

fn eq(index: u8, value: u64) -> Condition {
    Condition { index, op: Op::Eq, value }
}

#[test]
fn the_strictest_rule_that_matches_counts() {
    let socket = find("socket").unwrap();
    let mut f = filter(EPERM, ALL);
    add(&mut f, socket, Action::ALLOW, &[]);
    add(&mut f, socket, Action::errno(97), &[eq(0, 40)]);
    add(&mut f, socket, Action::KILL_PROCESS, &[eq(0, 40), eq(1, 3)]);
    add(&mut f, socket, Action::errno(5), &[eq(0, 40)]);
    add(&mut f, find("read").unwrap(), EPERM, &[eq(0, 5)]);
    add(&mut f, find("read").unwrap(), Action::ALLOW, &[eq(1, 7)]);
    add(&mut f, find("write").unwrap(), Action::TRAP, &[]);
    add(&mut f, find("write").unwrap(), Action::ALLOW, &[]);
    MACHINES.into_iter().for_each(|machine| _ = same_everywhere(&f, machine));
    let program = compiled(&f, MACHINES[0]);
    let answer = |nr, args| emulate(&program, &Data { nr, arch: X86_64.audit, args: Some(args) });
    assert_eq!(answer(41, [1, 0, 0, 0, 0, 0]), Some(Action::ALLOW));
    assert_eq!(answer(41, [40, 0, 0, 0, 0, 0]), Some(Action::errno(97)));
    assert_eq!(answer(41, [40, 3, 0, 0, 0, 0]), Some(Action::KILL_PROCESS));
    // The kernel's argument is an int: what is above it is no way around the rule.
    assert_eq!(answer(41, [1 << 32 | 40, 0, 0, 0, 0, 0]), Some(Action::errno(97)));
    assert_eq!(answer(0, [5, 7, 0, 0, 0, 0]), Some(EPERM));
    assert_eq!(answer(1, [0; 6]), Some(Action::TRAP));
    assert_eq!(answer(2, [0; 6]), Some(EPERM));
    assert_eq!(answer(42, [0; 6]), Some(ENOSYS));
}

#[test]
fn every_comparison_of_both_widths_is_right() {
    let values = [0, 1, 5, 0xffff_ffff, 1 << 32, (1 << 32) + 5, u64::MAX, u64::MAX - 4, 1 << 63];
    // The first argument of mmap is 64 bits wide, that of personality 32.
    for call in ["mmap", "personality"] {
        for value in values {
            let masks = [1, 0xff, 0xffff_ffff, 0xffff_ffff_0000_0000, u64::MAX, 1 << 40];
            let masked = masks.map(Op::MaskedEq);
            let plain = [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Ge, Op::Gt];
            for op in plain.into_iter().chain(masked) {
                let value = if let Op::MaskedEq(mask) = op { value & mask } else { value };
                let mut f = filter(EPERM, ALL);
                let condition = Condition { index: 0, op, value };
                add(&mut f, find(call).unwrap(), Action::ALLOW, &[condition]);
                for machine in MACHINES {
                    let program = compiled(&f, machine);
                    for abi in [Some(machine.native), machine.compat].into_iter().flatten() {
                        let Some(nr) = abi.number(find(call).unwrap(), machine) else { continue };
                        for value in edges(&f) {
                            let args = Some([value, 0, 0, 0, 0, 0]);
                            let data = Data { nr, arch: abi.audit, args };
                            let should = naive(&f, machine, &data);
                            assert_eq!(emulate(&program, &data), Some(should), "{op:?} {data:x?}");
                        }
                    }
                }
            }
        }
    }
}

/// xorshift64*: the same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

#[test]
fn random_filters_do_what_their_rules_say() {
    let mut random = Random(0x6e73);
    let actions = [Action::ALLOW, EPERM, Action::errno(38), Action::TRAP, Action::KILL_THREAD];
    for round in 0..40 {
        let default = actions[random.below(5) as usize];
        let mut f = filter(default, Abis { compat: round % 2 == 0, x32: round % 3 == 0 });
        for _ in 0..random.below(500) {
            let call = match random.below(20) {
                0 => Call::Number(random.below(512) as u32),
                _ => Call::Named(random.below(super::calls::NAMES.len() as u64 + 6) as u16),
            };
            let mut conditions = Vec::new();
            if random.below(8) == 0 && f.conditions.len() < 24 {
                for index in 0..random.below(3) as u8 + 1 {
                    let value = [0, 3, 1 << 32, u64::MAX][random.below(4) as usize];
                    let ops = [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Ge, Op::Gt];
                    conditions.push(Condition { index, op: ops[random.below(6) as usize], value });
                }
            }
            add(&mut f, call, actions[random.below(5) as usize], &conditions);
        }
        same_everywhere(&f, MACHINES[round % MACHINES.len()]);
    }
}
