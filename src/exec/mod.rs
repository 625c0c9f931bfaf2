//! The command: found in PATH and executed, or the reason why not.

mod elf;
mod explain;

use core::ffi::CStr;

use heapless::Vec;
use rustix::io::Errno;

use crate::bytes::{Arena, split_by};
use crate::error::{Error, STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND};
use crate::proc::process::Identity;
use crate::syscall::cstr::{List, ThinCStr};
use crate::syscall::process::execve;
pub use explain::{INTERPRETER, interpreter};
use explain::{exists, explain, is_text};

/// Where a container without PATH looks.
pub const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Longest path that execve takes (PATH_MAX).
const PATH_MAX: usize = 4096;

/// The value of `name` in an environment. Of two entries the first counts, as for getenv(3).
pub fn value(env: &[Option<ThinCStr>], name: &[u8]) -> Option<&'static [u8]> {
    env.iter().flatten().find_map(|entry| entry.bytes().strip_prefix(name)?.strip_prefix(b"="))
}

/// Most arguments of a script that is given to the shell.
const SCRIPT_ARGUMENTS: usize = 8192;

/// What is executed, and how.
pub struct Command<'a> {
    /// The command and its arguments, NULL-terminated.
    pub argv: List<'a>,
    /// Its environment, NULL-terminated.
    pub env: List<'a>,
    /// A program that is not executed: nsinit's own.
    pub own: Option<Identity>,
    /// A text without a format that the kernel knows is given to /bin/sh, as execvp(3) does. Not in
    /// a container that nsinit makes: that shell would be the container's choice, and 2014's launcher
    /// had no such rule.
    pub shell: bool,
}

/// Executes it, as execvp(3) does. Returns only if that fails.
pub fn exec(command: &Command, arena: &Arena) -> Error {
    attempt(command, arena).error(command.own, arena)
}

/// What could not be executed.
pub enum Failed {
    /// No command.
    None,
    /// A name that is in no directory of PATH.
    Name(&'static CStr),
    /// A file.
    File(&'static CStr, Errno),
    /// The shell, for a file without a format.
    Shell(&'static CStr, Errno),
}

/// The same, for whoever must see to something before an error is made.
pub fn attempt(command: &Command, arena: &Arena) -> Failed {
    let Some(Some(name)) = command.argv.first() else { return Failed::None };
    let name = name.get();
    // In a directory of PATH it would be the directory itself.
    if name.is_empty() {
        return Failed::Name(c"\"\"");
    }
    let failed = if name.to_bytes().contains(&b'/') {
        Some((name, command.at(name)))
    } else {
        let path = value(command.env, b"PATH").unwrap_or(DEFAULT_PATH);
        search(name, path, command, arena)
    };
    match failed {
        None => Failed::Name(name),
        Some((path, Errno::NOEXEC)) if command.shell && is_text(path) => {
            Failed::Shell(path, command.by_shell(path))
        }
        Some((path, errno)) => Failed::File(path, errno),
    }
}

impl Failed {
    /// Why. `own` is that of the command.
    pub fn error(self, own: Option<Identity>, arena: &Arena) -> Error {
        const DOING: &str = "execute";
        match self {
            Failed::None => Error::refused(DOING, "the command", "none was given"),
            Failed::Name(name) => Error::refused(DOING, name, "executable file not found in $PATH")
                .with_status(STATUS_NOT_FOUND),
            Failed::File(path, errno) => explain(path, errno, own, arena),
            Failed::Shell(path, errno) => Error::errno(DOING, path, errno)
                .hint(match errno {
                    Errno::TOOBIG => "/bin/sh was to run it, with at most 8192 arguments",
                    _ => "/bin/sh was to run it: it has no #! line",
                })
                .with_status(STATUS_NOT_EXECUTABLE),
        }
    }
}

impl Command<'_> {
    /// nsinit's own file is refused: executed inside, /proc/self/exe would be a handle on the
    /// host's program (CVE-2019-5736). What `#!/proc/self/exe` or a quick exchange of the file can
    /// get past this check finds a file that can't be written to; that is the launcher's care.
    fn at(&self, path: &CStr) -> Errno {
        if self.own.is_some() && Identity::of(path).ok() == self.own {
            return Errno::PERM;
        }
        execve(path, self.argv, self.env)
    }

    #[inline(never)]
    fn by_shell(&self, path: &'static CStr) -> Errno {
        const SHELL: &CStr = c"/bin/sh";
        let arguments = self.argv.get(1..).unwrap_or(&[]);
        // The shell, the script, and NULL.
        let mut argv = Vec::<_, { SCRIPT_ARGUMENTS + 3 }>::new();
        let fits = argv.extend_from_slice(&[Some(SHELL.into()), Some(path.into())]).is_ok()
            && argv.extend_from_slice(arguments).is_ok();
        if fits { execve(SHELL, &argv, self.env) } else { Errno::TOOBIG }
    }
}

/// Tries `name` in every directory of `path`. What is not there, or not reachable, does not end the
/// search; what may not be executed is reported if nothing better comes. Returns the file that
/// failed; `None` where there is none.
#[inline(never)] // its frame is a page
fn search(
    name: &CStr,
    path: &[u8],
    command: &Command,
    arena: &Arena,
) -> Option<(&'static CStr, Errno)> {
    let mut buf = [0; PATH_MAX];
    let keep = |path: &CStr| arena.concat(&[path.to_bytes()]).unwrap_or(c"the command");
    let mut denied = None;
    for directory in split_by(path, b':') {
        let Some(candidate) = join(&mut buf, directory, name) else { continue };
        match command.at(candidate) {
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP => {}
            Errno::STALE | Errno::NODEV | Errno::TIMEDOUT => {}
            Errno::ACCESS if denied.is_some() => {}
            Errno::ACCESS => denied = Some((keep(candidate), Errno::ACCESS)),
            errno => return Some((keep(candidate), errno)),
        }
    }
    // ENOENT and ELOOP also mean that the file is there and its interpreter is not. Only now, as it would
    // cost a call for every directory that does not have the command.
    denied.or_else(|| {
        split_by(path, b':').find_map(|directory| {
            let candidate = join(&mut buf, directory, name).filter(|path| exists(path))?;
            Some((keep(candidate), command.at(candidate)))
        })
    })
}

/// `directory`/`name`; an empty directory is the working directory. `None` where that is longer
/// than any path can be.
fn join<'a>(buf: &'a mut [u8; PATH_MAX], directory: &[u8], name: &CStr) -> Option<&'a CStr> {
    let mut len = 0;
    let separator: &[u8] = if directory.is_empty() { b"" } else { b"/" };
    for part in [directory, separator, name.to_bytes_with_nul()] {
        buf.get_mut(len..len + part.len())?.copy_from_slice(part);
        len += part.len();
    }
    CStr::from_bytes_with_nul(buf.get(..len)?).ok()
}
