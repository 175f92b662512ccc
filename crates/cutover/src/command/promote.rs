//! `promote`

use super::{
    attach, carry, confirm, deploy,
    prepare::{Prepared, prepare},
    which::meant,
};
use crate::{
    cli::grammar::{Wanted, Which, control::Promote},
    configuration,
    controller::Controller,
    halt::Halt,
    session::Session,
    target::{Known, Target},
    ui::view::View,
    watch,
};
use daemon::api::words::{EnvironmentReport, EnvironmentState, HealthState};
use drivers::layout::Layout;
use engine::port::releases::Releases;
use model::{
    deployment::Change,
    failure::{Blame, Failure},
    release::{Release, Source},
};

/// Preflight would refuse it.
const EXIT_REFUSED: u8 = 2;

/// Deploys the very content that one environment serves to another.
///
/// # Errors
///
/// Where the one does not serve it well, or the other does not take it.
pub async fn run(session: &Session, args: Promote) -> Result<u8, Halt> {
    let Some(to) = &args.to else { return watched(session, &args).await };
    let configuration = configuration::expect(session)?;
    let known = Known::declared(&configuration.document);
    let from = known.find(std::slice::from_ref(&args.from))?;
    let to = known.find(std::slice::from_ref(to))?;
    if from.id == to.id {
        return Err(Halt::usage(format!("promote {} to itself", from.id)));
    }
    let release = proven(session, &from).await?;
    refuse_built(&release, &from, &to)?;
    let directory = Layout::new(&session.root).release(&from.id, &release.version);
    let wanted = Wanted {
        words: vec![to.id.to_string(), release.version.clone()],
        from: Some(directory.display().to_string()),
        env_only: false,
        service: vec![],
        insisted: args.insisted.clone(),
        skip_health_check: false,
        skip_smoke: false,
        skip_backup: false,
        skip_migrate: false,
        identity: args.identity.clone(),
    };
    let mut prepared = prepare(session, &wanted).await?;
    prepared.request.overrides.break_lock = args.turn.break_lock;
    describe(&mut prepared, &from, &release);
    let what = format!("{} of {} goes to {}.", release.version, from.id, to.id);
    confirm::deployment(session, deploy::spec(&prepared.request), args.yes, &what)?;
    let Prepared { target, request, content } = &prepared;
    let controller = carry::reached(session).await?;
    let mut view = View::new(&session.ui, "upload");
    let received = carry::upload(session, &controller, request, content, &mut view).await?;
    drop(view);
    let digest = received.map(|it| it.artifact.digest);
    if digest.as_ref().is_some_and(|it| *it != release.artifact.digest) {
        let message = format!("promote {}: its content changed on the way", release.version);
        let failure = Failure::new(Blame::Platform, message)
            .hint(format!("`cutover releases verify {}` compares it with its hashes", from.typed));
        return Err(Halt::of(EXIT_REFUSED, failure));
    }
    carry::out(session, controller, target, request, None, &args.turn, args.detach).await
}

/// What is being watched is watched no longer, where it has come to.
async fn watched(session: &Session, args: &Promote) -> Result<u8, Halt> {
    let meant = meant(session, &Which { words: vec![args.from.clone()] }).await?;
    let controller = carry::reached(session).await?;
    let record = attach::found(&controller, meant).await?;
    controller.promote(&record.id, &session.by).await?;
    if args.detach {
        return Ok(watch::say_detached(session, &record.id));
    }
    attach::watched(session, controller, &record).await
}

/// What was built with one environment's variables is not what another would build.
fn refuse_built(release: &Release, from: &Target, to: &Target) -> Result<(), Halt> {
    if release.spec.builds.is_empty() || release.artifact.complete {
        return Ok(());
    }
    let message =
        format!("promote {}: {} built it with its own variables", release.version, from.id);
    let failure = Failure::new(Blame::Request, message);
    let source = release.artifact.commit.as_deref().unwrap_or("SOURCE");
    let hint =
        format!("`cutover deploy {} --from {source}` builds the same for {}", to.typed, to.id);
    Err(Halt::of(EXIT_REFUSED, failure.hint(hint)))
}

/// What serves there: accepted, whole and healthy.
async fn proven(session: &Session, from: &Target) -> Result<Release, Halt> {
    let refuse = |why: String| {
        let message = format!("promote what {} serves: {why}", from.id);
        let failure = Failure::new(Blame::Request, message)
            .hint(format!("`cutover status {}` shows how it stands", from.typed));
        Halt::of(EXIT_REFUSED, failure)
    };
    let status = Controller::new(&session.root).status().await?;
    let report = status.environments.iter().find(|it| it.id == from.id);
    let report = report.ok_or_else(|| refuse("nothing was deployed there yet".to_owned()))?;
    if let Some(why) = unfit(report) {
        return Err(refuse(why));
    }
    let label = report.serving.first().ok_or_else(|| refuse("nothing serves".to_owned()))?;
    let releases = drivers::onlooker(session.root.clone()).releases;
    let release = releases.read(&from.id, &label.id).await?;
    releases.verify(&release).await.map_err(|it| Halt::of(EXIT_REFUSED, it))?;
    let asked = daemon::report::health(&session.root, &from.id);
    let health = session.ui.waiting(&format!("asking {}", from.id), asked).await;
    if health.map_err(Halt::unreachable)?.status != HealthState::Healthy {
        return Err(refuse(format!("{} is not healthy", label.version))
            .hint(format!("`cutover health {}` says why", from.typed)));
    }
    Ok(release)
}

fn unfit(report: &EnvironmentReport) -> Option<String> {
    if let Some(record) = report.active.as_ref().or(report.attention.as_ref()) {
        return Some(format!("deployment {} has not ended well", record.id));
    }
    if report.probation.is_some() {
        return Some("it is on probation".to_owned());
    }
    // What serves was brought by a deployment that was accepted.
    if report.state != EnvironmentState::Active || report.since_ms.is_none() {
        return Some("it was not accepted there".to_owned());
    }
    (report.serving.len() > 1).then(|| "several releases serve".to_owned())
}

fn describe(prepared: &mut Prepared, from: &Target, release: &Release) {
    let Change::Deploy { source, .. } = &mut prepared.request.change else { return };
    if let Source::Upload { described, commit, .. } = source {
        let digest: String = release.artifact.digest.chars().take(12).collect();
        *described = format!("{} of {} ({digest})", release.version, from.id);
        commit.clone_from(&release.artifact.commit);
    }
}
