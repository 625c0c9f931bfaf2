//! On the machine's own hierarchies, which takes root and cgroup v1. Every test shows that it leaves
//! nothing behind.

use super::*;
use crate::plan::{DeviceAccess, DeviceKind, DeviceRule};
use crate::syscall::process::{Fork, NewNamespaces, exit_group, fork};
use rustix::fs::Mode;
use rustix::process::{Pid, WaitOptions, getpid, waitpid};
use std::ffi::CString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

mod removal;

/// Finds the site and makes the groups there.
fn create<'a>(plan: &Cgroup, arena: &'a Arena) -> Result<Created<'a>> {
    let site = Site::find(plan, false, arena, &mut None)?;
    let mut created = Created::none(arena);
    created.make(&site, plan, &mut None)?;
    Ok(created)
}

fn arena() -> Arena {
    Arena::new(vec![0; 1 << 18].leak())
}

fn cstr(text: &str) -> &'static CStr {
    Box::leak(CString::new(text).unwrap().into_boxed_c_str())
}

/// A name that no other test has.
fn name() -> &'static CStr {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    cstr(&format!("nsinit-test-{}-{n}", std::process::id()))
}

fn plan() -> Cgroup {
    Cgroup { name: Some(name()), ..Cgroup::default() }
}

fn path(created: &Created, subsystem: &str) -> PathBuf {
    let mut paths = created.groups().names();
    let (_, path) = paths.find(|(name, _)| *name == subsystem).expect("the controller is mounted");
    PathBuf::from(path.to_str().unwrap())
}

fn read(created: &Created, subsystem: &str, file: &str) -> String {
    let text = std::fs::read_to_string(path(created, subsystem).join(file)).unwrap();
    text.trim_end().to_string()
}

fn all_paths(created: &Created) -> std::vec::Vec<PathBuf> {
    created.groups().names().map(|(_, path)| PathBuf::from(path.to_str().unwrap())).collect()
}

/// Forks a process that enters the groups and runs `body`.
fn spawn_in(tasks: &Tasks, body: impl FnOnce() -> u8) -> Pid {
    match fork(NewNamespaces::empty()).unwrap() {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            for fd in tasks.fds() {
                if enter(fd).is_err() {
                    exit_group(100);
                }
            }
            exit_group(body())
        }
    }
}

fn status(pid: Pid) -> i32 {
    let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
    status.exit_status().unwrap_or(-status.terminating_signal().unwrap_or(0))
}

fn sleep_for_long() -> u8 {
    let time = rustix::thread::Timespec { tv_sec: 30, tv_nsec: 0 };
    u8::from(matches!(
        rustix::thread::nanosleep(&time),
        rustix::thread::NanosleepRelativeResult::Ok
    ))
}

/// A refusal to open a device, in a process that allocates nothing.
fn can_open(path: &CStr) -> bool {
    use rustix::fs::OFlags;
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).is_ok()
}

#[test]
fn a_process_enters_every_hierarchy_and_they_go_with_the_guard() {
    let (plan, arena) = (plan(), arena());
    let created = create(&plan, &arena).unwrap();
    let paths = all_paths(&created);
    assert!(paths.len() >= 8, "{paths:?}");
    assert!(created.tasks().has_memory());
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let pid = spawn_in(created.tasks(), || {
        let mut buf = [0; 4096];
        let file =
            rustix::fs::open(c"/proc/self/cgroup", rustix::fs::OFlags::RDONLY, Mode::empty());
        let len = rustix::io::read(file.unwrap(), &mut buf).unwrap();
        rustix::io::write(&writer, &buf[..len]).unwrap();
        0
    });
    assert_eq!(status(pid), 0);
    let mut buf = [0; 4096];
    let len = rustix::io::read(&reader, &mut buf).unwrap();
    let text = String::from_utf8_lossy(&buf[..len]).to_string();
    let suffix = format!("/{}", plan.name.unwrap().to_str().unwrap());
    for (name, _) in created.groups().names() {
        let line = text.lines().find(|line| line.contains(&format!(":{name}:")));
        assert!(line.unwrap().ends_with(&suffix), "{text}");
    }
    drop(created);
    assert!(paths.iter().all(|path| !path.exists()));
}

#[test]
fn limits_of_memory_and_cpu_arrive() {
    let (mut plan, arena) = (plan(), arena());
    plan.memory = Some(64 << 20);
    plan.memory_reservation = Some(32 << 20);
    plan.memory_swap = Some(96 << 20);
    (plan.cpu_shares, plan.cpu_period, plan.cpu_quota) = (Some(512), Some(50_000), Some(25_000));
    let mut created = create(&plan, &arena).unwrap();
    assert_eq!(read(&created, "memory", "memory.limit_in_bytes"), "67108864");
    assert_eq!(read(&created, "memory", "memory.soft_limit_in_bytes"), "33554432");
    assert_eq!(read(&created, "memory", "memory.memsw.limit_in_bytes"), "100663296");
    assert_eq!(read(&created, "cpu", "cpu.shares"), "512");
    assert_eq!(read(&created, "cpu", "cpu.cfs_period_us"), "50000");
    assert_eq!(read(&created, "cpu", "cpu.cfs_quota_us"), "25000");
    // The same group again, above and below what it has: in either order.
    for (memory, swap) in [(256, 512), (16, 32), (512, -1)] {
        let swap_bytes = if swap == -1 { -1 } else { swap << 20 };
        (plan.memory, plan.memory_swap) = (Some(memory << 20), Some(swap_bytes));
        plan.memory_reservation = None;
        let shared = create(&plan, &arena).unwrap();
        assert_eq!(read(&shared, "memory", "memory.limit_in_bytes"), (memory << 20).to_string());
        std::mem::forget(shared);
    }
    let paths = all_paths(&created);
    created.remove().unwrap();
    assert!(paths.iter().all(|path| !path.exists()));
}

#[test]
fn only_listed_devices_can_be_opened() {
    let (mut plan, arena) = (plan(), arena());
    let null = DeviceRule {
        kind: DeviceKind::Char,
        major: Some(1),
        minor: Some(3),
        read: true,
        write: true,
        mknod: true,
    };
    let check = |plan: &Cgroup| {
        let created = create(plan, &arena).unwrap();
        let pid = spawn_in(created.tasks(), || {
            u8::from(can_open(c"/dev/null"))
                | u8::from(can_open(c"/dev/zero")) << 1
                | u8::from(can_open(c"/dev/kmsg")) << 2
        });
        (status(pid), read(&created, "devices", "devices.list"))
    };
    let mut access = DeviceAccess::default();
    access.allowed.push(null).unwrap();
    plan.devices = Some(access);
    assert_eq!(check(&plan), (1, "c 1:3 rwm".into()));
    plan.devices = Some(DeviceAccess::default());
    let (opened, list) = check(&plan);
    assert_eq!(opened, 3);
    assert!(list.contains("c 5:2 rwm") && list.contains("b *:* m"), "{list}");
    plan.devices = Some(DeviceAccess { allow_all: true, ..DeviceAccess::default() });
    assert_eq!(check(&plan).0, 7);
    let mut access = DeviceAccess { allow_all: true, ..DeviceAccess::default() };
    access.denied.push(null).unwrap();
    plan.devices = Some(access);
    assert_eq!(check(&plan).0, 6);
}

#[test]
fn parents_are_made_given_cpus_and_removed() {
    let (mut plan, arena) = (plan(), arena());
    let parent = name().to_str().unwrap();
    plan.parent = Some(cstr(&format!("{parent}//a/./b/")));
    let mut created = create(&plan, &arena).unwrap();
    let leaf = path(&created, "cpuset");
    assert!(leaf.ends_with(format!("{parent}/a/b/{}", plan.name.unwrap().to_str().unwrap())));
    assert!(!read(&created, "cpuset", "cpuset.cpus").is_empty());
    assert_eq!(read(&created, "cpuset", "cpuset.mems"), read(&created, "cpuset", "../cpuset.mems"));
    let pid = spawn_in(created.tasks(), || 0);
    assert_eq!(status(pid), 0);
    // A second group below the same parents keeps them, until it goes too.
    let mut second =
        create(&Cgroup { name: Some(name()), parent: plan.parent, ..plan }, &arena).unwrap();
    let (tops, second_paths) = (all_paths(&created), all_paths(&second));
    created.remove().unwrap();
    assert!(tops.iter().all(|path| !path.exists()));
    assert!(second_paths.iter().all(|path| path.exists()));
    second.remove().unwrap();
    // The first one made the parents, the last one removes them.
    let left = |path: &&PathBuf| path.ancestors().take(4).any(|path| path.exists());
    assert_eq!(second_paths.iter().filter(left).count(), 0);
}

#[test]
fn an_absolute_parent_counts_from_the_hierarchy() {
    let (mut plan, arena) = (plan(), arena());
    plan.parent = Some(c"/");
    let mut created = create(&plan, &arena).unwrap();
    let memory = path(&created, "memory");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let top = format!(" {} ", memory.parent().unwrap().to_str().unwrap());
    assert!(mounts.contains(&top), "{top}");
    created.remove().unwrap();
}

#[test]
fn a_failure_unwinds_and_says_what_was_written() {
    let (mut plan, arena) = (plan(), arena());
    plan.memory_swappiness = Some(1000);
    let error = create(&plan, &arena).err().unwrap().to_string();
    assert!(error.starts_with("write 1000 to /"), "{error}");
    assert!(error.contains("/memory.swappiness: Invalid argument"), "{error}");
    plan.memory_swappiness = None;
    let mut created = create(&plan, &arena).unwrap();
    assert!(created.groups.iter().all(|group| group.fresh));
    created.remove().unwrap();
}

#[test]
fn without_a_name_nothing_is_made() {
    let arena = arena();
    let created = create(&Cgroup::default(), &arena).unwrap();
    assert_eq!(created.groups().names().count() + created.tasks().fds().count(), 0);
}
