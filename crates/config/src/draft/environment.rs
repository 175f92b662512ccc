//! One environment as it was read.

use crate::{
    address,
    draft::{
        backup::BackupDraft,
        build::{self, BuildDraft},
        control,
        edge::{self, OverDraft},
        project::{self, SourceDraft},
        rate::LimitsDraft,
        secret::Secrets,
        service::ServiceDraft,
        shared,
        variable::{self, EnvFileDraft, Required, Variables},
    },
    report::{Field, Place, Placed, Report, Table},
    scalar,
    yaml::Value,
};
use model::{
    edge::AccessLog,
    name::Name,
    service::{ControlSpec, VersionScheme},
    shared::Shared,
};
use std::collections::BTreeMap;

/// Every key of an environment.
pub(crate) const KEYS: [&str; 24] = [
    "domains",
    "version",
    "env",
    "env_file",
    "required_env",
    "secrets",
    "services",
    "source",
    "build",
    "requires",
    "disk_free",
    "keep_releases",
    "shared",
    "confirm",
    "windows",
    "not_at_peak",
    "timezone",
    "require_staging",
    "hooks",
    "backup",
    "https",
    "security_headers",
    "access_log",
    "limits",
];

/// Releases that may be asked to be kept.
const KEEP_RELEASES_MAX: u64 = 1000;

/// One environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct EnvironmentDraft {
    /// Of its name.
    pub(crate) place: Place,
    pub(crate) path: String,
    pub(crate) domains: Option<Placed<Vec<Placed<String>>>>,
    pub(crate) version: Option<Placed<VersionScheme>>,
    pub(crate) env: Variables,
    pub(crate) env_file: Option<Placed<Vec<Placed<EnvFileDraft>>>>,
    pub(crate) required_env: Option<Required>,
    pub(crate) secrets: Secrets,
    pub(crate) disk_free_bytes: Option<Placed<u64>>,
    pub(crate) keep_releases: Option<Placed<u32>>,
    pub(crate) source: Option<SourceDraft>,
    pub(crate) build: Option<Placed<BuildDraft>>,
    pub(crate) requires: BTreeMap<String, String>,
    pub(crate) shared: Option<Placed<Shared>>,
    pub(crate) control: ControlSpec,
    pub(crate) backup: Option<BackupDraft>,
    pub(crate) https: OverDraft,
    pub(crate) security_headers: Option<Placed<bool>>,
    pub(crate) access_log: Option<Placed<Option<AccessLog>>>,
    pub(crate) limits: Option<LimitsDraft>,
    /// What it lays over the project's services.
    pub(crate) services: Vec<(Name, ServiceDraft)>,
    /// `domains` was there but wrong: what depends on it is not judged.
    pub(crate) domains_broken: bool,
}

impl EnvironmentDraft {
    /// An environment without keys may be left empty.
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> EnvironmentDraft {
        let mut draft =
            EnvironmentDraft { place: field.place, path: field.path.clone(), ..Default::default() };
        if field.node.value == Value::Null {
            return draft;
        }
        let elsewhere = [
            ("command", "to a service: `services: { web: { command: … } }`"),
            ("instances", "to a service: `services: { web: { instances: … } }`"),
            ("health", "to a service: `services: { web: { health: … } }`"),
            ("routes", "to a service: `services: { web: { routes: … } }`"),
        ];
        let Some(table) = Table::read(field, &KEYS, &elsewhere, report) else {
            draft.domains_broken = true;
            return draft;
        };
        draft.read_keys(&table, report);
        if let Some(services) = table.get("services") {
            draft.services = project::services(services, report);
        }
        draft.domains_broken = draft.domains.is_none() && table.gives("domains");
        draft
    }

    fn read_keys(&mut self, table: &Table<'_>, report: &mut Report) {
        let schemes = [
            ("timestamp", VersionScheme::Timestamp),
            ("semver", VersionScheme::Semver),
            ("git", VersionScheme::Git),
            ("any", VersionScheme::Any),
        ];
        self.domains =
            table.get("domains").and_then(|it| scalar::list(it, report, address::domain));
        self.version = table.get("version").and_then(|it| scalar::choice(it, &schemes, report));
        if let Some(env) = table.get("env") {
            self.env = variable::variables(env, report);
        }
        self.env_file =
            table.get("env_file").and_then(|it| scalar::list(it, report, variable::env_file));
        self.required_env = table.get("required_env").and_then(|it| variable::required(it, report));
        if let Some(secrets) = table.get("secrets") {
            self.secrets = Secrets::read(secrets, report);
        }
        self.disk_free_bytes = table.get("disk_free").and_then(|it| scalar::size(it, 0, report));
        self.keep_releases = table
            .get("keep_releases")
            .and_then(|it| scalar::number(it, 1..=KEEP_RELEASES_MAX, report));
        self.control = control::read(table, report);
        self.build = table.get("build").and_then(|it| BuildDraft::read(it, report));
        if let Some(requires) = table.get("requires") {
            self.requires = build::requires(requires, report);
        }
        if let Some(https) = table.get("https") {
            self.https = OverDraft::read(https, report);
        }
        self.access_log = edge::access_log(table, report);
        self.limits = table.get("limits").and_then(|it| LimitsDraft::read(it, report));
        let headers = table.get("security_headers");
        self.security_headers = headers.and_then(|it| scalar::switch(it, report));
        self.backup = table.get("backup").and_then(|it| BackupDraft::read(it, report));
        self.shared = table.get("shared").and_then(|it| shared::read(it, report));
        self.source = table.get("source").and_then(|it| SourceDraft::read(it, report));
    }

    /// The host names.
    pub(crate) fn domains(&self) -> &[Placed<String>] {
        self.domains.as_ref().map_or(&[], |it| it.value.as_slice())
    }
}
