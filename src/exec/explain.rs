//! Why an execve failed: its errno alone names the wrong thing more often than not. Only what was looked at
//! is said: the file, the interpreter that it names, the interpreter's own, and so on, as the kernel goes.

use core::ffi::CStr;

use rustix::fs::{
    Access, AtFlags, CWD, FileType, Mode, OFlags, StatVfsMountFlags, accessat, fstat, openat,
    statat, statvfs,
};
use rustix::io::{Errno, pread, retry_on_intr};

use super::elf::Elf;
use crate::bytes::{Arena, Show, split_by};
use crate::error::{Error, STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND};
use crate::proc::process::Identity;
use crate::syscall::fd::AsFd;

/// As much of a program's beginning as is looked at: ELF and program headers, or the first line.
const HEAD: usize = 4096;
/// As much of a script's first line as the kernel reads (BINPRM_BUF_SIZE in include/uapi/linux/binfmts.h;
/// half of it before Linux 5.1), and so the longest name of an interpreter.
pub const INTERPRETER: usize = 256;
/// A file and the interpreters of interpreters that the kernel follows (exec_binprm in fs/exec.c), and one
/// more.
const CHAIN: usize = 7;

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
        Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::NOEXEC | Errno::LOOP | Errno::IO => {
            first_fault(path, errno, arena)
        }
        Errno::PERM if own.is_some() && Identity::of(path).ok() == own => {
            Some("it is nsinit's own program file")
        }
        Errno::TOOBIG => Some("arguments and environment are more than the kernel takes"),
        _ => None,
    };
    let status = if absent { STATUS_NOT_FOUND } else { STATUS_NOT_EXECUTABLE };
    hint.map_or(error, |hint| error.hint(hint)).with_status(status)
}

/// Whether a shell could read the file: no ELF program, no NUL in its first line, and no other interpreter
/// that it asks for.
#[inline(never)] // its frame is a page
pub fn is_text(path: &CStr) -> bool {
    let mut head = [0; HEAD];
    File::open(path).and_then(|file| file.read(0, &mut head)).is_some_and(|head| {
        let first = split_by(head, b'\n').next().unwrap_or(head);
        !head.starts_with(b"\x7fELF") && !head.starts_with(b"#!") && !first.contains(&0)
    })
}

/// The first of the file and its interpreters that can't do its part, and why.
fn first_fault(path: &'static CStr, errno: Errno, arena: &Arena) -> Option<&'static str> {
    // Some kernels run more than one machine's programs.
    let machine = (errno == Errno::NOEXEC).then_some(MACHINE);
    let (mut file, mut needed_by) = (path, None);
    for _ in 0..CHAIN {
        let mut buf = [0; INTERPRETER];
        let next = match access(file) {
            Some(fault) => Err(fault),
            None => interpreter(file, machine, &mut buf, arena),
        };
        let fault = match next {
            Ok(next) => {
                needed_by = Some(file);
                file = arena.concat(&[next?]).ok()?;
                continue;
            }
            Err(fault) => fault,
        };
        let shown = Show(file.to_bytes());
        let sentence = match needed_by {
            None => arena.str(format_args!("it {fault}")),
            Some(script) if script == path => {
                arena.str(format_args!("its interpreter {shown} {fault}"))
            }
            Some(script) => {
                let script = Show(script.to_bytes());
                arena.str(format_args!("{script} needs {shown}, which {fault}"))
            }
        };
        return sentence.ok();
    }
    Some("its interpreter needs an interpreter, and so on: more than the kernel follows")
}

/// Whether it can be executed at all, whatever is in it; why not, as the rest of a sentence about it.
fn access(path: &CStr) -> Option<&'static str> {
    let stat = match statat(CWD, path, AtFlags::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Some("does not exist"),
        Err(Errno::ACCESS) => return Some("is in a directory that this user may not search"),
        stat => stat.ok()?,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Some("is a directory"),
        _ => return Some("is not a regular file"),
    }
    if stat.st_mode & 0o111 == 0 {
        return Some("has no permission to be executed");
    }
    let mount = statvfs(path).ok()?;
    if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Some("is on a file system that is mounted noexec");
    }
    let denied = accessat(CWD, path, Access::EXEC_OK, AtFlags::empty()) == Err(Errno::ACCESS);
    denied.then_some("may not be executed by this user")
}

/// Who has to run the file at `path`: a script's first word, or an ELF file's PT_INTERP; `None` also where it
/// may be executed but not read. Or what keeps the kernel from running it on `machine` (e_machine; any, if
/// there is none), as the rest of a sentence about it.
pub fn interpreter<'a>(
    path: &CStr,
    machine: Option<u16>,
    buf: &'a mut [u8; INTERPRETER],
    arena: &Arena,
) -> Result<Option<&'a [u8]>, &'static str> {
    let mut head = [0; HEAD];
    let Some(file) = File::open(path) else { return Ok(None) };
    let Some(head) = file.read(0, &mut head) else { return Ok(None) };
    if head.is_empty() {
        return Err("is empty");
    }
    if let Some(line) = head.strip_prefix(b"#!") {
        let name = script_interpreter(line)?;
        let kept = buf.get_mut(..name.len()).unwrap_or(&mut []);
        kept.copy_from_slice(name);
        return Ok(Some(kept));
    }
    let Some(elf) = Elf::new(head, file.size()) else {
        return Err("is neither a program nor a script with a #! line");
    };
    match (elf.machine(), machine) {
        (Some(other), Some(machine)) if other != machine => return Err(foreign(other, arena)),
        _ => {}
    }
    if let Some(fault) = elf.fault() {
        return Err(fault);
    }
    Ok(elf.interpreter().and_then(|(offset, len)| {
        let len = usize::try_from(len).unwrap_or(INTERPRETER).min(INTERPRETER);
        split_by(file.read(offset, buf.get_mut(..len)?)?, 0).next()
    }))
}

/// The rest of a script's first line, up to its argument (load_script in fs/binfmt_script.c). A carriage
/// return is part of the name, and the reason why there is no such file.
fn script_interpreter(line: &[u8]) -> Result<&[u8], &'static str> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let read = line.get(..INTERPRETER - 2).unwrap_or(line);
    let first = split_by(read, b'\n').next().unwrap_or(read);
    let start = first.iter().position(|byte| !blank(byte)).unwrap_or(first.len());
    let name = first.get(start..).unwrap_or(&[]);
    let end = name.iter().position(|byte| blank(byte) || *byte == 0);
    match end {
        None if first.len() < line.len() && first.len() == read.len() => {
            Err("has a #! line that is longer than the 255 bytes which the kernel reads")
        }
        _ if name.is_empty() || end == Some(0) => Err("has a #! line that names no interpreter"),
        end => Ok(name.get(..end.unwrap_or(name.len())).unwrap_or(name)),
    }
}

/// What it is, where it is a program for another machine.
fn foreign(machine: u16, arena: &Arena) -> &'static str {
    let known = MACHINES.iter().find(|(number, _)| *number == machine);
    let text = match known {
        Some((_, name)) => arena.str(format_args!("is an ELF file for {name}")),
        None => arena.str(format_args!("is an ELF file for machine {machine}")),
    };
    text.unwrap_or("is an ELF file for another machine")
}

/// e_machine of the architectures that one meets, and their names (include/uapi/linux/elf-em.h).
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

/// That of this program.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else if cfg!(target_arch = "arm") {
    40
} else {
    243
};

/// A file that is looked into.
struct File(rustix::fd::OwnedFd);

impl File {
    /// `None` where it may be executed but not read. A FIFO must not make this wait.
    fn open(path: &CStr) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        openat(CWD, path, flags, Mode::empty()).ok().map(File)
    }

    fn size(&self) -> u64 {
        fstat(self.0.as_fd()).map_or(u64::MAX, |stat| stat.st_size as u64)
    }

    /// What can be read of it from `offset` on.
    fn read<'a>(&self, offset: u64, buf: &'a mut [u8]) -> Option<&'a [u8]> {
        let len = retry_on_intr(|| pread(self.0.as_fd(), &mut *buf, offset)).ok()?;
        buf.get(..len)
    }
}
