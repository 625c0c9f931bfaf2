//! The command's file, and every way in which it can't be executed.

use super::*;

#[test]
fn how_a_command_fails_to_start() {
    let dir = std::env::temp_dir().join(format!("nsinit-exec-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("directory")).unwrap();
    let mut foreign = std::fs::read("/proc/self/exe").unwrap()[..4096].to_vec();
    foreign[18..20].copy_from_slice(&183u16.to_le_bytes());
    let files: [(&str, u32, &[u8]); 6] = [
        ("plain", 0o644, b"x"),
        ("empty", 0o755, b""),
        ("text", 0o755, b"echo hello\n"),
        ("foreign", 0o755, &foreign),
        ("script", 0o755, b"#! /no/such -x\n"),
        ("dos", 0o755, b"#!/bin/sh\r\n"),
    ];
    for (name, mode, content) in files {
        std::fs::write(dir.join(name), content).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(dir.join(name), mode).unwrap();
    }
    let dir_text = dir.to_str().unwrap();
    let try_it = |name: &str, path: &str| {
        let mut plan = plan(&[name]);
        plan.process.env.clear();
        plan.process.env.push(Some(cstr(&format!("PATH={path}")).into())).unwrap();
        let (status, out) = run(plan);
        format!("{status} {}", out.replace(dir_text, "DIR").trim())
    };
    let table = [
        (
            "plain",
            "126 nsinit: execute DIR/plain: Permission denied (EACCES): it has no permission to be executed",
        ),
        (
            "directory",
            "126 nsinit: execute DIR/directory: Permission denied (EACCES): it is a directory",
        ),
        ("empty", "126 nsinit: execute DIR/empty: Exec format error (ENOEXEC): it is empty"),
        (
            "text",
            "126 nsinit: execute DIR/text: Exec format error (ENOEXEC): it is neither a program nor a script with a #! line",
        ),
        (
            "foreign",
            "126 nsinit: execute DIR/foreign: Exec format error (ENOEXEC): it is an ELF file for aarch64",
        ),
        (
            "script",
            "126 nsinit: execute DIR/script: No such file or directory (ENOENT): its interpreter /no/such does not exist",
        ),
        (
            "dos",
            "126 nsinit: execute DIR/dos: No such file or directory (ENOENT): its interpreter /bin/sh\\r does not exist",
        ),
    ];
    for (name, want) in table {
        assert_eq!(try_it(name, &format!("/none:{dir_text}:/dev/null")), want);
        assert_eq!(try_it(&format!("{dir_text}/{name}"), "/"), want);
    }
    let missing = try_it("missing", dir_text);
    assert_eq!(missing, "127 nsinit: execute missing: executable file not found in $PATH");
    let missing = try_it("/none/missing", dir_text);
    assert_eq!(missing, "127 nsinit: execute /none/missing: No such file or directory (ENOENT)");
    let missing = try_it("/dev/null/missing", dir_text);
    assert_eq!(missing, "127 nsinit: execute /dev/null/missing: Not a directory (ENOTDIR)");
    let empty = try_it("", dir_text);
    assert_eq!(empty, "127 nsinit: execute \"\": executable file not found in $PATH");
    // What may not be executed does not hide what may.
    std::fs::write(dir.join("true"), b"").unwrap();
    assert_eq!(try_it("true", &format!("{dir_text}:/usr/bin")), "0 ");
    let mut own = plan(&["true"]);
    own.process.env.clear();
    let program = Some(Identity::of(c"/usr/bin/true").unwrap());
    let (status, out) = run_with(own, Original { program, ..DEFAULT });
    assert_eq!(status, 126);
    assert!(out.ends_with("it is nsinit's own program file\n"), "{out}");
    std::fs::remove_dir_all(&dir).unwrap();
}
