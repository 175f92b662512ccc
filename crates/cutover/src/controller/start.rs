//! Starts the controller.

use super::{CallError, Controller, detach::detached};
use crate::{cli::EXIT_ATTENTION, command::doctor, halt::Halt, session::Session};
use drivers::{
    layout::Layout,
    units::{self, Part},
};
use model::failure::{Blame, Failure};
use std::{
    env,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// For a controller that was started to answer.
const START_WAIT: Duration = Duration::from_secs(10);
/// Then it is said that it is waited for.
const NOTE_AFTER: Duration = Duration::from_secs(1);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// Of its log, to explain why it does not run.
const LOG_BYTES_SHOWN: u64 = 4096;
/// As [`LOG_BYTES_SHOWN`].
const LOG_LINES_SHOWN: usize = 10;

/// Makes sure that the controller answers; starts it where nobody does.
///
/// # Errors
///
/// Where it cannot be started, or does not answer in time.
pub async fn start(session: &Session, take_over: bool) -> Result<Controller, Halt> {
    let program = env::current_exe()
        .map_err(|it| Failure::new(Blame::Platform, format!("find this program: {it}")))?;
    start_of(session, take_over, &program).await
}

/// The same, of another program.
///
/// # Errors
///
/// As [`start`].
pub async fn start_of(
    session: &Session,
    take_over: bool,
    program: &Path,
) -> Result<Controller, Halt> {
    let controller = Controller::new(&session.root);
    if !take_over {
        match controller.info().await {
            Ok(_) => return Ok(controller),
            // One that hangs, or was stopped, has the lock: a second refuses, and names it.
            Err(CallError::Nobody(_) | CallError::Lost(_)) => (),
            Err(error) => return Err(error.into()),
        }
    }
    // One that would only refuse is not started: what to do is said here.
    if let Some(failure) = doctor::trouble(session) {
        return Err(Halt::of(EXIT_ATTENTION, failure));
    }
    let before = if take_over { controller.info().await.ok().map(|it| it.pid) } else { None };
    let layout = session.layout();
    let mut child = match units::unit_of(&layout, Part::Controller) {
        Some(unit) => {
            by_unit(session, unit, take_over).await.map_err(Halt::unreachable)?;
            None
        }
        None => Some(spawn(program, &session.root, &layout, take_over).map_err(|it| {
            let message = format!("start the controller: {it}");
            Halt::unreachable(Failure::new(Blame::Platform, message))
        })?),
    };
    let began = Instant::now();
    let mut noted = false;
    loop {
        match controller.info().await {
            Ok(info) if before.is_none_or(|it| it != info.pid) => return Ok(controller),
            Err(error @ CallError::Forbidden(_)) => return Err(error.into()),
            _ => (),
        }
        let ended = child.as_mut().and_then(|it| it.try_wait().ok().flatten());
        // Another command line may have started one at the same time: then that one answers.
        if let Some(status) = ended
            && controller.info().await.is_err()
            && began.elapsed() > NOTE_AFTER
        {
            return Err(not_started(&layout, &format!("it ended with {status}")));
        }
        if began.elapsed() > START_WAIT {
            let why = format!("it has not answered within {} s", START_WAIT.as_secs());
            return Err(not_started(&layout, &why));
        }
        if !noted && began.elapsed() > NOTE_AFTER {
            noted = true;
            session.ui.note("waiting for the controller to start");
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// One beside its unit would keep the unit from ever starting.
async fn by_unit(session: &Session, unit: String, take_over: bool) -> Result<(), Failure> {
    session.ui.note(&format!("{unit} runs the controller: it is started"));
    let act = if take_over { units::restart } else { units::start };
    let panicked = |_| Failure::new(Blame::Us, "ask systemd: the thread ended");
    tokio::task::spawn_blocking(move || act(&unit)).await.map_err(panicked)?
}

fn spawn(program: &Path, root: &Path, layout: &Layout, take_over: bool) -> io::Result<Child> {
    DirBuilder::new().recursive(true).mode(0o711).create(root)?;
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(layout.daemon_log())?;
    let mut command = Command::new(program);
    command.arg("daemon").arg("--root").arg(root);
    if take_over {
        command.arg("--take-over");
    }
    // Nothing of the terminal's environment may reach what it runs.
    command.env_clear().current_dir("/");
    for name in ["PATH", "HOME", "LANG"] {
        command.envs(env::var_os(name).map(|value| (name, value)));
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    detached(&mut command).spawn()
}

fn not_started(layout: &Layout, why: &str) -> Halt {
    let path = layout.daemon_log();
    let mut failure = Failure::new(Blame::Platform, format!("start the controller: {why}"))
        .hint(format!("see {}", path.display()));
    let lines = last_lines(&path).unwrap_or_default();
    if !lines.is_empty() {
        failure = failure.evidence(lines);
    }
    Halt::unreachable(failure)
}

fn last_lines(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES_SHOWN)))?;
    let mut bytes = vec![];
    file.take(LOG_BYTES_SHOWN).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n"))
}
