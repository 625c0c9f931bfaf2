//! Which devices a container may use: the rules of either version.

use crate::plan::{DeviceAccess, DeviceKind, DeviceRule};

/// What libcontainer let a container use (devices/defaults.go): any node may be made, but only these
/// may be opened.
const DEFAULT: [DeviceRule; 15] = [
    make_any(DeviceKind::Char),
    make_any(DeviceKind::Block),
    char(1, Some(3)),    // null
    char(1, Some(5)),    // zero
    char(1, Some(7)),    // full
    char(1, Some(8)),    // random
    char(1, Some(9)),    // urandom
    char(5, Some(0)),    // tty
    char(5, Some(1)),    // console
    char(4, Some(0)),    // tty0
    char(4, Some(1)),    // tty1
    char(136, None),     // pts/*
    char(5, Some(2)),    // ptmx
    char(10, Some(200)), // net/tun
    char(10, Some(229)), // fuse
];

const fn make_any(kind: DeviceKind) -> DeviceRule {
    DeviceRule { kind, major: None, minor: None, read: false, write: false, mknod: true }
}

const fn char(major: u32, minor: Option<u32>) -> DeviceRule {
    let kind = DeviceKind::Char;
    DeviceRule { kind, major: Some(major), minor, read: true, write: true, mknod: true }
}

/// The rules that allow, where not all is allowed. An empty list means the default one: a list of
/// what is allowed must never act as a list on top of "all" (GHSA-g54h-m393-cpwq).
pub fn allowed(access: &DeviceAccess) -> &[DeviceRule] {
    if access.allowed.is_empty() { &DEFAULT } else { &access.allowed }
}
