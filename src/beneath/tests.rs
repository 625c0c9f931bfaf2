//! Each test runs on both ways, by the kernel and by the walk, and expects the same of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rustix::fd::AsFd;

use super::*;

/// `ABSENT` is one for all threads.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Tree {
    base: PathBuf,
    root: OwnedFd,
    _lock: MutexGuard<'static, ()>,
}

impl Tree {
    /// BASE/root is the root, BASE/host is outside.
    fn new(name: &str) -> Tree {
        let lock = ONE_AT_A_TIME.lock().unwrap_or_else(|poison| poison.into_inner());
        let base =
            std::env::temp_dir().join(format!("nsinit-beneath-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&base); // of an earlier run that failed
        fs::create_dir_all(base.join("root")).unwrap();
        fs::create_dir_all(base.join("host")).unwrap();
        let path = std::ffi::CString::new(base.join("root").to_str().unwrap()).unwrap();
        let root = rustix::fs::open(path.as_c_str(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        Tree { base, root: root.unwrap(), _lock: lock }
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.base.join("root").join(path)
    }

    /// Where in BASE the descriptor is, links resolved.
    fn place(&self, fd: &OwnedFd) -> String {
        use rustix::fd::AsRawFd;
        let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
        path.strip_prefix(&self.base).unwrap_or(Path::new("OUTSIDE")).display().to_string()
    }

    fn each_way(&self, mut check: impl FnMut(BorrowedFd, &str)) {
        ABSENT.store(false, Ordering::Relaxed);
        check(self.root.as_fd(), "openat2");
        ABSENT.store(true, Ordering::Relaxed);
        check(self.root.as_fd(), "walk");
        ABSENT.store(false, Ordering::Relaxed);
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        ABSENT.store(false, Ordering::Relaxed);
        let _ = fs::remove_dir_all(&self.base); // the temporary directory is emptied by others too
    }
}

#[test]
fn links_and_dots_stay_inside() {
    let t = Tree::new("inside");
    fs::create_dir_all(t.inside("a/b")).unwrap();
    fs::write(t.inside("a/file"), "x").unwrap();
    fs::write(t.base.join("host/file"), "host").unwrap();
    symlink("/a", t.inside("absolute")).unwrap();
    symlink("../../../../a/b", t.inside("a/upwards")).unwrap();
    symlink("absolute/b/..", t.inside("twice")).unwrap();
    symlink("/a/file", t.inside("a/b/nested")).unwrap();
    symlink("/../host/file", t.inside("escape")).unwrap();
    symlink("loop", t.inside("loop")).unwrap();
    t.each_way(|root, way| {
        let place = |path: &CStr, flags| open(root, path, flags).map(|fd| t.place(&fd));
        for (path, expected) in [
            (c"/", Ok("root")),
            (c".", Ok("root")),
            (c"..", Ok("root")),
            (c"/../../..", Ok("root")),
            (c"a/b/..", Ok("root/a")),
            (c"a//b/./", Ok("root/a/b")),
            (c"absolute", Ok("root/a")),
            (c"absolute/file", Ok("root/a/file")),
            (c"a/upwards", Ok("root/a/b")),
            (c"a/b/nested", Ok("root/a/file")),
            (c"/twice/file", Ok("root/a/file")),
            (c"escape", Err(Errno::NOENT)),
            (c"loop", Err(Errno::LOOP)),
            (c"loop/x", Err(Errno::LOOP)),
            (c"missing", Err(Errno::NOENT)),
            (c"missing/..", Err(Errno::NOENT)),
            (c"a/file/x", Err(Errno::NOTDIR)),
            (c"a/file/", Err(Errno::NOTDIR)),
            (c"a/file/..", Err(Errno::NOTDIR)),
            (c"", Err(Errno::NOENT)),
        ] {
            let expected = expected.map(str::to_string);
            assert_eq!(place(path, OFlags::PATH), expected, "{way} {path:?}");
        }
        // The link itself, and what is not to be one.
        assert_eq!(place(c"absolute", OFlags::PATH | OFlags::NOFOLLOW), Ok("root/absolute".into()));
        assert_eq!(place(c"absolute", OFlags::RDONLY | OFlags::NOFOLLOW), Err(Errno::LOOP));
        let dir = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY;
        assert_eq!(place(c"absolute", dir), Err(Errno::NOTDIR), "{way}");
        assert_eq!(place(c"a/file", OFlags::PATH | OFlags::DIRECTORY), Err(Errno::NOTDIR));
        let mut text = [0; 8];
        let file = open(root, c"absolute/file", OFlags::RDONLY).unwrap();
        assert_eq!(rustix::io::read(file, &mut text), Ok(1));
    });
}

#[test]
fn links_without_a_text_are_not_followed() {
    let t = Tree::new("magic");
    let host = rustix::fs::open(c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    t.each_way(|_, way| {
        for path in
            [c"/proc/self/root", c"/proc/self/cwd/x", c"/proc/self/fd/0", c"proc/self/ns/net"]
        {
            assert_eq!(
                open(host.as_fd(), path, OFlags::PATH).err(),
                Some(Errno::LOOP),
                "{way} {path:?}"
            );
        }
        for path in [c"/proc/self/status", c"/proc/mounts", c"/proc/net/dev"] {
            open(host.as_fd(), path, OFlags::RDONLY).unwrap();
        }
    });
}

#[test]
fn forty_links_and_not_one_more() {
    let t = Tree::new("forty");
    fs::create_dir(t.inside("0")).unwrap();
    for n in 1..=41 {
        symlink(format!("{}", n - 1), t.inside(&n.to_string())).unwrap();
    }
    t.each_way(|root, way| {
        assert!(open(root, c"40", OFlags::PATH).is_ok(), "{way}");
        assert_eq!(open(root, c"41", OFlags::PATH).err(), Some(Errno::LOOP), "{way}");
    });
}

#[test]
fn long_names_and_paths_are_refused_and_not_cut() {
    let t = Tree::new("long");
    let name = |len: usize| std::ffi::CString::new("n".repeat(len)).unwrap();
    let deep = |len: usize| std::ffi::CString::new("./".repeat(len / 2) + "x").unwrap();
    fs::create_dir(t.inside(name(255).to_str().unwrap())).unwrap();
    fs::create_dir(t.inside("x")).unwrap();
    t.each_way(|root, way| {
        assert!(open(root, &name(255), OFlags::PATH).is_ok(), "{way}");
        assert_eq!(open(root, &name(256), OFlags::PATH).err(), Some(Errno::NAMETOOLONG), "{way}");
        assert!(open(root, &deep(4094), OFlags::PATH).is_ok(), "{way}");
        assert_eq!(open(root, &deep(4096), OFlags::PATH).err(), Some(Errno::NAMETOOLONG), "{way}");
    });
}

#[test]
fn what_is_made_is_made_inside() {
    let t = Tree::new("made");
    let host = t.base.join("host");
    // As in CVE-2014-9356: an image with /etc -> a host directory.
    symlink(&host, t.inside("etc")).unwrap();
    symlink("/made/by/link", t.inside("dangling")).unwrap();
    let shadow = format!("root{}", host.display());
    let mode = Mode::from_raw_mode(0o755);
    t.each_way(|root, way| {
        let place = |fd: io::Result<OwnedFd>| fd.map(|fd| t.place(&fd));
        assert_eq!(place(create_dir_all(root, c"/etc/foo", mode)), Ok(format!("{shadow}/foo")));
        assert_eq!(place(create_file(root, c"/etc/bar", mode)), Ok(format!("{shadow}/bar")));
        assert_eq!(
            place(create_dir_all(root, c"dangling/d", mode)),
            Ok("root/made/by/link/d".into())
        );
        assert_eq!(
            place(create_file(root, c"dangling/e/f", mode)),
            Ok("root/made/by/link/e/f".into())
        );
        assert_eq!(place(create_dir_all(root, c"/a/../b/./c/", mode)), Ok("root/b/c".into()));
        assert_eq!(place(create_dir_all(root, c"/../../up", mode)), Ok("root/up".into()));
        assert_eq!(place(create_dir_all(root, c"up/../../over", mode)), Ok("root/over".into()));
        // Again: what is there is taken.
        assert_eq!(place(create_dir_all(root, c"/etc/foo", mode)), Ok(format!("{shadow}/foo")));
        assert_eq!(place(create_file(root, c"/etc/bar", mode)), Ok(format!("{shadow}/bar")));
        assert_eq!(create_file(root, c"/etc/foo", mode).err(), Some(Errno::ISDIR), "{way}");
        assert_eq!(create_file(root, c"/", mode).err(), Some(Errno::ISDIR), "{way}");
        assert_eq!(create_dir_all(root, c"/etc/bar", mode).err(), Some(Errno::NOTDIR), "{way}");
        assert_eq!(create_dir_all(root, c"/etc/bar/x", mode).err(), Some(Errno::NOTDIR), "{way}");
        assert_eq!(fs::read_dir(&host).unwrap().count(), 0, "{way}");
        for made in ["made", "b", "a", "up", "over"] {
            fs::remove_dir_all(t.inside(made)).unwrap();
        }
        fs::remove_dir_all(t.base.join(&shadow)).unwrap();
    });
}

#[test]
fn here_means_no_link_even_with_a_slash_behind_it() {
    let t = Tree::new("here");
    fs::create_dir(t.inside("evil")).unwrap();
    symlink("/evil", t.inside("proc")).unwrap();
    let mode = Mode::from_raw_mode(0o755);
    t.each_way(|root, way| {
        for path in [c"/proc", c"/proc/", c"proc//"] {
            assert_eq!(create_dir_here(root, path, mode).err(), Some(Errno::NOTDIR), "{way}");
        }
        assert_eq!(create_dir_here(root, c"/proc/.", mode).err(), Some(Errno::INVAL), "{way}");
        let made = create_dir_here(root, c"/proc/sys", mode).unwrap();
        assert_eq!(t.place(&made), "root/evil/sys");
        fs::remove_dir(t.inside("evil/sys")).unwrap();
    });
}

#[test]
fn a_path_splits_into_its_directory_and_a_name() {
    let t = Tree::new("split");
    let mut buf = [0; NAME];
    let root = t.root.as_fd();
    let (dir, name) = split(root, c"/dev/net//tun", &mut buf).unwrap();
    assert_eq!((t.place(&dir).as_str(), name), ("root/dev/net", c"tun"));
    let (dir, name) = split(root, c"null/", &mut buf).unwrap();
    assert_eq!((t.place(&dir).as_str(), name), ("root", c"null"));
    for path in [c"/", c"", c"/dev/..", c"/dev/."] {
        assert_eq!(split(root, path, &mut buf).err(), Some(Errno::INVAL), "{path:?}");
    }
    let long = std::ffi::CString::new("/x".repeat(2100)).unwrap();
    assert_eq!(split(root, &long, &mut buf).err(), Some(Errno::NAMETOOLONG));
}

#[test]
fn exactly_is_about_the_text() {
    for path in [c"/dev", c"dev", c"//dev/", c"/./dev/."] {
        assert!(is_exactly(path, b"dev"), "{path:?}");
    }
    for path in [c"/dev/pts", c"/", c"/dev/..", c"/x/../dev", c"/devx"] {
        assert!(!is_exactly(path, b"dev"), "{path:?}");
    }
    assert!(is_exactly(c"//.", b"") && !is_exactly(c"/..", b""));
}

#[test]
fn a_race_never_leads_outside() {
    let t = Tree::new("race");
    let host = t.base.join("host");
    fs::create_dir_all(t.inside("vol/dir")).unwrap();
    symlink(&host, t.inside("vol/link")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (dir, link) = (t.inside("vol/dir"), t.inside("vol/link"));
    let c = |path: &Path| std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let (c_dir, c_link) = (c(&dir), c(&link));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                let cwd = rustix::fs::CWD;
                rustix::fs::renameat_with(cwd, &*c_dir, cwd, &*c_link, exchange).unwrap();
            }
        });
        let mut seen = Vec::new();
        t.each_way(|root, way| {
            for n in 0..1000 {
                let path = std::ffi::CString::new(format!("/vol/dir/{n}/x")).unwrap();
                let made = create_dir_all(root, &path, Mode::from_raw_mode(0o755));
                seen.push((way.to_string(), made.map(|fd| t.place(&fd))));
            }
        });
        // No assertion before the other thread can end.
        stop.store(true, Ordering::Relaxed);
        for (way, place) in seen {
            match place {
                Ok(place) => assert!(place.starts_with("root/"), "{way} {place}"),
                Err(errno) => assert_eq!(errno, Errno::AGAIN, "{way}"),
            }
        }
    });
    assert_eq!(fs::read_dir(&host).unwrap().count(), 0);
}
