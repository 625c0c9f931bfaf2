//! `nsinit config`: the configuration as nsinit understands it, or one to start from.

use core::ffi::CStr;
use core::fmt::Write;
use core::mem::MaybeUninit;

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat_raw};

use super::options::{Options, of};
use super::{Context, Verb, Words, answer, blank, libct, load, shown, usage};
use crate::beneath::PATH_MAX;
use crate::bytes::Arena;
use crate::error::{Context as _, Error, Result};
use crate::proc::fd_path;
use crate::say;
use crate::seccomp;
use crate::syscall::fd::AsFd;

/// See the help.
pub const VERB: Verb = Verb {
    name: "config",
    words: Words::One,
    text: "[OPTION…] [NAME]\n\
                   check container.json and print it as understood, or a new one\n\
                   Prints the configuration as nsinit understands it, as JSON with every default written\n\
                   out, or all its faults; nothing that exec would refuse passes. With --new, prints one to\n\
                   start from: nsinit config --new > container.json. NAME, or else that of --id or of this\n\
                   directory, is its host name and its control group. With --seccomp, prints the program that\n\
                   the kernel runs at each system call, and the rules that it was made of.",
    options: of("root id config rootfs no-init strict new seccomp"),
    run,
};

fn run(context: Context, options: &Options) -> Result<u8> {
    let mut out = say::answer();
    let data_path = load::data_path(&context, options)?;
    if options.new {
        let mut buf = [0; NAME_MAX];
        let name = match (options.word, options.id) {
            (Some(word), _) => word.bytes(),
            (None, Some(id)) => id.to_bytes(),
            (None, None) => directory(data_path, context.arena)?,
        };
        let name = valid(name, &mut buf);
        for (n, part) in libct::MINIMAL.split(libct::MINIMAL_NAME).enumerate() {
            // The first error of `out` is told by `answer`.
            let _ = out.write_str(if n == 0 { "" } else { name });
            let _ = out.write_str(part);
        }
        return answer(&mut out);
    }
    if let Some(word) = options.word {
        return Err(usage(shown(word.bytes(), context.arena), "a name is for --new alone"));
    }
    let config = load::config_path(options, data_path, context.arena)?;
    let plan = blank(context.plan);
    match load::given(options, context.arena)? {
        Some(text) => load::plan_of_given(plan, text, options, context.arena)?,
        None => load::plan(plan, config, options, context.arena)?,
    }
    // As above.
    let _ = match &plan.process.seccomp {
        Some(filter) if options.seccomp => seccomp::review(filter, &plan.process.program, &mut out),
        None if options.seccomp => {
            let why = "it has no \"seccomp\"";
            return Err(Error::refused("print the filter of", config, why));
        }
        _ => libct::print(plan, &mut out),
    };
    answer(&mut out)
}

/// Longest name: that of a label of a host name (RFC 1123).
const NAME_MAX: usize = 63;

/// The name of the container in this directory: that of the directory, or of the one above where that is
/// called as all of its kind are.
fn directory(path: &'static CStr, arena: &Arena) -> Result<&'static [u8]> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(CWD, path, flags, Mode::empty()).doing("open the data path", path)?;
    let mut buf = [MaybeUninit::uninit(); PATH_MAX];
    let link = fd_path(dir.as_fd());
    let (path, _) =
        readlinkat_raw(CWD, link.as_cstr(), &mut buf).doing("find the path of", path)?;
    let mut names = path.rsplit(|byte| *byte == b'/');
    let name = names.find(|name| *name != b"rootfs").unwrap_or(b"");
    Ok(arena.concat(&[name]).doing("keep", "the name")?.to_bytes())
}

/// The name as a host can have it, and a control group: letters, digits and hyphens, not at its ends.
fn valid<'b>(name: &[u8], buf: &'b mut [u8; NAME_MAX]) -> &'b str {
    let allowed = |byte: &u8| if byte.is_ascii_alphanumeric() { *byte } else { b'-' };
    let mut len = 0;
    for (to, from) in buf.iter_mut().zip(name.iter().map(allowed).skip_while(|byte| *byte == b'-'))
    {
        *to = from;
        len += 1;
    }
    let name = buf.get(..len).and_then(|name| str::from_utf8(name).ok());
    name.map(|name| name.trim_end_matches('-'))
        .filter(|name| !name.is_empty())
        .unwrap_or("container")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_becomes_that_of_a_host() {
        let valid = |name: &[u8]| valid(name, &mut [0; NAME_MAX]).to_string();
        for (name, host) in [
            (&b"web"[..], "web"),
            (b"Web.2", "Web-2"),
            (b"-my place_", "my-place"),
            (b"a\xffb\n", "a-b"),
            (b"..", "container"),
            (b"", "container"),
        ] {
            assert_eq!(valid(name), host);
        }
        assert_eq!(valid(&[b'a'; 300]), "a".repeat(63));
        assert_eq!(valid(&[&[b'a'; 62][..], b"--b"].concat()), "a".repeat(62));
    }

    #[test]
    fn the_template_has_its_name_three_times() {
        assert_eq!(libct::MINIMAL.matches(libct::MINIMAL_NAME).count(), 3);
    }
}
