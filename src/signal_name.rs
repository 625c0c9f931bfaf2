//! Signals by name (signal(7)). The numbers are those of every architecture that nsinit is built for.

use crate::bytes::{same_in_any_case, split_by};
use crate::syscall::signal::LAST;

/// 1 to 31, in their order.
const NAMES: &[u8] =
    b"HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT \
    CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";
/// glibc keeps the first two of the kernel's realtime signals, which begin at 32, for itself; shells
/// and kill(1) count from its first.
const RTMIN: u64 = 34;

/// The number of a signal: "TERM", "SIGTERM", "15", "RTMIN+2", "RTMAX-1", in any case. 0 is no
/// signal: a test whether the process is there.
pub fn parse(text: &[u8]) -> Option<u32> {
    let name = match text.split_at_checked(3) {
        Some((sig, name)) if same_in_any_case(sig, b"SIG") => name,
        _ => text,
    };
    let number = match name.split_at_checked(5) {
        Some((rt, rest)) if same_in_any_case(rt, b"RTMIN") => match rest.strip_prefix(b"+") {
            Some(n) => RTMIN + decimal(n)?,
            None => rest.is_empty().then_some(RTMIN)?,
        },
        Some((rt, rest)) if same_in_any_case(rt, b"RTMAX") => match rest.strip_prefix(b"-") {
            Some(n) => u64::from(LAST).checked_sub(decimal(n)?).filter(|n| *n >= RTMIN)?,
            None => rest.is_empty().then_some(u64::from(LAST))?,
        },
        _ => match split_by(NAMES, b' ').position(|known| same_in_any_case(known, name)) {
            Some(n) => n as u64 + 1,
            None => decimal(text)?,
        },
    };
    u32::try_from(number).ok().filter(|n| *n <= LAST)
}

fn decimal(text: &[u8]) -> Option<u64> {
    // No signal has more digits: the sums above can't overflow.
    crate::bytes::number(text, 10).filter(|n| *n <= u64::from(LAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_realtime_signals() {
        let known = [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigkill", 9),
            ("hup", 1),
            ("SYS", 31),
            ("9", 9),
            ("0", 0),
            ("64", 64),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmax", 64),
            ("RTMAX-2", 62),
        ];
        for (text, number) in known {
            assert_eq!(parse(text.as_bytes()), Some(number), "{text}");
        }
        let unknown = [
            "",
            "SIG",
            "TER",
            "65",
            "-1",
            "RTMIN+31",
            "RTMAX-31",
            "RTMIN-1",
            "RTMAX+0",
            "RTMIN+",
            "RTMIN+99999999999999999999",
            " TERM",
            "HUP INT",
        ];
        for text in unknown {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_table_is_the_kernels() {
        for (name, number) in
            [("STKFLT", libc::SIGSTKFLT), ("IO", libc::SIGIO), ("PWR", libc::SIGPWR)]
        {
            assert_eq!(parse(name.as_bytes()), Some(number as u32));
        }
        assert_eq!(split_by(NAMES, b' ').count(), 31);
    }
}
