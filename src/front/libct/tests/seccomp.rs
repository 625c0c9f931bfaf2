//! `seccomp` in both of its forms, and the profiles that the world uses.

use super::*;
use crate::plan::seccomp::{Abis, Action, Seccomp};
use crate::seccomp::abi::{HERE, find};
use crate::seccomp::tests::same_everywhere;

const DOCKER: &str = include_str!("../../../../tests/data/seccomp/docker.json");
const PODMAN: &str = include_str!("../../../../tests/data/seccomp/podman.json");

/// The plan's filter for a file with this as `seccomp`, and with these capabilities.
fn filter(seccomp: &str, capabilities: &str) -> &'static mut Seccomp {
    let text = format!(
        r#"{{"namespaces": [{{"type": "NEWIPC"}}], "capabilities": [{capabilities}], "seccomp": {seccomp}}}"#
    );
    let Parsed { plan, faults, warnings, .. } = read_bytes(text.as_bytes(), true);
    assert!(faults.is_empty() && warnings.is_empty(), "{faults:?} {warnings:?}");
    plan.process.seccomp.as_mut().unwrap()
}

#[test]
fn the_profiles_of_docker_and_podman_are_read_and_small() {
    for (profile, default, most) in
        [(DOCKER, Action::errno(1), [110, 390]), (PODMAN, Action::errno(38), [120, 420])]
    {
        let filter = filter(profile, "");
        assert_eq!(filter.default, default);
        if HERE.native.name == "x86_64" {
            // Its own archMap asks for both.
            assert_eq!(filter.abis, Abis { compat: true, x32: true });
            let three = same_everywhere(filter, HERE);
            filter.abis = Abis::default();
            let one = same_everywhere(filter, HERE);
            assert!(one <= most[0] && three <= most[1], "{one} and {three} instructions");
        }
    }
}

#[test]
fn what_depends_on_capabilities_counts_for_who_has_them() {
    let names = |filter: &Seccomp, call| filter.rules.iter().any(|r| r.call == find(call).unwrap());
    let without = filter(DOCKER, "");
    assert!(names(without, "read") && !names(without, "mount") && !names(without, "reboot"));
    assert!(names(without, "clone3"), "an entry that excludes CAP_SYS_ADMIN");
    let with = filter(DOCKER, r#""SYS_ADMIN", "SYS_BOOT""#);
    assert!(names(with, "mount") && names(with, "reboot") && !names(with, "init_module"));
}
