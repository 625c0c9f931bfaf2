//! The device list of a v1 group (Documentation/admin-guide/cgroup-v1/devices.rst).

use rustix::fs::OFlags;
use rustix::io::write;

use super::super::devices::allowed;
use super::super::file::failed;
use super::super::limits::Limited;
use crate::bytes::{Short, Show};
use crate::error::{Context, Result};
use crate::plan::{DeviceAccess, DeviceKind, DeviceRule};
use crate::syscall::fd::AsFd;

const ALLOW: &str = "devices.allow";
const DENY: &str = "devices.deny";

/// Writes the list. Everything is denied first, whatever it says.
pub fn set(group: &Limited, access: &DeviceAccess) -> Result<()> {
    if access.allow_all {
        // A fresh group may use what its parent may, and more can't be had.
        if !group.fresh {
            write_rules(group, ALLOW, None)?;
        }
        return write_rules(group, DENY, Some(&access.denied));
    }
    write_rules(group, DENY, None)?;
    write_rules(group, ALLOW, Some(allowed(access)))
}

/// Writes one rule after the other, as the kernel reads only one of each write; without rules "a",
/// which stands for all devices.
fn write_rules(group: &Limited, file: &'static str, rules: Option<&[DeviceRule]>) -> Result<()> {
    let Limited { dir, arena, .. } = *group;
    if rules.is_some_and(<[_]>::is_empty) {
        return Ok(());
    }
    let fd = dir.file(file, OFlags::WRONLY).doing("open", (dir.path, file))?;
    let put = |text: &[u8]| match write(fd.as_fd(), text) {
        Ok(_) => Ok(()),
        Err(errno) => Err(failed(dir.path, file, &Show(text), errno, arena)
            .hint("the parent group must be allowed what this one is")),
    };
    let Some(rules) = rules else { return put(b"a") };
    rules.iter().try_for_each(|rule| match format(rule) {
        Some(text) => put(text.as_str().as_bytes()),
        None => Ok(()),
    })
}

/// "c 1:3 rwm"; `None` for a rule about nothing.
fn format(rule: &DeviceRule) -> Option<Short<40>> {
    let kind = if rule.kind == DeviceKind::Block { "b " } else { "c " };
    let mut text = Short::new(format_args!("{kind}"));
    for (number, end) in [(rule.major, ":"), (rule.minor, " ")] {
        match number {
            Some(number) => text.push(format_args!("{}{end}", i64::from(number))),
            None => text.push(format_args!("*{end}")),
        };
    }
    let mut any = false;
    for (granted, letter) in [(rule.read, 'r'), (rule.write, 'w'), (rule.mknod, 'm')] {
        any |= granted && text.push(format_args!("{letter}"));
    }
    any.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_as_the_kernel_reads_them() {
        let access = DeviceAccess::default();
        let default = allowed(&access);
        let show = |rule: &DeviceRule| format(rule).map(|text| text.as_str().to_string());
        assert_eq!(show(&default[1]).as_deref(), Some("b *:* m"));
        assert_eq!(show(&default[2]).as_deref(), Some("c 1:3 rwm"));
        assert_eq!(show(&default[9]).as_deref(), Some("c 136:* rwm"));
        let most = DeviceRule { major: Some(u32::MAX), minor: Some(u32::MAX), ..default[2] };
        assert_eq!(show(&most).as_deref(), Some("c 4294967295:4294967295 rwm"));
        assert_eq!(show(&DeviceRule { mknod: false, ..default[0] }), None);
    }
}
