//! Watches a deployment to its end.  It lives in the controller: this side may come and go.

use crate::{
    cli::EXIT_DETACHED,
    controller::{self, CallError, Controller},
    halt::Halt,
    interrupt::{self, Choice, Interrupts, Then},
    session::Session,
    story::Story,
    ui::view::View,
};
use model::{
    deployment::Progress,
    failure::{Blame, Failure},
    id::DeploymentId,
};
use std::time::{Duration, Instant};
use tokio::{sync::mpsc, time::MissedTickBehavior};

/// How often it is looked whether something is to be said.
const TICK: Duration = Duration::from_millis(200);
/// For a controller that went away to be there again.
const RETURN_WAIT: Duration = Duration::from_secs(60);
/// Somebody else may be starting it; then it is started from here.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// From one look for it to the next.
const RETURN_PAUSE: Duration = Duration::from_millis(200);

/// How the watching ended.
pub enum Watched {
    /// With the deployment.
    Ended(Box<Story>),
    /// The user left.
    Detached,
}

/// Watches until the deployment ended, or the user leaves.
///
/// # Errors
///
/// Where the controller went away and did not come back.
pub async fn watch(
    session: &Session,
    mut controller: Controller,
    deployment: &DeploymentId,
    view: View<'_>,
) -> Result<Watched, Halt> {
    let interrupts = Interrupts::listen()
        .map_err(|it| Halt::from(Failure::new(Blame::Platform, format!("watch: {it}"))))?;
    let mut watcher = Watcher { session, deployment, view, interrupts, typed: None, asking: false };
    let mut lost_since: Option<Instant> = None;
    loop {
        match watcher.follow(&controller).await {
            Ok(End::Detached) => return Ok(Watched::Detached),
            Ok(End::Story) if watcher.view.story.ending.is_some() => {
                return Ok(Watched::Ended(Box::new(watcher.view.finish())));
            }
            Ok(End::Story) => (),
            Err(error) if error.is_lost() => (),
            Err(error) => return Err(error.into()),
        }
        // Some news may have come before the connection ended: then the patience is new.
        let since = *lost_since.get_or_insert_with(Instant::now);
        if since.elapsed() > RETURN_WAIT {
            return Err(gone(deployment));
        }
        watcher.view.doing("the controller, which went away");
        watcher.view.tick();
        tokio::time::sleep(RETURN_PAUSE).await;
        if since.elapsed() > RESTART_AFTER
            && let Ok(started) = controller::start(session, false).await
        {
            controller = started;
        }
        if controller.info().await.is_ok() {
            lost_since = None;
        }
    }
}

fn gone(deployment: &DeploymentId) -> Halt {
    let message = format!(
        "watch deployment {deployment}: the controller has not come back within {} s",
        RETURN_WAIT.as_secs()
    );
    Halt::unreachable(
        Failure::new(Blame::Platform, message)
            .hint("the traffic goes on without it")
            .hint("`cutover daemon start` starts it: it then goes on, or turns back")
            .hint(format!("`cutover attach {deployment}` watches again")),
    )
}

/// Why the news ended.
enum End {
    /// They were all told.
    Story,
    /// The user left.
    Detached,
}

struct Watcher<'s> {
    session: &'s Session,
    deployment: &'s DeploymentId,
    view: View<'s>,
    interrupts: Interrupts,
    typed: Option<mpsc::Receiver<String>>,
    asking: bool,
}

impl Watcher<'_> {
    async fn follow(&mut self, controller: &Controller) -> Result<End, CallError> {
        let mut lines = controller.events(self.deployment, self.view.story.sequence).await?;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                line = lines.next() => match line? {
                    Some(line) => self.tell(&line)?,
                    None => return Ok(End::Story),
                },
                _ = ticks.tick() => if !self.asking { self.view.tick() },
                keyboard = self.interrupts.next() => {
                    if self.interrupted(keyboard) == Then::Detach {
                        return Ok(End::Detached);
                    }
                }
                answer = answer(&mut self.typed), if self.asking => {
                    if self.answered(answer.as_deref(), controller).await == Choice::Detach {
                        return Ok(End::Detached);
                    }
                }
            }
        }
    }

    fn tell(&mut self, line: &[u8]) -> Result<(), CallError> {
        let progress: Progress = serde_json::from_slice(line)
            .map_err(|it| CallError::Stranger(format!("its news are not understood: {it}")))?;
        self.view.tell(&progress);
        Ok(())
    }

    fn interrupted(&mut self, keyboard: bool) -> Then {
        let can_ask = keyboard && self.session.ui.can_ask();
        let then = interrupt::decide(can_ask, self.asking);
        if then == Then::Ask {
            self.asking = true;
            self.view.hide();
            self.session.ui.out.error(interrupt::QUESTION);
            self.typed.get_or_insert_with(interrupt::typed_lines);
        }
        then
    }

    async fn answered(&mut self, text: Option<&str>, controller: &Controller) -> Choice {
        // At the end of stdin nobody can answer any more.
        let choice = text.map_or(Some(Choice::Detach), interrupt::understood);
        let Some(choice) = choice else {
            self.session.ui.out.error("Please type d, a or k.");
            return Choice::KeepWatching;
        };
        self.asking = false;
        self.view.show();
        if choice == Choice::Abort {
            match controller.abort(self.deployment, &self.session.by).await {
                Ok(_) => self.view.note("asked to turn back"),
                Err(error) => {
                    let text = match Halt::from(error) {
                        Halt::Failed(report, _) => format!("failed to {}", report.failure.message),
                        Halt::Problems(_) => "it could not be asked to turn back".to_owned(),
                    };
                    self.view.note(&text);
                }
            }
        }
        choice
    }
}

async fn answer(typed: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match typed {
        Some(typed) => typed.recv().await,
        None => std::future::pending().await,
    }
}

/// Says that the deployment goes on, and how to come back to it; gives the exit code.
pub fn say_detached(session: &Session, deployment: &DeploymentId) -> u8 {
    session.ui.detached(deployment, EXIT_DETACHED);
    EXIT_DETACHED
}
