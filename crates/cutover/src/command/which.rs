//! Which deployment is meant: by its id, or as the latest of an environment.

use crate::{cli::grammar::Which, halt::Halt, session::Session, target};
use model::{id::DeploymentId, name::EnvironmentId};

/// A deployment, as the words name it.
pub enum Meant {
    /// By its id.
    Id(DeploymentId),
    /// The latest of an environment.
    Latest(EnvironmentId),
}

/// What the words mean.
///
/// # Errors
///
/// Where they name no deployment and no environment.
pub async fn meant(session: &Session, which: &Which) -> Result<Meant, Halt> {
    let id = |word: &String| DeploymentId(word.to_ascii_uppercase());
    if let [word] = which.words.as_slice()
        && id(word).is_well_formed()
    {
        return Ok(Meant::Id(id(word)));
    }
    let words: Vec<String> = which.words.iter().filter(|it| *it != "latest").cloned().collect();
    Ok(Meant::Latest(target::known(session).await?.find(&words)?.id))
}
