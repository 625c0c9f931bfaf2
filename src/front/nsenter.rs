//! `nsinit nsenter`: enters the namespaces of any process, with a configuration given as text. It is
//! what the nsinit of 2014 called itself with to join a container (libcontainer nsinit/nsenter.go).

use rustix::process::Pid;

use super::exec::{log_to, stdio, take_over, wants_terminal};
use super::options::{Options, of};
use super::{Context, Verb, Words, blank, load, usage};
use crate::error::Result;
use crate::launch::{self, Launch, Running, seal};
use crate::proc::lines::decimal;

/// See the help.
pub const VERB: Verb = Verb {
    name: "nsenter",
    words: Words::Any,
    text: "--nspid PID --containerjson JSON [--] COMMAND [ARGUMENT…]\n\
                   run a command in the namespaces of a process\n\
                   Enters every namespace in which process PID differs from this one and runs COMMAND\n\
                   there, with the rights, user and environment that the configuration JSON says. Control\n\
                   groups stay as they are.",
    options: of("nspid containerjson tty no-tty strict"),
    run,
};

fn run(context: Context, options: &Options) -> Result<u8> {
    let seal = seal::seal(context.args, &context.env, context.executed)?;
    let original = take_over()?;
    log_to(&context)?;
    let Context { env, arena, plan, .. } = context;
    let plan = blank(plan);
    let pid = options.nspid.ok_or_else(|| usage("nsenter", "missing --nspid PID"))?;
    let pid = decimal(pid.to_bytes())
        .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .ok_or_else(|| usage("--nspid", "expected the number of a process"))?;
    let json =
        options.containerjson.ok_or_else(|| usage("nsenter", "missing --containerjson JSON"))?;
    load::plan_of_text(plan, json, options, arena)?;
    plan.process.tty = wants_terminal(plan, options);
    load::has_command(plan)?;
    let running = Running::by_pid(pid)?;
    let (wait, systemd) = (false, false);
    let (stdio, env, finding, warning) = (stdio(), Some(env), None, None);
    let ready = None;
    let (kept, follows) = (None, false);
    let mut launch = Launch {
        plan,
        arena,
        stdio,
        original,
        env,
        seal,
        wait,
        systemd,
        kept,
        named: None,
        finding,
        warning,
        follows,
        ready,
        relay: None,
    };
    let status = launch::join(&mut launch, &running)?;
    status.ok_or_else(|| usage("the process", "it ended before it could be joined"))
}
