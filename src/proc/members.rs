//! Which processes belong to a container: those in its PID namespace and in namespaces below it;
//! without one of its own, those in its control group; without either, PID 1's descendants.

use core::ffi::CStr;

use rustix::io::Errno;
use rustix::process::{Pid, getpid};

use super::is_gone;
use super::process::{Identity, Stat, all, lines, namespace, stat};
use crate::bytes::{Arena, Full, split_by};

/// Longest line of a cgroup file: a path of up to 4,096 bytes and a few words.
const LINE: usize = 8192;
/// How many ancestors of a process are asked.
const ANCESTORS: usize = 64;

/// How the processes of a container are known.
pub struct Members {
    proc: &'static str,
    init: Pid,
    sign: Sign,
}

/// A controller, or "" for the v2 hierarchy, and the path in it.
type Group = (&'static [u8], &'static [u8]);

enum Sign {
    /// The container's PID namespace, and the caller's.
    Namespace(Identity, Identity),
    /// They are in it.
    Group(Group),
    /// They descend from PID 1.
    Descent,
}

impl Members {
    /// Those of the container whose first process is `init` and whose control groups are `groups`:
    /// names of controllers and directories.
    pub fn of(
        proc: &'static str,
        init: Pid,
        groups: impl Iterator<Item = (&'static str, &'static CStr)>,
        arena: &Arena,
    ) -> Result<Members, Errno> {
        let (theirs, ours) = (namespace(proc, init, c"pid")?, namespace(proc, getpid(), c"pid")?);
        let mut sign = Sign::Descent;
        if theirs != ours {
            sign = Sign::Namespace(theirs, ours);
        } else {
            for (name, dir) in groups {
                if let Some((controller, path)) = group(proc, init, name, arena)? {
                    sign = Sign::Group((controller, shared(path, dir.to_bytes())));
                    break;
                }
            }
        }
        Ok(Members { proc, init, sign })
    }

    /// Calls `each` with every process of the container. One that is forked or ends meanwhile may be
    /// met or not; one of which it can't be told whether it belongs is an error, once all others were met.
    pub fn for_each(&self, each: &mut dyn FnMut(Pid, &Stat)) -> Result<(), Errno> {
        let mut unknown = Ok(());
        let result = all(self.proc, &mut |pid, stat| match self.has(pid, stat.parent) {
            Ok(true) => each(pid, stat),
            Ok(false) => {}
            Err(errno) if is_gone(errno) => {}
            Err(errno) => unknown = Err(errno),
        });
        result.and(unknown)
    }

    /// Whether `pid` belongs to it.
    fn has(&self, mut pid: Pid, mut parent: i32) -> Result<bool, Errno> {
        for _ in 0..ANCESTORS {
            if pid == self.init {
                return Ok(true);
            }
            match &self.sign {
                Sign::Namespace(theirs, ours) => match namespace(self.proc, pid, c"pid") {
                    Ok(found) if found == *theirs => return Ok(true),
                    Ok(found) if found == *ours => return Ok(false),
                    // In a namespace below, its ancestors lead to a process of the container: to
                    // PID 1, or to one that has joined. So do those of one with more rights than the
                    // caller's, who may not look at it (ptrace(2)).
                    Ok(_) | Err(Errno::ACCESS) => {}
                    Err(errno) => return Err(errno),
                },
                Sign::Group((controller, path)) => {
                    return in_group(self.proc, pid, controller, path);
                }
                Sign::Descent => {}
            }
            match Pid::from_raw(parent) {
                Some(above) => pid = above,
                None => return Ok(false),
            }
            parent = match stat(self.proc, pid) {
                Ok(stat) => stat.parent,
                Err(errno) if is_gone(errno) => 0,
                Err(errno) => return Err(errno),
            };
        }
        Ok(false)
    }
}

/// The line of `pid`'s cgroup file for the controller `name`, or for v2 where there is none: the
/// controller as the file calls it, and the path.
fn group(proc: &str, pid: Pid, name: &'static str, arena: &Arena) -> Result<Option<Group>, Errno> {
    for controller in [name.as_bytes(), b""] {
        let mut found = None;
        with_group(proc, pid, controller, &mut |path| found = Some(arena.concat(&[path])))?;
        if let Some(path) = found {
            let path: &CStr = path.map_err(|Full| Errno::NOMEM)?;
            return Ok(Some((controller, path.to_bytes())));
        }
    }
    Ok(None)
}

fn in_group(proc: &str, pid: Pid, controller: &[u8], group: &[u8]) -> Result<bool, Errno> {
    let mut inside = false;
    with_group(proc, pid, controller, &mut |path| {
        let below = path.strip_prefix(group);
        inside = below.is_some_and(|below| below.is_empty() || below.starts_with(b"/"));
    })?;
    Ok(inside)
}

/// Calls `with` with the path of `pid`'s group: lines like "4:cpu,cpuacct:/a", and "0::/a" for v2.
fn with_group(
    proc: &str,
    pid: Pid,
    controller: &[u8],
    with: &mut dyn FnMut(&[u8]),
) -> Result<(), Errno> {
    lines(proc, pid, "cgroup", &mut [0; LINE], &mut |line| {
        let mut fields = line.splitn(3, |byte| *byte == b':').skip(1);
        if let (Some(list), Some(path)) = (fields.next(), fields.next())
            && split_by(list.strip_prefix(b"name=").unwrap_or(list), b',').any(|c| c == controller)
        {
            with(path);
            return false;
        }
        true
    })
}

/// PID 1 may have gone into a group below the container's: as much of `path` as `dir` ends with.
fn shared<'a>(path: &'a [u8], dir: &[u8]) -> &'a [u8] {
    let mut end = path.len();
    loop {
        let part = path.get(..end).unwrap_or(path);
        if dir.ends_with(part) && !part.is_empty() {
            return part;
        }
        match part.iter().rposition(|byte| *byte == b'/') {
            Some(slash) if slash > 0 => end = slash,
            _ => return path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A /proc of processes with a parent, a PID namespace and a line of their cgroup file each.
    fn world(name: &str, processes: &[(u32, u32, &str, &str)]) -> &'static str {
        let dir =
            std::env::temp_dir().join(format!("nsinit-members-{name}-{}", std::process::id()));
        for (pid, parent, namespace, group) in processes {
            let of = dir.join(pid.to_string());
            std::fs::create_dir_all(of.join("ns")).unwrap();
            let stat = format!(
                "{pid} (x) S {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 7 0 0 0 0 0 0 0 0 0 0 "
            );
            std::fs::write(of.join("stat"), stat).unwrap();
            std::fs::write(of.join("cgroup"), format!("9:other:/\n{group}\n")).unwrap();
            let file = dir.join(format!("namespace-{namespace}"));
            std::fs::write(&file, "").unwrap();
            std::os::unix::fs::symlink(&file, of.join("ns/pid")).unwrap();
        }
        dir.to_str().unwrap().to_owned().leak()
    }

    fn members(
        proc: &'static str,
        init: i32,
        groups: &[(&'static str, &'static CStr)],
    ) -> Vec<i32> {
        let arena = Arena::new(vec![0; 1 << 16].leak());
        let init = Pid::from_raw(init).unwrap();
        let members = Members::of(proc, init, groups.iter().copied(), &arena).unwrap();
        let mut found = Vec::new();
        members.for_each(&mut |pid, _| found.push(pid.as_raw_pid())).unwrap();
        found.sort();
        std::fs::remove_dir_all(proc).unwrap();
        found
    }

    fn own() -> u32 {
        std::process::id()
    }

    #[test]
    fn a_pid_namespace_and_those_below_it_and_who_has_joined_them() {
        // 20 is PID 1; 22 is the first of a namespace below, whose child 23 is; 30 has joined and 31
        // is of a namespace that it made. 40 is another container's, and 10 its launcher.
        let proc = world(
            "namespace",
            &[
                (own(), 1, "host", ""),
                (1, 0, "host", ""),
                (10, 1, "host", ""),
                (20, 10, "c", ""),
                (21, 20, "c", ""),
                (22, 21, "d", ""),
                (23, 22, "d", ""),
                (30, 10, "c", ""),
                (31, 30, "e", ""),
                (40, 10, "f", ""),
                (41, 40, "f", ""),
            ],
        );
        assert_eq!(members(proc, 20, &[]), [20, 21, 22, 23, 30, 31]);
    }

    #[test]
    fn a_control_group_and_those_inside_it() {
        let proc = world(
            "group",
            &[
                (own(), 1, "host", "4:cpu,memory:/"),
                (1, 0, "host", "4:cpu,memory:/"),
                (20, 1, "host", "4:cpu,memory:/a/b/init"),
                (21, 1, "host", "4:cpu,memory:/a/b"),
                (22, 1, "host", "4:cpu,memory:/a/bc"),
                (23, 21, "host", "4:cpu,memory:/a"),
            ],
        );
        assert_eq!(members(proc, 20, &[("memory", c"/sys/fs/cgroup/memory/a/b")]), [20, 21]);
    }

    #[test]
    fn a_v2_group() {
        let proc = world(
            "v2",
            &[
                (own(), 1, "host", "0::/"),
                (20, 1, "host", "0::/a"),
                (21, 1, "host", "0::/a/x"),
                (22, 1, "host", "0::/"),
            ],
        );
        assert_eq!(members(proc, 20, &[("memory", c"/sys/fs/cgroup/a")]), [20, 21]);
    }

    #[test]
    fn without_either_it_is_the_family() {
        let proc = world(
            "descent",
            &[
                (own(), 1, "host", ""),
                (1, 0, "host", ""),
                (20, 1, "host", ""),
                (21, 20, "host", ""),
                (22, 21, "host", ""),
                (23, 1, "host", ""),
            ],
        );
        assert_eq!(members(proc, 20, &[]), [20, 21, 22]);
    }
}
