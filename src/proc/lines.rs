//! Text files of any size, piece by piece, in a buffer of fixed size.

use rustix::fd::BorrowedFd;
use rustix::io::{Errno, read};

use crate::syscall::time::monotonic;

/// Cuts what a descriptor gives into pieces. A passwd file may have a line of 50 MB: what does not
/// fit into the buffer is read to its end and reported, never taken for something shorter.
pub struct Pieces<'a> {
    fd: BorrowedFd<'a>,
    buf: &'a mut [u8],
    at: usize,
    end: usize,
    /// So many bytes may still be read, until this moment (`monotonic`).
    left: u64,
    until: u64,
}

/// A piece of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece<'a> {
    /// Its text, without the delimiter. Empty where it was longer than the buffer.
    pub text: &'a [u8],
    /// Whether all of it fitted into the buffer.
    pub whole: bool,
    /// Whether it is the last of its line: a newline or the end of the file follows.
    pub last: bool,
}

impl<'a> Pieces<'a> {
    /// Over the rest of `fd`. A piece may be as long as `buf`, less one byte for its delimiter.
    pub fn new(fd: BorrowedFd<'a>, buf: &'a mut [u8]) -> Pieces<'a> {
        Pieces { fd, buf, at: 0, end: 0, left: u64::MAX, until: u64::MAX }
    }

    /// Reads no more than so many bytes, for no longer than so many milliseconds: EFBIG, ETIMEDOUT. For
    /// a file whose owner may have it grow without end, or give a byte at a time.
    pub fn within(self, bytes: u64, milliseconds: u64) -> Pieces<'a> {
        Pieces { left: bytes, until: monotonic() + milliseconds, ..self }
    }

    /// The text up to `delimiter` or the end of the line, whichever is first; `None` at the end of
    /// the file.
    pub fn next(&mut self, delimiter: u8) -> Result<Option<Piece<'_>>, Errno> {
        let (mut whole, mut seen) = (true, 0);
        loop {
            let rest = self.buf.get(self.at + seen..self.end).unwrap_or(&[]);
            if let Some(n) = rest.iter().position(|&b| b == delimiter || b == b'\n') {
                let (start, len) = (self.at, seen + n);
                self.at += len + 1;
                let last = self.buf.get(start + len) == Some(&b'\n');
                return Ok(Some(self.piece(start, len, whole, last)));
            }
            seen = self.end - self.at;
            if seen == self.buf.len() {
                (whole, seen, self.at) = (false, 0, self.end);
            }
            if self.fill()? == 0 {
                let start = core::mem::replace(&mut self.at, self.end);
                let nothing = seen == 0 && whole;
                return Ok((!nothing).then(|| self.piece(start, seen, whole, true)));
            }
        }
    }

    /// The next line. EMSGSIZE if it does not fit.
    pub fn line(&mut self) -> Result<Option<&[u8]>, Errno> {
        match self.next(b'\n')? {
            Some(Piece { whole: false, .. }) => Err(Errno::MSGSIZE),
            piece => Ok(piece.map(|piece| piece.text)),
        }
    }

    fn piece(&self, start: usize, len: usize, whole: bool, last: bool) -> Piece<'_> {
        let text = if whole { self.buf.get(start..start + len).unwrap_or(&[]) } else { &[] };
        Piece { text, whole, last }
    }

    /// Moves what is not yet used to the front and reads more behind it.
    fn fill(&mut self) -> Result<usize, Errno> {
        self.buf.copy_within(self.at..self.end, 0);
        (self.at, self.end) = (0, self.end - self.at);
        let free = self.buf.get_mut(self.end..).unwrap_or(&mut []);
        if self.until != u64::MAX && monotonic() > self.until {
            return Err(Errno::TIMEDOUT);
        }
        let n = rustix::io::retry_on_intr(|| read(self.fd, &mut *free))?;
        self.left = self.left.checked_sub(n as u64).ok_or(Errno::FBIG)?;
        self.end += n;
        Ok(n)
    }
}

/// A number of decimal digits only: no sign, no space, not empty. `None` also beyond 64 bits.
pub fn decimal(text: &[u8]) -> Option<u64> {
    crate::bytes::number(text, 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::{AsFd, OwnedFd};

    fn file(content: &[u8]) -> OwnedFd {
        let fd = rustix::fs::memfd_create(c"lines", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(rustix::io::pwrite(&fd, content, 0), Ok(content.len()));
        fd
    }

    fn cut(content: &[u8], buf: usize) -> Vec<(String, bool, bool)> {
        let (file, mut buf) = (file(content), vec![0; buf]);
        let mut pieces = Pieces::new(file.as_fd(), &mut buf);
        let mut all = Vec::new();
        while let Some(p) = pieces.next(b':').unwrap() {
            all.push((String::from_utf8(p.text.to_vec()).unwrap(), p.whole, p.last));
        }
        all
    }

    #[test]
    fn pieces_are_the_same_whatever_the_buffer() {
        let text = b"a:bc::d\n\nefgh:i";
        let want = [("a", false), ("bc", false), ("", false), ("d", true), ("", true)];
        let want: Vec<_> = want.iter().chain(&[("efgh", false), ("i", true)]).collect();
        for buf in 5..20 {
            let got = cut(text, buf);
            assert!(got.iter().all(|p| p.1), "{buf}: {got:?}");
            let got: Vec<_> = got.iter().map(|p| (p.0.as_str(), p.2)).collect();
            assert_eq!(got.iter().collect::<Vec<_>>(), want, "{buf}");
        }
    }

    #[test]
    fn a_piece_that_does_not_fit_is_reported_once_and_never_cut() {
        // Four bytes hold three and the delimiter.
        assert_eq!(cut(b"abc:d", 4), [("abc".into(), true, false), ("d".into(), true, true)]);
        for text in [&b"abcd:e\nf"[..], b"abcdefghijkl:e\nf"] {
            let got = cut(text, 4);
            let want = [("", false, false), ("e", true, true), ("f", true, true)];
            assert_eq!(got, want.map(|(s, w, l)| (s.to_string(), w, l)));
        }
        assert_eq!(cut(b"abcd", 4), [("".into(), false, true)]);
        let (file, mut buf) = (file(b"ok\nlonger than that\n"), [0; 8]);
        let mut lines = Pieces::new(file.as_fd(), &mut buf);
        assert_eq!(lines.line(), Ok(Some(&b"ok"[..])));
        assert_eq!(lines.line(), Err(Errno::MSGSIZE));
        assert_eq!(lines.line(), Ok(None));
    }

    #[test]
    fn what_is_too_large_or_takes_too_long_is_an_error() {
        let (text, mut buf) = (file(&[b'x'; 100]), [0; 8]);
        assert_eq!(
            Pieces::new(text.as_fd(), &mut buf).within(99, 60_000).next(b':'),
            Err(Errno::FBIG)
        );
        let text = file(b"a:b");
        let mut pieces = Pieces::new(text.as_fd(), &mut buf).within(100, 0);
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert_eq!(pieces.next(b':'), Err(Errno::TIMEDOUT));
    }

    #[test]
    fn only_digits_are_decimal() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"0018"), Some(18));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "1e3", "١"] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
