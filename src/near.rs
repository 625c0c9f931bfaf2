//! What somebody may have meant: the one of some words that a slip of the finger leads to, and the
//! words to choose from in a message.

use core::fmt;

/// Shortest word that is judged: any two of fewer letters are near to each other.
const SHORTEST: usize = 3;

/// The one of `words` that is one edit away from `word`, in any case of ASCII letters.
///
/// One edit, not two: keys that real files have and nsinit does not know are as near as that to known
/// ones (`net_cls_classid_u` to `net_cls_classid`).
pub fn nearest<'w>(word: &[u8], words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let near = |known: &&str| word.len() >= SHORTEST && is_one_edit(word, known.as_bytes());
    words.into_iter().find(near)
}

/// Whether `a` becomes `b` by one letter more, less or another, or by two neighbours exchanged.
fn is_one_edit(a: &[u8], b: &[u8]) -> bool {
    let same = |(a, b): &(&u8, &u8)| a.eq_ignore_ascii_case(b);
    let start = a.iter().zip(b).take_while(same).count();
    let (a, b) = (a.get(start..).unwrap_or(&[]), b.get(start..).unwrap_or(&[]));
    let end = a.iter().rev().zip(b.iter().rev()).take_while(same).count();
    match (a.get(..a.len() - end), b.get(..b.len() - end)) {
        (Some([_]), Some([] | [_])) | (Some([]), Some([_])) => true,
        (Some([a, b]), Some([c, d])) => same(&(a, d)) && same(&(b, c)),
        _ => false,
    }
}

/// Words in a sentence: "no, on-failure or always".
pub struct Choice<W>(pub W);

impl<'w, W: Iterator<Item = &'w str> + Clone> fmt::Display for Choice<W> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let count = self.0.clone().count();
        self.0.clone().enumerate().try_for_each(|(n, word)| match n {
            0 => f.write_str(word),
            n if n + 1 == count => write!(f, " or {word}"),
            _ => write!(f, ", {word}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit_is_near_and_two_are_not() {
        let meant = |word: &str| nearest(word.as_bytes(), ["hostname", "memory", "tty"]);
        for slip in
            ["hostnam", "ostname", "hostnamee", "hstname", "hostnbme", "hosntame", "HOSTNAM"]
        {
            assert_eq!(meant(slip), Some("hostname"), "{slip}");
        }
        assert_eq!(
            (meant("memry"), meant("tt"), meant("ty"), meant("tyt")),
            (Some("memory"), None, None, Some("tty"))
        );
        for other in ["hostname", "HostName", "hostna", "hsotnaem", "name", "", "hostname__"] {
            assert_eq!(meant(other), None, "{other}");
        }
    }

    #[test]
    fn words_to_choose_from_are_a_sentence() {
        let said = |words: &str| Choice(words.split_whitespace()).to_string();
        assert_eq!((said(""), said("a"), said("a b")), ("".into(), "a".into(), "a or b".into()));
        assert_eq!(said("a b c"), "a, b or c");
    }
}
