//! nsinit under other programs' names, beside those programs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::world::{Place, Run, Running, programs, skip, spawn};

/// A directory with links to nsinit, and what the tests' commands are started with.
pub struct Named {
    /// Watches over what is started here.
    pub place: Place,
    links: PathBuf,
}

/// An init to try: nsinit by another name, or the program that has that name.
#[derive(Clone)]
pub struct Init {
    /// Its file.
    pub program: PathBuf,
    /// Whether it is nsinit.
    pub ours: bool,
}

impl Named {
    /// An empty one.
    pub fn new() -> Named {
        Named::of(Place::new())
    }

    /// One of what is run there.
    pub fn of(place: Place) -> Named {
        let links = place.host_dir("links");
        Named { place, links }
    }

    /// nsinit by this name.
    pub fn link(&self, name: &str) -> Init {
        let program = self.links.join(name);
        if !program.exists() {
            symlink(&self.place.program, &program).unwrap();
        }
        Init { program, ours: true }
    }

    /// nsinit by this name, and the program of this name if it is installed.
    pub fn both(&self, name: &str) -> Vec<Init> {
        let peer = Path::new("/usr/bin").join(name);
        let mut inits = vec![self.link(name)];
        if peer.exists() {
            inits.push(Init { program: peer, ours: false });
        } else {
            skip(&format!("{name} is not installed: not compared"));
        }
        inits
    }

    /// A command line that begins with this program.
    pub fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs().display());
        command.args(args).current_dir(&self.place.dir).stdin(Stdio::null());
        command.env_clear().env("PATH", path).env("NSINIT_PLACE", &self.place.name);
        command
    }

    /// Runs an init to its end.
    #[track_caller]
    pub fn run(&self, init: &Init, args: &[&str]) -> Run {
        spawn(&mut self.command(&init.program, args)).end()
    }

    /// The same with one environment variable.
    #[track_caller]
    pub fn run_with(&self, init: &Init, variable: (&str, &str), args: &[&str]) -> Run {
        spawn(self.command(&init.program, args).env(variable.0, variable.1)).end()
    }

    /// Starts an init; back when its command has said "ready".
    #[track_caller]
    pub fn start(&self, init: &Init, args: &[&str]) -> Running {
        self.start_with(init, ("NONE", ""), args)
    }

    /// The same with one environment variable.
    #[track_caller]
    pub fn start_with(&self, init: &Init, variable: (&str, &str), args: &[&str]) -> Running {
        let mut command = self.command(&init.program, args);
        let mut running = spawn(command.env(variable.0, variable.1));
        running.wait_for("ready");
        running
    }

    /// Runs each check on nsinit by the name `program`, and on the program itself if it is installed.
    #[track_caller]
    pub fn all(&self, program: &str, checks: &[Check]) {
        for init in self.both(program) {
            for check in checks {
                let expected = match &check.ours {
                    Some((expected, _)) if init.ours => expected,
                    _ => &check.both,
                };
                self.one(&init, check, expected);
            }
        }
    }

    /// Words that are wrong must start nothing: `START` in a command line stands for a command that leaves a
    /// trace.
    fn one(&self, init: &Init, check: &Check, expected: &Expected) {
        let trace = self.place.dir.join("started");
        let start = ["touch", trace.to_str().unwrap()];
        let words: Vec<&str> = check
            .args
            .iter()
            .flat_map(|word| if *word == START { start.to_vec() } else { vec![*word] })
            .collect();
        let run = self.run_with(init, check.variable, &words);
        let what = format!(
            "{} {:?} {words:?}\nends with {}\n--- out\n{}--- err\n{}",
            init.program.display(),
            check.variable,
            run.status,
            run.out,
            run.err
        );
        assert_eq!(run.status, expected.ends, "{what}");
        assert!(has_lines(&run.out, expected.out, false), "standard output of {what}");
        assert!(has_lines(&run.err, expected.err, init.ours), "standard error of {what}");
        let started = std::fs::remove_file(&trace).is_ok();
        assert_eq!(started, check.args.contains(&START) && run.status == 0, "{what}");
    }
}

/// A command line, and what must come of it by the name of a program and by that program itself.
pub struct Check {
    variable: (&'static str, &'static str),
    args: &'static [&'static str],
    both: Expected,
    /// What nsinit does otherwise, on purpose, and why; docs/init.md says it too.
    ours: Option<(Expected, &'static str)>,
}

/// A status, and lines, where "*" stands for anything in a line and `MORE` for any lines.
#[derive(Clone, Copy)]
pub struct Expected {
    pub ends: i32,
    pub out: &'static [&'static str],
    pub err: &'static [&'static str],
}

/// See `Named::one`.
pub const START: &str = "START";
/// Any lines.
pub const MORE: &str = "...";

/// These words end with this status, silently.
pub const fn check(args: &'static [&'static str], ends: i32) -> Check {
    let both = Expected { ends, out: &[], err: &[] };
    Check { variable: ("NONE", ""), args, both, ours: None }
}

impl Check {
    /// With this environment variable.
    pub const fn with(mut self, name: &'static str, value: &'static str) -> Check {
        self.variable = (name, value);
        self
    }

    /// With these lines on standard output.
    pub const fn out(mut self, lines: &'static [&'static str]) -> Check {
        self.both.out = lines;
        self
    }

    /// With these lines on standard error. nsinit may say more behind each, if only a little.
    pub const fn err(mut self, lines: &'static [&'static str]) -> Check {
        self.both.err = lines;
        self
    }

    /// nsinit does otherwise, on purpose.
    pub const fn but_ours(mut self, expected: Expected, why: &'static str) -> Check {
        self.ours = Some((expected, why));
        self
    }
}

/// Whether a text is these lines; `may_add`: one more line of nsinit's may follow each.
fn has_lines(text: &str, patterns: &[&str], may_add: bool) -> bool {
    fn rest(lines: &[&str], patterns: &[&str], may_add: bool) -> bool {
        match (lines, patterns) {
            ([], []) => true,
            (_, [MORE, after @ ..]) => (0..=lines.len()).any(|n| rest(&lines[n..], after, may_add)),
            ([line, lines @ ..], [pattern, after @ ..]) if like(line, pattern) => {
                rest(lines, after, may_add)
                    || may_add && !lines.is_empty() && rest(&lines[1..], after, may_add)
            }
            _ => false,
        }
    }
    rest(&text.lines().collect::<Vec<_>>(), patterns, may_add)
}

fn like(line: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => line == pattern,
        Some((before, after)) => line.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|n| rest.is_char_boundary(n) && like(&rest[n..], after))
        }),
    }
}

/// A command that says "ready", and a second process of its group: each says when USR1 comes. The
/// second ends within a second by itself.
pub const TWO: [&str; 3] = [
    "sh",
    "-c",
    "trap 'echo first; sleep 0.5; exit 5' USR1
     sh -c 'trap \"echo second; exit\" USR1; echo ready; for i in $(seq 50); do sleep 0.02; done' &
     wait",
];

/// Who of `TWO` has got USR1.
#[track_caller]
pub fn who_gets_usr1(running: Running) -> (bool, bool) {
    running.signal(libc::SIGUSR1);
    let run = running.end();
    run.ends(5);
    (run.out.contains("first"), run.out.contains("second"))
}

/// A command whose orphan says who its new parent is: "adopted" if that is the command's own parent.
/// The command ends later: the end of the pipe between them comes before the orphan's own end.
pub const ORPHAN: [&str; 3] = [
    "sh",
    "-c",
    "init=$PPID
     echo $( ( ( for i in $(seq 50); do
         read -r _ _ _ parent _ </proc/self/stat
         [ $parent = $init ] && break
         sleep 0.02
       done
       [ $parent = $init ] && echo adopted || echo lost ) & ) )
     sleep 0.3",
];

/// The state of a process: R, S, T, Z.
pub fn state(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('-')
}

/// The only child of a process.
#[track_caller]
pub fn child(pid: u32) -> u32 {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace().next().expect("no child").parse().unwrap()
}
