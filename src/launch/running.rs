//! A container that runs, and the judgement whether it is the one that a plan means.

use rustix::io::Errno;
use rustix::process::{Pid, getpid};

use super::process::{PROC, Process};
use crate::error::{Context, Error, Result};
use crate::plan::{Kind, Plan};
use crate::proc::process::{self, Identity, namespace};
use crate::state::Strings;
use crate::syscall::process::NewNamespaces;

/// A container that runs: whom to join.
pub struct Running {
    /// PID 1.
    pub init: Process,
    /// The namespaces in which it differs from the caller.
    pub apart: NewNamespaces,
    /// Its control groups.
    pub cgroup_paths: Strings,
    /// Whether they are entered too.
    pub with_groups: bool,
    /// Its root directory, where that was compared with the plan's.
    root: Option<Identity>,
}

impl Running {
    /// A process to join by its pid alone.
    pub fn by_pid(pid: Pid) -> Result<Running> {
        Running::of(Process::by_pid(pid)?, Strings::cgroups(), false)
    }

    /// The container of this PID 1.
    pub fn of(init: Process, cgroup_paths: Strings, with_groups: bool) -> Result<Running> {
        let apart = apart(init.pid)?;
        Ok(Running { init, apart, cgroup_paths, with_groups, root: None })
    }

    /// A forged state.json could name any process of the host: this one must have what the plan
    /// makes, and its root must be the plan's.
    pub fn check(&mut self, plan: &Plan) -> Result<()> {
        for kind in Kind::ALL {
            if plan.namespaces.is_new(kind) && !self.apart.contains(kind.flag()) {
                return self.refused(
                    "state.json names it, but it is not in namespaces of its own; if no container \
                     runs here, remove state.json",
                );
            }
        }
        if plan.namespaces.is_new(Kind::Mount) {
            let theirs = root_of(self.init.pid);
            let theirs = theirs.doing("look at the root of process", self.init.pid)?;
            if theirs != root_of_plan(plan)? {
                return self.refused(
                    "state.json names it, but its root is another; if no container runs here, \
                     remove state.json",
                );
            }
            self.root = Some(theirs);
        }
        Ok(())
    }

    /// Asked inside of its mount namespace, whose root is the one that setns(2) gives: that of PID 1 is
    /// another where somebody has called chroot(2), and it was PID 1's that was checked.
    pub fn check_root_inside(&self) -> Result<()> {
        match (self.root, Identity::of(c"/").doing("look at", "/")?) {
            (Some(checked), found) if checked != found => self.refused(
                "its root is not that of its mount namespace (chroot), and a command would get \
                 another than was checked; if no container runs here, remove state.json",
            ),
            _ => Ok(()),
        }
    }

    fn refused(&self, why: &'static str) -> Result<()> {
        Err(Error::refused("join process", self.init.pid, why))
    }
}

/// The kinds of namespace in which `pid` differs from this process.
fn apart(pid: Pid) -> Result<NewNamespaces> {
    let mut apart = NewNamespaces::empty();
    for kind in Kind::ALL {
        match (namespace(PROC, pid, kind.file()), namespace(PROC, getpid(), kind.file())) {
            (Ok(theirs), Ok(ours)) if theirs != ours => apart |= kind.flag(),
            // ENOENT here: the kernel has no such kind.
            (_, Err(Errno::NOENT)) | (Ok(_), Ok(_)) => {}
            (Err(errno), _) | (_, Err(errno)) => {
                return Err(errno).doing("look at the namespaces of process", pid);
            }
        }
    }
    Ok(apart)
}

/// The directory that the plan has as its root.
pub fn root_of_plan(plan: &Plan) -> Result<Identity> {
    let path = plan.rootfs.path.unwrap_or(c".");
    Identity::of(path).doing("look at the root file system", path)
}

/// The root directory of a process.
pub fn root_of(pid: Pid) -> rustix::io::Result<Identity> {
    Identity::of(process::file(PROC, pid, "root").as_cstr())
}
