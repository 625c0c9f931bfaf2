//! Which arguments the kernel cuts to 32 bits before it looks at them (SYSCALL_DEFINE with int, unsigned int
//! or u32): a filter that compares all 64 bits of these is none, as the caller chooses the upper half.

/// Rows: a call, and a bit for each of its arguments that is 32 bits wide.
const NARROW: &[(&str, u8)] = &[
    ("accept4", 0b1001),
    ("bpf", 0b101),
    // Its flags: lower_32_bits (kernel/fork.c, SYSCALL_DEFINE5(clone)).
    ("clone", 0b1),
    ("copy_file_range", 0b100101),
    ("fcntl", 0b11),
    ("futex", 0b100110),
    ("getsockopt", 0b111),
    ("ioctl", 0b11),
    ("kcmp", 0b111),
    ("keyctl", 0b1),
    ("kill", 0b11),
    ("madvise", 0b100),
    ("memfd_create", 0b10),
    ("open", 0b110),
    ("openat", 0b1101),
    ("personality", 0b1),
    ("prctl", 0b1),
    ("quotactl", 0b101),
    ("reboot", 0b111),
    ("recvfrom", 0b1001),
    ("recvmsg", 0b101),
    ("seccomp", 0b11),
    ("sendmsg", 0b101),
    ("sendto", 0b1001),
    ("setns", 0b11),
    ("setsockopt", 0b10111),
    ("socket", 0b111),
    ("socketpair", 0b111),
    ("syslog", 0b101),
    ("tgkill", 0b111),
];

/// Whether argument `index` of the call of this name is 32 bits wide. `clone` on s390 is not nsinit's.
pub fn is_narrow(name: &str, index: u8) -> bool {
    NARROW
        .binary_search_by_key(&name, |(known, _)| known)
        .is_ok_and(|row| NARROW[row].1 & 1 << index != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::abi;

    #[test]
    fn the_table_is_sorted_and_of_calls_that_are_there() {
        assert!(NARROW.is_sorted_by_key(|(name, _)| name));
        for (name, mask) in NARROW {
            assert!(abi::find(name).is_some(), "{name}");
            assert!(*mask != 0 && *mask < 1 << 6, "{name}");
        }
        assert!(is_narrow("socket", 0) && is_narrow("openat", 2) && !is_narrow("openat", 1));
        assert!(!is_narrow("ptrace", 0) && !is_narrow("mmap", 2));
    }
}
