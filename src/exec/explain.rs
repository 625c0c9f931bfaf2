//! Why an execve failed: its errno alone names the wrong thing more often than not.

use core::ffi::CStr;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, StatVfsMountFlags, openat, statat, statvfs,
};
use rustix::io::{Errno, pread, retry_on_intr};

use crate::bytes::{Arena, Show, split_by};
use crate::error::{Error, STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND};
use crate::proc::process::Identity;
use crate::syscall::fd::AsFd;

/// As much of a program's beginning as is looked at: ELF and program headers, or the first line.
const HEAD: usize = 4096;
/// Longest interpreter path that is shown (the kernel reads 255 bytes of a script's first line).
pub const INTERPRETER: usize = 256;

/// Whether there is a file at `path`.
pub fn exists(path: &CStr) -> bool {
    statat(CWD, path, AtFlags::empty()).is_ok()
}

/// The error of an execve of `path` that gave `errno`: 127 where there is no such file, 126 where
/// it can't be executed. `own` is nsinit's own program, which was refused.
pub fn explain(path: &'static CStr, errno: Errno, own: Option<Identity>, arena: &Arena) -> Error {
    let absent = matches!(errno, Errno::NOENT | Errno::NOTDIR) && !exists(path);
    let error = Error::errno("execute", path, errno);
    let hint = match errno {
        _ if absent => None,
        Errno::NOENT => interpreter(path, arena),
        Errno::NOEXEC => format(path, arena),
        Errno::ACCESS => access(path),
        Errno::PERM if own.is_some() && Identity::of(path).ok() == own => {
            Some("it is nsinit's own program file")
        }
        Errno::TOOBIG => Some("arguments and environment are more than the kernel takes"),
        _ => None,
    };
    let status = if absent { STATUS_NOT_FOUND } else { STATUS_NOT_EXECUTABLE };
    hint.map_or(error, |hint| error.hint(hint)).with_status(status)
}

/// Whether a shell could read the file: no ELF program, and no NUL in its first line.
#[inline(never)] // its frame is a page
pub fn is_text(path: &CStr) -> bool {
    let mut head = [0; HEAD];
    read(path, 0, &mut head).is_some_and(|head| {
        let first = split_by(head, b'\n').next().unwrap_or(head);
        !head.starts_with(b"\x7fELF") && !first.contains(&0)
    })
}

/// EACCES: what exactly is in the way.
fn access(path: &CStr) -> Option<&'static str> {
    let stat = statat(CWD, path, AtFlags::empty()).ok()?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Some("it is a directory"),
        _ => return Some("it is not a regular file"),
    }
    if stat.st_mode & 0o111 == 0 {
        return Some("it has no permission to be executed");
    }
    let mount = statvfs(path).ok()?;
    mount.f_flag.contains(StatVfsMountFlags::NOEXEC).then_some("its file system is mounted noexec")
}

/// ENOENT of a file that exists: what it needs to be run does not.
fn interpreter(path: &CStr, arena: &Arena) -> Option<&'static str> {
    let mut buf = [0; INTERPRETER];
    let name = program(path, &mut buf)?.interpreter?;
    arena.str(format_args!("its interpreter {} does not exist", Show(name))).ok()
}

/// What a file is that can be executed.
pub struct Program<'a> {
    /// e_machine of an ELF file (elf(5)).
    pub machine: Option<u16>,
    /// Who runs it: a script's first word, or an ELF file's PT_INTERP.
    pub interpreter: Option<&'a [u8]>,
}

/// Looks at the file at `path`. `None`: it is no program, or can't be read.
pub fn program<'a>(path: &CStr, buf: &'a mut [u8; INTERPRETER]) -> Option<Program<'a>> {
    let mut head = [0; HEAD];
    let head = read(path, 0, &mut head)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let name = script_interpreter(line)?;
        let kept = buf.get_mut(..name.len())?;
        kept.copy_from_slice(name);
        return Some(Program { machine: None, interpreter: Some(kept) });
    }
    let machine = elf_machine(head)?;
    let interpreter = elf_interpreter(head).and_then(|(offset, len)| {
        let name = read(path, offset, buf.get_mut(..len.min(INTERPRETER))?)?;
        split_by(name, 0).next()
    });
    Some(Program { machine: Some(machine), interpreter })
}

/// The rest of a script's first line, up to its argument. A carriage return is part of the name,
/// and the reason why there is no such file.
fn script_interpreter(line: &[u8]) -> Option<&[u8]> {
    let line = split_by(line, b'\n').next()?;
    let line = line.trim_ascii_start();
    let end = line.iter().position(|&b| b == b' ' || b == b'\t').unwrap_or(line.len());
    line.get(..end.min(INTERPRETER))
}

/// ENOEXEC: no format that this kernel runs.
fn format(path: &CStr, arena: &Arena) -> Option<&'static str> {
    let mut head = [0; HEAD];
    let head = read(path, 0, &mut head)?;
    if head.is_empty() {
        return Some("it is empty");
    }
    if !head.starts_with(b"\x7fELF") {
        return Some("it is neither a program nor a script with a #! line");
    }
    let Some(machine) = elf_machine(head) else { return Some("its ELF header is cut short") };
    match MACHINES.iter().find(|(known, _)| *known == machine) {
        Some((_, name)) => arena.str(format_args!("it is an ELF file for {name}")).ok(),
        None => {
            let machine = i64::from(machine);
            arena.str(format_args!("it is an ELF file for machine {machine}")).ok()
        }
    }
}

/// e_machine of the architectures that one meets (include/uapi/linux/elf-em.h).
const MACHINES: [(u16, &str); 9] = [
    (3, "32-bit x86"),
    (8, "MIPS"),
    (20, "32-bit PowerPC"),
    (21, "PowerPC"),
    (22, "S/390"),
    (40, "32-bit ARM"),
    (62, "x86-64"),
    (183, "aarch64"),
    (243, "RISC-V"),
];

fn elf_machine(head: &[u8]) -> Option<u16> {
    Elf::new(head)?.u16(18)
}

/// Offset and length of PT_INTERP's text in the file (elf(5)).
fn elf_interpreter(head: &[u8]) -> Option<(u64, usize)> {
    const PT_INTERP: u32 = 3;
    let elf = Elf::new(head)?;
    // Class 2 is 64 bits: the header's fields lie further back, and p_offset behind p_flags.
    let wide = *head.get(4)? == 2;
    let at = |narrow: usize, wide_at: usize| if wide { wide_at } else { narrow };
    let word = |at: usize| if wide { elf.u64(at) } else { elf.u32(at).map(u64::from) };
    let first = usize::try_from(word(at(0x1c, 0x20))?).ok()?;
    let size = usize::from(elf.u16(at(0x2a, 0x36))?);
    let count = usize::from(elf.u16(at(0x2c, 0x38))?);
    (0..count).find_map(|n| {
        let header = first.checked_add(n.checked_mul(size)?)?;
        let field = |narrow, wide_at| word(header.checked_add(at(narrow, wide_at))?);
        (elf.u32(header)? == PT_INTERP).then_some(())?;
        Some((field(4, 8)?, usize::try_from(field(16, 32)?).ok()?))
    })
}

/// Numbers in an ELF file, in its own byte order.
struct Elf<'a> {
    head: &'a [u8],
    big: bool,
}

impl Elf<'_> {
    fn new(head: &[u8]) -> Option<Elf<'_>> {
        let data = head.strip_prefix(b"\x7fELF")?.get(1)?;
        Some(Elf { head, big: *data == 2 })
    }

    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = self.head.get(at..at.checked_add(N)?)?.try_into().ok()?;
        if self.big {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.bytes(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.bytes(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.bytes(at).map(u64::from_le_bytes)
    }
}

/// What can be read of the file from `offset` on. `None` where it may be executed but not read: then
/// there is no hint. A FIFO must not make this wait.
fn read<'a>(path: &CStr, offset: u64, buf: &'a mut [u8]) -> Option<&'a [u8]> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat(CWD, path, flags, Mode::empty()).ok()?;
    let len = retry_on_intr(|| pread(file.as_fd(), &mut *buf, offset)).ok()?;
    buf.get(..len)
}
