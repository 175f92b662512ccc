//! Asks for a deployment, watches it, and says how it ended.

use super::{admission, turn};
use crate::{
    cli::grammar::control::Turn,
    controller::{CallError, Controller},
    halt::Halt,
    session::Session,
    source::{Content, Progress, send},
    story::{Ending, Story},
    target::Target,
    ui::{
        Manner,
        failure::{Block, NO_PROXY},
        verdict,
        view::View,
    },
    watch::{self, Watched},
};
use drivers::releases::Received;
use model::{deployment::Request, id::DeploymentId, name::EnvironmentId};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    time::Duration,
};

/// How often what is waited for is told.
const TICK: Duration = Duration::from_millis(250);
/// For the proxy to say that it is there.
const PROXY_ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Askings for one deployment, where controllers go away.
const ASKINGS_MAX: u32 = 10;
/// For a controller that goes away to be gone.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// Deployments' logs that may begin in the same second, and are looked through.
const LOGS_MAX: usize = 100;

/// Sends the content, asks, watches.
///
/// # Errors
///
/// Where it was not begun.
pub async fn out(
    session: &Session,
    controller: Controller,
    target: &Target,
    request: &Request,
    content: Option<&Content>,
    turn: &Turn,
    detach: bool,
) -> Result<u8, Halt> {
    let mut view = View::new(&session.ui, "the controller to take it");
    if let Some(content) = content {
        let waits = turn.wait.is_some() || turn.supersede;
        let asking = admission::asked(session, &controller, request, content, waits);
        let sent = match ticking(&mut view, |_| (), asking).await {
            Ok(()) => upload(session, &controller, request, content, &mut view).await,
            Err(halt) => Err(halt),
        };
        if let Err(halt) = sent {
            drop(view);
            return Err(serving(&controller, &target.id, halt).await);
        }
    }
    view.doing("the controller to take it");
    let taken = if turn.wait.is_some() || turn.supersede {
        turn::awaited(session, &controller, request, content, turn, &mut view).await
    } else {
        asked(session, &controller, request, &mut view).await
    };
    if let Err(halt) = taken {
        drop(view);
        return Err(serving(&controller, &target.id, halt).await);
    }
    if detach {
        drop(view);
        session.ui.detached(&request.deployment, 0);
        return Ok(0);
    }
    watched(session, controller, &request.deployment, &target.typed, view).await
}

/// Asks until a controller has taken it or refused it.  One that went away may have taken it: the
/// deployment's id tells, and asking again is harmless.
async fn asked(
    session: &Session,
    controller: &Controller,
    request: &Request,
    view: &mut View<'_>,
) -> Result<(), Halt> {
    let mut controller = controller.clone();
    for _ in 1..ASKINGS_MAX {
        match ticking(view, |_| (), controller.create(request)).await {
            // A connection to one that is just dying is lost as well, so this may come again.
            Err(error) if error.is_lost() => {
                view.note("the controller went away, asking it again");
                tokio::time::sleep(ASK_AGAIN).await;
                controller = crate::controller::start(session, false).await?;
            }
            taken => return taken.map(drop).map_err(Halt::from),
        }
    }
    Ok(ticking(view, |_| (), controller.create(request)).await.map(drop)?)
}

/// Watches, and says how it ended.
///
/// # Errors
///
/// Where the controller went away for good.
pub async fn watched(
    session: &Session,
    controller: Controller,
    deployment: &DeploymentId,
    typed: &str,
    view: View<'_>,
) -> Result<u8, Halt> {
    match watch::watch(session, controller, deployment, view).await? {
        Watched::Detached => Ok(watch::say_detached(session, deployment)),
        Watched::Ended(story) => Ok(conclude(session, &story, typed)),
    }
}

/// Says how it ended; gives the exit code.
pub fn conclude(session: &Session, story: &Story, typed: &str) -> u8 {
    let Some(ending) = &story.ending else { return 0 };
    let ui = &session.ui;
    let code = story.exit_code();
    match (code, ui.is_json()) {
        // The last line of news carries it all.
        (_, true) => (),
        (0, false) => {
            let line = verdict::line(story, ending, typed, &ui.clock);
            ui.line(&format!("{} {}", ui.paint.good("✓"), ui.paint.bold(&line)));
            leftovers(session, story, ending);
        }
        (_, false) => {
            let log = log_of(session, story);
            let mut block = Block::of_story(story, ending, typed, log.as_deref());
            if ending.serving.is_none() && is_refused(session, story) {
                block = block.without_proxy();
            }
            ui.out.error(&block.text(&ui.paint, ui.manner == Manner::Quiet));
        }
    }
    code
}

/// Whether routes lead somewhere, and no proxy answers.
fn is_refused(session: &Session, story: &Story) -> bool {
    use proxy::{client, control::Ask};
    let Some(environment) = &story.environment else { return false };
    session.layout().live_routes(environment).exists()
        && client::ask(&session.root, &Ask::Status, PROXY_ANSWER_TIMEOUT).is_err()
}

fn leftovers(session: &Session, story: &Story, ending: &Ending) {
    let Some(failure) = &ending.failure else { return };
    if session.ui.manner == Manner::Quiet {
        return;
    }
    let message = ::daemon::logs::plain(&failure.message);
    let text = format!("warning: left over, since we failed to {message}");
    session.ui.out.error(&session.ui.paint.warning(&text));
    if let Some(id) = &story.deployment {
        session.ui.out.error(&format!("  cutover show {id}    every step"));
    }
}

/// Sends the content, and tells how far it is; gives what was received.
///
/// # Errors
///
/// Where it cannot be read, or is refused.
pub async fn upload(
    session: &Session,
    controller: &Controller,
    request: &Request,
    content: &Content,
    view: &mut View<'_>,
) -> Result<Option<Received>, Halt> {
    if content.is_there() {
        return Ok(None);
    }
    view.doing("upload");
    let progress = Progress::default();
    let (environment, id) = (&request.environment, &request.deployment);
    let sending = send(controller, environment, id, content, &session.root, &progress);
    let tell = |view: &mut View<'_>| view.sent(progress.sent(), progress.total());
    let received = ticking(view, tell, sending).await?;
    let files = received.as_ref().map(|it| format!(" ({} files)", it.artifact.files));
    view.sent_all(progress.sent(), progress.total(), &files.unwrap_or_default());
    for note in received.iter().flat_map(|it| &it.notes) {
        view.note(note);
    }
    Ok(received)
}

/// Waits for something, and tells meanwhile that it does.
pub async fn ticking<T>(
    view: &mut View<'_>,
    tell: impl Fn(&mut View<'_>),
    future: impl Future<Output = T>,
) -> T {
    let mut future = std::pin::pin!(future);
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            done = &mut future => return done,
            _ = ticks.tick() => {
                tell(view);
                view.tick();
            }
        }
    }
}

/// The same halt, with what serves meanwhile.
pub async fn serving(controller: &Controller, id: &EnvironmentId, halt: Halt) -> Halt {
    let Halt::Failed(report, None) = halt else { return halt };
    let Ok(status) = controller.status().await else { return Halt::Failed(report, None) };
    let environment = status.environments.iter().find(|it| it.id == *id);
    let versions: Vec<&str> =
        environment.iter().flat_map(|it| &it.serving).map(|it| it.version.as_str()).collect();
    let text = match versions.is_empty() {
        true => "nothing".to_owned(),
        false if status.proxy.is_none() => NO_PROXY.to_owned(),
        false => versions.join(", "),
    };
    Halt::Failed(report, Some(text))
}

/// The deployment's log: of those that begin in its second, the one that names it.
fn log_of(session: &Session, story: &Story) -> Option<PathBuf> {
    let (environment, id) = (story.environment.as_ref()?, story.deployment.as_ref()?);
    let directory = session.layout().deployment_logs(environment);
    let names_it = |path: &PathBuf| {
        let mut line = String::new();
        let read = fs::File::open(path).and_then(|it| BufReader::new(it).read_line(&mut line));
        read.is_ok() && line.contains(&id.0)
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .ok()?
        .filter_map(|it| Some(it.ok()?.path()))
        .filter(|it| it.extension().is_some_and(|it| it == "log"))
        .collect();
    paths.sort();
    paths.into_iter().rev().take(LOGS_MAX).find(names_it)
}

/// A controller that answers, started where none does, and told so.
///
/// # Errors
///
/// Where it cannot be.
pub async fn reached(session: &Session) -> Result<Controller, Halt> {
    let starting = crate::controller::start(session, false);
    session.ui.waiting("the controller to start", starting).await
}

/// An answer, or none where the controller only cannot be reached.
///
/// # Errors
///
/// Where it refuses.
pub fn unless_absent<T>(answer: Result<T, CallError>) -> Result<Option<T>, Halt> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(CallError::Nobody(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
