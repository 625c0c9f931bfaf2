//! The devices of a v2 group: a program that the kernel asks whenever one is opened or made
//! (kernel/bpf/cgroup.c, __cgroup_bpf_check_dev_permission; struct bpf_cgroup_dev_ctx).

use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};

use super::super::devices::allowed;
use super::super::file::Dir;
use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::plan::{DeviceAccess, DeviceKind, DeviceRule};
use crate::syscall::bpf::{self, INSN};
use crate::syscall::fd::AsFd;

/// Most instructions of a rule, and of what is around them.
const RULE: usize = 8;
/// Most programs that can be attached to one group (include/linux/bpf-cgroup.h).
const PROGRAMS: usize = 64;

// include/uapi/linux/bpf.h: the parts of an access, and the kinds of device.
const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;
const ANY: i32 = MKNOD | READ | WRITE;
const BLOCK: i32 = 1;
const CHAR: i32 = 2;

// Registers: the answer, the question, and what is taken out of it.
const ANSWER: u8 = 0;
const QUESTION: u8 = 1;
const ACCESS: u8 = 2;
const KIND: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const REST: u8 = 6;

// Operations on 64 bits with a constant (include/uapi/linux/bpf_common.h, bpf.h), and the three that
// have none.
const MOVE: u8 = 0xb7;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_IF_EQUAL: u8 = 0x15;
const JUMP_UNLESS_EQUAL: u8 = 0x55;
const LOAD_WORD: u8 = 0x61;
const COPY: u8 = 0xbf;
const EXIT: u8 = 0x95;

/// A program in the making, in memory that is long enough for its list of rules.
struct Program {
    bytes: &'static mut [u8],
    len: usize,
}

impl Program {
    /// Appends an instruction. Every machine that nsinit is built for has its bytes in this order.
    #[inline(never)]
    fn put(&mut self, code: u8, to: u8, from: u8, offset: usize, value: i32) {
        let ([a, b], [c, d, e, f]) = ((offset as i16).to_le_bytes(), value.to_le_bytes());
        if let Some(room) = self.bytes.get_mut(self.len..self.len + INSN) {
            room.copy_from_slice(&[code, to | from << 4, a, b, c, d, e, f]);
            self.len += INSN;
        }
    }

    /// The question: its first word is the kind of device, with what is wanted of it above.
    fn begin(&mut self) {
        self.put(LOAD_WORD, ACCESS, QUESTION, 0, 0);
        self.put(COPY, KIND, ACCESS, 0, 0);
        self.put(AND, KIND, 0, 0, 0xffff);
        self.put(SHIFT_RIGHT, ACCESS, 0, 0, 16);
        self.put(LOAD_WORD, MAJOR, QUESTION, 4, 0);
        self.put(LOAD_WORD, MINOR, QUESTION, 8, 0);
    }

    #[inline(never)]
    fn answer(&mut self, yes: bool) {
        self.put(MOVE, ANSWER, 0, 0, yes.into());
        self.put(EXIT, 0, 0, 0, 0);
    }

    /// One rule: if it is about this device, and speaks of all that is wanted, the answer is yes;
    /// where the rules deny, it is no as soon as the rule speaks of any of it. As on v1.
    #[inline(never)]
    fn rule(&mut self, rule: &DeviceRule, wanted: i32, allows: bool) {
        if wanted == 0 {
            return;
        }
        let kind = if rule.kind == DeviceKind::Block { BLOCK } else { CHAR } as u32;
        let partly = if wanted == ANY { 0 } else { 3 };
        // To the end of the rule, which has so many instructions.
        let numbers = usize::from(rule.major.is_some()) + usize::from(rule.minor.is_some());
        let mut left = 1 + numbers + partly + 2;
        let mut test = |register, value: Option<u32>| {
            if let Some(value) = value {
                left -= 1;
                // A number beyond what a device can have is negative here and matches none.
                self.put(JUMP_UNLESS_EQUAL, register, 0, left, value as i32);
            }
        };
        test(KIND, Some(kind));
        test(MAJOR, rule.major);
        test(MINOR, rule.minor);
        if partly > 0 {
            self.put(COPY, REST, ACCESS, 0, 0);
            self.put(AND, REST, 0, 0, if allows { !wanted } else { wanted });
            self.put(if allows { JUMP_UNLESS_EQUAL } else { JUMP_IF_EQUAL }, REST, 0, 2, 0);
        }
        self.answer(allows);
    }
}

/// What all rules for the same devices say together, if this is the first of them: "r" and "w" in
/// two rules are "rw".
#[inline(never)]
fn wanted(rules: &[DeviceRule], n: usize) -> i32 {
    let mut all = 0;
    let Some(first) = rules.get(n) else { return all };
    for (at, rule) in rules.iter().enumerate() {
        if rule.kind == first.kind && rule.major == first.major && rule.minor == first.minor {
            if at < n {
                return 0;
            }
            let bit = |on, bit| if on { bit } else { 0 };
            all |= bit(rule.read, READ) | bit(rule.write, WRITE) | bit(rule.mknod, MKNOD);
        }
    }
    all
}

/// The program for a list.
#[inline(never)]
fn assemble(access: &DeviceAccess, arena: &Arena) -> Result<&'static [u8]> {
    let allows = !access.allow_all;
    let rules = if allows { allowed(access) } else { &access.denied };
    let bytes = arena.take((rules.len() + 1) * RULE * INSN).doing("write a device program", ())?;
    let mut program = Program { bytes, len: 0 };
    program.begin();
    for (n, rule) in rules.iter().enumerate() {
        program.rule(rule, wanted(rules, n), allows);
    }
    program.answer(!allows);
    let Program { bytes, len } = program;
    Ok(bytes.get(..len).unwrap_or(&[]))
}

/// Loads the program for a list; `None` if everything is allowed.
#[inline(never)]
pub fn load(access: &DeviceAccess, arena: &Arena) -> Result<Option<OwnedFd>> {
    if access.allow_all && access.denied.is_empty() {
        return Ok(None);
    }
    let loaded = bpf::load(assemble(access, arena)?).doing("load the program for", PART);
    loaded.map(Some).map_err(|error| match error.raw() {
        Some(Errno::NOSYS | Errno::INVAL) => error.hint("the kernel has no CONFIG_CGROUP_BPF"),
        Some(Errno::PERM) => error.hint("it takes CAP_SYS_ADMIN, or a larger RLIMIT_MEMLOCK"),
        _ => error,
    })
}

const PART: &str = "cgroups.allowed_devices";

/// Makes it the program of the group. `fresh`: there is none yet; others are replaced.
#[inline(never)]
pub fn attach(dir: &Dir, program: &OwnedFd, fresh: bool) -> Result<()> {
    let mut old = [0; PROGRAMS];
    let count = if fresh { 0 } else { bpf::attached(dir.fd(), &mut old).unwrap_or(0) };
    bpf::attach(dir.fd(), program.as_fd())
        .and_then(|()| detach(dir, old.get(..count).unwrap_or(&[])))
        .doing("attach the program for cgroups.allowed_devices to", dir.path)
        .map_err(|error: Error| match error.raw() {
            Some(Errno::PERM) => error.hint("a group above has one that allows no other"),
            _ => error,
        })
}

fn detach(dir: &Dir, ids: &[u32]) -> io::Result<()> {
    ids.iter().try_for_each(|id| match bpf::by_id(*id) {
        // Another launcher was faster.
        Err(Errno::NOENT) => Ok(()),
        program => bpf::detach(dir.fd(), program?.as_fd()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::DEVICES;

    /// What the kernel does with the program, for the instructions that it has; every other one, a
    /// jump out of it and a register that was never set are faults.
    fn run(program: &[u8], kind: i32, access: i32, major: u32, minor: u32) -> bool {
        let question = [(access << 16 | kind) as u32, major, minor];
        let mut registers: [Option<u64>; 11] = [None; 11];
        let mut at = 0;
        loop {
            let insn = &program[at * INSN..][..INSN];
            let (to, from) = ((insn[1] & 15) as usize, (insn[1] >> 4) as usize);
            let offset = i16::from_le_bytes([insn[2], insn[3]]) as usize;
            let value = i32::from_le_bytes(insn[4..8].try_into().unwrap()) as i64 as u64;
            at += 1;
            match insn[0] {
                LOAD_WORD => {
                    assert_eq!((from, offset % 4), (QUESTION as usize, 0));
                    registers[to] = Some(question[offset / 4].into());
                }
                COPY => registers[to] = Some(registers[from].unwrap()),
                MOVE => registers[to] = Some(value),
                AND => registers[to] = Some(registers[to].unwrap() & value),
                SHIFT_RIGHT => registers[to] = Some(registers[to].unwrap() >> value),
                JUMP_IF_EQUAL if registers[to].unwrap() == value => at += offset,
                JUMP_UNLESS_EQUAL if registers[to].unwrap() != value => at += offset,
                JUMP_IF_EQUAL | JUMP_UNLESS_EQUAL => {}
                EXIT => return registers[ANSWER as usize].unwrap() == 1,
                other => panic!("{other:#x}"),
            }
        }
    }

    fn rule(kind: DeviceKind, major: i32, minor: i32, letters: &str) -> DeviceRule {
        let has = |letter| letters.contains(letter);
        DeviceRule {
            kind,
            major: u32::try_from(major).ok(),
            minor: u32::try_from(minor).ok(),
            read: has('r'),
            write: has('w'),
            mknod: has('m'),
        }
    }

    fn program(access: &DeviceAccess) -> &'static [u8] {
        assemble(access, &Arena::new(vec![0; 1 << 20].leak())).unwrap()
    }

    #[test]
    fn an_empty_list_is_the_default_one() {
        let program = program(&DeviceAccess::default());
        for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, 77)] {
            assert!(run(program, CHAR, READ | WRITE, major, minor), "{major}:{minor}");
        }
        // Among them the host's console, its first terminals, tun and FUSE.
        let others = [(1, 1), (1, 11), (5, 64), (5, 1), (4, 0), (4, 1), (10, 200), (10, 229)]
            .map(|n| (CHAR, n));
        for (kind, (major, minor)) in others.into_iter().chain([(BLOCK, (1, 3))]) {
            assert!(!run(program, kind, READ, major, minor), "{kind} {major}:{minor}");
            assert!(!run(program, kind, WRITE, major, minor), "{kind} {major}:{minor}");
            assert!(run(program, kind, MKNOD, major, minor), "{kind} {major}:{minor}");
        }
    }

    #[test]
    fn a_rule_allows_what_it_says_and_nothing_else() {
        let mut access = DeviceAccess::default();
        access.allowed.push(rule(DeviceKind::Block, 8, -1, "r")).unwrap();
        access.allowed.push(rule(DeviceKind::Char, 7, 1, "r")).unwrap();
        access.allowed.push(rule(DeviceKind::Char, 7, 1, "m")).unwrap();
        access.allowed.push(rule(DeviceKind::Char, 7, 1, "w")).unwrap();
        access.allowed.push(rule(DeviceKind::Char, 9, -1, "")).unwrap();
        access.allowed.push(rule(DeviceKind::Char, -1, 4, "w")).unwrap();
        let program = program(&access);
        assert!(run(program, BLOCK, READ, 8, 123));
        assert!(!run(program, BLOCK, READ | WRITE, 8, 123));
        assert!(!run(program, BLOCK, WRITE, 8, 123));
        assert!(!run(program, BLOCK, READ, 9, 123));
        assert!(!run(program, CHAR, READ, 8, 123));
        // Three rules for one device are one.
        assert!(run(program, CHAR, READ | WRITE, 7, 1) && run(program, CHAR, MKNOD, 7, 1));
        assert!(!run(program, CHAR, READ, 7, 2) && !run(program, CHAR, READ, 9, 9));
        assert!(run(program, CHAR, WRITE, 200, 4) && !run(program, CHAR, READ, 200, 4));
    }

    #[test]
    fn what_is_denied_is_denied_in_part_too() {
        let mut access = DeviceAccess { allow_all: true, ..DeviceAccess::default() };
        access.denied.push(rule(DeviceKind::Char, 1, 3, "w")).unwrap();
        access.denied.push(rule(DeviceKind::Block, -1, -1, "rwm")).unwrap();
        let program = program(&access);
        assert!(run(program, CHAR, READ, 1, 3) && run(program, CHAR, MKNOD, 1, 3));
        assert!(!run(program, CHAR, READ | WRITE, 1, 3) && !run(program, CHAR, WRITE, 1, 3));
        assert!(!run(program, BLOCK, READ, 8, 0) && run(program, CHAR, WRITE, 1, 5));
    }

    #[test]
    fn the_longest_list_fits() {
        let mut access = DeviceAccess::default();
        for n in 0..DEVICES as i32 {
            access.allowed.push(rule(DeviceKind::Char, 1000 + n, 7, "rw")).unwrap();
        }
        let program = program(&access);
        assert!(run(program, CHAR, READ, 1000 + DEVICES as u32 - 1, 7));
        assert!(!run(program, CHAR, READ, 999, 7));
        let beyond = DeviceRule { major: Some(u32::MAX), ..access.allowed[0] };
        access.allowed.clear();
        access.allowed.push(beyond).unwrap();
        assert!(!run(
            super::assemble(&access, &Arena::new(vec![0; 4096].leak())).unwrap(),
            CHAR,
            READ,
            4095,
            7
        ));
    }
}
