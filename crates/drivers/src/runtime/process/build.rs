//! Builds, each command a one-off process: it outlives the controller, and is run once.

use super::{
    begin::{limits, new_token},
    environment::placeholders_filled,
    follow::evidence,
    one_off::{OneOffProcesses, as_instance},
};
use crate::{
    account::{self, Account},
    blocking::blocking,
    clock::SystemClock,
    file, host,
    releases::{DirectoryReleases, dependencies},
};
use async_trait::async_trait;
use dependencies::Dependencies;
use engine::port::{builder::Builder, clock::Clock, one_off::OneOffRunner, prober::Note};
use model::{
    build::{self, BuildCommand, BuildRun, BuildSpec, Part},
    failure::{Blame, Failure},
    id::Epoch,
    name::EnvironmentId,
    one_off::{Ended, FORMAT, Life, OneOff},
    release::Release,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use supervise::spec::{InstanceSpec, Restart, User};

/// Lines of one command's output that are told; the rest is in its file.
const LINES_MAX: usize = 5_000;
/// From the signal that asks a command to end to the end of all that it started.
const GRACE_MS: u64 = 5_000;
const SIGTERM: i32 = 15;

/// Builds content where it lies.
#[derive(Clone, Debug)]
pub struct HostBuilder {
    one_offs: OneOffProcesses,
    releases: DirectoryReleases,
}

/// All that one command needs to know.
#[derive(Clone)]
struct Work {
    environment: EnvironmentId,
    release: Release,
    spec: BuildSpec,
    /// Where it is run.
    directory: PathBuf,
    account: Option<Account>,
    epoch: Epoch,
}

impl HostBuilder {
    /// With what runs its commands and what keeps its content.
    pub fn new(one_offs: OneOffProcesses, releases: DirectoryReleases) -> HostBuilder {
        HostBuilder { one_offs, releases }
    }

    async fn run(
        &self,
        work: &Work,
        commands: &[&BuildCommand],
        note: &Note,
    ) -> Result<(), Failure> {
        let dependencies = self.made_ready(work, commands).await?;
        let begun_at_ms = self.begun_at_ms(commands).await?;
        for (at, command) in commands.iter().enumerate() {
            if command.part == Part::Install
                && let Some(Kept::Restored) = &dependencies
            {
                note("build | dependencies are as they were kept: not installed again".to_owned());
                continue;
            }
            let passed_ms = SystemClock.now_ms().saturating_sub(begun_at_ms);
            let left_ms = work.spec.timeout.0.saturating_sub(passed_ms).max(1);
            self.run_one(work, command, left_ms, note).await?;
            if command.part == Part::Install
                && let Some(Kept::Wanted(wanted)) = &dependencies
                && !self.any_begun(&commands[at + 1..]).await?
            {
                let (this, work, wanted) = (self.clone(), work.clone(), wanted.clone());
                let keeping = move || {
                    let releases = &this.releases;
                    releases.keep_dependencies(&work.environment, &wanted, &work.directory)
                };
                if let Err(failure) = blocking(keeping).await {
                    note(format!("warning: failed to {}", failure.message));
                }
            }
        }
        Ok(())
    }

    /// Cleaned, with kept dependencies in their place, and handed over to whom it is built by;
    /// once: not where a command was begun before.
    async fn made_ready(
        &self,
        work: &Work,
        commands: &[&BuildCommand],
    ) -> Result<Option<Kept>, Failure> {
        let is_begun = self.any_begun(commands).await?;
        // Where a later command was begun and the install never was, it was left out.
        let (install, later): (Vec<&BuildCommand>, Vec<&BuildCommand>) =
            commands.iter().partition(|it| it.part == Part::Install);
        let left_out = !self.any_begun(&install).await? && self.any_begun(&later).await?;
        let (this, work) = (self.clone(), work.clone());
        blocking(move || {
            if is_begun {
                let wanted = || Dependencies::of(&work.spec, &work.directory).map(Kept::Wanted);
                return Ok(if left_out { Some(Kept::Restored) } else { wanted() });
            }
            for path in &work.spec.clean {
                let path = work.directory.join(path);
                dependencies::remove(&path)
                    .map_err(|error| file::failure("clean", &path, &error))?;
            }
            let wanted = Dependencies::of(&work.spec, &work.directory);
            let restored = match &wanted {
                Some(wanted) if !work.spec.clean_dependencies => {
                    this.releases.restore(&work.environment, wanted, &work.directory)?
                }
                _ => false,
            };
            this.hand_over(&work)?;
            Ok(if restored { Some(Kept::Restored) } else { wanted.map(Kept::Wanted) })
        })
        .await
    }

    /// The release's directory and a home, to the user who builds.
    fn hand_over(&self, work: &Work) -> Result<(), Failure> {
        let home = self.one_offs.layout().build_home(&work.environment);
        let failed = |error| file::failure("make the directory", &home, &error);
        file::make_directory(&home, file::MODE_PRIVATE_DIRECTORY).map_err(failed)?;
        let Some(account) = &work.account else { return Ok(()) };
        let us = rustix::process::geteuid().as_raw();
        let release = self.one_offs.layout().release(&work.environment, &work.release.version);
        for directory in [&home, &release] {
            DirectoryReleases::hand_over(directory, us, (account.uid, account.gid))?;
        }
        Ok(())
    }

    async fn run_one(
        &self,
        work: &Work,
        command: &BuildCommand,
        left_ms: u64,
        note: &Note,
    ) -> Result<(), Failure> {
        let one_off = one_off(work, command, left_ms);
        let (this, to_begin, to_do) = (self.clone(), one_off.clone(), work.clone());
        blocking(move || this.begin(&to_do, &to_begin)).await?;
        let name = command.part.word();
        let following = self.one_offs.follow(&work.environment, &command.id, name, LINES_MAX, note);
        let (ended, last) = following.await?;
        let (this, id, epoch) = (self.clone(), command.id.clone(), work.epoch);
        blocking(move || this.one_offs.clear_now(&id, epoch)).await?;
        judged(work, command, &ended, &last)
    }

    fn begin(&self, work: &Work, one_off: &OneOff) -> Result<(), Failure> {
        let seen = self.one_offs.look_now(&one_off.id)?;
        if seen.is_some_and(|it| it.life != Life::Begun) {
            return Ok(());
        }
        let instance = as_instance(one_off);
        let layout = self.one_offs.layout();
        let filled = |it: &String| placeholders_filled(layout, it, &instance, &work.release);
        let spec = InstanceSpec {
            format: supervise::spec::FORMAT,
            instance: one_off.id.0.clone(),
            token: new_token()?,
            command: one_off.command.iter().map(filled).collect(),
            directory: work.directory.clone(),
            environment: self.variables(work, filled),
            user: work.account.as_ref().map(|it| User { uid: it.uid, gid: it.gid }),
            limits: limits(&work.spec.limits),
            stop_signal: SIGTERM,
            grace_ms: GRACE_MS,
            notify: false,
            time_limit_ms: one_off.time_limit_ms,
            listen: None,
            restart: Restart::Never,
            output: self.one_offs.output(one_off)?,
            redact: work.spec.secrets.clone(),
        };
        self.one_offs.begin_as(one_off, &spec, work.epoch)
    }

    fn variables(
        &self,
        work: &Work,
        filled: impl Fn(&String) -> String,
    ) -> BTreeMap<String, String> {
        let home = self.one_offs.layout().build_home(&work.environment);
        let mut all: BTreeMap<String, String> = [
            ("PATH".to_owned(), host::PATH.to_owned()),
            ("LANG".to_owned(), host::LANG.to_owned()),
            ("HOME".to_owned(), home.to_string_lossy().into_owned()),
        ]
        .into();
        all.extend(work.spec.env.iter().map(|(name, value)| (name.clone(), filled(value))));
        let services = &work.release.spec.services;
        let mine = |it: &&model::service::ServiceSpec| {
            work.spec.service.as_ref().is_none_or(|name| it.name == *name)
        };
        for name in &work.spec.secrets {
            let value = services.iter().filter(mine).find_map(|it| it.env.get(name));
            all.extend(value.map(|it| (name.clone(), it.clone())));
        }
        all
    }

    async fn any_begun(&self, commands: &[&BuildCommand]) -> Result<bool, Failure> {
        for command in commands {
            let seen = self.one_offs.look(&command.id).await?;
            if seen.is_some_and(|it| it.life != Life::Begun) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// When the first of them was begun, or now.
    async fn begun_at_ms(&self, commands: &[&BuildCommand]) -> Result<u64, Failure> {
        let now_ms = SystemClock.now_ms();
        let mut first_ms = now_ms;
        for command in commands {
            let seen = self.one_offs.look(&command.id).await?;
            first_ms = seen.map_or(first_ms, |it| first_ms.min(it.one_off.begun_at_ms));
        }
        Ok(first_ms)
    }

    fn remove_home(&self, environment: &EnvironmentId) -> Result<(), Failure> {
        let home = self.one_offs.layout().build_home(environment);
        file::remove_tree(&home).map_err(|error| file::failure("remove", &home, &error))
    }
}

/// What is known of dependencies before a build.
enum Kept {
    /// They were kept, and are in their place.
    Restored,
    /// What is installed is to be kept.
    Wanted(Dependencies),
}

#[async_trait]
impl Builder for HostBuilder {
    async fn build(
        &self,
        environment: &EnvironmentId,
        build: &BuildRun,
        release: &Release,
        epoch: Epoch,
        note: &Note,
    ) -> Result<(), Failure> {
        let mut builder = None;
        for (number, spec) in release.spec.builds.iter().enumerate() {
            let commands: Vec<&BuildCommand> =
                build.commands.iter().filter(|it| it.build == number).collect();
            let work = self.work(environment, release, spec, epoch)?;
            self.run(&work, &commands, note).await?;
            // What one user built the next one may not be able to change.
            if let Some(account) = &work.account {
                let (release, to) = (self.place(environment, release), account.uid);
                let us = rustix::process::geteuid().as_raw();
                let group = rustix::process::getegid().as_raw();
                blocking(move || DirectoryReleases::hand_over(&release, to, (us, group))).await?;
                builder = Some(account.uid);
            }
        }
        let (this, release, environment) = (self.clone(), release.clone(), environment.clone());
        let sealing = blocking(move || {
            this.remove_home(&environment)?;
            this.releases.seal(&release, builder)
        });
        let built = sealing.await?;
        note(format!("build | {} files, {} bytes", built.files, built.bytes));
        Ok(())
    }

    async fn undo(
        &self,
        environment: &EnvironmentId,
        build: &BuildRun,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        for command in &build.commands {
            if self.one_offs.look(&command.id).await?.is_some() {
                OneOffRunner::stop(&self.one_offs, &command.id, epoch).await?;
            }
        }
        let (this, environment) = (self.clone(), environment.clone());
        let version = build.version.clone();
        blocking(move || {
            this.remove_home(&environment)?;
            this.releases.discard_unbuilt(&environment, &version)
        })
        .await
    }
}

impl HostBuilder {
    fn place(&self, environment: &EnvironmentId, release: &Release) -> PathBuf {
        self.one_offs.layout().release(environment, &release.version)
    }

    fn work(
        &self,
        environment: &EnvironmentId,
        release: &Release,
        spec: &BuildSpec,
        epoch: Epoch,
    ) -> Result<Work, Failure> {
        let place = self.place(environment, release);
        let directory = inside(&place, spec.directory.as_deref())?;
        let account = build::user(spec, &release.spec).map(account::account).transpose()?;
        let us = rustix::process::geteuid().as_raw();
        Ok(Work {
            environment: environment.clone(),
            release: release.clone(),
            spec: spec.clone(),
            directory,
            account: account.filter(|it| it.uid != us),
            epoch,
        })
    }
}

/// The real path of a directory of the release, and of nothing else.
fn inside(release: &Path, directory: Option<&str>) -> Result<PathBuf, Failure> {
    let failed = |path: &Path, error| file::failure("build in", path, &error);
    let release = fs::canonicalize(release).map_err(|error| failed(release, error))?;
    let Some(directory) = directory else { return Ok(release) };
    let path = release.join(directory);
    let path = fs::canonicalize(&path).map_err(|error| {
        failed(&path, error).hint("`directory` of `build` is one of the release's directories")
    })?;
    if path.starts_with(&release) && path.is_dir() {
        return Ok(path);
    }
    let message = format!("build in {}: it is no directory of the release", path.display());
    Err(Failure::new(Blame::Release, message))
}

fn one_off(work: &Work, command: &BuildCommand, left_ms: u64) -> OneOff {
    OneOff {
        format: FORMAT,
        id: command.id.clone(),
        environment: work.environment.clone(),
        service: build::owner(&work.spec, &work.release.spec),
        release: work.release.id.clone(),
        version: work.release.version.clone(),
        command: command.command.clone(),
        time_limit_ms: Some(left_ms),
        // Its deployment waits for it, also across lives of the controller.
        detached: true,
        by: format!("build of {}", work.release.version),
        begun_at_ms: SystemClock.now_ms(),
        scheduled: false,
        migration: None,
    }
}

fn judged(
    work: &Work,
    command: &BuildCommand,
    ended: &Ended,
    last: &[String],
) -> Result<(), Failure> {
    if !ended.timed_out && ended.not_executed.is_none() && ended.code == Some(0) {
        return Ok(());
    }
    let doing = match command.part {
        Part::Install => "install dependencies",
        Part::Make => "build",
        Part::Test => "test what was built",
    };
    let program = command.command.first().map(String::as_str).unwrap_or_default();
    let failure = if ended.timed_out {
        let limit_s = work.spec.timeout.0 / 1000;
        let message = format!("{doing}: `{program}` did not end within the limit of {limit_s} s");
        Failure::new(Blame::Release, message)
            .hint("`build: { timeout: … }` gives all commands of a build more time")
    } else if ended.not_executed.is_some() {
        Failure::new(Blame::Release, format!("{doing}: `{program}` {}", ended.how()))
            .hint("a program must be in PATH, or in the release: `./build.sh`")
    } else {
        Failure::new(Blame::Release, format!("{doing}: `{program}`: {}", ended.how()))
    };
    Err(evidence(failure, last))
}
