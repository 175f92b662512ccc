//! `releases`

mod diff;
mod list;
mod prune;
mod show;
mod verify;

use crate::{
    cli::grammar::releases::{Releases, ReleasesAct},
    halt::Halt,
    session::Session,
    target,
};
use daemon::report::releases::{self, ReleaseReport};
use model::{name::EnvironmentId, release::Release};

/// Lists, shows, compares, verifies and removes releases.
///
/// # Errors
///
/// Where the words name none, or something cannot be read or removed.
pub async fn run(session: &Session, args: Releases) -> Result<u8, Halt> {
    match args.act {
        None => list::run(session, &args.words).await,
        Some(ReleasesAct::List { words }) => list::run(session, &words).await,
        Some(ReleasesAct::Show { words }) => show::run(session, &words).await,
        Some(ReleasesAct::Diff { words }) => diff::run(session, &words).await,
        Some(ReleasesAct::Verify { words }) => verify::run(session, &words).await,
        Some(ReleasesAct::Prune { words, keep, dry_run }) => {
            prune::run(session, &words, keep, dry_run).await
        }
    }
}

/// The environment that the words name; all that have a place on this machine, without words.
async fn environments(session: &Session, words: &[String]) -> Result<Vec<EnvironmentId>, Halt> {
    if words.is_empty() {
        return Ok(daemon::abandoned::environments(&session.root));
    }
    Ok(vec![target::known(session).await?.find(words)?.id])
}

/// An environment's releases, with what is told of each.
struct Known {
    environment: EnvironmentId,
    releases: Vec<(Release, ReleaseReport)>,
    current: Option<String>,
    previous: Option<String>,
}

impl Known {
    async fn new(session: &Session, environment: EnvironmentId) -> Result<Known, Halt> {
        let known = releases::releases(&session.root, &environment).await?;
        let kept = known.kept.into_iter().map(|it| it.release);
        Ok(Known {
            environment,
            releases: kept.zip(known.reports).collect(),
            current: known.current,
            previous: known.previous,
        })
    }

    /// The release that a word names: by version, by id, or as `current` or `previous`.  Where
    /// several share a version, the one that serves, else the one whose standing changed last.
    fn find(&self, word: &str) -> Result<&(Release, ReleaseReport), Halt> {
        if let Some(found) = self.releases.iter().find(|it| it.0.id.0 == word) {
            return Ok(found);
        }
        let version = match word {
            "current" => self.current.as_deref(),
            "previous" => self.previous.as_deref(),
            word => Some(word),
        };
        let of_version =
            || self.releases.iter().filter(|it| Some(it.0.version.as_str()) == version);
        let found = of_version().find(|it| it.1.serving).or_else(|| of_version().next());
        found.ok_or_else(|| {
            let environment = &self.environment;
            Halt::usage(format!("find release `{word}` of {environment}: it is not kept"))
                .hint(format!("`cutover releases {environment}` lists what is"))
        })
    }
}

/// The environment that the first words name, and as many words more as are wanted.
async fn split<'w, const COUNT: usize>(
    session: &Session,
    words: &'w [String],
    wanted: &str,
) -> Result<(EnvironmentId, [&'w str; COUNT]), Halt> {
    let known = target::known(session).await?;
    let (target, rest) = known.find_first(words)?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let rest = rest.try_into().map_err(|rest: Vec<&str>| {
        let given = if rest.is_empty() { "nothing".to_owned() } else { rest.join(" ") };
        Halt::usage(format!("understand `{given}` after {}: {wanted} is expected", target.id))
    })?;
    Ok((target.id, rest))
}
