use super::*;
use std::io::{BufWriter, Write};

fn file(content: impl AsRef<[u8]>) -> OwnedFd {
    let fd = rustix::fs::memfd_create(c"file", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    assert_eq!(rustix::io::pwrite(&fd, content.as_ref(), 0), Ok(content.as_ref().len()));
    fd
}

fn arena() -> Arena {
    Arena::new(Box::leak(vec![0; 1 << 20].into_boxed_slice()))
}

fn cstr(text: &str) -> &'static CStr {
    Box::leak(std::ffi::CString::new(text).unwrap().into_boxed_c_str())
}

/// "uid gid [groups] home", or the error.
fn show(user: &str, more: &[&str], passwd: Option<&str>, group: Option<&str>) -> String {
    let mut groups: Vec<_> = more.iter().map(|name| cstr(name)).collect();
    groups.sort_unstable();
    let asked = Asked { user: cstr(user), groups: &groups, home: true };
    let (passwd, group) = (passwd.map(file), group.map(file));
    let arena = arena();
    let ids = Spec::parse(asked.user).and_then(|spec| {
        let (passwd, group) = (passwd.as_ref().map(AsFd::as_fd), group.as_ref().map(AsFd::as_fd));
        resolve(&asked, &spec, passwd, group, &arena)
    });
    match ids {
        Ok(ids) => format!(
            "{} {} {:?} {}",
            ids.uid,
            ids.gid,
            ids.groups.as_slice(),
            ids.home.to_str().unwrap()
        ),
        Err(error) => error.to_string(),
    }
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    alice:x:1000:1001:A,B C:/home/alice:/bin/sh\nbob:x:7:8::/:";
const GROUP: &str = "root:x:0:\nwheel:x:10:root,alice\nstaff:x:1001:\nbin:x:8:al,lice,xalice\n\
    audio:x:63:bob,alice\nlast:x:99:alice";

#[test]
fn every_form_of_user() {
    for (user, want) in [
        ("", "0 0 [10] /root"),
        ("root", "0 0 [10] /root"),
        ("0", "0 0 [10] /root"),
        ("alice", "1000 1001 [10, 63, 99] /home/alice"),
        ("1000", "1000 1001 [10, 63, 99] /home/alice"),
        ("1000:", "1000 1001 [10, 63, 99] /home/alice"),
        ("alice:", "1000 1001 [10, 63, 99] /home/alice"),
        ("alice:wheel", "1000 10 [] /home/alice"),
        ("alice:7", "1000 7 [] /home/alice"),
        ("1000:0", "1000 0 [] /home/alice"),
        ("5:last", "5 99 [] /"),
        (":staff", "0 1001 [] /root"),
        (":5", "0 5 [] /root"),
        (":", "0 0 [10] /root"),
        ("1", "1 0 [] /"),
        ("4242:4243", "4242 4243 [] /"),
        ("bob", "7 8 [63] /"),
    ] {
        assert_eq!(show(user, &[], Some(PASSWD), Some(GROUP)), want, "{user:?}");
    }
}

#[test]
fn what_can_not_be_resolved_says_so() {
    for (user, want) in [
        ("carol", "find user carol: no such user in the container's /etc/passwd"),
        ("alice:none", "find alice:none: no such group in the container's /etc/group"),
        ("4294967296", "look up user or group 4294967296: ids go from 0 to 2147483647"),
        ("1:2147483648", "look up user or group 1:2147483648: ids go from 0 to 2147483647"),
        ("-1", "look up user or group -1: neither a name nor an id begins with a sign"),
        ("a:b:c", "look up user or group a:b:c: no name has a ':', a ',' or a newline"),
    ] {
        assert_eq!(show(user, &[], Some(PASSWD), Some(GROUP)), want);
    }
    assert_eq!(
        show("alice", &[], None, None),
        "find user alice: no such user: the container has no /etc/passwd"
    );
    assert_eq!(
        show("1:wheel", &[], None, None),
        "find 1:wheel: no such group: the container has no /etc/group"
    );
    assert_eq!(show("1", &[], None, None), "1 0 [] /");
}

#[test]
fn groups_of_the_file_are_added_by_name_and_number() {
    let show = |user, more: &[&str]| show(user, more, Some(PASSWD), Some(GROUP));
    assert_eq!(show("bob", &["5", "wheel"]), "7 8 [5, 10, 63] /");
    assert_eq!(show("bob:8", &["last", "0"]), "7 8 [0, 99] /");
    assert_eq!(show("0:0", &["x"]), "find group x: no such group in the container's /etc/group");
    assert_eq!(show("0:0", &[""]), "look up user or group : a name is empty");
}

#[test]
fn a_hostile_passwd_file_makes_nobody_root() {
    let forged = "1000:x:0:0::/:\n4294967296:x:0:0::/:\n-1:x:0:0::/:\n0x0:x:0:0::/:\n1::0:0::/:\n\
        +:::::\n+1000:x:0:0::/:\n:x:4242:0::/:\n";
    for (user, uid) in [("1000", "1000 0"), ("1", "1 0"), ("1:", "1 0"), ("4242", "4242 0")] {
        let got = show(user, &[], Some(forged), Some("shadow:x:42:\nempty:x:43:,,\n"));
        assert_eq!(got, format!("{uid} [] /"), "{user:?}");
    }
    for user in ["4294967296", "-1", "+1000"] {
        assert!(show(user, &[], Some(forged), None).starts_with("look up user or group"));
    }
}

#[test]
fn a_malformed_line_is_passed_over_unless_it_is_the_one() {
    let lines = "u\nv:x\nw:x:\na:x:abc:0::/:\nb:x:1:::/:\nc:x:2:-1::/:\nd:x:3:3\ne:x:4294967299:0::/:\n\
        f:x:5:5::\ng:x:6:6::/g\nh:x:7:7::/h:/bin/sh\r\n\n";
    for user in ["u", "v", "w", "a", "b", "c", "2", "d", "e"] {
        let got = show(user, &[], Some(lines), None);
        let want = "its line in the container's /etc/passwd is malformed";
        assert_eq!(got, format!("find user {user}: {want}"));
    }
    assert_eq!(show("f", &[], Some(lines), None), "5 5 [] /");
    assert_eq!(show("g", &[], Some(lines), None), "6 6 [] /g");
    assert_eq!(show("h", &[], Some(lines), None), "7 7 [] /h");
    assert_eq!(show("8", &[], Some(lines), None), "8 0 [] /");
    let groups = "x:x:z:h\ny:x\nz:x:5:h\r\n";
    assert!(show("h", &[], Some(lines), Some(groups)).ends_with("/etc/group is malformed"));
    assert!(show("g:y", &[], Some(lines), Some(groups)).ends_with("/etc/group is malformed"));
    assert_eq!(show("g:z", &[], Some(lines), Some(groups)), "6 5 [] /g");
}

#[test]
fn every_id_is_its_own_text() {
    for n in (0..1 << 31).step_by(7_654_321).chain([1, i32::MAX as u64]) {
        let got = show(&format!("{n}:{n}"), &[], Some(PASSWD), Some(GROUP));
        assert!(got.starts_with(&format!("{n} {n} [] /")), "{got}");
    }
}

#[test]
fn files_of_any_size_in_bounded_time() {
    let start = std::time::Instant::now();
    let fd = rustix::fs::memfd_create(c"file", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let path = format!("/proc/self/fd/{}", rustix::fd::AsRawFd::as_raw_fd(&fd));
    let mut out = BufWriter::new(std::fs::File::create(path).unwrap());
    out.write_all(b"big:x:5:").unwrap();
    for n in 0..3_000_000 {
        write!(out, "someone{n:07},").unwrap();
    }
    out.write_all(b"alice\n").unwrap();
    for n in 0..2_000_000 {
        writeln!(out, "group{n:07}:x:{n}:bob,carol").unwrap();
    }
    out.write_all(b"wheel:x:10:alice\n").unwrap();
    out.flush().unwrap();
    let written = start.elapsed();
    let asked = Asked { user: c"alice", groups: &[], home: true };
    let (spec, passwd, arena) = (Spec::parse(c"alice").unwrap(), file(PASSWD), arena());
    let ids = resolve(&asked, &spec, Some(passwd.as_fd()), Some(fd.as_fd()), &arena).unwrap();
    assert_eq!(ids.groups.as_slice(), [5, 10]);
    println!("{written:?} to write, {:?} to read", start.elapsed() - written);
}

#[test]
fn a_long_name_or_home_is_not_cut() {
    let (long, longer) = ("n".repeat(256), "n".repeat(20_000));
    let passwd = format!("{longer}:x:1:1::/a:\n{long}:x:2:2::/b:\nx:x:3:3::/{longer}:\n");
    assert!(show("1", &[], Some(&passwd), None).ends_with("malformed"));
    assert_eq!(show("2", &[], Some(&passwd), None), "2 2 [] /b");
    assert!(show("3", &[], Some(&passwd), None).ends_with("malformed"));
    let group = format!("{longer}:x:9:x\n{long}:x:10:{longer},{long}\n");
    assert_eq!(show("2", &[], Some(&passwd), Some(&group)), "2 2 [10] /b");
}

#[test]
fn only_a_regular_file_is_read() {
    let dir = std::env::temp_dir().join(format!("nsinit-user-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("etc/passwd")).unwrap();
    let root = cstr(dir.to_str().unwrap());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(rustix::fs::CWD, root, flags, rustix::fs::Mode::empty()).unwrap();
    let fifo = cstr(dir.join("etc/group").to_str().unwrap());
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, fifo, FileType::Fifo, mode, 0).unwrap();
    let error = |asked: &Asked| look_up(asked, root.as_fd(), &arena()).err().unwrap().to_string();
    let user = error(&Asked { user: c"1", groups: &[], home: true });
    let group = error(&Asked { user: c"1:wheel", groups: &[], home: false });
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(user, "open the container's /etc/passwd: it is not a regular file");
    assert_eq!(group, "open the container's /etc/group: it is not a regular file");
    let arena = arena();
    let none = look_up(&Asked { user: c"5", groups: &[], home: true }, root.as_fd(), &arena);
    assert_eq!(none.unwrap().uid, 5);
}
