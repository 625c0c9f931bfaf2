//! What somebody else has written, as a terminal may get it: it is shown, and drives nothing.

use crate::bytes::Short;

/// Gives `text` to `each` in pieces: UTF-8 and tabs as they are, each control character in caret notation
/// (`^[`), what has none (those that a terminal takes for an escape and a letter, U+0080 to U+009F) and
/// what is no UTF-8 by its number, as `bytes::Show` does.
pub fn visible(text: &[u8], each: &mut dyn FnMut(&str)) {
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(is_obeyed) {
            let (plain, from) = rest.split_at(at);
            let mut others = from.chars();
            let control = u32::from(others.next().unwrap_or(' '));
            // Eight characters at most fit.
            let shown = match u8::try_from(control) {
                Ok(byte) if byte.is_ascii() => {
                    Short::<12>::new(format_args!("^{}", char::from(byte ^ 64)))
                }
                _ => Short::new(format_args!("\\u{{{control:x}}}")),
            };
            each(plain);
            each(shown.as_str());
            rest = others.as_str();
        }
        each(rest);
        for byte in chunk.invalid() {
            each(Short::<12>::new(format_args!("\\x{byte:02x}")).as_str());
        }
    }
}

fn is_obeyed(c: char) -> bool {
    c.is_control() && c != '\t'
}

/// How many bytes of `text` are whole characters, as far as its end tells: the beginning of one is left for
/// what follows.
pub fn whole(text: &[u8]) -> usize {
    for (back, byte) in (1..=3).zip(text.iter().rev()) {
        let needs = match byte {
            0x80..0xc0 => continue,
            0xc2..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf5 => 4,
            _ => 1,
        };
        return if needs > back { text.len() - back } else { text.len() };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &[u8]) -> String {
        let mut all = String::new();
        visible(text, &mut |piece| all.push_str(piece));
        all
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(shown(b"a\x1b[31m\tb\x7f\0"), "a^[[31m\tb^?^@");
        // CSI as one byte, and as the character of that number.
        assert_eq!(shown(b"\x9b31m"), "\\x9b31m");
        assert_eq!(shown("\u{9b}31m".as_bytes()), "\\u{9b}31m");
        // The same byte inside of an ordinary character.
        assert_eq!(shown("Ûé€😀".as_bytes()), "Ûé€😀");
        for byte in 0..=255u8 {
            let shown = shown(&[byte]);
            assert!(!shown.contains(is_obeyed), "{byte:#x}");
        }
    }

    #[test]
    fn a_character_is_not_cut() {
        for text in ["a", "aé", "a€", "a😀"] {
            let bytes = text.as_bytes();
            assert_eq!(whole(bytes), bytes.len(), "{text}");
            for end in 1..bytes.len() {
                assert_eq!(whole(&bytes[..end]), 1, "{text} {end}");
            }
        }
        // No beginning of any.
        for text in [&b""[..], b"\x80\x80\x80\x80", b"\xff", b"\xc0"] {
            assert_eq!(whole(text), text.len());
        }
    }
}
