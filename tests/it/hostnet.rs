//! A network of the host for one test alone: a network namespace in which the launcher runs as if it
//! were the host's. What is made in it collides with no other test, and what is left is seen.

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};

use crate::world::{Place, Run, child_of_ours, spawn, until};

/// The namespace, and a process that keeps it.
pub struct HostNet {
    keeper: Child,
    path: String,
}

impl HostNet {
    /// An empty one, with lo up.
    pub fn new() -> HostNet {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"]);
        let mut keeper = child_of_ours(command.stdout(Stdio::piped()).stdin(Stdio::null()));
        let mut line = [0; 3];
        std::io::Read::read_exact(keeper.stdout.as_mut().unwrap(), &mut line).unwrap();
        let path = format!("/proc/{}/ns/net", keeper.id());
        HostNet { keeper, path }
    }

    /// One with a bridge br0, which is up and has 10.7.0.1/24 and fd07::1/64.
    pub fn with_bridge() -> HostNet {
        let net = HostNet::new();
        net.ip("link add br0 address 02:00:00:00:07:01 type bridge");
        net.ip("link set br0 addrgenmode none");
        net.ip("addr add 10.7.0.1/24 dev br0");
        net.ip("addr add fd07::1/64 dev br0 nodad");
        // A port that stays, or the bridge would go down with the last container.
        net.cable("p0", "p1");
        net.ip("link set p0 master br0");
        net.ip("link set br0 up");
        until("br0 has a carrier", || {
            net.ip("link show br0").contains("state UP")
                && net.ip("-6 route show table all dev br0").contains("ff00::/8")
        });
        net
    }

    /// One with two ends of a cable, m0 and m1: what a network card would be.
    pub fn with_cable() -> HostNet {
        let net = HostNet::new();
        net.cable("m0", "m1");
        net
    }

    /// Adds two ends of a cable, up. Addresses that the kernel makes up would come and go.
    pub fn cable(&self, one: &str, other: &str) {
        self.ip(&format!("link add {one} type veth peer name {other}"));
        for end in [one, other] {
            self.ip(&format!("link set {end} addrgenmode none"));
            self.ip(&format!("link set {end} up"));
        }
        // The kernel sees the carrier a moment later.
        for end in [one, other] {
            let routes = format!("-6 route show table all dev {end}");
            until("the cable has a carrier", || {
                self.ip(&format!("link show {end}")).contains("state UP")
                    && self.ip(&routes).contains("ff00::/8")
            });
        }
    }

    /// Its file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A process in it, by its number.
    pub fn holder(&self) -> u32 {
        self.keeper.id()
    }

    fn inside(&self, program: &str) -> Vec<String> {
        vec!["nsenter".into(), format!("--net={}", self.path), program.into()]
    }

    /// `ip WORDS` in it, which must succeed; its output.
    #[track_caller]
    pub fn ip(&self, words: &str) -> String {
        let words = words.split_whitespace().map(str::to_owned);
        let all: Vec<String> = self.inside("ip").into_iter().chain(words).collect();
        let out = Command::new(&all[0]).args(&all[1..]).output().unwrap();
        assert!(out.status.success(), "{all:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Links, addresses and routes as they are now: two of these are equal if nothing was changed.
    /// The timers of a bridge run.
    pub fn state(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for words in ["-d link", "addr", "route show table all", "-6 route show table all", "rule"]
        {
            for line in self.ip(words).lines() {
                let mut timer = false;
                let still = |word: &&str| !std::mem::replace(&mut timer, word.ends_with("_timer"));
                let words: Vec<&str> = line.split_whitespace().filter(still).collect();
                lines.push(words.join(" "));
            }
        }
        lines
    }

    /// Proves that it is as it was.
    #[track_caller]
    pub fn is_still(&self, before: &[String]) {
        let now = self.state();
        let lines = |here: &[String], there: &[String], sign: &str| -> String {
            here.iter().filter(|l| !there.contains(l)).map(|l| format!("{sign} {l}\n")).collect()
        };
        let (gone, new) = (lines(before, &now, "-"), lines(&now, before, "+"));
        assert!(now == before, "the host's network has changed:\n{gone}{new}");
    }

    /// The names of the links.
    pub fn links(&self) -> Vec<String> {
        let name = |line: &str| line.split([':', '@']).nth(1).unwrap_or("").trim().to_owned();
        self.ip("-o link").lines().map(name).collect()
    }

    /// nsinit with these arguments, as `Place::command`, with this as the host's network.
    pub fn command<S: AsRef<OsStr>>(&self, place: &Place, args: &[S]) -> Command {
        let net = format!("--net={}", self.path);
        place.wrapped(&["nsenter", &net], args)
    }

    /// `nsinit exec /bin/sh -c SCRIPT` in it, to its end.
    #[track_caller]
    pub fn sh(&self, place: &Place, script: &str) -> Run {
        place.write_config();
        spawn(&mut self.command(place, &["exec", "/bin/sh", "-c", script])).end()
    }

    /// The same, left running once it has printed "ready".
    #[track_caller]
    pub fn start(&self, place: &Place, script: &str) -> crate::world::Running {
        place.write_config();
        let mut running = spawn(&mut self.command(place, &["exec", "/bin/sh", "-c", script]));
        running.wait_for("ready");
        running
    }
}

impl Drop for HostNet {
    fn drop(&mut self) {
        // It does nothing but sleep: the namespace goes with it.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
