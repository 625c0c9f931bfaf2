//! nsinit as PID 1 of a namespace, where it does what it does on a machine but for the kernel's own
//! matters: the tests of containers and services need no virtual machine, and a second each.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::config::{Config, strings};
use crate::world::{Place, Run, Running, lay_out, nsinit, spawn, until};

/// A system that has not been booted yet.
pub struct System {
    /// Its files, and the proof that nothing of it is left.
    pub place: Place,
    /// Words for nsinit, as on a kernel's command line.
    pub words: String,
    /// Shell commands before it is started, in its mount namespace.
    pub before: String,
}

/// One that runs.
pub struct Booted {
    /// `unshare`, with PID 1's words in its output.
    pub running: Running,
    /// PID 1, as the host sees it.
    pub pid: u32,
}

/// A configuration that runs `script` in a shell.
pub fn service(script: &str) -> Config {
    let mut config = Config::new("none");
    config.without_groups();
    config.set("command.args", strings(&["/bin/sh", "-c", script]));
    config
}

impl System {
    /// One without containers.
    pub fn new() -> System {
        let place = Place::new();
        fs::copy(nsinit(), place.dir.join("init")).unwrap();
        System { place, words: String::new(), before: String::new() }
    }

    /// The directory of a container, made.
    pub fn dir(&self, kind: &str, name: &str) -> PathBuf {
        let dir = self.place.dir.join("containers").join(kind).join(name);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// Adds a container.
    pub fn add(&self, kind: &str, name: &str, config: &Config) {
        let dir = self.dir(kind, name);
        lay_out(&dir.join("rootfs"));
        fs::write(dir.join("container.json"), config.text()).unwrap();
    }

    /// Adds a container that runs this script.
    pub fn script(&self, kind: &str, name: &str, script: &str) {
        self.add(kind, name, &service(script));
    }

    /// Boots it.
    pub fn boot(&self) -> Booted {
        let script = format!(
            "mount --bind '{}' /mnt && mount -t tmpfs run /run && {{ {} true; }} && \
             exec /mnt/init nsinit.containers=/mnt/containers nsinit.cgroup=none {}",
            self.place.dir.display(),
            self.before,
            self.words
        );
        let mut unshare = Command::new("unshare");
        unshare
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"])
            .arg(script)
            .stdin(Stdio::null());
        let running = spawn(&mut unshare);
        let parent = running.child.id();
        let mut pid = 0;
        until("PID 1 is there", || {
            let children = format!("/proc/{parent}/task/{parent}/children");
            let children = fs::read_to_string(children).unwrap_or_default();
            pid = children.trim().parse().unwrap_or(0);
            // It listens as soon as it can be asked; one that ends at once never does.
            fs::exists(format!("/proc/{pid}/root/run/nsinit/pid1/control")).unwrap_or(false)
                || fs::metadata(format!("/proc/{parent}/fd")).is_err()
                || fs::read_link(format!("/proc/{parent}/exe")).is_err()
        });
        Booted { running, pid }
    }
}

impl Booted {
    /// Waits until it has said this.
    #[track_caller]
    pub fn says(&mut self, text: &str) -> String {
        // Everything goes to its standard error.
        let mut all = String::new();
        let mut ended = false;
        until(&format!("{text:?} is said"), || {
            all = self.running.err();
            ended = self.running.child.try_wait().unwrap().is_some();
            all.contains(text) || ended
        });
        assert!(all.contains(text), "no {text:?} in:\n{all}");
        all
    }

    /// Runs a verb of nsinit in it.
    #[track_caller]
    pub fn verb(&self, words: &[&str]) -> Run {
        self.inside(&[&["/mnt/init"], words].concat())
    }

    /// Runs a program of the host in its namespaces.
    #[track_caller]
    pub fn inside(&self, words: &[&str]) -> Run {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["-t", &self.pid.to_string(), "-m", "-p"]).args(words).stdin(Stdio::null());
        spawn(&mut nsenter).end()
    }

    /// The words of its line in `list`.
    #[track_caller]
    pub fn list(&self, name: &str) -> Vec<String> {
        let run = self.verb(&["list"]);
        let line = run.ok().lines().find(|line| line.split_whitespace().next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in:\n{}", run.out));
        line.split_whitespace().map(str::to_owned).collect()
    }

    /// Waits until a container is so.
    #[track_caller]
    pub fn is(&self, name: &str, state: &str) {
        let mut last = Vec::new();
        until(&format!("{name} is {state}"), || {
            last = self.list(name);
            last[2] == state
        });
    }

    /// Asks for the end by BusyBox's signal; all that it has said.
    #[track_caller]
    pub fn power_off(self) -> String {
        // SAFETY: plain system call; `unshare` has not been waited for, so its child is not gone.
        assert_eq!(unsafe { libc::kill(self.pid as i32, libc::SIGUSR2) }, 0);
        self.ends()
    }

    /// Waits for its end; all that it has said.
    #[track_caller]
    pub fn ends(self) -> String {
        self.running.end().err
    }
}
