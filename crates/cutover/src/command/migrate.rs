//! `migrate`

mod status;

use super::{confirm, run as once};
use crate::{
    cli::grammar::{
        migrate::{Migrate, Verb, Where},
        run::Run,
    },
    controller::Controller,
    halt::Halt,
    session::Session,
    target,
};
use daemon::report::releases;
use model::{
    failure::{Blame, Failure},
    migrate::{ByHand, MigrateSpec},
    name::{EnvironmentId, Name},
    release::Release,
    service::ServiceSpec,
};

/// Where a deployment has the environment's lock.
const EXIT_BUSY: u8 = 6;
/// Typed before something is taken back.
const WORD: &str = "undo";

/// Asks the tool of what serves, or has it go forward or back.
///
/// # Errors
///
/// Where no service has a migration, the tool knows no such thing, or a deployment is on its way.
pub async fn run(session: &Session, args: Migrate) -> Result<u8, Halt> {
    let place = match &args.verb {
        Verb::Status(place) | Verb::Up(place) => place,
        Verb::Undo(undo) => &undo.place,
    };
    let database = Database::find(session, place).await?;
    match &args.verb {
        Verb::Status(_) => {
            let command = database.filled(database.spec.status.as_ref()).ok_or_else(no_command)?;
            status::run(session, &database, command).await
        }
        Verb::Up(_) => {
            database.expect_quiet(session).await?;
            let command = database.filled(Some(&database.spec.up)).ok_or_else(no_command)?;
            once::migration(session, database.once(command), ByHand::Up).await
        }
        Verb::Undo(undo) => {
            database.expect_quiet(session).await?;
            let words = database.spec.undo_of(undo.count);
            let command = database.filled(words.as_ref()).ok_or_else(no_command)?;
            if !undo.yes {
                let Database { environment, service, .. } = &database;
                if !session.ui.can_ask() {
                    return Err(confirm::refused(WORD));
                }
                let what = format!(
                    "{} of {environment} takes back its last {}, and what it made may be lost.",
                    service,
                    if undo.count == 1 {
                        "migration".into()
                    } else {
                        format!("{} migrations", undo.count)
                    }
                );
                confirm::typed(WORD, &what)?;
            }
            let done = ByHand::Undo(undo.count);
            once::migration(session, database.once(command), done).await
        }
    }
}

fn no_command() -> Halt {
    Halt::usage("migrate: the tool has no command for this").hint(
        "`migrate: { status: …, undo: … }` in the configuration says one; in `undo`, `{}` stands \
         for how many",
    )
}

/// The database of one service, by the code of one release.
struct Database {
    environment: EnvironmentId,
    service: Name,
    release: Release,
    spec: MigrateSpec,
}

impl Database {
    async fn find(session: &Session, place: &Where) -> Result<Database, Halt> {
        let known = target::known(session).await?;
        let (target, rest) = known.find_first(&place.words)?;
        let environment = target.id;
        let wanted = match rest {
            [] => None,
            [service] => Some(service.as_str()),
            [_, more, ..] => {
                return Err(Halt::usage(format!("understand `{more}`: one service only")));
            }
        };
        let release = release(session, &environment, place.release.as_deref()).await?;
        let with = |it: &&ServiceSpec| {
            it.migrate.is_some() && wanted.is_none_or(|name| it.name.as_str() == name)
        };
        let found: Vec<&ServiceSpec> = release.spec.services.iter().filter(with).collect();
        if let [service] = found[..]
            && let Some(spec) = service.migrate.clone()
        {
            let service = service.name.clone();
            return Ok(Database { environment, service, release, spec });
        }
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        let message = format!("choose a service of {environment} with `migrate`");
        Err(Halt::usage(message).hint(match names.as_slice() {
            [] => format!("release {} has none of it", release.version),
            names => format!("it is one of {}", names.join(", ")),
        }))
    }

    /// A deployment migrates by itself: two at once would be in each other's way.
    async fn expect_quiet(&self, session: &Session) -> Result<(), Halt> {
        let status = Controller::new(&session.root).status().await?;
        let mine = status.environments.into_iter().find(|it| it.id == self.environment);
        let Some(active) = mine.and_then(|it| it.active) else { return Ok(()) };
        let message = format!(
            "migrate {} of {}: deployment {} is on its way",
            self.service, self.environment, active.id
        );
        let failure = Failure::new(Blame::Request, message)
            .hint(format!("`cutover attach {}` watches it", self.environment));
        Err(Halt::of(EXIT_BUSY, failure))
    }

    /// As a deployment fills them in.
    fn filled(&self, words: Option<&Vec<String>>) -> Option<Vec<String>> {
        let commit = self.release.artifact.commit.as_deref().unwrap_or_default();
        let one = |it: &String| {
            it.replace("{version}", &self.release.version)
                .replace("{release}", &self.release.id.0)
                .replace("{commit}", commit)
                .replace("{environment}", self.environment.environment.as_str())
        };
        words.map(|it| it.iter().map(one).collect())
    }

    fn once(&self, command: Vec<String>) -> Run {
        Run {
            words: vec![self.environment.to_string(), self.service.to_string()],
            command,
            release: Some(self.release.version.clone()),
            time_limit: format!("{}ms", self.spec.timeout.0),
            detach: false,
            attach: None,
            stop: None,
            list: false,
        }
    }
}

/// The one of this version or, where none is named, the one that serves.
async fn release(
    session: &Session,
    environment: &EnvironmentId,
    version: Option<&str>,
) -> Result<Release, Halt> {
    let known = releases::releases(&session.root, environment).await?;
    let serving = known.reports.iter().position(|it| match version {
        Some(version) => it.version == version,
        None => it.serving,
    });
    let current = || {
        let version = version.or(known.current.as_deref());
        known.kept.iter().position(|it| Some(it.release.version.as_str()) == version)
    };
    let found = serving.or_else(current).map(|at| known.kept[at].release.clone());
    found.ok_or_else(|| match version {
        Some(version) => Halt::usage(format!("find {version} of {environment}: it is not kept"))
            .hint(format!("`cutover releases list {environment}` lists what is")),
        None => Halt::usage(format!("migrate {environment}: nothing was deployed there yet")),
    })
}
