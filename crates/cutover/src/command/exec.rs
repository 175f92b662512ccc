//! `exec`

use crate::{
    cli::grammar::exec::Exec, controller::Controller, halt::Halt, interrupt::Interrupts,
    session::Session, target, terminal::Terminal,
};
use daemon::api::words::{EnvironmentReport, InstanceReport};
use model::failure::{Blame, Failure};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env,
    io::{self, IsTerminal},
    os::unix::process::ExitStatusExt,
    process::{Child, ExitStatus},
    time::Duration,
};
use supervise::exec::beside;

/// It could not be executed.
const EXIT_NOT_EXECUTED: u8 = 127;
/// Added to the number of the signal that ended it, as shells do.
const EXIT_SIGNAL: i32 = 128;
/// For a command that was asked to end; then it is killed.
const END_WAIT: Duration = Duration::from_secs(5);
/// What a terminal is taken for that does not say what it is.
const TERMINAL_DEFAULT: &str = "xterm";

/// Runs a command beside a running instance.  Starts no controller.
///
/// # Errors
///
/// Where no such instance runs, or the words name no environment.
pub async fn run(session: &Session, args: Exec) -> Result<u8, Halt> {
    let known = target::known(session).await?;
    let (target, rest) = known.find_first(&args.words)?;
    let wanted = match rest {
        [] => None,
        [wanted] => Some(wanted.as_str()),
        [_, more, ..] => {
            return Err(Halt::usage(format!("understand `{more}`: one instance only"))
                .hint("the command follows `--`: `cutover exec production web.2 -- ls -l`"));
        }
    };
    let status = Controller::new(&session.root).status().await?;
    let environment = status.environments.iter().find(|it| it.id == target.id);
    let instance = chosen(environment, wanted)?;
    let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let kind = env::var("TERM").unwrap_or_else(|_| TERMINAL_DEFAULT.to_owned());
    let kind = on_terminal.then_some(kind.as_str());
    // Signals first: one that came between would end us and leave the terminal as it is.
    let failed = |it| Failure::new(Blame::Platform, format!("listen to signals: {it}"));
    let interrupts = Interrupts::listen().map_err(failed)?;
    let started = beside(&session.root, &instance.id, &args.command, kind);
    let mut started = started.map_err(|it| refused(&instance.id, &args.command[0], &it))?;
    let terminal = started.terminal.take().map(Terminal::enter).transpose();
    let terminal =
        terminal.map_err(|it| Failure::new(Blame::Platform, format!("use the terminal: {it}")))?;
    let ended = until_ended(started.child, interrupts, terminal.as_ref()).await;
    if let Some(terminal) = terminal {
        terminal.leave().await;
    }
    let ended = ended.map_err(|it| Failure::new(Blame::Platform, format!("wait for it: {it}")))?;
    let code = ended.code().or(ended.signal().map(|it| it.saturating_add(EXIT_SIGNAL)));
    Ok(code.and_then(|it| u8::try_from(it).ok()).unwrap_or(u8::MAX))
}

/// Ctrl-C reaches the command by the terminal that it shares with us, or has of its own; what ends
/// us ends it.
async fn until_ended(
    mut child: Child,
    mut interrupts: Interrupts,
    terminal: Option<&Terminal>,
) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut waiting = tokio::task::spawn_blocking(move || child.wait());
    let signalled = |signal| {
        // It may have ended already.
        let _ = pid.map(|it| kill_process(it, signal));
    };
    loop {
        tokio::select! {
            ended = &mut waiting => return ended.map_err(io::Error::other)?,
            () = resized(terminal) => {}
            keyboard = interrupts.next() => if !keyboard {
                signalled(Signal::TERM);
                let ended = tokio::time::timeout(END_WAIT, &mut waiting).await;
                if let Ok(ended) = ended {
                    return ended.map_err(io::Error::other)?;
                }
                signalled(Signal::KILL);
            }
        }
    }
}

async fn resized(terminal: Option<&Terminal>) {
    match terminal {
        Some(terminal) => terminal.resized().await,
        None => std::future::pending().await,
    }
}

fn refused(instance: &str, program: &str, error: &io::Error) -> Halt {
    let message = format!("run `{}` beside {instance}: {error}", program.escape_debug());
    let failure = Failure::new(Blame::Request, message);
    match error.kind() {
        io::ErrorKind::PermissionDenied => Halt::of(
            EXIT_NOT_EXECUTED,
            failure.hint("run as the user of the controller, or as root"),
        ),
        _ => Halt::of(EXIT_NOT_EXECUTED, failure),
    }
}

/// `SERVICE`, `SERVICE.NUMBER`, or none: one that serves before any other.
fn chosen<'r>(
    environment: Option<&'r EnvironmentReport>,
    wanted: Option<&str>,
) -> Result<&'r InstanceReport, Halt> {
    let all = environment.map(|it| it.instances.as_slice()).unwrap_or_default();
    let fits = |it: &&InstanceReport| match wanted {
        None => true,
        Some(wanted) => it.service == wanted || crate::story::short(&it.id) == wanted,
    };
    let mut running: Vec<_> = all.iter().filter(|it| it.pid.is_some()).filter(fits).collect();
    running.sort_by_key(|it| (it.role != "serving", it.service.clone(), it.id.clone()));
    running.first().copied().ok_or_else(|| {
        let what = wanted.unwrap_or("an instance").escape_debug().to_string();
        let names: Vec<String> = all.iter().map(|it| crate::story::short(&it.id)).collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        Halt::usage(format!("find {what}: no such instance runs"))
            .hint(format!("there is: {names}"))
            .hint("`cutover run` needs no running instance")
    })
}
