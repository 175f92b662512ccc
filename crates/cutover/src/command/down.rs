//! `down`

use super::{carry, confirm, daemon as controller_role, prepare::request, proxy as proxy_role};
use crate::{
    cli::grammar::{Down, control::Turn},
    controller::{Controller, signal, until_gone},
    halt::Halt,
    session::Session,
    target::{self, Target},
    ui::view::View,
    watch::{self, Watched},
};
use daemon::api::words::{EnvironmentReport, StatusReport};
use drivers::Local;
use engine::port::runtime::Life;
use model::{
    deployment::Change,
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
};
use rustix::process::Signal;
use std::{env, fs, time::Duration};
use store::{OpenError, Store};
use tokio::task::JoinSet;

/// Something is left.
const EXIT_LEFT: u8 = 5;
/// For a deployment that goes on to turn back.
const TURN_BACK_WAIT: Duration = Duration::from_secs(120);
/// For a process that was killed.
const KILLED_WAIT: Duration = Duration::from_secs(5);

/// Ends an environment, or everything of ours under the state directory.
///
/// # Errors
///
/// Where it was not confirmed, or something does not end.
pub async fn run(session: &Session, args: &Down) -> Result<u8, Halt> {
    if !args.words.is_empty() {
        return one(session, args).await;
    }
    if !session.root.exists() {
        session.ui.done(&format!("nothing runs: there is no {}", session.root.display()));
        return Ok(0);
    }
    let controller = Controller::new(&session.root);
    confirmed(session, args, &format!("Everything under {} ends.", session.root.display()))?;
    // A state that cannot be read keeps nobody from ending what runs.
    let report = controller.status().await.ok();
    if !args.until_start
        && controller.info().await.is_ok()
        && let Some(report) = &report
    {
        stop_environments(session, &controller, report).await;
    }
    // Before the proxy: it would start it again.
    let place = take_the_place(session, &controller).await?;
    let what = "the proxy to finish what is in flight";
    session.ui.waiting(what, proxy_role::end(&session.root)).await?;
    let epoch = place.as_ref().map_or_else(|| highest_seen(session), |it| it.epoch().0);
    let left = session.ui.waiting("processes to end", end_instances(session, epoch)).await?;
    drop(place);
    if left.is_empty() {
        session.ui.done("down: no process of ours is left");
        return Ok(0);
    }
    for (instance, why) in &left {
        session.ui.out.error(&format!("left: {instance}: {why}"));
    }
    Ok(EXIT_LEFT)
}

async fn one(session: &Session, args: &Down) -> Result<u8, Halt> {
    let target = target::known(session).await?.find(&args.words)?;
    confirmed(session, args, &format!("{} ends; clients get 503.", target.id))?;
    let controller = carry::reached(session).await?;
    let request = request(session, &target, Change::Stop, None);
    carry::out(session, controller, &target, &request, None, &Turn::default(), false).await
}

fn confirmed(session: &Session, args: &Down, what: &str) -> Result<(), Halt> {
    if args.yes {
        return Ok(());
    }
    if !session.ui.can_ask() {
        return Err(confirm::refused("down"));
    }
    confirm::typed("down", what)
}

/// Stops what serves as a plan, so that requests are drained and it stays stopped.  What cannot be
/// stopped so is ended with the rest.
async fn stop_environments(session: &Session, controller: &Controller, report: &StatusReport) {
    for environment in &report.environments {
        if environment.serving.is_empty() && environment.active.is_none() {
            continue;
        }
        if let Err(halt) = stop(session, controller, environment).await {
            let why = match halt {
                Halt::Failed(report, _) => report.failure.message.clone(),
                Halt::Problems(_) => "its configuration has problems".to_owned(),
            };
            session.ui.note(&format!("{}: ended without a plan: failed to {why}", environment.id));
        }
    }
}

async fn stop(
    session: &Session,
    controller: &Controller,
    environment: &EnvironmentReport,
) -> Result<(), Halt> {
    if let Some(active) = &environment.active {
        // Where it is committed it cannot be aborted, and ends by itself.
        let _ = controller.abort(&active.id, &session.by).await;
        let view = View::new(&session.ui, "the deployment that goes on");
        let watched = watch::watch(session, controller.clone(), &active.id, view);
        let late = |_| Failure::new(Blame::Platform, "turn the deployment back in time");
        tokio::time::timeout(TURN_BACK_WAIT, watched).await.map_err(late)??;
    }
    let target = Target { id: environment.id.clone(), typed: environment.id.to_string() };
    let request = request(session, &target, Change::Stop, Some("down".to_owned()));
    controller.create(&request).await?;
    let view = View::new(&session.ui, "the controller");
    match watch::watch(session, controller.clone(), &request.deployment, view).await? {
        Watched::Ended(story) => {
            let failure = story.ending.as_ref().and_then(|it| it.failure.clone());
            failure.map_or(Ok(()), |it| Err(it.into()))
        }
        Watched::Detached => Ok(()),
    }
}

/// Ends the controller and takes its place, so that none starts meanwhile.  None: the journal
/// cannot be opened, which keeps nobody from ending what runs.
async fn take_the_place(session: &Session, controller: &Controller) -> Result<Option<Store>, Halt> {
    let ending = controller_role::end(controller);
    let ended = session.ui.waiting("the controller to end", ending).await;
    if !session.layout().database().exists() {
        return ended.map(|_| None);
    }
    let opened = match store::open(&session.root) {
        // One that hangs may be killed at any instruction: that is what the journal is for.
        Err(OpenError::Locked { pid, .. }) => {
            session.ui.note(&format!("the controller does not end: killing pid {pid}"));
            signal(pid, Signal::KILL);
            until_gone(pid, KILLED_WAIT).await;
            store::open(&session.root)
        }
        opened => opened,
    };
    match opened {
        Ok(store) => Ok(Some(store)),
        Err(OpenError::Locked { pid, .. }) => {
            let message = format!("end the controller: pid {pid} goes on");
            Err(Halt::of(EXIT_LEFT, Failure::new(Blame::Platform, message)))
        }
        Err(error) => {
            session.ui.note(&error.to_string());
            Ok(None)
        }
    }
}

/// Orders below the highest epoch that an instance has seen are refused, so that ours must not be.
fn highest_seen(session: &Session) -> u64 {
    let layout = session.layout();
    let places = [layout.instances(), layout.one_off().instances()];
    let directories = places.iter().flat_map(fs::read_dir);
    let seen = directories.flatten().filter_map(|it| {
        let text = fs::read_to_string(it.ok()?.path().join("epoch")).ok()?;
        text.trim().parse::<u64>().ok()
    });
    seen.max().unwrap_or(0)
}

/// Ends every instance and one-off process; tells which are left, and why.
async fn end_instances(session: &Session, epoch: u64) -> Result<Vec<(InstanceId, String)>, Halt> {
    let program = env::current_exe()
        .map_err(|it| Failure::new(Blame::Platform, format!("find this program: {it}")))?;
    let local: Local = drivers::local(session.root.clone(), program);
    let mut ending = JoinSet::new();
    for (instance, _) in local.runtime.list().await? {
        let runtime = local.runtime.clone();
        ending.spawn(async move {
            let ended = runtime.stop(&instance, Epoch(epoch)).await;
            (instance, ended.err().map(|it| it.message))
        });
    }
    for seen in local.one_offs.list().await? {
        let one_offs = local.one_offs.clone();
        ending.spawn(async move {
            let id = seen.one_off.id;
            let ended = one_offs.stop(&id, Epoch(epoch)).await;
            (id, ended.err().map(|it| it.message))
        });
    }
    let mut left = vec![];
    while let Some(ended) = ending.join_next().await {
        if let Ok((instance, Some(why))) = ended {
            left.push((instance, format!("failed to {why}")));
        }
    }
    for (instance, life) in local.runtime.list().await? {
        if matches!(life, Life::Running(_)) && !left.iter().any(|it| it.0 == instance) {
            left.push((instance, "it runs again".to_owned()));
        }
    }
    local.pm2.end_own_daemon();
    left.sort();
    Ok(left)
}
