//! `backup`

mod create;
mod keep;
mod look;
mod restore;
mod second;

use crate::{
    cli::grammar::backup::{Backup, BackupAct},
    halt::Halt,
    session::Session,
    target,
};
use daemon::report::releases;
use drivers::backups::DirectoryBackups;
use model::{
    backup::{BackupName, metadata::Metadata},
    failure::{Blame, Failure},
    name::EnvironmentId,
    plan::ReleaseLabel,
    release::Release,
};
use std::sync::mpsc;

/// The name that stands for the newest.
const LATEST: &str = "latest";

/// Makes, lists, shows, verifies, tries, restores and removes backups.
///
/// # Errors
///
/// Where the words name none, or it was not done.
pub async fn run(session: &Session, args: Backup) -> Result<u8, Halt> {
    match args.act {
        BackupAct::Create { words, note, pin } => create::run(session, &words, note, pin).await,
        BackupAct::List { words, second_place: true } => second::list(session, &words).await,
        BackupAct::List { words, .. } => look::list(session, &words).await,
        BackupAct::Fetch { words } => second::fetch(session, &words).await,
        BackupAct::Show { words } => look::show(session, &words).await,
        BackupAct::Verify(opened) => look::verify(session, &opened).await,
        BackupAct::Drill(opened) => look::drill(session, &opened).await,
        BackupAct::Restore(args) => restore::run(session, &args).await,
        BackupAct::Delete { words, yes } => keep::delete(session, &words, yes).await,
        BackupAct::Prune { words, dry_run } => keep::prune(session, &words, dry_run).await,
    }
}

/// An environment, its backups, and the release by whose configuration they are made.
struct Place {
    environment: EnvironmentId,
    backups: DirectoryBackups,
    by: Release,
}

impl Place {
    async fn new(session: &Session, environment: EnvironmentId) -> Result<Place, Halt> {
        let known = releases::releases(&session.root, &environment).await?;
        let serving = known.reports.iter().position(|it| it.serving);
        let current = || {
            let version = known.current.as_deref();
            known.kept.iter().position(|it| Some(it.release.version.as_str()) == version)
        };
        let by = serving.or_else(current).map(|at| known.kept[at].release.clone());
        let Some(by) = by else {
            return Err(Halt::usage(format!(
                "look at the backups of {environment}: nothing was deployed there yet"
            ))
            .hint(
                "what is backed up is said under `backup:`, and known from the first deployment on",
            ));
        };
        let backups = DirectoryBackups::new(session.layout());
        Ok(Place { environment, backups, by })
    }

    /// As [`Place::new`], and refused where nothing is to be backed up.
    fn expect_backup(self) -> Result<Place, Halt> {
        if self.by.spec.backup.is_some() {
            return Ok(self);
        }
        let (environment, version) = (&self.environment, &self.by.version);
        let message = format!("back up {environment}: {version}, which serves, has no `backup:`");
        Err(Halt::usage(message)
            .hint("add it to the configuration, and then `cutover deploy --env-only`"))
    }

    fn serving(&self) -> ReleaseLabel {
        ReleaseLabel { id: self.by.id.clone(), version: self.by.version.clone() }
    }

    /// The backup of this name, or the newest.
    fn find(&self, name: Option<&str>) -> Result<Metadata, Halt> {
        let environment = &self.environment;
        let Some(name) = name.filter(|it| *it != LATEST) else {
            let newest = self.backups.list(environment)?.into_iter().next();
            return newest.ok_or_else(|| {
                Halt::usage(format!("find the latest backup of {environment}: there is none"))
                    .hint(format!("`cutover backup create {environment}` makes one"))
            });
        };
        let parsed = name.parse::<BackupName>().map_err(|error| {
            Halt::usage(format!("find a backup: {error}"))
                .hint(format!("`cutover backup list {environment}` lists them"))
        })?;
        if !self.backups.directory(environment, &parsed).is_dir() {
            return Err(Halt::usage(format!("find {parsed} of {environment}: there is none"))
                .hint(format!("`cutover backup list {environment}` lists them")));
        }
        Ok(self.backups.show(environment, &parsed)?)
    }
}

/// The environment that the words name.
async fn place(session: &Session, words: &[String]) -> Result<Place, Halt> {
    Place::new(session, target::known(session).await?.find(words)?.id).await
}

/// The environment that the first words name, and the backup that the last one does.
async fn one(session: &Session, words: &[String]) -> Result<(Place, Metadata), Halt> {
    let (place, name) = named(session, words).await?;
    let found = place.find(name)?;
    Ok((place, found))
}

/// The environment that the first words name, and the last word where it is more.
async fn named<'w>(
    session: &Session,
    words: &'w [String],
) -> Result<(Place, Option<&'w str>), Halt> {
    let known = target::known(session).await?;
    let is_name = |it: &String| it == LATEST || it.parse::<BackupName>().is_ok();
    let (target, name) = match words {
        // A single environment may be left out.
        [name] if is_name(name) => (known.find(&[])?, Some(name.as_str())),
        words => match known.find_first(words)? {
            (target, []) => (target, None),
            (target, [name]) => (target, Some(name.as_str())),
            (_, [_, more, ..]) => {
                let message = format!("understand `{more}`: the backup was named already");
                return Err(Halt::usage(message));
            }
        },
    };
    Ok((Place::new(session, target.id).await?, name))
}

/// Does work that blocks, and prints what is told meanwhile.
async fn blocking<T: Send + 'static>(
    session: &Session,
    what: &str,
    work: impl FnOnce(&dyn Fn(String)) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Halt> {
    let (told, notes) = mpsc::channel();
    // Nobody listens any more where the command line was interrupted.
    let working = tokio::task::spawn_blocking(move || work(&|text| drop(told.send(text))));
    let done = session.ui.waiting(what, working).await;
    for note in notes.try_iter() {
        session.ui.note(&note);
    }
    let failed = |it| Failure::new(Blame::Us, format!("finish work in the background: {it}"));
    Ok(done.map_err(failed)??)
}

/// Unix time in ms.
fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
