//! Masked and read-only paths, and nsinit's own files.

use super::*;

#[test]
fn masks_read_as_empty_and_do_not_reach_the_host() {
    let name = "masks_read_as_empty_and_do_not_reach_the_host";
    let Some(dir) = inside_both_ways(module_path!(), name) else { return };
    let root = dir.join("root");
    for path in ["a", "b", "secret/deep"] {
        fs::create_dir_all(root.join(path)).unwrap();
        fs::write(root.join(path).join("file"), "secret").unwrap();
    }
    fs::write(root.join("f"), "secret").unwrap();
    // A link in the image leads to a mask inside of the root (CVE-2025-31133's other half).
    symlink(dir.join("host/null"), root.join("out")).unwrap();
    fs::create_dir_all(root.join("devnull")).unwrap();
    let mut p = plan(&dir);
    for path in [
        c"/f",
        c"/a",
        c"/a",
        c"/b",
        c"/secret",
        c"/missing",
        c"/f/none",
        c"/proc/uptime",
        c"/a/file",
        c"/out",
        c"/f",
    ] {
        p.masked.push(path).unwrap();
    }
    for path in [c"/proc/sys", c"/proc/uptime", c"/missing", c"/dev", c"/proc/sys"] {
        p.readonly_paths.push(path).unwrap();
    }
    p.hidden.push(Hidden { mount: None, path: c"/secret.json" }).unwrap();
    assert_eq!(
        fault(&p),
        "open the path to mask, /secret.json: No such file or directory (ENOENT)"
    );
    fs::write(root.join("secret.json"), "secret").unwrap();
    build(&p).unwrap();
    for file in ["/f", "/secret.json", "/proc/uptime"] {
        assert_eq!(fs::read(file).unwrap(), b"", "{file}");
        assert_eq!(fs::metadata(file).unwrap().rdev(), 0x103);
        // As root inside. The node is the host's own: the mode that it has does no harm to it, should
        // this ever succeed.
        let mode = fs::metadata(file).unwrap().permissions();
        let chmod = fs::set_permissions(file, mode);
        assert_eq!(chmod.unwrap_err().raw_os_error(), Some(EROFS_ERRNO), "{file}");
        assert_eq!(options(file).0, "ro,nosuid,noexec,relatime");
        assert!(fs::remove_file(file).is_err());
    }
    for path in ["/a", "/b", "/secret"] {
        assert_eq!(fs::read_dir(path).unwrap().count(), 0, "{path}");
        assert!(!writable(path), "{path}");
        assert!(options(path).0.starts_with("ro,nosuid,nodev,noexec"), "{path}");
    }
    // Read-only with everything below: /dev/shm and /dev/pts are mounts of their own.
    assert!(!writable("/dev") && !writable("/dev/shm"));
    assert!(fs::write("/dev/null", "x").is_ok());
    let file = fs::OpenOptions::new().write(true).open("/proc/sys/kernel/hostname");
    assert_eq!(file.unwrap_err().raw_os_error(), Some(EROFS_ERRNO));
    assert_eq!(options("/proc").0, "rw,nosuid,nodev,noexec,relatime");
}

const EROFS_ERRNO: i32 = linux_raw_sys::errno::EROFS as i32;
