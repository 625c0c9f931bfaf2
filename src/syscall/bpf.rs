//! bpf(2), for programs that decide over a control group's devices.

use core::ffi::CStr;

use linux_raw_sys::general::__NR_bpf;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

// include/uapi/linux/bpf.h
const PROG_LOAD: usize = 5;
const PROG_ATTACH: usize = 8;
const PROG_DETACH: usize = 9;
const PROG_GET_FD_BY_ID: usize = 13;
const PROG_QUERY: usize = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
/// Programs of the groups above count too, and this group may have more than one.
const F_ALLOW_MULTI: u32 = 2;

/// Bytes of an instruction (struct bpf_insn).
pub const INSN: usize = 8;

/// The part of union bpf_attr that these commands use; each reads a struct of its own from it.
#[repr(C, align(8))]
struct Attr([u32; 12]);

fn bpf(command: usize, attr: &mut Attr) -> Result<usize, Errno> {
    let (at, size) = (&raw mut *attr as usize, size_of::<Attr>());
    // SAFETY: `attr` is as long as is said. The callers, all in this file, put only pointers into
    // it that are valid for the call, with their lengths.
    ret(unsafe { syscall(__NR_bpf, [command, at, size, 0, 0, 0]) })
}

fn owned(word: usize) -> OwnedFd {
    // SAFETY: the commands that this is called for return a new descriptor, which is nobody's yet.
    unsafe { OwnedFd::from_raw_fd(word as i32) }
}

/// The two halves of a pointer.
fn halves(pointer: usize) -> [u32; 2] {
    [pointer as u32, (pointer as u64 >> 32) as u32]
}

/// BPF_PROG_LOAD of a BPF_PROG_TYPE_CGROUP_DEVICE program: its instructions as they lie in memory.
pub fn load(program: &[u8]) -> Result<OwnedFd, Errno> {
    let license: &CStr = c"";
    let [insns, above] = halves(program.as_ptr() as usize);
    let [text, text_above] = halves(license.as_ptr() as usize);
    let count = (program.len() / INSN) as u32;
    let mut attr = [0; 12];
    attr[..6].copy_from_slice(&[PROG_TYPE_CGROUP_DEVICE, count, insns, above, text, text_above]);
    bpf(PROG_LOAD, &mut Attr(attr)).map(owned)
}

/// BPF_PROG_ATTACH to the group that `dir` is.
pub fn attach(dir: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    on(PROG_ATTACH, dir, program, F_ALLOW_MULTI)
}

/// BPF_PROG_DETACH from the group that `dir` is.
pub fn detach(dir: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    on(PROG_DETACH, dir, program, 0)
}

fn on(command: usize, dir: BorrowedFd, program: BorrowedFd, flags: u32) -> Result<(), Errno> {
    let (dir, program) = (dir.as_raw_fd() as u32, program.as_raw_fd() as u32);
    let mut attr = [0; 12];
    attr[..4].copy_from_slice(&[dir, program, CGROUP_DEVICE, flags]);
    bpf(command, &mut Attr(attr)).map(drop)
}

/// BPF_PROG_QUERY: the ids of the device programs that are attached to the group itself; how many.
pub fn attached(dir: BorrowedFd<'_>, ids: &mut [u32]) -> Result<usize, Errno> {
    let [at, above] = halves(ids.as_mut_ptr() as usize);
    let mut attr = [0; 12];
    let words = [dir.as_raw_fd() as u32, CGROUP_DEVICE, 0, 0, at, above, ids.len() as u32];
    attr[..7].copy_from_slice(&words);
    let mut attr = Attr(attr);
    bpf(PROG_QUERY, &mut attr)?;
    Ok((attr.0[6] as usize).min(ids.len()))
}

/// BPF_PROG_GET_FD_BY_ID.
pub fn by_id(id: u32) -> Result<OwnedFd, Errno> {
    let mut attr = [0; 12];
    attr[0] = id;
    bpf(PROG_GET_FD_BY_ID, &mut Attr(attr)).map(owned)
}
