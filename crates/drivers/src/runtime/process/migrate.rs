//! Migrations, each a one-off process of the new release: run once, and judged by the tool's word
//! where nobody saw how it ended.

mod files;

use super::{
    follow::evidence,
    one_off::{OneOffProcesses, as_instance},
    placeholders_filled,
};
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
    migrate::{MigrateRun, Migrated, Ran, Said, State, Verdict, judge},
    name::EnvironmentId,
    one_off::{Ended, FORMAT, Life, OneOff},
    release::Release,
};
use std::{collections::BTreeMap, fs::File, io::Read, path::Path, time::Duration};

/// Lines of its output that are told; the rest is in its file.
const LINES_MAX: usize = 5_000;
/// Lines of a status that are told.
const STATUS_LINES_MAX: usize = 50;
/// A tool may take so long to say how the database is.
const STATUS_TIME_MAX_MS: u64 = 60_000;
/// Askings of the status before it, where the machine goes down under them.
const ASKINGS_MAX: u32 = 5;
/// Bytes of a status that are understood.
const STATUS_BYTES_MAX: u64 = 1024 * 1024;
/// Names of migrations that are kept in the release's record.
const NAMES_MAX: usize = 1_000;
/// From one look to the next at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Words of PostgreSQL, and of what wraps its errors, for a lock that was not had in time.
const LOCK_WORDS: [&str; 2] = ["lock timeout", "LockNotAvailable"];

/// What a run of the tool came to.
struct Outcome {
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
        let it = Migration { processes: self, environment, run, release, epoch, note };
        let seen = it.new_files().await;
        for file in &seen.destructive {
            note(format!("warning: {file}: what serves now meets the database without it"));
        }
        let before = it.status_before().await?;
        let outcome = it.run_once().await?;
        let after = it.status().await.map_err(NotMigrated::unclear)?;
        let tool = run.spec.tool;
        let ran = ran(&outcome.ended);
        let applied = after.as_ref().map(|it| it.applied(tool)).unwrap_or_default();
        match judge(tool, ran, before.as_ref(), after.as_ref()) {
            Verdict::Done => {
                if ran == Ran::Cut {
                    note("migrate | nobody saw its end: its tool says that all is done".to_owned());
                }
                let still = after.is_some_and(|it| it.state(tool) == State::Pending);
                if still {
                    note(
                        "warning: it ended well, and its status says that more is left".to_owned(),
                    );
                }
                Ok(Migrated { applied: applied.into_iter().take(NAMES_MAX).collect(), ..seen })
            }
            Verdict::Untouched => Err(NotMigrated::untouched(failed(run, &outcome))),
            Verdict::Unclear => {
                let failure = unclear(environment, run, &outcome, after.as_ref());
                Err(NotMigrated::unclear(failure))
            }
        }
    }

    async fn settle(&self, run: &MigrateRun, epoch: Epoch) -> Result<(), Failure> {
        // Its own time limit ends it.
        loop {
            match self.look(&run.id).await?.map(|it| it.life) {
                Some(Life::Running { .. }) => tokio::time::sleep(LOOK_EVERY).await,
                Some(Life::Begun) => return OneOffRunner::stop(self, &run.id, epoch).await,
                Some(Life::Ended(_)) | None => return Ok(()),
            }
        }
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
    /// The migration itself: begun by whichever life of the controller comes first.
    async fn run_once(&self) -> Result<Outcome, NotMigrated> {
        let (id, spec) = (&self.run.id, &self.run.spec);
        if let Err(failure) = self.begin(id, &spec.up, spec.timeout.0).await {
            let seen = self.processes.look(id).await;
            let is_there =
                !matches!(seen.map(|it| it.map(|it| it.life)), Ok(None | Some(Life::Begun)));
            return Err(NotMigrated { failure, unclear: is_there });
        }
        let to_end = self.to_end(id, "migrate", LINES_MAX).await;
        to_end.map_err(NotMigrated::unclear)
    }

    /// What the tool said before the migration was begun, whichever life asked; none: it has no
    /// words.  A database whose state nobody knows is not touched.
    async fn status_before(&self) -> Result<Option<Said>, NotMigrated> {
        let Some(command) = &self.run.spec.status else { return Ok(None) };
        let begun = self.processes.look(&self.run.id).await.map_err(NotMigrated::unclear)?;
        let begun = begun.is_some_and(|it| it.life != Life::Begun);
        for asking in 1..=ASKINGS_MAX {
            let id = InstanceId(format!("{}b{asking}", self.run.id));
            let seen = self.processes.look(&id).await.map_err(NotMigrated::unclear)?;
            let is_asked = seen.is_some_and(|it| it.life != Life::Begun);
            if begun && !is_asked {
                return Ok(None);
            }
            let failed = |failure| NotMigrated { failure, unclear: begun };
            let (said, outcome) = self.asked(&id, command).await.map_err(failed)?;
            let is_lost = said.code.is_none() && !outcome.ended.timed_out;
            if is_lost && outcome.ended.signal.is_none() && outcome.ended.not_executed.is_none() {
                continue;
            }
            if said.state(self.run.spec.tool) == State::Unclear && !begun {
                return Err(NotMigrated::untouched(unasked(self.run, &outcome)));
            }
            return Ok(Some(said));
        }
        let message = format!("ask how the database of {} stands: it never ends", self.run.service);
        Err(NotMigrated { failure: Failure::new(Blame::Platform, message), unclear: begun })
    }

    /// What the tool says now; none: it has no words.
    async fn status(&self) -> Result<Option<Said>, Failure> {
        let Some(command) = &self.run.spec.status else { return Ok(None) };
        // Asked anew each time.
        let id = InstanceId(format!("{}s{}", self.run.id, SystemClock.now_ms()));
        let (said, _) = self.asked(&id, command).await?;
        OneOffRunner::forget(self.processes, &id, self.epoch).await?;
        Ok(Some(said))
    }

    async fn asked(&self, id: &InstanceId, command: &[String]) -> Result<(Said, Outcome), Failure> {
        self.begin(id, command, STATUS_TIME_MAX_MS).await?;
        let outcome = self.to_end(id, "migrate status", STATUS_LINES_MAX).await?;
        let [out, error, _] = self.processes.layout().one_off_logs(self.environment, id);
        let read = blocking(move || Ok((text(&out), text(&error)))).await?;
        let code = outcome.ended.code.filter(|_| !outcome.ended.timed_out);
        Ok((Said { code, out: read.0, error: read.1 }, outcome))
    }

    async fn begin(&self, id: &InstanceId, words: &[String], limit: u64) -> Result<(), Failure> {
        let mut one_off = one_off(self.environment, self.run, id, words, limit);
        let instance = as_instance(&one_off);
        let layout = self.processes.layout();
        for word in &mut one_off.command {
            *word = placeholders_filled(layout, word, &instance, self.release);
        }
        let (processes, release) = (self.processes.clone(), self.release.clone());
        let (variables, epoch) = (self.variables(), self.epoch);
        blocking(move || processes.begin_now(&one_off, &release, epoch, &variables)).await
    }

    async fn to_end(&self, id: &InstanceId, name: &str, lines: usize) -> Result<Outcome, Failure> {
        let following = self.processes.follow(self.environment, id, name, lines, self.note);
        let (ended, last) = following.await?;
        let (processes, id, epoch) = (self.processes.clone(), id.clone(), self.epoch);
        blocking(move || processes.clear_now(&id, epoch)).await?;
        Ok(Outcome { ended, last })
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

    /// Files of migrations that the release before does not have.
    async fn new_files(&self) -> Migrated {
        let layout = self.processes.layout();
        let new = layout.release(self.environment, &self.run.version);
        let old = self.run.from.as_deref().map(|it| layout.release(self.environment, it));
        let below = self.run.spec.directory.clone();
        // They only warn, and are told of later: what cannot be read is not in the way.
        let looked = move || Ok(files::new_files(&new, old.as_deref(), below.as_deref()));
        blocking(looked).await.unwrap_or_default()
    }
}

fn ran(ended: &Ended) -> Ran {
    match (&ended.not_executed, ended.timed_out, ended.code) {
        (Some(_), ..) => Ran::Never,
        (None, false, Some(0)) => Ran::Well,
        (None, false, Some(_)) => Ran::Badly,
        (None, true, _) | (None, false, None) => Ran::Cut,
    }
}

/// The start of a file, which has at most so much; nothing where there is none.
fn text(path: &Path) -> String {
    let mut bytes = vec![];
    let read = File::open(path).and_then(|it| it.take(STATUS_BYTES_MAX).read_to_end(&mut bytes));
    read.map(|_| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
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
        migration: None,
    }
}

fn how(run: &MigrateRun, outcome: &Outcome) -> String {
    match outcome.ended.timed_out {
        true => format!("it did not end within {} ms", run.spec.timeout.0),
        false => outcome.ended.how(),
    }
}

/// Of what is as it was.
fn failed(run: &MigrateRun, outcome: &Outcome) -> Failure {
    let message = format!("migrate the database of {}: {}", run.service, how(run, outcome));
    let mut failure = Failure::new(Blame::Release, message)
        .hint("its tool says that nothing was applied: mend the migration, and deploy again");
    if outcome.ended.not_executed.is_some() {
        failure = failure.hint("`migrate: { command: … }` says what is run, in the release");
    }
    if outcome.last.iter().any(|it| LOCK_WORDS.iter().any(|word| it.contains(word))) {
        failure = failure.hint(
            "another transaction holds the table: try again when it is quiet, or give \
             `lock_timeout` more time",
        );
    }
    if outcome.ended.timed_out {
        failure = failure.hint("`migrate: { timeout: … }` gives it more time");
    }
    evidence(failure, &outcome.last)
}

/// Of what was not touched, since its state could not be asked.
fn unasked(run: &MigrateRun, outcome: &Outcome) -> Failure {
    let message = format!(
        "ask how the database of {} stands before it is migrated: {}",
        run.service,
        outcome.ended.how()
    );
    let failure = Failure::new(Blame::Release, message)
        .hint("nothing was migrated; `migrate: { status: … }` says what is asked")
        .hint("the tool must reach the database with the variables of the service");
    evidence(failure, &outcome.last)
}

/// Of what may be anything between.
fn unclear(
    environment: &EnvironmentId,
    run: &MigrateRun,
    outcome: &Outcome,
    after: Option<&Said>,
) -> Failure {
    let message = format!(
        "migrate the database of {}: {}; it may be applied in part",
        run.service,
        how(run, outcome)
    );
    let (service, version) = (&run.service, &run.version);
    let asks = format!("`cutover migrate status {environment} {service} --release {version}`");
    let mut failure = Failure::new(Blame::Release, message)
        .hint(match after {
            Some(_) => format!("{asks} asks the tool again; then mend the database by hand"),
            None => "the migration has no `status`: look at the database by hand".to_owned(),
        })
        .hint(format!("then `cutover abort {environment}`, and deploy again"));
    // Some tools complain of what is half done, and list it elsewhere.
    for said in after.iter().flat_map(|it| [&it.out, &it.error]) {
        let lines: Vec<&str> = said.lines().take(STATUS_LINES_MAX).collect();
        if !said.trim().is_empty() {
            failure = failure.evidence(lines.join("\n"));
        }
    }
    evidence(failure, &outcome.last)
}
