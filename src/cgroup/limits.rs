//! What is written to the files of a group: rows of controller, file and value, for either version.

use core::fmt;

use rustix::io::Errno;

use super::file::Dir;
use super::subsystem::Subsystems;
use crate::bytes::{Arena, Names, Show, split_by};
use crate::error::{Context, Error, Object, Result};
use crate::plan::Cgroup;

/// A number; "max" where it is negative.
pub struct Max(pub i64);

impl fmt::Display for Max {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0 < 0 { f.write_str("max") } else { self.0.fmt(f) }
    }
}

/// A group that is to be limited.
pub struct Limited<'a> {
    /// Its directory.
    pub dir: &'a Dir,
    /// By what it is limited,
    pub plan: &'a Cgroup,
    /// as far as these controllers carry that out.
    pub subsystems: Subsystems,
    /// It was made just now, with its parent's settings.
    pub fresh: bool,
    /// For what is said of a failure.
    pub arena: &'a Arena,
}

impl Limited<'_> {
    /// Writes a value, and says what was written where if that fails.
    pub fn put(&self, file: &'static str, value: &[u8]) -> Result<()> {
        self.dir.put(file, value, self.arena)
    }

    /// The same with a number, or what else shows as less than 64 bytes.
    pub fn put_number(&self, file: &'static str, value: &dyn fmt::Display) -> Result<()> {
        self.dir.put_number(file, value, self.arena)
    }
}

/// Writes the values that there are for files of its controllers. The kernel checks some of them
/// against each other: in a group that was there already the old one of a pair may refuse the new
/// other one. What it calls invalid is tried again after the rest.
#[inline(never)]
pub fn write(group: &Limited, files: Names, values: &[Option<i64>]) -> Result<()> {
    let mut invalid = None;
    for last in [false, true] {
        for (n, (file, value)) in files.zip(values).enumerate() {
            let controller = split_by(file.as_bytes(), b'.').next().unwrap_or(b"");
            let ours = !group.subsystems.both(Subsystems::parse(controller)).is_empty();
            let Some(value) = value.filter(|_| ours) else { continue };
            if last && invalid != Some(n) {
                continue;
            }
            let shown: &dyn fmt::Display =
                if file.ends_with(".max") { &Max(value) } else { &value };
            match group.put_number(file, shown) {
                Err(error) if error.raw() == Some(Errno::INVAL) && invalid.is_none() => {
                    invalid = Some(n);
                }
                // Nothing there limits.
                Err(error) if value < 0 && error.raw() == Some(Errno::NOENT) => {}
                result => result.map_err(explain)?,
            }
        }
    }
    Ok(())
}

/// hugetlb_limit, in files with this ending.
#[inline(never)]
pub fn hugetlb(group: &Limited, ending: &str) -> Result<()> {
    group.plan.hugetlb_limit.iter().try_for_each(|(size, limit)| {
        let size = Show(size.to_bytes());
        let file =
            group.arena.str(format_args!("hugetlb.{size}.{ending}")).doing("name a file", ())?;
        group.put_number(file, limit)
    })
}

/// What an errno of a file means.
const HINTS: [(&str, Errno, &str); 8] = [
    ("memory.memsw.limit_in_bytes", Errno::NOENT, SWAP),
    ("memory.memsw.limit_in_bytes", Errno::ACCESS, SWAP),
    ("memory.swap.max", Errno::NOENT, SWAP),
    ("memory.limit_in_bytes", Errno::BUSY, "what runs in the group uses more"),
    ("cpu.cfs_quota_us", Errno::INVAL, "no greater part of the period than the parent's"),
    ("cpu.cfs_quota_us", Errno::NOENT, BANDWIDTH),
    ("cpu.cfs_period_us", Errno::NOENT, BANDWIDTH),
    ("cpu.max", Errno::NOENT, BANDWIDTH),
];
const SWAP: &str = "the kernel does not count swap (swapaccount=1 on its command line)";
const BANDWIDTH: &str = "the kernel has no CONFIG_CFS_BANDWIDTH";

/// The error of a write, with what it means.
pub fn explain(error: Error) -> Error {
    let Object::Beneath(_, file) = error.on() else { return error };
    let is = |row: &&(&str, Errno, _)| row.0 == file && Some(row.1) == error.raw();
    HINTS.iter().find(is).map_or(error, |row| error.hint(row.2))
}

#[cfg(test)]
mod tests {
    use super::super::subsystem::Subsystem;
    use super::*;

    #[test]
    fn no_limit_needs_no_file() {
        let dir = std::env::temp_dir().join(format!("nsinit-limits-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = std::ffi::CString::new(dir.to_str().unwrap()).unwrap();
        let group = Dir::open(Box::leak(path.into_boxed_c_str())).unwrap();
        std::fs::write(dir.join("pids.max"), "").unwrap();
        let files = Names("memory.swap.max pids.max");
        let set = Subsystems::of(&[Subsystem::Memory, Subsystem::Pids]);
        let arena = Arena::new(vec![0; 4096].leak());
        let plan = Cgroup::default();
        let group =
            Limited { dir: &group, plan: &plan, subsystems: set, fresh: true, arena: &arena };
        let mut results =
            [-1, 7].map(|swap| write(&group, files, &[Some(swap), Some(-1)])).into_iter();
        let pids = std::fs::read_to_string(dir.join("pids.max"));
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(results.next().unwrap().is_ok());
        assert!(results.next().unwrap().unwrap_err().to_string().contains(&SWAP.to_string()));
        assert_eq!(pids.unwrap(), "max");
    }
}
