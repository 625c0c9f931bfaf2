//! The command: found in the container's own PATH and executed.

use core::ffi::CStr;

use rustix::io::Errno;

use super::explain::{exists, explain};
use crate::bytes::{Arena, split_by};
use crate::error::{Context, Error, Result, STATUS_NOT_FOUND};
use crate::plan::Process;
use crate::proc::process::Identity;
use crate::syscall::cstr::{List, ThinCStr};
use crate::syscall::process::execve;

/// Where a container without PATH looks.
pub const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Longest path that execve takes (PATH_MAX).
const PATH_MAX: usize = 4096;

/// The value of `name` in an environment. Of two entries the first counts, as for getenv(3).
pub fn value(env: &[Option<ThinCStr>], name: &[u8]) -> Option<&'static [u8]> {
    env.iter().flatten().find_map(|entry| entry.bytes().strip_prefix(name)?.strip_prefix(b"="))
}

/// Adds HOME where the file does not set it, and the NULL that ends the list.
pub fn complete_environment(
    process: &mut Process,
    home: &'static CStr,
    arena: &Arena,
) -> Result<()> {
    const DOING: &str = "add HOME to the environment";
    let full = |_| Error::refused(DOING, (), "it has more than 8192 entries");
    if value(&process.env, b"HOME").is_none() {
        let entry = arena.concat(&[b"HOME=", home.to_bytes()]).doing("set HOME to", home)?;
        process.env.push(Some(entry.into())).map_err(full)?;
    }
    process.env.push(None).map_err(full)
}

/// Executes the command of `process`, whose environment is complete. Returns only if that fails.
///
/// As execvp(3) does, but for one thing: a file without a format that the kernel knows is not given
/// to a shell. That shell would be the container's choice, and 2014's launcher had no such rule.
pub fn exec(process: &Process, own: Option<Identity>, arena: &Arena) -> Error {
    // The file's own command is run where the caller gave none.
    let argv = if process.argv.is_empty() { process.command.as_slice() } else { process.argv };
    let Some(Some(name)) = argv.first() else {
        return Error::refused("execute the command", (), "none was given");
    };
    let name = name.get();
    let attempt = Attempt { argv, env: &process.env, own };
    // In a directory of PATH it would be the directory itself.
    if name.is_empty() {
        return not_found(c"\"\"");
    }
    if name.to_bytes().contains(&b'/') {
        return explain(name, attempt.at(name), own, arena);
    }
    let path = value(&process.env, b"PATH").unwrap_or(DEFAULT_PATH);
    search(name, path, &attempt, arena)
        .map_or_else(|| not_found(name), |(path, errno)| explain(path, errno, own, arena))
}

struct Attempt<'a> {
    argv: List<'a>,
    env: List<'a>,
    own: Option<Identity>,
}

impl Attempt<'_> {
    /// nsinit's own file is refused: executed inside, /proc/self/exe would be a handle on the
    /// host's program (CVE-2019-5736). What `#!/proc/self/exe` or a quick exchange of the file can
    /// get past this check finds a file that can't be written to; that is the launcher's care.
    fn at(&self, path: &CStr) -> Errno {
        if self.own.is_some() && Identity::of(path).ok() == self.own {
            return Errno::PERM;
        }
        execve(path, self.argv, self.env)
    }
}

/// Tries `name` in every directory of `path`. What is not there, or not reachable, does not end the
/// search; what may not be executed is reported if nothing better comes. Returns the file that
/// failed; `None` where there is none.
fn search(
    name: &CStr,
    path: &[u8],
    attempt: &Attempt,
    arena: &Arena,
) -> Option<(&'static CStr, Errno)> {
    let mut buf = [0; PATH_MAX];
    let keep = |path: &CStr| arena.concat(&[path.to_bytes()]).unwrap_or(c"the command");
    let mut denied = None;
    for directory in split_by(path, b':') {
        let Some(candidate) = join(&mut buf, directory, name) else { continue };
        match attempt.at(candidate) {
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP => {}
            Errno::STALE | Errno::NODEV | Errno::TIMEDOUT => {}
            Errno::ACCESS if denied.is_some() => {}
            Errno::ACCESS => denied = Some((keep(candidate), Errno::ACCESS)),
            errno => return Some((keep(candidate), errno)),
        }
    }
    // ENOENT also means that the file is there and its interpreter is not. Only now, as it would
    // cost a call for every directory that does not have the command.
    denied.or_else(|| {
        split_by(path, b':').find_map(|directory| {
            let candidate = join(&mut buf, directory, name).filter(|path| exists(path))?;
            Some((keep(candidate), Errno::NOENT))
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

fn not_found(name: &'static CStr) -> Error {
    let error = Error::refused("execute", name, "executable file not found in $PATH");
    error.with_status(STATUS_NOT_FOUND)
}
