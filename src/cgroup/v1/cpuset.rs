//! cpuset groups (Documentation/admin-guide/cgroup-v1/cpusets.rst): a new one has no CPU and no
//! memory node, and no task can enter it until it has both.

use core::ffi::CStr;

use rustix::io::Errno;

use super::super::file::{Dir, PATH_MAX, above, ends};
use super::super::limits::Limited;
use crate::error::{Context, Error, Result};

/// Gives the group its CPUs and nodes: the plan's, or those of its parent. `base`, the beginning of
/// its path, is a group that has some; groups between the two that have none get them too.
pub fn set(group: &Limited, base: &'static CStr) -> Result<()> {
    set_file(group, base, "cpuset.cpus", group.plan.cpuset_cpus)?;
    set_file(group, base, "cpuset.mems", group.plan.cpuset_mems)
}

fn set_file(
    group: &Limited,
    base: &'static CStr,
    file: &'static str,
    own: Option<&'static CStr>,
) -> Result<()> {
    let Limited { dir, fresh, arena, .. } = *group;
    let path = dir.path.to_bytes();
    let mut buf = [0; PATH_MAX];
    let mut value: &[u8] = &[];
    for end in ends(path, base.to_bytes().len() - 1) {
        let leaf = end == path.len();
        if let Some(own) = own.filter(|_| leaf) {
            return group.put(file, own.to_bytes()).map_err(explain);
        }
        let above = if leaf { None } else { Some(Dir::open(above(dir.path, end, arena)?)?) };
        let dir = above.as_ref().unwrap_or(dir);
        let text = if leaf && fresh { &[] } else { dir.read(file, &mut buf)? };
        if text.is_empty() {
            dir.put(file, value, arena)?;
        } else {
            value = arena.concat(&[text]).doing("keep a list", ())?.to_bytes();
        }
    }
    Ok(())
}

fn explain(error: Error) -> Error {
    match error.raw() {
        Some(Errno::ACCESS) => error.hint("the parent group does not have all of them"),
        Some(Errno::INVAL | Errno::RANGE) => error.hint("the machine does not have all of them"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::subsystem::Subsystems;
    use super::*;
    use crate::bytes::Arena;
    use crate::plan::Cgroup;

    #[test]
    fn groups_between_get_what_they_lack_and_keep_what_they_have() {
        let dir = std::env::temp_dir().join(format!("nsinit-cpuset-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("a/b/c")).unwrap();
        let cstr = |path: &std::path::Path| {
            let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
            &*Box::leak(path.into_boxed_c_str())
        };
        for (sub, cpus, mems) in
            [("", "0-7", "0-1"), ("a", "", ""), ("a/b", "2-3", ""), ("a/b/c", "", "")]
        {
            std::fs::write(dir.join(sub).join("cpuset.cpus"), format!("{cpus}\n")).unwrap();
            std::fs::write(dir.join(sub).join("cpuset.mems"), format!("{mems}\n")).unwrap();
        }
        let arena = Arena::new(vec![0; 4096].leak());
        let plan = Cgroup { cpuset_mems: Some(c"1"), ..Cgroup::default() };
        let leaf = Dir::open(cstr(&dir.join("a/b/c"))).unwrap();
        let (subsystems, fresh) = (Subsystems::NONE, true);
        let group = Limited { dir: &leaf, plan: &plan, subsystems, fresh, arena: &arena };
        let result = set(&group, cstr(&dir));
        let read = |sub: &str, file| {
            let text = std::fs::read_to_string(dir.join(sub).join(file)).unwrap();
            text.trim_end().to_string()
        };
        let got =
            ["a", "a/b", "a/b/c"].map(|sub| [read(sub, "cpuset.cpus"), read(sub, "cpuset.mems")]);
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(result.is_ok());
        assert_eq!(got, [["0-7", "0-1"], ["2-3", "0-1"], ["2-3", "1"]]);
    }
}
