//! Texts that are seldom read, at half their length: help, the configuration to start from, what errnos
//! mean. They are plain in the source and packed when nsinit is built, by `packed!`.
//!
//! Byte-pair encoding: a byte from 128 on stands for two, either of which may stand for two again.
//! A line feed is in none of them, so that a line can be found without unpacking what is before it.

use core::fmt::{self, Write};

use crate::bytes::split_by;

/// What the bytes from 128 on stand for: the pairs that make the texts shortest, each of older
/// ones. A test says when others do better.
const PAIRS: &[u8; 256] = b"\
\x20 s e iner, thont : ord an\"\x89ta\x86\x82re\x80\x80\x85\"roenf tec\x87eso ilalo\x95y i\x88\x8c\
\x8bitchmbunsi\x97\x8e\xa5\x83\xa6\x84a u\xa2n\xa9\xaa\x84i\x81\x87 coa\x88D \x8a s\x8ewhsepa\x92m\
\x8a_\xb7\xab\xb8\x8di\x86ENpea\x81--evw\xba\xaemp\x93ONc\x98toupis\x90a\xc2\xc4\xa1 noty. ns\xc1m\
\xc0 f\x9agntiOM\xa4\xd2p\x84ar\x8d\"\x8f\xa7e\x81PIusle\xd5\x9bERl g\x93\xe1\xc6\xce\x83\xcc\xbcr\
\xa3ou\x8cd\x91\x80ecAN\x86\xaf\x94dowicET{\"\xf0\xe4\x83 am\xc9\x81\xcb\x88},\xe8\xf1\xf7\x8d\xf8\
9\xb6a\xfaj\xfb\xb9\xb6\x83\xfd\xb9\x01]";

/// "…" in a packed text: the one character that is not ASCII.
const ELLIPSIS: u8 = 1;

/// A packed text, which `Display` unpacks.
#[derive(Clone, Copy)]
pub struct Packed(pub &'static [u8]);

/// Packs a constant text, when nsinit is built.
#[macro_export]
macro_rules! packed {
    ($text:expr) => {{
        const TEXT: &str = $text;
        const ROOM: ([u8; TEXT.len()], usize) = $crate::packed::pack(TEXT);
        const EXACT: [u8; ROOM.1] = *ROOM.0.first_chunk().unwrap();
        $crate::packed::Packed(&EXACT)
    }};
}

impl Packed {
    /// Its lines, without what ends them.
    pub fn lines(self) -> impl Iterator<Item = Packed> {
        split_by(self.0, b'\n').map(Packed)
    }
}

impl fmt::Display for Packed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|byte| unpack(*byte, f))
    }
}

fn unpack(byte: u8, f: &mut fmt::Formatter) -> fmt::Result {
    match PAIRS.as_chunks().0.get(usize::from(byte).wrapping_sub(128)) {
        Some([first, second]) => {
            unpack(*first, f)?;
            unpack(*second, f)
        }
        None if byte == ELLIPSIS => f.write_char('…'),
        None => f.write_char(char::from(byte)),
    }
}

/// `text`, packed into as many bytes at the begin of what is returned; only for `packed!`, which runs
/// it when nsinit is built.
pub const fn pack<const N: usize>(text: &str) -> ([u8; N], usize) {
    let mut text = text.as_bytes();
    let (mut packed, mut len) = ([0; N], 0);
    while let [first, rest @ ..] = text {
        (packed[len], text) = match rest {
            [0x80, 0xa6, rest @ ..] if *first == 0xe2 => (ELLIPSIS, rest),
            _ => {
                assert!(first.is_ascii(), "a packed text is ASCII, but for …");
                longest(text)
            }
        };
        len += 1;
    }
    (packed, len)
}

/// The byte for as much as possible of the begin of `text`, and what follows it.
const fn longest(text: &[u8]) -> (u8, &[u8]) {
    let (mut best, mut rest) = (text[0], text.split_at(1).1);
    let mut pair = 0;
    while pair < 128 {
        let word = &WORDS.0[pair];
        let (mut same, len) = (0, WORDS.1[pair]);
        while same < len && same < text.len() && text[same] == word[same] {
            same += 1;
        }
        if same == len && text.len() - len < rest.len() {
            (best, rest) = (128 + pair as u8, text.split_at(len).1);
        }
        pair += 1;
    }
    (best, rest)
}

/// Longest text that a byte may stand for.
const WORD: usize = 32;
/// What the bytes from 128 on stand for in the end, and how long that is.
const WORDS: ([[u8; WORD]; 128], [usize; 128]) = {
    let (mut words, mut lens) = ([[0; WORD]; 128], [0; 128]);
    let mut at = 0;
    while at < PAIRS.len() {
        let pair = at / 2;
        let byte = PAIRS[at];
        if byte < 128 {
            words[pair][lens[pair]] = byte;
            lens[pair] += 1;
        } else {
            let part = byte as usize - 128;
            assert!(part < pair, "a pair is made of older ones");
            let mut from = 0;
            while from < lens[part] {
                words[pair][lens[pair]] = words[part][from];
                lens[pair] += 1;
                from += 1;
            }
        }
        at += 1;
    }
    (words, lens)
};

#[cfg(test)]
mod tests {
    use crate::front::texts;

    #[test]
    fn a_text_comes_out_as_it_went_in() {
        assert_eq!(packed!("").to_string(), "");
        assert_eq!(packed!("[OPTION…]\n~ \n\n").to_string(), "[OPTION…]\n~ \n\n");
        let text = packed!("the container\nthe containe");
        assert!(text.0.len() < 12, "{:?}", text.0);
        let lines = text.lines().map(|line| line.to_string()).collect::<Vec<_>>();
        assert_eq!(lines, ["the container", "the containe"]);
        assert_eq!(packed!(crate::front::libct::MINIMAL).to_string(), crate::front::libct::MINIMAL);
    }

    /// The pairs for these texts: the most frequent one becomes a byte, again and again.
    fn pairs(texts: &str) -> (Vec<[u8; 2]>, usize) {
        let mut bytes = texts.replace('…', "\x01").into_bytes();
        let mut pairs = Vec::new();
        for byte in 128..=255 {
            let mut counts = vec![0; 1 << 16];
            for pair in bytes.windows(2).filter(|pair| !pair.contains(&b'\n')) {
                counts[usize::from(u16::from_be_bytes([pair[0], pair[1]]))] += 1;
            }
            let most = (0..1 << 16).max_by_key(|pair| counts[*pair]).unwrap();
            let pair = (most as u16).to_be_bytes();
            pairs.push(pair);
            let mut packed = Vec::new();
            let mut rest = &bytes[..];
            while let [first, after @ ..] = rest {
                let whole = rest.starts_with(&pair);
                packed.push(if whole { byte } else { *first });
                rest = if whole { &after[1..] } else { after };
            }
            bytes = packed;
        }
        (pairs, bytes.len())
    }

    #[test]
    fn no_other_pairs_make_the_texts_much_shorter() {
        let all = texts();
        let plain = all.iter().map(|text| format!("{text}\n")).collect::<String>();
        let len = all.iter().map(|text| text.0.len() + 1).sum::<usize>();
        let (pairs, best) = pairs(&plain);
        let flat = pairs.as_flattened();
        assert!(
            len * 100 < best * 103,
            "{len} bytes, but {best} with PAIRS = b\"{}\"",
            flat.escape_ascii()
        );
    }
}
