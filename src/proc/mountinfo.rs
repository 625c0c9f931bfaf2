//! /proc/PID/mountinfo, line by line (proc_pid_mountinfo(5)), whatever its size.

use core::ffi::CStr;

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::{self, Errno};

use super::lines::decimal;
use crate::bytes::{Short, split_by, until_nul};
use crate::syscall::fd::AsFd;

/// Bytes of a line that are looked at. Only the last field, the super options, has no limit of its
/// own in practice (overlay prints all its layers); it alone may be cut.
pub const LINE: usize = 8192;

/// What is asked for of a mount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mount<'a> {
    /// Its id, unique in this moment.
    pub id: u32,
    /// The id of the mount that it is mounted on.
    pub parent: u32,
    /// The path inside its file system that it shows.
    pub root: &'a CStr,
    /// Where it is mounted, as seen from the reader's root.
    pub point: &'a CStr,
    /// File system type.
    pub fstype: &'a CStr,
    /// Options of the file system, cut where the line is longer than `LINE`.
    pub super_options: &'a CStr,
}

/// A reader of the lines of one file.
pub struct Lines<'a> {
    file: BorrowedFd<'a>,
    buf: [u8; LINE],
    /// buf[start..end] is read and not handed out yet.
    start: usize,
    end: usize,
    /// What comes is the rest of a line that was longer than the buffer.
    tail: bool,
}

/// Opens a mountinfo file: "/proc/self/mountinfo".
pub fn open(path: &CStr) -> io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

impl<'a> Lines<'a> {
    /// The lines of `file`, from its beginning.
    pub fn new(file: BorrowedFd<'a>) -> io::Result<Lines<'a>> {
        rustix::fs::seek(file, SeekFrom::Start(0))?;
        Ok(Lines::rest(file))
    }

    /// Those that were not read yet: all of a file that was just opened.
    pub fn rest(file: BorrowedFd<'a>) -> Lines<'a> {
        Lines { file, buf: [0; LINE], start: 0, end: 0, tail: false }
    }

    /// The next mount; `None` at the end. EPROTO where a line is not what the manual says,
    /// ENAMETOOLONG where the fields before the super options do not fit.
    pub fn next_mount(&mut self) -> io::Result<Option<Mount<'_>>> {
        loop {
            let start = self.start;
            let len = self.pending().iter().position(|&b| b == b'\n');
            if let Some(len) = len {
                self.start += len + 1;
            } else if start == 0 && self.end == LINE {
                self.start = LINE;
            }
            if start < self.start {
                if !core::mem::replace(&mut self.tail, len.is_none()) {
                    let line = self.buf.get_mut(start..self.start).unwrap_or(&mut []);
                    let why = if self.tail { Errno::NAMETOOLONG } else { Errno::PROTO };
                    return parse(line).map_err(|_| why).map(Some);
                }
            } else if self.fill()? == 0 {
                return if self.start == self.end { Ok(None) } else { Err(Errno::PROTO) };
            }
        }
    }

    fn pending(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or(&[])
    }

    /// Reads more behind what is pending, which moves to the front.
    fn fill(&mut self) -> io::Result<usize> {
        self.buf.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let n = rustix::io::retry_on_intr(|| {
            rustix::io::read(self.file.as_fd(), self.buf.get_mut(self.end..).unwrap_or(&mut []))
        })?;
        self.end += n;
        Ok(n)
    }
}

/// One line; its last byte, the newline, is free to become a NUL.
fn parse(line: &mut [u8]) -> io::Result<Mount<'_>> {
    let mut rest = line;
    let mut fields = [c""; 6];
    for text in &mut fields {
        *text = field(&mut rest)?;
    }
    let [id, parent, _device, root, point, _options] = fields;
    // Optional fields ("shared:3"), then a lone "-".
    while field(&mut rest)? != c"-" {}
    let fstype = field(&mut rest)?;
    let _source = field(&mut rest)?;
    Ok(Mount {
        id: digits(id.to_bytes())?,
        parent: digits(parent.to_bytes())?,
        root,
        point,
        fstype,
        super_options: field(&mut rest)?,
    })
}

/// Takes the next field off `rest`: decoded in place, with a NUL where its separator was.
fn field<'a>(rest: &mut &'a mut [u8]) -> io::Result<&'a CStr> {
    let line = core::mem::take(rest);
    let last = line.len().checked_sub(1).ok_or(Errno::PROTO)?;
    let len = line.iter().position(|&b| b == b' ').unwrap_or(last);
    let (field, tail) = line.split_at_mut_checked(len + 1).ok_or(Errno::PROTO)?;
    *rest = tail;
    let len = unescape(field, len);
    *field.get_mut(len).ok_or(Errno::PROTO)? = 0;
    until_nul(field).ok_or(Errno::PROTO)
}

/// Decodes \ooo (mangle() in the kernel's fs/seq_file.c) in the first `len` bytes; the new length.
fn unescape(field: &mut [u8], len: usize) -> usize {
    let (mut from, mut to) = (0, 0);
    while from < len {
        let octal = match field.get(from..from + 4) {
            Some(&[b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'])
                if from + 4 <= len =>
            {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        field[to] = octal.unwrap_or(field[from]);
        from += if octal.is_some() { 4 } else { 1 };
        to += 1;
    }
    to
}

fn digits(text: &[u8]) -> io::Result<u32> {
    decimal(text).and_then(|n| n.try_into().ok()).ok_or(Errno::PROTO)
}

/// The id of the mount that `fd` is in, from /proc/self/fdinfo (mnt_id, Linux 3.15): the one proof
/// that a path led to the mount that was meant, on kernels whose statx(2) does not tell.
pub fn id_of(fd: BorrowedFd) -> io::Result<u32> {
    let path =
        Short::<40>::new(format_args!("/proc/self/fdinfo/{}", i64::from(fd.as_fd().as_raw_fd())));
    let info = open(path.as_cstr())?;
    let mut buf = [0; 256];
    let n = rustix::io::retry_on_intr(|| rustix::io::read(info.as_fd(), &mut buf[..]))?;
    let text = buf.get(..n).unwrap_or(&[]);
    split_by(text, b'\n')
        .find_map(|line| line.strip_prefix(b"mnt_id:"))
        .ok_or(Errno::PROTO)
        .and_then(|id| digits(id.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `check` on each mount of a file with this text; how many there were.
    fn each(text: &str, mut check: impl FnMut(usize, Mount)) -> io::Result<usize> {
        let file = rustix::fs::memfd_create(c"test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            rest = &rest[rustix::io::write(&file, rest).unwrap()..];
        }
        let mut lines = Lines::new(file.as_fd())?;
        let mut count = 0;
        while let Some(mount) = lines.next_mount()? {
            check(count, mount);
            count += 1;
        }
        Ok(count)
    }

    const PROC: &str = "22 27 0:21 / /proc rw,relatime - proc proc rw\n";

    #[test]
    fn fields_and_optional_fields_and_escapes() {
        let text = "36 35 98:0 /mnt1 /mnt\\040two\\134 rw,noatime shared:1 master:2 - ext3 /dev/r\\011 rw,errors=continue\n";
        let n = each(text, |_, m| {
            assert_eq!(
                m,
                Mount {
                    id: 36,
                    parent: 35,
                    root: c"/mnt1",
                    point: c"/mnt two\\",
                    fstype: c"ext3",
                    super_options: c"rw,errors=continue",
                }
            );
        });
        assert_eq!(n, Ok(1));
    }

    #[test]
    fn a_file_of_any_size_and_an_empty_one() {
        let text = PROC.repeat(5000);
        let n = each(&text, |_, m| assert_eq!((m.id, m.point), (22, c"/proc")));
        assert_eq!(n, Ok(5000));
        assert_eq!(each("", |_, _| {}), Ok(0));
    }

    #[test]
    fn of_a_long_line_only_the_end_is_lost() {
        // Around the buffer's size, and far beyond: the next line must be whole each time.
        for len in (LINE - 60..LINE + 10).chain([LINE + 511, LINE + 512, LINE + 513, 100_000]) {
            let options = "x".repeat(len);
            let text = format!("{PROC}7 1 0:9 / /o rw - overlay overlay {options}\n{PROC}");
            let n = each(&text, |at, m| match at {
                1 => {
                    assert_eq!((m.id, m.point, m.fstype), (7, c"/o", c"overlay"));
                    assert!(m.super_options.to_bytes().iter().all(|byte| *byte == b'x'));
                }
                _ => assert_eq!(m.id, 22),
            });
            assert_eq!(n, Ok(3), "{len}");
        }
    }

    #[test]
    fn what_is_no_mountinfo_is_refused() {
        assert_eq!(each("nonsense\n", |_, _| {}), Err(Errno::PROTO));
        assert_eq!(each("22 27 0:21 / /proc rw - proc proc rw", |_, _| {}), Err(Errno::PROTO));
        assert_eq!(each("x 27 0:21 / /proc rw - proc proc rw\n", |_, _| {}), Err(Errno::PROTO));
        assert_eq!(each("22 27 0:21 / /proc rw - proc\n", |_, _| {}), Err(Errno::PROTO));
        assert_eq!(each("22 27 0:21 / /proc rw proc proc rw\n", |_, _| {}), Err(Errno::PROTO));
        let long = "p".repeat(LINE);
        let text = format!("7 1 0:9 / /{long} rw - tmpfs tmpfs rw\n");
        assert_eq!(each(&text, |_, _| {}), Err(Errno::NAMETOOLONG));
    }

    #[test]
    fn the_kernels_own_file_reads_to_its_end_and_knows_our_ids() {
        let file = open(c"/proc/self/mountinfo").unwrap();
        let root = rustix::fs::open(c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let id = id_of(root.as_fd()).unwrap();
        let mut lines = Lines::new(file.as_fd()).unwrap();
        let mut found = 0;
        while let Some(mount) = lines.next_mount().unwrap() {
            found += u32::from(mount.id == id && mount.point == c"/");
        }
        assert_eq!(found, 1);
    }
}
