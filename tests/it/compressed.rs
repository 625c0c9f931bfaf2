//! The file that holds nsinit compressed: the same program, executed from memory that nobody can change.

use std::fs;
use std::path::{Path, PathBuf};

use crate::named::Named;
use crate::shape::needs_nothing;
use crate::trace::{have_strace, inject};
use crate::world::{FAILED, Place, skip};

/// Bytes that the file takes at most.
const SIZE: u64 = 256_000;

/// A place where it is what runs.
fn place() -> Option<Place> {
    let Some(file) = std::env::var_os("NSINIT_COMPRESSED") else {
        skip("NSINIT_COMPRESSED names no file: scripts/compress makes it");
        return None;
    };
    let mut place = Place::new();
    place.program = file.into();
    Some(place)
}

#[test]
fn it_is_smaller_and_needs_nothing() {
    let Some(place) = place() else { return };
    let size = fs::metadata(&place.program).unwrap().len();
    assert!(size <= SIZE, "{size} bytes");
    needs_nothing(&place.program);
}

#[test]
fn a_container_of_it_runs_from_memory_that_is_sealed() {
    use std::os::fd::AsRawFd;
    let Some(place) = place() else { return };
    let running = place.start("echo ready; sleep 300");
    let proc = PathBuf::from(format!("/proc/{}", place.init_pid()));
    assert_eq!(fs::read_link(proc.join("exe")).unwrap(), Path::new("/memfd:nsinit (deleted)"));
    let exe = fs::File::open(proc.join("exe")).unwrap();
    // SAFETY: plain system call on an open file.
    let seals = unsafe { libc::fcntl(exe.as_raw_fd(), libc::F_GET_SEALS) };
    let all = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    assert_eq!(seals & all, all, "{seals}");
    assert_eq!(place.join("echo joined; exit 7").ends(7), "joined\n");
    place.run(&["kill", "KILL"]).ok();
    running.end().ends(137);
}

#[test]
fn words_variables_and_names_come_through() {
    let Some(place) = place() else { return };
    let named = Named::of(place);
    let script = "echo $0 $1; echo $NSINIT_PLACE; cat /proc/$PPID/comm; exit 7";
    for (name, words) in [("nsinit", &["init", "--"][..]), ("tini", &["-s", "--"])] {
        let words = [words, &["sh", "-c", script, "a b", ""]].concat();
        let run = named.run(&named.link(name), &words);
        let place = &named.place.name;
        assert_eq!(run.ends(7), format!("a b\n{place}\n{name}\n"), "{}", run.err);
    }
}

#[test]
fn what_can_t_be_unpacked_or_executed_is_said() {
    let Some(mut place) = place() else { return };
    if have_strace() {
        for (call, step) in [
            ("memfd_create", "unpack nsinit into memory"),
            ("mmap", "unpack nsinit into memory"),
            ("execveat", "execute nsinit from memory"),
        ] {
            let run = inject(&place, &[&format!("{call}:error=EACCES")], &["--version"]);
            run.ends(FAILED);
            let end = "Permission denied (EACCES): the file of nsinit that is not compressed needs no such thing";
            assert_eq!(run.err, format!("nsinit: {step}: {end}\n"));
        }
    }
    let mut bytes = fs::read(&place.program).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0);
    let damaged = place.dir.join("damaged");
    fs::copy(&place.program, &damaged).unwrap();
    fs::write(&damaged, bytes).unwrap();
    place.program = damaged;
    let run = place.run(&["--version"]);
    run.ends(FAILED);
    assert_eq!(
        run.err,
        "nsinit: unpack nsinit into memory: Bad message (EBADMSG): this file is damaged\n"
    );
}
