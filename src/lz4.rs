//! LZ4: what `lz4` has compressed, in one frame of one block (the LZ4 project's lz4_Frame_format.md and
//! lz4_Block_format.md).

/// Bytes that are copied at once, where there is room, although less may be wanted: what is too much is written
/// over afterwards. A call for the few bytes of a usual sequence would take three times as long.
const CHUNK: usize = 8;

/// A block of bytes that repeat each other, and what it is compressed from.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    /// Its sequences.
    compressed: &'a [u8],
    /// Bytes when decompressed.
    pub len: usize,
}

/// The block of a frame as `lz4 -B7 --content-size --no-frame-crc` makes it of a file of less than 4 MiB: `None`
/// if it is another.
pub const fn block(frame: &[u8]) -> Option<Block<'_>> {
    /// Version 1, blocks that stand alone, the length of the content; no checksum but the header's, no dictionary.
    const FLAGS: u8 = 0b0110_1000;
    let [0x04, 0x22, 0x4d, 0x18, FLAGS, _, a, b, c, 0, 0, 0, 0, 0, _, rest @ ..] = frame else {
        return None;
    };
    let [d, e, f, 0, rest @ ..] = rest else { return None };
    let size = u32::from_le_bytes([*d, *e, *f, 0]) as usize;
    let Some((compressed, [0, 0, 0, 0])) = rest.split_at_checked(size) else { return None };
    Some(Block { compressed, len: u32::from_le_bytes([*a, *b, *c, 0]) as usize })
}

impl Block<'_> {
    /// Fills `out`, of `len` bytes, with what was compressed. `None` if it was something else.
    pub fn decompress(self, out: &mut [u8]) -> Option<()> {
        let mut rest = self.compressed;
        let mut at = 0;
        loop {
            // A sequence: bytes that are new, and some that repeat those at an offset before them. The last
            // one has none of the latter.
            let token = *rest.split_off_first()?;
            let literals = length(token >> 4, &mut rest)?;
            copy(out, at, rest, literals)?;
            rest = rest.get(literals..)?;
            at += literals;
            let Some(offset) = rest.split_off(..2) else {
                return (rest.is_empty() && at == out.len()).then_some(());
            };
            let offset = u16::from_le_bytes([offset[0], offset[1]]).into();
            let len = length(token & 15, &mut rest)?.checked_add(4)?;
            repeat(out, at, offset, len)?;
            at += len;
        }
    }
}

/// The length that a nibble begins: 15 is followed by bytes to add, up to the first that is not 255.
fn length(nibble: u8, rest: &mut &[u8]) -> Option<usize> {
    let mut len = usize::from(nibble);
    let mut more = nibble == 15;
    while more {
        let byte = *rest.split_off_first()?;
        len = len.checked_add(byte.into())?;
        more = byte == 255;
    }
    Some(len)
}

/// Writes the first `len` of `bytes` at `at`.
fn copy(out: &mut [u8], at: usize, bytes: &[u8], len: usize) -> Option<()> {
    let to = out.get_mut(at..)?;
    match (to.first_chunk_mut::<CHUNK>(), bytes.first_chunk::<CHUNK>()) {
        (Some(to), Some(bytes)) if len <= CHUNK => *to = *bytes,
        _ => to.get_mut(..len)?.copy_from_slice(bytes.get(..len)?),
    }
    Some(())
}

/// Writes `len` bytes at `at`: those from `offset` before it on, of which the last may be among the first that are
/// written.
fn repeat(out: &mut [u8], at: usize, offset: usize, len: usize) -> Option<()> {
    let bytes = out.get_mut(at.checked_sub(offset).filter(|_| offset != 0)?..)?;
    let end = offset.checked_add(len).filter(|end| *end <= bytes.len())?;
    let mut to = offset;
    while to < end {
        let from = to - offset;
        if offset >= CHUNK && to + CHUNK <= bytes.len() {
            bytes.copy_within(from..from + CHUNK, to);
            to += CHUNK;
        } else {
            bytes[to] = bytes[from];
            to += 1;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By lz4 1.9.4, with these options.
    const FRAME: &[u8] =
        b"\x04\"M\x18h@x\x01\0\0\0\0\0\0\x06J\0\0\0\xf9\0the container, \x0f\0/\n-\x01\0\
        \xff\x19\x10\n;\x01\xf0\x1bend: @ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abc\n\0\0\0\0";

    fn text() -> Vec<u8> {
        let (line, rest) = ("-".repeat(300), (b'@'..=b'c').map(char::from).collect::<String>());
        format!("the container, the container\n{line}\nthe end: {rest}\n").into_bytes()
    }

    #[test]
    fn what_lz4_compressed_comes_out() {
        let block = block(FRAME).unwrap();
        let mut out = vec![0; block.len];
        assert_eq!(block.decompress(&mut out), Some(()));
        assert_eq!(out, text());
        // Room for more or less than that is not filled.
        assert_eq!(block.decompress(&mut vec![0; block.len + 1]), None);
        assert_eq!(block.decompress(&mut out[1..]), None);
    }

    #[test]
    fn another_frame_is_none() {
        for len in 0..FRAME.len() {
            assert!(block(&FRAME[..len]).is_none(), "{len}");
        }
        // The magic, the flags, lengths of 4 GiB and 16 MiB, a second block.
        for at in [0, 4, 10, 13, 18, FRAME.len() - 1] {
            let mut frame = FRAME.to_vec();
            frame[at] ^= 0x11;
            assert!(block(&frame).is_none(), "{at}");
        }
    }

    #[test]
    fn a_damaged_block_does_no_harm() {
        let Block { compressed, len } = block(FRAME).unwrap();
        let mut out = vec![0; len];
        for cut in 0..compressed.len() {
            let block = Block { compressed: &compressed[..cut], len };
            assert_eq!(block.decompress(&mut out), None, "{cut}");
        }
        // But for the length of the last sequence's match, which it does not have.
        let last = compressed.len() - 44;
        for at in 0..compressed.len() {
            for bit in (0..8).filter(|bit| at != last || *bit > 3) {
                let mut damaged = compressed.to_vec();
                damaged[at] ^= 1 << bit;
                let whole = Block { compressed: &damaged, len }.decompress(&mut out);
                assert!(whole.is_none() || out != text(), "byte {at}, bit {bit}");
            }
        }
        // An offset of 0, and one to before the begin.
        for offset in [0, 2] {
            let compressed = [0x10, b'a', offset, 0, 0];
            assert_eq!(Block { compressed: &compressed, len: 5 }.decompress(&mut [0; 5]), None);
        }
        // A length that no word can hold would need more bytes than there is memory for.
        let endless = [0xf0].into_iter().chain([0xff; 1000]).collect::<Vec<u8>>();
        assert_eq!(Block { compressed: &endless, len }.decompress(&mut out), None);
    }
}
