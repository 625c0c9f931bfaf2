//! The kernel's command line (proc_cmdline(5)): the options `nsinit.*`, and those by which an
//! initramfs finds the real root (bootparam(7)).

use core::ffi::CStr;

use super::{Action, mounts};
use crate::bytes::{Arena, Names, Show, number};
use crate::say;
use crate::syscall::cstr::List;

/// More than the longest command line: COMMAND_LINE_SIZE of every architecture is less.
const LINE: usize = 8193;

/// More seconds than anybody waits.
pub const FOR_EVER: u32 = u32::MAX;

/// Which control group hierarchy the machine gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hierarchy {
    /// The unified one.
    V2,
    /// One for each controller.
    V1,
    /// None.
    None,
}

/// What the command line says.
#[derive(Clone, Copy, Debug)]
pub struct Cmdline {
    /// `nsinit.containers=DIR`; /containers without it. Given with `root=`, it is in the real root.
    pub containers: Option<&'static CStr>,
    /// `nsinit.only=NAME,…`: no other container.
    pub only: Option<&'static CStr>,
    /// `nsinit.skip=NAME,…`: not these.
    pub skip: Option<&'static CStr>,
    /// `nsinit.log=console|kmsg|file|none`: where the output of containers goes that don't say.
    pub log: Option<&'static CStr>,
    /// `nsinit.idle=`: what to do when nothing is left to run.
    pub idle: Action,
    /// `nsinit.panic=`: what to do when nsinit itself fails.
    pub panic: Action,
    /// `nsinit.rescue`: a shell before the first container.
    pub rescue: bool,
    /// `nsinit.shell=PATH`: the shell, and that one is wanted.
    pub shell: Option<&'static CStr>,
    /// `nsinit.watchdog=SECONDS`; 0 without it.
    pub watchdog: u32,
    /// `nsinit.grace=SECONDS`: how long processes have between TERM and KILL at the end.
    pub grace: u32,
    /// `nsinit.hostname=NAME`.
    pub hostname: Option<&'static CStr>,
    /// `nsinit.cgroup=v2|v1|none`.
    pub cgroup: Hierarchy,
    /// `root=`: the real root.
    pub root: Option<&'static CStr>,
    /// `rootfstype=TYPE,…`.
    pub rootfstype: Option<&'static CStr>,
    /// `rootflags=`: options of its file system.
    pub rootflags: Option<&'static CStr>,
    /// `rootwait=SECONDS`: how long it may take to appear; `rootwait` alone is for ever.
    pub rootwait: u32,
    /// `rw`; `ro` is the kernel's default, too.
    pub rw: bool,
    /// `init=`: the program that the real root is given to.
    pub init: Option<&'static CStr>,
}

impl Cmdline {
    const fn new() -> Cmdline {
        Cmdline {
            containers: None,
            only: None,
            skip: None,
            log: None,
            idle: Action::PowerOff,
            panic: Action::Reboot,
            rescue: false,
            shell: None,
            watchdog: 0,
            grace: 10,
            hostname: None,
            cgroup: Hierarchy::V2,
            root: None,
            rootfstype: None,
            rootflags: None,
            rootwait: 10,
            rw: false,
            init: None,
        }
    }
}

/// Takes the value of an option; whether it is one.
type Set = fn(&mut Cmdline, &'static CStr) -> bool;

/// The options: the name of each, what its value may be, and what takes it.
const OPTIONS: &[(&str, &str, Set)] = &[
    ("nsinit.containers", "an absolute path", |c, value| path(&mut c.containers, value)),
    ("nsinit.only", "names with commas", |c, value| text(&mut c.only, value)),
    ("nsinit.skip", "names with commas", |c, value| text(&mut c.skip, value)),
    ("nsinit.log", "console, kmsg, file or none", |c, value| text(&mut c.log, value)),
    ("nsinit.idle", "poweroff, reboot, halt, shell or stay", |c, value| {
        action(&mut c.idle, value, IDLE, &ACTIONS)
    }),
    ("nsinit.panic", "reboot, halt or shell", |c, value| {
        action(&mut c.panic, value, PANIC, &ACTIONS[1..4])
    }),
    ("nsinit.rescue", "no value", |c, value| {
        c.rescue = true;
        value.is_empty()
    }),
    ("nsinit.shell", "an absolute path", |c, value| {
        c.rescue = true;
        value.is_empty() || path(&mut c.shell, value)
    }),
    ("nsinit.watchdog", "seconds", |c, value| seconds(&mut c.watchdog, value)),
    ("nsinit.grace", "seconds", |c, value| seconds(&mut c.grace, value)),
    ("nsinit.hostname", "a name", |c, value| text(&mut c.hostname, value)),
    ("nsinit.cgroup", "v2, v1 or none", |c, value| {
        c.cgroup = match value.to_bytes() {
            b"v2" => Hierarchy::V2,
            b"v1" => Hierarchy::V1,
            b"none" => Hierarchy::None,
            _ => return false,
        };
        true
    }),
    ("root", "a device", |c, value| text(&mut c.root, value)),
    ("rootfstype", "types with commas", |c, value| text(&mut c.rootfstype, value)),
    ("rootflags", "mount options", |c, value| text(&mut c.rootflags, value)),
    ("rootwait", "seconds", |c, value| {
        if value.is_empty() {
            c.rootwait = FOR_EVER;
        }
        value.is_empty() || seconds(&mut c.rootwait, value)
    }),
    ("ro", "no value", |c, _| {
        c.rw = false;
        true
    }),
    ("rw", "no value", |c, _| {
        c.rw = true;
        true
    }),
    ("init", "an absolute path", |c, value| path(&mut c.init, value)),
];

/// The words of `nsinit.idle=`; those in the middle are `nsinit.panic=`'s.
const ACTIONS: [Action; 5] =
    [Action::PowerOff, Action::Reboot, Action::Halt, Action::Shell, Action::Stay];
const IDLE: Names = Names("poweroff reboot halt shell stay");
const PANIC: Names = Names("reboot halt shell");

fn text(to: &mut Option<&'static CStr>, value: &'static CStr) -> bool {
    let is_there = !value.is_empty();
    if is_there {
        *to = Some(value);
    }
    is_there
}

fn path(to: &mut Option<&'static CStr>, value: &'static CStr) -> bool {
    let absolute = value.to_bytes().starts_with(b"/");
    absolute && text(to, value)
}

fn seconds(to: &mut u32, value: &'static CStr) -> bool {
    let number = number(value.to_bytes(), 10).and_then(|n| u32::try_from(n).ok());
    *to = number.unwrap_or(*to);
    number.is_some()
}

fn action(to: &mut Action, value: &CStr, words: Names, actions: &[Action]) -> bool {
    let found = words.place(value.to_bytes()).and_then(|place| actions.get(place));
    *to = found.copied().unwrap_or(*to);
    found.is_some()
}

impl Cmdline {
    /// What /proc/cmdline says, and the words that nsinit was started with: the kernel passes on what
    /// follows a "--". In a container /proc/cmdline is another's, and the words are all there is.
    // The line would stay on the stack for good.
    #[inline(never)]
    pub fn read(is_real: bool, args: List, arena: &Arena) -> Cmdline {
        let mut cmdline = Cmdline::new();
        if is_real {
            let mut buf = [0; LINE];
            match mounts::read(c"/proc/cmdline", &mut buf) {
                Ok(line) => cmdline.words(line, arena),
                Err(errno) => {
                    let errno = crate::errno::Text(errno);
                    say::warning(format_args!("read /proc/cmdline: {errno}"));
                }
            }
        }
        for word in args.iter().flatten().skip(1) {
            cmdline.word(word.bytes(), arena);
        }
        cmdline
    }

    /// The words of a line, which spaces part, but not inside of double quotes (next_arg() in the
    /// kernel's lib/cmdline.c).
    fn words(&mut self, line: &[u8], arena: &Arena) {
        let mut quoted = false;
        let words = line.split(|byte| {
            quoted ^= *byte == b'"';
            byte.is_ascii_whitespace() && !quoted
        });
        words.for_each(|word| self.word(word, arena));
    }

    fn word(&mut self, word: &[u8], arena: &Arena) {
        let word = word.strip_prefix(b"\"").map_or(word, |word| word.trim_suffix_quote());
        let end = word.iter().position(|byte| *byte == b'=').unwrap_or(word.len());
        let (name, value) = word.split_at(end);
        let value = value.strip_prefix(b"=").unwrap_or(b"");
        let value = value.strip_prefix(b"\"").unwrap_or(value).trim_suffix_quote();
        let option = OPTIONS.iter().find(|(known, ..)| same(known.as_bytes(), name));
        let Some((_, values, set)) = option else {
            // The others are the kernel's and everybody's.
            if name.starts_with(b"nsinit.") {
                say::warning(format_args!("{}: unknown option; ignored", Show(word)));
            }
            return;
        };
        if !arena.concat(&[value]).is_ok_and(|value| set(self, value)) {
            say::warning(format_args!(
                "{}: unknown value; option ignored (it takes {values})",
                Show(word)
            ));
        }
    }
}

/// The kernel takes "-" and "_" for the same in the names of its parameters.
fn same(known: &[u8], name: &[u8]) -> bool {
    known.len() == name.len()
        && known.iter().zip(name).all(|(a, b)| a == b || (*a == b'_' && *b == b'-'))
}

/// A closing quote is no part of a value.
trait Quoted {
    fn trim_suffix_quote(&self) -> &[u8];
}

impl Quoted for [u8] {
    fn trim_suffix_quote(&self) -> &[u8] {
        self.strip_suffix(b"\"").unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Cmdline {
        let arena = Arena::new(vec![0; 4096].leak());
        let mut cmdline = Cmdline::new();
        cmdline.words(line.as_bytes(), &arena);
        cmdline
    }

    #[test]
    fn words_values_and_quotes_are_the_kernels() {
        let cmdline = parse(
            "quiet root=\"LABEL=my disk\"  \"init=/my init\" nsinit.shell=/bin/ash rw nsinit.idle=stay\n",
        );
        assert_eq!(cmdline.root, Some(c"LABEL=my disk"));
        assert_eq!(cmdline.init, Some(c"/my init"));
        assert_eq!(cmdline.shell, Some(c"/bin/ash"));
        assert!(cmdline.rescue && cmdline.rw);
        assert_eq!(cmdline.idle, Action::Stay);
    }

    #[test]
    fn the_last_word_counts_and_a_wrong_one_does_not() {
        let cmdline = parse(
            "nsinit.watchdog=5 nsinit.watchdog=x nsinit.panic=halt nsinit.panic=poweroff \
             nsinit.cgroup=v1 nsinit.cgroup=v3 nsinit.containers=/a nsinit.containers=b rw ro",
        );
        assert_eq!(cmdline.watchdog, 5);
        assert_eq!(cmdline.panic, Action::Halt);
        assert_eq!(cmdline.cgroup, Hierarchy::V1);
        assert_eq!(cmdline.containers, Some(c"/a"));
        assert_eq!(cmdline.rootwait, 10);
        assert_eq!(parse("rootwait=3 rootwait=x").rootwait, 3);
        assert_eq!(parse("rootwait").rootwait, FOR_EVER);
        assert!(!cmdline.rw);
    }

    #[test]
    fn whatever_the_line_is_it_ends() {
        for line in ["", "=", "\"", "a=\"", "nsinit.", "nsinit.only=", "root", "\"\"\"=\"\""] {
            assert_eq!(parse(line).root, None, "{line}");
        }
    }
}
