//! From a request to what is wanted, with all that has to be looked up for it.

mod secure;

use crate::port::Ports;
use model::{
    build,
    deployment::{Change, Request},
    failure::{Blame, Failure},
    id::ReleaseId,
    planner::{Desired, Kept, Observed, Wanted},
    release::{Artifact, Release, Source, Standing, part::Part},
    service::VersionScheme,
    version::{self, Known, Origin},
};

/// Looks up what the request wants.  Writes nothing.
pub(crate) async fn desire(
    ports: &Ports,
    request: &Request,
    observed: &Observed,
) -> Result<Desired, Failure> {
    let wanted = match &request.change {
        Change::Deploy { spec, version, source, services } => {
            let part = Part::of(spec, services, observed.current.as_ref())?;
            let artifact = ports.releases.inspect(&request.environment, source).await?;
            let now_ms = ports.clock.now_ms();
            let version = version.as_deref();
            let asked = Asked { part: &part, version, source, artifact, now_ms };
            to_deploy(request, observed, asked)?
        }
        Change::Rollback { to, .. } => {
            let release = to_return_to(request, observed, to.as_deref())?;
            expect_intact(ports, observed, release).await?;
            expect_left(ports, observed, release).await?;
            Wanted::Release { release: Box::new(release.clone()), source: None, back: true }
        }
        Change::Restart => Wanted::Restart,
        Change::Scale { instances } => Wanted::Scale { instances: instances.clone() },
        Change::Stop => Wanted::Stop,
        Change::Start => Wanted::Start,
    };
    // What starts instances of content that lay there for long looks at it first.
    if let (Wanted::Restart | Wanted::Start | Wanted::Scale { .. }, Some(current)) =
        (&wanted, &observed.current)
    {
        ports.releases.verify(current).await?;
        expect_left(ports, observed, current).await?;
    }
    let restore = secure::to_restore(ports, request, observed, &wanted).await?;
    let backup = secure::name(ports, request, observed, &wanted).await?;
    Ok(Desired {
        deployment: request.deployment.clone(),
        environment: request.environment.clone(),
        wanted,
        overrides: request.overrides.clone(),
        backup,
        restore,
    })
}

struct Asked<'a> {
    part: &'a Part,
    version: Option<&'a str>,
    source: &'a Source,
    artifact: Artifact,
    now_ms: u64,
}

fn to_deploy(request: &Request, observed: &Observed, asked: Asked<'_>) -> Result<Wanted, Failure> {
    let version = match built_before(observed, &asked) {
        Some(kept) => kept.version.clone(),
        None => version_of(observed, &asked)?,
    };
    let Asked { part, source, artifact, now_ms, .. } = asked;
    let known = version::known(&observed.releases, &version, &artifact, part)?;
    let fresh = |artifact, version| Release {
        id: ReleaseId(request.deployment.0.clone()),
        version,
        artifact,
        spec: part.spec.clone(),
        left: part.left.clone(),
        migrated: [].into(),
        created_at_ms: now_ms,
    };
    let kept = |built| Source::Kept { version: version.clone(), built };
    let (release, source) = match known {
        Known::New => (fresh(artifact, version), source.clone()),
        Known::Content(in_place) => {
            let built = in_place.artifact.built.clone();
            let source = kept(built.is_some());
            (fresh(Artifact { built, ..artifact }, version), source)
        }
        Known::Same(release) => (release.clone(), kept(release.artifact.built.is_some())),
    };
    Ok(Wanted::Release { release: Box::new(release), source: Some(source), back: false })
}

/// A kept release that was built from the same content in the same way, where nothing asks for a
/// version of its own: what it would come to is there already.
fn built_before<'a>(observed: &'a Observed, asked: &Asked<'_>) -> Option<&'a Release> {
    let spec = &asked.part.spec;
    let is_free = matches!(spec.version, VersionScheme::Timestamp | VersionScheme::Any);
    if asked.version.is_some() || spec.builds.is_empty() || !is_free {
        return None;
    }
    let mut kept = observed.releases.iter().map(|it| &it.release);
    kept.find(|it| {
        let is_built = it.artifact.built.is_some();
        is_built && it.artifact.digest == asked.artifact.digest && build::alike(&it.spec, spec)
    })
}

fn version_of(observed: &Observed, asked: &Asked<'_>) -> Result<String, Failure> {
    if let (None, Source::Kept { version, .. }) = (asked.version, asked.source) {
        return Ok(version.clone());
    }
    let reference = match asked.source {
        Source::Git { reference, .. } => Some(reference.as_str()),
        _ => None,
    };
    let commit = asked.artifact.commit.as_deref();
    let origin = Origin { now_ms: asked.now_ms, commit, reference };
    let taken = |it: &str| observed.releases.iter().any(|kept| kept.release.version == it);
    version::choose(asked.part.spec.version, asked.version, origin, taken)
}

/// The asked release, or the newest accepted before the current one that was never rolled back.
fn to_return_to<'a>(
    request: &Request,
    observed: &'a Observed,
    to: Option<&str>,
) -> Result<&'a Release, Failure> {
    let name = &request.environment;
    let others = || observed.releases.iter().filter(|it| !is_current(observed, it));
    let found = match to {
        Some(version) => others().find(|it| it.release.version == version),
        None => others().find(|it| it.standing == Standing::Accepted),
    };
    found.map(|it| &it.release).ok_or_else(|| {
        let message = match to {
            Some(version) => format!("roll {name} back to {version}: it is not kept"),
            None => format!("roll {name} back: no earlier release was accepted"),
        };
        let mut known: Vec<&str> = others().map(|it| it.release.version.as_str()).collect();
        known.dedup();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Failure::new(Blame::Request, message).hint(format!("kept besides the current one: {known}"))
    })
}

fn is_current(observed: &Observed, kept: &Kept) -> bool {
    observed.current.as_ref().is_some_and(|it| it.id == kept.release.id)
}

/// So is the content of the releases that it leaves services to.
async fn expect_left(ports: &Ports, observed: &Observed, release: &Release) -> Result<(), Failure> {
    for id in release.owners().into_iter().filter(|it| **it != release.id) {
        // One that is not kept is the planner's to refuse, where it would be started.
        if let Some(owner) = observed.release(id) {
            ports.releases.verify(owner).await?;
        }
    }
    Ok(())
}

/// Content that is gone or altered is refused before anything is touched.
async fn expect_intact(
    ports: &Ports,
    observed: &Observed,
    release: &Release,
) -> Result<(), Failure> {
    let Err(failure) = ports.releases.verify(release).await else { return Ok(()) };
    let next = observed.releases.iter().find(|it| {
        it.standing == Standing::Accepted
            && it.release.id != release.id
            && !is_current(observed, it)
    });
    Err(match next {
        Some(next) => {
            failure.hint(format!("`--to {}` is the next candidate", next.release.version))
        }
        None => failure,
    })
}
