//! `nsinit ps`: the processes of the container, and who should reap its zombies.

use core::fmt::Write;

use heapless::Vec;
use rustix::fd::OwnedFd;
use rustix::process::Pid;

use super::options::{Options, of};
use super::running::{each_member, root_of, running};
use super::{Context, Verb, Words, answer};
use crate::bytes::{Arena, Short, Show, split_by};
use crate::error::{Context as _, Result};
use crate::init::zombie;
use crate::json::Json;
use crate::proc::is_gone;
use crate::proc::process::{Stat, open};
use crate::proc::status::{Status, status};
use crate::say::{self, Output};
use crate::security::user_name;
use crate::syscall::fd::AsFd;

/// See the help.
pub const VERB: Verb = Verb {
    name: "ps",
    words: Words::None,
    text: "[OPTION…]\n\
                   list the processes of the container\n\
                   Prints every process with its pid on the host and inside, the user, the state (R running,\n\
                   S sleeping, D in the kernel, T stopped, Z zombie) and the command. Of a zombie it says who\n\
                   has to reap it, and what keeps that from being done.",
    options: of("root id json"),
    run,
};

/// Longest command line that is shown.
const COMMAND: usize = 4096;

/// The last user that was looked up: mostly it is the next one's, too.
struct Users<'a> {
    root: Option<OwnedFd>,
    arena: &'a Arena,
    last: Option<(u32, Option<Vec<u8, 256>>)>,
}

impl Users<'_> {
    /// The name of `uid` in the container's passwd file.
    fn name(&mut self, uid: u32) -> Option<&[u8]> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != uid) {
            let root = self.root.as_ref();
            let name = root.map_or(Ok(None), |root| user_name(uid, root.as_fd(), self.arena));
            // A file that can't be read, or only by waiting for it, is not read again for each.
            if name.is_err() {
                self.root = None;
            }
            self.last = Some((uid, name.unwrap_or(None)));
        }
        self.last.as_ref()?.1.as_deref()
    }
}

fn run(context: Context, options: &Options) -> Result<u8> {
    let container = running(&context, options)?;
    let init = status("/proc", container.init.pid).doing("look at PID 1", ())?;
    // The container's own level is PID 1's last.
    let level = init.pids.len().saturating_sub(1);
    let root = root_of(container.init.pid).ok();
    let mut users = Users { root, arena: context.arena, last: None };
    let mut out = say::answer();
    // The first error of `out` is told by `answer`.
    let _ = if options.json {
        out.write_str("[")
    } else {
        writeln!(out, "{:>7} {:>7} {:10} S COMMAND", "PID", "INSIDE", "USER")
    };
    let (mut first, mut unread) = (true, Ok(()));
    let mut buf = [0; COMMAND];
    let listed =
        each_member(&container, context.arena, &mut |pid, stat| match &status("/proc", pid) {
            // One that has ended meanwhile is not listed.
            Err(errno) if is_gone(*errno) => {}
            Err(errno) => unread = Err(*errno).doing("look at process", pid),
            Ok(status) => {
                let inside = status.pids.get(level).copied().unwrap_or(0);
                let command = command(pid, &mut buf);
                let process = Process { pid, inside, stat, status, command };
                if options.json {
                    let _ = out.write_str(if first { "\n" } else { ",\n" });
                    process.json(&mut out, &mut users);
                } else {
                    process.line(&mut out, &mut users);
                }
                first = false;
            }
        });
    if options.json {
        let _ = out.write_str("\n]\n");
    }
    answer(&mut out)?;
    listed.and(unread).map(|()| 0)
}

struct Process<'a> {
    pid: Pid,
    /// Its pid inside.
    inside: u32,
    stat: &'a Stat,
    status: &'a Status,
    /// The command line, and whether that is all of it. Kernel threads and zombies have none.
    command: Option<(&'a [u8], bool)>,
}

impl Process<'_> {
    // Of both: the first error of `out` is told by `answer`.
    fn line(&self, out: &mut Output, users: &mut Users) {
        let (pid, status) = (self.pid.as_raw_pid(), self.status);
        // A longer name than any system allows is cut.
        let mut user = Short::<40>::default();
        match users.name(status.uid) {
            Some(name) => user.push(format_args!("{}", Show(name))),
            None => user.push(format_args!("{}", status.uid)),
        };
        let (user, state) = (user.as_str(), char::from(self.stat.state));
        let _ = write!(out, "{pid:>7} {:>7} {user:10} {state} ", self.inside);
        match self.command {
            Some((command, whole)) => {
                for (n, word) in split_by(command, 0).enumerate() {
                    let _ = write!(out, "{}{}", if n == 0 { "" } else { " " }, Show(word));
                }
                let _ = out.write_str(if whole { "" } else { "…" });
            }
            None => {
                let _ = write!(out, "[{}]", Show(&status.name));
            }
        }
        let _ = out.write_str("\n");
        if self.stat.state == b'Z' {
            let _ = out.write_str("        zombie ");
            let _ = zombie(out, self.pid, self.stat);
        }
    }

    fn json(&self, out: &mut Output, users: &mut Users) {
        let mut json = Json::line(out);
        let (j, status) = (&mut json, self.status);
        j.open('{', false);
        j.unsigned("pid", self.pid.as_raw_pid() as u64);
        j.unsigned("inside_pid", self.inside.into());
        j.number("parent_pid", self.stat.parent.into());
        j.unsigned("uid", status.uid.into());
        if let Some(name) = users.name(status.uid) {
            j.key("user");
            j.bytes(&[name]);
        }
        j.key("state");
        j.bytes(&[&[self.stat.state]]);
        j.key("name");
        j.bytes(&[&status.name]);
        if let Some((command, whole)) = self.command {
            j.begin("command", '[');
            for word in split_by(command, 0) {
                j.item();
                j.bytes(&[word]);
            }
            j.close();
            if !whole {
                j.bool("command_cut", true);
            }
        }
        if self.stat.state == b'Z' {
            let mut text = heapless::String::<512>::new();
            // It is no longer but with very many threads.
            let _ = zombie(&mut text, self.pid, self.stat);
            j.key("zombie");
            j.bytes(&[text.trim_ascii_end().as_bytes()]);
        }
        j.close();
    }
}

/// See `Process`.
fn command(pid: Pid, buf: &mut [u8; COMMAND]) -> Option<(&[u8], bool)> {
    let file = open("/proc", pid, "cmdline").ok()?;
    let len = rustix::io::read(file.as_fd(), &mut *buf).ok().filter(|len| *len > 0)?;
    let text = buf.get(..len)?;
    Some((text.strip_suffix(b"\0").unwrap_or(text), len < COMMAND))
}
