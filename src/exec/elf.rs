//! The beginning of an ELF file (elf(5)): what it is for, who loads it, and what keeps the kernel from
//! running it.

/// PT_INTERP of p_type.
const PT_INTERP: u32 = 3;
/// ET_EXEC and ET_DYN of e_type.
const PROGRAMS: [u16; 2] = [2, 3];

/// The headers of an ELF file, as far as its first bytes hold them.
pub struct Elf<'a> {
    head: &'a [u8],
    /// The file's size in bytes.
    size: u64,
    /// 64 bits: the headers' fields lie further back, and p_offset behind p_flags.
    wide: bool,
    big_endian: bool,
}

impl Elf<'_> {
    /// `head` is the beginning of a file of `size` bytes. `None`: it is no ELF file.
    pub fn new(head: &[u8], size: u64) -> Option<Elf<'_>> {
        let ident = head.strip_prefix(b"\x7fELF")?;
        let is = |at: usize, value| ident.get(at) == Some(&value);
        Some(Elf { head, size, wide: is(0, 2), big_endian: is(1, 2) })
    }

    /// e_machine. `None`: the file ends before it.
    pub fn machine(&self) -> Option<u16> {
        self.u16(18)
    }

    /// Offset and length of the text of PT_INTERP in the file.
    pub fn interpreter(&self) -> Option<(u64, u64)> {
        let (first, size, count) = self.table()?;
        (0..count).find_map(|n| {
            let header = usize::try_from(first.checked_add(n.checked_mul(size)?)?).ok()?;
            let field = |narrow, wide| self.word(header.checked_add(self.at(narrow, wide))?);
            (self.u32(header)? == PT_INTERP).then_some(())?;
            Some((field(4, 8)?, field(16, 32)?))
        })
    }

    /// What the kernel refuses it for, where that shows in the headers (load_elf_binary in
    /// fs/binfmt_elf.c), as the rest of a sentence about the file.
    pub fn fault(&self) -> Option<&'static str> {
        let header: u64 = if self.wide { 64 } else { 52 };
        let beyond = |end: Option<u64>| end.is_none_or(|end| end > self.size);
        if self.size < header {
            return Some("has an ELF header that is cut short");
        }
        if self.u16(16).is_some_and(|kind| !PROGRAMS.contains(&kind)) {
            return Some("is an ELF file, but not a program: an object file or a core dump");
        }
        let (first, size, count) = self.table()?;
        if count == 0 || beyond(size.checked_mul(count).and_then(|all| first.checked_add(all))) {
            return Some("is cut short: it ends before its program headers do");
        }
        let (offset, len) = self.interpreter()?;
        beyond(offset.checked_add(len))
            .then_some("is cut short: it ends before the name of its interpreter does")
    }

    /// Offset of the program headers, the size of one, and their number.
    fn table(&self) -> Option<(u64, u64, u64)> {
        let small = |narrow, wide| self.u16(self.at(narrow, wide)).map(u64::from);
        Some((self.word(self.at(0x1c, 0x20))?, small(0x2a, 0x36)?, small(0x2c, 0x38)?))
    }

    fn at(&self, narrow: usize, wide: usize) -> usize {
        if self.wide { wide } else { narrow }
    }

    /// A number as large as an address.
    fn word(&self, at: usize) -> Option<u64> {
        if self.wide { self.bytes(at).map(u64::from_le_bytes) } else { self.u32(at).map(u64::from) }
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.bytes(at).map(u32::from_le_bytes)
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.bytes(at).map(u16::from_le_bytes)
    }

    /// In the order of a little-endian number.
    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = self.head.get(at..at.checked_add(N)?)?.try_into().ok()?;
        if self.big_endian {
            bytes.reverse();
        }
        Some(bytes)
    }
}
