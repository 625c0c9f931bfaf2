//! Signals by name: what kill(1) takes, and what messages say.

use core::fmt;

use crate::bytes::{Names, number, same_in_any_case};

/// The names in the order of their numbers, from 1: the same on every architecture that nsinit is
/// built for (signal(7)).
const NAMES: Names = Names(
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT \
                     CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS",
);

/// Other names of some of them.
const SYNONYMS: [(&[u8], u8); 3] = [(b"IOT", 6), (b"CLD", 17), (b"POLL", 29)];

/// The first realtime signal that a C library leaves to programs. glibc's: it is what RTMIN means to
/// systemd, docker and kill(1), and musl's lies one higher.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

/// The number that `text` names: 1 to 64, TERM, SIGTERM, RTMIN+3, RTMAX-1; in any case.
pub fn parse(text: &[u8]) -> Option<u8> {
    if let Some(n) = number(text, 10) {
        return u8::try_from(n).ok().filter(|n| (1..=RTMAX).contains(n));
    }
    let prefixed = text.get(..3).is_some_and(|prefix| same_in_any_case(prefix, b"SIG"));
    let name = if prefixed { text.get(3..)? } else { text };
    let (base, offset) = name.split_at(name.len().min(5));
    let from = |n: u8, sign: u8| match offset.split_first() {
        None => Some(n),
        Some((s, digits)) if *s == sign => {
            let by = u8::try_from(number(digits, 10)?).ok()?;
            let n = if sign == b'+' { n.checked_add(by) } else { n.checked_sub(by) };
            n.filter(|n| (RTMIN..=RTMAX).contains(n))
        }
        Some(_) => None,
    };
    if same_in_any_case(base, b"RTMIN") {
        return from(RTMIN, b'+');
    }
    if same_in_any_case(base, b"RTMAX") {
        return from(RTMAX, b'-');
    }
    let mut names = NAMES;
    let n = names.position(|known| same_in_any_case(known.as_bytes(), name));
    let other = || SYNONYMS.iter().find(|(known, _)| same_in_any_case(known, name));
    n.map(|n| n as u8 + 1).or_else(|| other().map(|(_, n)| *n))
}

/// Shows a signal's name: "SIGTERM", "SIGRTMIN+3".
pub struct Name(pub u32);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let index = (self.0 as usize).wrapping_sub(1);
        match NAMES.at(index) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 >= RTMIN.into() => {
                write!(f, "SIGRTMIN+{}", i64::from(self.0) - i64::from(RTMIN))
            }
            None => write!(f, "signal {}", i64::from(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_a_number_and_a_name_that_means_it() {
        for n in 1..=64u8 {
            assert_eq!(parse(n.to_string().as_bytes()), Some(n));
            let name = Name(n.into()).to_string();
            if n != 32 && n != 33 {
                assert_eq!(parse(name.as_bytes()), Some(n), "{name}");
                assert_eq!(parse(name.to_lowercase().as_bytes()), Some(n), "{name}");
                assert_eq!(parse(name.strip_prefix("SIG").unwrap().as_bytes()), Some(n), "{name}");
            }
        }
    }

    #[test]
    fn names_are_the_kernels() {
        for (name, n) in [
            ("HUP", libc::SIGHUP),
            ("SIGSEGV", libc::SIGSEGV),
            ("STKFLT", libc::SIGSTKFLT),
            ("sigwinch", libc::SIGWINCH),
            ("PWR", libc::SIGPWR),
            ("SYS", libc::SIGSYS),
            ("IOT", libc::SIGABRT),
            ("POLL", libc::SIGIO),
            ("CLD", libc::SIGCHLD),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("RTMAX-30", 34),
        ] {
            assert_eq!(parse(name.as_bytes()).map(i32::from), Some(n), "{name}");
        }
    }

    #[test]
    fn nothing_else_is_a_signal() {
        for bad in [
            "",
            "0",
            "65",
            "-1",
            "+1",
            "999",
            "SIG",
            "TERMINATE",
            "TER",
            "SIG15",
            "RTMIN+31",
            "RTMIN-1",
            "RTMAX+1",
            "RTMAX-31",
            "RTMIN+",
            "RTMIN3",
            "SIGSIGTERM",
            "HUP INT",
            "RTMIN+256",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
