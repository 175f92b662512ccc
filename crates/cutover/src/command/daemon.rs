//! `daemon start|run|stop|status`

use super::upgrade::Upgrade;
use crate::{
    cli::{EXIT_UNREACHABLE, grammar::DaemonAct},
    controller::{self, CallError, Controller},
    halt::Halt,
    role,
    session::Session,
    ui::figure::{ago, now_ms},
};
use daemon::api::words::Info;
use model::failure::{Blame, Failure};
use std::{ffi::OsString, process::ExitCode, time::Duration};

/// For the controller to end.
const END_WAIT: Duration = Duration::from_secs(10);

/// Does it.
///
/// # Errors
///
/// Where it was not done.
pub async fn run(session: &Session, act: &DaemonAct) -> Result<u8, Halt> {
    let controller = Controller::new(&session.root);
    match act {
        DaemonAct::Start { take_over } => start(session, *take_over).await,
        DaemonAct::Run { take_over } => be(session, *take_over).await,
        DaemonAct::Upgrade => {
            let replaced = Upgrade::by_this_program(session, 0)?.controller().await?;
            session.ui.done(&replaced.text("the controller"));
            Ok(0)
        }
        DaemonAct::Stop => match end(&controller).await? {
            Some(info) => {
                session.ui.done(&format!("the controller (pid {}) has ended", info.pid));
                Ok(0)
            }
            None => {
                session.ui.done("the controller does not run");
                Ok(0)
            }
        },
        DaemonAct::Status => status(session, &controller).await,
    }
}

async fn start(session: &Session, take_over: bool) -> Result<u8, Halt> {
    let before = Controller::new(&session.root).info().await.ok();
    let controller = controller::start(session, take_over).await?;
    let info = controller.info().await?;
    let same = before.is_some_and(|it| it.pid == info.pid && it.epoch == info.epoch);
    if session.ui.is_json() {
        session.ui.object(&info);
    } else {
        let verb = if same { "runs already" } else { "runs" };
        session.ui.line(&format!("the controller {verb} (pid {})", info.pid));
    }
    Ok(0)
}

/// The role has a runtime of its own, so it needs a thread that is in none.
async fn be(session: &Session, take_over: bool) -> Result<u8, Halt> {
    let mut args: Vec<OsString> = vec!["--root".into(), session.root.clone().into()];
    if take_over {
        args.push("--take-over".into());
    }
    let ran = tokio::task::spawn_blocking(move || role::daemon(&args) == ExitCode::SUCCESS).await;
    Ok(if ran.unwrap_or(false) { 0 } else { EXIT_UNREACHABLE })
}

/// Ends the controller; tells which, if one ran.
///
/// # Errors
///
/// Where it does not end.
pub async fn end(controller: &Controller) -> Result<Option<Info>, Halt> {
    let info = match controller.info().await {
        Ok(info) => info,
        Err(CallError::Nobody(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    controller.stop().await?;
    if controller::until_gone(info.pid, END_WAIT).await {
        return Ok(Some(info));
    }
    let (pid, seconds) = (info.pid, END_WAIT.as_secs());
    Err(Halt::unreachable(
        Failure::new(
            Blame::Platform,
            format!("end the controller: pid {pid} has not ended within {seconds} s"),
        )
        .hint("`cutover daemon start --take-over` replaces it"),
    ))
}

async fn status(session: &Session, controller: &Controller) -> Result<u8, Halt> {
    match controller.info().await {
        Ok(info) => {
            if session.ui.is_json() {
                session.ui.object(&info);
            } else {
                let Info { version, pid, started_at_ms, recovering, .. } = info;
                let since = ago(started_at_ms, now_ms());
                let more = if recovering { ", still recovering" } else { "" };
                session.ui.line(&format!(
                    "the controller {version} runs (pid {pid}, started {since}{more})"
                ));
            }
            Ok(0)
        }
        Err(CallError::Nobody(_)) => {
            if session.ui.is_json() {
                session.ui.line("null");
            } else {
                session.ui.line("the controller does not run; verbs that need it start it");
            }
            Ok(EXIT_UNREACHABLE)
        }
        Err(error) => Err(error.into()),
    }
}
