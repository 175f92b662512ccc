//! How a release's content is built on the host, where it is.

use crate::{
    id::{DeploymentId, InstanceId, ReleaseId},
    name::Name,
    release::Release,
    service::{EnvironmentSpec, Limits, Millis},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// For all commands of one build where nothing else is said.
pub const TIMEOUT: Millis = Millis::seconds(15 * 60);

/// One build, as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildSpec {
    /// The service it is for; none: all of them.
    pub service: Option<Name>,
    /// Below the release's directory, where it is run; none: there.
    pub directory: Option<String>,
    /// Removed before anything is run, below `directory`.
    pub clean: Vec<String>,
    /// Kept dependencies are not used: they are installed anew.
    pub clean_dependencies: bool,
    /// Installs dependencies.
    pub install: Option<Vec<String>>,
    /// Run after it, in this order.
    pub commands: Vec<Vec<String>>,
    /// Run last; what fails stops the deployment like any other.
    pub test: Vec<Vec<String>>,
    /// Directories that `install` fills, kept for later builds; none: as lock files suggest.
    pub dependencies: Option<Vec<String>>,
    /// For all commands together.
    pub timeout: Millis,
    /// What the commands may use, with all that they start.
    pub limits: Limits,
    /// The user they run as; none: the service's, or that of the first service with one.
    pub user: Option<String>,
    /// All variables, besides a search path, `LANG` and `HOME`.
    pub env: BTreeMap<String, String>,
    /// Names of services' secret variables that it is given too.
    pub secrets: Vec<String>,
}

/// What a build came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Built {
    /// As that of the content it was built from.
    pub digest: String,
    /// Sum of its files.
    pub bytes: u64,
    /// Number of its files and links.
    pub files: u64,
}

/// All commands of a deployment's builds, chosen in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildRun {
    /// Whose record was written before the plan.
    pub release: ReleaseId,
    /// The directory's name.
    pub version: String,
    /// In this order.
    pub commands: Vec<BuildCommand>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildCommand {
    /// Of its process: it is run once, whoever asks again.
    pub id: InstanceId,
    /// Which of the release's builds.
    pub build: usize,
    /// What it is there for.
    pub part: Part,
    /// Program and arguments.
    pub command: Vec<String>,
}

/// What a command of a build is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It installs dependencies, unless they were kept.
    Install,
    /// It makes something.
    Make,
    /// It tries what was made.
    Test,
}

impl Part {
    /// `install`, `build`, `test`.
    pub fn word(self) -> &'static str {
        match self {
            Part::Install => "install",
            Part::Make => "build",
            Part::Test => "test",
        }
    }
}

/// What is to be run for this release; none: its content is whole.
pub fn run(release: &Release, deployment: &DeploymentId) -> Option<BuildRun> {
    if release.is_whole() {
        return None;
    }
    let stem = release.spec.id.stem();
    let suffix = deployment.0.to_ascii_lowercase();
    let mut commands: Vec<BuildCommand> = vec![];
    for (build, spec) in release.spec.builds.iter().enumerate() {
        // Any name fits: nothing is looked up by it.
        let service = owner(spec, &release.spec);
        let install = spec.install.iter().map(|it| (Part::Install, it));
        let make = spec.commands.iter().map(|it| (Part::Make, it));
        let test = spec.test.iter().map(|it| (Part::Test, it));
        for (part, command) in install.chain(make).chain(test) {
            let number = commands.len() + 1;
            let id = InstanceId(format!("{stem}.{service}.run.{suffix}b{number}"));
            commands.push(BuildCommand { id, build, part, command: command.clone() });
        }
    }
    let (release, version) = (release.id.clone(), release.version.clone());
    Some(BuildRun { release, version, commands })
}

/// The service that a build is counted to: its own, or the first.
pub fn owner(build: &BuildSpec, spec: &EnvironmentSpec) -> Name {
    let first = || spec.services.first().map(|it| it.name.clone());
    // A release has a service: a configuration without one is refused.
    build.service.clone().or_else(first).unwrap_or_else(|| spec.id.environment.clone())
}

/// The user that a build runs as; none: the user of the daemon.
pub fn user<'a>(build: &'a BuildSpec, spec: &'a EnvironmentSpec) -> Option<&'a str> {
    let services = spec.services.iter();
    let mut mine = services.filter(|it| build.service.as_ref().is_none_or(|name| it.name == *name));
    build.user.as_deref().or_else(|| mine.find_map(|it| it.user.as_deref()))
}

/// Whether the same content comes to the same by both: the same commands, variables and places.
pub fn alike(one: &EnvironmentSpec, other: &EnvironmentSpec) -> bool {
    // What bounds a build does not change what comes of it.
    let unbounded = |it: &BuildSpec| BuildSpec {
        timeout: TIMEOUT,
        limits: Limits::default(),
        clean_dependencies: false,
        test: vec![],
        ..it.clone()
    };
    one.builds.iter().map(unbounded).eq(other.builds.iter().map(unbounded))
}
