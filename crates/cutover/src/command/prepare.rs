//! From words and a configuration to a request, on this side, before anything is begun.

use crate::{
    cli::grammar::Wanted,
    configuration,
    controller::Controller,
    halt::Halt,
    secret,
    session::Session,
    source::{Content, commit},
    target::{Known, Target},
    ui::figure::now_ms,
};
use model::{
    deployment::{Change, Overrides, Request},
    id::DeploymentId,
    service::VersionScheme,
    version::{Origin, choose},
};
use ulid::Ulid;

/// A request that could be sent.
pub struct Prepared {
    /// The environment.
    pub target: Target,
    /// It.
    pub request: Request,
    /// To be sent before.
    pub content: Content,
}

/// Reads what is needed for a deployment.
///
/// # Errors
///
/// All that is wrong with the words or the configuration.
pub async fn prepare(session: &Session, wanted: &Wanted) -> Result<Prepared, Halt> {
    let configuration = configuration::expect(session)?;
    let known = Known::declared(&configuration.document);
    let (target, rest) = known.find_first(&wanted.words)?;
    let asked = match rest {
        [] => None,
        [version] => Some(version.as_str()),
        [_, more, ..] => {
            return Err(Halt::usage(format!("understand `{more}`: the version was given already")));
        }
    };
    let resolved = configuration.resolve(&target.id)?;
    let content = if wanted.env_only {
        serving(session, &target, asked).await?
    } else {
        Content::new(&configuration, &resolved.source, wanted.from.as_deref())?
    };
    if let Content::Directory(path) = &content
        && !path.is_dir()
    {
        return Err(Halt::usage(format!(
            "deploy from {}: there is no such directory",
            path.display()
        ))
        .hint("set `source` in the configuration, or name one with `--from`"));
    }
    let version = version(resolved.spec.version, asked, &content)?;
    let identity = wanted.identity.as_deref();
    let resolved = secret::fill(session, &configuration, resolved, &content, identity).await?;
    if !resolved.notes.is_empty() && !session.ui.is_json() {
        session.ui.note(config::render::human(&resolved.notes).trim_end());
    }
    let deployment = new_deployment();
    let source = content.source(&deployment);
    let request = Request {
        deployment,
        environment: target.id.clone(),
        change: Change::Deploy {
            spec: Box::new(resolved.spec),
            version,
            source,
            services: wanted.service.clone(),
        },
        by: session.by.clone(),
        reason: wanted.insisted.reason.clone(),
        overrides: overrides(wanted),
    };
    Ok(Prepared { target, request, content })
}

/// What is overridden, but for a lock.
pub fn overrides(wanted: &Wanted) -> Overrides {
    Overrides {
        force: wanted.insisted.force,
        skip_health_check: wanted.skip_health_check,
        skip_smoke: wanted.skip_smoke,
        skip_backup: wanted.skip_backup,
        skip_migrate: wanted.skip_migrate,
        accept_schema: false,
        break_lock: false,
        freeze: wanted.insisted.override_freeze.clone(),
        window: wanted.insisted.override_window.clone(),
    }
}

/// The content that serves or, where it was stopped, did.
async fn serving(session: &Session, target: &Target, asked: Option<&str>) -> Result<Content, Halt> {
    let status = Controller::new(&session.root).status().await?;
    let environment = status.environments.into_iter().find(|it| it.id == target.id);
    let version = environment.and_then(|it| {
        let serving = it.serving.first().map(|it| it.version.clone());
        serving.or(it.current)
    });
    let Some(version) = version else {
        return Err(Halt::usage(format!(
            "deploy other variables to {}: it has no release yet",
            target.id
        ))
        .hint(format!("`cutover deploy {} VERSION` makes the first", target.typed)));
    };
    match asked {
        Some(asked) if asked.strip_prefix('v').unwrap_or(asked) != version && asked != version => {
            Err(Halt::usage(format!(
                "deploy {asked} with `--env-only`: {version} serves, and keeps its version"
            ))
            .hint("leave the version out, or leave `--env-only` out to send content"))
        }
        _ => Ok(Content::Kept { version }),
    }
}

/// A change other than a deployment.
pub fn request(
    session: &Session,
    target: &Target,
    change: Change,
    reason: Option<String>,
) -> Request {
    Request {
        deployment: new_deployment(),
        environment: target.id.clone(),
        change,
        by: session.by.clone(),
        reason,
        overrides: Overrides::default(),
    }
}

/// An id that nobody else has.
pub fn new_deployment() -> DeploymentId {
    DeploymentId(Ulid::generate().to_string())
}

/// The version to ask for, checked before anything is sent; none: the controller makes it.
fn version(
    scheme: VersionScheme,
    asked: Option<&str>,
    content: &Content,
) -> Result<Option<String>, Halt> {
    let (commit, reference) = match content {
        // Only the controller learns what is in there.
        // Its version is the one it has.
        Content::Kept { .. } => return Ok(None),
        Content::Remote { .. } | Content::Archive { .. } if asked.is_none() => return Ok(None),
        Content::Remote { .. } | Content::Archive { .. } => (None, None),
        Content::Directory(path) => (commit(path, "HEAD"), None),
        Content::Commit { directory, reference } => {
            (commit(directory, reference), Some(reference.as_str()))
        }
    };
    let origin = Origin { now_ms: now_ms(), commit: commit.as_deref(), reference };
    let version = choose(scheme, asked, origin, |_| false)?;
    // What is made of the time must not be one that is taken, which the controller knows.
    Ok(Some(version).filter(|_| asked.is_some() || scheme == VersionScheme::Semver))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_checked_by_the_scheme() {
        let nowhere = Content::Directory("/".into());
        let checked = |scheme, asked| version(scheme, asked, &nowhere);
        let one = Some("1.0.0".to_owned());
        assert_eq!(checked(VersionScheme::Semver, Some("v1.0.0")).unwrap(), one);
        assert_eq!(checked(VersionScheme::Timestamp, None).unwrap(), None);
        for (scheme, asked) in [
            (VersionScheme::Semver, Some("latest")),
            (VersionScheme::Any, Some("../../x")),
            (VersionScheme::Any, Some("-x")),
            (VersionScheme::Any, Some("1.0;id")),
            (VersionScheme::Semver, None),
            (VersionScheme::Git, None),
        ] {
            assert_eq!(checked(scheme, asked).unwrap_err().exit_code(), 1, "{scheme:?} {asked:?}");
        }
    }

    #[test]
    fn ids_are_well_formed() {
        assert!(new_deployment().is_well_formed());
    }
}
