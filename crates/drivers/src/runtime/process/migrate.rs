//! Migrations, each a one-off process of the new release: run once, and judged by the tool's word
//! where nobody saw how it ended.

use super::{follow::evidence, one_off::OneOffProcesses};
use crate::{blocking::blocking, clock::SystemClock};
use async_trait::async_trait;
use engine::port::{
    clock::Clock,
    migrator::{Migrator, NotMigrated},
    one_off::OneOffRunner,
    prober::Note,
};
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
    migrate::{MigrateRun, Migrated, State, destructive},
    name::EnvironmentId,
    one_off::{Ended, FORMAT, OneOff},
    release::Release,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Lines of its output that are told; the rest is in its file.
const LINES_MAX: usize = 2_000;
/// A tool may take so long to say how the database is.
const STATUS_TIME_MAX_MS: u64 = 60_000;
/// Of what it says, this is kept in the release's record.
const STATE_CHARACTERS_MAX: usize = 400;
/// Files of migrations that are looked at, and bytes of each.
const FILES_MAX: usize = 10_000;
const FILE_BYTES_MAX: usize = 1024 * 1024;
const DEPTH_MAX: usize = 6;

/// What a run of the tool came to.
struct Ran {
    ended: Ended,
    last: Vec<String>,
}

#[async_trait]
impl Migrator for OneOffProcesses {
    async fn migrate(
        &self,
        environment: &EnvironmentId,
        run: &MigrateRun,
        release: &Release,
        epoch: Epoch,
        note: &Note,
    ) -> Result<Migrated, NotMigrated> {
        let new = self.new_files(environment, run).await;
        for file in &new {
            note(format!("warning: {file}: the old release serves meanwhile, and after it"));
        }
        let it = Migration { processes: self, environment, run, release, epoch, note };
        // A second try has an id of its own, so that it is found again as well.
        for (attempt, suffix) in ["", "r"].into_iter().enumerate() {
            let id = InstanceId(format!("{}{suffix}", run.id));
            let ran = it.run(&id, &run.spec.up, run.spec.timeout.0, "migrate").await?;
            let ended = &ran.ended;
            if ended.code == Some(0) && !ended.timed_out && ended.not_executed.is_none() {
                let state = it.state().await?.map(|(_, said)| said).unwrap_or_default();
                return Ok(Migrated { state, destructive: new, skipped: false });
            }
            if ended.not_executed.is_some() || (ended.code.is_some() && !ended.timed_out) {
                return Err(failed(run, &ran).into());
            }
            // It was stopped, or killed, or its machine went down.
            match it.state().await? {
                Some((State::Done, state)) => {
                    note("migrate | nobody saw its end: the tool says that it is done".to_owned());
                    return Ok(Migrated { state, destructive: new, skipped: false });
                }
                Some((State::Pending, _)) if ended.timed_out || attempt > 0 => {
                    return Err(failed(run, &ran).into());
                }
                Some((State::Pending, _)) => {
                    note("migrate | it did not come to its end: it is run again".to_owned());
                }
                unknown => return Err(unclear(run, &ran, unknown)),
            }
        }
        Err(Failure::new(Blame::Us, "migrate: no attempt came to an end").into())
    }
}

struct Migration<'a> {
    processes: &'a OneOffProcesses,
    environment: &'a EnvironmentId,
    run: &'a MigrateRun,
    release: &'a Release,
    epoch: Epoch,
    note: &'a Note,
}

impl Migration<'_> {
    async fn run(
        &self,
        id: &InstanceId,
        command: &[String],
        limit_ms: u64,
        name: &str,
    ) -> Result<Ran, Failure> {
        let one_off = one_off(self.environment, self.run, id, command, limit_ms);
        let variables = self.variables();
        let (processes, release, epoch) =
            (self.processes.clone(), self.release.clone(), self.epoch);
        blocking(move || processes.begin_now(&one_off, &release, epoch, &variables)).await?;
        let following = self.processes.follow(self.environment, id, name, LINES_MAX, self.note);
        let (ended, last) = following.await?;
        let (processes, id) = (self.processes.clone(), id.clone());
        blocking(move || processes.clear_now(&id, epoch)).await?;
        Ok(Ran { ended, last })
    }

    /// What the tool says; none: it cannot be asked.
    async fn state(&self) -> Result<Option<(State, String)>, Failure> {
        let Some(command) = &self.run.spec.status else { return Ok(None) };
        // Asked anew each time.
        let id = InstanceId(format!("{}s{}", self.run.id, SystemClock.now_ms()));
        let ran = self.run(&id, command, STATUS_TIME_MAX_MS, "migrate status").await?;
        OneOffRunner::forget(self.processes, &id, self.epoch).await?;
        let said = ran.last.join("\n");
        let state = self.run.spec.tool.state(ran.ended.code, &said);
        Ok(Some((state, said.chars().take(STATE_CHARACTERS_MAX).collect())))
    }

    /// What PostgreSQL's own library reads: a statement that waits for a lock keeps all others
    /// waiting that come after it, those of the old release too.
    fn variables(&self) -> BTreeMap<String, String> {
        let Some(limit) = self.run.spec.lock_timeout else { return BTreeMap::new() };
        let services = &self.release.spec.services;
        let mine = services.iter().find(|it| it.name == self.run.service);
        let given = mine.and_then(|it| it.env.get("PGOPTIONS")).map_or("", String::as_str);
        let options = format!("{given} -c lock_timeout={}", limit.0);
        [("PGOPTIONS".to_owned(), options.trim().to_owned())].into()
    }
}

impl OneOffProcesses {
    /// Files of migrations that the release before does not have, and that are destructive.
    async fn new_files(&self, environment: &EnvironmentId, run: &MigrateRun) -> Vec<String> {
        let Some(directory) = run.spec.directory.clone() else { return vec![] };
        let place = |version: &str| self.layout().release(environment, version).join(&directory);
        let new = place(&run.version);
        let old = run.from.as_deref().map(place);
        // They only warn: what cannot be read is not in the way.
        blocking(move || Ok(destructive_files(&new, old.as_deref()))).await.unwrap_or_default()
    }
}

fn destructive_files(new: &Path, old: Option<&Path>) -> Vec<String> {
    let before = old.map(files).unwrap_or_default();
    let added = files(new).into_iter().filter(|it| !before.contains(it));
    let seen = added.filter_map(|path| {
        let text = fs::read(new.join(&path)).ok()?;
        let text = String::from_utf8_lossy(&text[..text.len().min(FILE_BYTES_MAX)]).into_owned();
        Some(format!("{}: {}", path.display(), destructive(&text)?))
    });
    seen.collect()
}

/// Below a directory, without those that take back.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let (mut found, mut open) = (BTreeSet::new(), vec![(PathBuf::new(), 0)]);
    while let Some((below, depth)) = open.pop() {
        let Ok(entries) = fs::read_dir(directory.join(&below)) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let path = below.join(entry.file_name());
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            let counts = (name.ends_with(".sql") && !name.ends_with("down.sql"))
                || (name.ends_with(".py") && name != "__init__.py");
            if kind.is_dir() && depth < DEPTH_MAX {
                open.push((path, depth + 1));
            } else if kind.is_file() && counts && found.len() < FILES_MAX {
                found.insert(path);
            }
        }
    }
    found
}

fn one_off(
    environment: &EnvironmentId,
    run: &MigrateRun,
    id: &InstanceId,
    command: &[String],
    limit_ms: u64,
) -> OneOff {
    OneOff {
        format: FORMAT,
        id: id.clone(),
        environment: environment.clone(),
        service: run.service.clone(),
        release: run.release.clone(),
        version: run.version.clone(),
        command: command.to_vec(),
        time_limit_ms: Some(limit_ms),
        // Its deployment waits for it, also across lives of the controller.
        detached: true,
        by: format!("migration to {}", run.version),
        begun_at_ms: SystemClock.now_ms(),
        scheduled: false,
    }
}

fn failed(run: &MigrateRun, ran: &Ran) -> Failure {
    let how = match ran.ended.timed_out {
        true => format!("it did not end within {} s", run.spec.timeout.0 / 1000),
        false => ran.ended.how(),
    };
    let message = format!("migrate the database of {}: {how}", run.service);
    let mut failure = Failure::new(Blame::Release, message);
    if ran.last.iter().any(|it| it.contains("lock timeout") || it.contains("LockNotAvailable")) {
        failure = failure.hint(
            "another transaction holds the table: try again when it is quiet, or give \
             `lock_timeout` more time",
        );
    }
    evidence(failure.hint("the old release serves; the database is as the tool left it"), &ran.last)
}

fn unclear(run: &MigrateRun, ran: &Ran, said: Option<(State, String)>) -> NotMigrated {
    let message = format!("migrate the database of {}: {}", run.service, ran.ended.how());
    let mut failure = Failure::new(Blame::Platform, message)
        .hint("look at the database: nobody can say how far the migration came")
        .hint("then `cutover abort`, and deploy again: what is done already is not done twice");
    if let Some((_, said)) = said.filter(|it| !it.1.is_empty()) {
        failure = failure.evidence(said);
    }
    NotMigrated { failure: evidence(failure, &ran.last), unclear: true }
}
