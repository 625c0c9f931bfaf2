//! Groups that others use, that are left behind, that vanish.

use super::*;

#[test]
fn a_group_with_somebody_in_it_stays_and_is_named_and_an_empty_one_with_groups_inside_goes() {
    let (plan, arena) = (plan(), arena());
    let mut created = create(&plan, &arena).unwrap();
    let mut shared = create(&plan, &arena).unwrap();
    let paths = all_paths(&created);
    let pid = spawn_in(shared.tasks(), sleep_for_long);
    // It is in when the last hierarchy, memory's, has it.
    let procs = path(&shared, "memory").join("cgroup.procs");
    while std::fs::read_to_string(&procs).unwrap().is_empty() {}
    let began = std::time::Instant::now();
    let error = created.remove().unwrap_err().to_string();
    // Once for all hierarchies, with room for a busy machine.
    assert!(began.elapsed() < std::time::Duration::from_secs(4));
    let number = pid.as_raw_pid();
    assert!(error.starts_with("remove control group /"), "{error}");
    assert!(error.contains(&format!(": it still has process {number} (")), "{error}");
    assert!(paths.iter().all(|path| path.exists()));
    crate::syscall::signal::kill(pid, 9).unwrap();
    assert_eq!(status(pid), -9);
    std::fs::create_dir_all(path(&shared, "pids").join("inside/deeper")).unwrap();
    shared.remove().unwrap();
    assert!(paths.iter().all(|path| !path.exists()));
}

#[test]
fn groups_inside_go_with_theirs_although_somebody_stays_in_another() {
    let (plan, arena) = (plan(), arena());
    let mut created = create(&plan, &arena).unwrap();
    let (memory, pids) = (path(&created, "memory"), path(&created, "pids"));
    let memory_path = created.groups().names().find(|(name, _)| *name == "memory").unwrap().1;
    std::fs::create_dir_all(pids.join("inside/deeper")).unwrap();
    let mut stranger = std::process::Command::new("sleep").arg("300").spawn().unwrap();
    std::fs::write(memory.join("cgroup.procs"), stranger.id().to_string()).unwrap();
    let result = created.remove();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(result.is_err());
    assert!(!pids.exists());
    remove_stale(core::iter::once(memory_path), &arena).unwrap();
    assert!(!memory.exists());
}

#[test]
fn kill_all_takes_what_forks_and_what_is_frozen_but_not_a_shared_group() {
    let (plan, arena) = (plan(), arena());
    let mut created = create(&plan, &arena).unwrap();
    let mut shared = create(&plan, &arena).unwrap();
    let first = spawn_in(created.tasks(), sleep_for_long);
    let second = spawn_in(created.tasks(), sleep_for_long);
    let procs = path(&created, "memory").join("cgroup.procs");
    while std::fs::read_to_string(&procs).unwrap().lines().count() < 2 {}
    shared.kill_all().unwrap();
    assert_eq!(std::fs::read_to_string(&procs).unwrap().lines().count(), 2);
    std::fs::write(path(&created, "freezer").join("freezer.state"), "FROZEN").unwrap();
    created.kill_all().unwrap();
    assert_eq!((status(first), status(second)), (-9, -9));
    created.remove().unwrap();
    shared.remove().unwrap();
}

#[test]
fn a_joiner_opens_what_state_json_names_and_stale_groups_are_removed() {
    let (plan, arena) = (plan(), arena());
    let created = create(&plan, &arena).unwrap();
    // It is in its parent's groups, as one that has not entered its own.
    let open = |names: &mut dyn Iterator<Item = (&str, &'static CStr)>| {
        Groups::open(names, getpid(), &arena)
    };
    let joined =
        Tasks::open(&open(&mut created.groups().names()).unwrap(), getpid(), false, &arena)
            .unwrap();
    assert_eq!(joined.fds().count(), created.tasks().fds().count());
    assert!(joined.has_memory());
    let pid = spawn_in(&joined, || 0);
    assert_eq!(status(pid), 0);
    let paths: std::vec::Vec<_> = created.groups().names().map(|(_, path)| path).collect();
    // As a launcher that was killed.
    std::mem::forget(created);
    remove_stale(paths.iter().copied(), &arena).unwrap();
    assert!(paths.iter().all(|path| !PathBuf::from(path.to_str().unwrap()).exists()));
    remove_stale(paths.iter().copied(), &arena).unwrap();
    // Where one is gone it is the group that the process is in now.
    let groups = open(&mut [("cpu", paths[0])].into_iter()).unwrap();
    let group = groups.iter().next().unwrap();
    assert!(group.moved && group.dir.path != paths[0]);
}

#[test]
fn stale_paths_outside_of_the_hierarchies_are_not_touched() {
    let dir = std::env::temp_dir().join(name().to_str().unwrap());
    std::fs::create_dir(&dir).unwrap();
    let error = remove_stale([cstr(dir.to_str().unwrap())].into_iter(), &arena()).unwrap_err();
    let exists = dir.exists();
    std::fs::remove_dir(&dir).unwrap();
    assert!(exists);
    assert!(error.to_string().ends_with("it is not in a control group hierarchy"));
}

#[test]
fn many_at_once_with_one_parent_and_one_name_never_trip_over_each_other() {
    let parent = cstr(&format!("{}/in", name().to_str().unwrap()));
    let shared = name();
    let worker = |own: &'static CStr| {
        for _ in 0..60 {
            for name in [own, shared] {
                let plan = Cgroup { name: Some(name), parent: Some(parent), ..Cgroup::default() };
                create(&plan, &arena()).unwrap().remove().unwrap();
            }
        }
    };
    let names: std::vec::Vec<_> = (0..4).map(|_| name()).collect();
    std::thread::scope(|scope| {
        for name in names {
            scope.spawn(move || worker(name));
        }
    });
    let plan = Cgroup { name: Some(shared), parent: Some(parent), ..Cgroup::default() };
    let arena = arena();
    let mut created = create(&plan, &arena).unwrap();
    let fresh = created.groups.iter().all(|group| group.fresh);
    let paths = all_paths(&created);
    created.remove().unwrap();
    let left: std::vec::Vec<_> =
        paths.iter().filter(|path| path.ancestors().take(3).any(|path| path.exists())).collect();
    assert!(fresh && left.is_empty(), "{left:?}");
}

#[test]
fn directories_that_nsinit_did_not_make_stay() {
    let (mut plan, arena) = (plan(), arena());
    let parent = name().to_str().unwrap();
    plan.parent = Some(cstr(parent));
    let mut created = create(&plan, &arena).unwrap();
    let top = path(&created, "pids").parent().unwrap().to_path_buf();
    created.remove().unwrap();
    let leaf = top.join(plan.name.unwrap().to_str().unwrap());
    std::fs::create_dir_all(&leaf).unwrap();
    create(&plan, &arena).unwrap().remove().unwrap();
    assert!(leaf.exists());
    std::fs::remove_dir(&leaf).unwrap();
    let mut created = create(&plan, &arena).unwrap();
    assert_eq!(path(&created, "pids"), leaf);
    created.remove().unwrap();
    assert!(top.exists() && !leaf.exists());
    std::fs::remove_dir(&top).unwrap();
}
