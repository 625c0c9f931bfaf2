//! Texts that are seldom read, at half their length: help, the configuration to start from, what errnos
//! mean, and the words of errors. They are plain in the source and packed when nsinit is built, by
//! `packed!` and `t!`.
//!
//! Byte-pair encoding: a byte that is no character of the texts stands for two, either of which may stand for
//! two again. A line feed is in none of them, so that a line can be found without unpacking what is before it.

use core::ffi::CStr;
use core::fmt::{self, Write};

use crate::bytes::{Arena, Full, split_by};
use crate::syscall::cstr::ThinCStr;

/// What the bytes from 128 on and then those below the space stand for: the pairs that make the texts
/// shortest, each of older ones. A test says when others do better.
const PAIRS: &[u8; 2 * CODES] = b"\
e s tht ineron\x82\x80ord , roan  a esi\x83i\x81o tateofen: c\x86itna\x95 unrepa\x85 \x88 l chmail\"\
\x97y \x9amneupa\x81a\x83o\x83mose\x98\x93\xaf\x84\x8c\x89g\x8b\xb2\xa9cosidep\x8bi\x82\x8a\"pen\x92\
lo\x8d\x8de\x81k \x86 um\xb7cs\x84f\xa4\x84 ouw\xb8n\xacexwh\x80\x87t\x92aral\xb4m\x8c \xc1bop\xa2 \
\xc2\x8f\x99\x81n\xd1t\x85\xb0\x85n\xc3s\x93\x94\x89\xad\x9cuscetih\xaali\x9daD g le'\x81kesy--\xd9\
\x90c\x80\xc7 \xcfm\xd6\x85\xc4\x80m\x84\x90\x91stt\x88\x82\xab\xe8svim\x88\x96 \xa7\x80di\xb5gtoONf\
\xa0ty    me\xa7\x8f\xfb\x9a\x88_\x05\xee\x06\xa5\x82\x91r\x9c  \x82\x85\x94m\x03\x9eEN\xa3kowd\x81P\
Ibewa\xf5\x0c\x96tsuc\xdbv\x85\xb0\x9fc\xb3\xc9\xba\x1c\x18geis";

/// Bytes that are no characters.
const CODES: usize = 128 + b' ' as usize;

/// "…" in a packed text: the one character that is not ASCII.
const ELLIPSIS: u8 = 1;

/// The place in `PAIRS` of what a byte stands for; that of a character is beyond the end.
const fn place(byte: u8) -> usize {
    byte.wrapping_sub(128) as usize
}

/// Whether a byte stands for itself, or for the one character that is more than a byte.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0 | ELLIPSIS | b'\n')
}

/// A packed text, which `Display` unpacks.
#[derive(Clone, Copy)]
pub struct Packed<'a>(pub &'a [u8]);

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

/// The words of an error: a packed text, or one that was put together. It is one machine word, as hundreds of
/// places hand it on.
#[derive(Clone, Copy)]
pub struct Text(ThinCStr);

/// What a text begins with that was put together, and so is not packed.
const COMPOSED: char = '\n';

/// A packed text, for an error: `t!("it is gone")`.
#[macro_export]
macro_rules! t {
    ($text:expr) => {{
        const TEXT: &str = $text;
        const ROOM: ([u8; TEXT.len() + 1], usize) = $crate::packed::pack(TEXT);
        const EXACT: [u8; ROOM.1 + 1] = *ROOM.0.first_chunk().unwrap();
        const { $crate::packed::Text::new(&EXACT) }
    }};
}

impl Text {
    /// What `t!` has packed, with a NUL.
    pub const fn new(packed: &'static [u8]) -> Text {
        match CStr::from_bytes_with_nul(packed) {
            Ok(text) => Text(ThinCStr::new(text)),
            Err(_) => panic!("a packed text has one NUL"),
        }
    }

    /// A text that is put together now.
    pub fn composed(text: fmt::Arguments, arena: &Arena) -> Result<Text, Full> {
        arena.cstr(format_args!("{COMPOSED}{text}")).map(|text| Text(text.into()))
    }

    /// As it is kept: `Packed` shows one that `t!` has made.
    pub fn packed(self) -> &'static [u8] {
        self.0.bytes()
    }

    /// Whether there are no words in it.
    pub fn is_empty(self) -> bool {
        self.0.bytes().is_empty()
    }

    /// Whether it is this text, put together.
    pub fn is(self, text: &str) -> bool {
        self.0.get().to_str().ok().and_then(|own| own.strip_prefix(COMPOSED)) == Some(text)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = self.0.get();
        match text.to_str().ok().and_then(|text| text.strip_prefix(COMPOSED)) {
            Some(composed) => f.write_str(composed),
            None => Packed(text.to_bytes()).fmt(f),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Default for Text {
    fn default() -> Text {
        t!("")
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.0.bytes() == other.0.bytes()
    }
}

impl Eq for Text {}

impl<'a> Packed<'a> {
    /// Its lines, without what ends them.
    pub fn lines(self) -> impl Iterator<Item = Packed<'a>> {
        split_by(self.0, b'\n').map(Packed)
    }
}

impl fmt::Display for Packed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|byte| unpack(*byte, f))
    }
}

fn unpack(byte: u8, f: &mut fmt::Formatter) -> fmt::Result {
    match PAIRS.as_chunks().0.get(place(byte)) {
        Some([first, second]) if !is_plain(byte) => {
            unpack(*first, f)?;
            unpack(*second, f)
        }
        _ if byte == ELLIPSIS => f.write_char('…'),
        _ => f.write_char(char::from(byte)),
    }
}

/// `text`, packed into as many bytes at the begin of what is returned; only for `packed!`, which runs
/// it when nsinit is built.
pub const fn pack<const N: usize>(text: &str) -> ([u8; N], usize) {
    let text = text.as_bytes();
    // From behind: the fewest bytes for what follows each place, the first of them, and how much it stands for.
    let (mut fewest, mut first, mut len) = ([0; N], [0; N], [1; N]);
    let mut at = text.len();
    while at > 0 {
        at -= 1;
        (first[at], fewest[at]) = (text[at], fewest_from(&fewest, at + 1) + 1);
        if let [0xe2, 0x80, 0xa6, ..] = text.split_at(at).1 {
            (first[at], len[at], fewest[at]) = (ELLIPSIS, 3, fewest_from(&fewest, at + 3) + 1);
        }
        let mut next = WORDS.heads[text[at] as usize];
        while let Some(pair) = next {
            let word = WORDS.lens[pair];
            if begins(text.split_at(at).1, pair) && fewest_from(&fewest, at + word) + 1 < fewest[at]
            {
                (first[at], len[at]) = ((pair as u8).wrapping_add(128), word);
                fewest[at] = fewest_from(&fewest, at + word) + 1;
            }
            next = WORDS.next[pair];
        }
    }
    let (mut packed, mut count) = ([0; N], 0);
    while at < text.len() {
        assert!(
            matches!(text[at], b' '..=b'~' | b'\n') || first[at] == ELLIPSIS,
            "a packed text is ASCII, but for …"
        );
        packed[count] = first[at];
        (at, count) = (at + len[at], count + 1);
    }
    (packed, count)
}

const fn fewest_from(fewest: &[usize], at: usize) -> usize {
    if at < fewest.len() { fewest[at] } else { 0 }
}

/// Whether `text` begins with what a pair stands for in the end.
const fn begins(text: &[u8], pair: usize) -> bool {
    let (word, len) = (&WORDS.words[pair], WORDS.lens[pair]);
    let mut same = 0;
    while same < len && same < text.len() && text[same] == word[same] {
        same += 1;
    }
    same == len
}

/// Longest text that a byte may stand for.
const WORD: usize = 32;
/// What each pair stands for in the end.
const WORDS: Words = {
    let (mut words, mut lens) = ([[0; WORD]; CODES], [0; CODES]);
    let (mut heads, mut next) = ([None; 256], [None; CODES]);
    let mut pair = 0;
    while pair < CODES {
        let mut at = 2 * pair;
        while at < 2 * pair + 2 {
            let part = place(PAIRS[at]);
            if part >= CODES {
                words[pair][lens[pair]] = PAIRS[at];
                lens[pair] += 1;
            } else {
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
        if !is_plain((pair as u8).wrapping_add(128)) {
            let head = words[pair][0] as usize;
            (next[pair], heads[head]) = (heads[head], Some(pair));
        }
        pair += 1;
    }
    Words { words, lens, heads, next }
};

struct Words {
    words: [[u8; WORD]; CODES],
    lens: [usize; CODES],
    /// The last pair that stands for something with this first byte.
    heads: [Option<usize>; 256],
    /// The one before it.
    next: [Option<usize>; CODES],
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
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
        for byte in (128..=255).chain(0..b' ') {
            if is_plain(byte) {
                pairs.push(*b"  ");
                continue;
            }
            let mut counts = vec![0; 1 << 16];
            for pair in bytes.windows(2).filter(|pair| !pair.iter().any(|byte| is_plain(*byte))) {
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
    fn a_text_of_one_word_is_packed_or_composed() {
        assert_eq!(t!("").to_string(), "");
        assert!(t!("").is_empty() && !t!("x").is_empty());
        assert_eq!(t!("it is … gone").to_string(), "it is … gone");
        let arena = Arena::new(Box::leak(vec![0; 16].into_boxed_slice()));
        let composed = Text::composed(format_args!("größer {}", 1), &arena).unwrap();
        assert_eq!(composed.to_string(), "größer 1");
        assert!(composed.is("größer 1") && !composed.is("größer") && !t!("a").is("a"));
        assert_eq!(Text::composed(format_args!("does not fit"), &arena), Err(Full));
    }

    /// The texts that the sources give to `t!`, each once, as a constant is in the program.
    fn words() -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut paths = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(path) = paths.pop() {
            if path.is_dir() {
                paths.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let source = std::fs::read_to_string(path).unwrap();
            found.extend(source.split("t!(").skip(1).filter_map(literal));
        }
        found
    }

    /// The string literal that `source` begins with.
    fn literal(source: &str) -> Option<String> {
        let mut chars = source.trim_start().strip_prefix('"')?.chars();
        let mut text = String::new();
        loop {
            match chars.next()? {
                '"' => return Some(text),
                '\\' => match chars.next()? {
                    '\n' => chars = chars.as_str().trim_start().chars(),
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
    }

    #[test]
    fn no_other_pairs_make_the_texts_much_shorter() {
        let (help, words) = (texts(), words());
        assert!(words.len() > 500, "{words:?}");
        let lines = help.iter().map(|text| text.to_string()).chain(words.iter().cloned());
        let plain = lines.map(|text| text + "\n").collect::<String>();
        let len = help.iter().map(|text| text.0.len() + 1).sum::<usize>()
            + words.iter().map(|text| pack::<512>(text).1 + 1).sum::<usize>();
        let (pairs, best) = pairs(&plain);
        let flat = pairs.as_flattened();
        assert!(
            len * 100 < best * 103,
            "{len} bytes, but {best} with PAIRS = b\"{}\"",
            flat.escape_ascii()
        );
    }
}
