//! What is written to the files of a group: rows of controller, file and value, for either version.

use core::fmt;

use rustix::io::Errno;

use super::file::Dir;
use super::subsystem::{Subsystem, Subsystems};
use crate::bytes::{Arena, Short, Show};
use crate::error::{Error, Object, Result};
use crate::plan::Cgroup;

/// What a file gets.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// A number as it is.
    Number(i64),
    /// A number, and "max" where it is negative.
    Max(i64),
    /// Text.
    Text(&'a [u8]),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Value::Max(..0) => f.write_str("max"),
            Value::Number(n) | Value::Max(n) => n.fmt(f),
            Value::Text(text) => Show(text).fmt(f),
        }
    }
}

/// A value, if the plan has one, and where it goes.
pub type Row<'a> = (Subsystem, &'static str, Option<Value<'a>>);

/// Writes the rows of these controllers. The kernel checks some values against each other: in a
/// group that was there already the old one of a pair may refuse the new other one. What it calls
/// invalid is tried again after the rest.
pub fn write(rows: &[Row], subsystems: Subsystems, dir: &Dir, arena: &Arena) -> Result<()> {
    let mut invalid = None;
    for last in [false, true] {
        for (n, (subsystem, file, value)) in rows.iter().enumerate() {
            let Some(value) = value.filter(|_| subsystems.has(*subsystem)) else { continue };
            if last && invalid != Some(n) {
                continue;
            }
            let text = match value {
                Value::Text(text) => dir.put(file, text, arena),
                value => dir.put_number(file, &value, arena),
            };
            match text {
                Err(error) if error.raw() == Some(Errno::INVAL) && invalid.is_none() => {
                    invalid = Some(n);
                }
                result => result.map_err(explain)?,
            }
        }
    }
    Ok(())
}

/// hugetlb_limit, in files with this ending.
pub fn hugetlb(dir: &Dir, plan: &Cgroup, ending: &str, arena: &Arena) -> Result<()> {
    plan.hugetlb_limit.iter().try_for_each(|(size, limit)| {
        let size = Show(size.to_bytes());
        let file = Short::<64>::new(format_args!("hugetlb.{size}.{ending}"));
        let file = arena.str(format_args!("{}", file.as_str())).unwrap_or("");
        dir.put_number(file, limit, arena)
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

fn explain(error: Error) -> Error {
    let Object::Beneath(_, file) = error.on() else { return error };
    let is = |row: &&(&str, Errno, _)| row.0 == file && Some(row.1) == error.raw();
    HINTS.iter().find(is).map_or(error, |row| error.hint(row.2))
}
