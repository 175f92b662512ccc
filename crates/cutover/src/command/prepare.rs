//! From words and a configuration to a request, on this side, before anything is begun.

use crate::{
    cli::grammar::Wanted,
    configuration,
    halt::Halt,
    session::Session,
    source::Content,
    target::{Known, Target},
};
use model::{
    deployment::{Change, Overrides, Request},
    id::DeploymentId,
};
use ulid::Ulid;

/// The longest version.
const VERSION_BYTES_MAX: usize = 100;

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
pub fn prepare(session: &Session, wanted: &Wanted) -> Result<Prepared, Halt> {
    let configuration = configuration::expect(session)?;
    let known = Known::declared(&configuration.document);
    let (target, rest) = known.find_first(&wanted.words)?;
    let version = match rest {
        [] => None,
        [version] => Some(checked(version)?),
        [_, more, ..] => {
            return Err(Halt::usage(format!("understand `{more}`: the version was given already")));
        }
    };
    let resolved = configuration.resolve(&target.id)?;
    let content = Content::new(&configuration, &resolved.source, wanted.from.as_deref())?;
    if let Content::Directory(path) = &content
        && !path.is_dir()
    {
        return Err(Halt::usage(format!(
            "deploy from {}: there is no such directory",
            path.display()
        ))
        .hint("set `source` in the configuration, or name one with `--from`"));
    }
    if !resolved.notes.is_empty() && !session.ui.is_json() {
        session.ui.note(config::render::human(&resolved.notes).trim_end());
    }
    let deployment = new_deployment();
    let source = content.source(&deployment);
    let overrides = Overrides {
        force: wanted.force,
        skip_health_check: wanted.skip_health_check,
        skip_smoke: wanted.skip_smoke,
    };
    let request = Request {
        deployment,
        environment: target.id.clone(),
        change: Change::Deploy { spec: Box::new(resolved.spec), version, source },
        by: session.by.clone(),
        reason: wanted.reason.clone(),
        overrides,
    };
    Ok(Prepared { target, request, content })
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

fn new_deployment() -> DeploymentId {
    DeploymentId(Ulid::generate().to_string())
}

/// Whatever the environment's scheme: a version becomes the name of a directory.
fn checked(version: &str) -> Result<String, Halt> {
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"._+-".contains(&it);
    let good = version.bytes().all(fits)
        && version.bytes().next().is_some_and(|it| it.is_ascii_alphanumeric())
        && version.len() <= VERSION_BYTES_MAX;
    if good {
        return Ok(version.to_owned());
    }
    let shown: String = version.escape_debug().take(VERSION_BYTES_MAX).collect();
    Err(Halt::usage(format!("take `{shown}` for a version"))
        .hint("use letters, digits, `.`, `_`, `+` and `-`, led by a letter or digit, as in 1.3.0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_name_of_a_directory_and_nothing_else() {
        for good in ["1.0.0", "v1.2.0-rc.1", "20261121-1405", "a1b2c3d", "1.0.0+build_7"] {
            assert_eq!(checked(good).unwrap(), good);
        }
        for bad in ["../../x", "-x", "1.0;id", "", ".", "..", "a/b", "a b", "ä", &"1".repeat(101)]
        {
            assert_eq!(checked(bad).unwrap_err().exit_code(), 1, "{bad}");
        }
    }

    #[test]
    fn ids_are_well_formed() {
        assert!(new_deployment().is_well_formed());
    }
}
