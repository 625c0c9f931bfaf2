//! Real mounts, each test in a mount namespace of its own: the test runs this binary again, for
//! itself alone, under unshare(1), and judges its exit status.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use linux_raw_sys::general::*;

use super::*;
use crate::plan::{Device, DeviceKind, Hidden, Mount, MountCommands, Relabel, Rootfs};
use crate::proc::mountinfo;

mod dev;
mod masks;
mod mounts;
mod pivot;

/// Set in the inner run: the directory to work in.
const INSIDE: &str = "NSINIT_TEST_DIR";
/// Set in the inner run: the old way to bind.
const OLD: &str = "NSINIT_TEST_OLD";

/// In the inner run the directory of the test; in the outer run `None`, once the inner one has
/// succeeded and left the host as it was: its mounts, and DIR/host.
fn inside(module: &str, name: &str) -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os(INSIDE) {
        if std::env::var_os(OLD).is_some() {
            attach::be_old();
        }
        return Some(dir.into());
    }
    outside(module, name, false);
    None
}

/// The same, once with the new calls and once without.
fn inside_both_ways(module: &str, name: &str) -> Option<PathBuf> {
    if std::env::var_os(INSIDE).is_none() {
        outside(module, name, true);
    }
    inside(module, name)
}

fn outside(module: &str, name: &str, old: bool) {
    let test = format!("{}::{name}", module.strip_prefix("nsinit::").unwrap());
    let dir =
        std::env::temp_dir().join(format!("nsinit-rootfs-{name}-{old}-{}", std::process::id()));
    fs::create_dir_all(dir.join("root")).unwrap();
    fs::create_dir_all(dir.join("host")).unwrap();
    for file in ["ptmx", "fd", "null", "console"] {
        fs::write(dir.join("host").join(file), "host").unwrap();
    }
    let host = || {
        let null = fs::metadata("/dev/null").unwrap();
        (fs::read_to_string("/proc/self/mountinfo").unwrap(), null.mode(), null.rdev())
    };
    let before = host();
    let out = std::process::Command::new("unshare")
        .args(["--mount", "--ipc", "--pid", "--fork"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(INSIDE, &dir)
        .envs(old.then_some((OLD, "")))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{}\n{}", text(&out.stdout), text(&out.stderr));
    assert!(text(&out.stdout).contains("1 passed"), "{}", text(&out.stdout));
    assert_eq!(host(), before);
    assert_eq!(fs::read_dir(dir.join("host")).unwrap().count(), 4);
    for file in ["ptmx", "fd", "null", "console"] {
        let file = dir.join("host").join(file);
        assert_eq!(fs::read(&file).unwrap(), b"host", "{file:?}");
        assert!(fs::symlink_metadata(file).unwrap().is_file());
    }
    fs::remove_dir_all(dir).unwrap();
}

/// Runs `f` in a child with a mount namespace of its own, as the launcher runs the container's first
/// process; the other threads of the test only wait.
fn in_a_new_mount_namespace(f: impl FnOnce()) {
    use crate::syscall::process::{Fork, NewNamespaces, exit_group, fork};
    match fork(NewNamespaces::NEWNS).unwrap() {
        Fork::Child => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
            exit_group(u8::from(result.is_err()))
        }
        Fork::Parent(pid) => {
            let waited = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            assert_eq!(waited.unwrap().unwrap().1.exit_status(), Some(0));
        }
    }
}

fn c(path: impl AsRef<Path>) -> &'static CStr {
    let path = std::ffi::CString::new(path.as_ref().to_str().unwrap()).unwrap();
    Box::leak(path.into_boxed_c_str())
}

fn mount(fstype: &'static CStr, target: &'static CStr, flags: u32, data: &'static CStr) -> Mount {
    Mount {
        source: c"",
        target,
        fstype,
        flags,
        propagation: 0,
        data,
        relabel: Relabel::No,
        commands: MountCommands::default(),
    }
}

fn bind(source: impl AsRef<Path>, target: &'static CStr, flags: u32) -> Mount {
    Mount { source: c(source), ..mount(c"bind", target, MS_BIND | MS_REC | flags, c"") }
}

fn node(path: &'static CStr, major: u32, minor: u32) -> Device {
    Device { path, kind: DeviceKind::Char, major, minor, mode: 0o666, uid: 0, gid: 0 }
}

/// The mounts and nodes that every first-generation file has implicitly.
fn plan(dir: &Path) -> Rootfs {
    let mut plan = Rootfs::new();
    plan.path = Some(c(dir.join("root")));
    let no = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    for mount in [
        mount(c"proc", c"/proc", no, c""),
        mount(c"tmpfs", c"/dev", MS_NOSUID | MS_STRICTATIME, c"mode=755"),
        mount(c"tmpfs", c"/dev/shm", no, c"mode=1777,size=65536k"),
        mount(c"mqueue", c"/dev/mqueue", no, c""),
        mount(c"devpts", c"/dev/pts", MS_NOSUID | MS_NOEXEC, c"newinstance,ptmxmode=0666,mode=620"),
        mount(c"sysfs", c"/sys", no | MS_RDONLY, c""),
    ] {
        plan.mounts.push(mount).unwrap();
    }
    for (path, minor) in [(c"/dev/null", 3), (c"/dev/zero", 5), (c"/dev/full", 7)] {
        plan.devices.push(node(path, 1, minor)).unwrap();
    }
    plan
}

/// All steps.
fn build(plan: &Rootfs) -> Result<()> {
    let mut root = Root::open(plan)?;
    root.mounts().map_err(|(_, error)| error)?;
    root.devices()?;
    root.links()?;
    root.masks()?;
    root.finish().and_then(OldRoot::detach)
}

/// The error of a build that must fail, as it is shown. The next one starts anew.
fn fault(plan: &Rootfs) -> String {
    let error = build(plan).unwrap_err().to_string();
    // It fails where not even the first mount was made.
    let _ = rustix::mount::unmount(plan.path.unwrap(), rustix::mount::UnmountFlags::DETACH);
    error
}

/// The options of the topmost mount at `point`, and those of its file system.
fn options(point: &str) -> (String, String) {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = text.lines().rfind(|line| line.split(' ').nth(4) == Some(point));
    let fields: Vec<_> = line.unwrap_or_else(|| panic!("{point}\n{text}")).split(' ').collect();
    (fields[5].into(), fields[fields.len() - 1].into())
}

fn writable(path: &str) -> bool {
    fs::write(Path::new(path).join("probe"), "").is_ok()
}

/// A root with these links in it, and a plan for it.
fn linked(dir: &Path, root: &str, links: &[(&str, &Path)]) -> Rootfs {
    let root = dir.join(root);
    fs::create_dir_all(&root).unwrap();
    for (name, to) in links {
        symlink(to, root.join(name)).unwrap();
    }
    let mut plan = plan(dir);
    plan.path = Some(c(root));
    plan
}

#[test]
fn the_root_of_the_first_generation() {
    let Some(dir) = inside(module_path!(), "the_root_of_the_first_generation") else { return };
    build(&plan(&dir)).unwrap();
    let names = |dir: &str| {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names("/"), "dev proc sys");
    let core = if Path::new("/proc/kcore").exists() { "core " } else { "" };
    let dev = format!("{core}fd full mqueue null ptmx pts shm stderr stdin stdout zero");
    assert_eq!(names("/dev"), dev);
    assert_eq!(fs::read_link("/dev/ptmx").unwrap(), Path::new("pts/ptmx"));
    assert_eq!(fs::read_link("/dev/fd").unwrap(), Path::new("/proc/self/fd"));
    let null = fs::metadata("/dev/null").unwrap();
    assert!(null.file_type().is_char_device());
    assert_eq!((null.rdev(), null.mode() & 0o7777, null.uid()), (0x103, 0o666, 0));
    assert_eq!(fs::metadata("/dev/shm").unwrap().mode() & 0o7777, 0o1777);
    assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
    // Nothing of the host is left: seven mounts, and PID 1 is this process.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!(mounts.lines().count(), 7, "{mounts}");
    assert_eq!(fs::read_link("/proc/self").unwrap(), Path::new("1"));
    assert_eq!(options("/proc").0, "rw,nosuid,nodev,noexec,relatime");
    assert_eq!(options("/sys").0, "ro,nosuid,nodev,noexec,relatime");
    assert!(options("/dev").0 == "rw,nosuid");
    assert!(writable("/") && !writable("/sys"));
}
