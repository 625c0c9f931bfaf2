//! Runs under strace: what was called, and what happens when a call fails or kills.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::world::{Place, Run, spawn};

/// One system call of a trace.
pub struct Call {
    /// The caller.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// The whole line.
    pub text: String,
    /// What it returned, as strace shows it.
    pub result: String,
}

/// Whether strace can be run.
pub fn have_strace() -> bool {
    Command::new("strace").arg("-V").output().is_ok_and(|o| o.status.success())
}

/// Runs nsinit traced; all calls in order. The run must end with `status`.
#[track_caller]
pub fn trace(place: &Place, args: &[&str], status: i32) -> Vec<Call> {
    let file = place.dir.join("trace");
    let run = strace(place, &["-o", file.to_str().unwrap()], args);
    run.ends(status);
    parse(&fs::read_to_string(&file).unwrap())
}

/// Runs nsinit under `strace -f OPTIONS`.
#[track_caller]
pub fn strace(place: &Place, options: &[&str], args: &[&str]) -> Run {
    let by = [&["strace", "-f", "-qq", "-s", "256", "--signal=none"], options].concat();
    spawn(&mut place.wrapped(&by, args)).end()
}

/// Whether the last `inject` in this place came to inject anything.
pub fn injected(place: &Place) -> bool {
    fs::read_to_string(place.dir.join("trace")).is_ok_and(|text| text.contains("(INJECTED)"))
}

/// Runs nsinit with a fault injected, the trace of it thrown away.
#[track_caller]
pub fn inject(place: &Place, faults: &[&str], args: &[&str]) -> Run {
    // Tracing no more than what is injected costs least.
    let names: Vec<&str> = faults.iter().map(|f| f.split(':').next().unwrap()).collect();
    let only = format!("trace={}", names.join(","));
    let file = place.dir.join("trace");
    let mut options = vec!["-o", file.to_str().unwrap(), "-e", &only];
    // With it strace 6.1 loses the signals meant for the process that it started: the launcher would
    // outlive every step.
    if !faults.iter().any(|fault| fault.contains(":signal=")) {
        options.push("--seccomp-bpf");
    }
    let injections: Vec<String> = faults.iter().map(|f| format!("inject={f}")).collect();
    for injection in &injections {
        options.extend(["-e", injection.as_str()]);
    }
    strace(place, &options, args)
}

fn parse(text: &str) -> Vec<Call> {
    let mut started: BTreeMap<u32, String> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let Ok(pid) = pid.parse() else { continue };
        let rest = rest.trim_start();
        let text = if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            started.insert(pid, begin.to_owned());
            // A call that never returns counts where it began.
            if rest.starts_with("exit") { begin.to_owned() } else { continue }
        } else if let Some(end) = rest.strip_prefix("<... ") {
            let begin = started.remove(&pid).unwrap_or_default();
            format!("{begin}{}", end.split_once(" resumed>").map_or("", |p| p.1))
        } else {
            rest.to_owned()
        };
        let Some((name, _)) = text.split_once('(') else { continue };
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let result = text.rsplit_once(" = ").map_or("", |p| p.1).to_owned();
        calls.push(Call { pid, name: name.to_owned(), result, text });
    }
    calls
}

/// How often each call is made, at most, by one process: strace counts per process.
pub fn most_per_process(calls: &[Call]) -> BTreeMap<String, u32> {
    let mut counts: BTreeMap<(u32, &str), u32> = BTreeMap::new();
    for call in calls {
        *counts.entry((call.pid, &call.name)).or_default() += 1;
    }
    let mut most = BTreeMap::new();
    for ((_, name), n) in counts {
        let entry = most.entry(name.to_owned()).or_insert(0);
        *entry = n.max(*entry);
    }
    most
}
