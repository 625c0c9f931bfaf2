//! Words of the command line, read as getopt_long(3) does, with its messages (glibc's): switches in one word
//! (`-gvv`), a value in the same word or the next, unambiguous beginnings of long names.

use core::ffi::CStr;
use core::fmt;

use super::{Options, Peer, Wrong, set};
use crate::bytes::{Show, split_by};
use crate::syscall::cstr::List;

/// What getopt_long(3) has to say.
pub enum Fault {
    /// No such letter.
    Letter(u8),
    /// A letter without its value.
    LetterValue(u8),
    /// No such name; the whole word.
    Name(&'static CStr),
    /// A name without its value.
    NameValue(&'static [u8]),
    /// A value for a name that takes none.
    NoValue(&'static [u8]),
    /// More than one name begins so; the whole word, the options, and the beginning.
    Ambiguous(&'static CStr, &'static str, &'static [u8]),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match *self {
            Fault::Letter(letter) => write!(f, "invalid option -- '{}'", Show(&[letter])),
            Fault::LetterValue(letter) => {
                write!(f, "option requires an argument -- '{}'", Show(&[letter]))
            }
            Fault::Name(word) => write!(f, "unrecognized option '{}'", Show(word.to_bytes())),
            Fault::NameValue(name) => write!(f, "option '--{}' requires an argument", Show(name)),
            Fault::NoValue(name) => {
                write!(f, "option '--{}' doesn't allow an argument", Show(name))
            }
            Fault::Ambiguous(word, options, start) => {
                write!(f, "option '{}' is ambiguous; possibilities:", Show(word.to_bytes()))?;
                begun(options, start).try_for_each(|opt| write!(f, " '--{}'", Show(opt.name)))
            }
        }
    }
}

/// One word, which may be followed by a value in the `rest`. The letter of a question, if it is one.
pub fn take(
    peer: &'static Peer,
    word: &'static CStr,
    rest: &mut List<'static>,
    options: &mut Options,
) -> Result<Option<u8>, Wrong> {
    let inside = word.to_bytes_with_nul().get(1..).unwrap_or(b"");
    match inside.strip_prefix(b"-") {
        Some(long) if !peer.lone_version => by_name(peer, word, long, rest, options),
        _ => by_letters(peer, inside, rest, options),
    }
}

/// "--name" or "--name=value"; `long` is what follows the two dashes, with the NUL.
fn by_name(
    peer: &'static Peer,
    word: &'static CStr,
    long: &'static [u8],
    rest: &mut List<'static>,
    options: &mut Options,
) -> Result<Option<u8>, Wrong> {
    let end = long.iter().position(|byte| matches!(*byte, b'=' | 0)).unwrap_or(0);
    let (start, value) = long.split_at(end);
    let value = value.strip_prefix(b"=").and_then(|value| CStr::from_bytes_with_nul(value).ok());
    let fault = |fault| Err(Wrong::Option(fault));
    let mut found = begun(peer.options, start);
    let Some(opt) = found.next() else { return fault(Fault::Name(word)) };
    if found.next().is_some() {
        return fault(Fault::Ambiguous(word, peer.options, start));
    }
    let value = match (opt.takes_value, value) {
        (false, Some(_)) => return fault(Fault::NoValue(opt.name)),
        (false, None) => c"",
        (true, Some(value)) => value,
        (true, None) => match next(rest) {
            Some(value) => value,
            None => return fault(Fault::NameValue(opt.name)),
        },
    };
    act(options, opt.letter, value)
}

/// "-abc", where the value of an option is the rest of the word or the next one; `letters` is what follows
/// the dash, with the NUL.
fn by_letters(
    peer: &'static Peer,
    mut letters: &'static [u8],
    rest: &mut List<'static>,
    options: &mut Options,
) -> Result<Option<u8>, Wrong> {
    while let [letter, after @ ..] = letters
        && *letter != 0
    {
        let letter = *letter;
        let Some(opt) = all(peer.options).find(|opt| opt.letter == letter) else {
            return Err(Wrong::Option(Fault::Letter(letter)));
        };
        letters = after;
        let mut value = c"";
        if opt.takes_value {
            let inside = CStr::from_bytes_with_nul(after).ok().filter(|text| !text.is_empty());
            let given = inside.or_else(|| next(rest));
            value = given.ok_or(Wrong::Option(Fault::LetterValue(letter)))?;
            letters = b"";
        }
        if let Some(question) = act(options, letter, value)? {
            return Ok(Some(question));
        }
    }
    Ok(None)
}

/// Does what an option says, or gives the letter of a question back.
fn act(options: &mut Options, letter: u8, value: &'static CStr) -> Result<Option<u8>, Wrong> {
    if matches!(letter, b'h' | b'l' | b'L' | b'V') {
        return Ok(Some(letter));
    }
    let wrong = |why| Wrong::Value { letter, value: Show(value.to_bytes()), why };
    set(options, letter, value).map_err(wrong).map(|()| None)
}

/// Takes the next word.
fn next(rest: &mut List<'static>) -> Option<&'static CStr> {
    let [Some(word), after @ ..] = *rest else { return None };
    *rest = after;
    Some(word.get())
}

/// An option, as the list says it.
struct Opt {
    letter: u8,
    takes_value: bool,
    name: &'static [u8],
}

fn all(options: &'static str) -> impl Iterator<Item = Opt> {
    split_by(options.as_bytes(), b' ').map(|text| {
        let (letter, name) = text.split_first().unwrap_or((&0, b""));
        let value = name.strip_prefix(b":");
        Opt { letter: *letter, takes_value: value.is_some(), name: value.unwrap_or(name) }
    })
}

/// The options whose names begin so: no name begins another (see the tests).
fn begun(options: &'static str, start: &'static [u8]) -> impl Iterator<Item = Opt> {
    all(options).filter(move |opt| !opt.name.is_empty() && opt.name.starts_with(start))
}
