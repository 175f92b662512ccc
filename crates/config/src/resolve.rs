//! What one environment comes to: every default filled in, every variable merged.

mod builds;
mod ecosystem;

use crate::{
    document::Document,
    draft::{
        self,
        environment::EnvironmentDraft,
        project::{ProjectDraft, SourceDraft},
        service::{Runtime, ServiceDraft, StrategyDraft},
        variable::Required,
    },
    judge, lint,
    problem::{Problem, any_error},
    read::EnvFiles,
    report::{Placed, Report},
    secret::{self, References, Referred, SecretOrigin},
    variables::{FilesRead, Kept, Merged, is_stand_in},
};
use model::{
    backup::BackupSpec,
    name::{EnvironmentId, Name},
    schedule::{Overlap, Schedule},
    service::{
        EnvironmentSpec, Limits, Millis, Readiness, Rolling, ServiceSpec, Socket, StopSignal,
        Strategy, VersionScheme,
    },
    shared::Shared,
};
use std::collections::{BTreeMap, BTreeSet};

/// The file that names what must be set, for `required_env: example`.
pub const EXAMPLE_FILE: &str = ".env.example";

/// Releases kept when nobody says.
const KEEP_RELEASES: u32 = 5;

/// Where the content of a release comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceConfig {
    /// Relative to the configuration file; never led by `-`.
    Directory(String),
    /// A repository.
    Git {
        /// As `git` takes it; never led by `-`.
        url: String,
        /// Branch, tag or commit; `HEAD` when left out; never led by `-`.
        reference: String,
    },
}

/// One environment, ready to be deployed.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// All that a deployment needs besides the content.
    pub spec: EnvironmentSpec,
    /// Where the content comes from.
    pub source: SourceConfig,
    /// Env files that were read, as the configuration names them.
    pub env_files: Vec<String>,
    /// Names of variables that must be set, and are.
    pub required_env: Vec<String>,
    /// Where the values of secret variables come from.
    pub secret_origins: Vec<SecretOrigin>,
    /// Values that are still to be found.
    pub references: References,
    /// Warnings and notes.
    pub notes: Vec<Problem>,
}

/// Whether what is not built yet stands in the way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unbuilt {
    Refused,
    Accepted,
}

impl Document {
    /// One environment with every value filled in.  `is_root` decides where the proxy listens when
    /// nobody says.
    ///
    /// # Errors
    /// All problems: of the whole file if it has any, else of this environment's env files,
    /// required variables and of keys that are not built yet.
    pub fn resolve(
        &self,
        id: &EnvironmentId,
        env_files: &dyn EnvFiles,
        is_root: bool,
    ) -> Result<Resolved, Vec<Problem>> {
        if any_error(self.problems()) {
            return Err(self.problems().to_vec());
        }
        let (resolved, report) = self.fill(id, env_files, is_root, Unbuilt::Refused);
        let problems = report.finish();
        match resolved {
            Some(resolved) if !any_error(&problems) => Ok(Resolved { notes: problems, ..resolved }),
            _ => Err(problems),
        }
    }

    /// All problems of one environment, without their source lines.
    pub(crate) fn check_environment(
        &self,
        id: &EnvironmentId,
        env_files: &dyn EnvFiles,
        is_root: bool,
    ) -> Vec<Problem> {
        let (resolved, report) = self.fill(id, env_files, is_root, Unbuilt::Accepted);
        let mut problems = report.bare();
        problems.extend(resolved.iter().flat_map(|it| secret::note(&it.references)));
        if let Some((project, environment)) = self.drafts(id) {
            let mut report = Report::new(&self.file, self.source.clone());
            for (_, service) in judge::laid(project, environment) {
                let copies = judge::instances(&service, &id.environment);
                let around = lint::Around { environment: &id.environment, copies };
                lint::smoke(&service, &around, &mut report);
            }
            problems.extend(report.bare());
        }
        problems
    }

    fn fill(
        &self,
        id: &EnvironmentId,
        env_files: &dyn EnvFiles,
        is_root: bool,
        unbuilt: Unbuilt,
    ) -> (Option<Resolved>, Report) {
        let mut report = Report::new(&self.file, self.source.clone());
        let Some((project, environment)) = self.drafts(id) else {
            let message = format!("there is no environment `{id}`");
            report.error(Default::default(), "", message).hint("name one that is declared");
            return (None, report);
        };
        if unbuilt == Unbuilt::Refused {
            for (_, service) in judge::laid(project, environment) {
                refuse_unbuilt(&service, &mut report);
            }
        }
        let mut filling = Filling {
            project,
            environment,
            id,
            name: &id.environment,
            files: FilesRead::new(env_files),
            required: BTreeSet::new(),
            origins: Vec::new(),
            references: References {
                file: self.file.clone(),
                source: self.source.clone(),
                all: Vec::new(),
            },
            report,
        };
        let mut services = filling.services();
        self.lead_past_the_proxy(environment, &mut services);
        let builds = filling.builds(&services);
        let mut requires = project.requires.clone();
        requires.extend(environment.requires.clone());
        let backup = filling.backup(&services);
        let spec = EnvironmentSpec {
            id: id.clone(),
            domains: environment.domains().iter().map(|it| it.value.clone()).collect(),
            version: environment.version.as_ref().map_or(VersionScheme::Timestamp, |it| it.value),
            keep_releases: environment.keep_releases.as_ref().map_or(KEEP_RELEASES, |it| it.value),
            disk_free_bytes: environment.disk_free_bytes.as_ref().map(|it| it.value),
            services,
            listen: self.listen(is_root),
            trusted: self.trusted(),
            edge: self.edge(environment),
            front: self.front().filter(|_| !environment.domains().is_empty()),
            shared: shared(project, environment),
            control: environment.control.clone(),
            builds,
            requires,
            backup,
        };
        let resolved = Resolved {
            spec,
            source: source(project, environment),
            env_files: filling.files.paths,
            required_env: filling.required.into_iter().collect(),
            secret_origins: filling.origins,
            references: filling.references,
            notes: Vec::new(),
        };
        (Some(resolved), filling.report)
    }

    fn drafts(&self, id: &EnvironmentId) -> Option<(&ProjectDraft, &EnvironmentDraft)> {
        let (_, project) = self.root.projects.iter().find(|(name, _)| *name == id.project)?;
        let (_, environment) =
            project.environments.iter().find(|(name, _)| *name == id.environment)?;
        Some((project, environment))
    }
}

fn source(project: &ProjectDraft, environment: &EnvironmentDraft) -> SourceConfig {
    match environment.source.as_ref().or(project.source.as_ref()) {
        None => SourceConfig::Directory(".".to_owned()),
        Some(SourceDraft::Directory(path)) => SourceConfig::Directory(path.clone()),
        Some(SourceDraft::Git { url, reference }) => {
            SourceConfig::Git { url: url.clone(), reference: reference.clone() }
        }
    }
}

fn shared(project: &ProjectDraft, environment: &EnvironmentDraft) -> Shared {
    let given = environment.shared.as_ref().or(project.shared.as_ref());
    given.map_or_else(Shared::default, |it| it.value.clone())
}

fn refuse<T>(at: &Placed<T>, what: &str, instead: &str, report: &mut Report) {
    let message = format!("{what} is not built yet: it can be checked, not deployed");
    report.error(at.place, at.path.clone(), message).hint(instead);
}

fn refuse_unbuilt(service: &ServiceDraft, report: &mut Report) {
    if let Some(at) = &service.runtime
        && let Runtime::Unbuilt(name) = at.value
    {
        let instead = "use `runtime: process` with a `command`, or `static`";
        refuse(at, &format!("runtime `{name}`"), instead, report);
    }
    if let Some(at) = &service.strategy
        && let StrategyDraft::Unbuilt(name) = at.value
    {
        let instead = "use `blue-green`, `rolling`, `canary` or `recreate`";
        refuse(at, &format!("strategy `{name}`"), instead, report);
    }
    let keys = [
        (&service.image, "`image`", "give a `command` that runs the files of the source"),
        (&service.volumes, "`volumes`", "let the program use a directory of its own"),
    ];
    for (key, what, instead) in keys {
        if let Some(at) = key {
            refuse(at, what, instead, report);
        }
    }
}

/// One environment while its values are filled in.
struct Filling<'d> {
    project: &'d ProjectDraft,
    environment: &'d EnvironmentDraft,
    id: &'d EnvironmentId,
    name: &'d Name,
    files: FilesRead<'d>,
    required: BTreeSet<String>,
    origins: Vec<SecretOrigin>,
    references: References,
    report: Report,
}

impl Filling<'_> {
    fn services(&mut self) -> Vec<ServiceSpec> {
        let mut services = Vec::new();
        for (name, base) in &self.project.services {
            let over =
                self.environment.services.iter().find(|(it, _)| it == name).map(|(_, it)| it);
            let merged = Merged::of(
                base,
                self.environment,
                over,
                self.name,
                &mut self.files,
                &mut self.report,
            );
            let laid = over.map_or_else(|| base.clone(), |it| it.over(base));
            let laid = self.with_ecosystem(name, laid);
            let own = [&self.environment.required_env, &laid.required_env];
            for required in own.into_iter().flatten() {
                self.require(required, &merged);
            }
            let copies = judge::instances(&laid, self.name);
            let around = lint::Around { environment: self.name, copies };
            lint::variables(&laid, &merged, &around, &mut self.report);
            let backup = self.environment.backup.as_ref().map(|it| &it.spec);
            let backs_up = backup.is_some_and(|it| it.before_deploy && !it.databases.is_empty());
            lint::migration(&laid, backs_up, &mut self.report);
            if !laid.is_static() {
                self.refer(name, &merged);
            }
            services.push(filled(name, &laid, merged, self.name));
        }
        services
    }

    /// What leads to a database must be a variable of some service.
    fn backup(&mut self, services: &[ServiceSpec]) -> Option<BackupSpec> {
        let draft = self.environment.backup.as_ref()?;
        for name in &draft.variables {
            let given = services.iter().any(|it| it.env.contains_key(&name.value));
            let referred = self.references.all.iter().any(|it| it.name == name.value);
            if !given && !referred {
                let message = format!("no service has the variable `{}`", name.value);
                let reported = self.report.error(name.place, name.path.clone(), message);
                reported.hint("set it under `env` or `secrets`, or in an env file");
            }
        }
        Some(draft.spec.clone())
    }

    /// Notes where the service's secrets come from.
    fn refer(&mut self, service: &Name, merged: &Merged) {
        for (name, file, line) in merged.in_files() {
            self.origins.push(SecretOrigin {
                name: name.clone(),
                service: service.clone(),
                from: format!("env file {file}"),
                file: file.clone(),
                line,
            });
        }
        for (name, secret) in &merged.secrets {
            self.origins.push(SecretOrigin {
                name: name.clone(),
                service: service.clone(),
                from: secret.reference.to_string(),
                file: self.references.file.clone(),
                line: secret.place.line,
            });
            self.references.all.push(Referred {
                service: service.clone(),
                name: name.clone(),
                reference: secret.reference.clone(),
                place: secret.place,
                path: secret.path.clone(),
            });
        }
    }

    fn require(&mut self, required: &Required, merged: &Merged) {
        let names: Vec<Placed<String>> = match required {
            Required::Names(names) => names.clone(),
            Required::Example(at) => {
                let path = at.with(EXAMPLE_FILE.to_owned());
                let entries = self.files.entries(&path, Kept::Open, &mut self.report);
                entries.iter().map(|it| at.with(it.name.clone())).collect()
            }
        };
        for name in names {
            // Whether it holds something is seen when it is followed.
            if merged.secrets.contains_key(&name.value) {
                self.required.insert(name.value);
                continue;
            }
            let trouble = match merged.values.get(&name.value).map(|it| it.trim()) {
                None => "is required and is not set",
                Some("") => "is required and is empty",
                Some(value) if is_stand_in(value) => "is required and holds only a stand-in",
                Some(_) => {
                    self.required.insert(name.value);
                    continue;
                }
            };
            let message = format!("`{}` {trouble}", name.value);
            let reported = self.report.error(name.place, name.path.clone(), message);
            match self.files.paths.last() {
                Some(file) => reported.hint(format!("set it in `{file}`")),
                None => reported.hint("set it under `env`, or in an env file named by `env_file`"),
            }
        }
    }
}

fn schedule(laid: &ServiceDraft) -> Option<Schedule> {
    let pattern = laid.schedule.as_ref()?.value.clone();
    let timezone = laid.timezone.as_ref().map(|it| it.value.clone());
    Some(Schedule {
        pattern,
        timezone: timezone.unwrap_or_else(|| draft::schedule::TIMEZONE.to_owned()),
        overlap: laid.overlap.as_ref().map_or(Overlap::Skip, |it| it.value),
        time_limit: laid.time_limit.as_ref().map_or(draft::schedule::TIME_LIMIT, |it| it.value),
        catch_up: laid.catch_up.as_ref().is_some_and(|it| it.value),
    })
}

fn filled(name: &Name, laid: &ServiceDraft, merged: Merged, environment: &Name) -> ServiceSpec {
    let time = |given: &Option<Placed<Millis>>, seconds: u64| {
        given.as_ref().map_or(Millis::seconds(seconds), |it| it.value)
    };
    let listens = (!laid.routes().is_empty() && !laid.is_static()) || laid.port.is_some();
    let readiness = if listens { Readiness::Port } else { Readiness::Running };
    let pm2 = laid.in_pm2().unwrap_or_default();
    let readiness = if pm2.waits() { Readiness::Notify } else { readiness };
    let first = |own: &Option<Placed<Millis>>, other| own.clone().or(other);
    let strategy = match laid.strategy.as_ref().map(|it| it.value) {
        Some(StrategyDraft::Recreate) => Strategy::Recreate,
        Some(StrategyDraft::Rolling) => Strategy::Rolling,
        Some(StrategyDraft::Canary) => Strategy::Canary,
        // What is not built is refused before this is used.
        None | Some(StrategyDraft::BlueGreen | StrategyDraft::Unbuilt(_)) => Strategy::BlueGreen,
    };
    let tests = laid.smoke.iter().flat_map(|it| &it.value);
    ServiceSpec {
        name: name.clone(),
        command: laid.command.as_ref().map(|it| it.value.clone()).unwrap_or_default(),
        files: laid.files(),
        runtime: laid.runtime(),
        instances: judge::instances(laid, environment),
        schedule: schedule(laid),
        routes: laid.routes().iter().map(|it| it.value.clone()).collect(),
        port: laid.port.as_ref().map(|it| it.value),
        socket: laid.at_socket().map(|_| Socket::default()),
        readiness: laid.readiness.as_ref().map_or(readiness, |it| it.value.clone()),
        health: laid.health.as_ref().and_then(|it| it.value.spec()),
        smoke: tests.map(|it| it.value.0.clone()).collect(),
        checks: laid.checks.iter().flat_map(|it| &it.value).map(|it| it.value.0.clone()).collect(),
        strategy,
        rolling: laid
            .rolling
            .as_ref()
            .map_or_else(Rolling::default, |it| Rolling { batch: it.value.batch }),
        canary: laid.canary.as_ref().map(|it| it.value.clone()).unwrap_or_default(),
        drain: time(&laid.drain, 30),
        stop_signal: laid.stop_signal.as_ref().map_or(StopSignal::SigTerm, |it| it.value),
        quiet_signal: laid.quiet_signal.as_ref().map(|it| it.value),
        grace: time(&first(&laid.grace, pm2.kill_timeout), 10),
        start_timeout: time(&first(&laid.start_timeout, pm2.listen_timeout), 60),
        bake: time(&laid.bake, 10),
        verdict: laid.verdict.rule(),
        keep_warm: time(&laid.keep_warm, 600),
        limits: Limits {
            memory_bytes: laid.limits.memory_bytes.as_ref().map(|it| it.value),
            processes: laid.limits.processes.as_ref().map(|it| it.value),
            files: laid.limits.files.as_ref().map(|it| it.value),
        },
        user: laid.user.as_ref().map(|it| it.value.clone()),
        // Files have no use for variables, and keep none that are secret.
        secret_env: if laid.is_static() { vec![] } else { merged.secret_names() },
        env: if laid.is_static() { BTreeMap::new() } else { merged.values },
        migrate: laid.migrate.as_ref().map(|it| it.value.clone()),
        upstream_keepalive: laid.upstream_keepalive.as_ref().is_none_or(|it| it.value),
    }
}
