//! What is kept for later: saved plans and prepared releases, made and used.

use super::{
    carry, confirm, plan,
    prepare::{Prepared, new_deployment, overrides, prepare},
};
use crate::{
    cli::grammar::{Deploy, Wanted},
    configuration,
    halt::Halt,
    secret,
    session::Session,
    source::Content,
    ui::{plan as printed, view::View},
};
use ::daemon::api::words::{Keeping, Kept, SavedShown, Using};
use model::{
    deployment::Overrides,
    id::DeploymentId,
    name::EnvironmentId,
    saved::{Brief, Keeps},
    service::EnvironmentSpec,
};
use std::path::Path;

/// What of that which is kept shall be deployed.
pub struct Asked {
    id: DeploymentId,
    keeps: Keeps,
}

impl Asked {
    /// By `--plan` or `--prepared`.
    pub fn of(args: &Deploy) -> Option<Asked> {
        let plan = args.later.plan.clone().map(|id| Asked { id, keeps: Keeps::Plan });
        let prepared = args.later.prepared.clone();
        plan.or_else(|| Some(Asked { id: prepared?, keeps: Keeps::Prepared }))
    }
}

/// Plans, and keeps the plan with its content.
///
/// # Errors
///
/// Where it cannot be planned or kept.
pub async fn save(session: &Session, wanted: &Wanted) -> Result<u8, Halt> {
    keep(session, prepare(session, wanted).await?, Keeps::Plan).await
}

/// Puts a release in its place, and keeps it.
///
/// # Errors
///
/// Where it cannot be staged.
pub async fn prepare_release(session: &Session, args: &Deploy) -> Result<u8, Halt> {
    let mut prepared = prepare(session, &args.release).await?;
    prepared.request.overrides.break_lock = args.turn.break_lock;
    keep(session, prepared, Keeps::Prepared).await
}

async fn keep(session: &Session, prepared: Prepared, keeps: Keeps) -> Result<u8, Halt> {
    let Prepared { target, request, content } = prepared;
    let controller = carry::reached(session).await?;
    let mut view = View::of_one_object(&session.ui, "upload");
    carry::upload(session, &controller, &request, &content, &mut view).await?;
    view.doing(match keeps {
        Keeps::Plan => "the plan",
        Keeps::Prepared => "the staging",
    });
    let keeping = Keeping { request: request.clone(), keeps };
    let kept = carry::ticking(&mut view, |_| (), controller.keep(&keeping)).await;
    drop(view);
    let kept = match kept {
        Ok(kept) => kept,
        Err(error) => return Err(carry::serving(&controller, &target.id, error.into()).await),
    };
    let code = plan::exit_code(&kept.report, &request);
    if session.ui.is_json() {
        session.ui.object(&kept);
        return Ok(code);
    }
    let next = kept.saved.as_ref().map(|it| told(session, &target.id, it));
    match (keeps, next) {
        (Keeps::Prepared, Some(line)) => session.ui.line(&line),
        (_, next) => {
            let (paint, overrides) = (&session.ui.paint, &request.overrides);
            session.ui.line(&printed::text(&target, &kept.report, overrides, next, paint));
        }
    }
    gone(session, &kept);
    Ok(code)
}

/// What is kept, until when, and what to type.
fn told(session: &Session, environment: &EnvironmentId, saved: &Brief) -> String {
    let until = session.ui.clock.date(saved.expires_at_ms);
    let (id, version) = (&saved.id, ::daemon::logs::plain(&saved.version));
    let tick = session.ui.paint.good("✓");
    match saved.keeps {
        Keeps::Plan => {
            format!("{tick} saved as {id} until {until} · do it: cutover deploy --plan {id}")
        }
        Keeps::Prepared => format!(
            "{tick} prepared {environment} {version} as {id} until {until}, nothing was started\n  \
             start it: cutover deploy --prepared {id}"
        ),
    }
}

fn gone(session: &Session, kept: &Kept) {
    for old in &kept.gone {
        let (id, version) = (&old.id, ::daemon::logs::plain(&old.version));
        session.ui.note(&format!("{id} ({version}) is not kept any more: there were too many"));
    }
}

/// Deploys what is kept.
///
/// # Errors
///
/// Where it was not begun.
pub async fn deploy(session: &Session, asked: &Asked, args: &Deploy) -> Result<u8, Halt> {
    let controller = carry::reached(session).await?;
    let shown = controller.saved(&asked.id).await?;
    expect_kind(asked, &shown)?;
    let environment = &shown.environment;
    if !args.yes {
        let what = format!("{} goes to {environment}.", shown.saved.version);
        confirm::asked(session, environment, shown.confirm, &what)?;
    }
    let spec = match asked.keeps {
        Keeps::Plan => present(session, environment, args.release.identity.as_deref()).await?,
        Keeps::Prepared => None,
    };
    let using = Using {
        deployment: new_deployment(),
        by: session.by.clone(),
        reason: args.release.insisted.reason.clone(),
        overrides: Overrides { break_lock: args.turn.break_lock, ..overrides(&args.release) },
        spec,
    };
    let mut view = View::new(&session.ui, "the controller to take it");
    let deploying = controller.deploy_saved(&asked.id, &using);
    if let Err(error) = carry::ticking(&mut view, |_| (), deploying).await {
        drop(view);
        return Err(carry::serving(&controller, environment, error.into()).await);
    }
    if args.detach {
        drop(view);
        session.ui.detached(&using.deployment, 0);
        return Ok(0);
    }
    let typed = environment.to_string();
    carry::watched(session, controller, &using.deployment, &typed, view).await
}

fn expect_kind(asked: &Asked, shown: &SavedShown) -> Result<(), Halt> {
    if asked.keeps == shown.saved.keeps {
        return Ok(());
    }
    let id = &asked.id;
    let (is, option) = match shown.saved.keeps {
        Keeps::Plan => ("a saved plan", "--plan"),
        Keeps::Prepared => ("a prepared release", "--prepared"),
    };
    Err(Halt::usage(format!("deploy `{id}` like this: it is {is}"))
        .hint(format!("`cutover deploy {option} {id}`")))
}

/// The configuration as it is now, where it is at hand: what was reviewed should still be it.
async fn present(
    session: &Session,
    environment: &EnvironmentId,
    identity: Option<&Path>,
) -> Result<Option<Box<EnvironmentSpec>>, Halt> {
    let configuration = configuration::read(session)?;
    let declares = |it: &configuration::Configuration| {
        it.document.environments().iter().any(|id| id == environment)
    };
    let Some(configuration) = configuration.filter(declares) else {
        session.ui.note("no configuration is here: the one of the plan is not compared with it");
        return Ok(None);
    };
    let resolved = configuration.resolve(environment)?;
    let content = Content::new(&configuration, &resolved.source, None)?;
    let resolved = secret::fill(session, &configuration, resolved, &content, identity).await?;
    Ok(Some(Box::new(resolved.spec)))
}
